"""How papers spell numbers and amounts."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal


def plain(number: Decimal) -> str:
    """Without an exponent and without zeros behind the point that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(number: Decimal) -> str:
    """With two decimals."""
    return f"{number.quantize(Decimal('0.01'), ROUND_HALF_UP):f}"
