"""Finds the order that a request became, when its answer never came or says that it was there before.

The API has no key under which a request counts once. But the account's orders are listed, and a report shows
who gets something of an order: one of the right time and sender that goes to exactly the request's numbers is
the request's, unless it is known as that of another one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from typing import TypeAlias

from ulak.core.times import Clock
from ulak.dialects.iletimerkezi.connect.line import ROWS, Line, good_orders, good_page
from ulak.dialects.iletimerkezi.connect.reading import Listed, OrderList, Page
from ulak.dialects.iletimerkezi.connect.requests import Request

SKEW = 60_000
"""How much earlier than we think an order may be dated: clocks differ, and parts of a second are cut, ms."""

PAGES_MAX = 60
"""Pages of the list that are read in one search. Orders are listed oldest first as far as is known, so they
are read from both ends until they are too old."""

IsOurs: TypeAlias = Callable[[str, Request], Awaitable[bool | None]]
"""Whether an order is known as that of other messages of ours with the same texts and numbers as the request;
None if it is not known as one of ours."""


class NotFound(Enum):
    """What a search without an order says."""

    ABSENT = 1
    """There is none."""
    OURS = 2
    """There is one just like it, and it is that of other messages of ours."""
    UNANSWERED = 3
    """The server did not say."""


class Finder:
    """Searches among the orders of an account. Of two requests that are searched at a time, none has a number
    of the other, so no order can be found for both."""

    def __init__(self, line: Line, clock: Clock, is_ours: IsOurs) -> None:
        self._line = line
        self._clock = clock
        self._is_ours = is_ours

    async def find(self, request: Request, since: int) -> str | NotFound:
        """The order that a request became, at `since` (ms) or later."""
        listed = await self._listed(since - SKEW)
        if listed is None:
            return NotFound.UNANSWERED
        ours = False
        candidates = [order for order in listed if _may_be(order, request)]
        for order in sorted(candidates, key=lambda order: int(order.id)):
            known = await self._is_ours(order.id, request)
            if known is not None:
                ours = ours or known
                continue
            numbers = await self._numbers(order.id, len(request.messages))
            if numbers is None:
                return NotFound.UNANSWERED
            if numbers == request.numbers:
                return order.id
        return NotFound.OURS if ours else NotFound.ABSENT

    async def _listed(self, since: int) -> list[Listed] | None:
        """The orders from a moment on; None if the server does not say."""
        first = await self._page(since, 1)
        if first is None:
            return None
        found = {order.id: order for order in first.orders}
        size = len(first.orders)
        last = -(-first.in_all // size) if first.in_all is not None and size else 1
        # Some may have come since they were counted, so the last page is followed by others until one is old,
        # and that is an empty one too.
        walks: list[Iterable[int]] = []
        if last > 1:
            walks = [range(last, last + PAGES_MAX), range(last - 1, 1, -1)]
        if _any_since(first.orders, since):
            walks.append(range(2, max(last, PAGES_MAX)))
        seen = {1}
        for walk in walks:
            for page in walk:
                if page in seen or len(seen) >= PAGES_MAX:
                    break
                seen.add(page)
                more = await self._page(since, page)
                if more is None:
                    return None
                found.update((order.id, order) for order in more.orders)
                if not _any_since(more.orders, since):
                    break
        return [order for order in found.values() if order.submitted is None or order.submitted >= since]

    async def _page(self, since: int, page: int) -> OrderList | None:
        return good_orders(await self._line.orders(since, max(since, self._clock() + SKEW), page))

    async def _numbers(self, order: str, total: int) -> frozenset[int] | None:
        """Who gets something of an order, as long as there are no more than there should be; None if the
        server does not say."""
        found: set[int] = set()
        page = 0
        while True:
            page += 1
            shown: Page | None = good_page(await self._line.report(order, page))
            if shown is None:
                return None
            found.update(number for number, _ in shown.rows)
            if not shown.rows or page * ROWS >= (shown.total or total) or len(found) > total:
                return frozenset(found)


def _may_be(order: Listed, request: Request) -> bool:
    """Whether an order may be a request's, as far as the list says."""
    return order.sender in ("", request.sender) and order.total in (None, len(request.messages))


def _any_since(orders: Sequence[Listed], since: int) -> bool:
    return any(order.submitted is None or order.submitted >= since for order in orders)
