"""What the way to an sms4sats account can be told: the words of `ulak carrier add --kind sms4sats --set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ulak.core.carrier_words import SECONDS, address, apikey_of, known_only, number
from ulak.core.carriers import TERMS

URL = "https://api2.sms4sats.com"
"""The public server; what is used where no address is told."""

NUMBERS, SMS = "numbers", "sms"

WINDOW = 10
"""Messages that are being handed over at a time."""

RATE = 10.0
"""Requests a second. The public server documents no limit; an Ulak takes 20 from one address."""

TIMEOUT = 20.0
"""Seconds for an answer."""

COMMON = ("url", "apikey", "carries", "rate", "timeout", "order_prefix")
OWN = {NUMBERS: (*COMMON, "max_price"), SMS: (*COMMON, "window")}
"""The settings of each use of an account."""

_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Upstream:
    """An account. `url` has no slash at its end; `rate` is requests a second, 0 for no limit of ours;
    `timeout` is in seconds, `max_price` in sats, 0 for any price.

    With an `order_prefix` the operator says that the server sells once for an Idempotency-Key, and what this
    Ulak's keys begin with. Without it a purchase whose answer never came is not repeated.
    """

    url: str
    apikey: str = field(repr=False)
    carries: str = NUMBERS
    rate: float = RATE
    timeout: float = TIMEOUT
    order_prefix: str = ""
    max_price: int = 0
    window: int = WINDOW


def check_settings(words: Mapping[str, str]) -> Upstream:
    """The account that `words` spell; the engine's own keys are let pass.

    Raises:
        ValueError: an unknown key, a missing one, or a value that cannot be. A sentence for people, in which
            no secret stands.
    """
    carries = words.get("carries", NUMBERS)
    if carries not in OWN:
        raise ValueError(f"carries must be numbers or sms, not {carries!r}")
    known_only(words, (*OWN[carries], *TERMS), f"an sms4sats account for {carries}")
    key = apikey_of(words, "an sms4sats account")
    return Upstream(
        address(words.get("url", URL), URL),
        key,
        carries,
        number("rate", words.get("rate", str(RATE)), 0, 10_000),
        number("timeout", words.get("timeout", str(TIMEOUT)), 0.1, 600, SECONDS),
        _prefix(words.get("order_prefix", "")),
        _whole(words, "max_price", 0, 10**12),
        max(1, _whole(words, "window", WINDOW, 10_000)),
    )


def _prefix(value: str) -> str:
    if value and not _PREFIX.fullmatch(value):
        raise ValueError(f"order_prefix must be at most 64 letters, digits and ._- only, not {value!r}")
    return value


def _whole(words: Mapping[str, str], key: str, default: int, high: int) -> int:
    value = words.get(key, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 14 and int(value) <= high):
        raise ValueError(f"{key} must be a whole number up to {high}, not {value!r}")
    return int(value)
