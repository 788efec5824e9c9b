"""What an account is told, and the try of one."""

from __future__ import annotations

import re

import pytest
from tests.dialects.comtohome_client.upstream import (
    KEY,
    Cut,
    Scripted,
    bad,
    good,
)

from ulak.dialects.comtohome.connect import check_settings, probe


def test_settings_spell_an_account() -> None:
    to = check_settings({"url": "https://parcels.example/", "apikey": KEY, "prefix": "", "priority": "1"})
    assert (to.url, to.preference, to.provider_id) == ("https://parcels.example/api/v1", 1, None)
    same = check_settings({"url": "https://parcels.example/api/v1", "apikey": KEY, "provider_id": "7"})
    assert (same.url, same.preference, same.provider_id) == (to.url, 0, 7)
    assert KEY not in repr(same)


GOOD = {"url": "http://localhost:8025", "apikey": KEY}


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ({"urll": "x"}, "no setting 'urll'"),
        ({"url": ""}, "needs the setting url"),
        ({"apikey": ""}, "needs the setting apikey"),
        ({"apikey": "two words"}, "apikey must be"),
        ({"apikey": "a\r\nHost: x"}, "apikey must be"),
        ({"url": "ftp://parcels.example"}, "url must be like"),
        ({"url": "parcels.example"}, "url must be like"),
        ({"url": "http://parcels.example:99999"}, "url must be like"),
        ({"url": "http://[::1"}, "url must be like"),
        ({"url": "https://parcels.example/?key=1"}, "no password and no query"),
        ({"url": "https://me:pass@parcels.example"}, "no user, no password"),
        ({"preference": "2"}, "preference must be 0"),
        ({"preference": "0"}, "goes together with provider_id"),
        ({"preference": "1", "provider_id": "7"}, "goes together with provider_id"),
        ({"provider_id": "Ptt"}, "provider_id must be the number"),
        ({"timeout": "0"}, "timeout must be"),
        ({"timeout": "nan"}, "timeout must be"),
        ({"base": "1.234"}, "base"),
        ({"hook_secret": "short"}, "hook_secret must be"),
        ({"hook_secret": "with/a/slash/in/it"}, "hook_secret must be"),
        ({"hook_key": "whsec_" + "A" * 32}, "it is missing"),
        ({"hook_secret": "x" * 20, "hook_key": "whsec_short"}, "hook_key must be"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(over: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refused:
        check_settings(GOOD | over)
    for secret in ("apikey", "hook_secret", "hook_key"):
        assert not over.get(secret) or over[secret] not in str(refused.value)


async def test_trying_an_account_says_what_is_there(upstream: Scripted) -> None:
    upstream.on("GET", "/consignments", good([], meta={"page": 1, "limit": 1, "total": "42"}))
    words = {"url": upstream.url, "apikey": KEY}
    assert await probe(words) == "the account answers; it has 42 consignments"
    assert upstream.asked[0].path.endswith("/consignments?limit=1")
    upstream.on("GET", "/consignments", bad("Unauthenticated.", status=401))
    with pytest.raises(OSError, match="Unauthenticated"):
        await probe(words)
    upstream.on("GET", "/consignments", Cut())
    with pytest.raises(OSError, match="closed"):
        await probe(words)
