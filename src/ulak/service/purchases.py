"""Purchases: begun, paid, supplied, cancelled and timed out. Each function is one change, in one transaction.

Whoever comes second finds a state in which his event means nothing: "the code came" and "cancelled" are one
compare-and-set. Nothing here asks a node or a source; jobs do, from what is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ulak.core.codes import find_code
from ulak.core.errors import Refusal
from ulak.core.jobs import JobKind
from ulak.core.ledger import SAT
from ulak.core.numbers import RENTAL_WEEKS, Got, Text
from ulak.core.purchases import (
    BUY_WITHIN,
    CANCEL_AFTER,
    MINUTE,
    ONCE_KEPT,
    PAY_WITHIN,
    RENTAL_CANCEL_WITHIN,
    SECOND,
    Denied,
    Incoming,
    Purchase,
    Shown,
    Sold,
    Wish,
    once_key,
    once_of,
)
from ulak.core.states import PurchaseEvent, PurchaseKind, PurchaseState, Resolve
from ulak.service import texting
from ulak.service.house import House, account_of
from ulak.service.prices import Prices
from ulak.service.texting import Sending
from ulak.service.till import NUMBERS, Till, seen
from ulak.store import accounts, endpoints, ledger
from ulak.store import purchases as store
from ulak.store.engine import Tx

FIRST_VERIFY = 3 * SECOND
"""How soon the node is asked about a new invoice, in case it does not tell by itself, ms."""

INVOICE_WITHIN = MINUTE
"""How long a purchase may be without the invoice that is being made for it, ms."""

_GIVEN_BACK = (
    PurchaseState.EXPIRED,
    PurchaseState.WITHDRAWN,
    PurchaseState.NO_NUMBER,
    PurchaseState.CANCELLED,
    PurchaseState.TIMED_OUT,
    PurchaseState.LOST,
)
"""There is nothing left to cancel: its money went back."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a purchase begins with: random, and made before its transaction. `preimage` is sealed; None, and
    no hash, where the node makes them itself or there is nothing to pay."""

    public_id: str
    preimage: str | None = None
    payment_hash: str | None = None


# Buying.


def earlier(tx: Tx, wish: Wish, account_id: int) -> Sold | Denied | None:
    """What an account has bought before with the key that it says now; None if nothing, or in vain.

    Denied with IN_PROGRESS while its invoice is being made, with KEY_REUSED when something else is wanted.
    """
    if wish.once is None:
        return None
    known = store.bought_once(tx, account_id, once_key(wish.once), tx.now - ONCE_KEPT)
    if known is None or (known.payreq is None and not known.prepaid and known.state in _GIVEN_BACK):
        return None
    if known.once != once_of(wish):
        return Denied(Refusal.KEY_REUSED)
    if known.payreq is None and not known.prepaid:
        return Denied(Refusal.IN_PROGRESS, 1)
    return Sold(known.public_id, known.payreq)


def open_(
    tx: Tx,
    wish: Wish,
    account_id: int | None,
    caller: str,
    offer: Offer,
    prices: Prices,
    sending: Sending | None = None,
) -> Purchase | Sold | Denied:
    """A new purchase that waits for its invoice, and then for its money; or what was bought before. Denied is
    what `sending` has no room for; that is counted once it is paid."""
    if account_id is not None and wish.once is not None:
        accounts.lock(tx, account_id)
        before = earlier(tx, wish, account_id)
        if before is not None:
            return before
    owner = account_of(tx, House.WALK_IN) if account_id is None else account_id
    denied = None if sending is None else _too_fast(tx, wish, owner, sending)
    if denied is not None:
        return denied
    purchase = _new(tx, wish, owner, offer, _price(tx, wish, caller, prices))
    purchase.due = tx.now + INVOICE_WITHIN
    purchase.id = store.insert(tx, purchase)
    return purchase


def buy(
    tx: Tx, wish: Wish, account_id: int, caller: str, offer: Offer, prices: Prices, sending: Sending
) -> Sold | Denied:
    """A new purchase that its account's balance pays for; that is reserved at once."""
    till = Till(tx, accounts=[account_id])
    before = earlier(tx, wish, account_id)
    if before is not None:
        return before
    denied = _too_fast(tx, wish, account_id, sending)
    if denied is not None:
        return denied
    price = _price(tx, wish, caller, prices)
    if till.available(account_id) < price:
        return Denied(Refusal.NO_CREDIT)
    purchase = till.add(_new(tx, wish, account_id, offer, price))
    _pay(till, purchase, price, sending)
    till.save()
    return Sold(purchase.public_id, None)


def _too_fast(tx: Tx, wish: Wish, account_id: int, sending: Sending) -> Denied | None:
    """Why there may be no message of this account to this number now."""
    if wish.kind is not PurchaseKind.MESSAGE or wish.number is None:
        return None
    wait = texting.wait(tx, sending, account_id, wish.number)
    if wait is None:
        return Denied(Refusal.NO_RECIPIENT)
    return Denied(Refusal.TOO_FAST, wait) if wait else None


def _price(tx: Tx, wish: Wish, caller: str, prices: Prices) -> int:
    if wish.kind is PurchaseKind.CREDIT:
        return wish.amount
    if wish.kind is PurchaseKind.MESSAGE:
        return prices.charge(tx, caller, wish.tariff, None, "")
    return prices.charge(tx, caller, wish.tariff, wish.pool, wish.service)


def _new(tx: Tx, wish: Wish, account_id: int, offer: Offer, price: int) -> Purchase:
    endpoint_id = None
    if wish.callback_url is not None:
        endpoint_id = endpoints.name(tx, account_id, wish.dialect, wish.callback_url)
    return Purchase(
        id=0,
        public_id=offer.public_id,
        account_id=account_id,
        dialect=wish.dialect,
        kind=wish.kind,
        state=PurchaseState.UNPAID,
        price=price,
        created=tx.now,
        changed=tx.now,
        prepaid=wish.prepaid,
        payment_hash=offer.payment_hash,
        preimage=offer.preimage,
        service=wish.service,
        pool=wish.pool,
        weeks=RENTAL_WEEKS if wish.kind is PurchaseKind.RENTAL else 0,
        handset=wish.handset,
        number=wish.number,
        text=wish.text,
        referrer=wish.referrer,
        endpoint_id=endpoint_id,
        once=once_of(wish),
    )


def invoiced(tx: Tx, purchase_id: int, payreq: str, payment_hash: str) -> bool:
    """There is an invoice; whether somebody still waits for it."""
    till = Till(tx, [purchase_id])
    purchase = till.get(purchase_id)
    if purchase is None or purchase.state is not PurchaseState.UNPAID:
        return False
    if purchase.payment_hash is None:
        store.set_hash(tx, purchase_id, payment_hash)
    purchase.payreq = payreq
    purchase.due = tx.now + PAY_WITHIN
    purchase.verify = tx.now + FIRST_VERIFY
    till.touch(purchase)
    till.save()
    return True


def withdrawn(tx: Tx, purchase_id: int) -> None:
    """Its invoice could not be made. If the node made it all the same, it is cancelled there."""
    till = Till(tx, [purchase_id])
    purchase = till.get(purchase_id)
    if purchase is not None:
        till.step(purchase, PurchaseEvent.WITHDRAWN)
        till.save()


# Paid.


def pay(till: Till, purchase: Purchase, amount: int, sending: Sending) -> bool:
    """The node holds (or has taken) so many sats for a purchase; whether that changed anything.

    What is held for a purchase that is over is never kept: it is cancelled, or cancelled again.
    """
    if purchase.state is PurchaseState.UNPAID:
        # A node refuses to be given too little, so this is another invoice than we think.
        if 0 < amount < purchase.price:
            return till.step(purchase, PurchaseEvent.LAPSED)
        _pay(till, purchase, amount or purchase.price, sending)
        return True
    if purchase.resolve is Resolve.CANCEL and purchase.payment_hash is not None:
        purchase.resolved = None
        till.touch(purchase)
        till.job(JobKind.RESOLVE, purchase)
        return True
    return False


def _pay(till: Till, purchase: Purchase, amount: int, sending: Sending) -> None:
    purchase.paid = till.tx.now
    till.reserve(purchase, amount)
    till.step(purchase, PurchaseEvent.HELD)
    if purchase.kind in NUMBERS:
        till.job(JobKind.BUY, purchase)
    elif purchase.kind is PurchaseKind.MESSAGE:
        assert purchase.number is not None
        if texting.take(till.tx, sending, purchase.account_id, purchase.number):
            purchase.message_id = texting.place(till.tx, purchase, sending.sender)
        else:
            # Others that were ordered with it and paid earlier have taken the room.
            till.step(purchase, PurchaseEvent.FAILED)


# Numbers.


def assign(tx: Tx, purchase_id: int, carrier_id: int, got: Got, every: int | None) -> bool:
    """A source gave a number. False: nobody wants it any more, and it could not even be noted; whoever has
    it gives it back himself.

    A number for a purchase that is over meanwhile is noted with it, and given back by a job.
    """
    till = Till(tx, [purchase_id])
    purchase = till.get(purchase_id)
    if purchase is None:
        return False
    if purchase.reference is not None:
        return (purchase.carrier_id, purchase.reference) == (carrier_id, got.reference)
    purchase.carrier_id, purchase.reference, purchase.number = carrier_id, got.reference, got.number
    if purchase.state is PurchaseState.PAID:
        purchase.pool, purchase.assigned = got.pool, tx.now
        purchase.look = None if every is None else tx.now + every
        till.step(purchase, PurchaseEvent.ASSIGNED)
    else:
        till.touch(purchase)
        till.job(JobKind.FINISH, purchase)
    till.save()
    return True


def no_number(tx: Tx, purchase_id: int) -> None:
    """There is no number to be had."""
    _let(tx, purchase_id, PurchaseEvent.NONE_LEFT)


def gone(tx: Tx, purchase_id: int) -> None:
    """The source took the number back; a rental keeps what came to it."""
    till = Till(tx, [purchase_id])
    purchase = till.get(purchase_id)
    if purchase is None:
        return
    if not till.step(purchase, PurchaseEvent.TIMED_OUT):
        purchase.look = None
        till.touch(purchase)
    till.save()


def text_came(tx: Tx, purchase_id: int, text: Text, *, patterns: Mapping[str, str] | None = None) -> bool:
    """An SMS came to the number of a purchase: it is kept, once, and may bring what is waited for. Whether it
    was new.

    `patterns` are regular expressions for codes, by service. The first code of a number that is for one code
    stays; of a rental the newest is shown.
    """
    till = Till(tx, [purchase_id])
    purchase = till.get(purchase_id)
    if purchase is None or purchase.carrier_id is None or purchase.number is None:
        return False
    code = text.code or find_code(text.text, purchase.service, patterns)
    sms = Incoming(text.sender, text.text, code, text.at)
    if not store.add_incoming(tx, purchase_id, purchase.carrier_id, purchase.number, _digest(text), sms):
        return False
    if purchase.kind is PurchaseKind.RENTAL:
        if purchase.state in (PurchaseState.SETTLING, PurchaseState.ACTIVE):
            purchase.code = code or purchase.code
            till.touch(purchase, tell=purchase.state is PurchaseState.ACTIVE)
    elif code is not None and purchase.state is PurchaseState.WAITING:
        purchase.code = code
        till.step(purchase, PurchaseEvent.CODE)
    till.save()
    return True


def _digest(text: Text) -> int:
    """63 bits of what makes an SMS the same when it is told again."""
    return int.from_bytes(hashlib.sha256(text.told.encode("utf-8", "replace")).digest()[:8], "big") >> 1


# Cancelling, and time.


def cancel(tx: Tx, public_id: str) -> Denied | None:
    """The customer cancels. None: it is cancelled, now or before."""
    known = store.shown(tx, public_id)
    if known is None:
        return Denied(Refusal.NOT_FOUND)
    till = Till(tx, [known.id])
    purchase = till.get(known.id)
    assert purchase is not None
    if purchase.state in _GIVEN_BACK:
        return None
    if purchase.state is PurchaseState.FAILED and purchase.resolve is Resolve.CANCEL:
        return None
    refusal = _too_late(tx, purchase) or _too_early(tx, purchase)
    if refusal is not None:
        return refusal
    is_rented = purchase.state is PurchaseState.ACTIVE
    till.step(purchase, PurchaseEvent.WITHDRAWN)
    if is_rented:
        till.refund(purchase)
    till.save()
    return None


def _too_late(tx: Tx, purchase: Purchase) -> Denied | None:
    """What was paid for is there, or is being done."""
    state = purchase.state
    if state is PurchaseState.UNPAID:
        return None
    if purchase.kind not in NUMBERS:
        return Denied(Refusal.FINAL)
    if state in (PurchaseState.SETTLING, PurchaseState.DONE):
        return Denied(Refusal.COMPLETED if purchase.kind is PurchaseKind.CODE else Refusal.FINAL)
    if purchase.kind is PurchaseKind.RENTAL and state is not PurchaseState.PAID:
        since = tx.now - (purchase.assigned or 0)
        used = store.any_incoming(tx, purchase.id)
        # Only to a balance can money go back that was taken.
        if state is PurchaseState.ENDED or not purchase.prepaid or used or since > RENTAL_CANCEL_WITHIN:
            return Denied(Refusal.FINAL)
    return None


def _too_early(tx: Tx, purchase: Purchase) -> Denied | None:
    """A number for a code was given a moment ago."""
    if purchase.state is not PurchaseState.WAITING or purchase.assigned is None:
        return None
    # A clock that was set back must not make anybody wait longer than that.
    wait = min(purchase.assigned + CANCEL_AFTER - tx.now, CANCEL_AFTER)
    return Denied(Refusal.TOO_EARLY, -(-wait // SECOND)) if wait > 0 else None


_BY_TIME = {
    PurchaseState.UNPAID: PurchaseEvent.LAPSED,
    PurchaseState.PAID: PurchaseEvent.NONE_LEFT,
    PurchaseState.WAITING: PurchaseEvent.TIMED_OUT,
    PurchaseState.ACTIVE: PurchaseEvent.ENDED,
}


def timed(tx: Tx, ids: Sequence[int]) -> None:
    """Let time change these, where it is still due."""
    till = Till(tx, ids)
    for purchase_id in ids:
        purchase = till.get(purchase_id)
        if purchase is None or purchase.due is None or purchase.due > tx.now:
            continue
        if purchase.kind is PurchaseKind.MESSAGE and purchase.state is PurchaseState.PAID:
            give_up(till, purchase)
        elif purchase.state is PurchaseState.SENT and purchase.resolve is Resolve.OPEN:
            purchase.due = None
            till.decide(purchase, Resolve.SETTLE)
        elif purchase.state not in _BY_TIME or not till.step(purchase, _BY_TIME[purchase.state]):
            purchase.due = None
            till.touch(purchase)
    till.save()


def give_up(till: Till, purchase: Purchase) -> bool:
    """A message that no carrier took is not sent any more; whether it was so. One that a carrier has may have
    gone, so it is waited for."""
    if texting.withdraw(till.tx, purchase):
        return till.step(purchase, PurchaseEvent.FAILED)
    purchase.due = till.tx.now + MINUTE
    till.touch(purchase)
    return False


def _let(tx: Tx, purchase_id: int, event: PurchaseEvent) -> bool:
    till = Till(tx, [purchase_id])
    purchase = till.get(purchase_id)
    happened = purchase is not None and till.step(purchase, event)
    till.save()
    return happened


def may_buy(purchase: Purchase, now: int) -> bool:
    """Whether a number is still to be looked for."""
    return (
        purchase.state is PurchaseState.PAID
        and purchase.paid is not None
        and now < (purchase.paid + BUY_WITHIN)
    )


# What is shown.


def look(tx: Tx, public_id: str) -> tuple[Shown, bool] | None:
    """What the customer who knows this id may see, and True; or what another one may, and False, which is to
    be shown to nobody: the same work is done for an id that nobody has. None where there are no purchases."""
    found = store.look(tx, public_id)
    return None if found is None else (seen(tx, found[0]), found[1])


def shown(tx: Tx, public_id: str) -> Shown | None:
    """What the customer who knows this id may see."""
    found = look(tx, public_id)
    return found[0] if found is not None and found[1] else None


def history(tx: Tx, account_id: int, limit: int) -> tuple[int, list[Purchase]]:
    """What an account was credited in all, and its fundings, newest first."""
    return store.credits(tx, account_id, limit)


def balance(tx: Tx, account_id: int) -> int:
    """Sats that an account can spend."""
    found = ledger.of_account(tx, account_id).get(SAT)
    return 0 if found is None else found.available
