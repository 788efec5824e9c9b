"""Times at the border: strict to read, Istanbul's history to write."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.times import (
    ISTANBUL,
    day_start,
    local_day,
    parse_day,
    parse_minute,
    parse_minute_with_seconds,
    parse_second,
    parse_span,
    to_local_text,
)


def utc(text: str) -> int:
    """The milliseconds of an ISO date and time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


MINUTES = [
    ("25/05/2026 09:30", "2026-05-25T06:30"),
    ("01/01/2026 00:00", "2025-12-31T21:00"),
    ("31/12/2026 23:59", "2026-12-31T20:59"),
    ("29/02/2024 12:00", "2024-02-29T09:00"),
    ("29/02/2000 12:00", "2000-02-29T10:00"),
    ("01/07/2015 12:00", "2015-07-01T09:00"),  # summer time
    ("01/11/2015 12:00", "2015-11-01T09:00"),  # still: it was prolonged for an election
    ("01/12/2015 12:00", "2015-12-01T10:00"),  # winter time
    ("01/12/2016 12:00", "2016-12-01T09:00"),  # never again
    ("29/03/2015 03:30", "2015-03-29T01:30"),  # skipped
    ("08/11/2015 03:30", "2015-11-08T00:30"),  # repeated
    ("31/12/9999 23:59", "9999-12-31T20:59"),
]


@pytest.mark.parametrize(("text", "expected"), MINUTES)
def test_minutes(text: str, expected: str) -> None:
    assert parse_minute(text) == utc(expected)
    assert parse_minute_with_seconds(f"{text}:00") == utc(expected)
    assert parse_minute_with_seconds(f"{text}:59") == utc(expected) + 59_000


@pytest.mark.parametrize(("text", "expected"), MINUTES)
def test_seconds_that_sort(text: str, expected: str) -> None:
    day, month, year = text[:10].split("/")
    written = f"{year}-{month}-{day} {text[11:]}:59"
    assert parse_second(written) == utc(expected) + 59_000


def test_the_first_year_is_a_year() -> None:
    assert parse_minute("01/01/0001 00:00") is not None
    assert parse_second("0001-01-01 00:00:00") is not None


NO_SECONDS = [
    "2026-02-29 12:00:00",
    "2026-05-20 24:00:00",
    "2026-05-20 12:60:00",
    "2026-05-20 12:00:60",
    "0000-05-20 12:00:00",
    "2026-05-20 12:00",
    "2026-05-20T12:00:00",
    "2026-05-20 12:00:00 ",
    "2026-05-20 12:00:00Z",
    "2026-5-20 12:00:00",
    "20/05/2026 12:00:00",
    "2026-05-20",
    "٢٠٢٦-٠٥-٢٠ ١٢:٠٠:٠٠",
    "",
]


@pytest.mark.parametrize("text", NO_SECONDS)
def test_what_is_no_second(text: str) -> None:
    assert parse_second(text) is None


def test_the_day_of_a_moment_is_istanbuls() -> None:
    assert local_day(utc("2026-05-20T20:59:59")) == date(2026, 5, 20)
    assert local_day(utc("2026-05-20T21:00:00")) == date(2026, 5, 21)


NO_DATES = [
    "29/02/2026 12:00",
    "29/02/1900 12:00",
    "31/04/2026 12:00",
    "00/05/2026 12:00",
    "32/05/2026 12:00",
    "01/00/2026 12:00",
    "01/13/2026 12:00",
    "05/25/2026 12:00",
    "01/01/0000 12:00",
    "25/05/2026 24:00",
    "25/05/2026 09:60",
]
NO_SPELLINGS = [
    "",
    " ",
    "25/05/2026",
    "25/5/2026 09:30",
    "5/05/2026 09:30",
    "25/05/26 09:30",
    "25/05/2026 9:30",
    "25/05/2026 09:3",
    "25/05/2026  09:30",
    "25/05/2026T09:30",
    "25/05/2026\t09:30",
    "25/05/2026\u00a009:30",
    " 25/05/2026 09:30",
    "25/05/2026 09:30 ",
    "25/05/2026 09:30\n",
    "25-05-2026 09:30",
    "25.05.2026 09:30",
    "2026-05-25 09:30",
    "25/05/2026 09:30+03:00",
    "25/05/2026 09:30Z",
    "25/05/2026 0930",
    "25/05/-026 09:30",
    "+5/05/2026 09:30",
    " 5/05/2026 09:30",
    "25/05/2_26 09:30",
    "25/05/20260 09:30",
    "٢٥/٠٥/٢٠٢٦ ٠٩:٣٠",
    "25/05/2026 09:3٠",
    "２５/05/2026 09:30",
    "\ud800",
    "now",
    "dd/mm/yyyy hh:mm",
]


@pytest.mark.parametrize("text", [*NO_DATES, *NO_SPELLINGS, "25/05/2026 09:30:00"])
def test_no_minutes(text: str) -> None:
    assert parse_minute(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *NO_SPELLINGS,
        *(f"{text}:00" for text in NO_DATES),
        "25/05/2026 09:30",
        "25/05/2026 09:30:60",
        "25/05/2026 09:30:0",
        "25/05/2026 09:30:00.0",
        "25/05/2026 09:30:00\n",
        "25/05/2026 09:30:0٠",
        "2026-05-25 09:30:00",
    ],
)
def test_no_minutes_with_seconds(text: str) -> None:
    assert parse_minute_with_seconds(text) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-04-22", date(2026, 4, 22)),
        ("2024-02-29", date(2024, 2, 29)),
        ("0001-01-01", date(1, 1, 1)),
        ("9999-12-31", date(9999, 12, 31)),
    ],
)
def test_days(text: str, day: date) -> None:
    assert parse_day(text) == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-4-1",
        "2026-04-1",
        "20260401",
        "2026-W17",
        "2026-W17-3",
        "2026W173",
        "2026-112",
        "22/04/2026",
        "22-04-2026",
        "2026/04/22",
        "2026.04.22",
        "26-04-22",
        "02026-04-22",
        "2026-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-04-31",
        "0000-01-01",
        "2026-04-22 ",
        " 2026-04-22",
        "2026-04-22\n",
        "2026-04-22T00:00",
        "2026-04-22 00:00:00",
        "٢٠٢٦-٠٤-٢٢",
        "2026-04-2２",
        "-026-04-22",
        "2026-+4-22",
        "2026-04--2",
        "2026‐04‐22",
        "\ud800",
    ],
)
def test_no_days(text: str) -> None:
    assert parse_day(text) is None


@given(st.text(alphabet="0123456789/-: +٠W", max_size=20) | st.text())
def test_no_text_breaks_a_parser(text: str) -> None:
    for parser in (parse_minute, parse_minute_with_seconds, parse_second):
        assert isinstance(parser(text), int | None)
    assert isinstance(parse_day(text), date | None)


@given(st.from_regex(r"[0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}", fullmatch=True))
def test_dates_agree_with_the_calendar(text: str) -> None:
    try:
        datetime.strptime(text, "%d/%m/%Y %H:%M:%S")
    except ValueError:
        is_date = False
    else:
        is_date = not text.endswith((":60", ":61"))
    assert (parse_minute_with_seconds(text) is not None) == is_date
    assert (parse_minute(text[:16]) is not None) >= is_date


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 4, 22), "2026-04-21T21:00"),
        (date(2015, 12, 1), "2015-11-30T22:00"),
        (date(2015, 7, 1), "2015-06-30T21:00"),
        (date(9999, 12, 31), "9999-12-30T21:00"),
    ],
)
def test_day_start(day: date, expected: str) -> None:
    assert day_start(day) == utc(expected)


def test_day_start_of_the_first_day() -> None:
    assert day_start(date.min) < day_start(date(1, 1, 2))


@given(st.dates(date(1970, 1, 2), date(2100, 1, 1)))
def test_a_day_starts_after_the_day_before(day: date) -> None:
    """Also on the days whose midnight a change of the clocks skipped."""
    start = day_start(day)
    assert to_local_text(start)[:10] == day.isoformat()
    assert to_local_text(start - 1)[:10] == (day - timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-04-29T10:11:12", "2026-04-29 13:11:12"),
        ("2026-12-31T21:00:00", "2027-01-01 00:00:00"),
        ("2015-03-29T00:59:59", "2015-03-29 02:59:59"),
        ("2015-03-29T01:00:00", "2015-03-29 04:00:00"),
        ("2015-11-08T00:59:59", "2015-11-08 03:59:59"),
        ("2015-11-08T01:00:00", "2015-11-08 03:00:00"),
        ("1970-01-01T00:00:00", "1970-01-01 02:00:00"),
        ("1969-12-31T23:59:59", "1970-01-01 01:59:59"),
        ("1900-01-01T00:00:00", "1900-01-01 01:56:56"),
        ("9999-12-31T20:59:59", "9999-12-31 23:59:59"),
    ],
)
def test_local_text(moment: str, text: str) -> None:
    assert to_local_text(utc(moment)) == text


def test_local_text_cuts_parts_of_a_second() -> None:
    assert to_local_text(utc("2026-04-29T10:11:12") + 999) == "2026-04-29 13:11:12"
    assert to_local_text(-1) == "1970-01-01 01:59:59"


def test_local_text_past_the_last_year() -> None:
    with pytest.raises(OverflowError):
        to_local_text(utc("9999-12-31T21:00:00"))


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_local_text_agrees_with_the_zone(moment: datetime) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    expected = whole.astimezone(ISTANBUL).strftime("%Y-%m-%d %H:%M:%S")
    assert to_local_text(int(whole.timestamp()) * 1000) == expected


@given(st.integers(utc("2016-10-01T00:00"), utc("2500-01-01T00:00")))
def test_what_is_written_can_be_read(ms: int) -> None:
    text = to_local_text(ms)
    written = f"{text[8:10]}/{text[5:7]}/{text[:4]} {text[11:]}"
    assert parse_minute_with_seconds(written) == ms // 1000 * 1000
    assert parse_minute(written[:16]) == ms // 60_000 * 60_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", 90_000),
        ("10m", 600_000),
        ("25h", 90_000_000),
        ("3d", 259_200_000),
        ("1h30m", 5_400_000),
        ("500ms", 500),
        ("0s", 0),
        ("1d2h3m4s5ms", 93_784_005),
        ("1m500ms", 60_500),
        ("1s1ms", 1_001),
        ("007s", 7_000),
        ("999999999d", 86_399_999_913_600_000),
    ],
)
def test_spans(text: str, ms: int) -> None:
    assert parse_span(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "s",
        "h1",
        "30m1h",
        "1h1h",
        "1h 30m",
        " 90s",
        "90s ",
        "90s\n",
        "90S",
        "90 s",
        "-90s",
        "+90s",
        "1.5h",
        "1,5h",
        "1_0s",
        "1w",
        "1y",
        "5sec",
        "٩٠s",
        "９s",
        "1000000000d",
        "9" * 200 + "s",
        "tomorrow",
    ],
)
def test_no_spans(text: str) -> None:
    with pytest.raises(ValueError, match="is not a span of time: write it like 90s, 10m") as caught:
        parse_span(text)
    assert len(str(caught.value)) < 160


@given(st.integers(0, 253_000_000_000))
def test_local_texts_are_read_as_they_are_written(second: int) -> None:
    text = to_local_text(second * 1000)
    read = parse_second(text)
    assert read is not None
    # An hour that came twice is taken for the first of the two.
    assert second * 1000 - read in (0, 3_600_000)
    assert local_day(second * 1000).isoformat() == text[:10]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-05-20",
        "2026-05-20 14:03",
        "2026-05-20T14:03:11",
        "2026-05-20 14:03:11 ",
        "2026-05-20 14:03:11.0",
        "2026-02-30 14:03:11",
        "2026-05-20 24:00:00",
        "2026-05-20 14:03:60",
        "٢٠٢٦-05-20 14:03:11",
        "20/05/2026 14:03:11",
        "0000-00-00 00:00:00",
    ],
)
def test_what_is_no_local_text(text: str) -> None:
    assert parse_second(text) is None
