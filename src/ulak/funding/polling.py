"""Looking after invoices at nodes that do not tell by themselves: each followed one is looked up in turn.

Hints of the node ("this one was just paid") pass at once. What is read is given on only when it differs from
what was read before, so that the one who watches looks again for something.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from ulak.core.funding import InvoiceNews, InvoiceState

EVERY = 1.5
"""Seconds between two look-ups of an invoice that can be paid."""

HELD_EVERY = 15.0
"""Seconds between two look-ups of one that is held: what happens to it next we do ourselves."""

GAP = 0.05
"""Seconds for each look-up, at least: never more than twenty a second. With more than thirty open invoices
each is looked up less often than `EVERY` says."""

AT_ONCE = 4
"""Look-ups under way at a time."""

LATE = 3 * 60 * 60 * 1000
"""For how long after its expiry an invoice may still be paid, ms. LDK adds two hours to what an invoice says,
for its clock is the last block's."""

ENDED = (InvoiceState.SETTLED, InvoiceState.CANCELLED, InvoiceState.UNKNOWN)
"""Where an invoice of which there is no more news stands."""

LookUp = Callable[[bytes], Awaitable[InvoiceNews]]


class Poller:
    """Follows invoices by looking them up. One watches at a time."""

    def __init__(self, look_up: LookUp, every: float = EVERY, gap: float = GAP) -> None:
        """`every` and `gap` as the constants."""
        self._look_up = look_up
        self._every = every
        self._gap = gap
        self._states: dict[bytes, InvoiceState] = {}  # of all that are followed: what was last told
        self._due: list[
            tuple[float, bytes]
        ] = []  # a heap of the same, by the loop's time of the next look-up
        self._hints: deque[bytes] = deque()
        self._news = asyncio.Event()

    def follow(self, payment_hash: bytes) -> None:
        """Look it up from now on, until it has ended."""
        if payment_hash not in self._states:
            self._states[payment_hash] = InvoiceState.OPEN
            heapq.heappush(self._due, (0.0, payment_hash))
            self._news.set()

    def hint(self, payment_hash: bytes) -> None:
        """The node says that there is news about an invoice. It is of interest only if it is followed."""
        if payment_hash in self._states and payment_hash not in self._hints:
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
            try:
                for payment_hash, news in zip(turn, await self._look_at(turn), strict=True):
                    if news.state is not self._states[payment_hash]:
                        yield payment_hash
                    self._states[payment_hash] = news.state
            finally:
                self._put_back(turn, loop.time())
            await self._rest(began + self._gap * len(turn) if turn else 0.0)

    def _turn(self, now: float) -> list[bytes]:
        """Those that are due, the longest overdue first."""
        turn: list[bytes] = []
        while self._due and self._due[0][0] <= now and len(turn) < AT_ONCE:
            turn.append(heapq.heappop(self._due)[1])
        return turn

    async def _look_at(self, turn: list[bytes]) -> list[InvoiceNews]:
        return await asyncio.gather(*map(self._look_up, turn))

    def _put_back(self, turn: list[bytes], now: float) -> None:
        """Those that have not ended are due again later."""
        for payment_hash in turn:
            state = self._states[payment_hash]
            if state in ENDED:
                del self._states[payment_hash]
            else:
                pause = HELD_EVERY if state is InvoiceState.HELD else self._every
                heapq.heappush(self._due, (now + pause, payment_hash))

    async def _rest(self, until: float) -> None:
        """Wait until a moment of the loop, and then until one is due or there is something new."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, until - loop.time()))
        wait = max(0.0, self._due[0][0] - loop.time()) if self._due else None
        try:
            await asyncio.wait_for(self._news.wait(), wait)
        except TimeoutError:
            return
