"""Check digits of tracking codes: known codes, what a slip of the pen does, and another library's opinion."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracking_numbers import DEFINITIONS

from ulak.core.tracking_codes import (
    S10,
    is_ups,
    look_alike,
    make_s10,
    make_ups,
    read_s10,
    s10_check,
    ups_check,
)

LETTERS = string.ascii_uppercase
SERVICES = st.text(LETTERS, min_size=2, max_size=2)
SERIALS = st.integers(0, 10**8 - 1)
BODIES = st.text(LETTERS + string.digits, min_size=15, max_size=15)
WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)

KNOWN_UPS = ["1Z999AA10123456784", "1Z5R89390357567127", "1Z879E930346834440"]


@pytest.mark.parametrize(
    ("serial", "check"),
    [("47312482", 9), ("12345678", 5), ("00000000", 5), ("00000003", 1), ("00000005", 9), ("00000008", 0)],
)
def test_check_digits_of_s10(serial: str, check: int) -> None:
    assert s10_check(serial) == check


def test_an_s10_code_and_its_parts() -> None:
    assert make_s10("RR", 12345678, "TR") == "RR123456785TR"
    assert make_s10("CP", 7, "DE").startswith("CP00000007")
    assert read_s10("RR123456785TR") == S10("RR", "12345678", 5, "TR")
    assert read_s10(" rr 123 456 785 tr\n") == S10("RR", "12345678", 5, "TR")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "RR123456784TR",
        "RR12345678TR",
        "RR1234567855TR",
        "R1123456785TR",
        "RR123456785T",
        "RR123456785TR1",
        "RR-123456785-TR",
        "RR١٢٣٤٥٦٧٨٥TR",
        "ſR123456785TR",
        "RR123456785TR" + " " * 40,
    ],
)
def test_what_is_no_s10_code(code: str) -> None:
    assert read_s10(code) is None


@pytest.mark.parametrize(
    ("service", "serial", "country"),
    [
        ("rr", 1, "TR"),
        ("R", 1, "TR"),
        ("RRR", 1, "TR"),
        ("RR", 10**8, "TR"),
        ("RR", -1, "TR"),
        ("RR", 1, "90"),
    ],
)
def test_what_no_s10_code_is_made_of(service: str, serial: int, country: str) -> None:
    with pytest.raises(ValueError, match="S10"):
        make_s10(service, serial, country)


@given(SERVICES, SERIALS, SERVICES)
def test_an_s10_code_that_was_made_is_read(service: str, serial: int, country: str) -> None:
    code = make_s10(service, serial, country)
    assert read_s10(code) == S10(service, f"{serial:08}", int(code[10]), country)


@given(SERIALS, st.integers(0, 8), st.integers(1, 9))
def test_a_wrong_digit_is_found_unless_the_standard_cannot(serial: int, place: int, by: int) -> None:
    """The remainders 0 and 6 have the same check digit, 5: between those an S10 code is blind."""
    code = make_s10("RR", serial, "TR")
    digits = [int(digit) for digit in code[2:11]]
    digits[place] = (digits[place] + by) % 10
    wrong = f"RR{''.join(map(str, digits))}TR"
    before, after = (
        sum(weight * int(digit) for weight, digit in zip(WEIGHTS, number[2:10], strict=True)) % 11
        for number in (code, wrong)
    )
    blind = place < 8 and {before, after} == {0, 6}
    assert (read_s10(wrong) is not None) == blind


def test_the_blind_spot_of_s10() -> None:
    assert read_s10("RR000000005TR")
    assert read_s10("RR010000005TR")


@given(SERIALS, st.integers(0, 12), st.booleans())
def test_case_and_blanks_do_not_matter(serial: int, place: int, low: bool) -> None:
    code = make_s10("RR", serial, "TR")
    typed = f"{code[:place]} {code[place:]}"
    assert read_s10(typed.lower() if low else typed) == read_s10(code)
    assert look_alike(typed) == ["UPU S10"]


@pytest.mark.parametrize("code", KNOWN_UPS)
def test_known_codes_of_ups(code: str) -> None:
    assert is_ups(code)
    assert is_ups(f" {code[:2]} {code[2:9]} {code[9:]} ".lower())
    assert make_ups(code[2:17]) == code
    assert look_alike(code) == ["UPS 1Z"]


@pytest.mark.parametrize(
    "code", ["", "1Z", "1Z999AA10123456785", "2Z999AA10123456784", "1Z999AA1012345678", "1Z999AA1012345678A"]
)
def test_what_is_no_code_of_ups(code: str) -> None:
    assert not is_ups(code)
    assert look_alike(code) == []


@pytest.mark.parametrize("body", ["", "999AA1012345678a", "999AA1012345678" * 2, "999AA1012345 78"])
def test_what_no_code_of_ups_is_made_of(body: str) -> None:
    with pytest.raises(ValueError, match="UPS"):
        make_ups(body)


@given(BODIES, st.integers(0, 14), st.sampled_from(LETTERS + string.digits))
def test_a_wrong_character_of_ups_is_found_unless_it_counts_the_same(
    body: str, place: int, char: str
) -> None:
    wrong = body[:place] + char + body[place + 1 :]
    values = {letter: (ord(letter) - 63) % 10 for letter in LETTERS} | {d: int(d) for d in string.digits}
    weight = 2 if place % 2 else 1
    blind = weight * (values[char] - values[body[place]]) % 10 == 0
    assert is_ups(f"1Z{wrong}{ups_check(body)}") == blind


def they_accept(product: str, code: str) -> bool:
    """Whether the check digit is right to another library, whatever it thinks of services and countries."""
    (definition,) = (known for known in DEFINITIONS if known.product.name == product)
    found = definition.test(code)
    return found is not None and "checksum" not in dict(found.validation_errors)


@given(SERVICES, SERIALS, st.integers(0, 9))
def test_another_library_agrees_about_s10(service: str, serial: int, check: int) -> None:
    code = f"{service}{serial:08}{check}TR"
    assert they_accept("S10", code) == (read_s10(code) is not None)
    assert they_accept("S10", make_s10(service, serial, "TR"))


@given(BODIES, st.integers(0, 9))
def test_another_library_agrees_about_ups(body: str, check: int) -> None:
    code = f"1Z{body}{check}"
    assert they_accept("UPS", code) == is_ups(code)
    assert they_accept("UPS", make_ups(body))
