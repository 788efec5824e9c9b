"""Taking over what an account sent elsewhere, however often that is stopped and begun again.

The past is walked by days, a window of them at a time, and how far that has come is written down. Every order
is kept with its first page of messages in one commit, every further page in one of its own, together with how
many messages are here. So an import that died goes on behind the last commit: days that are done are not
listed again, orders that are here and finished are not asked for again, and a long order goes on with the
page that is missing.

Orders that were not finished when they were taken are asked for again, one by one, whenever an import runs
over days that are done. The day that is not over yet is never done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from ulak.core.history import PAGE_ROWS, PastMessage, PastOrder, PastPage, Walk
from ulak.core.points import point
from ulak.core.times import day_start, local_day
from ulak.store import history as store
from ulak.store.books import Books
from ulak.store.engine import Tx

_DAY = timedelta(days=1)
_SKEW = 60 * 60 * 1_000
"""Two clocks differ: a day is over when it has been for so long (ms)."""

_TOGETHER = 100


class Source(Protocol):
    """A service that an account sent with.

    Both raise `core.errors.UlakError` when the service does not answer, or says no.
    """

    name: str
    """Its dialect."""
    window: int
    """Days that may be asked about together."""
    underway: int
    """The code of an order that it still works on."""

    def orders(self, first: date, last: date) -> AsyncIterator[PastOrder]:
        """The orders submitted from the first day to the last, both included, without price."""

    async def report(self, order: PastOrder, page: int) -> PastPage | None:
        """An order with a page of its messages, from 1; None when it can only be had in a list."""


class Taken(NamedTuple):
    """What an import has brought so far: orders that were new or had changed, and their messages."""

    orders: int
    messages: int


Tell = Callable[[date, Taken], None]
"""Told how far an import has come: the day it is at, and what it has brought."""


async def take(books: Books, source: Source, account_id: int, since: date, until: date, tell: Tell) -> Taken:
    """Take over everything from one day to another, both included, that is not here yet."""
    return await _Import(books, source, account_id, tell).run(since, until)


class _Import:
    """One run."""

    def __init__(self, books: Books, source: Source, account_id: int, tell: Tell) -> None:
        self._books = books
        self._source = source
        self._account = account_id
        self._tell = tell
        self._taken = Taken(0, 0)

    async def run(self, since: date, until: date) -> Taken:
        now = await self._books.read(lambda tx: tx.now)
        not_over = local_day(now - _SKEW)
        day = await self._reach(since, since)
        await self._again(since, min(day, until + _DAY))
        while day <= until:
            last = min(day + (self._source.window - 1) * _DAY, until)
            async for order in self._source.orders(day, last):
                await self._order(order)
            day = max(await self._reach(since, min(last + _DAY, not_over)), last + _DAY)
            self._tell(min(day, until + _DAY), self._taken)
        return self._taken

    async def _reach(self, since: date, day: date) -> date:
        """Write down that the days before `day` are here; the first that is not."""

        def change(tx: Tx) -> date:
            known = store.walk(tx, self._account, self._source.name)
            reached = Walk(since, max(since, day)) if known is None else known.joined(since, day)
            if reached != known:
                store.set_walk(tx, self._account, self._source.name, reached)
            return reached.day

        return await self._books.write(change)

    async def _again(self, since: date, day: date) -> None:
        """Ask for orders of days that are done, where something was still to come."""
        after = 0
        while found := await self._unfinished(day_start(since), day_start(day), after):
            for order in found:
                page = order.taken // PAGE_ROWS + 1 if self._settled(order) else 1
                await self._pages(order, page)
            after = found[-1].number

    async def _unfinished(self, start: int, end: int, after: int) -> list[PastOrder]:
        name, underway = self._source.name, self._source.underway
        return await self._books.read(
            lambda tx: store.unfinished(tx, self._account, name, start, end, underway, after, _TOGETHER)
        )

    async def _order(self, listed: PastOrder) -> None:
        """Take an order of a list, as far as it is not here."""
        name = self._source.name
        kept = await self._books.read(lambda tx: store.find(tx, self._account, name, listed.number))
        page = 1
        if kept is not None and kept.counters == listed.counters and self._settled(listed):
            # Final states do not change, so the pages that are here are good.
            if kept.taken >= listed.total:
                return
            page = kept.taken // PAGE_ROWS + 1
        await self._pages(listed, page)

    def _settled(self, order: PastOrder) -> bool:
        return order.status != self._source.underway and not order.waiting

    async def _pages(self, order: PastOrder, page: int) -> None:
        """Take the messages of an order from a page on, and with the first page what the order is."""
        while True:
            told = await self._source.report(order, page)
            point("history.read")
            if page == 1:
                # Kept as it was before its messages were read: what changes meanwhile is asked for again.
                order = order if told is None else told.order
                await self._keep(order, 1, None if told is None else told.messages)
            elif told is not None and told.messages:
                await self._keep(order, page, told.messages)
            if told is None or not told.messages or page * PAGE_ROWS >= order.total:
                break
            page += 1
        self._taken = self._taken._replace(orders=self._taken.orders + 1)
        self._tell(local_day(order.submitted), self._taken)

    async def _keep(self, order: PastOrder, page: int, messages: list[PastMessage] | None) -> None:
        """Write down a page; None: there is none to be had, and what is here stays."""

        def change(tx: Tx) -> None:
            name = self._source.name
            if page == 1:
                store.put(tx, self._account, name, order)
            if messages is not None:
                place = (page - 1) * PAGE_ROWS
                store.put_messages(tx, self._account, name, order.number, place, messages)

        await self._books.write(change)
        point("history.kept")
        self._taken = self._taken._replace(messages=self._taken.messages + len(messages or ()))
