"""Announcing the messages of large orders, a stretch at a time (`service.announcing`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ulak.core.points import point
from ulak.service import announcing


class Books(Protocol):
    """What this worker asks of the store."""

    async def read(self, question: Callable[[Any], Any]) -> Any:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Any]) -> Any:
        """Change within one transaction."""


class Announcer:
    """Queues callbacks about messages that were accepted."""

    def __init__(self, books: Books, wake: Callable[[], None]) -> None:
        """`wake`: there are callbacks to be told."""
        self._books = books
        self._wake = wake

    async def announce(self) -> None:
        """Until nothing is left to announce."""
        while await self._books.read(announcing.any_left) and await self._books.write(announcing.go_on):
            point("announce.committed")
            self._wake()
