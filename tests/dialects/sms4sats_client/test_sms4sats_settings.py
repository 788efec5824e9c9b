"""What an sms4sats account can be told, and how it is tried."""

from __future__ import annotations

import pytest
from tests.dialects.sms4sats_client.upstream import BALANCE, GARBAGE, HTML, KEY, Cut, Mute, Upstream, What, no
from tests.peers.accounts import Way

from ulak.core.carriers import is_secret, terms_of
from ulak.dialects.sms4sats.connect import check_settings, probe


def test_an_account_needs_a_key_only() -> None:
    to = check_settings({"apikey": KEY})
    assert (to.url, to.carries, to.rate, to.timeout) == ("https://api2.sms4sats.com", "numbers", 10, 20)
    assert (to.order_prefix, to.max_price, to.window) == ("", 0, 10)
    assert KEY not in repr(to)
    assert is_secret("apikey")


def test_everything_can_be_told() -> None:
    words = {
        "apikey": KEY,
        "url": "http://10.0.0.7:8000/",
        "rate": "2.5",
        "timeout": "5",
        "order_prefix": "a-1",
    }
    to = check_settings(words | {"max_price": "2000"})
    assert (to.url, to.rate, to.timeout, to.order_prefix) == ("http://10.0.0.7:8000", 2.5, 5, "a-1")
    assert to.max_price == 2000
    to = check_settings(words | {"carries": "sms", "window": "3", "prefix": "90", "priority": "2"})
    assert (to.carries, to.window) == ("sms", 3)
    assert terms_of({"prefix": "90"}).prefix == "90"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"apikey": ""}, "needs the setting apikey"),
        ({"apikey": "with blank"}, "apikey must be"),
        ({"url": "api2.sms4sats.com"}, "url must be like"),
        ({"url": "ftp://host"}, "url must be like"),
        ({"url": "https://host/?key=1"}, "no password and no query"),
        ({"url": "https://user:pw@host"}, "must hold no user"),
        ({"url": "https://[host"}, "url must be like"),
        ({"url": "https://host:0"}, "url must be like"),
        ({"carries": "parcels"}, "carries must be numbers or sms"),
        ({"window": "3"}, "for numbers has no setting 'window'"),
        ({"carries": "sms", "max_price": "3"}, "for sms has no setting 'max_price'"),
        ({"carries": "sms", "window": "many"}, "window must be"),
        ({"max_price": "-1"}, "max_price must be"),
        ({"max_price": "1.5"}, "max_price must be"),
        ({"rate": "fast"}, "rate must be"),
        ({"rate": "nan"}, "rate must be"),
        ({"rate": "1_0"}, "rate must be"),
        ({"rate": "١"}, "rate must be"),
        ({"timeout": "0"}, "timeout must be"),
        ({"order_prefix": "a b"}, "order_prefix must be"),
    ],
)
def test_what_cannot_be_is_said(words: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        check_settings({"apikey": KEY} | words)
    assert KEY not in str(caught.value)
    assert "pw" not in str(caught.value)


async def test_an_account_is_tried_by_its_balance(upstream: Upstream, way: Way) -> None:
    words = {"url": upstream.url, "apikey": KEY}
    assert await probe(words, way) == "the account answers; its balance is 21000 sats"
    upstream.on("GET /balance", BALANCE | {"balance": None})
    assert await probe(words) == "the account answers"
    assert [asked.headers["x-api-key"] for asked in upstream.asked] == [KEY] * 2


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (no("invalid api key", 401), "the server says: invalid api key"),
        (no("invalid api key", 200), "the server says: invalid api key"),
        (HTML, "the server says: HTTP 502"),
        (GARBAGE, "no JSON"),
        (Cut(), "the connection was closed"),
        (Mute(), "no answer within"),
    ],
)
async def test_an_account_that_does_not_answer(
    upstream: Upstream, way: Way, answer: What, sentence: str
) -> None:
    upstream.on("GET /balance", answer)
    with pytest.raises(ConnectionError, match=sentence) as caught:
        await probe({"url": upstream.url, "apikey": KEY, "timeout": "0.1"}, way)
    assert KEY not in str(caught.value)
