"""Options: which source wins, and that nothing wrong is taken silently."""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from pathlib import Path

import pytest

from ulak.config import OPTIONS, ConfigError, load


def file_of(folder: Path, text: str) -> str:
    path = folder / "ulak.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_defaults() -> None:
    config = load({}, {"XDG_DATA_HOME": "/srv/data"})
    assert config.data == Path("/srv/data/ulak")
    assert (config.host, config.port, config.role) == ("127.0.0.1", 8025, "all")
    assert (config.database, config.public_url, config.key) == (None, None, None)
    assert config.trusted_proxy == ()
    assert config.receipt_wait == 72 * 3_600_000
    assert config.unit_price == 0


def test_a_relative_data_home_is_ignored() -> None:
    assert load({}, {"XDG_DATA_HOME": "data"}).data == Path.home() / ".local" / "share" / "ulak"


def test_flag_over_environment_over_file(tmp_path: Path) -> None:
    file = file_of(tmp_path, 'port = 1\nhost = "a"\npublic_url = "http://x/"\n')
    environment = {"ULAK_CONFIG": file, "ULAK_PORT": "2", "ULAK_HOST": "b"}
    config = load({"port": "3", "host": None}, environment)
    assert (config.port, config.host, config.public_url) == (3, "b", "http://x")


def test_the_flag_names_the_file(tmp_path: Path) -> None:
    file = file_of(
        tmp_path, 'trusted_proxy = ["10.0.0.0/8", "::1"]\nunit_price = 0.35\nreceipt_wait = "1h30m"\n'
    )
    config = load({"config": file}, {"ULAK_CONFIG": "/nowhere"})
    assert config.trusted_proxy == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert config.unit_price == Decimal("0.35")
    assert config.receipt_wait == 5_400_000


def test_an_empty_variable_is_not_set() -> None:
    assert load({}, {"ULAK_DATABASE": "", "ULAK_CONFIG": ""}).database is None


def test_variables_of_others_are_let_be() -> None:
    load({}, {"ULAK_CALLBACK_ALLOW": "x", "ULAK_TEST_SOAK": "1", "PORT": "x"})


def test_what_numbers_cost_and_who_takes_the_money() -> None:
    config = load({}, {})
    prices = (config.price_receive, config.price_send, config.price_rent, config.price_handset)
    assert prices == (1500, 3000, 15000, 4000)
    assert (config.funding, config.number_sender, config.compat_errors) == ("", "ULAK", False)
    given = load({}, {"ULAK_FUNDING": "lnd", "ULAK_COMPAT_ERRORS": "500", "ULAK_PRICE_SEND": "21"})
    assert (given.funding, given.compat_errors, given.price_send) == ("lnd", True, 21)


def test_options_of_a_dialect_in_a_file(tmp_path: Path) -> None:
    text = '[dialects.sms4sats]\nsender = "ACME"\ncompat_errors = 500\n'
    config = load({"config": file_of(tmp_path, text)}, {})
    assert (config.number_sender, config.compat_errors) == ("ACME", True)


def test_what_slows_customers_and_strangers() -> None:
    config = load({}, {})
    assert (config.limits_url, config.limits_wait) == (None, 50)
    assert (config.auth_failures, config.auth_pause) == (None, 60_000)
    assert set(config.velocity.values()) == {"off"}
    given = load({}, {"ULAK_VELOCITY_PREFIX": "50", "ULAK_AUTH_FAILURES": "0"})
    assert (given.velocity["velocity_prefix"], given.auth_failures) == ("50", 0)


def test_the_example_is_one(tmp_path: Path) -> None:
    """As it stands, and with every line in force that is a comment."""
    example = (Path(__file__).parents[1] / "docs" / "ulak.example.toml").read_text("utf-8")
    config = load({"config": file_of(tmp_path, example)}, {})
    limits = {name.removeprefix("velocity_"): text for name, text in config.velocity.items()}
    assert limits.pop("countries") == "90"
    assert all(text.isdigit() for text in limits.values()), "all of them are on"
    whole = re.sub(r"^# (?=[a-z_]+ = )", "", example, flags=re.MULTILINE)
    config = load({"config": file_of(tmp_path, whole)}, {})
    assert config.limits_url == "valkey://cache.example.org:6379/0"
    assert len(config.trusted_proxy) == 2


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[dialects.sms4sats]\nsnder = "ACME"\n', "dialects.sms4sats.snder is no option"),
        ('number_sender = "A"\n[dialects.sms4sats]\nsender = "B"\n', "number_sender is given twice"),
        ("[dialects]\nsms4sats = 5\n", "dialects.sms4sats is no option"),
    ],
)
def test_what_is_no_option_of_a_dialect(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        load({"config": file_of(tmp_path, text)}, {})


@pytest.mark.parametrize(
    "variables",
    [
        {"ULAK_FUNDING": "paypal"},
        {"ULAK_COMPAT_ERRORS": "400"},
        {"ULAK_PRICE_RENT": "0"},
        {"ULAK_PRICE_RENT": "1.5"},
        {"ULAK_NUMBER_SENDER": "longer than it may"},
        {"ULAK_LND_URL": "127.0.0.1:8080"},
    ],
)
def test_what_numbers_cost_is_checked(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(variables))):
        load({}, variables)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("ULAK_PROT", "ULAK_PORT"), ("ULAK_Port", "ULAK_PORT"), ("ULAK_PUBLICURL", "ULAK_PUBLIC_URL")],
)
def test_a_misspelt_variable(variable: str, meant: str) -> None:
    with pytest.raises(
        ConfigError, match=f"{variable} in the environment is no option; did you mean {meant}"
    ):
        load({}, {variable: "1"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "prot is no option; did you mean port"),
        ("port = true", "port: must be a text, a number or a list of texts"),
        ("port = 70000", "port: must be a number from 0 to 65535"),
        ("[port]", "port: must be"),
        ("port = ", "ulak.toml: "),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load({"config": file_of(tmp_path, text)}, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data", ""),
        ("database", "sqlite:///x"),
        ("host", ""),
        ("host", "a b"),
        ("port", "-1"),
        ("port", "٨٠"),
        ("port", "65536"),
        ("role", "api"),
        ("role", "everything"),
        ("public_url", "example.org"),
        ("public_url", "ftp://example.org"),
        ("trusted_proxy", "10.0.0.0/8,elsewhere"),
        ("receipt_wait", "3 days"),
        ("unit_price", "-1"),
        ("unit_price", "1e3"),
        ("key", "short"),
        ("limits_url", "http://127.0.0.1:6379"),
        ("limits_wait", "0ms"),
        ("limits_wait", "1m"),
        ("auth_failures", "-1"),
        ("auth_pause", "2h"),
        ("velocity_hour", "0"),
        ("velocity_countries", "TR"),
    ],
)
def test_values_that_cannot_be(name: str, text: str) -> None:
    if text:
        with pytest.raises(ConfigError, match=f"^ULAK_{name.upper()}: "):
            load({}, {f"ULAK_{name.upper()}": text})
    with pytest.raises(ConfigError, match=f"^--{name.replace('_', '-')}: "):
        load({name: text}, {})


def test_secrets_are_not_shown() -> None:
    config = load({}, {"ULAK_KEY": "5a" * 32, "ULAK_DATABASE": "postgresql://u:secret@h/d"})
    assert config.key == bytes([0x5A]) * 32
    assert "secret" not in repr(config)
    assert "ZZZ" not in repr(config)
    with pytest.raises(ConfigError) as caught:
        load({}, {"ULAK_KEY": "nearly-a-key"})
    assert "nearly-a-key" not in str(caught.value)


def test_every_option_has_help() -> None:
    assert all(option.help for option in OPTIONS.values())
