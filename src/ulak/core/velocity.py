"""Velocity limits: how many messages an account may send in a while, to whom.

They are against SMS pumping: somebody lets a form of yours send codes to numbers that he earns from, mostly
thousands that follow one another. A limit counts in steps; a step is over when all of it lies behind, so
that never more than the limit falls into any span of that length.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from ulak.core.dialling import dial_code

OFF = "off"

_SECOND, _MINUTE, _HOUR = 1_000, 60_000, 3_600_000


class Kind(IntEnum):
    """What is counted of an account. The numbers are stored."""

    MINUTE = 2
    HOUR = 3
    DAY = 4
    PREFIX = 5
    NUMBER = 6
    COUNTRY = 7


class Span(NamedTuple):
    """Over how long is counted, and in which steps, ms."""

    span: int
    step: int


SPANS = {
    Kind.MINUTE: Span(_MINUTE, _SECOND),
    Kind.HOUR: Span(_HOUR, _MINUTE),
    Kind.DAY: Span(24 * _HOUR, 15 * _MINUTE),
    Kind.PREFIX: Span(_HOUR, _MINUTE),
    Kind.NUMBER: Span(10 * _MINUTE, 10 * _SECOND),
    Kind.COUNTRY: Span(24 * _HOUR, 15 * _MINUTE),
}

HELP = {
    "velocity_minute": "messages an account may send in a minute",
    "velocity_hour": "messages in an hour",
    "velocity_day": "messages in a day",
    "velocity_prefix": "messages in an hour to numbers that begin alike",
    "velocity_prefix_digits": "how many digits that is, with the dial code: 3 to 10",
    "velocity_number": "messages to one number in ten minutes",
    "velocity_country_day": "messages in a day to numbers with one dial code",
    "velocity_countries": "dial codes that may be written to, comma separated",
}
"""The limits by name. Each is `off` unless it is set, for the server or for an account."""

DIGITS = 9
"""Digits by which numbers begin alike, unless something else is set: a thousand Turkish numbers."""

_COUNTS = {
    Kind.MINUTE: "velocity_minute",
    Kind.HOUR: "velocity_hour",
    Kind.DAY: "velocity_day",
    Kind.PREFIX: "velocity_prefix",
    Kind.NUMBER: "velocity_number",
    Kind.COUNTRY: "velocity_country_day",
}

_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_CODES = re.compile(r"[1-9][0-9]{0,6}(,[1-9][0-9]{0,6})*")


def check(name: str, text: str) -> str:
    """The canonical form of a limit.

    Raises:
        ValueError: it is none.
    """
    if text == OFF:
        return text
    if name == "velocity_countries":
        codes = ",".join(part.strip().lstrip("+") for part in text.split(",") if part.strip())
        if not _CODES.fullmatch(codes):
            raise ValueError("must be dial codes like 90,49, or off")
        return codes
    if name == "velocity_prefix_digits":
        if not (text.isascii() and text.isdigit() and 3 <= int(text) <= 10):
            raise ValueError("must be 3 to 10, or off")
        return str(int(text))
    if not _COUNT.fullmatch(text):
        raise ValueError("must be a whole number of messages, or off")
    return text


@dataclass(frozen=True, slots=True)
class Velocity:
    """The limits of an account that are on. `codes` None: every country."""

    most: Mapping[Kind, int]
    digits: int
    codes: tuple[str, ...] | None

    def allows(self, number: int) -> bool:
        """Whether there may be messages to a number's country."""
        return self.codes is None or str(number).startswith(self.codes)

    def subjects(self, numbers: Iterable[int]) -> dict[tuple[Kind, int], int]:
        """How many of the messages to these numbers each limit counts, by what it counts."""
        counted: Counter[tuple[Kind, int]] = Counter()
        written = [str(number) for number in numbers]
        for kind in self.most:
            if kind is Kind.PREFIX:
                counted.update((kind, int(digits[: self.digits])) for digits in written)
            elif kind is Kind.NUMBER:
                counted.update((kind, _pseudonym(digits)) for digits in written)
            elif kind is Kind.COUNTRY:
                counted.update((kind, dial_code(digits)) for digits in written)
            elif written:
                counted[kind, 0] = len(written)
        return counted


def _pseudonym(digits: str) -> int:
    """What stands for a number where it is counted, so that nobody's number is kept there."""
    return int.from_bytes(hashlib.blake2b(digits.encode(), digest_size=8).digest(), "big") >> 1


def step_end(kind: Kind, now: int) -> int:
    """When a message that is sent now does not count any more, ms."""
    span, step = SPANS[kind]
    return (now // step + 1) * step + span


class Velocities:
    """The limits of all accounts: what is set for the server, unless an account has its own."""

    def __init__(self, default: Mapping[str, str] | None = None) -> None:
        """`default`: texts by the names of `HELP`; what is missing is off."""
        self._default = {name: text for name, text in (default or {}).items() if text != OFF}
        self._of = lru_cache(maxsize=1_000)(self._made)

    def of(self, settings: Mapping[str, str]) -> Velocity | None:
        """The limits of an account with these settings, None where there are none."""
        if not self._default and not (settings and HELP.keys() & settings.keys()):
            return None
        return self._of(tuple(settings.get(name, "") for name in HELP))

    def _made(self, own: tuple[str, ...]) -> Velocity | None:
        texts = self._default | {name: text for name, text in zip(HELP, own, strict=True) if text}
        known = {name: text for name, text in texts.items() if text != OFF}
        most = {kind: int(known[name]) for kind, name in _COUNTS.items() if name in known}
        codes = known.get("velocity_countries")
        if not most and codes is None:
            return None
        digits = int(known.get("velocity_prefix_digits", DIGITS))
        return Velocity(most, digits, None if codes is None else tuple(codes.split(",")))
