"""How numbers, times, names and languages are written."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.comtohome.office import LINK_KEY, URL
from tests.dialects.comtohome.samples import another, local, of_the_page

from ulak.core.accounts import Account
from ulak.core.countries import country, find_country, is_currency
from ulak.core.states import ParcelState
from ulak.dialects.comtohome import shown, wire
from ulak.dialects.comtohome.shown import Show
from ulak.dialects.comtohome.texts import Text, language_of, say

NUMBERS = {
    "20": "20",
    "20.0": "20",
    "16.80": "16.8",
    "120.96": "120.96",
    "0": "0",
    "0.00": "0",
    "1.13": "1.13",
    "1E+2": "100",
}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_have_no_digit_too_many(text: str) -> None:
    """Specification 1.9."""
    written = wire.encode(shown.number(Decimal(text))).decode()
    assert written == NUMBERS[text]


@pytest.mark.parametrize(
    ("kuruş", "written"),
    [(2000, "20"), (1680, "16.8"), (12096, "120.96"), (0, "0"), (-333, "-3.33"), (5, "0.05"), (-10, "-0.1")],
)
def test_kuruş_as_lira(kuruş: int, written: str) -> None:
    assert wire.encode(shown.lira(kuruş)).decode() == written


@given(st.decimals(0, 10**12, places=6))
def test_any_number_is_written_plainly(value: Decimal) -> None:
    written = wire.encode(shown.number(value)).decode()
    assert re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", written)
    assert Decimal(written) == value


def test_times_with_their_offset() -> None:
    """Specification 1.8; in the summer of 2015 Istanbul was at +03:00, in the winter before at +02:00."""
    assert shown.with_offset(local("2026-03-04 09:15:30")) == "2026-03-04T09:15:30+03:00"
    assert shown.with_offset(local("2015-01-04 09:15:30")) == "2015-01-04T09:15:30+02:00"
    assert shown.with_offset(local("2026-03-04 09:15:30") + 999) == "2026-03-04T09:15:30+03:00"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ptt", "ptt"),
        ("Yurtiçi Kargo", "yurtici-kargo"),
        ("SÜRAT  IŞIK İĞÖ", "surat-isik-igo"),
        ("Demo (2)", "demo-2"),
        ("快递", "carrier"),
    ],
)
def test_names_in_paths(name: str, slug: str) -> None:
    assert shown.slug(name) == slug


def test_what_was_said_last_is_the_message() -> None:
    made = of_the_page()
    seen = made.seen[0]._replace(text="Şubeye ulaştı", state=ParcelState.IN_TRANSIT)
    moved = another(1, 1, state=ParcelState.IN_TRANSIT, seen=[*made.seen, seen])
    show = Show(lambda: URL, LINK_KEY)
    assert show.consignment(Account(1, "Kuzey", True), moved).status_message == "Şubeye ulaştı"
    back = another(1, 1, state=ParcelState.BOOKED, seen=moved.seen)
    assert show.consignment(Account(1, "Kuzey", True), back).status_message == "Consignment sent to provider"
    details = [shown.detail(entry) for entry in moved.seen]
    assert [entry.message for entry in details] == ["Consignment sent to provider", "Şubeye ulaştı"]
    assert details[1].status_description == "In transit"


def test_a_seal_depends_on_the_label_its_nonce_and_the_key() -> None:
    label = of_the_page().labels[0]
    show = Show(lambda: URL, LINK_KEY)
    others = [
        show.seal(label._replace(id=1)),
        show.seal(label._replace(nonce="other")),
        Show(lambda: URL, b"another key").seal(label),
    ]
    seal = show.seal(label)
    assert seal not in others
    assert len(base64.b64decode(seal, validate=True)) == 32
    assert show.seal(label) == seal


def test_seals_survive_their_address() -> None:
    show = Show(lambda: URL, LINK_KEY)
    label = of_the_page().labels[0]
    for number in range(200):
        one = label._replace(id=number)
        address = show.started(another(1, 1, labels=[one])).labels[0].file_url
        assert unquote(address.partition("_hash=")[2]) == show.seal(one)
        assert re.fullmatch(r"[A-Za-z0-9%]+", address.partition("_hash=")[2])


def test_countries() -> None:
    assert find_country("tr") == find_country("TUR") == country("TR") == ("TR", "TUR", "Turkey")
    assert country("DE")[1:] == ("DEU", "Germany")
    assert find_country("Türkiye") is None
    assert find_country("XX") is None
    assert country("XX").name == "XX"
    assert is_currency("TRY")
    assert not is_currency("try")
    assert not is_currency("TL")


LANGUAGES = {
    b"": "tr",
    b"en": "en",
    b"EN-us": "en",
    b"tr, en": "tr",
    b"en, tr": "en",
    b"en;q=0.5, tr;q=0.8": "tr",
    b"de, fr": "tr",
    b"*": "tr",
    b"en;q=0": "tr",
    b"en;q=abc": "tr",
    b"english": "tr",
    b"\xff\xfe": "tr",
    b"en;q=0.1" + b"," * 500: "en",
}


@pytest.mark.parametrize("header", LANGUAGES)
def test_languages(header: bytes) -> None:
    assert language_of(header) == LANGUAGES[header]


@given(st.binary(max_size=300))
def test_any_header_asks_for_a_language(header: bytes) -> None:
    assert language_of(header) in ("tr", "en")


@pytest.mark.parametrize("text", Text, ids=lambda text: text.name)
def test_everything_is_said_in_both_languages(text: Text) -> None:
    turkish, english = text.value
    places = [set(re.findall(r"{(\w+)}", sentence)) for sentence in (turkish, english)]
    assert places[0] == places[1]
    values = dict.fromkeys(places[0], "x")
    assert say(text, "tr", **values)
    assert say(text, "en", **values)
