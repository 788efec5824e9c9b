"""Which invoices have news, at a node whose stream of all invoices does not tell of payments that are held.

The newest invoices, which are the likeliest to be paid now, have a stream each; the others are looked up in
turn, as are those that are held, since little happens to them that we do not do ourselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from ulak.core.funding import FundingDown, InvoiceNews, InvoiceState
from ulak.funding.polling import ENDED

STREAMS = 200
"""Invoices that have a stream of their own."""

LOOKS = 5.0
"""Look-ups a second for the others."""

FIRST_LINE = 10.0
"""Seconds within which a stream must tell how things stand; it does not for an invoice that is unknown."""

SILENCE = 60.0
"""Seconds after which a stream is opened anew, up to twice as many: a dead one looks like a quiet one."""

PAUSES = (1.0, 30.0)
"""Seconds before a stream that broke is opened again, the first time and at most."""


class Watcher:
    """Follows invoices. `run` is read by one reader at a time; `follow` may be called at any time."""

    def __init__(
        self,
        look_up: Callable[[bytes], Awaitable[InvoiceNews]],
        states: Callable[[bytes], AsyncGenerator[InvoiceState, None]],
        alive: Callable[[], Awaitable[object]],
        *,
        streams: int = STREAMS,
        looks: float = LOOKS,
        first_line: float = FIRST_LINE,
        silence: float = SILENCE,
        pauses: tuple[float, float] = PAUSES,
    ) -> None:
        """`states` are an invoice's states as they come, `alive` raises FundingDown when the node is lost."""
        self._look_up = look_up
        self._states = states
        self._alive = alive
        self._limit = streams
        self._looks = looks
        self._first_line = first_line
        self._silence = silence
        self._pauses = pauses
        self._streamed: dict[bytes, asyncio.Task[None] | None] = {}
        self._in_turn: dict[bytes, InvoiceState] = {}  # with what was last told
        self._news: dict[bytes, None] = {}
        self._told = asyncio.Event()
        self._more = asyncio.Event()

    def follow(self, payment_hash: bytes) -> None:
        """Watch an invoice until it has ended. The oldest that has a stream may lose it."""
        if payment_hash in self._streamed or payment_hash in self._in_turn:
            return
        self._streamed[payment_hash] = None
        if len(self._streamed) > self._limit:
            self._demote(next(iter(self._streamed)), InvoiceState.OPEN)
        self._more.set()

    async def run(self) -> AsyncGenerator[bytes, None]:
        """Hashes with news, for ever. What was not read is read by the next reader.

        Raises:
            FundingDown: the node is lost.
        """
        self._in_turn = dict.fromkeys(self._in_turn, InvoiceState.OPEN)
        work = asyncio.create_task(self._work())
        work.add_done_callback(lambda _: self._told.set())
        try:
            while True:
                while self._news:
                    payment_hash = next(iter(self._news))
                    del self._news[payment_hash]
                    yield payment_hash
                if work.done():
                    work.result()
                    return
                self._told.clear()
                await self._told.wait()
        finally:
            work.cancel()
            await asyncio.wait({work})

    def _tell(self, payment_hash: bytes) -> None:
        self._news[payment_hash] = None
        self._told.set()

    def _demote(self, payment_hash: bytes, state: InvoiceState) -> None:
        """Take an invoice's stream from it."""
        task = self._streamed.pop(payment_hash)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        self._in_turn[payment_hash] = state
        self._more.set()

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._take_turns())
                while True:
                    self._more.clear()
                    for payment_hash, task in self._streamed.items():
                        if task is None:
                            self._streamed[payment_hash] = group.create_task(self._keep_stream(payment_hash))
                    await self._more.wait()
        except* FundingDown as group:
            lost = group.exceptions[0]
        finally:
            self._streamed = dict.fromkeys(self._streamed)
        raise FundingDown(f"the Lightning node is lost: {lost}")

    async def _keep_stream(self, payment_hash: bytes) -> None:
        """Read an invoice's stream, and open it again whenever it ends, until it is not needed any more."""
        pause, most = self._pauses
        while payment_hash in self._streamed:
            quiet, told = await self._read_stream(payment_hash)
            if told or quiet:
                pause = self._pauses[0]
            if quiet:
                continue
            await self._alive()
            await asyncio.sleep(pause)
            pause = min(pause * 2, most)

    async def _read_stream(self, payment_hash: bytes) -> tuple[bool, bool]:
        """Whether the stream ended because it was quiet for long, and whether it told anything before."""
        told = False
        silence = self._silence * (1 + payment_hash[0] / 256)  # not all of them at once
        try:
            async with asyncio.timeout(self._first_line) as limit:
                async with aclosing(self._states(payment_hash)) as states:
                    async for state in states:
                        told = True
                        limit.reschedule(asyncio.get_running_loop().time() + silence)
                        if self._heard(payment_hash, state):
                            break
        except TimeoutError:
            if not told and (await self._look_up(payment_hash)).state is InvoiceState.UNKNOWN:
                self._heard(payment_hash, InvoiceState.UNKNOWN)
            return told, told
        except FundingDown:
            return False, told
        return False, told

    def _heard(self, payment_hash: bytes, state: InvoiceState) -> bool:
        """Take in what a stream said. True when the stream is not needed any more."""
        if state is InvoiceState.OPEN or payment_hash not in self._streamed:
            return payment_hash not in self._streamed
        if state in ENDED:
            del self._streamed[payment_hash]
        else:
            self._demote(payment_hash, state)
        self._tell(payment_hash)
        return True

    async def _take_turns(self) -> None:
        """Look up one of those without a stream after the other."""
        while True:
            await asyncio.sleep(1 / self._looks)
            payment_hash = next(iter(self._in_turn), None)
            if payment_hash is None:
                continue
            state = (await self._look_up(payment_hash)).state
            before = self._in_turn.pop(payment_hash)
            if state not in ENDED:
                self._in_turn[payment_hash] = state
            if state is not before:
                self._tell(payment_hash)
