"""Taking over the past from a service that does odd things between two requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import ClockedBooks

from ulak.core.history import PastMessage, PastOrder, PastPage, Walk
from ulak.core.times import day_start, local_day
from ulak.service import accounts, history
from ulak.service.history import Taken
from ulak.store import history as store
from ulak.store.engine import Tx

UNDERWAY, DONE = 113, 114
WAITING, ARRIVED = 110, 111
HOUR = 60 * 60 * 1_000


class Service:
    """A service with orders in memory. `before` is called with every report that is asked for."""

    name = "elsewhere"
    window = 10
    underway = UNDERWAY

    def __init__(self) -> None:
        self.sent: dict[int, PastOrder] = {}
        self.rows: dict[int, list[PastMessage]] = {}
        self.only_listed: set[int] = set()
        self.asked: list[tuple[int, int]] = []
        self.before: Callable[[int, int], object] = lambda _number, _page: None

    def order(self, number: int, day: date, total: int, status: int = DONE) -> None:
        """Add one, with all of its messages under way or arrived."""
        at, delivered = day_start(day) + 1000, total if status == DONE else 0
        self.sent[number] = PastOrder(number, status, total, delivered, 0, at, at, "S", str(total))
        state = ARRIVED if status == DONE else WAITING
        self.rows[number] = [PastMessage(f"+90530{place:07}", state) for place in range(total)]

    def finish(self, number: int) -> None:
        """Everything of it has arrived."""
        self.order(number, local_day(self.sent[number].submitted), self.sent[number].total)

    async def orders(self, first: date, last: date) -> AsyncIterator[PastOrder]:
        for order in list(self.sent.values()):
            if first <= local_day(order.submitted) <= last:
                yield order._replace(price="")

    async def report(self, order: PastOrder, page: int) -> PastPage | None:
        self.asked.append((order.number, page))
        self.before(order.number, page)
        await asyncio.sleep(0)
        if order.number in self.only_listed:
            return None
        rows = self.rows[order.number][(page - 1) * 1000 : page * 1000]
        return PastPage(self.sent[order.number], rows)


class Desk:
    """An account here, and the service."""

    def __init__(self, books: ClockedBooks, account_id: int) -> None:
        self.books = books
        self.account = account_id
        self.service = Service()
        self.today = local_day(books.clock.now)
        self.first = self.today - timedelta(12)

    async def take(self) -> Taken:
        """One import of the last days; what it asked for is in the service's `asked`."""
        self.service.asked.clear()
        return await history.take(
            self.books, self.service, self.account, self.first, self.today, lambda _day, _taken: None
        )

    async def cut(self, number: int, page: int) -> None:
        """An import that is stopped when it asks for this page."""
        running = asyncio.create_task(self.take())
        self.service.before = lambda *asked: running.cancel() if asked == (number, page) else None
        with pytest.raises(asyncio.CancelledError):
            await running
        self.service.before = lambda _number, _page: None

    async def here(self, number: int) -> tuple[PastOrder, list[PastMessage]]:
        """An order as it is here."""

        def find(tx: Tx) -> tuple[Any, list[PastMessage]]:
            order = store.find(tx, self.account, "elsewhere", number)
            return order, store.messages(tx, self.account, "elsewhere", number)

        return await self.books.read(find)

    async def walk(self) -> Walk | None:
        return await self.books.read(lambda tx: store.walk(tx, self.account, "elsewhere"))

    async def same(self, number: int) -> bool:
        """Whether it is here as it is there."""
        order, rows = await self.here(number)
        sent = self.service.sent[number]._replace(taken=len(self.service.rows[number]))
        return order == sent and rows == self.service.rows[number]


@pytest_asyncio.fixture
async def desk(books: ClockedBooks) -> Desk:
    made = await books.write(lambda tx: accounts.create(tx, "here"))
    return Desk(books, made.account.id)


async def test_an_order_that_was_removed_is_kept_as_it_was_listed(desk: Desk) -> None:
    desk.service.order(1, desk.first, 3)
    desk.service.only_listed = {1}
    assert await desk.take() == Taken(1, 0)
    order, rows = await desk.here(1)
    assert (order, rows) == (desk.service.sent[1]._replace(price=""), [])
    # It is finished and its day is done, so nobody asks for it any more.
    assert await desk.take() == Taken(0, 0)
    assert desk.service.asked == []


async def test_what_is_here_of_a_removed_order_stays(desk: Desk) -> None:
    desk.service.order(1, desk.first, 3, UNDERWAY)
    await desk.take()
    desk.service.finish(1)
    desk.service.only_listed = {1}
    await desk.take()
    order, rows = await desk.here(1)
    assert (order.status, order.price, order.taken, len(rows)) == (UNDERWAY, "3", 3, 3)


async def test_a_scheduled_order_is_asked_for_until_its_time_has_come(desk: Desk) -> None:
    desk.service.order(1, desk.first, 2, UNDERWAY)
    desk.service.only_listed = {1}
    await desk.take()
    assert (await desk.here(1))[0].taken == 0
    await desk.take()
    assert desk.service.asked == [(1, 1)]
    desk.service.only_listed.clear()
    desk.service.finish(1)
    assert await desk.take() == Taken(1, 2)
    assert await desk.same(1)


async def test_an_order_that_ends_while_it_is_read_is_read_again(desk: Desk) -> None:
    desk.service.order(1, desk.first, 1500, UNDERWAY)
    desk.service.before = lambda _number, page: desk.service.finish(1) if page == 2 else None
    await desk.take()
    order, rows = await desk.here(1)
    assert order.status == UNDERWAY
    assert {row.status for row in rows} == {WAITING, ARRIVED}
    assert await desk.take() == Taken(1, 1500)
    assert await desk.same(1)


@pytest.mark.parametrize("ends", [False, True])
async def test_a_long_order_that_was_cut_while_under_way(desk: Desk, ends: bool) -> None:
    """Its first page is taken again, because its messages may have moved on since."""
    desk.service.order(1, desk.first, 2500, UNDERWAY)
    await desk.cut(1, 2)
    assert (await desk.here(1))[0].taken == 1000
    if ends:
        desk.service.finish(1)
    await desk.take()
    assert desk.service.asked == [(1, 1), (1, 2), (1, 3)]
    assert await desk.same(1)


async def test_an_order_that_is_asked_for_again_may_be_cut_too(desk: Desk) -> None:
    """Its day is done, so no list tells of it any more."""
    desk.service.order(1, desk.first, 2500, UNDERWAY)
    await desk.take()
    desk.service.finish(1)
    await desk.cut(1, 3)
    order, rows = await desk.here(1)
    assert (order.status, order.taken, len(rows)) == (DONE, 2000, 2000)
    assert await desk.take() == Taken(1, 500)
    assert desk.service.asked == [(1, 3)]
    assert await desk.same(1)
    assert await desk.take() == Taken(0, 0)


async def test_a_report_with_fewer_messages_than_it_says(desk: Desk) -> None:
    desk.service.order(1, desk.first, 1500)
    del desk.service.rows[1][1200:]
    assert await desk.take() == Taken(1, 1200)
    del desk.service.rows[1][900:]
    await desk.take()
    assert len((await desk.here(1))[1]) == 1200


async def test_an_order_without_messages(desk: Desk) -> None:
    desk.service.order(1, desk.first, 0)
    assert await desk.take() == Taken(1, 0)
    assert await desk.same(1)


async def test_many_that_were_not_finished(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are looked up together."""
    monkeypatch.setattr(history, "_TOGETHER", 4)
    for number in range(1, 11):
        desk.service.order(number, desk.first, 1, UNDERWAY)
    await desk.take()
    desk.service.finish(10)
    assert await desk.take() == Taken(10, 10)
    assert [number for number, _ in desk.service.asked] == list(range(1, 11))
    assert await desk.same(10)


async def test_a_day_is_done_an_hour_after_it_is_over(desk: Desk) -> None:
    """The service's clock may be behind ours, and still write that day."""
    desk.books.clock.now = day_start(desk.today) + HOUR - 1000
    await desk.take()
    assert await desk.walk() == Walk(desk.first, desk.today - timedelta(1))
    desk.books.clock.now += 1000
    desk.service.order(1, desk.today - timedelta(1), 1)
    await desk.take()
    assert await desk.walk() == Walk(desk.first, desk.today)
    assert await desk.same(1)


def test_stretches_of_days_are_joined_where_they_touch() -> None:
    def day(nth: int) -> date:
        return date(2026, 1, nth)

    known = Walk(day(10), day(20))
    assert known.joined(day(12), day(12)) == known
    assert known.joined(day(20), day(25)) == Walk(day(10), day(25))
    assert known.joined(day(5), day(10)) == Walk(day(5), day(20))
    assert known.joined(day(5), day(9)) == Walk(day(5), day(9))
    assert known.joined(day(21), day(22)) == Walk(day(21), day(22))
    assert known.joined(day(15), day(14)) == known
