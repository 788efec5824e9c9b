"""The worker of purchases: everything by itself, in the order it comes, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from tests.conftest import ClockedBooks
from tests.service.shop_rig import Rig, code

from ulak.core.funding import InvoiceState
from ulak.core.jobs import OF_PURCHASES, Job, JobKind
from ulak.core.purchases import Purchase
from ulak.core.states import PurchaseState
from ulak.service.purchases import FIRST_VERIFY
from ulak.wiring.queue import Queue
from ulak.workers import purchases
from ulak.workers.purchases import PurchaseWorker


@pytest.fixture
def rig(books: ClockedBooks, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(purchases, "POLL", 0.02)
    monkeypatch.setattr(purchases, "PAUSE", 0.02)
    return Rig(books, books.database.directory)


@contextlib.asynccontextmanager
async def at_work(
    rig: Rig, more: dict[JobKind, Callable[[Sequence[Job]], Awaitable[None]]] | None = None
) -> AsyncIterator[None]:
    """A worker that runs meanwhile."""
    stop = asyncio.Event()
    queue = Queue(rig.process, OF_PURCHASES if more else OF_PURCHASES[:3])
    worker = PurchaseWorker(rig.books, rig.shop, queue, funding=rig.node, more=more)
    running = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def until(rig: Rig, purchase: Purchase, state: PurchaseState) -> None:
    for _ in range(1000):
        if rig.get(purchase.id).state is state:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(rig.get(purchase.id).state)


async def test_from_the_payment_to_the_code(rig: Rig) -> None:
    async with at_work(rig):
        sold = await rig.order()
        rig.node.paid(sold.payreq or "")
        await until(rig, rig.of(sold), PurchaseState.WAITING)
        rig.source.send(rig.of(sold).id, "Your code is 12345")
        rig.books.clock.advance(1000)
        await until(rig, rig.of(sold), PurchaseState.DONE)
    assert rig.node.state(sold.payreq or "") is InvoiceState.SETTLED


async def test_a_payment_wakes_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purchases, "POLL", 60)
    async with at_work(rig):
        await asyncio.sleep(0.05)
        sold = await rig.order()
        rig.node.paid(sold.payreq or "")
        await until(rig, rig.of(sold), PurchaseState.WAITING)


async def test_a_source_that_hangs_holds_up_nobody_else(rig: Rig) -> None:
    stuck = asyncio.Event()
    slow = await rig.paid()
    rig.source.meanwhile = stuck.wait
    async with at_work(rig):
        for _ in range(500):
            if slow.id in {want.key for want in rig.source.wanted}:
                break
            await asyncio.sleep(0.01)
        rig.source.meanwhile = None
        quick = await rig.paid()
        await until(rig, quick, PurchaseState.WAITING)
        assert rig.get(slow.id).state is PurchaseState.PAID
        stuck.set()
        await until(rig, slow, PurchaseState.WAITING)


async def test_what_takes_too_long_is_left_to_the_next_process(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purchases, "LAST", 0.02)
    stuck = asyncio.Event()
    purchase = await rig.paid()
    rig.source.meanwhile = stuck.wait
    async with at_work(rig):
        while not rig.source.wanted:
            await asyncio.sleep(0.01)
    assert rig.jobs() == [(JobKind.BUY, purchase.id)]
    rig.source.meanwhile = None
    rig.start()
    async with at_work(rig):
        await until(rig, purchase, PurchaseState.WAITING)


async def test_a_lost_node_is_listened_to_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purchases, "AWAY", 0.02)
    async with at_work(rig):
        sold = await rig.order()
        rig.node.news.put_nowait(None)
        await asyncio.sleep(0.01)
        rig.node.paid(sold.payreq or "")
        await until(rig, rig.of(sold), PurchaseState.WAITING)


async def test_a_part_that_fails_stops_no_other(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> bool:
        raise ValueError("broken")

    monkeypatch.setattr(rig.shop, "pass_time", broken)
    sold = await rig.order()
    rig.books.clock.advance(30 * 60 * 1000)
    async with at_work(rig):
        rig.node.paid(sold.payreq or "")
        await until(rig, rig.of(sold), PurchaseState.WAITING)


async def test_a_job_that_fails_is_done_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    purchase, buy = await rig.paid(), rig.shop.supply.buy
    tried = asyncio.Event()

    async def broken(job: Job) -> None:
        if tried.is_set():
            await buy(job)
        tried.set()
        raise ValueError("broken")

    monkeypatch.setattr(rig.shop.supply, "buy", broken)
    async with at_work(rig):
        await tried.wait()
        while rig.get(purchase.id).state is not PurchaseState.WAITING:
            rig.books.clock.advance(1000)
            await asyncio.sleep(0.02)


async def test_other_jobs_are_done_by_others(rig: Rig) -> None:
    done: list[JobKind] = []

    async def pay(jobs: Sequence[Job]) -> None:
        done.extend(job.kind for job in jobs)

    purchase = await rig.waiting(code(referrer="bob@example.com"))
    rig.source.send(purchase.id, "Your code is 12345")
    rig.books.clock.advance(1000)
    async with at_work(rig, {JobKind.REFER: pay}):
        await until(rig, purchase, PurchaseState.DONE)
        while not done:
            await asyncio.sleep(0.01)
    assert done == [JobKind.REFER]


async def test_only_who_listens_to_the_node_follows_new_invoices(rig: Rig) -> None:
    """In a process that does not they would only pile up. Who listens finds them when it verifies."""
    elsewhere = await rig.order()
    assert rig.node.followed == set()
    async with at_work(rig):
        await asyncio.sleep(0)
        here = await rig.order()
        assert rig.node.by_payreq(here.payreq or "") in rig.node.followed
        rig.books.clock.advance(FIRST_VERIFY)
        while len(rig.node.followed) < 2:
            await asyncio.sleep(0.01)
    assert rig.node.by_payreq(elsewhere.payreq or "") in rig.node.followed
    before = set(rig.node.followed)
    await rig.order()
    assert rig.node.followed == before
