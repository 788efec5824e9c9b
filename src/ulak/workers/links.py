"""The links of carriers that this process works: taken, given away, and lost to others.

Which process has a link is said by its lease. A link that nobody has is taken by the worker with the fewest;
a worker that has two more than another gives one away, so that they even out. Who has lost a link drops it:
what it still wants to write is refused by the fence.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from ulak.core.leases import Tenure
from ulak.core.points import point
from ulak.core.ports import MessageLink
from ulak.core.routing import Route
from ulak.service.dispatch import give_back
from ulak.service.leases import Leases
from ulak.workers.runs import Channel
from ulak.workers.send import Books, LinkRunner

DEFER = 1.0
"""Seconds for which a free link is left to workers that have fewer."""

STAY = 600.0
"""Seconds for which no link is given away after one that was has come back: nobody could use it."""

log = structlog.get_logger("ulak.work")

Make = Callable[[Any], tuple[Channel, MessageLink] | None]


class Configured(Protocol):
    """A configured carrier, as far as the dispatcher cares."""

    @property
    def id(self) -> int:
        """Its row."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one look at the database says: whether an order is due and with no link, which carriers have
    messages to be sent again, the configured carriers, who has which lease, and which processes can work
    links."""

    waiting: bool
    asked: frozenset[int]
    carriers: Sequence[Configured]
    tenures: Mapping[int, Tenure] = field(default_factory=dict)
    workers: frozenset[int] = frozenset()


class Links:
    """The links this process works, and what it knows of those of others."""

    def __init__(
        self,
        books: Books,
        make: Make,
        leases: Leases,
        *,
        on_change: Callable[[], None],
        on_text: Callable[[], None],
    ) -> None:
        """`make` builds a configured carrier's link, None if it has none; `on_change` is called when orders
        may be wanted, `on_text` when an SMS came that somebody waits for."""
        self._books = books
        self._make = make
        self._leases = leases
        self._on_change = on_change
        self._on_text = on_text
        self.runners: dict[int, LinkRunner] = {}
        self.elsewhere: list[Route] = []
        """Ways out that other processes have."""
        self._known: dict[int, Configured] = {}
        self._channels: dict[int, Channel] = {}
        self._free_since: dict[int, float] = {}
        self._given: set[int] = set()
        self._stays_until = 0.0
        self._returning = True
        self._workers: frozenset[int] = frozenset()

    def wants_change(self, outlook: Outlook) -> bool:
        """Whether links have to be started or ended."""
        self._note(outlook)
        return bool(
            self._returning or self._stale(outlook) or self._takeable(outlook) or self._spare(outlook)
        )

    async def change(self, outlook: Outlook) -> None:
        """Start and end links as the outlook wants it. Nothing may be claimed meanwhile."""
        tenures = dict(outlook.tenures)
        outlook = replace(outlook, tenures=tenures)
        for carrier_id in self._stale(outlook):
            await self._end(carrier_id, outlook, tenures)
        for carrier_id in self._spare(outlook):
            self._given.add(carrier_id)
            await self._end(carrier_id, outlook, tenures)
            log.info("carrier.given_away", carrier_id=carrier_id)
        self._learn(outlook)
        if self._returning:
            await self._give_back()
        for carrier_id in self._takeable(outlook):
            await self._take(carrier_id, outlook)

    async def tell(self, outlook: Outlook) -> None:
        """Write down how our links stand, where that is not known yet."""
        for carrier_id, runner in self.runners.items():
            tenure = outlook.tenures.get(carrier_id)
            if tenure is not None and (tenure.up, tenure.why) != (runner.up, runner.why):
                await self._leases.tell(carrier_id, runner.fence, runner.up, runner.why)

    async def stop(self) -> None:
        """End all links, and let others have them."""

        async def end(carrier_id: int, runner: LinkRunner) -> None:
            await runner.stop()
            if not runner.lost:
                await self._leases.release(carrier_id, runner.fence)

        ended = await asyncio.gather(*(end(*each) for each in self.runners.items()), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                # The database is away; the others will see that this process is gone.
                log.warning("carrier.not_released", error=str(error))

    def _note(self, outlook: Outlook) -> None:
        """What follows from the outlook without changing anything."""
        if outlook.workers != self._workers:
            self._workers, self._returning = outlook.workers, True
        me = self._leases.process
        self.elsewhere = []
        for carrier_id, channel in self._channels.items():
            tenure = outlook.tenures.get(carrier_id)
            if carrier_id not in self.runners:
                up = tenure is not None and tenure.up and tenure.holder != me and _is_held(tenure, outlook)
                self.elsewhere.append(Route(carrier_id, channel.prefix, channel.priority, up))
            if tenure is not None and _is_held(tenure, outlook) and tenure.holder != me:
                self._free_since.pop(carrier_id, None)
                self._given.discard(carrier_id)

    def _stale(self, outlook: Outlook) -> list[int]:
        """Carriers that were changed or removed, and links that others have now."""
        wanted = {carrier.id: carrier for carrier in outlook.carriers}
        changed = [key for key, known in self._known.items() if wanted.get(key) != known]
        lost = [key for key in self.runners if key not in changed and self._is_lost(key, outlook)]
        new = [key for key in wanted if key not in self._known]
        ending = [
            key for key, runner in self.runners.items() if runner.ending and key not in (*changed, *lost)
        ]
        return changed + lost + ending + new

    def _is_lost(self, carrier_id: int, outlook: Outlook) -> bool:
        runner, tenure = self.runners[carrier_id], outlook.tenures.get(carrier_id)
        ours = tenure is not None and (tenure.holder, tenure.fence) == (self._leases.process, runner.fence)
        return runner.lost or not ours

    async def _end(self, carrier_id: int, outlook: Outlook, tenures: dict[int, Tenure]) -> None:
        runner = self.runners.get(carrier_id)
        if runner is not None:
            if self._is_lost(carrier_id, outlook):
                await runner.abandon()
            else:
                await runner.stop()
                await self._leases.release(carrier_id, runner.fence)
                tenures[carrier_id] = tenures[carrier_id]._replace(holder=0)
            del self.runners[carrier_id]
            self._returning = True
            log.info("carrier.stopped", carrier=runner.channel.name, lost=runner.lost)
        self._known.pop(carrier_id, None)
        self._channels.pop(carrier_id, None)

    def _learn(self, outlook: Outlook) -> None:
        """Look what kind of carriers the new ones are."""
        for carrier in outlook.carriers:
            if carrier.id not in self._known:
                self._known[carrier.id] = carrier
                made = self._made(carrier)
                if made is not None:
                    self._channels[carrier.id] = made[0]

    def _made(self, carrier: Configured) -> tuple[Channel, MessageLink] | None:
        try:
            return self._make(carrier)
        except Exception:
            log.exception("carrier.cannot_start", carrier_id=carrier.id)
            return None

    def _takeable(self, outlook: Outlook) -> list[int]:
        """Links that nobody has and that are ours to take, and those we have and do not work."""
        now = asyncio.get_running_loop().time()
        me = self._leases.process
        counts = _counts(outlook)
        fewest = min((counts[worker] for worker in outlook.workers if worker != me), default=None)
        taken: list[int] = []
        for carrier_id in self._channels:
            tenure = outlook.tenures.get(carrier_id)
            if carrier_id in self.runners or (tenure and _is_held(tenure, outlook) and tenure.holder != me):
                continue
            since = self._free_since.setdefault(carrier_id, now)
            ours = tenure is not None and tenure.holder == me
            mine = len(self.runners) + len(taken)
            if ours or fewest is None or mine <= fewest or now - since >= DEFER:
                taken.append(carrier_id)
        return taken

    def _spare(self, outlook: Outlook) -> list[int]:
        """A link to give away: another worker has two less."""
        me, counts = self._leases.process, _counts(outlook)
        fewest = min((counts[worker] for worker in outlook.workers if worker != me), default=None)
        if fewest is None or len(self.runners) - fewest < 2:
            return []
        if asyncio.get_running_loop().time() < self._stays_until:
            return []
        return [max(self.runners)]

    async def _take(self, carrier_id: int, outlook: Outlook) -> None:
        tenure = outlook.tenures.get(carrier_id)
        if tenure is not None and tenure.holder == self._leases.process:
            fence: int | None = tenure.fence
        else:
            fence = await self._leases.acquire(carrier_id)
        made = self._made(self._known[carrier_id])
        if fence is None or made is None:
            return
        point("link.acquired")
        channel, link = made
        runner = LinkRunner(self._books, channel, link, fence)
        runner.on_change, runner.on_text = self._on_change, self._on_text
        await runner.start()
        self.runners[carrier_id] = runner
        self._free_since.pop(carrier_id, None)
        if carrier_id in self._given:
            self._given.discard(carrier_id)
            self._stays_until = asyncio.get_running_loop().time() + STAY
        log.info("carrier.started", carrier=channel.name)

    async def _give_back(self) -> None:
        """Let other links have the orders of carriers that were removed and have no link any more."""
        returned = await self._books.write(give_back)
        self._returning = False
        if returned:
            point("carrier.given_back")
            log.info("orders.given_back", count=returned)


def _is_held(tenure: Tenure, outlook: Outlook) -> bool:
    return tenure.holder in outlook.workers


def _counts(outlook: Outlook) -> Counter[int]:
    """How many links each process has."""
    return Counter(tenure.holder for tenure in outlook.tenures.values() if tenure.id > 0)
