"""The loop that brings orders to links, and notices what other processes have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog

from ulak.core.errors import OutcomeUnknown
from ulak.core.ports import MessageLink
from ulak.core.routing import shared_ways
from ulak.service.dispatch import CLAIM, Claim, ClaimedOrder
from ulak.service.leases import Leases
from ulak.workers.links import Links, Outlook
from ulak.workers.runs import Channel
from ulak.workers.send import Books, LinkRunner

POLL = 0.25
"""Seconds between looks for orders that have become due and for what other processes have changed."""

PACE = 0.02
"""Seconds between two claims. The first order after a rest is claimed at once; under load this makes claims,
and with them the steps and reports that follow, larger and so cheaper by the order."""

CLAIM_MAX = 500
"""Small orders claimed at once."""

SMALL_MAX, LARGE_MAX = 2_000, 32
"""Small and large orders in turn on a link; more stay in the database until some are through, for any link.
Of a large one many messages are read ahead, and it may take long: no small one waits for it to be claimed."""

log = structlog.get_logger("ulak.work")


class Dispatcher:
    """Gives due orders to links that are up."""

    def __init__(
        self,
        books: Books,
        *,
        look: Callable[[Any], Outlook],
        make: Callable[[Any], tuple[Channel, MessageLink] | None],
        leases: Leases,
        on_text: Callable[[], None] = lambda: None,
    ) -> None:
        """`look` asks for the outlook; `make` builds a configured carrier's link, None if it has none;
        `on_text` is called when an SMS came in that somebody waits for."""
        self._books = books
        self._look = look
        self._links = Links(books, make, leases, on_change=self.wake, on_text=on_text)
        self._claiming = False
        self._again = False
        self._paced: asyncio.TimerHandle | None = None
        self._turn = 0
        self._stopping = False
        self._holding = False

    @property
    def runners(self) -> list[LinkRunner]:
        """The links at work."""
        return list(self._links.runners.values())

    @property
    def ready(self) -> bool:
        """Whether any link is up."""
        return any(runner.up for runner in self.runners)

    def wake(self) -> None:
        """Orders may be waiting: claim them now, or as soon as the pace allows."""
        if self._claiming or self._paced is not None:
            self._again = True
            return
        self._claim()

    def _rested(self) -> None:
        self._paced = None
        if self._again and not self._claiming:
            self._claim()

    def _claim(self) -> None:
        self._again = False
        able = {runner.channel.carrier_id: runner for runner in self.runners if _has_room(runner)}
        small = min(CLAIM_MAX, sum(SMALL_MAX - runner.busy[0] for runner in able.values()))
        large = sum(max(0, LARGE_MAX - runner.busy[1]) for runner in able.values())
        if self._stopping or self._holding or not able:
            return
        self._claiming = True
        self._paced = asyncio.get_running_loop().call_later(PACE, self._rested)
        slots = {carrier_id: runner.reserve() for carrier_id, runner in able.items()}
        routes = shared_ways(
            [replace(runner.route, up=runner.channel.carrier_id in able) for runner in self.runners],
            self._links.elsewhere,
        )
        fences = {carrier_id: runner.fence for carrier_id, runner in able.items()}
        full = frozenset(carrier_id for carrier_id, runner in able.items() if runner.busy[1] >= LARGE_MAX)
        self._turn += 1
        try:
            done = self._books.gather(CLAIM, Claim(routes, slots, small, large, self._turn, full, fences))
        except Exception as error:
            self._claimed_nothing(error)
            return
        done.add_done_callback(lambda done: self._claimed(done, small))

    def _claimed(self, done: asyncio.Future[list[ClaimedOrder]], small: int) -> None:
        error = done.exception()
        if error is not None:
            self._claimed_nothing(error)
            return
        self._claiming = False
        more = len(done.result()) >= small > 0
        by_carrier: dict[int, list[ClaimedOrder]] = {}
        for order in done.result():
            by_carrier.setdefault(order.carrier_id, []).append(order)
        for runner in self.runners:
            runner.add(by_carrier.get(runner.channel.carrier_id, []))
            runner.release()
        self._again = self._again or more
        if self._again and self._paced is None:
            self._claim()

    def _claimed_nothing(self, error: BaseException) -> None:
        """The store could not say. The next look tries again, or begins anew where orders may be ours."""
        log.warning("claim.failed", error=str(error))
        self._claiming = False
        for runner in self.runners:
            runner.astray = runner.astray or isinstance(error, OutcomeUnknown)
            runner.release()

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until stopped, then stop the links."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception:
                log.warning("look.failed", exc_info=True)
            try:
                await asyncio.wait_for(stop.wait(), POLL)
            except TimeoutError:
                continue
        self._stopping = True
        await self._claim_through()
        await self._links.stop()

    async def _claim_through(self) -> None:
        """Wait until the claim under way is with the links: what it opened must not be forgotten."""
        while self._claiming:
            await asyncio.sleep(0.005)

    async def look(self) -> None:
        """Notice what has become due and what other processes have changed."""
        outlook = await self._books.read(self._look)
        if self._links.wants_change(outlook):
            await self._change(outlook)
        await self._links.tell(outlook)
        for runner in self.runners:
            if runner.up and runner.channel.carrier_id in outlook.asked:
                await runner.look_for_asked()
        if outlook.waiting:
            self.wake()

    async def _change(self, outlook: Outlook) -> None:
        """Start and end links, while nothing is claimed for them."""
        self._holding = True
        try:
            await self._claim_through()
            await self._links.change(outlook)
        finally:
            self._holding = False


def _has_room(runner: LinkRunner) -> bool:
    """Whether a link is up and can have more orders in turn. One that cannot must not keep the others from
    theirs."""
    return runner.route.up and runner.busy[0] < SMALL_MAX


async def every(seconds: float, work: Callable[[], Awaitable[object]], stop: asyncio.Event) -> None:
    """Do something now and then until stopped; a failure is logged, and the next turn comes all the same."""
    while not stop.is_set():
        try:
            await work()
        except Exception:
            log.warning("work.failed", exc_info=True)
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue
