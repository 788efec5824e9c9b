"""A number is found however it is written, and nothing else is."""

from __future__ import annotations

import re

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


# Numbers of other countries.

GERMAN = 4915112345678

ABROAD = {
    GERMAN: [
        "+4915112345678",
        "004915112345678",
        "4915112345678",
        "+49 151 12345678",
        "+49 (0)151 12345678",
        "0049 (0) 151 / 1234 56-78",
        "49-151-12345678",
        "+49\u00a0151\u00a012345678",
        "+49\u202f151\u2011123\u201145678",
        "+49.151.1234.5678",
        "015112345678",
        "0151 12345678",
        "(0151) 1234-5678",
        "0151\u00a01234\u00a05678",
        "0151/12345678",
        "tel:+49-151-12345678",
        "?tel=%2B49%20151%2012345678",
        "?tel= 4915112345678&x=1",
        "011 49 151 12345678",
        "905301230049 4915112345678",
        "in 2005 4915112345678",
        "+90 530 123 45 67, 015112345678",
        "id4915112345678x",
    ],
    15301234567: [
        "+1 530 123 4567",
        "+1 (530) 123-4567",
        "15301234567",
        "1-530-123-4567",
        "001 530.123.4567",
    ],
    79123456789: ["+7 912 345-67-89", "8 (912) 345-67-89", "89123456789"],
    36201234567: ["+36 20 123 4567", "06 20 123 4567"],
    34612345678: ["+34 612 34 56 78", "0034612345678", "34612345678"],
    33612345678: ["+33 6 12 34 56 78", "06 12 34 56 78", "06.12.34.56.78", "+33 (0)6 12 34 56 78"],
    902121234567: ["+90 212 123 45 67", "0212 123 45 67", "(0212) 123-4567"],
    6834000: ["+6834000", "00683 4000", "+683-4000", "%2B6834000", "6834000"],
}
SOMEBODY_ELSES = {
    GERMAN: [
        "+4915112345679",
        "+49151123456789",
        "1504915112345678",
        "+43 15112345678",
        "+43 (0)151 12345678",
        "0043 151 12345678",
        "15112345678",
        "0151 1234567",
        "",
    ],
    15301234567: ["05301234567", "+90 530 123 45 67", "5301234567", "+905301234567", "530 123 45 67"],
    495301234567: ["05301234567", "+90 530 123 45 67", "5301234567", "905301234567"],
    34612345678: ["612345678", "+44 612 345 678", "+33 6 12 34 56 78"],
    6834000: ["paid 6834000 msat", "16834000", "+16834000", "068340005"],
}


def each(numbers: dict[int, list[str]]) -> list[tuple[int, str]]:
    return [(number, text) for number, texts in numbers.items() for text in texts]


@pytest.mark.parametrize(("number", "text"), each(ABROAD))
def test_one_of_another_country_is_found_and_hidden(number: int, text: str) -> None:
    spelled = Spellings(number)
    assert spelled.within(text)
    assert spelled.within(text.encode())
    hidden = spelled.hidden(text)
    assert len(hidden) == len(text)
    assert not spelled.within(hidden)
    assert re.search(spelled._wide.pattern.decode(), hidden) is None
    assert re.search(spelled.like.replace("%", ".*"), text, re.DOTALL), "what the databases are asked for"
    assert any(octets in text.encode() for octets in spelled.octets), "what they look for in files"


@pytest.mark.parametrize(("number", "text"), each(SOMEBODY_ELSES))
def test_somebody_elses_stays(number: int, text: str) -> None:
    assert not Spellings(number).within(text)
    assert not Spellings(number).within(text.encode())
    assert Spellings(number).hidden(text) == text


def test_json_that_names_a_country_says_whose_it_is() -> None:
    spelled = Spellings(GERMAN)
    phones = ["015112345678", "15112345678", "0151 12345678", "+49 151 12345678", 15112345678]
    data = {
        "home": {"country": "DE", "phone": phones, "more": {"address": "Tel 15112345678"}},
        "abroad": {"country": "AT", "phone": phones},
        "open": {"country": "22", "phone": phones, "number": GERMAN},
    }
    octets = msgspec.json.encode(data)
    assert spelled.within_json(octets)
    gone = ["************", "***********", "**** ********", "+** *** ********", ERASED]
    hidden = msgspec.json.decode(spelled.hidden_octets(octets))
    assert hidden == {
        "home": {"country": "DE", "phone": gone, "more": {"address": "Tel ***********"}},
        "abroad": {"country": "AT", "phone": [*phones[:3], gone[3], phones[4]]},
        "open": {
            "country": "22",
            "phone": [gone[0], phones[1], gone[2], gone[3], phones[4]],
            "number": ERASED,
        },
    }
    assert not spelled.within_json(msgspec.json.encode(hidden))
    assert spelled.within_json("no JSON, 0151 12345678")
    assert not spelled.within_json('["0151", "12345678"]')


def test_a_small_integer_is_a_number_where_it_is_called_so() -> None:
    data = {"amount": 6834000, "number": 6834000}
    hidden = msgspec.json.decode(Spellings(6834000).hidden_octets(msgspec.json.encode(data)))
    assert hidden == {"amount": 6834000, "number": ERASED}


@pytest.mark.parametrize(
    ("number", "phone", "country", "is_it"),
    [
        (GERMAN, "015112345678", "DE", True),
        (GERMAN, "15112345678", "DE", True),
        (GERMAN, "4915112345678", "TR", True),
        (GERMAN, "015112345678", "AT", False),
        (495301234567, "05301234567", "DE", True),
        (495301234567, "905301234567", "TR", False),
        (NUMBER, "05301234567", "TR", True),
    ],
)
def test_whose_telephone_it_is(number: int, phone: str, country: str, is_it: bool) -> None:
    assert Spellings(number).is_phone(phone, country) is is_it


def test_it_does_not_show_itself() -> None:
    assert "530" not in repr(SPELLED)
