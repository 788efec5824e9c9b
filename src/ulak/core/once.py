"""Requests that carry a key of their own, so that they are carried out once however often they come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

KEPT = 24 * 60 * 60 * 1000
"""How long a key is remembered, ms."""

CLAIM = 60 * 1000
"""How long the process that began a request may take, ms; after that somebody else goes on with it."""

BOOKING = 5 * 60 * 1000
"""How long a process may take for a booking, ms: longer than any carrier does. What a process that is gone
was at is free at once; after this time so is what one that hangs is at."""


class ReplyState(IntEnum):
    """What became of a request with a key."""

    RUNNING = 2
    DONE = 3
    FAILED = 4
    """It may be sent again, and is then about the same object."""


@dataclass(frozen=True, slots=True)
class Once:
    """A request's key. `scope` is the operation; `digest` tells whether the content is the same."""

    scope: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of a key. `body` is the answer that was given, None if it has to be made again."""

    state: ReplyState
    digest: str
    until: int
    consignment_id: int | None
    body: bytes | None

    def is_claimed(self, now: int) -> bool:
        """Whether whoever began it has still time. Nobody has more than he can have asked for: the clock may
        have been set back."""
        return now < self.until <= now + CLAIM
