"""Suppliers that speak the protocol of sms-activate: what they can be told of, and how answers are read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.carriers.sms_activate import reading
from ulak.carriers.sms_activate.reading import Data, Word, read_answer
from ulak.carriers.sms_activate.settings import Supplier, check_settings

# Settings.


def test_settings_spell_an_account() -> None:
    least = {"url": "https://numbers.example", "apikey": "k", "priority": "1"}
    url = "https://numbers.example/stubs/handler_api.php"
    assert check_settings(least) == Supplier(url, "k")
    assert (
        check_settings(least | {"url": "http://10.0.0.7:81/api/sms.php"}).url
        == "http://10.0.0.7:81/api/sms.php"
    )
    whole = {"operator": "mts,life", "ref": "r1", "max_price": "12.50", "order_prefix": "u1-"}
    rest = {"handsets": "yes", "every": "5", "timeout": "20"}
    told = Supplier(url, "k", "mts,life", "r1", "12.50", "u1-", True, 5.0, 20.0)
    assert check_settings(least | whole | rest) == told
    assert "apikey" not in repr(told)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"url": ""}, "needs the setting url"),
        ({"apikey": ""}, "needs the setting apikey"),
        ({"apikey": "geheim 12"}, "apikey must be"),
        ({"url": "numbers.example"}, "url must be like"),
        ({"url": "ftp://numbers.example"}, "url must be like"),
        ({"url": "https://[::1"}, "url must be like"),
        ({"url": "https://me:geheim@numbers.example"}, "no user"),
        ({"url": "https://numbers.example/?api_key=geheim"}, "no query"),
        ({"operator": "a b"}, "operator must be"),
        ({"max_price": "much"}, "max_price must be"),
        ({"handsets": "1"}, "handsets must be yes or no"),
        ({"every": "0"}, "every must be"),
        ({"timeout": "x"}, "timeout must be"),
        ({"prise": "1"}, "no setting 'prise'"),
    ],
)
def test_settings_that_cannot_be(over: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        check_settings({"url": "https://numbers.example", "apikey": "k"} | over)
    assert "geheim" not in str(caught.value)


# Reading.


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"NO_NUMBERS", Word("NO_NUMBERS")),
        (b"\xef\xbb\xbfNO_NUMBERS\r\n", Word("NO_NUMBERS")),
        (b'"NO_NUMBERS"', Word("NO_NUMBERS")),
        (b"WRONG_MAX_PRICE:12.5", Word("WRONG_MAX_PRICE", "12.5")),
        (b"ACCESS_NUMBER:12:7916", Word("ACCESS_NUMBER", "12:7916")),
        (b'{"status":"error","msg":"NO_BALANCE"}', Word("NO_BALANCE")),
        (b'{"status":"error","error":"NO_BALANCE","message":"You are poor"}', Word("NO_BALANCE")),
        (b'{"title":"NO_NUMBERS","details":"Try another country"}', Word("NO_NUMBERS")),
        (b'{"status":false}', Word("ERROR")),
        (b'{"status":"success"}', Data({"status": "success"})),
        (b'{"status":"success","message":"FINE"}', Data({"status": "success", "message": "FINE"})),
        (b"[]", Data([])),
        (b"", None),
        (b"12", None),
        (b"null", None),
        (b"Service unavailable", None),
    ],
)
def test_answers_are_words_or_data(body: bytes, said: object) -> None:
    assert read_answer(body) == said


_NAMES = [
    *("status", "message", "phone", "id", "number", "activationId", "phoneNumber", "countryCode", "values"),
    *("activeActivations", "smsCode", "smsText", "sms", "code", "text", "date", "countries", "visible"),
    *("cost", "count", "62", "tg"),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_answered_is_read_as_something_that_can_be(body: bytes) -> None:
    said = read_answer(body)
    if said is None:
        return
    sold = reading.read_sold(said)
    assert sold is None or (sold.number > 0 and sold.reference)
    assert all(isinstance(text, str) for text in (*reading.read_full(said), reading.read_balance(said) or ""))
    if not isinstance(said, Data):
        return
    for countries in (reading.read_countries(said, "visible"), reading.read_rentals(said)):
        assert all(country >= 0 for country in countries)
    for stock in (reading.read_stock(said), *reading.read_prices(said, "5").values()):
        assert all(service and count >= 0 for service, count in stock.items())
    assert all(row.codes is not None for row in reading.read_active(said).values())
    assert all("\0" not in text.text for text in reading.read_rented(said, "12", 5))
