"""What consignments weigh and cost: the tables of the ComToHome specification, and the same sums done in
fractions by somebody else."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import parcel_cast as cast

from ulak.core.consignments import Package, Service
from ulak.core.pricing import DESI_DIVISOR, Rates, costs, measures
from ulak.core.shipping import Quote

EXPRESS_DIVISOR = 5000


def box(length: object, width: object, height: object, quantity: int = 1, weight: object = 1) -> Package:
    """Identical boxes, in centimetres and kilograms."""
    return cast.package(
        length=Decimal(str(length)),
        width=Decimal(str(width)),
        height=Decimal(str(height)),
        quantity=quantity,
        weight=Decimal(str(weight)),
    )


def half_up(exact: Fraction, places: int) -> Fraction:
    """Rounded, halves away from zero."""
    scale = 10**places
    whole = floor(abs(exact) * scale + Fraction(1, 2))
    return Fraction(whole if exact >= 0 else -whole, scale)


# Section 8.


@pytest.mark.parametrize(
    ("sides", "quantity", "desi"),
    [
        ((15, 15, 15), 1, "1.13"),
        ((15, 15, 15), 2, "2.25"),
        ((30, 20, 15), 1, "3"),
        ((20, 15, 10), 1, "1"),
        ((33, 22, 11), 1, "2.66"),
    ],
)
def test_desi_of_the_specification(sides: tuple[int, int, int], quantity: int, desi: str) -> None:
    assert measures([box(*sides, quantity)]).desi == Decimal(desi)


def test_desi_is_summed_first_and_rounded_once() -> None:
    assert measures([box(15, 15, 15), box(15, 15, 15)]).desi == Decimal("2.25"), "not 1.13 + 1.13"
    assert measures([box(1, 1, 1)] * 20).desi == Decimal("0.01"), "not 20 times 0.00"


def test_every_carrier_has_its_divisor() -> None:
    assert measures([box(50, 40, 30)], EXPRESS_DIVISOR).desi == 12


def test_weight_counts_every_box() -> None:
    found = measures([box(1, 1, 1, 3, "0.125"), box(1, 1, 1, 1, "2.5")])
    assert found.weight == Decimal("2.875")


def test_a_draft_without_packages_weighs_nothing() -> None:
    assert measures([]) == measures(iter(()))
    assert (measures([]).desi, measures([]).weight) == (Decimal(0), Decimal(0))


lengths = st.decimals("0.1", "300", places=1)
weights = st.decimals("0.001", "1000", places=3)
boxes = st.builds(box, lengths, lengths, lengths, st.integers(1, 99), weights)


@given(st.lists(boxes, max_size=8), st.sampled_from([DESI_DIVISOR, EXPRESS_DIVISOR]))
def test_desi_and_weight_of_any_packages(packages: list[Package], divisor: int) -> None:
    volume = sum(
        (Fraction(p.length) * Fraction(p.width) * Fraction(p.height) * p.quantity for p in packages),
        Fraction(0),
    )
    found = measures(packages, divisor)
    assert Fraction(found.desi) == half_up(volume / divisor, 2)
    assert Fraction(found.weight) == sum(Fraction(p.weight) * p.quantity for p in packages)
    assert found == measures(reversed(packages), divisor)


@given(st.integers(0, 10**6))
def test_halves_of_a_desi_are_rounded_up(hundredths: int) -> None:
    """A volume of exactly k + ½ hundredths of a desi: 15 cm³ more than k times 30."""
    found = measures([box(30 * hundredths + 15, 1, 1)])
    assert found.desi == Decimal(hundredths + 1).scaleb(-2)


# Section 9; in kuruş.


@pytest.mark.parametrize(
    ("base", "surcharge", "rule", "special", "fee", "total"),
    [
        pytest.param(2000, 6400, 0, 0, 1680, 12096, id="the vendor's example, find-by-tracking-code"),
        (10000, 2500, 0, 1000, 2500, 19200),
        (3333, 0, -333, 0, 600, 4320),
        (0, 0, 0, 0, 0, 0),
    ],
)
def test_costs_of_the_specification(
    base: int, surcharge: int, rule: int, special: int, fee: int, total: int
) -> None:
    services = [Service(4, "Sigorta", special)] if special else []
    found = costs(Quote(base, surcharge), services, Rates(), abroad=False, rule=rule)
    assert (found.base, found.surcharge, found.rule, found.services) == (base, surcharge, rule, special)
    assert (found.fee, found.total) == (fee, total)
    assert (found.currency, found.rate) == ("TRY", Decimal(1))


def test_abroad_has_a_tax_of_its_own() -> None:
    rates = Rates(fee=Decimal("0.1"), vat=Decimal("0.2"), vat_abroad=Decimal(0))
    assert costs(Quote(1000), [], rates, abroad=False).total == 1320
    assert costs(Quote(1000), [], rates, abroad=True).total == 1100


amounts = st.integers(0, 10**9)
rate = st.decimals("0", "1", places=4)


@given(
    base=amounts,
    surcharge=amounts,
    discount=st.fractions(0, 1),
    fees=st.lists(amounts, max_size=4),
    rates=st.builds(Rates, rate, rate, rate),
    abroad=st.booleans(),
)
def test_costs_of_anything(
    base: int, surcharge: int, discount: Fraction, fees: list[int], rates: Rates, abroad: bool
) -> None:
    rule = -floor((base + surcharge) * discount)
    services = [Service(number, "", fee) for number, fee in enumerate(fees)]
    found = costs(Quote(base, surcharge), services, rates, abroad=abroad, rule=rule)
    net = base + surcharge + rule
    fee = half_up(net * Fraction(rates.fee), 0)
    vat = Fraction(rates.vat_abroad if abroad else rates.vat)
    assert found.fee == fee
    assert found.services == sum(fees)
    assert found.total == half_up((net + fee + sum(fees)) * (1 + vat), 0)


@given(st.integers(0, 10**6))
def test_half_a_kurus_is_rounded_up(amount: int) -> None:
    """A fee of a tenth of 10k + 5 kuruş."""
    rates = Rates(fee=Decimal("0.1"), vat=Decimal(0))
    assert costs(Quote(10 * amount + 5), [], rates, abroad=False).fee == amount + 1
