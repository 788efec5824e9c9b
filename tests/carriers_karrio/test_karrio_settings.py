"""What `ulak carrier add --kind karrio --set` may say."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest

from ulak.carriers.karrio.carrier import check
from ulak.carriers.karrio.settings import parse_settings
from ulak.core.carriers import is_secret

WORDS = {
    "carrier": "ups",
    "test_mode": "on",
    "client_id": "id",
    "client_secret": "s3cr3t",
    "account_number": "A1",
    "config.merchant_id": "M",
    "config.enforce_zpl": "off",
    "rate_eur": "48.5",
    "label": "zpl",
    "priority": "3",
}


def test_ours_and_the_connector_s() -> None:
    settings = parse_settings(WORDS)
    assert settings.carrier == "ups"
    assert settings.python == sys.executable
    assert settings.label == "ZPL"
    assert settings.rates == {"EUR": Decimal("48.5")}
    assert settings.options == {
        "test_mode": True,
        "client_id": "id",
        "client_secret": "s3cr3t",
        "account_number": "A1",
        "config": {"merchant_id": "M", "enforce_zpl": False},
    }
    assert settings.secrets == ("s3cr3t",)
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("carrier", "", "carrier must be Karrio's name"),
        ("carrier", "../ups", "carrier must be"),
        ("python", "/nowhere/python", "interpreter"),
        ("timeout", "0", "timeout must be seconds"),
        ("test_mode", "yes", "test_mode must be one of on, off"),
        ("label", "GIF", "label must be one of PDF, ZPL, PNG"),
        ("incoterm", "XXX", "incoterm must be one of CIP"),
        ("rate_usd", "0", "TRY for one USD"),
        ("rate_usd", "1e3", "TRY for one USD"),
        ("url", "ftp://host", "url must be like"),
        ("url", "http://host/path", "url must be like"),
        ("url", "http://host:99999", "url must be like"),
        ("Client-Secret", "x", "is no name of a setting"),
    ],
)
def test_what_is_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(WORDS | {key: value})


def test_a_missing_carrier() -> None:
    with pytest.raises(ValueError, match="carrier must be"):
        check({"client_id": "x"})


SECRETS = """
    password client_secret api_key api_secret access_key access_token secret_key consumer_key consumer_secret
    track_api_key track_secret_key user_key user_token config.webhook_secret
"""


def test_the_connectors_secrets_are_sealed() -> None:
    """Under the names that Karrio's connectors give them."""
    assert [name for name in SECRETS.split() if not is_secret(name)] == []
    plain = ("carrier", "client_id", "account_number", "test_mode", "label", "config.merchant_id")
    assert [name for name in plain if is_secret(name)] == []
