"""Renting numbers with an sms4sats account, at a server that misbehaves in every way."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.dialects.sms4sats_client.conftest import Account
from tests.dialects.sms4sats_client.upstream import (
    CODED,
    CREATED,
    GARBAGE,
    HTML,
    INVOICE,
    KEY,
    LIMITED,
    LIST,
    NO_NUMBER,
    NO_NUMBER_WHY,
    NUMBERED,
    OK,
    ORDER,
    PAID,
    UNABLE,
    Cut,
    Mute,
    Raw,
    Script,
    Upstream,
    What,
    no,
    told,
)
from tests.peers.accounts import Hours

from ulak.core.numbers import Got, NoneLeft, Unreached, Want
from ulak.core.pools import ANY

WANT = Want(7, 22, "dr")
GOT = Got(ORDER, 12345678901, 22)
CREATE, STATUS, CANCEL = "POST /createorder", "GET /orderstatus", "GET /cancelorder"


# Buying: what goes out


@pytest.mark.parametrize(
    ("want", "body"),
    [
        (WANT, {"country": 22, "service": "dr", "immediate": True}),
        (Want(7, ANY, "tg"), {"country": 999, "service": "tg", "immediate": True}),
        (
            Want(7, 22, "vk", handset=True),
            {"country": 22, "service": "vk", "immediate": True, "realphone": True},
        ),
        (Want(7, 22, "full", 2), {"country": 22, "service": "full", "immediate": True, "isRental": True}),
    ],
)
async def test_a_number_is_ordered_from_the_balance(
    upstream: Upstream, account: Account, hours: Hours, want: Want, body: dict[str, Any]
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, NUMBERED)
    assert await hours.run(account(order_prefix="ulak-1").buy(want)) == GOT
    created, looked = upstream.asked
    assert created.json == body
    assert created.headers["x-api-key"] == KEY
    assert created.headers["content-type"] == "application/json"
    assert created.headers["idempotency-key"] == "ulak-1-n7"
    assert looked.query == {"orderId": ORDER}


async def test_the_key_is_shown_where_it_is_needed_only(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on("GET /price", told({"receive": "1500", "computed": {"price": 1500}}))
    upstream.on("GET /getnumbersstatus", told([]))
    upstream.on("GET /getCountries", told([]))
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, NO_NUMBER)
    source = account(max_price="2000")
    await hours.run(source.buy(WANT))
    await hours.run(source.pools())
    await hours.run(source.stock(22))
    assert [asked.path for asked in upstream.asked if asked.shows_key] == ["/createorder"]


# Buying: what comes back


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (NUMBERED, GOT),
        (CODED, GOT),
        (NUMBERED | {"number": "+1 (234) 567-8901"}, GOT),
        (NUMBERED | {"number": "12345678901", "country": None}, GOT),
        ({"status": "OK", "number": 12345678901}, GOT),
        (NO_NUMBER, NoneLeft(NO_NUMBER_WHY)),
        ({"status": "OK", "error": True}, NoneLeft("the order has failed")),
    ],
)
async def test_an_order_says_what_came_of_it(
    upstream: Upstream, account: Account, hours: Hours, status: dict[str, Any], outcome: Got | NoneLeft
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, status)
    assert await hours.run(account().buy(WANT)) == outcome


@pytest.mark.parametrize(
    ("country", "pool"),
    [("India", 22), ("germany", 43), ("USA (virtual)", 12), ("Atlantis", ANY), (None, ANY)],
)
async def test_where_a_number_is_from_is_told_by_name(
    upstream: Upstream, account: Account, hours: Hours, country: str | None, pool: int
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, NUMBERED | {"country": country})
    got = await hours.run(account().buy(Want(7, ANY, "dr")))
    assert got == Got(ORDER, 12345678901, pool)


async def test_a_number_is_waited_for_at_the_documented_pace(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, *[PAID] * 17, NUMBERED)
    assert await hours.run(account(rate="0").buy(WANT)) == GOT
    assert hours.slept == [1.0] * 15 + [3.0] * 2


@pytest.mark.parametrize(
    "weather", [HTML, GARBAGE, UNABLE, LIMITED, Cut(), Raw(body=b'{"status":"OK"}', cut=5), told([]), LIST]
)
async def test_a_look_that_fails_is_followed_by_another(
    upstream: Upstream, account: Account, hours: Hours, weather: What
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, weather, weather, NUMBERED)
    assert await hours.run(account().buy(WANT)) == GOT
    assert upstream.times(CREATE) == 1


@pytest.mark.parametrize("reference", ["Ab_-1", "x", "f" * 128])
async def test_an_order_may_be_called_anything_that_is_safe(
    upstream: Upstream, account: Account, hours: Hours, reference: str
) -> None:
    upstream.on(CREATE, CREATED | {"orderId": reference})
    upstream.on(STATUS, NUMBERED)
    assert await hours.run(account().buy(WANT)) == Got(reference, 12345678901, 22)


# Buying: no order


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (no("no numbers available", 409), NoneLeft("no numbers available")),
        (no("invalid country", 400), NoneLeft("invalid country")),
        (no("invalid service", 200), NoneLeft("invalid service")),
        (no("insufficient balance", 402), NoneLeft("insufficient balance")),
        (no("invalid api key", 401), NoneLeft("invalid api key")),
        (no("backend error", 200), Unreached("backend error")),
        (no("backend error"), Unreached("backend error")),
        (no("not found", 404), Unreached("not found")),
        (no("busy", 503), Unreached("busy")),
        (LIMITED, Unreached("too many requests")),
        (Raw(302, b""), Unreached("HTTP 302 with a body that is no JSON")),
    ],
)
async def test_a_refusal_means_that_nothing_was_bought(
    upstream: Upstream, account: Account, hours: Hours, answer: What, outcome: NoneLeft | Unreached
) -> None:
    upstream.on(CREATE, answer, CREATED)
    upstream.on(STATUS, NUMBERED)
    source = account()
    assert await hours.run(source.buy(WANT)) == outcome
    assert upstream.times(CREATE) == 1
    assert await hours.run(source.buy(WANT)) == GOT


LOST: list[Script] = [
    Cut(),
    Mute(),
    HTML,
    GARBAGE,
    LIST,
    Raw(504, b"<html>"),
    Raw(500, b"oops"),
    Raw(body=b'{"status":"OK","orderId":"1"}', cut=9),
    OK,
    CREATED | {"orderId": None},
    CREATED | {"orderId": "../history"},
    {"orderId": ORDER, "payreq": "paid"},
    {"status": "ok", "orderId": ORDER, "payreq": "paid"},
]


@pytest.mark.parametrize("weather", LOST)
async def test_what_may_have_been_bought_is_not_bought_again(
    upstream: Upstream, account: Account, hours: Hours, weather: What
) -> None:
    upstream.on(CREATE, weather, CREATED)
    upstream.on(STATUS, NUMBERED)
    source = account(timeout="0.1")
    with capture_logs() as logs:
        assert isinstance(await hours.run(source.buy(WANT)), Unreached)
    assert [entry["event"] for entry in logs] == ["numbers.answer_lost"]
    assert isinstance(await hours.run(source.buy(WANT)), Unreached)
    assert upstream.times(CREATE) == 1
    # Other purchases go on.
    assert await hours.run(source.buy(Want(8, 22, "dr"))) == GOT


@pytest.mark.parametrize("weather", [Cut(), HTML, GARBAGE])
async def test_a_server_that_sells_once_for_a_key_is_asked_again(
    upstream: Upstream, account: Account, hours: Hours, weather: What
) -> None:
    upstream.on(CREATE, weather, CREATED)
    upstream.on(STATUS, NUMBERED)
    source = account(order_prefix="ulak-1")
    assert isinstance(await hours.run(source.buy(WANT)), Unreached)
    assert await hours.run(source.buy(WANT)) == GOT
    assert [asked.headers["idempotency-key"] for asked in upstream.calls(CREATE)] == ["ulak-1-n7"] * 2


RENTAL = Want(9, 22, "full", weeks=2)


async def test_another_process_goes_on_with_the_order_of_a_rental(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, UNABLE)
    upstream.on(CANCEL, UNABLE)
    assert isinstance(await hours.run(account().buy(RENTAL)), Unreached)
    upstream.on(STATUS, NUMBERED)
    assert await hours.run(account().buy(RENTAL)) == GOT
    assert upstream.times(CREATE) == 1


@pytest.mark.parametrize(("prefix", "created"), [("", 1), ("ulak-1", 2)])
async def test_a_rental_that_its_process_left_is_not_bought_again(
    upstream: Upstream, account: Account, hours: Hours, prefix: str, created: int
) -> None:
    """Unless the server sells once for a key."""
    upstream.on(CREATE, Cut(), CREATED)
    upstream.on(STATUS, NUMBERED)
    settings = {"order_prefix": prefix} if prefix else {}
    assert isinstance(await hours.run(account(**settings).buy(RENTAL)), Unreached)
    again = await hours.run(account(**settings).buy(RENTAL))
    assert again == GOT if prefix else isinstance(again, Unreached)
    assert upstream.times(CREATE) == created


async def test_what_was_surely_not_bought_may_be_by_another_process(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(CREATE, no("busy", 503), CREATED)
    upstream.on(STATUS, NUMBERED)
    assert isinstance(await hours.run(account().buy(RENTAL)), Unreached)
    assert await hours.run(account().buy(RENTAL)) == GOT


async def test_a_purchase_that_is_tried_again_goes_on_with_its_order(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, UNABLE)
    upstream.on(CANCEL, UNABLE)
    source = account()
    assert isinstance(await hours.run(source.buy(WANT)), Unreached)
    upstream.on(STATUS, NUMBERED)
    assert await hours.run(source.buy(WANT)) == GOT
    assert await hours.run(source.buy(WANT)) == GOT
    assert (upstream.times(CREATE), upstream.times(CANCEL)) == (1, 1)


async def test_an_order_after_a_failed_one_is_another(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(CREATE, CREATED, CREATED | {"orderId": "second"})
    upstream.on(STATUS, NO_NUMBER, NUMBERED)
    source = account(order_prefix="u")
    assert isinstance(await hours.run(source.buy(WANT)), NoneLeft)
    assert await hours.run(source.buy(WANT)) == Got("second", 12345678901, 22)
    assert [asked.headers["idempotency-key"] for asked in upstream.calls(CREATE)] == ["u-n7", "u-n7.1"]


async def test_keys_of_two_servers_without_a_prefix_differ(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, NUMBERED)
    await hours.run(account().buy(WANT))
    assert upstream.calls(CREATE)[0].headers["idempotency-key"] == "800000000000-n7"


async def test_the_same_purchase_is_not_made_twice_at_a_time(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, PAID, NUMBERED)
    source = account()

    async def twice() -> list[object]:
        import asyncio

        return list(await asyncio.gather(source.buy(WANT), source.buy(WANT)))

    assert await hours.run(twice()) == [GOT, Unreached("the number is being bought already")]
    assert upstream.times(CREATE) == 1


async def test_an_invoice_is_not_paid(upstream: Upstream, account: Account, hours: Hours) -> None:
    upstream.on(CREATE, INVOICE)
    upstream.on(CANCEL, OK)
    with capture_logs() as logs:
        outcome = await hours.run(account().buy(WANT))
    assert outcome == NoneLeft("the server wants an invoice to be paid, and does not take the balance")
    assert upstream.calls(CANCEL)[0].query == {"orderId": ORDER}
    assert "lnbc" not in str(logs)
    assert ORDER not in str(logs)


# Buying: nothing comes


@pytest.mark.parametrize("answer", [OK, no("order not found", 404)])
async def test_an_order_without_a_number_is_cancelled(
    upstream: Upstream, account: Account, hours: Hours, answer: What
) -> None:
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, PAID)
    upstream.on(CANCEL, answer)
    began = hours.now
    assert await hours.run(account().buy(WANT)) == NoneLeft("there was no number in time")
    assert 20_000 <= hours.now - began <= 25_000
    assert upstream.times(CANCEL) == 1


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (NUMBERED, GOT),
        (NO_NUMBER, NoneLeft(NO_NUMBER_WHY)),
        (PAID, Unreached("there was no number in time, and the order stays: too early to cancel")),
    ],
)
async def test_a_number_that_comes_at_the_last_moment_is_taken(
    upstream: Upstream, account: Account, hours: Hours, after: What, outcome: Got | NoneLeft | Unreached
) -> None:
    def cancel(_asked: object) -> What:
        upstream.on(STATUS, after)
        return no("too early to cancel", 409)

    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, PAID)
    upstream.on(CANCEL, cancel)
    assert await hours.run(account().buy(WANT)) == outcome


# Prices


@pytest.mark.parametrize(
    ("price", "bought"),
    [
        ({"receive": "1500", "computed": {"price": 2000}}, True),
        ({"receive": "1500", "computed": {"price": "2000"}}, True),
        ({"receive": "1500", "computed": {"price": 2001}}, False),
        ({"receive": "1500"}, False),
        ({"receive": "1500", "computed": {"price": None}}, False),
    ],
)
async def test_what_is_too_dear_is_not_bought(
    upstream: Upstream, account: Account, hours: Hours, price: dict[str, Any], bought: bool
) -> None:
    upstream.on("GET /price", price)
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, NUMBERED)
    outcome = await hours.run(account(max_price="2000").buy(WANT))
    assert outcome == (GOT if bought else NoneLeft("the price is above max_price"))
    assert upstream.calls("GET /price")[0].query == {"country": "22", "service": "dr"}
    assert upstream.times(CREATE) == bought


async def test_without_a_price_nothing_is_bought(upstream: Upstream, account: Account, hours: Hours) -> None:
    upstream.on("GET /price", UNABLE)
    upstream.on(CREATE, CREATED)
    assert await hours.run(account(max_price="2000").buy(WANT)) == Unreached("unable to save data")
    assert upstream.times(CREATE) == 0


async def test_a_rental_that_is_too_dear_is_not_bought(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on("GET /getRentalCountries", [{"cc": 22, "duration": "2", "price": 15001}])
    outcome = await hours.run(account(max_price="15000").buy(Want(7, 22, "full", 2)))
    assert outcome == NoneLeft("there is no such rental at this price")
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, NUMBERED)
    assert await hours.run(account(max_price="15001").buy(Want(7, 22, "full", 2))) == GOT


# What is on offer


async def test_countries_services_and_rentals(upstream: Upstream, account: Account, hours: Hours) -> None:
    source = account()
    upstream.on(
        "GET /getCountries",
        [
            {"id": 999, "eng": "Auto-Select", "visible": 1, "rent": 0},
            {"id": 22, "eng": "India", "visible": 1, "rent": 1},
            {"id": "43", "eng": "Germany"},
            {"cc": 62, "country": "Turkey", "visible": "1"},
            {"id": 0, "eng": "Russia", "visible": 0},
            {"id": 4711, "eng": "Atlantis", "visible": 1},
            "nothing",
        ],
    )
    assert await hours.run(source.pools()) == [22, 43, 62]
    upstream.on(
        "GET /getnumbersstatus",
        [
            {"value": "vk", "key": "vk", "text": "VK", "count": "17", "image": {}},
            {"value": "Google", "count": 3},
            {"key": "new1", "count": None},
            {"value": "fb", "count": "0"},
            {"value": ""},
            None,
        ],
    )
    assert await hours.run(source.stock(ANY)) == {"vk": 17, "go": 3, "new1": 1}
    upstream.on(
        "GET /getRentalCountries",
        [
            {"cc": 22, "country": "India", "duration": "2", "price": 15000},
            {"cc": 43, "country": "Germany", "duration": "1", "price": 9000},
            {"cc": "62", "country": "Turkey", "duration": 4, "price": "15000"},
            {"cc": 187, "country": "USA"},
        ],
    )
    assert await hours.run(source.rentals("fb")) == [22, 62]
    assert [asked.query for asked in upstream.asked] == [{}, {"country": "999"}, {"service": "fb"}]
    assert source.unlisted("never") is False


async def test_what_the_server_does_not_know_it_does_not_have(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    upstream.on("GET /getnumbersstatus", no("invalid country", 400))
    upstream.on("GET /getRentalCountries", no("invalid service", 400))
    assert await hours.run(account().stock(62)) == {}
    assert await hours.run(account().rentals("xx")) == []


@pytest.mark.parametrize(
    ("weather", "tries"),
    [
        (HTML, 3),
        (Raw(503), 3),
        (Raw(504), 3),
        (Cut(), 6),  # the library sends a GET once more when a connection ends without an answer
        (LIMITED, 2),
        (UNABLE, 1),
        (GARBAGE, 1),
        ({"status": "OK"}, 1),
        (no("nothing", 200), 1),
        (Raw(301, b"", {"Location": "/"}), 1),
    ],
)
async def test_a_look_is_repeated_where_that_may_help(
    upstream: Upstream, account: Account, hours: Hours, weather: What, tries: int
) -> None:
    upstream.on("GET /getCountries", weather)
    assert isinstance(await hours.run(account().pools()), Unreached)
    assert upstream.times("GET /getCountries") == tries


async def test_too_many_requests_are_waited_for(upstream: Upstream, account: Account, hours: Hours) -> None:
    upstream.on("GET /getCountries", LIMITED, [{"id": 22}])
    began = hours.now
    assert await hours.run(account().pools()) == [22]
    assert hours.now - began >= 7_000


async def test_a_server_that_is_not_there_is_unreached(
    upstream: Upstream, account: Account, hours: Hours
) -> None:
    source = account()
    await upstream.close()
    outcome = await hours.run(source.buy(WANT))
    assert isinstance(outcome, Unreached)
    assert KEY not in outcome.why
    # Nothing had left, so it may be bought.
    await upstream.start()
    upstream.on(CREATE, CREATED)
    upstream.on(STATUS, NUMBERED)
    assert await hours.run(source.buy(WANT)) == GOT
