"""What an account at a supplier can be told: the words of `ulak carrier add --kind sms_activate --set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ulak.core.carrier_words import SECONDS, address, apikey_of, known_only, needed, number
from ulak.core.carriers import TERMS

HANDLER = "/stubs/handler_api.php"
"""Where suppliers have the protocol, if an address names no path."""

TIMEOUT = 15.0
"""Seconds for an answer."""

EVERY = 3.0
"""Seconds between looks at the numbers in use. Suppliers limit requests; codes take half a minute."""

KEYS = ("url", "apikey", "operator", "ref", "max_price", "order_prefix", "handsets", "every", "timeout")

_WHO = "a supplier of numbers"
_LIMITS = (0.1, 60)
_WORD = re.compile(r"[A-Za-z0-9_.,-]{1,100}")
_PRICE = re.compile(r"[0-9]{1,7}(\.[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class Supplier:
    """An account at a supplier. `every` and `timeout` are seconds; `max_price` is in the account's currency.

    With an `order_prefix` every purchase carries an id, so that a supplier that knows those sells once for
    it. `handsets`: the operator knows that all numbers of this account are in handsets.
    """

    url: str
    apikey: str = field(repr=False)
    operator: str = ""
    ref: str = ""
    max_price: str = ""
    order_prefix: str = ""
    handsets: bool = False
    every: float = EVERY
    timeout: float = TIMEOUT


def check_settings(words: Mapping[str, str]) -> Supplier:
    """The account that `words` spell; the engine's own keys are let pass.

    Raises:
        ValueError: an unknown key, a missing one, or a value that cannot be. A sentence for people, in which
            no secret stands.
    """
    known_only(words, (*KEYS, *TERMS), _WHO)
    needed(words, ("url",), _WHO)
    key = apikey_of(words, _WHO)
    return Supplier(
        _url(words["url"]),
        key,
        operator=_word(words, "operator"),
        ref=_word(words, "ref"),
        max_price=_price(words.get("max_price", "")),
        order_prefix=_word(words, "order_prefix"),
        handsets=_yes(words, "handsets"),
        every=number("every", words.get("every", str(EVERY)), *_LIMITS, SECONDS),
        timeout=number("timeout", words.get("timeout", str(TIMEOUT)), *_LIMITS, SECONDS),
    )


def _url(value: str) -> str:
    found = address(value, f"https://numbers.example{HANDLER}")
    return found if urlsplit(found).path else found + HANDLER


def _word(words: Mapping[str, str], key: str) -> str:
    value = words.get(key, "")
    if value and not _WORD.fullmatch(value):
        raise ValueError(f"{key} must be letters, digits and .,_- only, not {value!r}")
    return value


def _price(value: str) -> str:
    if value and not _PRICE.fullmatch(value):
        raise ValueError(f"max_price must be an amount like 12.50, not {value!r}")
    return value


def _yes(words: Mapping[str, str], key: str) -> bool:
    value = words.get(key, "no")
    if value not in ("yes", "no"):
        raise ValueError(f"{key} must be yes or no, not {value!r}")
    return value == "yes"
