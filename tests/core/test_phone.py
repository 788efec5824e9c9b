"""Telephone numbers against the written forms that callers use, and a general parser."""

from __future__ import annotations

from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.phone import common_prefix, display, normalise, normalise_all

NUMBER = 905301234567

nationals = st.integers(5_000_000_000, 5_999_999_999).map(str)


@pytest.mark.parametrize(
    "raw",
    [
        "5301234567",
        "05301234567",
        "905301234567",
        "+905301234567",
        "00905301234567",
        "+90 530 123 45 67",
        "90 530 123 45 67",
        "0530 123 45 67",
        "530 123 45 67",
        "0 530 123 45 67",
        "00 90 530 123 45 67",
        " 905301234567",  # a plus sign in an unencoded query string
        "  5301234567 ",
        "\t5301234567\r\n",
        "(530) 123 45 67",
        "0(530)123-45-67",
        "+90 (530) 123-45-67",
        "530-123-45-67",
        "0530.123.45.67",
        "+90-530-123-45-67",
        "530/1234567",
        "tel:+905301234567",
        "\u202a+905301234567\u202c",  # invisible marks that contact lists add
        "530\u00a0123\u00a045\u00a067",
        "005301234567",  # no country is guessed from 00: the rules drop it first
        5301234567,
        905301234567,
    ],
)
def test_written_forms(raw: object) -> None:
    assert normalise(raw) == NUMBER


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "+",
        "abc",
        "0",
        "00",
        "90",
        "530123456",  # 9 digits
        "53012345678",  # 11 digits
        "0530123456",
        "053012345678",
        "90530123456",
        "9053012345678",
        "9005301234567",  # the trunk zero does not follow the country
        "0905301234567",
        "0000905301234567",
        "00005301234567",
        "2121234567",  # Istanbul, fixed
        "902121234567",
        "+90 212 123 45 67",
        "04441234567",
        "9991234567",
        "+49 151 23456789",
        "+15305551234",
        "4915123456789",
        "5301234567,5321234567",
        "9.05301234567E+11",  # what a spreadsheet makes of it
        "٥٣٠١٢٣٤٥٦٧",
        "٩٠٥٣٠١٢٣٤٥٦٧",
        "90530123456７",
        "90530123456²",
        "５３０１２３４５６７",
        "१२३",
        "1" * 33,
        "5301234567" + " " * 23,
        "\ud800",
        0,
        -5301234567,
        -905301234567,
        530123456,
        53012345678,
        902121234567,
        9053012345678,
        True,
        False,
        None,
        5301234567.0,
        905301234567.0,
        float("nan"),
        b"5301234567",
        ["5301234567"],
        {"number": "5301234567"},
        5301234567j,
    ],
)
def test_what_cannot_be_used(raw: object) -> None:
    assert normalise(raw) == 0


def test_endless_garbage_is_not_looked_at() -> None:
    assert normalise(10**5000) == normalise(-(10**5000)) == 0  # more digits than Python agrees to write
    assert normalise("9" * 1_000_000) == 0


def test_python_spellings_of_integers_are_only_their_digits() -> None:
    assert normalise("5_301_234_567") == NUMBER
    assert normalise("53012345_67_8") == 0


def test_the_range_ends() -> None:
    assert normalise("5000000000") == 905000000000
    assert normalise("5999999999") == 905999999999
    assert normalise("4999999999") == normalise(4999999999) == 0
    assert normalise("6000000000") == normalise(6000000000) == 0
    assert normalise("904999999999") == normalise(904999999999) == 0
    assert normalise("906000000000") == normalise(906000000000) == 0


def test_text_up_to_32_characters_is_read() -> None:
    assert normalise("5301234567" + " " * 22) == NUMBER


def test_subclasses_are_what_they_extend() -> None:
    class Text(str):
        __slots__ = ()

    class Count(int):
        __slots__ = ()

    assert normalise(Text("05301234567")) == NUMBER
    assert type(normalise(Count(NUMBER))) is int


@given(nationals)
def test_agrees_with_a_general_parser(national: str) -> None:
    a, b, c, d = national[:3], national[3:6], national[6:8], national[8:]
    for form in (
        national,
        f"0{national}",
        f"90{national}",
        f"+90{national}",
        f"0090{national}",
        f"+90 {a} {b} {c} {d}",
        f"0 ({a}) {b} {c} {d}",
        f"{a}-{b}-{c}-{d}",
        f" {a}.{b}.{c}.{d} ",
    ):
        parsed = phonenumbers.parse(form, "TR")
        assert display(normalise(form)) == phonenumbers.format_number(
            parsed, phonenumbers.PhoneNumberFormat.E164
        )


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=3,
)


@given(json_values | st.text(alphabet="0123456789+() -９", max_size=20))
def test_anything_gives_a_mobile_number_or_0(raw: object) -> None:
    number = normalise(raw)
    assert number == 0 or 905_000_000_000 <= number <= 905_999_999_999


def rules(text: str) -> int:
    """The specification's words, one after another."""
    digits = "".join(character for character in text if character in "0123456789")
    digits = digits.removeprefix("00")
    if len(digits) == 11 and digits.startswith("05"):
        digits = "90" + digits[1:]
    elif len(digits) == 10 and digits.startswith("5"):
        digits = "90" + digits
    return int(digits) if len(digits) == 12 and digits.startswith("905") else 0


@given(st.from_regex(r"(?:\+|0{0,5})(?:90){0,2}0{0,2}5?[0-9]{8,10}", fullmatch=True))
def test_agrees_with_the_rules_word_by_word(text: str) -> None:
    assert normalise(text) == rules(text)


def test_many_keep_their_order_and_their_gaps() -> None:
    assert normalise_all([]) == []
    assert normalise_all(["5301234567", "x", 905301234568, None, "05301234567"]) == [
        NUMBER,
        0,
        NUMBER + 1,
        0,
        NUMBER,
    ]


@pytest.mark.parametrize(
    ("numbers", "prefix"),
    [
        ([], ""),
        ([0, 0], ""),
        ([NUMBER], "905301234567"),
        ([NUMBER, 0, NUMBER], "905301234567"),
        ([905301234567, 905301234599], "9053012345"),
        ([905301234567, 905321234567, 905391234567], "9053"),
        ([905301234567, 905391234567, 905051234567], "905"),
        ([905301234567, 4915123456789], ""),
        ([905301234567, 9053012], "9053012"),
        ([90, 905301234567, 91], "9"),
        ([90, 905, 9], "9"),
    ],
)
def test_common_prefix(numbers: list[int], prefix: str) -> None:
    assert common_prefix(numbers) == prefix
    assert common_prefix(reversed(numbers)) == prefix
    assert common_prefix(iter(numbers)) == prefix


@given(st.lists(st.integers(0, 10**13) | st.integers(905_300_000_000, 905_300_099_999)))
def test_common_prefix_is_the_longest(numbers: list[int]) -> None:
    prefix = common_prefix(numbers)
    written = [str(number) for number in numbers if number]
    assert all(text.startswith(prefix) for text in written)
    longer = {text[: len(prefix) + 1] for text in written}
    assert len(longer) != 1 or longer == {prefix}


def test_shown() -> None:
    assert display(NUMBER) == "+905301234567"
