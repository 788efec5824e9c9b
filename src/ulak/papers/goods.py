"""What a consignment holds, as customs forms and invoices list it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from ulak.core.consignments import Consignment, Package

_GRAM = Decimal("0.001")


class Good(NamedTuple):
    """One line. `net` is kilograms, `value` the price of all pieces."""

    description: str
    pieces: int
    net: Decimal
    price: Decimal
    value: Decimal
    currency: str
    tariff_code: str
    origin: str


def goods_of(consignment: Consignment) -> list[Good]:
    """Every item of every package; a package of several identical boxes counts its items in each of them.

    Nobody tells an item's own weight, so it has its share of the package's by its pieces. The shares are
    whole grams and add up to the package's weight.

    Raises:
        ValueError: there is nothing to list.
    """
    packages = consignment.shipment.packages
    if not packages:
        raise ValueError("The consignment has no packages, so there is nothing to declare.")
    found = [good for package in packages for good in _goods_in(package)]
    if not found:
        raise ValueError("No package of the consignment has items, so there is nothing to declare.")
    return found


def _goods_in(package: Package) -> Iterable[Good]:
    boxes = max(package.quantity, 1)
    weight = package.weight * boxes
    pieces = sum(item.quantity for item in package.items)
    passed, told = 0, Decimal(0)
    for item in package.items:
        passed += item.quantity
        until = (weight * passed / pieces if pieces else weight).quantize(_GRAM, ROUND_HALF_UP)
        count = item.quantity * boxes
        yield Good(
            item.description,
            count,
            until - told,
            item.unit_price,
            item.unit_price * count,
            item.currency,
            item.tariff_code or "",
            item.origin,
        )
        told = until


def totals(goods: Iterable[Good]) -> list[tuple[str, Decimal]]:
    """The value in each currency, in the order in which they come first."""
    sums: dict[str, Decimal] = {}
    for good in goods:
        sums[good.currency] = sums.get(good.currency, Decimal(0)) + good.value
    return list(sums.items())


def weight_of(consignment: Consignment) -> Decimal:
    """All boxes together, in kilograms."""
    return sum((p.weight * max(p.quantity, 1) for p in consignment.shipment.packages), Decimal(0))
