"""What a carrier of kind `karrio` can be told, and how the words of `ulak carrier add --set` are read.

Settings that are not ours are those of the carrier's connector, under the names that Karrio gives them:
`client_id`, `account_number`, or `config.label_type` for what belongs into its `config`.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from urllib.parse import urlsplit

from ulak.core.carriers import TERMS, is_secret

LABELS = ("PDF", "ZPL", "PNG")
INCOTERMS = ("", "CIP", "CPT", "DAP", "DDP", "DDU", "EXW", "FCA", "FOB")

_CARRIER = re.compile(r"[a-z][a-z0-9_]{1,40}")
_OPTION = re.compile(r"(config\.)?[a-z][a-z0-9_]{0,60}")
_RATE = re.compile(r"rate_([a-z]{3})")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_SECONDS = re.compile(r"[1-9][0-9]{0,2}")
_DIVISOR = re.compile(r"[1-9][0-9]{2,4}")


@dataclass(frozen=True, slots=True)
class KarrioSettings:
    """One account with one carrier. `timeout` is the seconds that one request to the carrier may take.

    `service` is the service that is used when a shipment names none; without both the cheapest is.
    `incoterm` goes onto customs papers; the recipient pays duties unless it is DDP. `rates` are the TRY for
    one unit of each other currency that prices may come in. `url` is a stand-in for the carrier's own
    address. `options` go to Karrio as they are.
    """

    carrier: str
    python: str = sys.executable
    service: str = ""
    label: str = "PDF"
    incoterm: str = ""
    timeout: int = 20
    url: str = ""
    desi_divisor: int = 5000
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not be seen in a log."""
        options = dict(self.options)
        config = options.pop("config", {})
        values = {**options, **(config if isinstance(config, dict) else {})}
        return tuple(str(value) for key, value in values.items() if is_secret(key) and value)


def parse_settings(words: Mapping[str, str]) -> KarrioSettings:
    """The settings that `words` spell, defaults for the rest; the engine's own keys are let pass.

    Whether the connector knows an option is told by `probe`, because only the library can.

    Raises:
        ValueError: a missing or impossible setting; the text is a sentence for people.
    """
    known = {key: value for key, value in words.items() if key not in TERMS}
    read = KarrioSettings(
        carrier=_matching(_CARRIER, known.pop("carrier", ""), "carrier", "Karrio's name of one, such as ups"),
        python=_program(known.pop("python", sys.executable)),
        service=known.pop("service", ""),
        label=_one_of("label", known.pop("label", "PDF").upper(), LABELS),
        incoterm=_one_of("incoterm", known.pop("incoterm", "").upper(), INCOTERMS),
        timeout=int(_matching(_SECONDS, known.pop("timeout", "20"), "timeout", "seconds, 1 to 999")),
        url=_base(known.pop("url", "")),
        desi_divisor=int(
            _matching(_DIVISOR, known.pop("desi_divisor", "5000"), "desi_divisor", "cm³, 100 to 99999")
        ),
        rates=_rates(known),
    )
    options = {key: value for key, value in known.items() if not _RATE.fullmatch(key)}
    return replace(read, options=_options(options))


def _options(words: Mapping[str, str]) -> dict[str, object]:
    options: dict[str, object] = {}
    config: dict[str, object] = {}
    for key, value in words.items():
        if not _OPTION.fullmatch(key):
            raise ValueError(f"{key[:40]!r} is no name of a setting")
        if key == "test_mode":
            options[key] = _one_of(key, value, ("on", "off")) == "on"
        elif key.startswith("config."):
            config[key.removeprefix("config.")] = {"on": True, "off": False}.get(value, value)
        else:
            options[key] = value
    if config:
        options["config"] = config
    return options


def _rates(words: Mapping[str, str]) -> dict[str, Decimal]:
    rates: dict[str, Decimal] = {}
    for key, value in words.items():
        found = _RATE.fullmatch(key)
        if found:
            if not _AMOUNT.fullmatch(value) or not Decimal(value):
                raise ValueError(
                    f"{key} must be the TRY for one {found[1].upper()}, such as 41.25, not {value!r}"
                )
            rates[found[1].upper()] = Decimal(value)
    return rates


def _matching(pattern: re.Pattern[str], value: str, key: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{key} must be {what}, not {value!r}")
    return value


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{key} must be one of {', '.join(filter(None, choices))}, not {value!r}")
    return value


def _program(value: str) -> str:
    if not shutil.which(value):
        raise ValueError(f"python must be the path of a Python interpreter; {value!r} is none")
    return value


def _base(value: str) -> str:
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.path.strip("/") or parts.query or parts.username is not None:
        raise ValueError(f"url must be like http://127.0.0.1:8080, without a path, not {value!r}")
    return value.rstrip("/")
