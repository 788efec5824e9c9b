"""Velocity limits: what they are written like, what they count, and whose hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from ulak.core.dialling import dial_code
from ulak.core.velocity import HELP, SPANS, Kind, Velocities, check, step_end

NUMBER = 905301234567


@pytest.mark.parametrize(
    ("name", "text", "canonical"),
    [
        ("velocity_hour", "1000", "1000"),
        ("velocity_hour", "off", "off"),
        ("velocity_prefix_digits", "09", "9"),
        ("velocity_countries", "+90, 49,", "90,49"),
        ("velocity_countries", "off", "off"),
    ],
)
def test_a_limit(name: str, text: str, canonical: str) -> None:
    assert check(name, text) == canonical


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("velocity_hour", "0"),
        ("velocity_hour", ""),
        ("velocity_hour", "-1"),
        ("velocity_hour", "1e3"),
        ("velocity_minute", "١٢"),
        ("velocity_prefix_digits", "2"),
        ("velocity_prefix_digits", "11"),
        ("velocity_countries", "TR"),
        ("velocity_countries", "090"),
        ("velocity_countries", ","),
    ],
)
def test_no_limit(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check(name, text)


def test_dial_codes_are_those_of_a_library_that_knows_them_all() -> None:
    assert [code for code in COUNTRY_CODE_TO_REGION_CODE if dial_code(f"{code}5551234567") != code] == []


def test_off_is_nothing_at_all() -> None:
    assert Velocities().of({}) is None
    assert Velocities(dict.fromkeys(HELP, "off")).of({"ips": "10.0.0.0/8"}) is None
    assert Velocities().of({"velocity_prefix_digits": "7"}) is None


def test_what_an_account_has_wins_over_the_servers() -> None:
    server = Velocities({"velocity_hour": "10", "velocity_prefix": "5", "velocity_countries": "90"})
    own = server.of({"velocity_hour": "off", "velocity_prefix": "7", "velocity_prefix_digits": "8"})
    assert own is not None
    assert (own.most, own.digits, own.codes) == ({Kind.PREFIX: 7}, 8, ("90",))
    assert server.of(dict.fromkeys(HELP, "off")) is None
    plain = server.of({})
    assert plain is not None
    assert plain.most == {Kind.HOUR: 10, Kind.PREFIX: 5}
    assert (plain.allows(NUMBER), plain.allows(4915112345678)) == (True, False)


def test_what_is_counted() -> None:
    limits = Velocities({name: "5" for name in HELP if name not in ("velocity_countries",)}).of({})
    assert limits is not None
    assert limits.digits == 5
    counted = limits.subjects([NUMBER, NUMBER, 905309999999, 4915112345678])
    totals = {what: count for what, count in counted.items() if what[0] is not Kind.NUMBER}
    assert totals == {
        (Kind.MINUTE, 0): 4,
        (Kind.HOUR, 0): 4,
        (Kind.DAY, 0): 4,
        (Kind.PREFIX, 90530): 3,
        (Kind.PREFIX, 49151): 1,
        (Kind.COUNTRY, 90): 3,
        (Kind.COUNTRY, 49): 1,
    }
    by_number = sorted(count for (kind, _), count in counted.items() if kind is Kind.NUMBER)
    assert by_number == [1, 1, 2]
    assert not any(str(NUMBER) in str(what) for _, what in counted), "a number is counted under another name"
    assert limits.subjects([]) == {}


@given(st.sampled_from(Kind), st.integers(0, 2**41))
def test_a_message_counts_for_its_span_and_less_than_a_step_longer(kind: Kind, now: int) -> None:
    span, step = SPANS[kind]
    assert span < step_end(kind, now) - now <= span + step
