"""Asks what became of orders, at first soon and then ever more rarely, until nothing of them is awaited.

Where the server calls us, reports come in without this, and an order is asked about only if it is still
awaited after a while: what the store knows is looked up before the server is asked.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ulak.core.ports import LinkDesk, Report, ReportState
from ulak.core.times import Clock
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.connect.line import ROWS, Line, Silence, Sleep, good_page
from ulak.dialects.iletimerkezi.connect.reading import Answered, Page, read_reference, reference

FIRST, HOOKED_FIRST = 5_000, 60_000
"""How long after it was taken an order is first asked about, ms; later where the server calls us."""

RAREST = 60 * 60_000
"""The longest pause between two looks, ms."""

FOLLOWED = 72 * 60 * 60_000
"""For how long an order is asked about, ms."""

APART = 100
"""How far the first looks at orders from before are apart, ms: new ones have their turn between them."""

REFUSED_FIRST, REFUSED_MAX = 1.0, 60.0
"""Seconds without a look after one that was not answered, doubled from one to the next."""

GONE = 60 * 60_000
"""After how long an order that the server does not know is let go, ms."""

_CODES = {ReportState.DELIVERED: "111", ReportState.UNDELIVERED: "112"}


@dataclass(slots=True)
class _Order:
    """An order since (ms), and the numbers of which news are awaited."""

    id: str
    since: int
    awaited: set[int] = field(default_factory=set)


class Follower:
    """Looks after the orders of one link. `denied` is told when the account is not let in any more."""

    def __init__(
        self, line: Line, clock: Clock, sleep: Sleep, first: int, denied: Callable[[str], None]
    ) -> None:
        self._line = line
        self._clock = clock
        self._sleep = sleep
        self._first = first
        self._denied = denied
        self._due: list[tuple[int, int, _Order]] = []
        self._count = 0
        self._delay = 0.0
        self._fresh = asyncio.Event()

    def follow(self, order: str, numbers: Iterable[int]) -> None:
        """Ask about an order that was taken now."""
        self._put(_Order(order, self._clock(), set(numbers)))

    def follow_all(self, references: Iterable[str]) -> None:
        """Ask about these messages, whenever they were taken."""
        found: dict[str, _Order] = {}
        for spelled in references:
            named = read_reference(spelled)
            if named is not None:
                order, number = named
                found.setdefault(order, _Order(order, self._clock())).awaited.add(number)
        for place, begun in enumerate(found.values()):
            self._put(begun, place * APART)

    def _put(self, order: _Order, later: int = 0) -> None:
        """Let its time come, unless there is nothing more to ask. One of many pages waits for longer, so that
        it costs no more than one question a second."""
        age = self._clock() - order.since
        if age > FOLLOWED or not order.awaited:
            return
        self._count += 1
        pause = max(self._first, min(RAREST, age // 3), 1000 * (len(order.awaited) // ROWS))
        heapq.heappush(self._due, (self._clock() + pause + later, self._count, order))
        if self._due[0][2] is order:
            self._fresh.set()

    async def run(self, desk: LinkDesk) -> None:
        """Ask about one order after the other when their time has come."""
        while True:
            while self._due and self._due[0][0] <= self._clock():
                if not await self._look(heapq.heappop(self._due)[2], desk):
                    await self._sleep(self._delay)
            self._fresh.clear()
            await self._nap()

    async def _nap(self) -> None:
        """Until the next look is due, or one that is due before."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._fresh.wait())]
        if self._due:
            seconds = max(0.001, (self._due[0][0] - self._clock()) / 1000)
            waits.append(asyncio.ensure_future(self._sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _look(self, order: _Order, desk: LinkDesk) -> bool:
        """Ask about an order; whether that may go on with the next at once."""
        open_ones = await desk.awaited([reference(order.id, number) for number in order.awaited])
        self._forget(order, open_ones)
        page, answers = 0, True
        while order.awaited:
            page += 1
            said = await self._line.report(order.id, page)
            shown = good_page(said)
            if shown is None:
                answers = self._is_answer(order, said)
                break
            self._delay = 0.0
            self._tell(order, shown, desk)
            if not shown.rows or page * ROWS >= (shown.total or 0):
                break
        self._put(order)
        return answers

    def _forget(self, order: _Order, open_ones: Mapping[str, bool]) -> None:
        """Let go what is closed. What the store does not know yet is about to be written."""
        for number in list(order.awaited):
            if not open_ones.get(reference(order.id, number), True):
                order.awaited.discard(number)

    def _is_answer(self, order: _Order, said: Answered | Silence) -> bool:
        """Do what follows where no page came; whether that was an answer all the same. A server that gives
        none is left alone for a while."""
        if isinstance(said, Answered) and said.code == Code.NO_SUCH_ORDER:
            self._delay = 0.0
            if self._clock() - order.since > GONE:
                order.awaited.clear()
            return True
        if isinstance(said, Answered) and said.code == Code.UNAUTHENTICATED:
            self._denied(f"{said.code} {said.why}")
        self._delay = min(REFUSED_MAX, max(REFUSED_FIRST, self._delay * 2))
        return False

    def _tell(self, order: _Order, page: Page, desk: LinkDesk) -> None:
        """Report what is final. It is told again until it is stored."""
        reports = [
            Report(reference(order.id, number), number, state, _CODES[state])
            for number, state in dict(page.rows).items()
            if number in order.awaited and state is not ReportState.UNDERWAY
        ]
        if reports:
            desk.reports(reports, partial(self._stored, order, [report.number for report in reports]))

    def _stored(self, order: _Order, numbers: list[int], kept: bool) -> None:
        if kept:
            order.awaited.difference_update(numbers)
