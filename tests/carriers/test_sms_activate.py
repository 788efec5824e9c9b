"""Suppliers that speak the protocol of sms-activate: what we ask, and what we make of every answer."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from structlog.testing import capture_logs
from tests.conftest import FakeClock
from tests.peers.journal import Notes
from tests.peers.sms_activate_stub import CANCEL_AFTER, KEY, WEATHER, SmsActivateStub

from ulak.carriers.sms_activate import source as module
from ulak.carriers.sms_activate.source import COUNTRIES_TRIED, IN_FLIGHT, LOST, SmsActivateSource, probe
from ulak.core.numbers import Activation, Gone, Got, News, NoneLeft, NumberSource, Text, Unreached, Want
from ulak.core.pools import ANY, FULL
from ulak.outbound import Outbound

Make: TypeAlias = Callable[..., NumberSource]
WANT = Want(1001, 62, "tg")


@pytest.fixture
async def supplier() -> AsyncIterator[SmsActivateStub]:
    async with SmsActivateStub(FakeClock()) as stub:
        stub.left = {("62", "tg"): 5, ("62", "wa"): 0, ("2", "tg"): 9, ("0", "tg"): 1, ("9999", "tg"): 50}
        yield stub


@pytest.fixture
async def make(supplier: SmsActivateStub) -> AsyncIterator[Make]:
    """Sources of as many processes as are made, over one journal."""
    notes = Notes()
    async with Outbound() as outbound:
        yield lambda **settings: SmsActivateSource(
            {"url": supplier.url, "apikey": KEY, "timeout": "2"} | settings, outbound, notes
        )


@pytest.fixture
def numbers(make: Make) -> NumberSource:
    return make()


async def bought(numbers: NumberSource, want: Want = WANT) -> Activation:
    got = await numbers.buy(want)
    assert isinstance(got, Got), got
    return Activation(want.key, got.reference, got.number, want.service, 0, want.weeks > 0)


async def news_of(numbers: NumberSource, *held: Activation, now: int = 5000) -> News:
    """News of the first of these."""
    return (await numbers.news(held, now))[0]


async def texts_of(numbers: NumberSource, *held: Activation) -> Sequence[Text]:
    news = await news_of(numbers, *held)
    assert isinstance(news, list), news
    return news


def last(supplier: SmsActivateStub) -> dict[str, str]:
    """What was asked last, without the key."""
    query = dict(supplier.asked[-1])
    assert query.pop("api_key") == KEY
    return query


# Trying.


async def test_an_account_is_tried(supplier: SmsActivateStub) -> None:
    settings = {"url": supplier.url, "apikey": KEY}
    assert await probe(settings) == "there are 100.00 in the account"
    with pytest.raises(ConnectionError, match="the supplier says: BAD_KEY"):
        await probe(settings | {"apikey": "other"})
    supplier.weather = ["html"]
    with pytest.raises(ConnectionError, match="makes no sense"):
        await probe(settings)


# Stock.


async def test_the_countries_are_those_that_it_shows_and_we_know(numbers: NumberSource) -> None:
    assert await numbers.pools() == [0, 2, 62]


async def test_without_a_list_the_countries_are_those_with_prices(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    supplier.unknown = {"getCountries"}
    assert set(await _collection(numbers.pools())) == {62, 2, 0}
    await numbers.pools()
    assert supplier.times("getCountries") == 1


async def _collection(answer: Any) -> list[int]:
    found = await answer
    assert not isinstance(found, Unreached)
    return list(found)


async def test_stock_is_by_service_and_without_what_is_sold_out(
    make: Make, supplier: SmsActivateStub
) -> None:
    numbers = make(operator="mts")
    assert await numbers.stock(62) == {"tg": 5}
    assert last(supplier) == {"action": "getNumbersStatus", "country": "62", "operator": "mts"}
    assert await numbers.stock(3) == {}
    assert await numbers.stock(ANY) == {"tg": 15}


async def test_rentals_are_where_it_says(numbers: NumberSource, supplier: SmsActivateStub) -> None:
    assert await numbers.rentals(FULL) == [2, 62]
    assert last(supplier) == {"action": "getRentServicesAndCountries", "rent_time": "336"}
    supplier.rentable = []
    assert await numbers.rentals(FULL) == []


def test_nothing_is_unlisted_and_it_is_asked_every_few_seconds(make: Make) -> None:
    assert not make().unlisted("never")
    assert make().every == 3000
    assert make(every="7.5").every == 7500


# Buying.


async def test_a_number_is_bought(make: Make, supplier: SmsActivateStub) -> None:
    numbers = make(operator="mts", ref="r1", max_price="20", order_prefix="u1-")
    got = await numbers.buy(WANT)
    assert got == Got("635468022", 79585468022, 62)
    asked = {"action": "getNumberV2", "service": "tg", "country": "62", "operator": "mts", "ref": "r1"}
    assert last(supplier) == asked | {"maxPrice": "20", "orderId": "u1-1001"}
    assert await numbers.buy(WANT) == NoneLeft("ORDER_ALREADY_EXISTS")


async def test_of_an_old_supplier_a_number_is_bought_in_the_old_way(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    supplier.unknown = {"getNumberV2"}
    assert await numbers.buy(WANT) == Got("635468022", 79585468022, 62)
    assert last(supplier) == {"action": "getNumber", "service": "tg", "country": "62"}
    await numbers.buy(WANT)
    assert (supplier.times("getNumberV2"), supplier.times("getNumber")) == (1, 2)


@pytest.mark.parametrize("statuses", [False, True])
async def test_no_is_said_in_the_suppliers_words(
    make: Make, supplier: SmsActivateStub, statuses: bool
) -> None:
    supplier.statuses = statuses
    assert await make().buy(replace(WANT, service="wa")) == NoneLeft("NO_NUMBERS")
    assert await make(max_price="3").buy(WANT) == NoneLeft("WRONG_MAX_PRICE")
    assert await make().buy(replace(WANT, service="???")) == NoneLeft("BAD_SERVICE")
    supplier.balance = 1.0
    with capture_logs() as logs:
        assert await make().buy(WANT) == NoneLeft("NO_BALANCE")
        assert await make(apikey="geheim").buy(WANT) == NoneLeft("BAD_KEY")
    assert [(line["log_level"], line["said"]) for line in logs] == [
        ("warning", "NO_BALANCE"),
        ("warning", "BAD_KEY"),
    ]
    assert "geheim" not in str(logs)


async def test_any_country_is_the_one_with_the_most(numbers: NumberSource) -> None:
    got = await numbers.buy(replace(WANT, pool=ANY))
    assert isinstance(got, Got)
    assert got.pool == 2
    assert await numbers.buy(replace(WANT, pool=ANY, service="wa")) == NoneLeft("NO_NUMBERS")


async def test_any_country_is_not_one_that_is_too_dear(make: Make) -> None:
    got = await make(max_price="10.1").buy(replace(WANT, pool=ANY))
    assert isinstance(got, Got)
    assert got.pool == 0


async def test_where_the_most_are_gone_the_next_is_tried_but_not_all(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    supplier.left = {(str(country), "tg"): 1 for country in range(6)}
    supplier.weather = ["", *["NO_NUMBERS"] * 10]
    assert await numbers.buy(replace(WANT, pool=ANY)) == NoneLeft("NO_NUMBERS")
    assert supplier.times("getNumberV2") == COUNTRIES_TRIED


async def test_without_money_no_other_country_is_tried(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    supplier.balance = 0.0
    assert await numbers.buy(replace(WANT, pool=ANY)) == NoneLeft("NO_BALANCE")
    assert supplier.times("getNumberV2") == 1


async def test_a_handset_is_only_promised_by_the_operator(make: Make) -> None:
    assert isinstance(await make().buy(replace(WANT, handset=True)), NoneLeft)
    assert isinstance(await make(handsets="yes").buy(replace(WANT, handset=True)), Got)


async def test_a_number_is_rented_by_the_hour(make: Make, supplier: SmsActivateStub) -> None:
    numbers = make(operator="mts")
    rented = await numbers.buy(Want(1, 62, FULL, weeks=2))
    assert rented == Got("635468022", 79585468022, 62)
    asked = {"action": "getRentNumber", "service": "full", "country": "62", "rent_time": "336"}
    assert last(supplier) == asked | {"operator": "mts"}
    assert await numbers.buy(Want(2, 3, FULL, weeks=2)) == NoneLeft("NO_NUMBERS")
    anywhere = await numbers.buy(Want(3, ANY, FULL, weeks=2))
    assert isinstance(anywhere, Got)
    assert anywhere.pool == 2


# News.


async def test_news_of_a_few_numbers_are_asked_for_one_by_one(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    held = [await bought(numbers) for _ in range(3)]
    assert await numbers.news(held, 1) == [[], [], []]
    supplier.receive(held[1].reference, "Telegram code 01234", "01234")
    first, second, third = await numbers.news(held, 7000)
    assert (first, third) == ([], [])
    assert isinstance(second, list)
    assert [(text.text, text.at, text.code) for text in second] == [("Telegram code 01234", 7000, "01234")]
    assert supplier.times("getActiveActivations") == 0


async def test_news_of_many_numbers_are_asked_for_at_once(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    held = [await bought(numbers) for _ in range(5)]
    supplier.receive(held[4].reference, "Telegram code 01234", "01234")
    before = len(supplier.asked)
    news = await numbers.news(held, 7000)
    assert [query["action"] for query in supplier.asked[before:]] == ["getActiveActivations"]
    assert news[:4] == [[], [], [], []]
    assert isinstance(news[4], list)
    (listed,) = news[4]
    (asked,) = (await numbers.news([held[4]], 7000))[0]  # type: ignore[misc]
    assert listed == asked
    assert (listed.code, listed.text) == ("01234", "Telegram code 01234")


async def test_who_is_missing_in_the_list_is_asked_for(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    held = [await bought(numbers) for _ in range(4)]
    supplier.taken[held[0].reference].state = 8
    unknown = Activation(1, "12", 7, "tg", 0)
    news = await numbers.news([*held, unknown], 1)
    assert news == [Gone("STATUS_CANCEL"), [], [], [], Gone("NO_ACTIVATION")]
    for one in held:
        supplier.taken[one.reference].state = 8
    assert await numbers.news(held, 1) == [Gone("STATUS_CANCEL")] * 4


async def test_a_supplier_without_the_list_is_asked_for_each_some_at_a_time(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    supplier.unknown = {"getActiveActivations", "getStatusV2"}
    supplier.left["62", "tg"] = 40
    supplier.balance = 1e6
    held = [await bought(numbers) for _ in range(40)]
    supplier.receive(held[0].reference, "Telegram code 01234", "01234")
    news = await numbers.news(held, 1)
    assert news[1:] == [[]] * 39
    (text,) = await texts_of(numbers, *held)
    assert (text.code, text.text) == ("01234", "")
    assert supplier.times("getActiveActivations") == 1
    assert supplier.times("getStatusV2") == 1
    assert 1 < supplier.most_at_once <= IN_FLIGHT


async def test_a_second_message_is_another_text(numbers: NumberSource, supplier: SmsActivateStub) -> None:
    held = [await bought(numbers) for _ in range(4)]
    supplier.receive(held[0].reference, "Telegram code 111111", "111111")
    (first,) = await texts_of(numbers, *held)
    supplier.receive(held[0].reference, "Telegram code 22222", "22222")
    told = await texts_of(numbers, *held)
    assert [text.code for text in told] == ["111111", "22222"]
    assert [text.text for text in told] == ["", "Telegram code 22222"]
    assert told[0].reference == first.reference != told[1].reference
    assert await texts_of(numbers, held[0]) == [told[1]]


@pytest.mark.parametrize(
    ("said", "news"),
    [
        ("STATUS_WAIT_CODE", []),
        ("STATUS_WAIT_RESEND", []),
        ("STATUS_WAIT_RETRY", []),
        ("STATUS_CANCEL", Gone("STATUS_CANCEL")),
        ("NO_ACTIVATION", Gone("NO_ACTIVATION")),
        ("WRONG_ACTIVATION_ID", Gone("WRONG_ACTIVATION_ID")),
        ("ERROR_SQL", Unreached("ERROR_SQL")),
        ("BAD_KEY", Unreached("BAD_KEY")),
        ("BANNED:'2026-05-20 12-00-00'", Unreached("BANNED")),
        ('{"status":"error","message":"SERVER_ERROR"}', Unreached("SERVER_ERROR")),
    ],
)
async def test_what_states_mean(
    numbers: NumberSource, supplier: SmsActivateStub, said: str, news: News
) -> None:
    supplier.weather = [said]
    assert await news_of(numbers, Activation(1, "12", 7, "tg", 0)) == news


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        ("STATUS_OK:00471", "00471", ""),
        ("STATUS_OK: '00471'", "00471", ""),
        ("STATUS_OK:G-482913", "G-482913", ""),
        ("STATUS_WAIT_RETRY:00471", "00471", ""),
        ("STATUS_OK:Your code: 00471", None, "Your code: 00471"),
        ('"STATUS_OK:00471"', "00471", ""),
    ],
)
async def test_codes_keep_their_zeros_and_whole_texts_are_left_to_us(
    numbers: NumberSource,
    supplier: SmsActivateStub,
    said: str,
    code: str | None,
    text: str,
) -> None:
    supplier.weather = [said]
    (came,) = await texts_of(numbers, Activation(1, "12", 7, "tg", 0))
    assert (came.code, came.text) == (code, text)
    assert "471" not in came.reference


async def test_news_of_a_rental_are_all_messages_oldest_first(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    rented = await bought(numbers, Want(1, 62, FULL, weeks=2))
    assert await news_of(numbers, rented) == []
    supplier.receive(rented.reference, "first 1111", sender="Uber")
    supplier.receive(rented.reference, "second 2222", sender="79180230628")
    told = await texts_of(numbers, rented)
    assert [(text.sender, text.text, text.code) for text in told] == [
        ("Uber", "first 1111", None),
        ("79180230628", "second 2222", None),
    ]
    supplier.receive(rented.reference, "second 2222", sender="79180230628")
    assert [text.reference for text in told] == [text.reference for text in await texts_of(numbers, rented)][
        :2
    ]
    supplier.taken[rented.reference].state = 1
    assert await news_of(numbers, rented) == Gone("STATUS_FINISH")
    assert await news_of(numbers, rented._replace(reference="12")) == Gone("INVALID_PHONE")


async def test_the_time_of_a_message_is_taken_if_its_zone_is_told(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    rows = [
        {"phoneFrom": "Uber", "text": "1111", "date": "2026-05-20T13:00:00+03:00"},
        {"phoneFrom": "Uber", "text": "2222", "date": "2026-05-20 13:00:01"},
    ]
    said = json.dumps({"status": "success", "quantity": 2, "values": rows})
    supplier.weather = [said]
    held = Activation(1, "12", 7, FULL, 0, True)
    news = await news_of(numbers, held, now=1_779_274_991_000)
    assert isinstance(news, list)
    assert {text.text: text.at for text in news} == {"1111": 1_779_271_200_000, "2222": 1_779_274_991_000}


# Being done.


async def test_a_number_that_was_used_is_finished(numbers: NumberSource, supplier: SmsActivateStub) -> None:
    held = await bought(numbers)
    supplier.receive(held.reference, "code 12345", "12345")
    assert await numbers.finish(held, used=True) is None
    assert last(supplier) == {"action": "setStatus", "id": held.reference, "status": "6"}
    assert supplier.taken[held.reference].state == 6
    assert await numbers.finish(held, used=True) is None


@pytest.mark.parametrize("statuses", [False, True])
async def test_a_number_is_given_back_when_the_supplier_takes_it(
    numbers: NumberSource, supplier: SmsActivateStub, statuses: bool
) -> None:
    supplier.statuses = statuses
    held = await bought(numbers)
    assert await numbers.finish(held, used=False) == Unreached("EARLY_CANCEL_DENIED")
    assert isinstance(supplier.clock, FakeClock)
    supplier.clock.advance(CANCEL_AFTER)
    assert await numbers.finish(held, used=False) is None
    assert supplier.taken[held.reference].state == 8
    assert await numbers.finish(held, used=False) is None
    assert await numbers.finish(held._replace(reference="12"), used=False) is None


@pytest.mark.parametrize(("used", "state"), [(True, 1), (False, 2)])
async def test_a_rental_is_ended(
    numbers: NumberSource, supplier: SmsActivateStub, used: bool, state: int
) -> None:
    rented = await bought(numbers, Want(1, 62, FULL, weeks=2))
    assert await numbers.finish(rented, used) is None
    assert supplier.taken[rented.reference].state == state
    assert await numbers.finish(rented, used) is None
    assert await numbers.finish(rented._replace(reference="12"), used) is None


async def test_a_rental_that_cannot_be_cancelled_any_more_is_finished(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    rented = await bought(numbers, Want(1, 62, FULL, weeks=2))
    assert isinstance(supplier.clock, FakeClock)
    supplier.clock.advance(3_600_000)
    assert await numbers.finish(rented, used=False) is None
    assert supplier.taken[rented.reference].state == 1


async def test_another_process_goes_on_with_a_rental(make: Make, supplier: SmsActivateStub) -> None:
    want = Want(7, 62, FULL, weeks=2)
    got = await make().buy(want)
    assert isinstance(got, Got)
    assert await make().buy(want) == got
    assert sum(query["action"] == "getRentNumber" for query in supplier.asked) == 1


async def test_a_rental_that_its_process_left_is_not_rented_again(
    make: Make, supplier: SmsActivateStub
) -> None:
    """Whether there is a number nobody knows."""
    want = Want(7, 62, FULL, weeks=2)
    asking = asyncio.create_task(make().buy(want))
    while not supplier.asked:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await make().buy(want) == NoneLeft(LOST)
    assert len(supplier.asked) == 1


# Weather.


@pytest.mark.parametrize("weather", WEATHER)
async def test_in_bad_weather_everything_is_unreached(
    numbers: NumberSource, supplier: SmsActivateStub, weather: str
) -> None:
    held = await bought(numbers)
    rented = await bought(numbers, Want(1, 62, FULL, weeks=2))
    before = len(supplier.asked)
    supplier.weather = [weather] * 7
    assert await numbers.buy(Want(2, 62, FULL, weeks=2)) == NoneLeft(LOST)
    done = [
        await numbers.buy(WANT),
        await news_of(numbers, held),
        await numbers.finish(held, used=True),
        await numbers.finish(rented, used=False),
    ]
    assert [answer for answer in done if not isinstance(answer, Unreached)] == []
    assert len(supplier.asked) - before == 5, "nothing is sent twice"
    if weather != "json":
        assert isinstance(await numbers.pools(), Unreached)
        assert isinstance(await numbers.stock(62), Unreached)


async def test_a_supplier_that_is_silent_is_not_waited_for_for_ever(
    make: Make, supplier: SmsActivateStub
) -> None:
    numbers = make(timeout="0.1")
    held = await bought(numbers)
    supplier.weather = ["slow"] * 3
    assert await numbers.buy(WANT) == Unreached("no answer within 0.1 seconds")
    assert await news_of(numbers, held) == Unreached("no answer within 0.1 seconds")
    assert await numbers.finish(held, used=False) == Unreached("no answer within 0.1 seconds")


async def test_one_bad_answer_does_not_take_the_others(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    held = [await bought(numbers) for _ in range(3)]
    supplier.weather = ["500"]
    news = await numbers.news(held, 1)
    assert sorted(map(repr, news)) == ["Unreached(why='the answer has the status 500')", "[]", "[]"]


async def test_when_the_list_cannot_be_had_nobody_is_asked_for(
    numbers: NumberSource, supplier: SmsActivateStub
) -> None:
    held = [await bought(numbers) for _ in range(4)]
    before = len(supplier.asked)
    supplier.weather = ["500"]
    assert await numbers.news(held, 1) == [Unreached("the answer has the status 500")] * 4
    assert len(supplier.asked) == before + 1


async def test_all_news_together_have_a_limit(
    make: Make, supplier: SmsActivateStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    supplier.unknown = {"getActiveActivations"}
    numbers = make()
    held = [Activation(key, str(key), 7, "tg", 0) for key in range(3 * IN_FLIGHT)]
    supplier.weather = ["", *["slow"] * IN_FLIGHT]
    news = await numbers.news(held, 1)
    assert all(isinstance(one, Unreached) for one in news)
    assert len(supplier.asked) == 1 + IN_FLIGHT


async def test_nobody_there() -> None:
    async with Outbound() as outbound:
        numbers = SmsActivateSource({"url": "http://127.0.0.1:9", "apikey": "geheim12"}, outbound, Notes())
        answers = [await numbers.buy(WANT), await numbers.stock(62), await numbers.pools()]
    assert all(isinstance(answer, Unreached) for answer in answers)
    assert "geheim12" not in str(answers)


# The stub itself, by a client that is not ours.


async def test_the_stub_serves_a_client_of_somebody_else(supplier: SmsActivateStub) -> None:
    theirs = importlib.import_module("aiosmsactivate")
    client = theirs.SmsActivate(KEY, supplier.url)
    assert await client.get_balance() == 100.0
    assert (await client.get_count_numbers("62", "any"))["tg_0"] == "5"
    assert (await client.get_prices("tg", "62"))["62"]["tg"]["count"] == 5
    number = await client.purchase("tg", country=62)
    assert (number.phone_number, number.country_code, number.can_get_another_sms) == (
        "79585468022",
        "62",
        True,
    )
    assert (await client.get_active_activations())["activeActivations"][0]["serviceCode"] == "tg"
    waiting = await client.get_activation_status_v1(str(number.activation_id))
    assert (waiting[0].name, waiting[1]) == ("WAIT", None)
    supplier.receive(str(number.activation_id), "Telegram code 01234", "01234")
    came = await client.get_activation_status_v1(str(number.activation_id))
    assert (came[0].name, came[1]) == ("OK", "01234")
    whole = await client.get_activation_status(number)
    assert (whole.sms.code, whole.sms.text) == ("01234", "Telegram code 01234")
    assert (await client.set_activation_status(number.activation_id, 6)).name == "ACTIVATED"
    with pytest.raises(Exception) as refused:  # noqa: PT011 - their type, told by its code
        await client.purchase("wa", country=62)
    assert refused.value.code == "NO_NUMBERS"  # type: ignore[attr-defined]
    rented = await client.get_rent_number("full")
    assert rented["phone"]["number"] == "79585468023"
    supplier.receive(str(rented["phone"]["id"]), "hello 1")
    assert (await client.get_rent_status(rented["phone"]["id"]))["values"]["0"]["text"] == "hello 1"
