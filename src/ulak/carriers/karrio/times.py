"""When something happened, from what carriers write about it.

A carrier's own moment in UTC or with an offset is exact. A local time without a zone is read in the zone of
the country of the scan, else of the recipient's country, if all zones of that country agree about it; else
it is taken as UTC. `When.basis` says which of these it was. Karrio's own stamps are never used: it calls
local times UTC.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

EXACT = "exact"
ASSUMED = "assumed-utc"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?(?: ?([AaPp])\.?[Mm]\.?)?")
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_ISO = re.compile(rf"({_DATE.pattern})(?:[T ]([0-9:.,]+)(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?")


class When(NamedTuple):
    """A moment (ms UTC), and what it rests on: `exact`, `zone-TR` (the zone of that country), `assumed-utc`;
    with `date-` in front if the carrier told no hour."""

    at: int
    basis: str


def read_iso(text: str, scan: str = "", recipient: str = "") -> When | None:
    """'2026-02-10T07:13:00+03:00' and the like; None for what is no time. Fractions of a second are cut."""
    found = _ISO.fullmatch(text.strip())
    if not found:
        return None
    return read_parts(found[1], found[5] or "", found[6] or "", scan, recipient)


def read_parts(day: str, clock: str, offset: str = "", scan: str = "", recipient: str = "") -> When | None:
    """A date ('20260210', '2026-02-10'), a time ('071300', '71300', '07:13', '07:13 AM', '' for none) and an
    offset ('Z', '+03:00', '' for none); None for what is no time."""
    local = _local(day, clock)
    if local is None:
        return None
    kind = "" if clock.strip() else "date-"
    ahead = _ahead(offset)
    if ahead is not None:
        return When(_ms(local.replace(tzinfo=ahead)), kind + EXACT)
    for country in (scan, recipient):
        moment = _in_country(local, country.upper())
        if moment is not None:
            return When(moment, f"{kind}zone-{country.upper()}")
        if country:
            break  # a scan in a country with several zones says nothing about the recipient's
    return When(_ms(local.replace(tzinfo=UTC)), kind + ASSUMED)


def _local(day: str, clock: str) -> datetime | None:
    date = _DATE.fullmatch(day.strip())
    time = _time(clock.strip())
    if date is None or time is None:
        return None
    try:
        return datetime(int(date[1]), int(date[2]), int(date[3]), *time)
    except ValueError:
        return None


def _time(clock: str) -> tuple[int, int, int] | None:
    if not clock:
        return 0, 0, 0
    if clock.isascii() and clock.isdigit() and len(clock) <= 6:
        padded = clock.zfill(6)  # zeros in front get lost where a time was a number once
        return int(padded[:2]), int(padded[2:4]), int(padded[4:])
    found = _CLOCK.fullmatch(clock)
    if not found:
        return None
    hour = int(found[1])
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4] in "Pp" else 0)
    return hour, int(found[2]), int(found[3] or 0)


def _ahead(offset: str) -> timezone | None:
    if offset == "Z":
        return UTC
    found = _OFFSET.fullmatch(offset)
    if not found or int(found[2]) > 23 or int(found[3]) > 59:
        return None
    span = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-span if found[1] == "-" else span)


def _in_country(local: datetime, country: str) -> int | None:
    """The moment at which clocks all over the country show this, None if they differ."""
    moments = {_ms(local.replace(tzinfo=ZoneInfo(zone))) for zone in _zones().get(country, ())}
    return moments.pop() if len(moments) == 1 else None


@cache
def _zones() -> dict[str, tuple[str, ...]]:
    """The zones of each country, from the table that comes with the zones themselves."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    zones: dict[str, list[str]] = defaultdict(list)
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones[country].append(zone)
    return {country: tuple(names) for country, names in zones.items()}


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
