"""The simulator of parcels: its prices, its codes, and what is seen of each parcel as time passes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import parcel_cast

from ulak import carriers
from ulak.carriers.parcel_simulator import ENDINGS, ParcelSimulator
from ulak.core.consignments import Consignment, Seen, TrackingKind
from ulak.core.pricing import Rates, costs
from ulak.core.shipping import (
    Abilities,
    Booked,
    Booking,
    Declined,
    ParcelCarrier,
    Quote,
    Sighting,
    Unreached,
    Watched,
)
from ulak.core.states import ParcelState as S
from ulak.core.tracking import merge
from ulak.core.tracking_codes import read_s10

README = Path(carriers.__file__).parent / "README.md"
NOW = parcel_cast.NOW
HOUR = 3_600_000
FOR_EVER = 10_000 * HOUR

EXAMPLE = parcel_cast.package(weight=Decimal("5.4"))
"""The parcel of the vendor's page find-by-tracking-code."""


def booking(key: str = "k1", **over: Any) -> Booking:
    return Booking(key, "C2H00000000001", parcel_cast.shipment(**over), NOW)


async def booked(key: str = "k1", **over: Any) -> Booked:
    answer = await ParcelSimulator({}).book(booking(key, **over))
    assert isinstance(answer, Booked), answer
    return answer


def abroad() -> Any:
    return parcel_cast.recipient(country="DE")


def watched(code: str, country: str = "TR") -> Watched:
    return Watched(7, code, "", NOW, country)


async def seen(
    code: str, after: int, country: str = "TR", settings: dict[str, str] | None = None
) -> Sequence[Sighting]:
    """What the simulator tells of a parcel so many ms after it was booked."""
    carrier: ParcelCarrier = ParcelSimulator(settings or {})
    (told,) = await carrier.track([watched(code, country)], NOW + after)
    assert not isinstance(told, Unreached)
    return told


def states(told: Sequence[Sighting]) -> list[S]:
    return [sighting.state for sighting in told]


# Documents.


def test_the_table_in_the_readme_is_the_table_in_the_code() -> None:
    rows = re.findall(r"^\| `(\d{4})` \| (.+?) \|$", README.read_text(), re.MULTILINE)
    assert rows == [(ending, fate.what) for ending, fate in ENDINGS.items()]


async def test_the_hours_in_the_readme_are_those_of_the_journeys() -> None:
    rows = re.findall(r"^\| (\d*) ?\| [a-z ]*\| (\d+) \| [a-z ]+ \|$", README.read_text(), re.MULTILINE)
    for column, country in ((0, "TR"), (1, "DE")):
        hours = [(sighting.at - NOW) // HOUR for sighting in await seen("X", FOR_EVER, country)]
        assert [int(row[column]) for row in rows if row[column]] == hours


# Prices.


async def test_the_vendors_example_costs_what_it_cost_there() -> None:
    quote = await ParcelSimulator({}).quote(parcel_cast.shipment(packages=(EXAMPLE,)))
    assert quote == Quote(2000, 6400)
    assert costs(quote, (), Rates(), abroad=False).total == 12096


@pytest.mark.parametrize(
    ("weight", "side", "count", "surcharge"),
    [
        ("0.1", 10, 1, 0),
        ("2", 10, 1, 0),
        ("2.01", 10, 1, 1600),
        ("3", 10, 1, 1600),
        ("3.001", 10, 1, 3200),
        ("1.5", 10, 2, 1600),
        ("1", 30, 1, 7 * 1600),
        ("9.5", 30, 1, 8 * 1600),
    ],
)
async def test_the_larger_of_weight_and_volume_counts(
    weight: str, side: int, count: int, surcharge: int
) -> None:
    length = Decimal(side)
    box = parcel_cast.package(
        weight=Decimal(weight), length=length, width=length, height=length, quantity=count
    )
    assert await ParcelSimulator({}).quote(parcel_cast.shipment(packages=(box,))) == Quote(2000, surcharge)


async def test_the_tariff_can_be_set() -> None:
    settings = {"base": "12.50", "per_kilo": "3", "abroad": "1.5", "desi_divisor": "5000"}
    carrier = ParcelSimulator(settings)
    assert carrier.abilities == Abilities(desi_divisor=5000)
    assert await carrier.quote(parcel_cast.shipment(packages=(EXAMPLE,))) == Quote(1250, 1200)
    assert await carrier.quote(parcel_cast.shipment(packages=(EXAMPLE,), recipient=abroad())) == Quote(
        1875, 1800
    )
    box = parcel_cast.package(weight=Decimal(1), length=Decimal(30), width=Decimal(30), height=Decimal(30))
    assert await carrier.quote(parcel_cast.shipment(packages=(box,))) == Quote(1250, 1200)


async def test_abroad_costs_three_times_as_much() -> None:
    assert await ParcelSimulator({}).quote(
        parcel_cast.shipment(packages=(EXAMPLE,), recipient=abroad())
    ) == Quote(6000, 19200)


async def test_a_draft_without_packages_has_a_price() -> None:
    assert await ParcelSimulator({}).quote(parcel_cast.shipment(packages=())) == Quote(2000)


# Booking.


async def test_a_key_is_booked_once() -> None:
    assert await booked("a") == await booked("a")
    assert (await booked("a")).reference != (await booked("b")).reference
    assert (await booked("a")).tickets != (await booked("b")).tickets


@given(st.text(min_size=1))
async def test_every_code_is_valid_and_never_magic(key: str) -> None:
    for recipient, service in ((parcel_cast.recipient(), "RR"), (abroad(), "CP")):
        (ticket,) = (await booked(key, recipient=recipient)).tickets
        assert ticket.kind is TrackingKind.CARRIER
        assert ticket.file is None
        parts = read_s10(ticket.tracking or "")
        assert parts is not None
        assert (parts.service, parts.country) == (service, "TR")
        assert (ticket.tracking or "")[-4:] not in ENDINGS


async def test_every_package_has_a_code() -> None:
    packages = tuple(parcel_cast.package(id=number) for number in range(20))
    tickets = (await booked(packages=packages)).tickets
    assert len({ticket.tracking for ticket in tickets}) == 20


async def test_codes_that_came_along_are_used_as_they_are() -> None:
    (whole,) = (await booked(barcode=" kk-12 ")).tickets
    assert (whole.tracking, whole.kind) == (" kk-12 ", TrackingKind.BROUGHT_ALONG)
    packages = tuple(parcel_cast.package(barcode=code) for code in ("A1", "A2", None))
    tickets = (await booked(packages=packages, barcode="whole")).tickets
    assert [ticket.tracking for ticket in tickets[:2]] == ["A1", "A2"]
    assert tickets[2].kind is TrackingKind.CARRIER


@pytest.mark.parametrize("place", ["whole", "package"])
async def test_bookings_that_come_to_nothing(place: str) -> None:
    async def answer(code: str) -> object:
        if place == "whole":
            return await ParcelSimulator({}).book(booking(barcode=code))
        packages = (parcel_cast.package(barcode="A1"), parcel_cast.package(barcode=code))
        return await ParcelSimulator({}).book(booking(packages=packages))

    assert isinstance(await answer("XX9109"), Declined)
    assert isinstance(await answer("XX9110"), Unreached)
    for ending in ENDINGS.keys() - {"9109", "9110"}:
        assert isinstance(await answer(f"XX{ending}"), Booked)


# Journeys.

HOME = [S.PICKED_UP, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.DELIVERED]
AWAY = [S.PICKED_UP, S.IN_TRANSIT, S.IN_CUSTOMS, S.IN_TRANSIT, S.IN_CUSTOMS, S.IN_TRANSIT, *HOME[2:]]

JOURNEYS = [
    # ending, country, hours after the booking and how many of these states have been told of by then
    ("RR", "TR", HOME, {0: 0, 1: 0, 2: 1, 5: 1, 6: 2, 23: 2, 24: 3, 26: 3, 27: 4, 9999: 4}),
    ("CP", "DE", AWAY, {1: 0, 2: 1, 6: 2, 20: 3, 30: 4, 71: 4, 72: 5, 96: 6, 120: 7, 125: 7, 126: 8}),
    ("9101", "TR", HOME[:2], {2: 1, 6: 2, 9999: 2}),
    ("9101", "DE", AWAY[:2], {2: 1, 6: 2, 9999: 2}),
    ("9102", "TR", HOME[:3], {6: 2, 24: 3, 9999: 3}),
    ("9102", "DE", AWAY[:7], {96: 6, 120: 7, 9999: 7}),
    ("9103", "TR", [S.DELIVERED], {0: 1, 9999: 1}),
    ("9103", "DE", [S.DELIVERED], {0: 1, 9999: 1}),
    ("9104", "TR", [*HOME[:3], S.DELIVERY_FAILED, S.ON_HOLD], {24: 3, 27: 4, 50: 4, 51: 5, 9999: 5}),
    ("9104", "DE", [*AWAY[:7], S.DELIVERY_FAILED, S.ON_HOLD], {120: 7, 123: 8, 147: 9, 9999: 9}),
    (
        "9105",
        "TR",
        [*HOME[:3], S.DELIVERY_FAILED, S.RETURNING, S.RETURNED],
        {24: 3, 27: 4, 51: 5, 98: 5, 99: 6, 9999: 6},
    ),
    ("9106", "TR", [], {0: 0, 27: 0, 9999: 0}),
    (
        "9107",
        "TR",
        [S.PICKED_UP, S.OUT_FOR_DELIVERY, S.IN_TRANSIT, S.DELIVERED],
        {6: 1, 23: 1, 24: 2, 25: 3, 27: 4, 9999: 4},
    ),
    (
        "9107",
        "DE",
        [S.PICKED_UP, *AWAY[2:7], S.IN_TRANSIT, S.DELIVERED],
        {6: 1, 20: 2, 120: 6, 121: 7, 126: 8},
    ),
    ("9111", "TR", HOME, {2: 1, 27: 4}),
]


@pytest.mark.parametrize(("ending", "country", "journey", "counts"), JOURNEYS)
async def test_a_journey(ending: str, country: str, journey: list[S], counts: dict[int, int]) -> None:
    for hours, count in counts.items():
        assert states(await seen(f"XX{ending}", hours * HOUR, country)) == journey[:count]
        # Not a moment earlier than on the hour.
        early = await seen(f"XX{ending}", hours * HOUR - 1, country)
        assert len(early) <= count


@pytest.mark.parametrize("country", ["TR", "DE"])
@pytest.mark.parametrize("ending", sorted(ENDINGS.keys() - {"9107", "9108"}))
async def test_scans_come_in_the_order_of_their_times(ending: str, country: str) -> None:
    times = [sighting.at for sighting in await seen(f"XX{ending}", FOR_EVER, country)]
    assert times == sorted(times)


async def test_a_scan_that_comes_late_keeps_its_time_and_moves_nothing_back() -> None:
    before, after = await seen("XX9107", 24 * HOUR), await seen("XX9107", 25 * HOUR)
    assert after[:2] == before
    assert (after[2].state, after[2].at) == (S.IN_TRANSIT, NOW + 6 * HOUR)
    state, at = merge(S.BOOKED, NOW, before)
    assert (state, at) == (S.OUT_FOR_DELIVERY, NOW + 24 * HOUR)
    assert merge(state, at, after[2:]) == (state, at)


async def test_a_carrier_that_is_down_takes_and_tells_nothing() -> None:
    assert (await booked(barcode="XX9108")).tickets[0].tracking == "XX9108"
    told = await ParcelSimulator({}).track([watched("XX9108"), watched("RR000000005TR")], NOW + 6 * HOUR)
    assert isinstance(told[0], Unreached)
    assert not isinstance(told[1], Unreached)
    assert len(told[1]) == 2


async def test_places_and_raw_words() -> None:
    for sighting in await seen("X", FOR_EVER):
        assert (sighting.location or "").endswith(", TR")
        assert re.fullmatch(r"K\d\d \w.+", sighting.raw)
    away = await seen("X", FOR_EVER, "JP")
    assert [(sighting.location or "")[-2:] for sighting in away] == ["TR"] * 4 + ["JP"] * 4


async def test_a_day_can_be_a_minute() -> None:
    hurried = {"day": "60"}
    assert states(await seen("X", 4_999, settings=hurried)) == []
    assert states(await seen("X", 5_000, settings=hurried)) == HOME[:1]
    told = await seen("X", 67_500, settings=hurried)
    assert states(told) == HOME
    assert told[-1].at == NOW + 67_500


@given(st.sampled_from(sorted(ENDINGS)), st.lists(st.integers(0, 200 * HOUR), min_size=2, max_size=2))
async def test_what_was_told_is_never_taken_back(ending: str, times: list[int]) -> None:
    first, second = sorted(times)
    (before,) = await ParcelSimulator({}).track([watched(f"XX{ending}")], NOW + first)
    (after,) = await ParcelSimulator({}).track([watched(f"XX{ending}")], NOW + second)
    if isinstance(before, Unreached) or isinstance(after, Unreached):
        assert ending == "9108"
    else:
        assert after[: len(before)] == before


async def test_labels_are_answered_in_their_order() -> None:
    assert await ParcelSimulator({}).track([], NOW) == []
    told = await ParcelSimulator({}).track([watched("XX9103"), watched("XX9106"), watched("XX9103")], NOW)
    assert [len(item) for item in told if not isinstance(item, Unreached)] == [1, 0, 1]


# Cancelling, and the rest.


def consignment(state: S, code: str = "RR000000005TR") -> Consignment:
    return parcel_cast.consignment(1, state=state, labels=[parcel_cast.label(state=state, tracking=code)])


@pytest.mark.parametrize(
    ("state", "given_back"),
    [
        (S.BOOKED, True),
        (S.PICKED_UP, True),
        (S.IN_TRANSIT, True),
        (S.IN_CUSTOMS, True),
        (S.CANCELLED, True),
        (S.OUT_FOR_DELIVERY, False),
        (S.DELIVERY_FAILED, False),
        (S.DELIVERED, False),
        (S.RETURNING, False),
        (S.RETURNED, False),
    ],
)
async def test_a_parcel_is_given_back_until_it_is_out_for_delivery(state: S, given_back: bool) -> None:
    answer = await ParcelSimulator({}).cancel(consignment(state))
    assert (answer is None) == given_back
    assert answer is None or isinstance(answer, Declined)


async def test_once_out_for_delivery_it_is_not_given_back_any_more() -> None:
    held = consignment(S.ON_HOLD)
    assert await ParcelSimulator({}).cancel(held) is None
    held.seen = [Seen(1, held.labels[0].id, NOW, NOW, S.OUT_FOR_DELIVERY, "Out for delivery", None, "K40")]
    assert isinstance(await ParcelSimulator({}).cancel(held), Declined)


async def test_an_ending_that_is_not_given_back() -> None:
    assert isinstance(await ParcelSimulator({}).cancel(consignment(S.BOOKED, "XX9111")), Declined)
    assert await ParcelSimulator({}).cancel(parcel_cast.consignment(1, labels=[])) is None


async def test_labels_are_left_to_us() -> None:
    whole = consignment(S.BOOKED)
    carrier: ParcelCarrier = ParcelSimulator({})
    assert await carrier.label(whole, whole.labels[0]) is None
    await carrier.close()
