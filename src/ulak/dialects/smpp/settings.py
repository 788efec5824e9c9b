"""What a link to an operator can be told, and how the words of `ulak carrier add --set` are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ulak.dialects.smpp import wire

TRANSCEIVER = "transceiver"
PAIR = "transmitter+receiver"

UDH8 = "udh8"
UDH16 = "udh16"
MESSAGE_PAYLOAD = "message_payload"

# Keys of a carrier that are the engine's own: who may use the link and how its references are compared.
ENGINE_KEYS = frozenset({"id_form", "on_uncertain", "prefix", "priority"})


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """One link. Times are seconds, `window` and `rate` count parts; rate 0 is no limit of ours.

    `payload` says how a text of several parts travels: in parts with an 8-bit or 16-bit reference, or whole
    in the parameter message_payload. `source_ton` and `source_npi` are chosen by the sender's look when None.
    """

    host: str
    system_id: str
    port: int = 2775
    password: str = field(default="", repr=False)
    bind: str = TRANSCEIVER
    system_type: str = ""
    window: int = 10
    rate: float = 0.0
    tls: bool = False
    tls_ca: str = ""
    response_timeout: float = 60.0
    enquire_link: float = 30.0
    payload: str = UDH8
    source_ton: int | None = None
    source_npi: int | None = None


def _text(limit: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not value.isascii() or not value.isprintable() or len(value) > limit:
            raise ValueError(f"must be at most {limit} plain characters")
        return value

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return read


def _amount(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            amount = float(value)
        except ValueError:
            amount = -1.0
        if not low <= amount <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return amount

    return read


def _host(value: str) -> str:
    if not value or any(character.isspace() for character in value):
        raise ValueError("must be a host name or an address")
    return value


def _switch(value: str) -> bool:
    return _one_of("on", "off")(value) == "on"


def _file(value: str) -> str:
    if value and not Path(value).is_file():
        raise ValueError(f"names a file that is not there: {value}")
    return value


READERS: dict[str, Callable[[str], Any]] = {
    "host": _host,
    "port": _whole(1, 65535),
    "system_id": _text(15),
    "password": _text(wire.PASSWORD_MAX),
    "bind": _one_of(TRANSCEIVER, PAIR),
    "system_type": _text(12),
    "window": _whole(1, 10_000),
    "rate": _amount(0, 1_000_000),
    "tls": _switch,
    "tls_ca": _file,
    "response_timeout": _amount(0.01, 3600),
    "enquire_link": _amount(0.01, 3600),
    "payload": _one_of(UDH8, UDH16, MESSAGE_PAYLOAD),
    "source_ton": _whole(0, 7),
    "source_npi": _whole(0, 31),
}


def parse_settings(words: Mapping[str, str]) -> LinkSettings:
    """The settings that `words` spell, defaults for the rest; the engine's own keys are let pass.

    Raises ValueError with a sentence for people: an unknown key, a missing one, or a value that cannot be.
    """
    read: dict[str, Any] = {}
    for key, value in words.items():
        if key in ENGINE_KEYS:
            continue
        if key not in READERS:
            known = ", ".join(sorted(READERS.keys() | ENGINE_KEYS))
            raise ValueError(f"an SMPP link has no setting {key!r}; it has {known}")
        try:
            read[key] = READERS[key](value)
        except ValueError as error:
            # The value of a password is nobody's business, not even in an error.
            shown = "" if key == "password" else f", not {value!r}"
            raise ValueError(f"{key} {error}{shown}") from None
    for key in ("host", "system_id"):
        if not read.get(key):
            raise ValueError(f"an SMPP link needs the setting {key}")
    if read.get("tls_ca") and not read.get("tls"):
        raise ValueError("tls_ca says which certificates to trust, but tls is off")
    return LinkSettings(**read)
