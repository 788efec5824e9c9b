from __future__ import annotations

import pytest

from ulak.dialects.smpp.settings import READERS, LinkSettings, parse_settings

LEAST = {"host": "smsc.example", "system_id": "ulak"}


def test_the_defaults() -> None:
    settings = parse_settings(LEAST)
    assert settings == LinkSettings(host="smsc.example", system_id="ulak")
    assert (settings.port, settings.bind, settings.window, settings.rate) == (2775, "transceiver", 10, 0)
    assert (settings.tls, settings.payload) == (False, "udh8")
    assert (settings.response_timeout, settings.enquire_link) == (60, 30)


def test_everything_said() -> None:
    words = {
        "host": "192.0.2.7",
        "port": "3550",
        "system_id": "ulak",
        "password": "pa55word",
        "bind": "transmitter+receiver",
        "system_type": "VMA",
        "window": "100",
        "rate": "12.5",
        "tls": "on",
        "tls_ca": __file__,
        "response_timeout": "20",
        "enquire_link": "10",
        "payload": "message_payload",
        "source_ton": "0",
        "source_npi": "1",
    }
    assert words.keys() == READERS.keys()
    assert parse_settings(words) == LinkSettings(
        host="192.0.2.7",
        port=3550,
        system_id="ulak",
        password="pa55word",
        bind="transmitter+receiver",
        system_type="VMA",
        window=100,
        rate=12.5,
        tls=True,
        tls_ca=__file__,
        response_timeout=20,
        enquire_link=10,
        payload="message_payload",
        source_ton=0,
        source_npi=1,
    )


def test_the_engine_s_keys_are_let_pass() -> None:
    engine = {"id_form": "hex", "on_uncertain": "hold", "prefix": "90", "priority": "3"}
    assert parse_settings(LEAST | engine) == parse_settings(LEAST)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"hots": "x"}, "no setting 'hots'.*host"),
        ({"host": ""}, "host must be a host name"),
        ({"host": "a b"}, "host must be a host name"),
        ({"port": "0"}, "port must be a whole number from 1 to 65535, not '0'"),
        ({"port": "+5"}, "port must be"),
        ({"port": "1_000"}, "port must be"),
        ({"port": "٢٧٧٥"}, "port must be"),
        ({"port": ""}, "port must be"),
        ({"window": "0"}, "window must be a whole number from 1 to 10000"),
        ({"rate": "-1"}, "rate must be a number from 0 to"),
        ({"rate": "nan"}, "rate must be"),
        ({"rate": "inf"}, "rate must be"),
        ({"rate": "fast"}, "rate must be"),
        ({"tls": "yes"}, "tls must be one of on, off, not 'yes'"),
        ({"tls": "on", "tls_ca": "/no/such/file"}, "tls_ca names a file that is not there"),
        ({"tls_ca": __file__}, "tls is off"),
        ({"bind": "receiver"}, "bind must be one of transceiver, transmitter.receiver"),
        ({"payload": "sar"}, "payload must be one of"),
        ({"system_id": "x" * 16}, "system_id must be at most 15 plain characters"),
        ({"system_id": "ş"}, "system_id must be at most 15 plain characters"),
        ({"system_id": ""}, "needs the setting system_id"),
        ({"system_type": "x" * 13}, "system_type must be at most 12"),
        ({"source_ton": "9"}, "source_ton must be"),
    ],
)
def test_what_cannot_be_is_said_plainly(words: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_settings(LEAST | words)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(ValueError, match=r"password must be at most 64 plain characters$"):
        parse_settings(LEAST | {"password": "a secret" * 9})
    assert "pa55word" not in repr(parse_settings(LEAST | {"password": "pa55word"}))


@pytest.mark.parametrize("missing", ["host", "system_id"])
def test_what_is_missing(missing: str) -> None:
    with pytest.raises(ValueError, match=f"needs the setting {missing}"):
        parse_settings({key: value for key, value in LEAST.items() if key != missing})
