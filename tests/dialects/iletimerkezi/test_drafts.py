"""Send-sms requests as orders: what is decided, and in which order it is seen."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ulak.core import times
from ulak.core.accounts import Account
from ulak.core.errors import OF_PARCELS, OF_PURCHASES, Refusal
from ulak.core.orders import OrderDraft, Ruling
from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.drafts import CHECKS, TRIAL_TEXT, draft_of

GOOD = ["905301234567"]
DAY = 24 * 60 * 60_000


def at(text: str) -> int:
    moment = times.parse_minute(text)
    assert moment is not None
    return moment


NOW = at("20/05/2026 14:03") + 11_000


def order(
    *messages: tuple[str, list[Any]],
    sender: str = "ORNEKAS",
    when: str = "",
    iys: str = "0",
    listed: str = "",
) -> wire.Order:
    items = [
        wire.Message(text, wire.Receipents(numbers)) for text, numbers in messages or [("Merhaba", GOOD)]
    ]
    return wire.Order(sender, when, iys, listed, items)


def ruling_of(request: wire.Order, now: int = NOW, **settings: str) -> Ruling:
    return draft_of(request).judge(Account(1, "a", True, settings), now)


def seen(request: wire.Order, **settings: str) -> Refusal | None:
    draft: OrderDraft = draft_of(request)
    return draft.first_of(draft.judge(Account(1, "a", True, settings), NOW).faults)


def test_a_plain_order() -> None:
    draft = draft_of(order())
    [text] = draft.texts
    assert (text.text, text.parts, text.numbers, text.odd) == ("Merhaba", 1, [905301234567], {})
    assert ruling_of(order()) == Ruling()
    assert draft.checks == CHECKS
    assert draft.fingerprint is not None


def test_every_refusal_of_placing_is_among_the_checks() -> None:
    assert set(CHECKS) == set(Refusal) - OF_PARCELS - OF_PURCHASES - {Refusal.NOT_FOUND, Refusal.NOT_DUE}


@pytest.mark.parametrize(
    ("when", "due"),
    [
        ("", None),
        ("20/05/2026 14:04", at("20/05/2026 14:04")),
        ("20/05/2026 14:03", None),
        ("20/05/2026 14:02", None),
        ("19/05/2026 14:04", None),
        ("20/05/2027 14:03", at("20/05/2027 14:03")),
    ],
)
def test_send_times(when: str, due: int | None) -> None:
    assert ruling_of(order(when=when)) == Ruling(due)


@pytest.mark.parametrize(
    "when",
    [
        "19/05/2026 14:03",
        "20/05/2027 14:04",
        "25/05/2026 09:30:00",
        "2026-05-25 09:30",
        "2026-05-25 09:30:00",
        "25.05.2026 09:30",
        "25/05/26 09:30",
        "5/5/2026 9:30",
        "30/02/2026 09:30",
        "25/05/2026 24:00",
        "25/05/2026",
        " 25/05/2026 09:30",
        "25/05/2026 09:30\n",
        "01/01/0000 00:00",
        "31/12/9999 23:59",
        "٢٥/05/2026 09:30",
        "?",
        " ",
    ],
)
def test_send_times_refused(when: str) -> None:
    assert seen(order(when=when)) is Refusal.BAD_SCHEDULE


def test_the_borders_of_send_times_belong_to_them() -> None:
    minute = at("20/05/2026 14:03")
    when = order(when="20/05/2026 14:03")
    bad = frozenset({Refusal.BAD_SCHEDULE})
    assert ruling_of(when, minute) == Ruling(None)
    assert ruling_of(when, minute - 1) == Ruling(minute)
    assert ruling_of(when, minute + DAY) == Ruling(None)
    assert ruling_of(when, minute + DAY + 1).faults == bad
    assert ruling_of(when, minute - 365 * DAY) == Ruling(minute)
    assert ruling_of(when, minute - 365 * DAY - 1).faults == bad


@pytest.mark.parametrize("when", ["25/05/2026 09:30:00", "01/01/2001 00:00:59"])
def test_an_account_may_have_times_with_seconds_sent_at_once(when: str) -> None:
    assert ruling_of(order(when=when), strict_schedule="off") == Ruling()


@pytest.mark.parametrize("when", ["2026-05-25 09:30:00", "30/02/2026 09:30:00", "25/05/2026 09:30:60", "x"])
def test_nothing_else_is_sent_at_once(when: str) -> None:
    assert seen(order(when=when), strict_schedule="off") is Refusal.BAD_SCHEDULE


@pytest.mark.parametrize(
    ("iys", "listed", "settings", "fault"),
    [
        ("0", "", {}, None),
        ("0", "TACIR", {"strict_iys": "on"}, None),
        ("", "", {}, None),
        ("", "", {"strict_iys": "on"}, Refusal.CONSENT_CHOICE_MISSING),
        ("2", "BIREYSEL", {}, Refusal.CONSENT_CHOICE_MISSING),
        ("true", "BIREYSEL", {}, Refusal.CONSENT_CHOICE_MISSING),
        ("?", "", {}, Refusal.CONSENT_CHOICE_MISSING),
        ("1", "", {"iys_brand": "100200"}, Refusal.CONSENT_LIST_MISSING),
        ("1", "bireysel", {"iys_brand": "100200"}, Refusal.CONSENT_LIST_MISSING),
        ("1", "BIREYSEL", {}, Refusal.CONSENT_BRAND_MISSING),
        ("1", "", {}, Refusal.CONSENT_LIST_MISSING),
        ("1", "BIREYSEL", {"iys_brand": "100200"}, None),
        ("1", "TACIR", {"iys_brand": "100200"}, None),
    ],
)
def test_consent(iys: str, listed: str, settings: dict[str, str], fault: Refusal | None) -> None:
    assert seen(order(iys=iys, listed=listed), **settings) is fault


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0"])
def test_a_text_that_shows_nothing_is_empty(text: str) -> None:
    assert seen(order((text, GOOD))) is Refusal.TEXT_EMPTY
    assert seen(order(("Merhaba", GOOD), (text, GOOD))) is Refusal.TEXT_EMPTY


def test_no_message_is_an_empty_text() -> None:
    assert seen(wire.Order("ORNEKAS", "", "0", "", [])) is Refusal.TEXT_EMPTY


@pytest.mark.parametrize(
    ("letter", "sizes"),
    [
        ("a", [155, 301, 454, 607, 760, 913, 1066]),
        ("ş", [75, 146, 221, 295, 370, 444, 519]),
        ("я", [65, 129, 196, 263, 330, 397, 464]),
    ],
)
def test_parts_are_those_of_the_tariff(letter: str, sizes: list[int]) -> None:
    """Section 2.1 of the wire specification; a Turkish letter counts twice of 150, 293, 442 …"""
    for parts, size in enumerate(sizes, start=1):
        [text] = draft_of(order((letter * size, GOOD))).texts
        assert text.parts == parts
        more = order((letter * (size + 1), GOOD))
        if parts < 7:
            assert draft_of(more).texts[0].parts == parts + 1
        else:
            assert seen(more) is Refusal.TOO_LARGE


def test_a_huge_text_is_refused_without_being_measured() -> None:
    huge = order(("я" * 10_000_000, GOOD))
    started = time.process_time()
    assert seen(huge) is Refusal.TOO_LARGE
    assert time.process_time() - started < 0.05


def test_recipients_are_counted_as_submitted() -> None:
    assert seen(order(("a", GOOD * 50_000))) is None
    assert seen(order(("a", GOOD * 50_001))) is Refusal.TOO_LARGE
    assert seen(order(("a", GOOD * 50_000), ("b", GOOD))) is Refusal.TOO_LARGE


def test_nobody_gets_the_same_text_twice() -> None:
    same = ["905301234567", "5301234568", "+90 530 123 45 67", 905301234568, "x", "x", "y"]
    [text] = draft_of(order(("A", same))).texts
    assert text.numbers == [905301234567, 905301234568, 0, 0]
    assert text.odd == {2: "x", 3: "y"}
    assert text.usable() == 2


def test_nobody_gets_the_same_text_twice_from_two_messages() -> None:
    texts = draft_of(
        order(
            ("A", ["5301234567", "x"]),
            ("B", ["5301234567"]),
            ("A", ["5301234568", "5301234567", "x"]),
            ("A", GOOD),
        )
    ).texts
    assert [(text.text, text.numbers, text.odd) for text in texts] == [
        ("A", [905301234567, 0], {1: "x"}),
        ("B", [905301234567], {}),
        ("A", [905301234568], {}),
    ]


@pytest.mark.parametrize(
    ("submitted", "shown"),
    [
        ("0312 123 45 67", "0312 123 45 67"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (5.5, "5.5"),
        (12, "12"),
        ({"a": "ş"}, '{"a": "ş"}'),
        (10**30, "1" + "0" * 30),
        ("9" * 100, "9" * 64),
    ],
)
def test_bad_numbers_among_good_ones_are_kept_as_submitted(submitted: Any, shown: str) -> None:
    [text] = draft_of(order(("A", [submitted, *GOOD]))).texts
    assert (text.numbers, text.odd) == ([0, 905301234567], {0: shown})


@pytest.mark.parametrize("numbers", [[], ["x"], ["03121234567", None, 12, 5.3]])
def test_nobody_to_send_to(numbers: list[Any]) -> None:
    assert seen(order(("A", numbers))) is Refusal.NO_RECIPIENT


def test_one_text_without_recipients_is_left_out() -> None:
    assert [text.text for text in draft_of(order(("A", []), ("B", GOOD))).texts] == ["B"]


FAULTY: list[tuple[Refusal, dict[str, Any]]] = [
    (Refusal.SENDER_NOT_APPROVED, {"sender": ""}),
    (Refusal.BAD_SCHEDULE, {"when": "x"}),
    (Refusal.CONSENT_CHOICE_MISSING, {"iys": "2"}),
    (Refusal.CONSENT_LIST_MISSING, {"iys": "1", "listed": ""}),
    (Refusal.CONSENT_BRAND_MISSING, {"iys": "1", "listed": "TACIR"}),
    (Refusal.TEXT_EMPTY, {"text": ""}),
    (Refusal.TOO_LARGE, {"text": "a" * 1067}),
    (Refusal.NO_RECIPIENT, {"numbers": []}),
]


@pytest.mark.parametrize("second", range(len(FAULTY)))
@pytest.mark.parametrize("first", range(len(FAULTY)))
def test_of_two_faults_the_earlier_check_is_seen(first: int, second: int) -> None:
    (expected, one), (_, two) = FAULTY[min(first, second)], FAULTY[max(first, second)]
    given_: dict[str, Any] = {"text": "Merhaba", "numbers": GOOD} | two | one
    message = (given_.pop("text"), given_.pop("numbers"))
    assert seen(order(message, **given_)) is expected


def test_the_fingerprint_knows_neither_sender_nor_order() -> None:
    one = draft_of(order(("A", ["5301234567", "5301234568"]), ("B", GOOD)))
    other = draft_of(
        order(
            ("B", [905301234567]),
            ("A", ["+905301234568", "05301234567"]),
            sender="BASKA",
            when="21/05/2026 10:00",
        )
    )
    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != draft_of(order(("A", ["5301234567"]), ("B", GOOD))).fingerprint
    assert one.fingerprint != draft_of(order(("B", ["5301234567", "5301234568"]), ("A", GOOD))).fingerprint


def test_a_trial_goes_to_the_test_number_only() -> None:
    request = order(
        ("Gizli metin", ["5301234567", "5301234568", "x"]), ("Baska", GOOD), sender="APITEST", iys="1"
    )
    ruling = ruling_of(request, test_number="05301234568", strict_iys="on")
    assert ruling.faults == frozenset()
    assert ruling.sender_free
    assert ruling.texts is not None
    assert [(text.text, text.parts, text.usable()) for text in ruling.texts] == [
        (TRIAL_TEXT, 0, 1),
        (TRIAL_TEXT, 0, 0),
    ]
    assert ruling.texts[0].barred == {905301234567}
    assert ruling.texts[0].odd == {2: "x"}


@pytest.mark.parametrize("test_number", ["", "5301234568"])
def test_a_trial_to_nobody(test_number: str) -> None:
    assert seen(order(sender="APITEST"), test_number=test_number) is Refusal.NO_RECIPIENT


def test_a_trial_is_checked_like_any_order() -> None:
    settings = {"test_number": "5301234567"}
    assert seen(order(sender="APITEST", iys="9"), **settings) is None
    assert seen(order(sender="APITEST", when="x"), **settings) is Refusal.BAD_SCHEDULE
    assert seen(order(("", GOOD), sender="APITEST"), **settings) is Refusal.TEXT_EMPTY
    assert seen(order(("a" * 1067, GOOD), sender="APITEST"), **settings) is Refusal.TOO_LARGE


def test_fifty_thousand_recipients_are_no_long_work() -> None:
    request = order(("A", [str(905300000000 + i) for i in range(50_000)]))
    started = time.process_time()
    assert seen(request) is None
    assert time.process_time() - started < 0.3
