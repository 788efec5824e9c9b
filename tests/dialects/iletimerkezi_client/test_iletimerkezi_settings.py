"""What an iletiMerkezi account can be told."""

from __future__ import annotations

import json

import pytest
from tests.dialects.iletimerkezi_client.upstream import BALANCE, HASH, KEY, Server, good, no
from tests.dialects.sms4sats_client.upstream import HTML, What
from tests.peers.accounts import Way

from ulak.core.callbacks import write_secret
from ulak.core.carriers import is_secret
from ulak.dialects.iletimerkezi.connect import check_settings, probe
from ulak.dialects.iletimerkezi.connect.settings import URL, Upstream

WORDS = {"key": KEY, "hash": HASH}


def test_the_defaults_are_the_vendors() -> None:
    assert check_settings(WORDS) == Upstream(URL, KEY, HASH, 500, 100.0, 30.0, "", "0", "", False)
    assert URL.startswith("https://")


def test_all_can_be_told() -> None:
    words = WORDS | {
        "url": "http://127.0.0.1:8025/v1/",
        "window": "50000",
        "rate": "0",
        "timeout": "5",
        "sender": "ORNEK AS",
        "iys": "1",
        "iys_list": "BIREYSEL",
        "hook_secret": "a-secret-of-the-address",
        "hook_key": write_secret(b"k" * 32),
        "id_form": "text",
        "prefix": "90532",
        "priority": "3",
        "on_uncertain": "hold",
    }
    found = check_settings(words)
    assert found == Upstream(
        "http://127.0.0.1:8025", KEY, HASH, 50_000, 0.0, 5.0, "ORNEK AS", "1", "BIREYSEL", True
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"key": ""}, "needs the setting key"),
        ({"hash": ""}, "needs the setting hash"),
        ({"key": "a b"}, "key must be"),
        ({"hash": "ü"}, "hash must be"),
        ({"apikey": "x"}, "has no setting 'apikey'"),
        ({"url": "ftp://x"}, "url must be like https://"),
        ({"url": "https://a:b@x"}, "url must hold no user"),
        ({"window": "0"}, "window must be"),
        ({"window": "50001"}, "window must be"),
        ({"rate": "-1"}, "rate must be"),
        ({"timeout": "0"}, "timeout must be"),
        ({"sender": "TWELVE CHARS"}, "sender must be"),
        ({"iys": "2"}, "iys must be"),
        ({"iys": "1"}, "iys_list must be BIREYSEL or TACIR"),
        ({"iys": "1", "iys_list": "bireysel"}, "iys_list must be"),
        ({"iys_list": "TACIR"}, "goes together with iys 1"),
        ({"hook_secret": "short"}, "hook_secret must be"),
        ({"hook_key": "whsec_" + "k" * 43}, "it is missing"),
        ({"hook_secret": "s" * 16, "hook_key": "k"}, "hook_key must be"),
        ({"id_form": "dec"}, "id_form must be text"),
    ],
)
def test_what_cannot_be_is_said(words: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        check_settings(WORDS | words)
    assert KEY not in str(error.value)
    assert HASH not in str(error.value)


def test_no_secret_is_shown() -> None:
    assert all(map(is_secret, ("key", "hash", "hook_secret", "hook_key")))
    assert KEY not in repr(check_settings(WORDS))
    assert HASH not in repr(check_settings(WORDS))


async def test_a_carrier_is_tried_with_its_balance(upstream: Server, way: Way) -> None:
    words = WORDS | {"url": upstream.url}
    assert await probe(words, way) == "the account answers; its balance is 2570 SMS or 128.5 TRY"
    (asked,) = upstream.calls(BALANCE)
    assert json.loads(asked.body) == {"request": {"authentication": {"key": KEY, "hash": HASH}}}
    upstream.on(BALANCE, good(balance=[{"amount": "0,5"}]), good())
    assert await probe(words, way) == "the account answers; its balance is 0.5 TRY"
    assert await probe(words, way) == "the account answers"


@pytest.mark.parametrize(
    ("answer", "said"),
    [(no(401), "the server says: 401 Üyelik bilgileri hatalı"), (HTML, "502 HTTP 502 with a body")],
)
async def test_a_carrier_that_does_not_answer_says_why(
    upstream: Server, way: Way, answer: What, said: str
) -> None:
    upstream.on(BALANCE, answer)
    with pytest.raises(OSError, match=said):
        await probe(WORDS | {"url": upstream.url}, way)
    await upstream.close()
    with pytest.raises(OSError, match="no connection"):
        await probe(WORDS | {"url": upstream.url})
