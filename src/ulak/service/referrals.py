"""Paying those who referred customers: a share of what was taken, at most once.

A share is owed in the commit that takes the money, and not paid while that money may still go back. Its
invoice is on disk before it is paid, and after that no other one is asked for until the node says that
nothing was and will be paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog

from ulak.core.funding import CannotDo, Funding, FundingDown, PaymentState
from ulak.core.jobs import Job, JobKind
from ulak.core.ledger import SAT, Balance, Move, Posting
from ulak.core.purchases import RENTAL_CANCEL_WITHIN, SECOND, Purchase
from ulak.core.referrals import (
    Addresses,
    Bill,
    NoBill,
    Referral,
    ReferralState,
    fee_limit,
    next_try,
    share_of,
)
from ulak.core.states import PurchaseKind
from ulak.service.house import House, account_of
from ulak.service.parcels import Books
from ulak.store import jobs, ledger, purchases
from ulak.store import referrals as store
from ulak.store.engine import Tx

PATIENCE = 30.0
"""Seconds that a payment has before it counts as under way."""

LOOK_AGAIN = 30 * SECOND
"""When to look after a payment that is under way, ms."""

log = structlog.get_logger("ulak.referrals")


def owe(tx: Tx, purchase: Purchase) -> None:
    """The money of a purchase was taken: its referrer, if there is one, gets a share of it."""
    share = share_of(purchase.posted)
    if purchase.referrer is None or share < 1:
        return
    house = account_of(tx, House.REFERRALS)
    balances = ledger.locked(tx, [(house, SAT)])
    if store.insert(tx, purchase.id, purchase.referrer, share):
        _post(tx, balances, house, purchase.id, Move.GRANT, share)
        # A prepaid rental can be given back for a while, and whoever does so must not have earned by it.
        may_return = purchase.prepaid and purchase.kind is PurchaseKind.RENTAL
        wait = RENTAL_CANCEL_WITHIN + SECOND if may_return else 0
        jobs.put(tx, JobKind.REFER, purchase.id, tx.now + wait)


class Payouts:
    """Pays shares."""

    def __init__(self, books: Books, funding: Funding | None, addresses: Addresses) -> None:
        self._books = books
        self._funding = funding
        self._addresses = addresses

    async def carry_out(self, wanted: Sequence[Job]) -> None:
        """Do claimed jobs, one after the other: nobody waits for a share."""
        for job in wanted:
            try:
                await self._carry_out(job)
            except (FundingDown, CannotDo) as error:
                log.warning("referral.node_away", error=str(error))
                await self._later(job, LOOK_AGAIN)

    async def _carry_out(self, job: Job) -> None:
        share = await self._books.write(lambda tx: _share(tx, job.subject))
        if share is None or share.state in (ReferralState.PAID, ReferralState.KEPT):
            await self._books.write(lambda tx: jobs.done(tx, [job.id]))
        elif self._funding is None and share.state is ReferralState.PAYING:
            # Only the node that was asked to pay knows whether it did.
            await self._later(job, LOOK_AGAIN)
        elif self._funding is None:
            await self._give_up(job, share, "no Lightning node is configured")
        elif share.state is ReferralState.PAYING:
            await self._go_on(job, share, self._funding)
        else:
            try:
                bill = await self._addresses.bill(share.address, share.amount)
            except NoBill as error:
                await self._give_up(job, share, str(error))
                return
            paying = await self._books.write(partial(_begin, job=job, share=share, bill=bill))
            if paying is not None:
                await self._pay(job, paying, self._funding)

    async def _go_on(self, job: Job, share: Referral, funding: Funding) -> None:
        """A payment was begun, maybe by a process that is no more."""
        assert share.payment_hash is not None
        state = await funding.look_up_payment(bytes.fromhex(share.payment_hash))
        if state is PaymentState.UNKNOWN:
            await self._pay(job, share, funding)
        else:
            await self._told(job, share, state)

    async def _pay(self, job: Job, share: Referral, funding: Funding) -> None:
        assert share.payreq is not None
        try:
            state = await funding.pay(share.payreq, fee_limit(share.amount), PATIENCE)
        except CannotDo as error:
            await self._give_up(job, share, str(error))
        else:
            await self._told(job, share, state)

    async def _told(self, job: Job, share: Referral, state: PaymentState) -> None:
        if state is PaymentState.PAID:
            await self._books.write(partial(_paid, job=job, share=share))
        elif state is PaymentState.FAILED:
            await self._give_up(job, share, "the payment failed")
        else:
            await self._later(job, LOOK_AGAIN)

    async def _give_up(self, job: Job, share: Referral, why: str) -> None:
        """`share` as it was when it was tried: somebody else may have gone on with it meanwhile."""
        await self._books.write(partial(_give_up, job=job, share=share, why=why))

    async def _later(self, job: Job, wait: int) -> None:
        await self._books.write(partial(_put_off, job=job, wait=wait))


def _share(tx: Tx, purchase_id: int) -> Referral | None:
    """The share of a purchase. None: there is none, or its money went back, and nothing is owed any more."""
    found = purchases.load(tx, [purchase_id])
    if purchase_id in found and not found[purchase_id].posted:
        house = account_of(tx, House.REFERRALS)
        balances = ledger.locked(tx, [(house, SAT)])
        share = store.find(tx, purchase_id)
        if share is not None and store.drop(tx, purchase_id):
            for move in (Move.HOLD, Move.RELEASE):
                _post(tx, balances, house, purchase_id, move, share.amount)
    return store.find(tx, purchase_id)


def _begin(tx: Tx, job: Job, share: Referral, bill: Bill) -> Referral | None:
    """Keep the invoice before it is paid; None: somebody else did something meanwhile."""
    if not jobs.held(tx, job):
        return None
    house = account_of(tx, House.REFERRALS)
    balances = ledger.locked(tx, [(house, SAT)])
    paying = share._replace(state=ReferralState.PAYING, payreq=bill.payreq, payment_hash=bill.payment_hash)
    if not store.move(tx, paying, share):
        return None
    _post(tx, balances, house, share.purchase_id, Move.HOLD, share.amount)
    return paying


def _put_off(tx: Tx, job: Job, wait: int) -> None:
    if jobs.held(tx, job):
        jobs.again(tx, [(job.id, tx.now + wait)], failed=False)


def _paid(tx: Tx, job: Job, share: Referral) -> None:
    house = account_of(tx, House.REFERRALS)
    balances = ledger.locked(tx, [(house, SAT)])
    if store.move(tx, share._replace(state=ReferralState.PAID), share):
        _post(tx, balances, house, share.purchase_id, Move.POST, share.amount)
    jobs.done(tx, [job.id])


def _give_up(tx: Tx, job: Job, share: Referral, why: str) -> None:
    """A try came to nothing: try again later, or, after many, keep the share as owed.

    Only who still has the job may say so: somebody else may be paying the very same invoice.
    """
    if not jobs.held(tx, job):
        return
    house = account_of(tx, House.REFERRALS)
    balances = ledger.locked(tx, [(house, SAT)])
    wait = next_try(job.tries)
    state = ReferralState.KEPT if wait is None else ReferralState.OWED
    after = share._replace(state=state, payreq=None, payment_hash=None)
    if store.move(tx, after, share, why) and share.state is ReferralState.PAYING:
        _post(tx, balances, house, share.purchase_id, Move.VOID, share.amount)
    if wait is None:
        log.warning("referral.kept", purchase_id=share.purchase_id, why=why)
        jobs.done(tx, [job.id])
    else:
        jobs.again(tx, [(job.id, tx.now + wait)])


def _post(
    tx: Tx, balances: dict[ledger.Key, Balance], house: int, purchase_id: int, move: Move, amount: int
) -> None:
    posting = Posting(house, SAT, move, amount, purchase_id=purchase_id)
    balances[house, SAT].apply(posting)
    ledger.save(tx, balances, [posting])
