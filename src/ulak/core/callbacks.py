"""Callbacks: what is told, how it is signed, when it is tried again, and when no more.

The schedule and the signature are those of Standard Webhooks 1.0 (standardwebhooks.com).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import NamedTuple

from ulak.core.events import EventKind

_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE

WAITS = (
    5 * _SECOND,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""How long to wait after each attempt that failed, ms; the first is made at once. 75 h 35 min 5 s in all."""

ATTEMPTS = len(WAITS) + 1
"""A callback is given up after so many."""

JITTER = 0.2
"""The share by which a wait is longer or shorter, so that what failed together does not come together."""

RETRY_AFTER_MAX = 24 * _HOUR
"""The longest wait that an endpoint can ask for, ms."""

PATIENCE = 120 * _HOUR
"""An endpoint is disabled after so long without a success, ms."""

KEPT = 30 * 24 * _HOUR
"""How long a callback can be sent again, ms."""

NOTE_MAX = 200
"""Characters of a note on an attempt."""

SECRET_PREFIX = "whsec_"
GONE = 410
_BUSY = (429, 503)
_SECONDS = re.compile(r"[0-9]{1,12}")


class CallbackState(IntEnum):
    """Where a callback stands. Of those about one subject, one at a time is due or being tried."""

    DUE = 2
    TRYING = 3
    BEHIND = 4
    """It waits until an earlier one about the same subject has ended."""
    ARRIVED = 5
    GIVEN_UP = 6


class EventRow(NamedTuple):
    """An event as it was written; `at` is when it happened (ms), `data` a JSON object."""

    id: int
    account_id: int
    kind: EventKind
    subject: int
    data: bytes
    at: int


@dataclass(frozen=True, slots=True)
class RenderedCallback:
    """The request that tells of an event, but for its signature."""

    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Renderer:
    """How a dialect tells of events, and of which families.

    `sign` makes headers of the dialect's own from the moment (ms), the body and the key, beside those of
    Standard Webhooks.
    """

    families: frozenset[str]
    render: Callable[[EventRow], RenderedCallback]
    sign: Callable[[int, bytes, bytes], dict[str, str]] | None = None


class Endpoint(NamedTuple):
    """Where an account is told of events, in the words of `dialect`. `secret` is sealed; empty: there is
    none, and what is told is not signed.

    `failing`: since when nothing got through; `disabled`: since when it is not tried any more (ms).
    """

    id: int
    account_id: int
    dialect: str
    families: frozenset[str]
    url: str
    secret: str
    failing: int | None
    disabled: int | None


class Callback(NamedTuple):
    """A callback that is claimed: its event is to be told to its endpoint."""

    id: int
    endpoint: Endpoint
    event: EventRow


class Outcome(NamedTuple):
    """What came of trying a callback. `status` is that of the answer, 0 without one; `note` says why.

    `at` is when it was tried (ms), `took` how long (ms), `retry_after` the header of that name.
    """

    callback_id: int
    at: int
    status: int
    took: int
    note: str = ""
    retry_after: str | None = None

    @property
    def arrived(self) -> bool:
        """Whether the endpoint took it. A redirect is no success: it is not followed."""
        return 200 <= self.status < 300


def next_wait(tries: int, outcome: Outcome, now: int, luck: float) -> int | None:
    """How long to wait after the attempt that was number `tries` failed, ms; None: it is given up.

    `luck` from 0 to 1 is the jitter. What a busy endpoint asks for can make the wait longer, never shorter.
    """
    if tries >= ATTEMPTS:
        return None
    wait = round(WAITS[max(tries, 1) - 1] * (1 - JITTER + 2 * JITTER * luck))
    asked = retry_after(outcome.retry_after, now) if outcome.status in _BUSY else 0
    return max(wait, asked)


def retry_after(text: str | None, now: int) -> int:
    """The wait that a Retry-After header asks for, ms: a number of seconds or a date; 0 if it is neither."""
    if text is None:
        return 0
    if _SECONDS.fullmatch(text.strip()):
        return min(int(text.strip()) * _SECOND, RETRY_AFTER_MAX)
    try:
        until = parsedate_to_datetime(text)
        moment = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0, min(int(moment.timestamp() * _SECOND) - now, RETRY_AFTER_MAX))
    except (ValueError, TypeError, OverflowError):
        return 0


def write_secret(key: bytes) -> str:
    """A signing key as its owner gets it."""
    return SECRET_PREFIX + b64encode(key).decode()


def read_secret(secret: str) -> bytes:
    """The signing key in a secret. Raises ValueError where there is none."""
    return b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def signed(callback_id: int, seconds: int, body: bytes, key: bytes) -> dict[str, str]:
    """The headers that tell who sent a body, and when (seconds); the id stays the same over all attempts."""
    name = f"msg_{callback_id}"
    digest = hmac.digest(key, b"%s.%d.%s" % (name.encode(), seconds, body), hashlib.sha256)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(seconds),
        "webhook-signature": "v1," + b64encode(digest).decode(),
    }
