"""The sweep at work: what time does by itself, a short transaction after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ulak.core.points import point
from ulak.service.clocks import set_right
from ulak.service.sweep import Hand, sweep_slice


class Books(Protocol):
    """What the sweep asks of the store."""

    async def write(self, change: Callable[[Any], Any]) -> Any:
        """Change within one transaction."""


class Sweeper:
    """Keeps the hand between passes, so that a table is walked when its walk is due and not every time."""

    def __init__(self, books: Books, receipt_wait: int) -> None:
        self._books = books
        self._receipt_wait = receipt_wait
        self._hand = Hand()

    async def sweep(self) -> None:
        """One pass. If it fails it is gone on with the next time."""
        await self._books.write(set_right)
        more = True
        while more:
            self._hand, more = await self._books.write(
                partial(sweep_slice, hand=self._hand, receipt_wait=self._receipt_wait)
            )
            point("sweep.committed")
