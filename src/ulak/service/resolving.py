"""What a Lightning node says about the money of purchases, written down: one transaction each.

The node is asked from what was decided and stored, as often as it takes; of the answers the first counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import structlog

from ulak.core.funding import GUARD_BLOCKS, InvoiceNews, InvoiceState
from ulak.core.jobs import Job, JobKind
from ulak.core.purchases import MINUTE, SECOND, Purchase
from ulak.core.states import PurchaseEvent, PurchaseKind, PurchaseState, Resolve
from ulak.service.purchases import FIRST_VERIFY, give_up, pay, timed
from ulak.service.texting import Sending
from ulak.service.till import VERIFY_HELD, Till
from ulak.store import jobs
from ulak.store import purchases as store
from ulak.store.engine import Tx

VERIFY_MAX = MINUTE
"""How rarely at most the node is asked about an invoice that is not paid, ms."""

VERIFY_AGAIN = 30 * SECOND
"""When the node is asked again about what it said nothing of, ms."""

LAPSE_AGAIN = 30 * SECOND
"""When an unpaid purchase is due again whose node did not answer, ms."""

AGAIN_MAX = MINUTE
"""How rarely at most a node that is away is tried again, ms."""

CLOSE_AGAIN_MAX = 10 * MINUTE
"""How rarely at most a node is asked again to cancel what nobody has paid, ms."""

log = structlog.get_logger("ulak.purchases")


class Outcome(Enum):
    """What became of money when it was settled or cancelled, as had been decided."""

    TAKEN = "taken"
    GONE = "gone"
    """It was to be taken, and was not there any more."""
    RETURNED = "returned"
    KEPT = "kept"
    """It was to be given back, and had been taken before."""


def concluded(tx: Tx, job: Job, outcome: Outcome, amount: int = 0) -> None:
    """What was decided is done at the node; `amount` sats were taken there. The first conclusion counts."""
    till = Till(tx, [job.subject], parking=outcome is Outcome.KEPT)
    purchase = till.get(job.subject)
    jobs.done(tx, [job.id])
    if purchase is None or purchase.resolved is not None:
        return
    if outcome is Outcome.TAKEN:
        till.take(purchase)
    elif outcome is Outcome.RETURNED:
        till.give_back(purchase)
    elif outcome is Outcome.KEPT:
        log.error("purchase.money_parked", purchase=purchase.id, amount=amount)
        till.park(purchase, amount or purchase.held or purchase.price)
    else:
        log.warning("purchase.money_gone", purchase=purchase.id, state=purchase.state.name)
        till.give_back(purchase)
        till.step(purchase, PurchaseEvent.GONE)
    till.save()


def put_off(tx: Tx, job: Job) -> None:
    """The node is away, or cannot: later, and ever more rarely."""
    longest = CLOSE_AGAIN_MAX if job.kind is JobKind.CLOSE else AGAIN_MAX
    wait = min(longest, 2 ** min(job.tries, 10) * SECOND)
    jobs.again(tx, [(job.id, tx.now + wait)])


# Looking at what is not decided.


def claim_verify(tx: Tx, limit: int) -> list[Purchase]:
    """Purchases about whose payment the node is to be asked now; their next time is set."""
    found = store.load(tx, store.to_verify(tx, limit)).values()
    store.verify_at(tx, [(purchase.id, _next_verify(purchase, tx.now)) for purchase in found])
    return list(found)


def verify_again(tx: Tx, ids: Sequence[int]) -> None:
    """The node was away when it was their turn: what is held must not be left to its timeout."""
    store.verify_at(tx, [(purchase_id, tx.now + VERIFY_AGAIN) for purchase_id in ids])


def _next_verify(purchase: Purchase, now: int) -> int:
    if purchase.state is not PurchaseState.UNPAID:
        return now + VERIFY_HELD
    return now + min(VERIFY_MAX, max(FIRST_VERIFY, now - purchase.created))


def pass_time(tx: Tx, due: Sequence[int]) -> list[Purchase]:
    """Let time change these purchases. Returns those whose invoice may have been paid in the last moment: the
    node is to be asked first, and they are due again in a while."""
    found = store.load(tx, due)
    asked = [
        purchase
        for purchase in found.values()
        if purchase.state is PurchaseState.UNPAID
        and purchase.payreq is not None
        # It may have got its invoice, and with it more time, since it was seen to be due.
        and purchase.due is not None
        and purchase.due <= tx.now
    ]
    put_off_time(tx, [purchase.id for purchase in asked])
    timed(tx, sorted(found.keys() - {purchase.id for purchase in asked}))
    return asked


def put_off_time(tx: Tx, due: Sequence[int]) -> None:
    """Let these be due again in a while."""
    store.due_at(tx, [(purchase_id, tx.now + LAPSE_AGAIN) for purchase_id in due])


class Heard(NamedTuple):
    """What the node said of the invoice of a purchase, and where that stood when the node was asked."""

    id: int
    was: PurchaseState
    news: InvoiceNews


def verified(tx: Tx, heard: Sequence[Heard], sending: Sending, *, lapse: bool = False) -> None:
    """What the node says of the invoices of purchases. `lapse`: those that are unpaid have had their time."""
    till = Till(tx, [one.id for one in heard])
    for one in heard:
        purchase = till.get(one.id)
        # That an invoice was unpaid before it was paid is no news.
        if purchase is None or _is_unpaid(one.was) != _is_unpaid(purchase.state):
            continue
        _verify(till, purchase, one.news, sending)
        if lapse and _is_unpaid(purchase.state):
            till.step(purchase, PurchaseEvent.LAPSED)
    till.save()


def _is_unpaid(state: PurchaseState) -> bool:
    return state is PurchaseState.UNPAID


def _verify(till: Till, purchase: Purchase, news: InvoiceNews, sending: Sending) -> None:
    paid = news.state in (InvoiceState.HELD, InvoiceState.SETTLED)
    if purchase.state is PurchaseState.UNPAID:
        if news.state is InvoiceState.HELD and ends_soon(news.blocks_left):
            log.warning("purchase.hold_too_short", purchase=purchase.id, blocks=news.blocks_left)
            till.step(purchase, PurchaseEvent.LAPSED)
            till.job(JobKind.RESOLVE, purchase)
        elif paid:
            pay(till, purchase, news.amount, sending)
            if news.state is InvoiceState.SETTLED and purchase.preimage is None:
                _taken_already(till, purchase)
        elif news.state is InvoiceState.CANCELLED:
            till.step(purchase, PurchaseEvent.LAPSED)
    elif purchase.resolve is Resolve.CANCEL:
        if news.state is InvoiceState.HELD:
            pay(till, purchase, news.amount, sending)
    elif purchase.resolved is None and not purchase.prepaid:
        _guard(till, purchase, news, paid)


def _taken_already(till: Till, purchase: Purchase) -> None:
    """A plain invoice was paid, and its money is ours."""
    if purchase.resolve is Resolve.SETTLE and purchase.resolved is None:
        till.take(purchase)


def _guard(till: Till, purchase: Purchase, news: InvoiceNews, paid: bool) -> None:
    """The money of a purchase that is under way has to be held, and long enough."""
    ends = ends_soon(news.blocks_left)
    if purchase.resolve is Resolve.SETTLE:
        if ends:
            log.error("purchase.settle_before_timeout", purchase=purchase.id, blocks=news.blocks_left)
            till.job(JobKind.RESOLVE, purchase)
        return
    if paid and not ends:
        return
    log.warning("purchase.hold_ends", purchase=purchase.id, state=news.state.name, blocks=news.blocks_left)
    if purchase.state is PurchaseState.SENT:
        # It was sent: the money is taken now, if it is there.
        purchase.due = None
        till.decide(purchase, Resolve.SETTLE)
    elif purchase.kind is PurchaseKind.MESSAGE:
        # One that a carrier has may have gone; its money goes back all the same.
        if not give_up(till, purchase):
            till.step(purchase, PurchaseEvent.FAILED)
    else:
        till.step(purchase, PurchaseEvent.GONE)


def ends_soon(blocks_left: int | None) -> bool:
    """Whether what is held will soon go back by itself."""
    return blocks_left is not None and blocks_left <= GUARD_BLOCKS
