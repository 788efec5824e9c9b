"""What is to be done about purchases: numbers bought, money taken or given back, news and time looked after.

One look at the database a few times a second says what is due; each part then works by itself, so that a
source or a node that is slow or gone holds up only what needs it. A payment wakes the worker at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from ulak.core.funding import Funding, FundingDown
from ulak.core.jobs import Job, JobKind
from ulak.service.shop import Shop, pending

Result = TypeVar("Result")

POLL = 0.25
"""Seconds between looks for what has become due."""

PAUSE = 1.0
"""Seconds that a part rests after it failed."""

LAST = 5.0
"""Seconds that work under way has to end when we stop."""

AWAY, AWAY_MAX = 1.0, 60.0
"""Seconds after which a lost node is listened to again, and after how many at the latest."""

PLACES = {JobKind.BUY: 128, JobKind.RESOLVE: 16, JobKind.FINISH: 8, JobKind.REFER: 1, JobKind.CLOSE: 4}
"""Jobs of a kind that are done at the same time."""

log = structlog.get_logger("ulak.purchases")

Work = Callable[[], Awaitable[bool]]
"""Does what is due, as much as is right at once; whether there is more."""


class Books(Protocol):
    """What the worker asks of the store."""

    async def read(self, question: Callable[[Any], Result]) -> Result:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Result]) -> Result:
        """Change within one transaction of its own."""


class Jobs(Protocol):
    """The queue."""

    def due(self, tx: Any) -> list[JobKind]:
        """The kinds of which something is due."""

    def claim(self, tx: Any, kind: JobKind, limit: int) -> list[Job]:
        """Claim some that are due."""

    def release(self, tx: Any) -> None:
        """Make due what processes that are gone had claimed."""


class PurchaseWorker:
    """Keeps purchases going."""

    def __init__(
        self,
        books: Books,
        shop: Shop,
        jobs: Jobs,
        *,
        funding: Funding | None = None,
        more: Mapping[JobKind, Callable[[Sequence[Job]], Awaitable[None]]] | None = None,
    ) -> None:
        """`funding` is listened to; `more` does the jobs that the shop does not. `jobs` knows the kinds of
        all of them."""
        self._books = books
        self._shop = shop
        self._jobs = jobs
        self._funding = funding
        self._news: set[str] = set()
        doers: dict[JobKind, Callable[[Job], Awaitable[None]]] = {
            JobKind.BUY: shop.supply.buy,
            JobKind.RESOLVE: shop.cashier.resolve,
            JobKind.CLOSE: shop.cashier.resolve,
            JobKind.FINISH: shop.supply.finish,
        }
        for kind, do in (more or {}).items():
            doers[kind] = partial(_one, do)
        self._parts: dict[object, _Part] = {
            kind: _JobPart(books, jobs, kind, do, shop.put_back) for kind, do in doers.items()
        }
        self._parts["time"] = _Part("time", shop.pass_time)
        self._parts["look"] = _Part("look", shop.supply.look)
        self._parts["verify"] = _Part("verify", shop.cashier.verify)
        self._parts["heard"] = _Part("heard", self._hear)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped; a failure is logged and met again later.

        What nodes and sources are asked just then has a while to end. What has not is left to the next
        process, as after a crash.
        """
        self._shop.attended = True
        listening = asyncio.create_task(self._listen())
        parts = [asyncio.create_task(part.run(stop)) for part in self._parts.values()]
        try:
            await self._until(stop)
            for part in self._parts.values():
                part.wanted.set()
            _, late = await asyncio.wait([*parts, asyncio.create_task(self._shop.settle())], timeout=LAST)
            if late:
                log.warning("purchases.left", parts=len(late))
        finally:
            self._shop.attended = False
            for task in (listening, *parts):
                task.cancel()
            await asyncio.gather(listening, *parts, return_exceptions=True)

    async def _until(self, stop: asyncio.Event) -> None:
        released = False
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._shop.woken.clear()
                try:
                    if not released:
                        await self._books.write(self._jobs.release)
                        await self._shop.cashier.verify_all()
                        released = True
                    await self._look()
                except Exception:
                    log.warning("purchases.failed", exc_info=True)
                woken = asyncio.create_task(self._shop.woken.wait())
                await asyncio.wait({stopping, woken}, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
        finally:
            stopping.cancel()

    async def _look(self) -> None:
        """Wake the parts for which there is something to do."""

        def ask(tx: Any) -> tuple[list[JobKind], tuple[bool, bool, bool]]:
            return self._jobs.due(tx), pending(tx)

        kinds, (time, look, verify) = await self._books.read(ask)
        wanted: list[object] = [*kinds]
        wanted += [name for name, due in (("time", time), ("look", look), ("verify", verify)) if due]
        for name in wanted:
            if name in self._parts:
                self._parts[name].wanted.set()

    # Listening to the node.

    async def _hear(self) -> bool:
        news, self._news = self._news, set()
        if news:
            await self._shop.cashier.heard(news)
        return bool(self._news)

    async def _listen(self) -> None:
        """Take down what the node has news about. When it was lost, everything is looked at after that."""
        if self._funding is None:
            return
        loop, away = asyncio.get_running_loop(), AWAY
        while True:
            began = loop.time()
            try:
                async for payment_hash in self._funding.watch():
                    self._news.add(payment_hash.hex())
                    self._parts["heard"].wanted.set()
            except FundingDown as error:
                log.warning("funding.lost", why=str(error))
            except Exception:
                log.exception("funding.broke")
            away = AWAY if loop.time() - began > AWAY_MAX else away
            await asyncio.sleep(away)
            away = min(AWAY_MAX, 2 * away)
            try:
                await self._shop.cashier.verify_all()
            except Exception:
                log.warning("purchases.not_verified", exc_info=True)


async def _one(do: Callable[[Sequence[Job]], Awaitable[None]], job: Job) -> None:
    await do([job])


class _Part:
    """Something that is done whenever it is wanted, one after the other."""

    def __init__(self, name: str, work: Work) -> None:
        self._name = name
        self._work = work
        self.wanted = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped."""
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            if stop.is_set():
                break
            try:
                while await self._work() and not stop.is_set():
                    pass
            except Exception:
                log.warning("purchases.failed", part=self._name, exc_info=True)
                await asyncio.sleep(PAUSE)
        await self.rest()

    async def rest(self) -> None:
        """Let what was begun end."""


class _JobPart(_Part):
    """Jobs of one kind, several at a time: one that takes long has a place, and the others go on."""

    def __init__(
        self,
        books: Books,
        jobs: Jobs,
        kind: JobKind,
        do: Callable[[Job], Awaitable[None]],
        put_back: Callable[[Job], Awaitable[None]],
    ) -> None:
        super().__init__(kind.name.lower(), self._take)
        self._books = books
        self._jobs = jobs
        self._kind = kind
        self._do = do
        self._put_back = put_back
        self._under_way: set[asyncio.Task[None]] = set()

    async def _take(self) -> bool:
        free = PLACES[self._kind] - len(self._under_way)
        if free > 0:
            claimed = await self._books.write(partial(self._jobs.claim, kind=self._kind, limit=free))
            for job in claimed:
                task = asyncio.create_task(self._done(job))
                self._under_way.add(task)
                task.add_done_callback(self._ended)
        return False

    def _ended(self, task: asyncio.Task[None]) -> None:
        was_full = len(self._under_way) >= PLACES[self._kind]
        self._under_way.discard(task)
        if was_full:
            self.wanted.set()

    async def _done(self, job: Job) -> None:
        try:
            await self._do(job)
        except Exception:
            log.warning("purchase.job_failed", kind=self._name, purchase=job.subject, exc_info=True)
            # Where that fails too, it is due again when the claim is over.
            with contextlib.suppress(Exception):
                await self._put_back(job)

    async def run(self, stop: asyncio.Event) -> None:
        try:
            await super().run(stop)
        finally:
            for task in self._under_way:
                task.cancel()

    async def rest(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)
