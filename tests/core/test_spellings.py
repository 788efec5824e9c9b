"""A number is found however it is written, and nothing else is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulak.core.phone import ERASED
from ulak.core.spellings import Spellings

NUMBER = 905301234567
SPELLED = Spellings(NUMBER)

WRITTEN = [
    "5301234567",
    "05301234567",
    "905301234567",
    "+905301234567",
    "00905301234567",
    "+90 530 123 45 67",
    "0 530 123 45 67",
    "(0530) 123 45 67",
    "+90 (530) 123-45-67",
    "530.123.4567",
    "530/1234567",
    "+90_530_123_45_67",
    "tel:+90-530-123-45-67",
    "?tel=%2B90530%20123%2045%2067",
    "5 3 0 1 2 3 4 5 6 7",
    "(530) - 123 - 45 - 67",
    "0530\u00a0123\u00a045\u00a067",
    "530\u2011123\u20114567",
    "530, 123, 4567",
    "x5301234567890",
    "17253012345678",
]
OTHERS = [
    "5301234568",
    "530 123 45",
    "15 30 12 34 567 9",
    "530 and 1234567",
    "530-------1234567",
    "٥٣٠١٢٣٤٥٦٧",
    "",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_it_is_found_and_hidden(text: str) -> None:
    assert SPELLED.within(text)
    assert SPELLED.within(text.encode())
    hidden = SPELLED.hidden(f"a {text} b 905301234568")
    assert not SPELLED.within(hidden)
    assert len(hidden) == len(f"a {text} b 905301234568")
    assert hidden.endswith(" b 905301234568"), "others stay"
    assert "5301234567" not in hidden


@pytest.mark.parametrize("text", OTHERS)
def test_nothing_else_is(text: str) -> None:
    assert not SPELLED.within(text)
    assert SPELLED.hidden(text) == text


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["", " ", "-", ".", "(", ")", "/", ". "]), min_size=13, max_size=13),
    st.booleans(),
)
def test_with_any_signs_between(signs: list[str], country: bool) -> None:
    digits = str(NUMBER) if country else str(NUMBER)[2:]
    text = "".join(digit + sign for digit, sign in zip(digits, signs, strict=False))
    assert SPELLED.within(text)
    assert not SPELLED.within(SPELLED.hidden(text))


def test_every_text_that_it_is_found_in_is_like_the_pattern() -> None:
    """What the databases are asked for before."""
    import re

    like = re.compile(SPELLED.like.replace("%", ".*"), re.DOTALL)
    assert all(like.search(text) for text in WRITTEN)


def test_json_stays_json() -> None:
    data = {
        "number": NUMBER,
        "n": 5301234567,
        "other": 905301234568,
        "on": True,
        "to": ["+90 530 123 45 67", None],
    }
    hidden = msgspec.json.decode(SPELLED.hidden_octets(msgspec.json.encode(data)))
    assert hidden == data | {"number": ERASED, "n": ERASED, "to": ["+** *** *** ** **", None]}
    assert SPELLED.hidden_octets(b"\xff\x00 05301234567") == b"\xff\x00 ***********"


def test_it_does_not_show_itself() -> None:
    assert "530" not in repr(SPELLED)
