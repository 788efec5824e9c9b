"""Following invoices by looking them up: each in turn, few at a time, nothing forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from ulak.core.funding import FundingDown, InvoiceNews, InvoiceState
from ulak.funding.polling import AT_ONCE, Poller

HASHES = [bytes([number]) * 32 for number in range(20)]


class Node:
    """A node whose invoices are what a test says; OPEN by default. `down`: it cannot be asked."""

    def __init__(self) -> None:
        self.states: dict[bytes, InvoiceState] = {}
        self.asked: Counter[bytes] = Counter()
        self.down = False
        self.under_way = self.most = 0

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.down:
            raise FundingDown("gone")
        self.asked[payment_hash] += 1
        return InvoiceNews(self.states.get(payment_hash, InvoiceState.OPEN))


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def poller(node: Node) -> Poller:
    return Poller(node.look_up, every=0.01, gap=0.0)


async def of(watched: AsyncIterator[bytes], count: int) -> list[bytes]:
    async with asyncio.timeout(10):
        return [await anext(watched) for _ in range(count)]


async def test_everyone_has_a_turn_and_few_at_a_time(node: Node, poller: Poller) -> None:
    for payment_hash in HASHES:
        poller.follow(payment_hash)
        poller.follow(payment_hash)
    watching = asyncio.ensure_future(of(poller.watch(), 1))
    while len(node.asked) < len(HASHES) or min(node.asked.values()) < 3:
        await asyncio.sleep(0)
    assert node.most == AT_ONCE
    node.states[HASHES[7]] = InvoiceState.SETTLED
    assert await watching == [HASHES[7]]


async def test_a_change_is_told_once(node: Node, poller: Poller) -> None:
    node.states = {HASHES[0]: InvoiceState.HELD, HASHES[1]: InvoiceState.CANCELLED}
    for payment_hash in HASHES[:3]:
        poller.follow(payment_hash)
    watched = poller.watch()
    assert sorted(await of(watched, 2)) == HASHES[:2]
    quiet = asyncio.ensure_future(of(watched, 1))
    while node.asked[HASHES[2]] < 5:
        await asyncio.sleep(0.01)
    assert (node.asked[HASHES[0]], node.asked[HASHES[1]]) == (1, 1), "held: not often; ended: not at all"
    node.states[HASHES[2]] = InvoiceState.HELD
    assert await quiet == [HASHES[2]]


async def test_hints_pass_at_once_for_what_is_followed(node: Node) -> None:
    poller = Poller(node.look_up, every=3600.0)
    poller.follow(HASHES[0])
    watched = poller.watch()
    first = asyncio.ensure_future(of(watched, 1))
    while not node.asked:
        await asyncio.sleep(0)
    poller.hint(HASHES[1])
    poller.hint(HASHES[0])
    poller.hint(HASHES[0])
    assert await first == [HASHES[0]]
    second = asyncio.ensure_future(of(watched, 1))
    poller.follow(HASHES[2])
    while not node.asked[HASHES[2]]:
        await asyncio.sleep(0)
    assert not second.done()
    poller.hint(HASHES[2])
    assert await second == [HASHES[2]]


async def test_nothing_is_forgotten_when_the_node_is_lost(node: Node, poller: Poller) -> None:
    for payment_hash in HASHES:
        poller.follow(payment_hash)
    node.down = True
    with pytest.raises(FundingDown):
        await of(poller.watch(), 1)
    node.down = False
    node.states = dict.fromkeys(HASHES, InvoiceState.HELD)
    assert sorted(await of(poller.watch(), len(HASHES))) == HASHES


async def test_news_that_nobody_took_are_told_to_the_next(node: Node, poller: Poller) -> None:
    node.states[HASHES[0]] = InvoiceState.SETTLED
    poller.follow(HASHES[0])
    watched = poller.watch()
    assert await of(watched, 1) == [HASHES[0]]
    await watched.aclose()  # type: ignore[attr-defined]
    assert await of(poller.watch(), 1) == [HASHES[0]]
