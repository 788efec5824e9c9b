"""What an order shows in each state: every row of the table of presence (specification, section 3.6), for
every kind and state that there is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.dialects.sms4sats.office import ORDER, SENT, Office, bought

from ulak.core.purchases import WEEK, Incoming, shown_of
from ulak.core.states import PURCHASE, PurchaseKind, PurchaseState, Resolve
from ulak.dialects.sms4sats import texts
from ulak.dialects.sms4sats.shown import VIEWS, sms_id, status_of
from ulak.dialects.sms4sats.wire import encode

K, S = PurchaseKind, PurchaseState

NUMBER = "id number timestamp country service"
RENTED = f"{NUMBER} rental expiresAt"

PRESENT = {
    # The rows of the table.
    (K.CODE, S.UNPAID): (False, ""),
    (K.CODE, S.PAID): (True, "timestamp"),
    (K.CODE, S.WAITING): (True, NUMBER),
    (K.CODE, S.SETTLING): (True, NUMBER),
    (K.CODE, S.DONE): (True, f"code {NUMBER}"),
    (K.CODE, S.NO_NUMBER): (True, "error"),
    (K.CODE, S.CANCELLED): (True, "timestamp error"),
    (K.CODE, S.TIMED_OUT): (True, "timestamp error"),
    (K.CODE, S.LOST): (True, "timestamp error"),
    (K.CODE, S.WITHDRAWN): (False, "error"),
    (K.CODE, S.EXPIRED): (False, "error"),
    # Below the table.
    (K.MESSAGE, S.UNPAID): (False, ""),
    (K.MESSAGE, S.PAID): (True, "id smsStatus timestamp"),
    (K.MESSAGE, S.SENT): (True, "id smsStatus timestamp"),
    (K.MESSAGE, S.DELIVERED): (True, "id smsStatus timestamp"),
    (K.MESSAGE, S.FAILED): (True, "id smsStatus timestamp error"),
    (K.MESSAGE, S.WITHDRAWN): (False, "error"),
    (K.MESSAGE, S.EXPIRED): (False, "error"),
    # Ours: section 3.9. A rented number is shown once it is paid for.
    (K.RENTAL, S.UNPAID): (False, ""),
    (K.RENTAL, S.PAID): (True, "timestamp"),
    (K.RENTAL, S.SETTLING): (True, "timestamp"),
    (K.RENTAL, S.ACTIVE): (True, f"{RENTED} messages"),
    (K.RENTAL, S.ENDED): (True, f"{RENTED} messages expired"),
    (K.RENTAL, S.NO_NUMBER): (True, "error"),
    (K.RENTAL, S.CANCELLED): (True, "timestamp error"),
    (K.RENTAL, S.TIMED_OUT): (True, "timestamp error"),
    (K.RENTAL, S.LOST): (True, "timestamp error"),
    (K.RENTAL, S.WITHDRAWN): (False, "error"),
    (K.RENTAL, S.EXPIRED): (False, "error"),
    # Ours: credit.
    (K.CREDIT, S.UNPAID): (False, ""),
    (K.CREDIT, S.PAID): (True, "timestamp"),
    (K.CREDIT, S.SETTLING): (True, "timestamp"),
    (K.CREDIT, S.DONE): (True, "timestamp"),
    (K.CREDIT, S.LOST): (True, "timestamp error"),
    (K.CREDIT, S.WITHDRAWN): (False, "error"),
    (K.CREDIT, S.EXPIRED): (False, "error"),
}
"""Whether it is paid, and the keys that stand behind `status` and `paid`, in their order."""


def reachable() -> set[tuple[PurchaseKind, PurchaseState]]:
    """Every state that something bought can come to."""
    found = {(kind, S.UNPAID) for kind in K}
    for kind, table in PURCHASE.items():
        found |= {(kind, after) for events in table.values() for after in events.values()}
    return found


def test_the_table_has_every_state() -> None:
    assert reachable() <= PRESENT.keys() <= VIEWS.keys()


async def test_what_is_there_and_what_is_not(books: Any) -> None:
    office = Office(books)
    for place, ((kind, state), (paid, keys)) in enumerate(PRESENT.items()):
        order_id = f"{place:064x}"
        await office.load(bought(kind, state, public_id=order_id))
        shown = await office.status(order_id)
        assert list(shown) == ["status", "paid", *keys.split()], (kind, state)
        assert shown["status"] == "OK"
        assert shown["paid"] is paid, (kind, state)
        for name, value in shown.items():
            assert value not in (None, "", 0) or name == "paid", (kind, state, name)
        if "timestamp" in shown:
            assert shown["timestamp"] == SENT
        if "number" in shown:
            assert (shown["number"], shown["id"]) == (12345678901, 1125699791)
            assert (shown["country"], shown["service"]) == ("India", "openAI")


ERRORS = {
    S.EXPIRED: texts.EXPIRED,
    S.WITHDRAWN: texts.WITHDRAWN,
    S.NO_NUMBER: texts.NO_NUMBER,
    S.CANCELLED: texts.CANCELLED,
    S.TIMED_OUT: texts.TIMED_OUT,
    S.LOST: texts.TIMED_OUT,
    S.FAILED: texts.NOT_SENT,
}


def test_what_went_wrong_is_said_in_words() -> None:
    for (kind, state), (_, keys) in PRESENT.items():
        status = status_of(shown_of(bought(kind, state)))
        assert ("error" in keys.split()) == (status.error == ERRORS.get(state)), (kind, state)


def test_a_code_is_not_shown_before_it_is_paid_for() -> None:
    """Even if it were handed to us."""
    waiting = shown_of(bought(K.CODE, S.DONE))
    for state in S:
        shown = waiting.__class__(
            **{name: getattr(waiting, name) for name in waiting.__struct_fields__} | {"state": state}
        )
        has_code = b'"code"' in encode(status_of(shown))
        assert has_code == (state in (S.DONE, S.ACTIVE, S.ENDED)), state


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("48010", 48010),
        ("1", 1),
        ("123456789012345", 123456789012345),
        ("1234567890123456", "1234567890123456"),  # more than 15 digits
        ("048010", "048010"),  # a leading zero
        ("0", "0"),  # never a number that is not truthy
        ("G-482910", "G-482910"),
        ("123 456", "123 456"),
        ("٤٨٠", "٤٨٠"),  # digits, but not those of a number in JSON
        ("", None),
    ],
)
async def test_codes_lose_nothing(lite: Any, code: str, shown: int | str | None) -> None:
    office = Office(lite)
    await office.load(bought(code=code))
    answer = await office.status()
    assert answer.get("code") == shown
    assert type(answer.get("code")) is type(shown)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [("1125699791", 1125699791), ("act-17", 1), (str(2**53), 1), ("0", 1), ("9007199254740991", 2**53 - 1)],
)
async def test_the_id_of_a_number_is_the_sources_if_it_is_a_number(
    lite: Any, reference: str, shown: int
) -> None:
    office = Office(lite)
    await office.load(bought(reference=reference))
    assert (await office.status())["id"] == shown


def test_the_id_of_a_message_tells_nothing_of_the_order() -> None:
    ids = {sms_id(f"{place:064x}") for place in range(1000)}
    assert len(ids) == 1000
    assert sms_id(ORDER) == sms_id(ORDER)
    assert not any(f"{place:064x}"[-16:] in sms_id(f"{place:064x}") for place in range(1000))


async def test_a_message_that_was_sent_and_then_failed_does_not_promise_the_money_back(books: Any) -> None:
    office = Office(books)
    await office.load(bought(K.MESSAGE, S.FAILED, resolve=Resolve.SETTLE))
    shown = await office.status()
    assert (shown["smsStatus"], shown["error"]) == ("failed", texts.NOT_DELIVERED)


@pytest.mark.parametrize(
    ("pool", "service", "names"),
    [
        (0, "tg", ("Russia", "Telegram")),
        (12, "ot", ("USA (virtual)", "other")),
        (187, "zz", ("USA", "zz")),
        (999, "full", ("Auto-Select", "full")),
        (300, "go", ("Auto-Select", "Google")),
    ],
)
async def test_countries_and_services_have_names(
    lite: Any, pool: int, service: str, names: tuple[str, str]
) -> None:
    office = Office(lite)
    await office.load(bought(pool=pool, service=service))
    shown = await office.status()
    assert (shown["country"], shown["service"]) == names


def sms(code: str | None, at: int) -> Incoming:
    return Incoming("Openai", f"your code: {code}", code, at)


async def test_a_rental_has_messages(books: Any) -> None:
    office = Office(books)
    messages = (sms("111", SENT), sms("0222", SENT + 5), sms(None, SENT + 9))
    await office.load(bought(K.RENTAL, S.ACTIVE, service="full"), messages)
    shown = await office.status()
    assert list(shown) == ["status", "paid", "code", *f"{RENTED} messages".split()]
    assert shown["messages"] == [
        {"from": "Openai", "text": "your code: 111", "code": 111, "timestamp": SENT},
        {"from": "Openai", "text": "your code: 0222", "code": "0222", "timestamp": SENT + 5},
        {"from": "Openai", "text": "your code: None", "timestamp": SENT + 9},
    ]
    assert shown["code"] == "0222", "the newest that there is"
    assert shown["rental"] is True
    assert shown["expiresAt"] == SENT - 20_000 + 2 * WEEK


async def test_a_rental_that_is_over_still_tells(books: Any) -> None:
    office = Office(books)
    await office.load(bought(K.RENTAL, S.ENDED, service="full"), (sms("111", SENT),))
    shown = await office.status()
    assert (shown["expired"], shown["code"], len(shown["messages"])) == (True, 111, 1)
    assert "error" not in shown
