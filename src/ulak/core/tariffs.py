"""What a carrier that we price ourselves would ask for, as its settings say.

Up to two kilograms cost `base`, every further kilogram that is begun `per_kilo`; abroad both are multiplied.
What counts is the larger of the real and the volumetric weight of all packages together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from ulak.core.consignments import Shipment
from ulak.core.money import parse_amount
from ulak.core.pricing import DESI_DIVISOR, measures
from ulak.core.shipping import Quote

INCLUDED = Decimal(2)
"""Kilograms in the base price."""

TARIFF = ("base", "per_kilo", "abroad", "desi_divisor")
"""The settings that are read here."""

_FACTOR = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?")
_DIVISOR = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices in kuruş without VAT; `abroad` multiplies them when a border is crossed, and `desi_divisor` is
    the cm³ that count as one kilogram."""

    base: int = 0
    per_kilo: int = 0
    abroad: Decimal = Decimal(1)
    desi_divisor: int = DESI_DIVISOR

    def quote(self, shipment: Shipment) -> Quote:
        """What a shipment costs. It goes abroad when its parties are in two countries."""
        measured = measures(shipment.packages, self.desi_divisor)
        further = max(measured.desi, measured.weight, INCLUDED) - INCLUDED
        kilos = int(further.to_integral_value(ROUND_CEILING))
        factor = self.abroad if shipment.sender.country != shipment.recipient.country else Decimal(1)
        return Quote(_whole(self.base * factor), _whole(kilos * self.per_kilo * factor))


def tariff_of(settings: Mapping[str, str], default: Tariff) -> Tariff:
    """The tariff that settings spell: prices in TRY, `default` for what they leave out.

    Raises:
        ValueError: a value does not fit; the text says which.
    """
    return Tariff(
        _price("base", settings, default.base),
        _price("per_kilo", settings, default.per_kilo),
        _factor(settings.get("abroad", str(default.abroad))),
        _divisor(settings.get("desi_divisor", str(default.desi_divisor))),
    )


def _price(key: str, settings: Mapping[str, str], default: int) -> int:
    if key not in settings:
        return default
    try:
        return parse_amount(settings[key], "TRY")
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _factor(value: str) -> Decimal:
    if not _FACTOR.fullmatch(value):
        raise ValueError(f"abroad must be a factor such as 3 or 2.5, not {value!r}")
    return Decimal(value)


def _divisor(value: str) -> int:
    if not _DIVISOR.fullmatch(value):
        raise ValueError(f"desi_divisor must be a whole number of cm³ such as 3000, not {value!r}")
    return int(value)


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
