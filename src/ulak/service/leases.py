"""The leases of this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ulak.store import leases as store


class Books(Protocol):
    """What is asked of the store."""

    async def read(self, question: Callable[[Any], Any]) -> Any:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Any]) -> Any:
        """Change within one transaction."""


class Leases:
    """Takes leases for this process, and lets go of them."""

    def __init__(self, books: Books, process: Callable[[], int]) -> None:
        """`process` is our id, which may change."""
        self._books = books
        self._process = process

    @property
    def process(self) -> int:
        """Our id."""
        return self._process()

    async def acquire(self, lease: int) -> int | None:
        """Take a lease that nobody has who is still there: its new fence, or None."""
        fence: int | None = await self._books.write(
            partial(store.acquire, lease=lease, holder=self._process())
        )
        return fence

    async def is_free(self, lease: int) -> bool:
        """Whether nobody has it who is still there."""
        free: bool = await self._books.read(partial(store.is_free, lease=lease))
        return free

    async def is_ours(self, lease: int, fence: int) -> bool:
        """Whether we still have it."""
        ours: bool = await self._books.read(
            partial(store.is_ours, lease=lease, fence=fence, holder=self._process())
        )
        return ours

    async def release(self, lease: int, fence: int) -> None:
        """Let go of a lease, if it is still ours."""
        await self._books.write(partial(store.release, lease=lease, fence=fence))

    async def tell(self, lease: int, fence: int, up: bool, why: str) -> None:
        """Write down how our link stands."""
        await self._books.write(partial(store.tell, lease=lease, fence=fence, up=up, why=why))
