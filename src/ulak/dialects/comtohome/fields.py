"""What the values of a request mean, and what is wrong with them.

White space around a text does not count, and an empty text is a missing one. Numbers may arrive as texts: of
ASCII digits, with a point where a fraction is allowed, and without an exponent. A boolean is no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from ulak.core.countries import find_country, is_currency
from ulak.dialects.comtohome.texts import Text, say

Value = TypeVar("Value")

DECIMALS_MAX = 6
"""Further ones are rounded away, half up: sums of floats have them (0.30000000000000004)."""
ID_MAX = 10**18
BIG = 10**9
"""No count or measure is larger."""

_INTEGER = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_PHONE = re.compile(r"\+?[0-9]{7,15}")
_PHONE_MAX = 20
_NOT_IN_PHONES = str.maketrans("", "", " -()\t\u00a0")
_TARIFF_CODE = re.compile(r"[0-9]{6,12}")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_LAST_PLACE = Decimal(1).scaleb(-DECIMALS_MAX)
_DIGITS = 40
"""More than any number has that is within bounds."""


class Wrong(Exception):
    """A value is not what it should be."""

    def __init__(self, reason: Text, **values: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values


class Problems:
    """Collects what is wrong with a request, a sentence for each field."""

    def __init__(self, language: str) -> None:
        self._language = language
        self.found: list[str] = []

    def add(self, path: str, reason: Text, **values: object) -> None:
        """Something is wrong with the field at this path."""
        self.found.append(f"{path}: {say(reason, self._language, **values)}")


class Reader:
    """Reads the fields of one object of a request.

    A method returns None for a field that is missing or wrong; only with `required` is a missing one a
    problem. In a `partial` reading nothing is required.
    """

    def __init__(
        self, plain: dict[str, Any], path: str, problems: Problems, *, partial: bool = False
    ) -> None:
        self.plain = plain
        self.partial = partial
        self._path = path
        self._problems = problems

    def whole(self, problems: Problems | None = None) -> Reader:
        """The same, with everything required that is; what is wrong goes where it did, or elsewhere."""
        return Reader(self.plain, self._path, problems or self._problems)

    def at(self, name: str) -> str:
        """The path of a field."""
        return f"{self._path}.{name}" if self._path else name

    def wrong(self, name: str, reason: Text, **values: object) -> None:
        """Something is wrong with a field."""
        self._problems.add(self.at(name), reason, **values)

    def has(self, name: str) -> bool:
        """Whether a field is there and not empty."""
        return _trimmed(self.plain.get(name)) is not None

    def read(self, name: str, parse: Callable[[Any], Value], *, required: bool = False) -> Value | None:
        """What `parse` makes of a field; it raises `Wrong`."""
        value = _trimmed(self.plain.get(name))
        if value is None:
            if required and not self.partial:
                self.wrong(name, Text.MISSING)
            return None
        try:
            return parse(value)
        except Wrong as wrong:
            self.wrong(name, wrong.reason, **wrong.values)
            return None

    def text(self, name: str, most: int, *, required: bool = False) -> str | None:
        """A text of at most so many characters."""
        return self.read(name, lambda value: text(value, most), required=required)

    def integer(self, name: str, least: int = 1, most: int = BIG, *, required: bool = False) -> int | None:
        """A whole number within bounds."""
        return self.read(name, lambda value: integer(value, least, most), required=required)

    def choice(self, name: str, choices: Sequence[int], *, required: bool = False) -> int | None:
        """One of these numbers."""
        return self.read(name, lambda value: choice(value, choices), required=required)

    def number(
        self, name: str, *, zero: bool = False, most: int = BIG, required: bool = False
    ) -> Decimal | None:
        """A number greater than zero (or zero)."""
        return self.read(name, lambda value: number(value, most, zero=zero), required=required)

    def boolean(self, name: str) -> bool | None:
        """True or false, also as 1 and 0."""
        return self.read(name, boolean)

    def child(self, name: str, *, required: bool = False) -> Reader | None:
        """The object under a name."""
        found = self.read(name, object_of, required=required)
        return None if found is None else self._below(name, found)

    def children(self, name: str, most: int, *, required: bool = False) -> list[Reader]:
        """The objects in the list under a name; none if there is none."""
        found = []
        for place, value in enumerate(self.entries(name, most, required=required)):
            if isinstance(value, dict):
                found.append(self._below(f"{name}.{place}", value))
            else:
                self.wrong(f"{name}.{place}", Text.NOT_OBJECT)
        return found

    def ids(self, name: str, most: int) -> tuple[int, ...]:
        """The ids in the list under a name, each once."""
        found: list[int] = []
        for place, value in enumerate(self.entries(name, most)):
            known = integer_in(_trimmed(value))
            if known is None or not 0 < known < ID_MAX:
                self.wrong(f"{name}.{place}", Text.UNKNOWN_ID)
            elif known not in found:
                found.append(known)
        return tuple(found)

    def entries(self, name: str, most: int, *, required: bool = False) -> Sequence[Any]:
        """The list under a name."""
        return self.read(name, lambda value: list_of(value, most), required=required) or ()

    def _below(self, name: str, fields: dict[str, Any]) -> Reader:
        return Reader(fields, self.at(name), self._problems, partial=self.partial)


def text(value: object, most: int) -> str:
    """A text of at most so many characters."""
    if not isinstance(value, str):
        raise Wrong(Text.NOT_TEXT)
    if len(value) > most:
        raise Wrong(Text.TOO_LONG, max=most)
    return value


def integer(value: object, least: int, most: int) -> int:
    """A whole number within bounds."""
    found = integer_in(value)
    if found is None:
        raise Wrong(Text.NOT_INTEGER)
    if found < least:
        raise Wrong(Text.TOO_SMALL, min=least)
    if found > most:
        raise Wrong(Text.TOO_BIG, max=most)
    return found


def choice(value: object, choices: Sequence[int]) -> int:
    """One of these numbers."""
    found = integer_in(value)
    if found is None or found not in choices:
        raise Wrong(Text.NOT_ONE_OF, choices=", ".join(map(str, choices)))
    return found


def number(value: object, most: int, *, zero: bool = False) -> Decimal:
    """A number greater than zero (or zero), rounded to few decimals."""
    found = number_in(value)
    if found is None:
        raise Wrong(Text.NOT_NUMBER)
    if found <= most and found != round(found, DECIMALS_MAX):
        found = found.quantize(_LAST_PLACE, ROUND_HALF_UP)
    if found < 0 and zero:
        raise Wrong(Text.TOO_SMALL, min=0)
    if found <= 0 and not zero:
        raise Wrong(Text.NOT_POSITIVE)
    if found > most:
        raise Wrong(Text.TOO_BIG, max=most)
    return found


def boolean(value: object) -> bool:
    """True or false, also as 1 and 0 and as a text."""
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value)) if isinstance(value, (str, int)) else None
    if known is None:
        raise Wrong(Text.NOT_BOOLEAN)
    return known


def object_of(value: object) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise Wrong(Text.NOT_OBJECT)
    return value


def list_of(value: object, most: int) -> list[Any]:
    """A list of at most so many entries."""
    if not isinstance(value, list):
        raise Wrong(Text.NOT_LIST)
    if len(value) > most:
        raise Wrong(Text.TOO_MANY_ENTRIES, max=most)
    return value


def country(value: object) -> str:
    """A country by one of its ISO 3166-1 codes; its alpha-2 code."""
    found = find_country(value) if isinstance(value, str) else None
    if found is None:
        raise Wrong(Text.NO_COUNTRY)
    return found.alpha2


def currency(value: object) -> str:
    """An ISO 4217 code, in upper case."""
    if not isinstance(value, str) or not value.isascii() or not is_currency(value.upper()):
        raise Wrong(Text.NO_CURRENCY)
    return value.upper()


def tariff_code(value: object) -> str:
    """The digits of a customs tariff code, which some write with points."""
    digits = value.replace(".", "").replace(" ", "") if isinstance(value, str) else ""
    if not _TARIFF_CODE.fullmatch(digits):
        raise Wrong(Text.NO_TARIFF_CODE)
    return digits


def phone(value: object, country_code: str | None) -> str:
    """The digits of a telephone number, with the country's where it is clear that they are missing."""
    written = text(value, _PHONE_MAX).translate(_NOT_IN_PHONES)
    if not _PHONE.fullmatch(written):
        raise Wrong(Text.NO_PHONE)
    if written[0] == "+":
        return written[1:]
    digits = written.removeprefix("00")
    return "9" + digits if country_code == "TR" and len(digits) == 11 and digits[0] == "0" else digits


def identifier(value: str) -> int | None:
    """An id in a path: ASCII digits, or None."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def integer_in(value: object) -> int | None:
    """The whole number that a value means, None if it means none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else None
    if isinstance(value, Decimal):
        found = _bounded(value)
        return int(found) if found is not None and found == int(found) else None
    return None


def number_in(value: object) -> Decimal | None:
    """The number that a value means, None if it means none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(max(-(10**_DIGITS), min(value, 10**_DIGITS)))
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    return _bounded(value) if isinstance(value, Decimal) else None


def _bounded(value: Decimal) -> Decimal | None:
    """The number, if its digits can be written down: neither 1e400 nor 1e-400."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        return None
    if value == 0:
        return Decimal(0)
    return value if value.adjusted() <= _DIGITS and exponent >= -_DIGITS else None


def _trimmed(value: Any) -> Any:
    """The value without white space around it; an empty text is none."""
    return value.strip() or None if isinstance(value, str) else value
