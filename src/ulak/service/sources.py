"""The sources of rented numbers that are configured, and what they have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import structlog

from ulak.core.numbers import Unreached
from ulak.core.pools import ANY
from ulak.core.purchases import Purchase, Wish
from ulak.core.states import PurchaseKind
from ulak.service import carriers
from ulak.service.carriers import Carrier
from ulak.service.fleet import Source, SourceFleet
from ulak.service.parcels import Books

FRESH = 30.0
"""Seconds for which what a source has is known."""

PATIENCE = 2.0
"""Seconds that are waited for what a source has; what it said last counts then. The question goes on."""

MISSED = 3.0
"""Seconds for which one that could not be asked is not asked again."""

KEPT_MAX = 10_000
"""Answers that are kept."""

BROKEN = "its answer could not be read"
"""What is said of a source that raised; the log knows more."""

Answer = TypeVar("Answer")

log = structlog.get_logger("ulak.purchases")


@dataclass(slots=True)
class _Known:
    """An answer, or the wait for it, and until when it holds; until when it is waited for, and what was said
    before."""

    until: float
    patience: float
    answer: asyncio.Future[Any]
    before: Any

    @property
    def said(self) -> Any:
        """What it answered, or the last time where it has not yet."""
        return self.answer.result() if self.answer.done() else self.before


_SLOW = Unreached("it takes long to answer")


class _Outlook(IntEnum):
    """Whether a source has a number, the best first."""

    STOCK = 1
    UNLISTED = 2
    """It takes the service, and does not say whether there is one."""
    UNKNOWN = 3
    NONE = 4


class Sources:
    """Asks the sources. Used on the event loop only."""

    def __init__(
        self, books: Books, ways: SourceFleet, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._books = books
        self._ways = ways
        self._monotonic = monotonic
        self._known: dict[tuple[Carrier, str, object], _Known] = {}

    async def all(self) -> list[Source]:
        """The sources in use, those to be asked first in front."""
        found = await self._ways.of(await self._books.read(carriers.active))
        return sorted(found.values(), key=lambda source: (source.row.terms.priority, source.row.id))

    async def find(self, carrier_id: int | None) -> Source | None:
        """The source of this id, if it is still in use."""
        rows = await self._books.read(carriers.active)
        return (await self._ways.of(row for row in rows if row.id == carrier_id)).get(carrier_id or 0)

    async def stock(self, pool: int) -> dict[str, int]:
        """How many numbers are left in a pool for each service, everywhere together."""
        total: dict[str, int] = {}
        for answer in await self._each(lambda source: self._stock(source, pool)):
            if not isinstance(answer, Unreached):
                for service, count in answer.items():
                    total[service] = total.get(service, 0) + count
        return total

    async def unlisted(self, service: str) -> bool:
        """Whether a source takes a service although it does not say that it has a number for it."""
        return any(source.way.unlisted(service) for source in await self.all())

    async def pools(self) -> frozenset[int]:
        """Where there are numbers for codes."""
        answers = await self._each(lambda source: self._kept(source, "pools", None, source.way.pools))
        return frozenset(pool for a in answers if not isinstance(a, Unreached) for pool in a)

    async def rentals(self, service: str) -> frozenset[int]:
        """Where there are numbers to be rented as a whole for a service."""
        answers = await self._each(lambda source: self._rentals(source, service))
        return frozenset(pool for a in answers if not isinstance(a, Unreached) for pool in a)

    async def may_have(self, wish: Wish) -> bool:
        """Whether there may be a number for a wish: not when it is known that nobody has one."""
        found = await self.all()
        looks = await asyncio.gather(*(self._outlook(source, wish) for source in found))
        return any(look is not _Outlook.NONE for look in looks)

    async def best(self, purchase: Purchase) -> list[Source]:
        """The sources in the order in which they are tried: those that have what is wanted first. One that
        does not answer comes after those that do, because the customer waits."""
        found = await self.all()
        wish = Wish(purchase.dialect, purchase.kind, purchase.pool, purchase.service)
        looks = await asyncio.gather(*(self._outlook(source, wish) for source in found))
        ranked = sorted(zip(found, looks, strict=True), key=lambda pair: pair[1])
        return [source for source, _ in ranked]

    async def _outlook(self, source: Source, wish: Wish) -> _Outlook:
        if wish.kind is PurchaseKind.RENTAL:
            pools = await self._rentals(source, wish.service)
            if isinstance(pools, Unreached):
                return _Outlook.UNKNOWN
            has_one = wish.pool in pools or (wish.pool == ANY and bool(pools))
            return _Outlook.STOCK if has_one else _Outlook.NONE
        stock = await self._stock(source, wish.pool)
        if not isinstance(stock, Unreached) and stock.get(wish.service, 0) > 0:
            return _Outlook.STOCK
        # Asked last: numbers of our own are for any service or not, and the look at their stock tells.
        if source.way.unlisted(wish.service):
            return _Outlook.UNLISTED
        return _Outlook.UNKNOWN if isinstance(stock, Unreached) else _Outlook.NONE

    async def _each(self, ask: Callable[[Source], Awaitable[Answer]]) -> list[Answer]:
        return await asyncio.gather(*(ask(source) for source in await self.all()))

    async def _stock(self, source: Source, pool: int) -> Mapping[str, int] | Unreached:
        return await self._kept(source, "stock", pool, lambda: source.way.stock(pool))

    async def _rentals(self, source: Source, service: str) -> Collection[int] | Unreached:
        return await self._kept(source, "rentals", service, lambda: source.way.rentals(service))

    async def _kept(
        self,
        source: Source,
        what: str,
        about: object,
        ask: Callable[[], Awaitable[Answer | Unreached]],
    ) -> Answer | Unreached:
        """An answer that is not older than `FRESH`; all who want it meanwhile wait for one question."""
        key, now = (source.row, what, about), self._monotonic()
        known = self._known.get(key)
        if known is None or known.until <= now:
            if len(self._known) >= KEPT_MAX:
                self._known = {key: known for key, known in self._known.items() if known.until > now}
            task = asyncio.ensure_future(asked(source, what, ask()))
            # What brings its news by itself are numbers of our own: to ask costs one look at the database,
            # and one that was added a moment ago counts.
            fresh = 0.0 if source.way.every is None else FRESH
            before = _SLOW if known is None else known.said
            known = self._known[key] = _Known(now + fresh, now + PATIENCE, task, before)
        answer: Answer | Unreached = await self._waited(known)
        return answer

    async def _waited(self, known: _Known) -> Any:
        """What is answered, or was the last time if that takes long."""
        if not known.answer.done():
            left = max(0.0, known.patience - self._monotonic())
            await asyncio.wait([known.answer], timeout=left)
        if known.answer.done() and isinstance(known.answer.result(), Unreached):
            known.until = min(known.until, self._monotonic() + MISSED)
        return known.said

    async def close(self) -> None:
        """Ask no more."""
        for known in self._known.values():
            known.answer.cancel()


async def asked(source: Source, what: str, answer: Awaitable[Answer | Unreached]) -> Answer | Unreached:
    """What a source answers. One that breaks its promise never to raise was not reached."""
    try:
        return await answer
    except Exception as error:
        # Its text may hold what a customer's number got.
        log.error("source.broke", carrier=source.row.name, call=what, error=type(error).__name__)
        return Unreached(BROKEN)
