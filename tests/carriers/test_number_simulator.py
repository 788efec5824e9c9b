"""The simulator of numbers: what its numbers look like, and what comes to them as time passes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import phonenumbers
import pytest

from ulak.carriers.number_simulator import FORMS, MAGIC, NumberSimulator
from ulak.core.codes import find_code
from ulak.core.numbers import Activation, Got, NoneLeft, NumberSource, Text, Want
from ulak.core.pools import ANY, FULL, POOLS, SERVICES

NOW = 1_779_274_991_000
SECOND = 1000
FOR_EVER = 30 * 24 * 3600 * SECOND

SET_ASIDE = {"GB": "447700900", "FR": "3363998", "DE": "4917139200", "SE": "46701740"}
"""Where phonenumbers may call a number invalid, because nobody can have it."""


def source(**settings: str) -> NumberSource:
    return NumberSimulator({"carries": "numbers", **settings})


async def bought(want: Want) -> Got:
    got = await source().buy(want)
    assert isinstance(got, Got), got
    return got


async def came(
    service: str, after: int, *, key: int = 7, rental: bool = False, settings: dict[str, str] | None = None
) -> Sequence[Text]:
    """What came to a number so many ms after it was taken."""
    held = Activation(key, str(key), 905012345678, service, NOW, rental)
    (news,) = await source(**(settings or {})).news([held], NOW + after)
    assert isinstance(news, list)
    return news


def code_in(text: Text) -> str:
    """The one run of digits that a person would take for the code."""
    (code,) = re.findall(r"\b[0-9]{4,}\b", text.text)
    return str(code)


# Numbers.


@pytest.mark.parametrize("pool", POOLS)
async def test_numbers_look_like_the_countrys(pool: int) -> None:
    iso = POOLS[pool].iso
    calling = phonenumbers.country_code_for_region(iso)
    for key in range(1, 25):
        number = (await bought(Want(key, pool, "tg"))).number
        parsed = phonenumbers.parse(f"+{number}")
        assert parsed.country_code == calling, number
        assert phonenumbers.is_possible_number(parsed), number
        if calling == 1:
            assert re.fullmatch(r"1[2-9][0-9]{2}55501[0-9]{2}", str(number))
        elif iso in SET_ASIDE:
            assert str(number).startswith(SET_ASIDE[iso])
        else:
            assert phonenumbers.is_valid_number_for_region(parsed, iso), number


@pytest.mark.parametrize("iso", ["CA", "US"])
def test_areas_of_north_america_are_the_countrys(iso: str) -> None:
    for form in FORMS[iso]:
        parsed = phonenumbers.parse(f"+{form.replace('x', '0')}")
        assert phonenumbers.region_code_for_number(parsed) == iso, form


def test_every_country_has_a_form_and_no_other_has() -> None:
    assert FORMS.keys() == {pool.iso for pool in POOLS.values()}


async def test_the_same_key_gives_the_same_number_and_another_key_another() -> None:
    want = Want(1001, 62, "tg")
    assert await bought(want) == await bought(want)
    numbers = {(await bought(replace(want, key=key))).number for key in range(1000)}
    assert len(numbers) == 1000


async def test_the_source_chooses_a_country_once_for_a_key() -> None:
    chosen = [await bought(Want(key, ANY, "tg")) for key in range(300)]
    assert chosen == [await bought(Want(key, ANY, "tg")) for key in range(300)]
    assert {got.pool for got in chosen} <= POOLS.keys()
    assert len({got.pool for got in chosen}) > 50
    named = [await bought(Want(key, got.pool, "tg")) for key, got in enumerate(chosen)]
    assert named == chosen


async def test_every_country_has_every_service_and_rentals_too() -> None:
    simulator = source()
    assert set(await _all(simulator.pools())) == POOLS.keys()
    assert set(await _all(simulator.rentals("fb"))) == POOLS.keys()
    assert set(await _all(simulator.rentals(FULL))) == POOLS.keys()
    assert await simulator.rentals("nosuch") == []
    for pool in (*POOLS, ANY):
        stock = await simulator.stock(pool)
        assert isinstance(stock, dict)
        assert stock.keys() == SERVICES.keys()
        assert min(stock.values()) >= 100
    assert await simulator.stock(17) == {}


async def _all(answer: Awaitable[object]) -> list[int]:
    found = await answer
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    "want", [Want(1, 62, "none"), Want(1, ANY, "none"), Want(1, 62, "nosuch"), Want(1, 17, "tg")]
)
async def test_where_there_is_no_number(want: Want) -> None:
    assert isinstance(await source().buy(want), NoneLeft)


async def test_a_rental_and_a_handset_are_had_as_well() -> None:
    assert (await bought(Want(1, 187, FULL, weeks=2))).pool == 187
    assert (await bought(Want(1, 62, "tg", handset=True))).pool == 62


# Messages.


async def test_a_code_comes_after_two_seconds_and_stays() -> None:
    assert await came("tg", 0) == []
    assert await came("tg", 2 * SECOND - 1) == []
    (text,) = await came("tg", 2 * SECOND)
    assert text.at == NOW + 2 * SECOND
    assert (text.sender, text.code, bool(text.reference)) == ("Telegram", None, True)
    assert "Telegram" in text.text
    assert await came("tg", FOR_EVER) == [text]


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_gets_one_code_of_five_or_six_digits(service: str) -> None:
    for key in range(20):
        (text,) = await came(service, FOR_EVER, key=key)
        assert re.fullmatch(r"[1-9][0-9]{4,5}", code_in(text)), text.text


async def test_codes_are_worded_differently_and_are_different() -> None:
    texts = [(await came("wa", FOR_EVER, key=key))[0] for key in range(200)]
    assert len({re.sub(r"[0-9]{5,}", "", text.text) for text in texts}) == 4
    assert len({code_in(text) for text in texts}) > 190


@pytest.mark.parametrize("service", [*SERVICES, "zero", "two", "wait1"])
async def test_our_own_extraction_finds_the_codes(service: str) -> None:
    for key in range(60):
        for text in await came(service, FOR_EVER, key=key):
            assert find_code(text.text, service) == code_in(text), text.text


async def test_the_delay_is_a_setting() -> None:
    assert await came("tg", 59_999, settings={"delay": "60"}) == []
    assert len(await came("tg", 60_000, settings={"delay": "60"})) == 1
    with pytest.raises(ValueError, match="delay must be"):
        source(delay="0")


async def test_a_rental_gets_two_at_first() -> None:
    assert len(await came(FULL, 2 * SECOND, rental=True)) == 1
    first, second = await came("fb", 8 * SECOND, rental=True)
    assert (first.at, second.at) == (NOW + 2 * SECOND, NOW + 8 * SECOND)
    assert first.reference != second.reference
    assert await came("fb", FOR_EVER, rental=True) == [first, second]


async def test_of_several_numbers_each_has_its_own_news() -> None:
    held = [Activation(key, str(key), 1, "tg", NOW + key, False) for key in (0, 1, 5000)]
    news = await source().news(held, NOW + 2000)
    assert [len(one) for one in news if isinstance(one, list)] == [1, 0, 0]


async def test_being_done_is_always_fine() -> None:
    held = Activation(7, "7", 1, "tg", NOW)
    assert await source().finish(held, used=True) is None
    assert await source().finish(held, used=False) is None


# Magic.


async def test_never_has_a_number_and_no_message() -> None:
    assert (await bought(Want(1, 62, "never"))).pool == 62
    assert await came("never", FOR_EVER) == []


async def test_zero_begins_with_a_zero() -> None:
    for key in range(20):
        (text,) = await came("zero", FOR_EVER, key=key)
        assert re.fullmatch(r"0[0-9]{4,5}", code_in(text)), text.text


async def test_two_come_one_after_the_other_with_different_codes() -> None:
    assert len(await came("two", 7 * SECOND)) == 1
    first, second = await came("two", 8 * SECOND)
    assert code_in(first) != code_in(second)
    assert first.reference != second.reference


@pytest.mark.parametrize("seconds", [1, 30, 1800])
async def test_wait_waits(seconds: int) -> None:
    assert await came(f"wait{seconds}", seconds * SECOND - 1) == []
    assert len(await came(f"wait{seconds}", seconds * SECOND)) == 1


def test_what_is_magic_is_unlisted_and_nothing_else() -> None:
    simulator = source()
    tried = [name.replace("<n>", "30") for name in MAGIC]
    assert all(simulator.unlisted(service) for service in tried)
    for service in (*SERVICES, FULL, "wait", "wait0", "wait1801", "wait05", "wait٣", "Never", ""):
        assert not simulator.unlisted(service), service


async def test_neither_the_number_nor_openai_is_magic() -> None:
    plain = Activation(7, "7", 905010004567, "dr", NOW)
    (news,) = await source().news([plain], NOW + 5 * SECOND)
    assert isinstance(news, list)
    assert [text.sender for text in news] == ["openAI"]


def test_it_is_asked_every_second() -> None:
    assert source().every == 1000
