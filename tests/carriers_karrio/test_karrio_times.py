"""When something happened, and what that rests on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ulak.carriers.karrio.times import When, read_iso, read_parts


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-10T07:13:00+03:00", at(2026, 2, 10, 4, 13)),
        ("2026-02-10T07:13:00-0500", at(2026, 2, 10, 12, 13)),
        ("2026-02-10T07:13:00Z", at(2026, 2, 10, 7, 13)),
        ("2026-02-10 07:13:00.1234567Z", at(2026, 2, 10, 7, 13)),
        ("2026-02-10T00:30:00+14:00", at(2026, 2, 9, 10, 30)),
        ("2026-02-10T07:13:00-00:00", at(2026, 2, 10, 7, 13)),
    ],
)
def test_an_offset_is_never_dropped(text: str, moment: int) -> None:
    assert read_iso(text, scan="US", recipient="TR") == When(moment, "exact")


def test_a_local_time_is_read_where_the_scan_was() -> None:
    assert read_iso("2026-07-10T07:13:00", scan="TR", recipient="DE") == When(
        at(2026, 7, 10, 4, 13), "zone-TR"
    )
    # Germany has two zones in the table, which show the same.
    assert read_iso("2026-07-10T07:13:00", scan="de") == When(at(2026, 7, 10, 5, 13), "zone-DE")
    assert read_iso("2026-02-10T07:13:00", scan="DE") == When(at(2026, 2, 10, 6, 13), "zone-DE")


def test_or_else_where_the_recipient_is() -> None:
    assert read_iso("2026-02-10T07:13:00", recipient="TR") == When(at(2026, 2, 10, 4, 13), "zone-TR")


@pytest.mark.parametrize(("scan", "recipient"), [("US", "TR"), ("", "US"), ("", ""), ("XX", ""), ("", "BR")])
def test_several_zones_are_no_zone(scan: str, recipient: str) -> None:
    assert read_iso("2026-02-10T07:13:00", scan, recipient) == When(at(2026, 2, 10, 7, 13), "assumed-utc")


@pytest.mark.parametrize(
    ("clock", "hour", "minute", "second"),
    [
        ("071356", 7, 13, 56),
        ("71356", 7, 13, 56),
        ("0", 0, 0, 0),
        ("07:13", 7, 13, 0),
        ("07:13 AM", 7, 13, 0),
        ("12:05 AM", 0, 5, 0),
        ("12:05 p.m.", 12, 5, 0),
        ("7:13:56", 7, 13, 56),
    ],
)
def test_spellings_of_hours(clock: str, hour: int, minute: int, second: int) -> None:
    assert read_parts("20260210", clock, "Z") == When(at(2026, 2, 10, hour, minute, second), "exact")


def test_a_day_without_an_hour() -> None:
    assert read_parts("2026-02-10", "", "", "TR") == When(at(2026, 2, 9, 21), "date-zone-TR")
    assert read_iso("2026-02-10") == When(at(2026, 2, 10), "date-assumed-utc")


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-02-30T01:00:00Z", "2026-02-10T25:00:00Z", "2026-02-10T7:99Z", "٢٠٢٦-02-10", "12"],
)
def test_what_is_no_time(text: str) -> None:
    assert read_iso(text, "TR", "TR") is None


@pytest.mark.parametrize("clock", ["13:00 PM", "0:30 AM", "abc", "1234567", "²"])
def test_what_is_no_hour(clock: str) -> None:
    assert read_parts("20260210", clock) is None
