"""Requests of every operation, and what may go wrong with them: for the fuzzer.

`call_of` makes the request of one turn. It depends on nothing but the seed and the number of the turn, so any
can be made again. `EXAMPLES` says which requests there are, and to which codes mutations of each must lead.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from tests.dialects.iletimerkezi.office import ADDRESS, Customer
from tests.dialects.iletimerkezi.spoken import Spoken, document, parameters

from ulak.core.times import ISTANBUL
from ulak.dialects.door import Call

FIRST = 300_000_001
PLACED = 50
"""Orders that each account has from the beginning; every second is scheduled for the far future."""

STEP = 5_000
"""Milliseconds from one turn to the next."""

BIG = 200_000
"""Characters that make a body go to another thread."""


class Example(NamedTuple):
    """An operation: its formats, a good request beside `authentication`, and codes mutations must lead to."""

    operation: str
    formats: tuple[str, ...]
    request: Callable[[Turn], dict[str, Any]]
    codes: frozenset[int]
    weight: int = 1


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
        return self.random.choice([*forms, *forms, "x", "", "03121234567"])

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

    def minute(self) -> str:
        """A time to send at, in the next weeks."""
        return self._local(self.random.randrange(60, 40 * 86_400)).strftime("%d/%m/%Y %H:%M")

    def day(self) -> str:
        """A day not long ago."""
        return self._local(-self.random.randrange(5 * 86_400)).strftime("%Y-%m-%d")

    def _local(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, ISTANBUL) + timedelta(seconds=seconds)


def send_sms(turn: Turn) -> dict[str, Any]:
    """An order, of one text or of two, now or later; or one that others sent before."""
    if turn.random.random() < 0.06:
        return {
            "order": {"sender": "ORNEKAS", "message": {"text": "A", "receipents": {"number": ["5301234567"]}}}
        }
    order: dict[str, Any] = {"sender": turn.random.choice(("ORNEKAS", "ORNEKAS", "Örnek & A", "APITEST"))}
    if turn.random.random() < 0.7:
        order["iys"] = turn.random.choice(("0", 0, "0", False, "1"))
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
    page = turn.random.choice((1, "1", "", 2, 1000))
    rows = turn.random.choice((1, "1000", "", None))
    return {"order": {"id": turn.order_id(), "page": page, "rowCount": rows}}


def days(turn: Turn) -> dict[str, Any]:
    """Orders of some days."""
    start, end = sorted((turn.day(), turn.day()))
    return {"filter": {"start": start, "end": end, "page": turn.random.choice((1, "2", ""))}}


def nothing(turn: Turn) -> dict[str, Any]:
    """Only who asks, or something that is ignored."""
    return turn.random.choice(({}, {"order": {}}, {"pluginUser": {"site": "a.b", "name": "c"}}))


JSON, XML = ("json",), ("json", "xml")
OF_SENDING = frozenset((402, 450, 451, 452, 453, 454, 457, 468, 469, 470))

EXAMPLES: list[Example] = [
    Example("send-sms", ("json", "xml", "query"), send_sms, OF_SENDING, 8),
    Example("cancel-order", XML, of_order, frozenset((455,)), 2),
    Example("get-report", XML, page_of_order, frozenset((455, 456, 464)), 3),
    Example("get-reports", JSON, days, frozenset((458, 464)), 2),
    Example("get-report-summary", JSON, days, frozenset((458,))),
    Example("get-balance", XML, nothing, frozenset()),
    Example("get-sender", XML, nothing, frozenset()),
    Example("add-plugin-user", XML, nothing, frozenset()),
]

EVERYWHERE = frozenset((400, 401, 404, 503))
"""Codes that every operation can answer."""

WANTED: dict[str, frozenset[int]] = {example.operation: example.codes | {200} for example in EXAMPLES}
"""What each operation must have answered in the end."""

_EXAMPLES = [example for example in EXAMPLES for _ in range(example.weight)]


# A request is made


def call_of(turn: Turn, callers: Sequence[Sequence[Customer]]) -> tuple[str, Call]:
    """The operation that a turn has in mind, and its request. `callers` are accounts in all their log-ins."""
    chance = turn.random
    example = chance.choice(_EXAMPLES)
    form = chance.choice(example.formats)
    # The first is an account without faults, each other one has a fault of its own.
    account = callers[0] if chance.random() < 0.8 else chance.choice(callers)
    request = {"authentication": _who(chance, chance.choice(account))} | example.request(turn)
    spoken = _SPEAK[form](chance, example.operation, request)
    if chance.random() < 0.1:
        spoken = _damaged(chance, spoken)
    if chance.random() < 0.03:
        spoken = _astray(chance, spoken)
    return example.operation, Call(spoken.method, spoken.path, spoken.query, (), spoken.body, ADDRESS)


def _who(chance: random.Random, customer: Customer) -> Any:
    given: dict[str, Any] = dict(customer.credentials)
    if chance.random() > 0.05:
        return given
    name = chance.choice(list(given))
    given[name] = chance.choice((given[name][:-1], given[name].upper() + "x", "", None, [given[name]], {}, 7))
    return chance.choice((given, given, None, [given], "x", {}))


def _astray(chance: random.Random, spoken: Spoken) -> Spoken:
    """Another verb or another path."""
    if chance.random() < 0.3:
        return spoken._replace(method=chance.choice(("GET", "PUT", "HEAD", "post", "POST")))
    path = spoken.path.rstrip("/")
    other = chance.choice(
        (f"{path}/", f"{path}//", f"{path}/json", path.removesuffix("/json"), path[:-1], path.upper(), "/v1/")
    )
    return spoken._replace(path=other)


def _damaged(chance: random.Random, spoken: Spoken) -> Spoken:
    """Bytes changed, whatever they mean."""
    data = spoken.query or spoken.body
    at, other = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    piece = data[at:other]
    changed = chance.choice(
        (
            data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
            data[:at] + chance.randbytes(chance.randrange(1, 5)) + data[at:],
            data[:at],
            data[:at] + data[other:],
            data[:other] + piece + data[other:],
            data[:at] + piece * 3 + data[other:],
            data + chance.choice((b"\0", b"\n", b"{}", b"<a/>", b"&a=b")),
            chance.randbytes(len(piece)),
        )
    )
    return spoken._replace(query=changed) if spoken.query else spoken._replace(body=changed)


# The object, whatever its format

ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.5, 1e300, 2**31, 2**63, 10**30, [], {}, [[]], [None], {"a": {}}),
    *(
        "",
        " ",
        "0",
        "1",
        "2",
        "-1",
        "x",
        "٣",
        "１",
        "1e3",
        "+1",
        "0x1",
        "2147483648",
        "9" * 30,
        "\0",
        "\ud800",
    ),
    *(
        "\u0001",
        "\ufffe",
        "\u202e",
        "😀",
        "İ",
        "ß",
        "]]>",
        "&amp;",
        "&a;",
        "<a>",
        "%00",
        "%",
        "'\"\\",
        "\r\n\t",
    ),
    *(
        "2026-02-30",
        "2026-05-20",
        "20/05/2026",
        "30/02/2026 09:30",
        "25/05/2026 09:30:00",
        "99/99/9999 99:99",
    ),
    *("01/01/2020 00:00", "01/01/2999 00:00", "2026-05-25 09:30", "BIREYSEL", "TACIR", "APITEST", "ornekas"),
    *("a" * 1066, "a" * 1067, "ğ" * 465, "😀" * 300, "5301234567", 5301234567, "5301234567,5301234568"),
    *("../../x", "' OR 1=1 --", "null", "true", "NaN", "data=", "<!DOCTYPE a>", "300000001"),
]

ODD_FOR: dict[str, list[Any]] = {
    "text": ["a" * 1067, "ğ" * 520, " \n", ""],
    "sendDateTime": ["2026-05-25 09:30:00", "30/02/2027 09:30", "01/01/2020 00:00", ["25", "05"]],
    "iys": ["1", 1, True, "2"],
    "iysList": ["bireysel", "", None],
    "page": [0, "0", "-1"],
    "id": [1, "0", 2**31 - 1],
    "start": ["2026-05-01", "22/04/2026"],
}
"""What rules look for, by the name of a member: left to chance alone, some would hardly ever be met."""

RENAMES = ("{}s", "{}_", "{} ", "X{}", "recipients", "row_count", "page", "id", "key", "number", "text", "")


def mutated(chance: random.Random, request: dict[str, Any]) -> dict[str, Any]:
    """A request with up to three changes beside `authentication`."""
    changed = copy.deepcopy(request)
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 3))):
        spots = [spot for spot in _spots(changed) if spot[1] != "authentication"]
        if not spots:
            break
        parent, key = chance.choice(spots)
        chance.choice(_CHANGES)(chance, parent, key)
    if chance.random() < 0.002:
        changed["big"] = ["x" * BIG, BIG]
    return changed


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place below a value: what it stands in, and under which key or at which index."""
    if isinstance(value, dict):
        keys: list[Any] = [key for key in value if key != "authentication"]
    else:
        keys = list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [spot for key in keys for spot in _spots(value[key])]


def _replace(chance: random.Random, parent: Any, key: Any) -> None:
    odd = ODD_FOR.get(key, ODD) if isinstance(key, str) and chance.random() < 0.5 else ODD
    parent[key] = copy.deepcopy(chance.choice(odd))


def _remove(_chance: random.Random, parent: Any, key: Any) -> None:
    del parent[key]


def _wrap(chance: random.Random, parent: Any, key: Any) -> None:
    value = parent[key]
    wrapped: list[Any] = [[value], [value, copy.deepcopy(value)], {"a": value}, {str(key): value}, [[value]]]
    parent[key] = chance.choice(wrapped)


def _nest(chance: random.Random, parent: Any, key: Any) -> None:
    for _ in range(chance.choice((3, 25, 40))):
        parent[key] = chance.choice(([parent[key]], {"a": parent[key]}))


def _repeat(chance: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent[key], list | str):
        parent[key] *= chance.choice((2, 30))


def _rename(chance: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent, MutableMapping):
        parent[chance.choice(RENAMES).format(key)] = parent.pop(key)


def _retype(_chance: random.Random, parent: Any, key: Any) -> None:
    value = parent[key]
    if isinstance(value, str) and len(value) < 4000 and value.isascii() and value.isdigit():
        parent[key] = int(value)
    else:
        parent[key] = json.dumps(value)


_CHANGES = (_replace, _replace, _replace, _remove, _wrap, _nest, _repeat, _rename, _retype)


# Its formats


def _json(chance: random.Random, operation: str, request: dict[str, Any]) -> Spoken:
    text = json.dumps({"request": mutated(chance, request)}, ensure_ascii=chance.random() < 0.7)
    if chance.random() < 0.2:
        text = chance.choice(_JSON_STYLES)(text)
    return Spoken("POST", f"/v1/{operation}/json", b"", text.encode("utf-8", "surrogatepass"))


_JSON_STYLES: list[Callable[[str], str]] = [
    lambda text: text.replace(": ", " :\n\t").replace(", ", "\r\n,"),
    lambda text: text.replace('"order": {', '"order": {"sender": "X", "id": 1, ', 1),
    lambda text: f'{{"request": 1, {text[1:]}',
    lambda text: text.replace("/", "\\/").replace("e", "\\u0065"),
    lambda text: "\ufeff" + text,
    lambda text: f" {text}\n\n",
    lambda text: text.replace("null", "NaN"),
    lambda text: text.replace('"', "'"),
    lambda text: text.replace("}", ",}"),
    lambda text: text + text,
    lambda text: text.replace("A", "\\ud83d").replace("K", "\\u0000"),
    lambda text: f"[{text}]",
]


def _xml(chance: random.Random, operation: str, request: dict[str, Any]) -> Spoken:
    text = document(_named(mutated(chance, request)))
    encoding = "utf-8"
    if chance.random() < 0.4:
        text = chance.choice(_XML_STYLES)(text)
    elif chance.random() < 0.2:
        encoding = chance.choice(("iso-8859-9", "windows-1254", "utf-16", "ascii", "utf-8-sig", "utf-7"))
        text = text.replace("UTF-8", encoding)
    if chance.random() < 0.1:
        text = f"data={quote_plus(text, errors='replace')}"
    errors = "surrogatepass" if encoding == "utf-8" else "replace"
    return Spoken("POST", f"/v1/{operation}", b"", text.encode(encoding, errors))


def _named(value: Any) -> Any:
    """The same without names that no element can have: those are for the damaged bytes."""
    if isinstance(value, Mapping):
        return {key.strip() or "a": _named(each) for key, each in value.items()}
    return [_named(each) for each in value] if isinstance(value, list) else value


_XML_STYLES: list[Callable[[str], str]] = [
    lambda text: text.replace("><", ">\r\n\t  <"),
    lambda text: text.replace("<text>", "<text><![CDATA[").replace("</text>", "]]></text>"),
    lambda text: text.replace("<order>", "<order a=\"b\" c='&lt;'>"),
    lambda text: text.replace("<request>", '<request xmlns="urn:a" xmlns:b="urn:c">'),
    lambda text: text.replace("<request>", "<!-- a -- b --><request>"),
    lambda text: text.replace("<order>", "<?a b?><!-- c --><order>"),
    lambda text: text.replace("<request>", '<!DOCTYPE request [<!ENTITY a "b">]><request>'),
    lambda text: text.replace("<request>", '<!DOCTYPE request SYSTEM "http://127.0.0.1:9/"><request>'),
    lambda text: text.partition("\n")[2],
    lambda text: text.replace("UTF-8", "unknown-8"),
    lambda text: text.replace("<id>", "<id> \n").replace("<number>", "<number>\t "),
    lambda text: text.replace("a", "&#97;").replace("&#97;", "a", 12),
    lambda text: text.replace("<request>", "<request>x"),
    lambda text: text.replace("<order>", "<b:order>").replace("</order>", "</b:order>"),
    lambda text: text.replace("</request>", f"{'<a/>' * 1000}</request>"),
    lambda text: f"\n {text}",
    lambda text: text.replace("rowCount", "row_count"),
]


def _query(chance: random.Random, operation: str, request: dict[str, Any]) -> Spoken:
    message = request["order"]["message"]
    order = request["order"] | {"message": message[0] if isinstance(message, list) else message}
    who = request["authentication"]
    flat = parameters({"authentication": who if isinstance(who, dict) else {}, "order": order})
    pairs: list[tuple[str, Any]] = list(mutated(chance, dict(flat)).items())
    if chance.random() < 0.2:
        pairs += chance.choices(pairs, k=2) if pairs else []
    encode = chance.choice((quote_plus, quote_plus, quote, str)) if chance.random() < 0.3 else quote_plus
    written = "&".join(f"{quote_plus(name)}={encode(_plain(value))}" for name, value in pairs)
    return Spoken(
        "GET",
        f"/v1/{operation}/get{chance.choice(('', '/'))}",
        written.encode("utf-8", "surrogatepass"),
        b"",
    )


def _plain(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


_SPEAK = {"json": _json, "xml": _xml, "query": _query}
