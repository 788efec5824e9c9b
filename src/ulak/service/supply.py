"""Getting what was paid for: numbers from sources, what comes to them, and giving them back."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import structlog

from ulak.core.jobs import Job
from ulak.core.numbers import Activation, Gone, Got, News, NoneLeft, Text, Unreached, Want
from ulak.core.points import point
from ulak.core.purchases import SECOND, Purchase
from ulak.core.states import PurchaseKind, PurchaseState
from ulak.service import purchases, texting
from ulak.service.apart import apart
from ulak.service.fleet import Source
from ulak.service.parcels import Books
from ulak.service.sources import Sources, asked
from ulak.store import jobs
from ulak.store import purchases as store
from ulak.store.engine import Tx
from ulak.store.purchases import Look

LOOKS = 200
"""Numbers and messages that are looked at together."""

ABREAST = 32
"""Numbers that are bought at a source at the same time."""

BUY_AGAIN = 3 * SECOND
"""When sources that could not be reached are asked again for a number, ms."""

FINISH_MAX, FINISH_TRIES = 60 * SECOND, 34
"""How rarely at most a source is told again that a number is free, ms; and how often: half an hour in all."""

HEARD_MAX = 100_000
"""Numbers of which it is remembered what their source said last."""

log = structlog.get_logger("ulak.purchases")


class Supply:
    """Asks the sources for numbers and for news of them. Used on the event loop only."""

    def __init__(self, books: Books, sources: Sources, *, wake: Callable[[], None]) -> None:
        """`wake` is called when there is something to do."""
        self._books = books
        self._sources = sources
        self._wake = wake
        self._busy: set[int] = set()
        self._asking: Counter[int] = Counter()
        self._looking: set[asyncio.Task[None]] = set()
        self._heard: OrderedDict[int, int] = OrderedDict()

    # Buying.

    async def buy(self, job: Job) -> None:
        """Do a claimed job of kind BUY: get a number from the first source that has one."""
        found = await self._books.read(lambda tx: store.load(tx, [job.subject]))
        purchase = found.get(job.subject)
        if purchase is None or purchase.state is not PurchaseState.PAID or purchase.reference is not None:
            await self._books.write(lambda tx: jobs.done(tx, [job.id]))
            return
        want = Want(purchase.id, purchase.pool, purchase.service, purchase.weeks, purchase.handset)
        missed = False
        for source in await self._sources.best(purchase):
            point("number.buying")
            answer = await self._bought(source, want)
            if isinstance(answer, Got):
                await self._got(job, purchase, source, answer)
                return
            missed = missed or isinstance(answer, Unreached)
        await self._books.write(partial(_got_none, job=job, missed=missed))
        self._wake()

    async def _bought(self, source: Source, want: Want) -> Got | NoneLeft | Unreached:
        """Buy at a source; not while many wait for it already: they must not keep the others from theirs."""
        carrier_id = source.row.id
        if self._asking[carrier_id] >= ABREAST:
            return Unreached("many wait for it")
        self._asking[carrier_id] += 1
        try:
            return await asked(source, "buy", source.way.buy(want))
        finally:
            self._asking[carrier_id] -= 1

    async def _got(self, job: Job, purchase: Purchase, source: Source, got: Got) -> None:
        every = source.way.every

        def note(tx: Tx) -> bool:
            noted = purchases.assign(tx, purchase.id, source.row.id, got, every)
            jobs.done(tx, [job.id])
            return noted

        point("number.bought")
        noted = await self._books.write(note)
        point("number.assigned")
        if not noted:
            # Another number was faster, and there is room for one only.
            log.warning("purchase.number_too_many", purchase=purchase.id, carrier=source.row.name)
            spare = Activation(purchase.id, got.reference, got.number, purchase.service, purchase.created)
            await asked(source, "finish", source.way.finish(spare, False))
        self._wake()

    # Giving back.

    async def finish(self, job: Job) -> None:
        """Do a claimed job of kind FINISH: tell a source that its number is not needed any more."""
        found = await self._books.read(lambda tx: store.load(tx, [job.subject]))
        purchase = found.get(job.subject)
        source = None if purchase is None else await self._sources.find(purchase.carrier_id)
        answer: Unreached | None = None
        if purchase is not None and source is not None:
            used = purchase.code is not None or purchase.state is PurchaseState.ENDED
            point("number.finishing")
            answer = await asked(source, "finish", source.way.finish(_activation(purchase), used))
            point("number.finished")
        if answer is not None and job.tries < FINISH_TRIES:
            wait = min(FINISH_MAX, 2 ** min(job.tries + 1, 10) * SECOND)
            await self._books.write(lambda tx: jobs.again(tx, [(job.id, tx.now + wait)]))
            return
        if answer is not None:
            log.warning("purchase.number_not_returned", purchase=job.subject, why=answer.why)
        self._heard.pop(job.subject, None)
        await self._books.write(lambda tx: jobs.done(tx, [job.id]))

    # News.

    async def look(self) -> bool:
        """Look at the numbers and messages whose turn it is. Sources are asked in the background; one that
        takes long holds up nobody else. False always: what is left has its turn when the worker looks
        again."""
        every = {source.row.id: source.way.every for source in await self._sources.all()}
        looks = await self._books.write(partial(_claim_looks, every=every, busy=frozenset(self._busy)))
        messages = [look for look in looks if look.message is not None and texting.is_news(look)]
        if messages:
            await apart(messages, self._got_on, _broken)
            self._wake()
        by_source: dict[int, list[Look]] = {}
        for look in looks:
            if look.carrier_id in every:
                by_source.setdefault(look.carrier_id, []).append(look)
        for carrier_id, mine in by_source.items():
            self._busy.add(carrier_id)
            task = asyncio.create_task(self._look_at(carrier_id, mine))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        return False

    async def _got_on(self, messages: Sequence[Look]) -> None:
        await self._books.write(lambda tx: texting.happened(tx, messages))

    async def _look_at(self, carrier_id: int, looks: Sequence[Look]) -> None:
        try:
            await self.ask(carrier_id, looks)
        except Exception as error:
            # Their next look is set already.
            log.error("purchases.not_looked_at", numbers=len(looks), error=type(error).__name__)
        finally:
            self._busy.discard(carrier_id)

    async def ask(self, carrier_id: int, looks: Sequence[Look]) -> None:
        """Ask a source about these numbers, and write down what is new."""
        source = await self._sources.find(carrier_id)
        if source is None:
            return
        now = await self._books.read(lambda tx: tx.now)
        held = [_held(look) for look in looks]
        answers: Sequence[News] | Unreached = await asked(source, "news", source.way.news(held, now))
        if isinstance(answers, Unreached) or len(answers) != len(looks):
            return
        news = [
            (look, answer)
            for look, answer in zip(looks, answers, strict=True)
            if not isinstance(answer, Unreached) and self._is_new(look.id, answer)
        ]
        results = await asyncio.gather(*(self._tell(*one) for one in news), return_exceptions=True)
        for (look, answer), result in zip(news, results, strict=True):
            if isinstance(result, BaseException):
                log.error("purchase.news_not_kept", purchase=look.id, error=type(result).__name__)
            else:
                self._remember(look.id, answer)
        if news:
            self._wake()

    async def _tell(self, look: Look, news: Sequence[Text] | Gone) -> None:
        if isinstance(news, Gone):
            log.info("purchase.number_gone", purchase=look.id)
            await self._books.write(lambda tx: purchases.gone(tx, look.id))
            return
        texts = [_own(look, text) for text in news]
        point("code.heard")

        def keep(tx: Tx) -> None:
            for text in texts:
                purchases.text_came(tx, look.id, text)

        await self._books.write(keep)
        point("code.stored")

    def _is_new(self, purchase_id: int, news: Sequence[Text] | Gone) -> bool:
        """Whether a source says something else than the last time; nothing at all is nothing new."""
        if isinstance(news, Gone):
            return True
        return bool(news) and self._heard.get(purchase_id) != hash(tuple(news))

    def _remember(self, purchase_id: int, news: Sequence[Text] | Gone) -> None:
        self._heard[purchase_id] = hash(tuple(news)) if not isinstance(news, Gone) else 0
        if len(self._heard) > HEARD_MAX:
            self._heard.popitem(last=False)

    async def settle(self) -> None:
        """Wait for the sources that are being asked for news."""
        await asyncio.gather(*self._looking, return_exceptions=True)

    async def close(self) -> None:
        """Ask no more."""
        for task in self._looking:
            task.cancel()
        await self.settle()


def _got_none(tx: Tx, job: Job, missed: bool) -> None:
    """No source gave a number: later, where one could not be asked and there is time left."""
    purchase = store.load(tx, [job.subject])[job.subject]
    if missed and purchases.may_buy(purchase, tx.now):
        jobs.again(tx, [(job.id, tx.now + BUY_AGAIN)])
        return
    jobs.done(tx, [job.id])
    purchases.no_number(tx, job.subject)


async def _broken(look: Look) -> None:
    log.error("purchase.not_looked_at", purchase=look.id)


def _claim_looks(tx: Tx, every: Mapping[int, int | None], busy: Collection[int]) -> list[Look]:
    """The numbers and messages whose turn it is; the next look of all is set. Numbers of a source that is
    being asked keep their turn."""
    looks = store.to_look(tx, LOOKS, busy)
    # Where more wait than can be looked at, those that have waited long do so a little longer.
    patience = texting.PATIENCE if len(looks) < LOOKS else texting.PATIENCE // 4
    times = [
        (
            look.id,
            texting.next_look(look, tx.now)
            if look.kind is PurchaseKind.MESSAGE
            else _next_look(look, tx.now, every, patience),
        )
        for look in looks
    ]
    store.look_at(tx, times)
    return looks


def _next_look(look: Look, now: int, every: Mapping[int, int | None], patience: int) -> int:
    """When a number is asked about next: what takes long already may take a little longer."""
    age = now - (look.assigned or now)
    often = every.get(look.carrier_id or 0)
    longest = texting.LOOK_MAX
    return now + (longest if often is None else max(often, min(longest, age // patience)))


def _held(look: Look) -> Activation:
    return Activation(
        look.id,
        look.reference or "",
        look.number or 0,
        look.service,
        look.assigned or 0,
        look.kind is PurchaseKind.RENTAL,
    )


def _activation(purchase: Purchase) -> Activation:
    return Activation(
        purchase.id,
        purchase.reference or "",
        purchase.number or 0,
        purchase.service,
        purchase.assigned or purchase.created,
        purchase.kind is PurchaseKind.RENTAL,
    )


def _own(look: Look, text: Text) -> Text:
    """A text whose reference is one of its activation: sources count them for each from the beginning."""
    return text._replace(reference=f"{look.reference}\0{text.told}")
