"""The loop that brings orders to links, and notices what other processes have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import structlog

from ulak.core.points import point
from ulak.core.ports import MessageLink
from ulak.service.dispatch import CLAIM, Claim, ClaimedOrder, give_back
from ulak.workers.send import Books, Channel, LinkRunner

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


class Configured(Protocol):
    """A configured carrier, as far as the dispatcher cares."""

    @property
    def id(self) -> int:
        """Its row."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one look at the database says: whether an order is due and with no link, which carriers have
    messages to be sent again, and the configured carriers; two of them are equal when nothing was changed."""

    waiting: bool
    asked: frozenset[int]
    carriers: Sequence[Configured]


class Dispatcher:
    """Gives due orders to links that are up."""

    def __init__(
        self,
        books: Books,
        *,
        look: Callable[[Any], Outlook],
        make: Callable[[Any], tuple[Channel, MessageLink] | None],
        on_text: Callable[[], None] = lambda: None,
    ) -> None:
        """`look` asks for the outlook; `make` builds a configured carrier's link, None if it has none;
        `on_text` is called when an SMS came in that somebody waits for."""
        self._books = books
        self._look = look
        self._make = make
        self._on_text = on_text
        self._runners: dict[int, LinkRunner] = {}
        self._configured: dict[int, Configured] = {}
        self._claiming = False
        self._again = False
        self._paced: asyncio.TimerHandle | None = None
        self._turn = 0
        self._stopping = False
        self._holding = False
        self._returning = True

    @property
    def runners(self) -> list[LinkRunner]:
        """The links at work."""
        return list(self._runners.values())

    @property
    def ready(self) -> bool:
        """Whether any link is up."""
        return any(runner.up for runner in self._runners.values())

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
        routes = [replace(runner.route, up=runner.channel.carrier_id in able) for runner in self.runners]
        full = frozenset(carrier_id for carrier_id, runner in able.items() if runner.busy[1] >= LARGE_MAX)
        self._turn += 1
        try:
            done = self._books.gather(CLAIM, Claim(routes, slots, small, large, self._turn, full))
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
        """The store could not say; the next look tries again."""
        log.warning("claim.failed", error=str(error))
        self._claiming = False
        for runner in self.runners:
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
        await asyncio.gather(*(runner.stop() for runner in self.runners))

    async def _claim_through(self) -> None:
        """Wait until the claim under way is with the links: what it opened must not be forgotten."""
        while self._claiming:
            await asyncio.sleep(0.005)

    async def look(self) -> None:
        """Notice what has become due and what other processes have changed."""
        outlook = await self._books.read(self._look)
        await self._reconcile(outlook.carriers)
        for runner in self.runners:
            if runner.up and runner.channel.carrier_id in outlook.asked:
                await runner.look_for_asked()
        if outlook.waiting:
            self.wake()

    async def _reconcile(self, carriers: Sequence[Configured]) -> None:
        """Start links of new carriers, stop those of removed or changed ones."""
        wanted = {carrier.id: carrier for carrier in carriers}
        if wanted == self._configured and not self._returning:
            return
        self._holding = True
        try:
            await self._claim_through()
            for carrier_id in [key for key, known in self._configured.items() if wanted.get(key) != known]:
                await self._end(carrier_id)
            await self._give_back()
            for carrier_id, carrier in wanted.items():
                if carrier_id not in self._configured:
                    await self._start(carrier)
                    self._configured[carrier_id] = carrier
        finally:
            self._holding = False

    async def _end(self, carrier_id: int) -> None:
        """Stop the link of a carrier that was changed or removed."""
        self._returning = True
        runner = self._runners.get(carrier_id)
        if runner is not None:
            await runner.stop()
            del self._runners[carrier_id]
            log.info("carrier.stopped", carrier=runner.channel.name)
        del self._configured[carrier_id]

    async def _give_back(self) -> None:
        """Let other links have the orders of carriers that were removed and have no link any more."""
        returned = await self._books.write(partial(give_back, at_work=list(self._runners)))
        if returned:
            point("carrier.given_back")
        self._returning = False
        if returned:
            log.info("orders.given_back", count=returned)

    async def _start(self, carrier: Configured) -> None:
        try:
            made = self._make(carrier)
        except Exception:
            log.exception("carrier.cannot_start", carrier_id=carrier.id)
            return
        if made is None:
            return
        channel, link = made
        runner = LinkRunner(self._books, channel, link)
        runner.on_change = self.wake
        runner.on_text = self._on_text
        await runner.start()
        self._runners[carrier.id] = runner
        log.info("carrier.started", carrier=channel.name)


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
