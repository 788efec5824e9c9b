"""Every option once: its default, its check and its help line.

A flag wins over the environment, the environment over the file, the file over the default. A name that is
not known is an error wherever it stands: an option that was misspelt must not be silently without effect.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from ulak.core import velocity
from ulak.core.keys import read_key
from ulak.core.purchases import Tariff
from ulak.core.times import parse_span

Found: TypeAlias = tuple[str, str]
"""Where an option was found, as an error names it, and its text there."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PREFIX = "ULAK_"
CONFIG_VARIABLE = "ULAK_CONFIG"

IMPORT_KEY, IMPORT_HASH = "ULAK_IMPORT_KEY", "ULAK_IMPORT_HASH"
"""Variables that `ulak import` alone reads: who it is at the service that it asks."""

_FOR_TESTS = "ULAK_TEST_"

LOG_FORMATS = ("auto", "json", "logfmt", "text")
"""How the log is written; `auto` is `text` where a person is looking and `json` elsewhere."""

DRAIN_MAX = 60_000
"""How long a server may go on taking requests after it was asked to stop, ms."""

AUTH_FAILURES = 5
"""Wrong keys or ids in a minute that hold an address up, unless something else is said."""

FUNDINGS = ("memory", "lnd", "nwc", "lnbits")
"""The Lightning backends."""

_PORT = re.compile(r"[0-9]{1,5}")
_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_SHARE = re.compile(r"[0-9](\.[0-9]{1,6})?")
_COUNT = re.compile(r"[1-9][0-9]{0,6}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,200}")


class ConfigError(ValueError):
    """An option cannot be what it is; the text names the option and where it was found."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be chosen. Times are ms; `unit_price` is what one SMS is worth, in TRY; `velocity`
    holds the limits of `core.velocity` by name."""

    data: Path
    database: str | None = field(repr=False)
    host: str
    port: int
    role: str
    public_url: str | None
    trusted_proxy: tuple[Network, ...]
    receipt_wait: int
    unit_price: Decimal
    parcel_fee: Decimal
    parcel_vat: Decimal
    parcel_vat_abroad: Decimal
    parcel_rate: int
    callback_allow: frozenset[str]
    funding: str
    lnd_url: str | None
    lnd_macaroon: str | None = field(repr=False)
    lnd_certificate: str | None
    nwc_uri: str | None = field(repr=False)
    lnbits_url: str | None
    lnbits_key: str | None = field(repr=False)
    price_receive: int
    price_send: int
    price_rent: int
    price_handset: int
    number_sender: str
    number_rate: int
    compat_errors: bool
    metrics_token: str | None = field(repr=False)
    log_format: str
    drain: int
    limits_url: str | None = field(repr=False)
    limits_wait: int
    auth_failures: int | None
    auth_pause: int
    velocity: Mapping[str, str]
    key: bytes | None = field(repr=False)

    @property
    def prices(self) -> dict[Tariff, int]:
        """What numbers and single messages cost where nothing else is said, in sats."""
        return {
            Tariff.RECEIVE: self.price_receive,
            Tariff.SEND: self.price_send,
            Tariff.RENT: self.price_rent,
            Tariff.HANDSET: self.price_handset,
        }


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `check` makes the value out of its text, and raises ValueError where it cannot."""

    help: str
    check: Callable[[str], Any]
    default: str | None = None


def _path(text: str) -> Path:
    if not text:
        raise ValueError("must name a directory")
    return Path(text).expanduser().absolute()


def _database(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return text


def _host(text: str) -> str:
    if not text or any(character.isspace() for character in text):
        raise ValueError("must be an address or a host name")
    return text


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError("must be a number from 0 to 65535 (0: any that is free)")
    return int(text)


def _role(text: str) -> str:
    if text not in ("all", "api", "worker"):
        raise ValueError("must be all, api or worker")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be like https://sms.example.org")
    return text.rstrip("/")


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(
            ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()
        )
    except ValueError as error:
        raise ValueError(f"must be addresses or networks, comma separated: {error}") from None


def _price(text: str) -> Decimal:
    if not _PRICE.fullmatch(text):
        raise ValueError("must be an amount like 0.35")
    return Decimal(text)


def _share(text: str) -> Decimal:
    if not _SHARE.fullmatch(text):
        raise ValueError("must be a share from 0 to 9 like 0.20")
    return Decimal(text)


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError("must be a whole number from 1 to 9999999")
    return int(text)


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _span_between(least: int, most: int, what: str) -> Callable[[str], int]:
    def check(text: str) -> int:
        span = parse_span(text)
        if not least <= span <= most:
            raise ValueError(f"must be {what}")
        return span

    return check


def _limits_url(text: str) -> str:
    if not text.startswith(("redis://", "rediss://", "valkey://", "valkeys://")):
        raise ValueError("must begin with valkey://, valkeys://, redis:// or rediss://")
    return text


def _sats(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError("must be a whole number of sats from 1 to 9999999")
    return int(text)


def _funding(text: str) -> str:
    if text not in ("", *FUNDINGS):
        raise ValueError(f"must be one of {', '.join(FUNDINGS)}")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _sender(text: str) -> str:
    if not 1 <= len(text) <= 11 or not text.isprintable() or not text.strip():
        raise ValueError("must be 1 to 11 printable characters")
    return text


def _compat(text: str) -> bool:
    if text not in ("", "500"):
        raise ValueError("must be 500, or empty")
    return text == "500"


def _token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError("must be 16 to 200 letters, digits or any of ._~+/=- (openssl rand -hex 32)")
    return text


def _log_format(text: str) -> str:
    if text not in LOG_FORMATS:
        raise ValueError(f"must be one of {', '.join(LOG_FORMATS)}")
    return text


def _drain(text: str) -> int:
    span = parse_span(text)
    if span > DRAIN_MAX:
        raise ValueError("must be 60s at most")
    return span


def _hosts(text: str) -> frozenset[str]:
    hosts = [part.strip().lower() for part in text.split(",") if part.strip()]
    wrong = [host for host in hosts if "/" in host or "@" in host or any(map(str.isspace, host))]
    if wrong:
        raise ValueError(f"must be host names or addresses, comma separated; {wrong[0]!r} is neither")
    return frozenset(hosts)


OPTIONS: dict[str, Option] = {
    "data": Option("directory of the data, the key and the locks [$XDG_DATA_HOME/ulak]", _path),
    "database": Option("postgresql://… to keep the data there instead of in DIR", _database),
    "host": Option("address to listen on", _host, "127.0.0.1"),
    "port": Option("port to listen on, 0 for any that is free", _port, "8025"),
    "role": Option(
        "what this process does: answer requests (api), hand over (worker), or all",
        _role,
        "all",
    ),
    "public_url": Option("address under which customers reach this server", _url),
    "trusted_proxy": Option("addresses or networks whose X-Forwarded-For is believed", _networks, ""),
    "receipt_wait": Option("how long a final report is waited for", parse_span, "72h"),
    "unit_price": Option("what one SMS is worth in TRY, as balances show it", _price, "0"),
    "parcel_fee": Option("our fee on what a parcel carrier takes, as a share of it", _share, "0.20"),
    "parcel_vat": Option("VAT on the price of a parcel, as a share of it", _share, "0.20"),
    "parcel_vat_abroad": Option("the same for parcels that leave the country", _share, "0.20"),
    "parcel_rate": Option("requests that one API key of the parcel API may make in 60 s", _count, "300"),
    "callback_allow": Option("private hosts that callbacks may go to, also over plain http", _hosts, ""),
    "funding": Option(
        "the Lightning node: memory, lnd, nwc or lnbits [none; memory in a sandbox]", _funding, ""
    ),
    "lnd_url": Option("where LND serves REST, like https://127.0.0.1:8080", _url),
    "lnd_macaroon": Option("its macaroon: hexadecimal, or the path of its file", _filled),
    "lnd_certificate": Option("path of its TLS certificate, which alone is trusted", _filled),
    "nwc_uri": Option("nostr+walletconnect://… of a wallet with hold invoices", _filled),
    "lnbits_url": Option("where LNbits serves; it can only take what is funded", _url),
    "lnbits_key": Option("its invoice key", _filled),
    "price_receive": Option("sats for a code", _sats, "1500"),
    "price_send": Option("sats for sending one SMS", _sats, "3000"),
    "price_rent": Option("sats for renting a number", _sats, "15000"),
    "price_handset": Option("sats for a code on a number in a handset", _sats, "4000"),
    "number_sender": Option("sender of single SMS that are paid by themselves", _sender, "ULAK"),
    "number_rate": Option("requests that one address may make to the number API in a second", _count, "20"),
    "compat_errors": Option("500 answers every error of the number API with that status", _compat, ""),
    "metrics_token": Option(
        "lets callers on other machines see /metrics, as `Authorization: Bearer …`", _token
    ),
    "log_format": Option("how the log is written: json, logfmt, text, or auto", _log_format, "auto"),
    "drain": Option("how long requests are taken after /readyz says that we stop", _drain, "0s"),
    "limits_url": Option(
        "valkey://… or redis://… where several processes count limits together", _limits_url
    ),
    "limits_wait": Option(
        "how long an answer from there is waited for", _span_between(1, 10_000, "1ms to 10s"), "50ms"
    ),
    "auth_failures": Option(
        f"wrong keys or ids in a minute that hold an address up, 0 for any [{AUTH_FAILURES}; 0 in a sandbox]",
        _count_or_none,
    ),
    "auth_pause": Option(
        "how long it is held up at first; doubles, up to an hour",
        _span_between(1_000, 3_600_000, "1s to 1h"),
        "60s",
    ),
    **{
        name: Option(text, partial(velocity.check, name), velocity.OFF)
        for name, text in velocity.HELP.items()
    },
    "key": Option("32 octets in base64 or hexadecimal that encrypt secrets [DIR/key]", read_key),
}


BY_SUBJECT = {
    "dialects.sms4sats.sender": "number_sender",
    "dialects.sms4sats.rate": "number_rate",
    "dialects.sms4sats.compat_errors": "compat_errors",
    "dialects.comtohome.rate": "parcel_rate",
    **{name.replace("_", ".", 1): name for name in velocity.HELP},
}
"""Options as a file may also name them: by the dialect, or the kind of limit, that they are about."""


def load(
    flags: Mapping[str, str | None], environment: Mapping[str, str] = os.environ, *, data_name: str = "ulak"
) -> Config:
    """The options in force. `flags` may hold `config`, the path of a file; None is not given.

    Raises:
        ConfigError: a name is unknown, a value does not fit, or the file cannot be read.
    """
    given = {name: text for name, text in flags.items() if text is not None}
    file = given.pop("config", None) or environment.get(CONFIG_VARIABLE)
    # Option -> (where it was found, its text), from the weakest source to the strongest.
    found = _file(Path(file)) if file else {}
    found |= _variables(environment)
    found |= {name: ("--" + name.replace("_", "-"), text) for name, text in given.items()}
    values = {name: _value(option, found.get(name)) for name, option in OPTIONS.items()}
    if values["role"] != "all" and values["database"] is None:
        raise ConfigError(f"{found['role'][0]}: {values['role']} needs a database in PostgreSQL to share")
    if values["role"] == "worker" and "port" not in found:
        # Nobody but its operator asks it anything, and there may be several on a machine.
        values["port"] = 0
    values["velocity"] = {name: values.pop(name) for name in velocity.HELP}
    values["data"] = values["data"] or _data_home(environment) / data_name
    return Config(**values)


def _value(option: Option, found: Found | None) -> Any:
    if found is None:
        return None if option.default is None else option.check(option.default)
    where, text = found
    try:
        return option.check(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _data_home(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_DATA_HOME", "")
    # The specification of XDG says that a relative path is to be ignored.
    return Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share"


def _variables(environment: Mapping[str, str]) -> dict[str, Found]:
    """Options from the environment. An empty variable is not set: composed environments have such."""
    found: dict[str, Found] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable.startswith(_FOR_TESTS):
            continue
        if variable in (CONFIG_VARIABLE, IMPORT_KEY, IMPORT_HASH):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in OPTIONS or variable != variable.upper():
            raise ConfigError(f"{variable} in the environment is no option{_meant(variable, _VARIABLES)}")
        if text:
            found[name] = (variable, text)
    return found


_VARIABLES = [CONFIG_VARIABLE, *(PREFIX + name.upper() for name in OPTIONS)]


def _file(path: Path) -> dict[str, Found]:
    """Options from a TOML file, as text."""
    try:
        # Numbers keep their spelling: money is never a float.
        document = tomllib.loads(path.read_text("utf-8"), parse_float=str)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    found: dict[str, Found] = {}
    for written, value in _flat(document):
        name = BY_SUBJECT.get(written, written)
        if name not in OPTIONS:
            raise ConfigError(f"{path}: {written} is no option{_meant(written, [*OPTIONS, *BY_SUBJECT])}")
        if name in found:
            raise ConfigError(f"{path}: {name} is given twice")
        found[name] = _text(f"{path}: {written}", value)
    return found


def _flat(table: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """The values of a table and of the tables in it, by their dotted names."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _text(where: str, value: object) -> Found:
    if isinstance(value, str):
        return where, value
    if isinstance(value, int) and not isinstance(value, bool):
        return where, str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return where, ",".join(value)
    raise ConfigError(f"{where}: must be a text, a number or a list of texts")


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
