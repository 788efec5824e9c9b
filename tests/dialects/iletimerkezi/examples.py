"""Good requests of every operation, for the fuzzer, and the codes to which mutations of each must lead."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ulak.core.times import ISTANBUL

FIRST = 300_000_001
PLACED = 50
"""Orders that each account has from the beginning; every second is scheduled for the far future."""

STEP = 5_000
"""Milliseconds from one turn to the next."""

BRAND = "100200"
"""Brand code of the accounts that have one."""

KNOWN = [f"53012345{place:02}" for place in range(30)]
"""Numbers that come again and again: blocks, consents and contacts are about these."""

GROUPS, CONTACTS, FIELDS = 20, 40, 2
"""Groups, contacts and fields that there are from the beginning."""


class Example(NamedTuple):
    """An operation: its formats, a good request beside `authentication`, and codes mutations must lead to."""

    operation: str
    formats: tuple[str, ...]
    request: Callable[[Turn], dict[str, Any]]
    codes: frozenset[int]
    weight: int


class Turn:
    """One turn of the fuzzer: what is random in it."""

    def __init__(self, seed: int, place: int, begun: int) -> None:
        """`begun` is the time of turn 0, ms UTC."""
        self.random = random.Random(f"{seed} {place}")
        self.place = place
        self.now = begun + place * STEP

    def number(self) -> Any:
        """A recipient, mostly a good one."""
        national = f"5{self.random.choice('0345')}{self.random.randrange(10**8):08}"
        forms = [national, f"0{national}", f"90{national}", f"+90{national}", int(national), f" {national} "]
        return self.random.choice([*forms, *forms, "x", "", "03121234567", self.known(), self.known()])

    def known(self) -> str:
        """One of a few numbers."""
        return self.random.choice(KNOWN)

    def text(self) -> str:
        """A text: often one that was used before."""
        if self.random.random() < 0.15:
            return self.random.choice(("Merhaba", "Şifre", "A"))
        return f"{self.random.choice(('Kod', 'Çağrı & <1>', 'Ω', 'a' * 200))} {self.place}"

    def order_id(self) -> Any:
        """An order's id, probably of one that there is."""
        highest = self.random.choice((PLACED, PLACED, max(PLACED, self.place // 20)))
        number = FIRST + self.random.randrange(highest)
        return self.random.choice((number, str(number), str(number)))

    def listed_id(self, begun: int, one_in: int) -> Any:
        """The id of a group or contact, probably of one that there is: one is made in so many turns."""
        number = 1 + self.random.randrange(begun + self.place // one_in)
        return self.random.choice((number, str(number)))

    def group_id(self) -> Any:
        """The id of a group."""
        return self.listed_id(GROUPS, 150)

    def contact_id(self) -> Any:
        """The id of a contact."""
        return self.listed_id(CONTACTS, 200)

    def name(self) -> str:
        """What somebody or something is called; sometimes nothing, or too much."""
        chance = self.random.random()
        if chance < 0.16:
            return ("", "a" * 256)[chance < 0.08]
        return self.random.choice(("Ali", "Şükrü <Işık>", "Müşteriler & Bayiler", f"Ad {self.place}"))

    def page(self) -> Any:
        """A page, hardly ever one that there cannot be."""
        return self.random.choice((1, "1", "", 2, 1000, 1, 1, 0))

    def minute(self) -> str:
        """A time to send at, in the next weeks."""
        return self._local(self.random.randrange(60, 40 * 86_400)).strftime("%d/%m/%Y %H:%M")

    def day(self) -> str:
        """A day not long ago."""
        return self._local(-self.random.randrange(5 * 86_400)).strftime("%Y-%m-%d")

    def second(self) -> str:
        """A time in the last two days."""
        return self._local(-self.random.randrange(2 * 86_400)).strftime("%Y-%m-%d %H:%M:%S")

    def _local(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, ISTANBUL) + timedelta(seconds=seconds)


def send_sms(turn: Turn) -> dict[str, Any]:
    """An order, of one text or of two, now or later; or one that others sent before."""
    if turn.random.random() < 0.08:
        return {
            "order": {"sender": "ORNEKAS", "message": {"text": "A", "receipents": {"number": ["5301234567"]}}}
        }
    order: dict[str, Any] = {"sender": turn.random.choice(("ORNEKAS", "ORNEKAS", "Örnek & A", "APITEST"))}
    if turn.random.random() < 0.7:
        order["iys"] = turn.random.choice(("0", 0, "0", False, "1", 1))
        order["iysList"] = turn.random.choice(("BIREYSEL", "TACIR"))
    if turn.random.random() < 0.3:
        order["sendDateTime"] = turn.random.choice((turn.minute(), [turn.minute()], "", []))
    order["message"] = _message(turn)
    if turn.random.random() < 0.1:
        order["message"] = [order["message"], _message(turn)]
    return {"order": order}


def _message(turn: Turn) -> dict[str, Any]:
    numbers = [turn.number() for _ in range(turn.random.randrange(1, 4))]
    return {"text": turn.text(), "receipents": {"number": numbers}}


def of_order(turn: Turn) -> dict[str, Any]:
    """Which order."""
    return {"order": {"id": turn.order_id()}}


def page_of_order(turn: Turn) -> dict[str, Any]:
    """Which page of an order."""
    rows = turn.random.choice((1, "1000", "", None))
    return {"order": {"id": turn.order_id(), "page": turn.page(), "rowCount": rows}}


def days(turn: Turn) -> dict[str, Any]:
    """Orders of some days."""
    start, end = sorted((turn.day(), turn.day()))
    return {"filter": {"start": start, "end": end, "page": turn.page()}}


def nothing(turn: Turn) -> dict[str, Any]:
    """Only who asks, or something that is ignored."""
    return turn.random.choice(({}, {"order": {}}, {"pluginUser": {"site": "a.b", "name": "c"}}))


def blocked(turn: Turn) -> dict[str, Any]:
    """Which number to block, or not to block any more."""
    number = turn.random.choice((turn.known(), turn.known(), turn.number()))
    return {"blacklist": {"number": turn.random.choice((number, number, number, [number]))}}


def blocks(turn: Turn) -> dict[str, Any]:
    """Which page of the blocked numbers."""
    if turn.random.random() < 0.1:
        return {"page": 0, "blacklist": None}
    start, end = sorted((turn.second(), turn.second()))
    span = turn.random.choice((None, {"start": start}, {"end": end}, {"start": start, "end": end}))
    return {
        "blacklist": {"filter": span, "page": turn.page(), "rowCount": turn.random.choice((1, "100", ""))}
    }


def agreed(turn: Turn) -> dict[str, Any]:
    """What some people said."""
    records = [_word(turn) for _ in range(turn.random.choice((1, 1, 2, 3)))]
    return {"consent": {"brandCode": turn.random.choice((BRAND, int(BRAND))), "list": records}}


def _word(turn: Turn) -> dict[str, Any]:
    chance = turn.random
    source = chance.choice(("HS_WEB", "HS_WEB", "HS_MESAJ", "HS_2015"))
    return _person(turn) | {
        "status": chance.choice(("ONAY", "ONAY", "ONAY", "RET")),
        "source": source,
        "consentDate": "2015-05-01 00:00:00" if source == "HS_2015" else turn.second(),
    }


def person(turn: Turn) -> dict[str, Any]:
    """Whose consent."""
    return {"consent": {"brandCode": turn.random.choice((BRAND, int(BRAND)))} | _person(turn)}


def _person(turn: Turn) -> dict[str, Any]:
    channel = turn.random.choice(("MESAJ", "MESAJ", "MESAJ", "ARAMA", "EPOSTA"))
    audience = turn.random.choice(("BIREYSEL", "BIREYSEL", "BIREYSEL", "TACIR"))
    address = f"A{turn.random.randrange(9)}@example.com"
    recipient = address if channel == "EPOSTA" else turn.known()
    return {"recipient": recipient, "recipientType": audience, "type": channel}


def group(turn: Turn) -> dict[str, Any]:
    """Which group."""
    return {"group": {"id": turn.group_id()}}


def new_group(turn: Turn) -> dict[str, Any]:
    """A group at the top, or under another."""
    return {"group": {"name": turn.name(), "parent": turn.random.choice((turn.group_id(), "", 0, [], None))}}


def edited_group(turn: Turn) -> dict[str, Any]:
    """What a group shall be."""
    return {"group": group(turn)["group"] | new_group(turn)["group"]}


def page_of_group(turn: Turn) -> dict[str, Any]:
    """Which page of a group."""
    return {
        "group": {"id": turn.group_id(), "page": turn.page(), "rowCount": turn.random.choice((5, "", "9"))}
    }


def contact(turn: Turn) -> dict[str, Any]:
    """Which contact."""
    return {"contact": {"id": turn.contact_id()}}


def new_contact(turn: Turn) -> dict[str, Any]:
    """A contact, with groups and fields, or with hardly anything."""
    chance = turn.random
    if chance.random() < 0.14:
        return {"contact": {"name": "", "surname": "", "gsm": "", "email": ""}}
    said: dict[str, Any] = {
        "name": turn.name(),
        "surname": "Öz",
        "email": "a@example.com",
        "gsm": turn.number(),
    }
    if chance.random() < 0.5:
        value = {"id": 1 + chance.randrange(FIELDS + 1), "value": f"x{turn.place}"}
        said["custom_fields"] = {"custom_field": chance.choice((value, [value], [value, value]))}
    if chance.random() < 0.5:
        number = turn.group_id()
        said["groups"] = chance.choice(({"group": {"id": number}}, {"id": [number]}, number))
    return {"contact": said}


def edited_contact(turn: Turn) -> dict[str, Any]:
    """What a contact shall be."""
    return {"contact": contact(turn)["contact"] | new_contact(turn)["contact"]}


def wanted(turn: Turn) -> dict[str, Any]:
    """Whom to look for."""
    key = turn.random.choice(("ali", "ışık", "0530 123", "a@b", turn.known(), "al", "", "kimse yok"))
    return {"search": {"key": key, "page": turn.page(), "rowCount": turn.random.choice((5, "", "9"))}}


JSON, XML = ("json",), ("json", "xml")
OF_SENDING = (402, 450, 451, 452, 453, 454, 457, 468, 469, 470)


def _example(
    operation: str,
    formats: tuple[str, ...],
    request: Callable[[Turn], dict[str, Any]],
    *codes: int,
    weight: int = 2,
) -> Example:
    return Example(operation, formats, request, frozenset(codes), weight)


EXAMPLES: list[Example] = [
    _example("send-sms", ("json", "xml", "query"), send_sms, *OF_SENDING, weight=16),
    _example("cancel-order", XML, of_order, 455, weight=3),
    _example("get-report", XML, page_of_order, 455, 456, 464, weight=4),
    _example("get-reports", JSON, days, 458, 464, weight=3),
    _example("get-report-summary", JSON, days, 458, 464),
    _example("get-balance", XML, nothing, weight=1),
    _example("get-sender", XML, nothing, weight=1),
    _example("add-plugin-user", XML, nothing, weight=1),
    _example("get-blacklist", XML, blocks, 422, 464),
    _example("add-blacklist", XML, blocked, 466),
    _example("delete-blacklist", XML, blocked, 466, 474),
    _example("consent/create", JSON, agreed, 403, 422, 470, weight=5),
    _example("consent/show", JSON, person, 403, 422, 470, weight=4),
    _example("get-inbox", JSON, nothing, weight=1),
    _example("get-groups", XML, nothing, weight=1),
    _example("get-group", JSON, group, 463, weight=1),
    _example("add-group", XML, new_group, 422, 461, 463, weight=3),
    _example("edit-group", XML, edited_group, 422, 461, 462, 463, weight=3),
    _example("delete-group", XML, group, 463, weight=1),
    _example("get-group-contacts", XML, page_of_group, 463, 464, 465),
    _example("add-contact", XML, new_contact, 422, 463, 466, 472, 473, weight=4),
    _example("edit-contact", XML, edited_contact, 422, 463, 465, 466, 472, 473, weight=5),
    _example("delete-contact", XML, contact, 465, weight=1),
    _example("get-contact", XML, contact, 465, weight=1),
    _example("search-contacts", XML, wanted, 464, 465, 471),
]

EVERYWHERE = frozenset((400, 401, 404, 503))
"""Codes that every operation can answer."""

WANTED: dict[str, frozenset[int]] = {example.operation: example.codes | {200} for example in EXAMPLES}
"""What each operation must have answered in the end."""
