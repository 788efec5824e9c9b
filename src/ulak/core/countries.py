"""Countries and currencies: ISO codes in, ISO codes and English names out.

The tables are those of pycountry (ISO 3166-1 and ISO 4217), read when they are first needed.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class Country(NamedTuple):
    """A country by its ISO 3166-1 codes and its common English name."""

    alpha2: str
    alpha3: str
    name: str


NAMES = {"TR": "Turkey"}
"""English names that differ from the table's."""


def find_country(code: str) -> Country | None:
    """The country with this alpha-2 or alpha-3 code, in any case."""
    return _countries().get(code.upper()) if code.isascii() else None


def country(alpha2: str) -> Country:
    """The country with this alpha-2 code; one that is not in the table is called by its code."""
    return _countries().get(alpha2) or Country(alpha2, alpha2, alpha2)


def is_currency(code: str) -> bool:
    """Whether this is an upper-case ISO 4217 code."""
    return code in _currencies()


@cache
def _countries() -> dict[str, Country]:
    """Every country under both of its codes."""
    import pycountry

    found: dict[str, Country] = {}
    for row in pycountry.countries:
        name = NAMES.get(row.alpha_2) or getattr(row, "common_name", None) or row.name
        found[row.alpha_2] = found[row.alpha_3] = Country(row.alpha_2, row.alpha_3, name)
    return found


@cache
def _currencies() -> frozenset[str]:
    import pycountry

    return frozenset(row.alpha_3 for row in pycountry.currencies)
