"""What a consignment weighs and costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from ulak.core.consignments import Costs, Measures, Package, Service
from ulak.core.shipping import Quote

DESI_DIVISOR = 3000
"""cm³ that count as one kilogram in Turkish parcel tariffs."""

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Rates:
    """What is added to a carrier's price: our fee, and VAT on all of it."""

    fee: Decimal = Decimal("0.20")
    vat: Decimal = Decimal("0.20")
    vat_abroad: Decimal = Decimal("0.20")


def measures(packages: Iterable[Package], divisor: int = DESI_DIVISOR) -> Measures:
    """Volumetric weight, summed unrounded and rounded half up to 2 places once; and the sum of weights."""
    volume, weight = Decimal(0), Decimal(0)
    for package in packages:
        volume += package.quantity * package.length * package.width * package.height
        weight += package.quantity * package.weight
    desi = (volume / divisor).quantize(_CENT, ROUND_HALF_UP)
    return Measures(desi, weight)


def costs(quote: Quote, services: Iterable[Service], rates: Rates, *, abroad: bool, rule: int = 0) -> Costs:
    """The parts of a price, and its total with VAT (ComToHome specification, section 9)."""
    net = quote.base + quote.surcharge + rule
    fee = _whole(net * rates.fee)
    extras = sum(service.fee for service in services)
    vat = rates.vat_abroad if abroad else rates.vat
    return Costs(
        base=quote.base,
        surcharge=quote.surcharge,
        rule=rule,
        fee=fee,
        services=extras,
        total=_whole((net + fee + extras) * (1 + vat)),
    )


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
