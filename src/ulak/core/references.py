"""How an operator names a message, and how two spellings of one name are known to be the same.

Operators write the same id as `0A1B`, `a1b` or `2587`, in the answer one way and in the receipt another.
The form is a setting of the carrier. What is stored is one 63-bit integer: the number itself where ids are
numbers (growing numbers make a small and fast index), a digest where they are text.
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum, IntEnum

_HEX = re.compile(r"[0-9a-f]{1,16}")
_DECIMAL = re.compile(r"[0-9]{1,19}")
_MASK = (1 << 63) - 1


class IdForm(Enum):
    """How a carrier writes ids: any text, decimal digits, or hexadecimal digits."""

    TEXT = "text"
    DECIMAL = "dec"
    HEXADECIMAL = "hex"


class Stray(IntEnum):
    """Why a report is kept beside the messages."""

    PARKED = 1
    """It found no message; it may have come before the answer that names it."""
    CONTRADICTION = 2
    """It says something else of a message whose state was final already."""


def canonical(spelled: str) -> str:
    """Lower case, no blanks or NULs around, no leading zeros."""
    return spelled.strip(" \0\r\n\t").lower().lstrip("0") or "0"


def key_of(spelled: str, form: IdForm) -> int:
    """The 63-bit key of a reference. Text that is no number in a numeric form is digested all the same."""
    plain = canonical(spelled)
    if form is IdForm.DECIMAL and _DECIMAL.fullmatch(plain):
        return int(plain) & _MASK
    if form is IdForm.HEXADECIMAL and _HEX.fullmatch(plain):
        return int(plain, 16) & _MASK
    return _digest(plain)


def other_keys(spelled: str, form: IdForm) -> list[int]:
    """Keys under which the same id would stand had it been written in another base, or had the carrier been
    told of another form when it came. Those of its form come first.

    To be tried only when nothing matches exactly, and to be believed only when the destination agrees.
    """
    plain = canonical(spelled)
    numbers, texts = [], [_digest(plain)]
    if _HEX.fullmatch(plain):
        value = int(plain, 16)
        numbers.append(value & _MASK)
        texts.append(_digest(str(value)))
    if _DECIMAL.fullmatch(plain):
        value = int(plain)
        numbers.append(value & _MASK)
        texts.append(_digest(f"{value:x}"))
    exact = key_of(spelled, form)
    keys = texts + numbers if form is IdForm.TEXT else numbers + texts
    return [key for key in dict.fromkeys(keys) if key != exact]


def _digest(plain: str) -> int:
    raw = hashlib.blake2b(plain.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(raw, "big") & _MASK
