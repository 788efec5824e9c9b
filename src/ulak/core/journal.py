"""The keys under which carriers were asked for what must not be done twice.

A carrier that does not know keys itself writes down that it asks before it asks, and what was answered after
that. Whoever goes on with it, maybe in another process, so knows whether it was asked.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol


class KeyState(IntEnum):
    """What is known of a key."""

    ASKED = 1
    """No answer was written down: it may be done."""
    ANSWERED = 2
    KEPT = 3
    """What was answered is with its subject, and not in the journal any more."""


class Known(NamedTuple):
    """A key that somebody has begun before. One that is ANSWERED has the `answer`, as it was written."""

    state: KeyState
    answer: bytes | None = None


class Journal(Protocol):
    """The keys of one carrier.

    Every process that may ask the carrier sees the same. All calls raise StoreUnavailable where it cannot be
    read or written.
    """

    async def begin(self, key: str) -> Known | None:
        """Write down that this key is being asked. None: the caller may ask, and nobody else may."""

    async def finish(self, key: str, answer: bytes) -> None:
        """Write down what the carrier answered."""

    async def forget(self, key: str) -> None:
        """Nothing was done under this key; it may be begun again."""
