"""Amounts at the border."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ulak.core.money import main_units, parse_amount


@pytest.mark.parametrize(
    ("text", "asset", "amount"),
    [
        ("1", "SMS", 1),
        ("007", "SAT", 7),
        ("120.96", "TRY", 12096),
        ("120.9", "TRY", 12090),
        ("120", "TRY", 12000),
        ("0.01", "TRY", 1),
        ("999999999999999", "SMS", 999_999_999_999_999),
    ],
)
def test_amounts(text: str, asset: str, amount: int) -> None:
    assert parse_amount(text, asset) == amount


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "-1", "1.", ".5", "1,5", "1.234", "1e3", "١", "1_0", "nan"]
)
def test_what_is_none(text: str) -> None:
    for asset in ("SMS", "TRY"):
        with pytest.raises(ValueError, match="needs"):
            parse_amount(text, asset)


def test_shown() -> None:
    assert main_units(5, "SMS") == 5
    assert str(main_units(12096, "TRY")) == "120.96"
    assert main_units(0, "TRY") == Decimal("0.00")
