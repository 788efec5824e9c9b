"""Which invoices are watched how, with a node that is made of events."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ulak.core.funding import FundingDown, InvoiceNews, InvoiceState
from ulak.funding.lnd_watch import Watcher

OPEN, HELD, SETTLED = InvoiceState.OPEN, InvoiceState.HELD, InvoiceState.SETTLED
CANCELLED, UNKNOWN = InvoiceState.CANCELLED, InvoiceState.UNKNOWN
A, B, C, D = (bytes([letter]) * 32 for letter in b"ABCD")


class FakeNode:
    """Invoices by their hashes; counts what it is asked."""

    def __init__(self) -> None:
        self.states: dict[bytes, InvoiceState] = {}
        self.up = True
        self.breaks = False
        self.streams: Counter[bytes] = Counter()
        self.looks: Counter[bytes] = Counter()
        self.opened: Counter[bytes] = Counter()
        self._changed = asyncio.Condition()

    async def set(self, payment_hash: bytes, state: InvoiceState) -> None:
        async with self._changed:
            self.states[payment_hash] = state
            self._changed.notify_all()

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        await self.alive()
        self.looks[payment_hash] += 1
        return InvoiceNews(self.states.get(payment_hash, UNKNOWN))

    async def alive(self) -> None:
        if not self.up:
            raise FundingDown("away")

    async def stream(self, payment_hash: bytes) -> AsyncGenerator[InvoiceState, None]:
        await self.alive()
        self.opened[payment_hash] += 1
        self.streams[payment_hash] += 1
        before = None
        try:
            while not self.breaks:
                state = self.states.get(payment_hash)
                if state is not None and state is not before:
                    before = state
                    yield state
                async with self._changed:
                    await self._changed.wait_for(lambda: self.states.get(payment_hash) is not before)  # noqa: B023
        finally:
            self.streams[payment_hash] -= 1

    def watcher(self, **options: Any) -> Watcher:
        fast: dict[str, Any] = {"looks": 200.0, "first_line": 0.05, "silence": 30.0, "pauses": (0.05, 0.2)}
        return Watcher(self.look_up, self.stream, self.alive, **fast | options)


@asynccontextmanager
async def reading(watcher: Watcher) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """The news, within ten seconds."""
    news = watcher.run()
    try:
        async with asyncio.timeout(10):
            yield news
    finally:
        await news.aclose()


async def until(node: FakeNode, *streamed: bytes) -> None:
    """Wait until exactly these have a stream."""
    async with asyncio.timeout(10):
        while +node.streams != Counter(streamed):
            await asyncio.sleep(0.005)


async def test_the_newest_have_streams_and_the_others_take_turns() -> None:
    node = FakeNode()
    watcher = node.watcher(streams=2)
    for payment_hash in (A, B, C, D):
        await node.set(payment_hash, OPEN)
        watcher.follow(payment_hash)
    async with reading(watcher) as news:
        await node.set(A, HELD)
        assert await anext(news) == A
        await until(node, C, D)
        await node.set(D, HELD)
        assert await anext(news) == D
        await until(node, C)
        await node.set(D, SETTLED)
        assert await anext(news) == D
        await node.set(B, CANCELLED)
        assert await anext(news) == B
        assert node.opened[A] == node.opened[B] == 0
    await until(node)


async def test_one_more_takes_the_stream_of_the_oldest() -> None:
    node = FakeNode()
    watcher = node.watcher(streams=2)
    for payment_hash in (A, B, C):
        await node.set(payment_hash, OPEN)
    watcher.follow(A)
    watcher.follow(B)
    async with reading(watcher) as news:
        waiting = asyncio.ensure_future(anext(news))
        await until(node, A, B)
        watcher.follow(A)
        watcher.follow(C)
        await until(node, B, C)
        await node.set(A, SETTLED)
        assert await waiting == A


async def test_what_ended_is_let_go() -> None:
    node = FakeNode()
    watcher = node.watcher()
    await node.set(A, SETTLED)
    await node.set(B, CANCELLED)
    for payment_hash in (A, B, C):
        watcher.follow(payment_hash)
    async with reading(watcher) as news:
        assert {await anext(news) for _ in range(3)} == {A, B, C}, "C is unknown"
        await until(node)
    looks = node.looks.copy()
    async with reading(watcher) as news:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(news), 0.1)
    assert node.looks == looks
    watcher.follow(A)
    async with reading(watcher) as news:
        assert await anext(news) == A


async def test_a_stream_that_breaks_is_opened_again_with_pauses() -> None:
    node = FakeNode()
    node.breaks = True
    await node.set(A, OPEN)
    watcher = node.watcher()
    watcher.follow(A)
    async with reading(watcher) as news:
        waiting = asyncio.ensure_future(anext(news))
        while node.opened[A] < 3:
            await asyncio.sleep(0.01)
        assert not waiting.done()
        node.breaks = False
        await until(node, A)
        assert node.opened[A] <= 5
        await node.set(A, HELD)
        assert await waiting == A


async def test_a_quiet_stream_is_opened_again() -> None:
    node = FakeNode()
    await node.set(A, OPEN)
    watcher = node.watcher(silence=0.02)
    watcher.follow(A)
    async with reading(watcher) as news:
        waiting = asyncio.ensure_future(anext(news))
        while node.opened[A] < 3:
            await asyncio.sleep(0.01)
        await node.set(A, HELD)
        assert await waiting == A


async def test_a_lost_node_ends_the_watch_and_nothing_is_forgotten() -> None:
    node = FakeNode()
    watcher = node.watcher(streams=1)
    for payment_hash in (A, B):
        await node.set(payment_hash, OPEN)
        watcher.follow(payment_hash)
    node.up = False
    async with reading(watcher) as news:
        with pytest.raises(FundingDown, match="lost: away"):
            await anext(news)
    node.up = True
    async with reading(watcher) as news:
        await node.set(A, HELD)
        await node.set(B, HELD)
        assert {await anext(news), await anext(news)} == {A, B}
    async with reading(watcher) as news:
        assert {await anext(news), await anext(news)} == {A, B}, "a new reader is told of what is held"


async def test_news_that_were_not_read_are_kept() -> None:
    node = FakeNode()
    watcher = node.watcher()
    for payment_hash in (A, B):
        await node.set(payment_hash, SETTLED)
        watcher.follow(payment_hash)
    async with reading(watcher) as news:
        first = await anext(news)
        await until(node)
    async with reading(watcher) as news:
        assert {first, await anext(news)} == {A, B}
