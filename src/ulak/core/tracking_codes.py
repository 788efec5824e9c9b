"""Tracking codes that check themselves: UPU S10 of the posts, and 1Z of UPS.

Codes are read whatever their case and blanks, as people type and print them, and made in capitals without
blanks. A check digit finds most slips of a pen and not all: S10 gives two of its eleven remainders the same
digit, and the even places of a 1Z code do not see a change by 5.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_S10 = re.compile(r"([A-Z]{2})([0-9]{8})([0-9])([A-Z]{2})")
_LETTERS = re.compile(r"[A-Z]{2}")
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)

_UPS = re.compile(r"1Z([0-9A-Z]{15})([0-9])")
_UPS_BODY = re.compile(r"[0-9A-Z]{15}")

_PRINTED_MAX = 40  # characters; longer than either code with a blank between any two of its characters


class S10(NamedTuple):
    """The parts of an S10 code: the post's service (`RR`, `EE`, `CP`), a serial number of eight digits, the
    check digit, and the country whose post gave it (ISO 3166-1 alpha-2)."""

    service: str
    serial: str
    check: int
    country: str


def make_s10(service: str, serial: int, country: str) -> str:
    """The code of a service (two letters), a number below 100,000,000 and a country (two letters).

    Raises:
        ValueError: one of them is none.
    """
    if not (_LETTERS.fullmatch(service) and 0 <= serial < 10**8 and _LETTERS.fullmatch(country)):
        raise ValueError("an S10 code is made of two capital letters, up to eight digits and two capitals")
    digits = f"{serial:08}"
    return f"{service}{digits}{s10_check(digits)}{country}"


def s10_check(serial: str) -> int:
    """The check digit of eight digits (UPU S10: weights 8 6 4 2 3 5 9 7, modulo 11)."""
    total = sum(weight * int(digit) for weight, digit in zip(_S10_WEIGHTS, serial, strict=True))
    check = 11 - total % 11
    return {10: 0, 11: 5}.get(check, check)


def read_s10(code: str) -> S10 | None:
    """The parts of a code, None if it is no S10 code or its check digit is wrong."""
    found = _S10.fullmatch(_plain(code))
    if not found or int(found[3]) != s10_check(found[2]):
        return None
    return S10(found[1], found[2], int(found[3]), found[4])


def make_ups(body: str) -> str:
    """The 1Z code of 15 digits and capitals: six for the shipper, two for the service, seven for the parcel.

    Raises:
        ValueError: they are not.
    """
    if not _UPS_BODY.fullmatch(body):
        raise ValueError("a UPS code is 1Z, 15 digits and capital letters, and a check digit")
    return f"1Z{body}{ups_check(body)}"


def ups_check(body: str) -> int:
    """The check digit of the 15 characters after 1Z: a letter counts as (ASCII - 63) modulo 10, every second
    one twice, modulo 10."""
    values = [int(char) if char.isdigit() else (ord(char) - 63) % 10 for char in body]
    return -(sum(values[::2]) + 2 * sum(values[1::2])) % 10


def is_ups(code: str) -> bool:
    """Whether it is a 1Z code with the right check digit."""
    found = _UPS.fullmatch(_plain(code))
    return found is not None and int(found[2]) == ups_check(found[1])


def look_alike(code: str) -> list[str]:
    """What a code may be by its shape and check digit: `UPU S10`, `UPS 1Z`, or nothing that we know."""
    kinds = (("UPU S10", read_s10(code) is not None), ("UPS 1Z", is_ups(code)))
    return [name for name, fits in kinds if fits]


def _plain(code: str) -> str:
    """In capitals and without blanks; what is far too long is left alone, for it is none anyway."""
    return "".join(code.split()).upper() if len(code) <= _PRINTED_MAX and code.isascii() else code
