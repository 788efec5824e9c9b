"""Amounts: whole numbers of an asset's smallest unit inside, main units at the border."""

from __future__ import annotations

import re
from decimal import Decimal

ASSETS = {"SMS": 0, "SAT": 0, "TRY": 2}
"""What can be owned, with the decimals of its main unit."""

_AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?")


def parse_amount(text: str, asset: str) -> int:
    """The smallest units in an amount such as '120.96'.

    Raises:
        ValueError: it is no amount of this asset; the text is a sentence for people.
    """
    decimals = ASSETS[asset]
    found = _AMOUNT.fullmatch(text)
    if not found or len(found[2] or "") > decimals:
        shape = f"an amount with at most {decimals} decimals" if decimals else "a whole number"
        raise ValueError(f"{text[:40]!r} is not {shape}, as {asset} needs")
    whole, fraction = found[1], found[2] or ""
    return int(whole + fraction.ljust(decimals, "0"))


def main_units(amount: int, asset: str) -> int | Decimal:
    """The amount as people write it: a whole number where there are no decimals."""
    decimals = ASSETS[asset]
    return Decimal(amount).scaleb(-decimals) if decimals else amount
