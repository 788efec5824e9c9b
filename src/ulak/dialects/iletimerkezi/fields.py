"""What the texts of a request mean: pages, ids, days. Digits are ASCII digits and nothing else."""

from __future__ import annotations

import re

from ulak.core import times

ROWS_MAX = 1_000
_DAYS_APART_MAX = 10
_YEARS = range(2000, 3000)
_ID_END = 2**31
_DAY_MS = 24 * 60 * 60 * 1_000

_count = re.compile(r"[0-9]{1,9}").fullmatch
_id = re.compile(r"[1-9][0-9]{0,9}").fullmatch
_brand = re.compile(r"[0-9]{1,12}").fullmatch


def page_number(page: int | str) -> int | None:
    """A page, 1 when none is given, or None when there is no such page."""
    text = str(page)
    if not text:
        return 1
    return (int(text) or None) if _count(text) else None


def rows_wanted(text: str) -> int:
    """Rows of a page: at most, and unless something usable is said, 1,000."""
    wanted = int(text) if _count(text) else 0
    return min(wanted or ROWS_MAX, ROWS_MAX)


def order_number(text: str) -> int | None:
    """An order's number as the customer knows it, or None when no order can have it: 1 to 2³¹ - 1."""
    if not _id(text):
        return None
    number = int(text)
    return number if number < _ID_END else None


def day_range(start: str, end: str) -> tuple[int, int] | None:
    """Whole days in Istanbul, both included, as [from, to) in ms; None for any other spelling or range."""
    first, last = times.parse_day(start), times.parse_day(end)
    if first is None or last is None or first.year not in _YEARS or last.year not in _YEARS:
        return None
    if not 0 <= (last - first).days <= _DAYS_APART_MAX:
        return None
    return times.day_start(first), times.day_start(last) + _DAY_MS


def brand_code(text: str) -> int | None:
    """A brand code of the consent registry, or None for what is none."""
    return int(text) if _brand(text) else None


def no_such_time(field: str) -> str:
    """What 422 says of a field that does not hold a second. The spelling is PHP's, as the vendor names it."""
    return f"{field} Y-m-d H:i:s biçimi ile eşleşmiyor."


def listed_id(text: str) -> int | None:
    """The id of a group, a contact or a field, which is written as an order's is; None when none has it."""
    return order_number(text)
