"""Telephone numbers: E.164 as an integer, 905301234567, and 0 for what cannot be used.

Only Turkish mobile numbers are read: 90 and ten digits of which the first is 5. The rules are those of
section 1.6 of the iletimerkezi wire specification. Lengths and ranges do in a microsecond what a general
parser, the oracle of the tests, does in ninety.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ERASED = 1
"""What stands in the place of a number that was erased."""

_MASKED = "+90**********"

_COUNTRY = 900000000000
_FIRST, _LAST = 905000000000, 905999999999
_NATIONAL_FIRST, _NATIONAL_LAST = 5000000000, 5999999999
_WRITTEN_MAX = 32  # characters; the longest sensible spelling has about 20, the rest is not worth a look
_NOT_DIGITS = bytes(set(range(0x80)) - set(b"0123456789"))


def normalise(raw: object) -> int:
    """The number that a text or an integer means, or 0.

    Of a text only the ASCII digits count, whatever stands around them: 5XXXXXXXXX, 05XXXXXXXXX, 905XXXXXXXXX,
    +905XXXXXXXXX and 00905XXXXXXXXX are one number. A plus sign says nothing, because in a query string it
    arrives as a blank. A boolean, a float and anything else is 0.
    """
    if isinstance(raw, str):
        if len(raw) > _WRITTEN_MAX:
            return 0
        # `isdigit` and `int` alone would let the digits of other scripts in.
        if raw.isascii() and raw.isdigit():
            return _from_digits(raw)
        return _from_digits(raw.encode("ascii", "ignore").translate(None, _NOT_DIGITS))
    if isinstance(raw, int) and not isinstance(raw, bool):
        return _from_digits(str(raw)) if 0 < raw <= _LAST else 0
    return 0


def normalise_all(raw: Sequence[object]) -> list[int]:
    """`normalise` of each, in the same order."""
    return list(map(normalise, raw))


def common_prefix(numbers: Iterable[int]) -> str:
    """The digits that all usable (non-zero) numbers begin with, '' when there are none."""
    usable = list(filter(None, numbers))
    if not usable:
        return ""
    # Only the first and the last in the order of their digits have to be compared. Among numbers of one
    # length that is the order of the integers, and no number between two of one length has another.
    low, high = str(min(usable)), str(max(usable))
    if len(low) != len(high):
        written = [str(number) for number in usable]
        low, high = min(written), max(written)
    return _shared(low, high)


def display(number: int) -> str:
    """A usable number as the wire shows it, '+905301234567'; one that was erased without its digits."""
    return f"+{number}" if number != ERASED else _MASKED


def _from_digits(digits: str | bytes) -> int:
    # An optional 00, then 905XXXXXXXXX, 05XXXXXXXXX or 5XXXXXXXXX: the value tells which, and the number of
    # digits how many zeros stand before it.
    length = len(digits)
    if not 10 <= length <= 14:
        return 0
    value = int(digits)
    if _FIRST <= value <= _LAST:
        return value if length != 13 else 0
    return value + _COUNTRY if _NATIONAL_FIRST <= value <= _NATIONAL_LAST and length != 14 else 0


def _shared(one: str, other: str) -> str:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:place]
    return one
