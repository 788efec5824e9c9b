"""Asking the Lightning node about the money of purchases: take it, give it back, see whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog

from ulak.core.funding import CannotDo, Funding, FundingDown, InvoiceNews, InvoiceState
from ulak.core.jobs import Job
from ulak.core.points import point
from ulak.core.purchases import Purchase
from ulak.core.states import PurchaseState, Resolve
from ulak.service import resolving
from ulak.service.apart import apart
from ulak.service.parcels import Books
from ulak.service.resolving import Heard, Outcome
from ulak.service.texting import Sending
from ulak.store import jobs
from ulak.store import purchases as store
from ulak.store.engine import Tx

AT_ONCE = 8
"""Questions to the node at a time."""

BATCH = 100
"""Purchases whose invoices are looked at together."""

log = structlog.get_logger("ulak.purchases")


class Cashier:
    """Carries out at the node what was decided, and writes down what it says."""

    def __init__(
        self,
        books: Books,
        funding: Funding | None,
        *,
        preimage: Callable[[Purchase], str],
        sending: Sending,
        wake: Callable[[], None],
    ) -> None:
        """`preimage` opens a purchase's preimage; `wake` is called when something became paid; `sending` is
        how messages go out that are."""
        self._books = books
        self._funding = funding
        self._preimage = preimage
        self._sending = sending
        self._wake = wake
        self._places = asyncio.Semaphore(AT_ONCE)

    # Carrying out.

    async def resolve(self, job: Job) -> None:
        """Do a claimed job of kind RESOLVE or CLOSE: settle or cancel, as is stored."""
        found = await self._books.read(lambda tx: store.load(tx, [job.subject]))
        purchase = found.get(job.subject)
        if purchase is None or purchase.resolved is not None or purchase.resolve is Resolve.OPEN:
            await self._books.write(lambda tx: jobs.done(tx, [job.id]))
            return
        try:
            async with self._places:
                point("money.moving")
                outcome, amount = await self._carry_out(purchase)
                point("money.moved")
        except (FundingDown, CannotDo) as error:
            if job.tries % 10 == 0:
                log.warning("purchase.not_resolved", purchase=purchase.id, tries=job.tries, why=str(error))
            await self._books.write(lambda tx: resolving.put_off(tx, job))
            return
        await self._books.write(partial(resolving.concluded, job=job, outcome=outcome, amount=amount))
        point("money.concluded")
        self._wake()

    async def _carry_out(self, purchase: Purchase) -> tuple[Outcome, int]:
        funding = self._funding
        if funding is None:
            raise FundingDown("no Lightning node is configured")
        if purchase.payment_hash is None:
            return Outcome.RETURNED, 0
        payment_hash = bytes.fromhex(purchase.payment_hash)
        if purchase.resolve is Resolve.CANCEL:
            return await _cancel(funding, payment_hash)
        if purchase.preimage is None or await funding.settle(bytes.fromhex(self._preimage(purchase))):
            return Outcome.TAKEN, 0
        if await funding.cancel(payment_hash):
            return Outcome.GONE, 0
        raise FundingDown("it says that nothing is held, and that it was settled")

    # Looking.

    async def verify(self) -> bool:
        """Ask about the invoices whose turn it is; whether there are more."""
        due = await self._books.write(lambda tx: resolving.claim_verify(tx, BATCH))
        unanswered = await self.ask(due)
        if unanswered:
            await self._books.write(partial(resolving.verify_again, ids=unanswered))
        return len(due) == BATCH and not unanswered

    async def verify_all(self) -> None:
        """Let it be the turn of all: nobody listened to the node for a while."""
        await self._books.write(store.verify_all)

    async def heard(self, payment_hashes: Collection[str]) -> None:
        """There may be news of these invoices (hexadecimal hashes)."""

        def find(tx: Tx) -> list[Purchase]:
            return list(store.load(tx, store.by_hash(tx, payment_hashes)).values())

        await self.ask(await self._books.read(find))

    async def ask(self, purchases: Sequence[Purchase], *, lapse: bool = False) -> list[int]:
        """Ask about the invoices of these purchases, and write down what is new. `lapse`: those that turn out
        to be unpaid have had their time. Returns those about which the node said nothing."""
        if self._funding is None and not lapse:
            return []
        if self._funding is None:
            answers: list[InvoiceNews | None] = [InvoiceNews(InvoiceState.UNKNOWN)] * len(purchases)
        else:
            is_down = asyncio.Event()
            questions = (self._look_up(self._funding, purchase, is_down) for purchase in purchases)
            answers = await asyncio.gather(*questions)
        heard = [
            Heard(purchase.id, purchase.state, news)
            for purchase, news in zip(purchases, answers, strict=True)
            if news is not None and (lapse or _is_news(purchase, news))
        ]
        if heard:
            await apart(heard, lambda some: self._note(some, lapse), _broken)
            self._wake()
        return [one.id for one, news in zip(purchases, answers, strict=True) if news is None]

    async def _note(self, heard: Sequence[Heard], lapse: bool) -> None:
        point("payment.heard")
        change = partial(resolving.verified, heard=heard, sending=self._sending, lapse=lapse)
        await self._books.write(change)
        point("payment.noted")

    async def _look_up(
        self, funding: Funding, purchase: Purchase, is_down: asyncio.Event
    ) -> InvoiceNews | None:
        """What the node says of an invoice, None if it does not; the rest is not asked then."""
        if purchase.payment_hash is None:
            return None
        async with self._places:
            if is_down.is_set():
                return None
            payment_hash = bytes.fromhex(purchase.payment_hash)
            try:
                if purchase.state is PurchaseState.UNPAID:
                    funding.follow(payment_hash)
                return await funding.look_up(payment_hash)
            except (FundingDown, CannotDo) as error:
                is_down.set()
                log.warning("purchases.node_away", why=str(error))
                return None


async def _broken(heard: Heard) -> None:
    log.error("purchase.not_verified", purchase=heard.id)


async def _cancel(funding: Funding, payment_hash: bytes) -> tuple[Outcome, int]:
    try:
        if await funding.cancel(payment_hash):
            return Outcome.RETURNED, 0
    except CannotDo:
        # A node without hold invoices: what is not paid is over when the invoice is.
        news = await funding.look_up(payment_hash)
        if news.state in (InvoiceState.CANCELLED, InvoiceState.UNKNOWN):
            return Outcome.RETURNED, 0
        if news.state is not InvoiceState.SETTLED:
            raise FundingDown("its invoice can still be paid") from None
        return Outcome.KEPT, news.amount
    news = await funding.look_up(payment_hash)
    return Outcome.KEPT, news.amount


def _is_news(purchase: Purchase, news: InvoiceNews) -> bool:
    """Whether what the node says of an invoice may change its purchase."""
    if purchase.state is PurchaseState.UNPAID:
        return news.state not in (InvoiceState.OPEN, InvoiceState.UNKNOWN)
    if purchase.resolve is Resolve.CANCEL:
        return news.state is InvoiceState.HELD
    return purchase.resolved is None and (
        news.state is not InvoiceState.HELD or resolving.ends_soon(news.blocks_left)
    )
