"""What an sms4sats account tells of its numbers, and how they are given back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.dialects.sms4sats_client.conftest import Account
from tests.dialects.sms4sats_client.upstream import (
    CODED,
    GARBAGE,
    HTML,
    LIMITED,
    NO_NUMBER,
    NO_NUMBER_WHY,
    NUMBERED,
    OK,
    ORDER,
    PAID,
    UNABLE,
    Asked,
    Cut,
    Mute,
    Raw,
    Upstream,
    What,
    no,
)
from tests.peers.accounts import NOW, Hours

from ulak.core.numbers import Activation, Gone, News, Text, Unreached
from ulak.dialects.sms4sats.connect import Sms4satsSource

STATUS, CANCEL = "GET /orderstatus", "GET /cancelorder"
HELD = Activation(7, ORDER, 12345678901, "dr", NOW)
RENTED = HELD._replace(rental=True, service="full")
SECOND = 1_000


async def news(source: Sms4satsSource, hours: Hours, *held: Activation, at: int = NOW) -> list[News]:
    return list(await hours.run(source.news(held, at)))


async def one(source: Sms4satsSource, hours: Hours, held: Activation = HELD, at: int = NOW) -> Text:
    """The only text that came."""
    (found,) = await news(source, hours, held, at=at)
    assert not isinstance(found, Gone | Unreached)
    (text,) = found
    return text


# Codes


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (48010, "48010"),
        ("48010", "48010"),
        ("048010", "048010"),
        (" 48010 ", "48010"),
        (48010.0, "48010"),
        ("G-48010", "G-48010"),
        ("480 10", "480 10"),
        (123456789012345678901234567890, None),
    ],
)
async def test_a_code_is_a_text_whatever_it_was(
    upstream: Upstream, account: Account, hours: Hours, told: Any, code: str | None
) -> None:
    upstream.on(STATUS, NUMBERED | {"code": told})
    text = await one(account(), hours)
    assert text.code == code
    assert text.text == ("" if code else str(told))
    assert text.at == NOW


async def test_a_whole_text_in_place_of_a_code_is_a_text(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, NUMBERED | {"code": "Your code is 48010, keep it"})
    text = await one(account(), hours)
    assert (text.code, text.text) == (None, "Your code is 48010, keep it")


async def test_a_code_that_is_told_again_is_the_same(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, CODED, CODED | {"timestamp": 1}, CODED | {"code": 11111})
    source = account()
    found = [await one(source, hours, at=NOW + at * SECOND) for at in (1, 2, 3)]
    assert found[0].reference == found[1].reference != found[2].reference
    assert "48010" not in found[0].reference


async def test_the_time_of_a_code_is_the_servers_if_that_can_be(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, CODED | {"timestamp": NOW + 4 * SECOND}, CODED | {"timestamp": NOW - 1}, CODED)
    source = account()
    found = [await one(source, hours, at=NOW + at * SECOND) for at in (9, 10, 11)]
    assert [text.at - NOW for text in found] == [4000, 10000, 11000]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (NUMBERED, ()),
        (PAID, ()),
        (NUMBERED | {"code": 0}, ()),
        (NUMBERED | {"code": ""}, ()),
        (NUMBERED | {"code": None, "error": None}, ()),
        (NUMBERED | {"code": [1]}, ()),
        (OK, ()),
        (NO_NUMBER, Gone(NO_NUMBER_WHY)),
        (NUMBERED | {"error": {"a": 1}}, Gone("the order has failed")),
        (no("order not found", 404), Gone("order not found")),
        (UNABLE, Unreached("unable to save data")),
        (no("oops", 200), Unreached("oops")),
        (HTML, Unreached("HTTP 502 with a body that is no JSON")),
        (GARBAGE, Unreached("HTTP 200 with a body that is no JSON")),
        ([], Unreached("the answer is not what was asked for")),
        (LIMITED, Unreached("too many requests")),
        (Cut(), Unreached("the connection was closed before an answer came")),
    ],
)
async def test_what_a_status_says(
    upstream: Upstream, account: Account, hours: Hours, answer: What, expected: News
) -> None:
    upstream.on(STATUS, answer)
    assert await news(account(), hours, HELD) == [expected]
    assert hours.slept == []


async def test_a_page_that_is_no_server_does_not_end_a_number(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, Raw(404, b"<html>no such page"))
    (found,) = await news(account(), hours, HELD)
    assert isinstance(found, Unreached)


async def test_a_code_beside_an_error_counts(upstream: Upstream, account: Account, hours: Hours) -> None:
    upstream.on(STATUS, CODED | {"error": "late"})
    assert (await one(account(), hours)).code == "48010"


async def test_what_an_order_is_called_is_encoded(upstream: Upstream, account: Account, hours: Hours) -> None:
    upstream.on(STATUS, NUMBERED)
    await news(account(), hours, HELD._replace(reference="a&paid=1#/?"))
    assert upstream.asked[0].query == {"orderId": "a&paid=1#/?"}
    assert upstream.asked[0].raw_query.count("&") == 0


# How often, and how many


async def test_a_number_is_looked_at_every_second_and_then_every_three(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, NUMBERED)
    source = account(rate="0")
    assert source.every == SECOND
    for second in range(31):
        await news(source, hours, HELD, at=NOW + second * SECOND)
    assert upstream.times(STATUS) == 15 + 5


async def test_an_old_rental_is_looked_at_every_half_minute(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, NUMBERED)
    source = account(rate="0")
    for second in range(61):
        await news(source, hours, RENTED, at=NOW + 30 * 60 * SECOND + second * SECOND)
    assert upstream.times(STATUS) == 3


async def test_what_is_not_looked_at_stays_as_it_was(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, CODED, UNABLE)
    source = account()
    first = await one(source, hours, at=NOW + 20 * SECOND)
    assert await one(source, hours, at=NOW + 21 * SECOND) == first
    assert await news(source, hours, HELD, at=NOW + 30 * SECOND) == [Unreached("unable to save data")]


async def test_many_numbers_are_looked_at_in_turn(upstream: Upstream, account: Account, hours: Hours) -> None:
    seen: list[str] = []

    def status(asked: Asked) -> What:
        seen.append(asked.query["orderId"])
        return NUMBERED

    upstream.on(STATUS, status)
    source = account(rate="20")
    held = [HELD._replace(key=place, reference=f"order{place}") for place in range(150)]
    assert await news(source, hours, *held, at=NOW) == [()] * 150
    assert len(seen) == len(set(seen)) == 100
    await news(source, hours, *held, at=NOW + SECOND)
    assert set(seen[:150]) == {one.reference for one in held}
    assert upstream.most_at_once <= 8


async def test_after_too_many_requests_nobody_waits_for_news(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(STATUS, CODED, LIMITED, CODED)
    source = account()
    first = await one(source, hours, at=NOW + 20 * SECOND)
    assert await news(source, hours, HELD, at=NOW + 30 * SECOND) == [Unreached("too many requests")]
    slept = hours.slept[:]
    assert await one(source, hours, at=NOW + 40 * SECOND) == first
    assert hours.slept == slept
    assert upstream.times(STATUS) == 2


async def test_a_slow_server_holds_up_nobody_for_long(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    def status(asked: Asked) -> What:
        return Mute() if asked.query["orderId"] == "mute" else CODED

    upstream.on(STATUS, status)
    held = [HELD._replace(reference="mute"), HELD]
    silent, good = await news(account(timeout="0.1"), hours, *held)
    assert silent == Unreached("no answer within 0.1 seconds")
    assert isinstance(good, list)


# Rentals


MESSAGE = {"from": "VK", "text": "VK: 12345", "code": 12345, "timestamp": NOW + 5 * SECOND}


async def test_every_message_to_a_rented_number_is_told(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    rows = [
        MESSAGE | {"code": "00712", "text": "Kod: 00712", "timestamp": NOW + 8 * SECOND},
        MESSAGE,
        {"text": "Merhaba"},
        "nothing",
    ]
    upstream.on(STATUS, NUMBERED | {"rental": True, "code": "00712", "messages": rows})
    (found,) = await news(account(), hours, RENTED, at=NOW + 9 * SECOND)
    assert isinstance(found, list)
    assert [text[:4] for text in found] == [
        ("VK", "VK: 12345", NOW + 5 * SECOND, "12345"),
        ("VK", "Kod: 00712", NOW + 8 * SECOND, "00712"),
        ("", "Merhaba", NOW + 9 * SECOND, None),
    ]
    assert len({text.reference for text in found}) == 3


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (NUMBERED | {"rental": True, "messages": []}, ()),
        (NUMBERED | {"rental": True, "messages": None, "expired": False}, ()),
        (NUMBERED | {"rental": True, "expired": True}, Gone("the rental is over")),
    ],
)
async def test_a_rental_without_messages(
    upstream: Upstream, account: Account, hours: Hours, answer: What, expected: News
) -> None:
    upstream.on(STATUS, answer)
    assert await news(account(), hours, RENTED) == [expected]


# Giving back


async def test_a_used_number_needs_nothing(upstream: Upstream, account: Account, hours: Hours) -> None:
    assert await hours.run(account().finish(HELD, used=True)) is None
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("answer", "status", "expected"),
    [
        (OK, None, None),
        (no("order not found", 404), None, None),
        (no("too early to cancel", 409), NUMBERED, Unreached("too early to cancel")),
        (no("too early to cancel", 500), NUMBERED, Unreached("too early to cancel")),
        (no("order already completed", 409), CODED, None),
        (no("order already completed", 500), CODED, None),
        (no("no", 200), NO_NUMBER, None),
        (UNABLE, NUMBERED, Unreached("unable to save data")),
        (UNABLE, UNABLE, Unreached("unable to save data")),
        (HTML, NUMBERED, Unreached("HTTP 502 with a body that is no JSON")),
        (HTML, CODED, None),
        (Cut(), None, Unreached("the connection was closed before an answer came")),
        (LIMITED, NUMBERED, Unreached("too many requests")),
    ],
)
async def test_a_number_that_brought_nothing_is_cancelled(
    upstream: Upstream,
    account: Account,
    hours: Hours,
    answer: What,
    status: What | None,
    expected: Unreached | None,
) -> None:
    upstream.on(CANCEL, answer)
    if status is not None:
        upstream.on(STATUS, status)
    assert await hours.run(account().finish(HELD, used=False)) == expected
    # Cancelling changes something, so it is never repeated by us. The library sends a GET once more when a
    # connection ends without an answer.
    assert upstream.times(CANCEL) == (2 if isinstance(answer, Cut) else 1)
    assert upstream.calls(CANCEL)[0].query == {"orderId": ORDER}
    assert not upstream.calls(CANCEL)[0].shows_key


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK, None),
        (no("too late to cancel", 409), None),
        (UNABLE, Unreached("unable to save data")),
    ],
)
async def test_a_rental_is_given_back_while_that_is_possible(
    upstream: Upstream, account: Account, hours: Hours, answer: What, expected: Unreached | None
) -> None:
    upstream.on(CANCEL, answer)
    upstream.on(STATUS, NUMBERED)
    assert await hours.run(account().finish(RENTED, used=False)) == expected
