"""Times: integer milliseconds since the epoch, UTC, inside; the vendors' Istanbul spellings at the border.

A local time that a change of the clocks skipped is taken as if they had not been changed yet, and one that it
repeated is the first of the two; Türkiye has not changed its clocks since September 2016.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

Clock: TypeAlias = Callable[[], int]
"""Tells the time, in milliseconds since the epoch."""

ISTANBUL = ZoneInfo("Europe/Istanbul")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000
_MINUTE = 60 * _SECOND
_SECONDS = tuple(f"{second:02}" for second in range(60))

# Patterns first, because strptime and int take other scripts' digits, missing zeros and signs.
_WITH_MINUTE = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2}")
_WITH_SECOND = re.compile(_WITH_MINUTE.pattern + r":[0-9]{2}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SORTABLE = re.compile(_DAY.pattern + r" [0-9]{2}:[0-9]{2}:[0-9]{2}")
_SPAN = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in ("d", "h", "m", "s", "ms")))
_SPAN_UNITS = (24 * 60 * _MINUTE, 60 * _MINUTE, _MINUTE, _SECOND, 1)


def to_local_text(ms: int) -> str:
    """'YYYY-MM-DD HH:MM:SS' in Istanbul, parts of a second cut. Raises OverflowError past the year 9999."""
    if ms < 0:
        return _local(ms // _SECOND).isoformat(" ")  # before 1910 the offset was no whole number of minutes
    return _minute_text(ms // _MINUTE) + _SECONDS[ms // _SECOND % 60]


def parse_minute(text: str) -> int | None:
    """The moment of 'DD/MM/YYYY HH:MM' in Istanbul, or None for another spelling or no date."""
    return _moment(text) if _WITH_MINUTE.fullmatch(text) else None


def parse_minute_with_seconds(text: str) -> int | None:
    """The moment of 'DD/MM/YYYY HH:MM:SS' in Istanbul, or None as `parse_minute`."""
    return _moment(text) if _WITH_SECOND.fullmatch(text) else None


def parse_second(text: str) -> int | None:
    """The moment of 'YYYY-MM-DD HH:MM:SS' in Istanbul, or None for another spelling or no date."""
    if not _SORTABLE.fullmatch(text):
        return None
    return _moment(f"{text[8:10]}/{text[5:7]}/{text[:4]}{text[10:]}")


def local_day(ms: int) -> date:
    """The day that a moment lies in, in Istanbul. Raises OverflowError past the year 9999."""
    return _local(ms // _SECOND).date()


def parse_day(text: str) -> date | None:
    """The day of 'YYYY-MM-DD', or None for another spelling or no date."""
    if not _DAY.fullmatch(text):
        return None
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError:
        return None


def day_start(day: date) -> int:
    """The first moment of a day in Istanbul."""
    return _ms(datetime(day.year, day.month, day.day, tzinfo=ISTANBUL))


def parse_span(text: str) -> int:
    """The milliseconds of a span such as '90s', '10m', '25h', '3d', '1h30m' or '500ms', largest unit first.

    Raises ValueError, with a sentence for the person who wrote it, for anything else.
    """
    found = _SPAN.fullmatch(text)
    if not found or not text:
        raise ValueError(
            f"{text[:40]!r} is not a span of time: write it like 90s, 10m, 25h, 3d, 1h30m or 500ms"
        )
    return sum(int(count or 0) * unit for count, unit in zip(found.groups(), _SPAN_UNITS, strict=True))


def _moment(text: str) -> int | None:
    day, month, year = int(text[:2]), int(text[3:5]), int(text[6:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:] or "0")
    try:
        return _ms(datetime(year, month, day, hour, minute, second, tzinfo=ISTANBUL))
    except ValueError:
        return None


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _local(second: int) -> datetime:
    return (_EPOCH + timedelta(seconds=second)).astimezone(ISTANBUL).replace(tzinfo=None)


@lru_cache(maxsize=4096)
def _minute_text(minute: int) -> str:
    """All but the seconds. The rows of a report share their minutes, so few are worked out."""
    return _local(minute * 60).isoformat(" ", "minutes") + ":"
