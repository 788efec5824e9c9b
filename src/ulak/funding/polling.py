"""Looking after invoices at nodes that do not tell by themselves: each followed one is looked up in turn.

Hints of the node ("this one was just paid") pass at once. What is read is given on only when it differs from
what was read before, so that the one who watches looks again for something.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from ulak.core.funding import InvoiceNews, InvoiceState

EVERY = 1.5
"""Seconds between two look-ups of an invoice that can be paid."""

HELD_EVERY = 15.0
"""Seconds between two look-ups of one that is held: what happens to it next we do ourselves."""

GAP = 0.1
"""Seconds for each look-up, at least: never more than ten a second."""

AT_ONCE = 4
"""Look-ups under way at a time."""

LATE = 3 * 60 * 60 * 1000
"""For how long after its expiry an invoice may still be paid, ms. LDK adds two hours to what an invoice says,
for its clock is the last block's."""

ENDED = (InvoiceState.SETTLED, InvoiceState.CANCELLED, InvoiceState.UNKNOWN)

LookUp = Callable[[bytes], Awaitable[InvoiceNews]]


@dataclass(slots=True)
class _Followed:
    """When an invoice is to be looked up next (time of the loop), and what it was last."""

    due: float
    state: InvoiceState = InvoiceState.OPEN


class Poller:
    """Follows invoices by looking them up. One watches at a time."""

    def __init__(self, look_up: LookUp, every: float = EVERY, gap: float = GAP) -> None:
        """`every` and `gap` as the constants."""
        self._look_up = look_up
        self._every = every
        self._gap = gap
        self._followed: dict[bytes, _Followed] = {}
        self._hints: deque[bytes] = deque()
        self._news = asyncio.Event()

    def follow(self, payment_hash: bytes) -> None:
        """Look it up from now on, until it has ended."""
        if payment_hash not in self._followed:
            self._followed[payment_hash] = _Followed(0.0)
            self._news.set()

    def hint(self, payment_hash: bytes) -> None:
        """The node says that there is news about an invoice. It is of interest only if it is followed."""
        if payment_hash in self._followed and payment_hash not in self._hints:
            self._hints.append(payment_hash)
            self._news.set()

    async def watch(self) -> AsyncIterator[bytes]:
        """Hashes of invoices about which there is news, until a look-up raises."""
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            while self._hints:
                yield self._hints.popleft()
            began = loop.time()
            turn = self._turn(began)
            found = await asyncio.gather(*map(self._look_up, turn))
            for payment_hash, news in zip(turn, found, strict=True):
                if self._differs(payment_hash, news.state):
                    yield payment_hash
                self._note(payment_hash, news.state, loop.time())
            await self._pause(began + self._gap * len(turn) - loop.time(), bool(turn))

    def _turn(self, now: float) -> list[bytes]:
        """Those that are due, the longest overdue first."""
        due = [(one.due, payment_hash) for payment_hash, one in self._followed.items() if one.due <= now]
        return [payment_hash for _, payment_hash in sorted(due)[:AT_ONCE]]

    def _differs(self, payment_hash: bytes, state: InvoiceState) -> bool:
        one = self._followed.get(payment_hash)
        return one is not None and one.state != state

    def _note(self, payment_hash: bytes, state: InvoiceState, now: float) -> None:
        one = self._followed.get(payment_hash)
        if one is None:
            return
        if state in ENDED:
            del self._followed[payment_hash]
            return
        one.state = state
        one.due = now + (HELD_EVERY if state is InvoiceState.HELD else self._every)

    async def _pause(self, rest: float, worked: bool) -> None:
        """Wait for the next turn: the gaps of this one, or until one is due or there is a hint."""
        if worked and rest > 0:
            await asyncio.sleep(rest)
        loop = asyncio.get_running_loop()
        first = min((one.due for one in self._followed.values()), default=None)
        wait = None if first is None else first - loop.time()
        if wait is not None and wait <= 0:
            return
        try:
            await asyncio.wait_for(self._news.wait(), wait)
        except TimeoutError:
            return
