"""The shop: numbers for codes, rented numbers, single messages and credit, each bought for one payment.

What has to ask a Lightning node or a source is two transactions around the call, or a job: a process that
dies in between leaves a row that time, a look at the node or the job finishes.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from ulak.core.errors import Refusal
from ulak.core.funding import HASH_SIZE, CannotDo, Capability, Funding, FundingDown, Invoice
from ulak.core.jobs import Job
from ulak.core.points import point
from ulak.core.purchases import ID_SIZE, PAY_WITHIN, SECOND, Denied, Purchase, Sold, Wish
from ulak.core.states import PurchaseKind
from ulak.core.velocity import Velocities
from ulak.service import purchases, resolving
from ulak.service.apart import apart
from ulak.service.cashier import Cashier
from ulak.service.fleet import SourceFleet
from ulak.service.parcels import Books
from ulak.service.prices import Prices
from ulak.service.purchases import Offer
from ulak.service.sources import Sources
from ulak.service.supply import Supply
from ulak.service.texting import Sending
from ulak.service.till import NUMBERS
from ulak.store import jobs
from ulak.store import purchases as store
from ulak.store.engine import Tx
from ulak.store.vault import Vault

DUE = 100
"""Purchases that time changes together."""

JOB_AGAIN = 5 * SECOND
"""When a job that failed is tried again, ms."""

PREIMAGE = "preimage"
"""What preimages are sealed for."""

log = structlog.get_logger("ulak.purchases")


class Shop:
    """Sells, cancels, and knows what there is. `cashier` and `supply` do the work behind it."""

    def __init__(
        self,
        books: Books,
        *,
        funding: Funding | None,
        sources: SourceFleet,
        prices: Prices,
        vault: Vault,
        sender: str = "ULAK",
        velocities: Velocities | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`funding` None: nothing but balances pays. `sender` is whom messages are from, `velocities` how
        many there may be; `random` is where ids and preimages come from."""
        self._books = books
        self._funding = funding
        self._prices = prices
        self._vault = vault
        self._sending = Sending(sender, velocities or Velocities())
        self._random = random
        self.woken = asyncio.Event()
        self.attended = False
        """Whether this process listens to the node. Another one that does finds new invoices by itself."""
        self.on_wake: Callable[[], None] = lambda: None
        """Called when there is something to do: it may be for another process to do it."""
        self._sources = Sources(books, sources, monotonic)
        self.supply = Supply(books, self._sources, wake=self.wake)
        self.cashier = Cashier(books, funding, preimage=self.preimage, sending=self._sending, wake=self.wake)
        self._lapsing: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There is something to do."""
        self.woken.set()
        self.on_wake()

    # Selling.

    async def buy(self, wish: Wish, account_id: int | None, caller: str) -> Sold | Denied:
        """Accept a wish: with an invoice to pay, or paid from the balance of the account.

        `account_id` None is a customer without an account; `caller`, his address, is who was shown prices.
        Denied with NO_NUMBERS, NO_CREDIT or FUNDING_DOWN; with a key of the customer's own (`Wish.once`) also
        with IN_PROGRESS or KEY_REUSED.
        """
        if account_id is None:
            # Strangers would find each other's orders by their keys.
            wish = replace(wish, once=None)
        elif wish.once is not None:
            before = await self._books.read(partial(purchases.earlier, wish=wish, account_id=account_id))
            if before is not None:
                return before
        if wish.kind in NUMBERS and not await self._sources.may_have(wish):
            return Denied(Refusal.NO_NUMBERS)
        if not wish.prepaid:
            return await self._with_invoice(wish, account_id, caller)
        if account_id is None:
            return Denied(Refusal.NO_CREDIT)
        owner, offer = account_id, Offer(self._public_id())
        bought = await self._books.write(
            lambda tx: purchases.buy(tx, wish, owner, caller, offer, self._prices, self._sending)
        )
        point("purchase.prepaid")
        self.wake()
        return bought

    async def _with_invoice(self, wish: Wish, account_id: int | None, caller: str) -> Sold | Denied:
        funding = self._funding
        can = frozenset[Capability]() if funding is None else funding.capabilities
        plain = Capability.HOLD not in can and wish.kind is PurchaseKind.CREDIT and Capability.PLAIN in can
        if funding is None or (Capability.HOLD not in can and not plain):
            return Denied(Refusal.FUNDING_DOWN)
        preimage = None if plain else self._random(HASH_SIZE)
        offer = self._offer(preimage)
        purchase = await self._books.write(
            lambda tx: purchases.open_(tx, wish, account_id, caller, offer, self._prices, self._sending)
        )
        if not isinstance(purchase, Purchase):
            return purchase
        point("purchase.opened")
        try:
            invoice = await self._invoice(funding, purchase, wish.memo)
        except (FundingDown, CannotDo) as error:
            log.warning("purchase.no_invoice", purchase=purchase.id, why=str(error))
            await self._books.write(lambda tx: purchases.withdrawn(tx, purchase.id))
            self.wake()
            return Denied(Refusal.FUNDING_DOWN)
        point("purchase.invoiced")
        waited_for = await self._books.write(
            lambda tx: purchases.invoiced(tx, purchase.id, invoice.payreq, invoice.payment_hash.hex())
        )
        point("purchase.sold")
        if not waited_for:
            return Denied(Refusal.FUNDING_DOWN)
        if self.attended:
            funding.follow(invoice.payment_hash)
        return Sold(purchase.public_id, invoice.payreq)

    async def _invoice(self, funding: Funding, purchase: Purchase, memo: str) -> Invoice:
        expiry = PAY_WITHIN // SECOND
        if purchase.payment_hash is None:
            return await funding.create_plain(purchase.price, memo, expiry)
        payment_hash = bytes.fromhex(purchase.payment_hash)
        return await funding.create_hold(payment_hash, purchase.price, memo, expiry)

    def _offer(self, preimage: bytes | None) -> Offer:
        if preimage is None:
            return Offer(self._public_id())
        payment_hash = hashlib.sha256(preimage).hexdigest()
        sealed = self._vault.seal(preimage.hex(), PREIMAGE)
        return Offer(self._public_id(), sealed, payment_hash)

    def _public_id(self) -> str:
        return self._random(ID_SIZE).hex()

    def preimage(self, purchase: Purchase) -> str:
        """The preimage of a purchase, hexadecimal; empty where only the node has it, or nothing was paid.

        Raises:
            UlakError: the key is not the one it was sealed with.
        """
        if purchase.preimage is None:
            return ""
        return self._vault.open(purchase.preimage, PREIMAGE)

    async def cancel(self, public_id: str) -> Denied | None:
        """Cancel a purchase. None: it is cancelled, now or before. Denied with NOT_FOUND, with TOO_EARLY and
        the seconds to wait, with COMPLETED (the code came), or with FINAL."""
        denied = await self._books.write(lambda tx: purchases.cancel(tx, public_id))
        point("purchase.cancelled")
        self.wake()
        return denied

    # What there is.

    async def stock(self, pool: int) -> Mapping[str, int]:
        """How many numbers are left in a pool for each service; `ANY`: in all of them."""
        return await self._sources.stock(pool)

    async def unlisted(self, service: str) -> bool:
        """Whether a service can be tried although nobody knows whether there is a number for it."""
        return await self._sources.unlisted(service)

    async def pools(self) -> frozenset[int]:
        """Where there are numbers for codes."""
        return await self._sources.pools()

    async def rentals(self, service: str) -> frozenset[int]:
        """Where there are numbers to be rented as a whole for a service."""
        return await self._sources.rentals(service)

    # Time.

    async def pass_time(self) -> bool:
        """Let time change what is due; whether there is more. Nodes that have to be asked about unpaid
        invoices are asked in the background."""
        due = await self._books.read(lambda tx: store.due(tx, DUE))
        if due:
            await apart(due, self._pass_time, self._not_in_time)
            self.wake()
        return len(due) == DUE

    async def _pass_time(self, due: Sequence[int]) -> None:
        asked = await self._books.write(lambda tx: resolving.pass_time(tx, due))
        point("purchase.aged")
        if asked:
            task = asyncio.create_task(self._lapse(asked))
            self._lapsing.add(task)
            task.add_done_callback(self._lapsing.discard)

    async def _not_in_time(self, purchase_id: int) -> None:
        log.error("purchase.time_not_passed", purchase=purchase_id)
        await self._books.write(lambda tx: resolving.put_off_time(tx, [purchase_id]))

    async def _lapse(self, unpaid: list[Purchase]) -> None:
        try:
            await self.cashier.ask(unpaid, lapse=True)
        except Exception as error:
            # They are due again in a while.
            log.error("purchases.not_lapsed", purchases=len(unpaid), error=type(error).__name__)

    async def put_back(self, job: Job) -> None:
        """Let a claimed job be done again that failed in a way that nobody foresaw."""
        await self._books.write(lambda tx: jobs.again(tx, [(job.id, tx.now + JOB_AGAIN)]))

    async def settle(self) -> None:
        """Wait for what is done in the background."""
        await asyncio.gather(*self._lapsing, return_exceptions=True)
        await self.supply.settle()

    async def close(self) -> None:
        """Do no more in the background."""
        for task in self._lapsing:
            task.cancel()
        await self.supply.close()
        await self._sources.close()
        await self.settle()


def pending(tx: Tx) -> tuple[bool, bool, bool]:
    """Whether time changes something now, and whether a source and the node are to be asked."""
    return store.any_due(tx)
