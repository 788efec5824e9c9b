"""What changes purchases and their money: working copies that events happen to, and what follows from them.

A change of state, the money that moves with it, the jobs it makes necessary and what is told about it are one
commit. What becomes of the money is decided here, once; the node is told by a job, from what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from ulak.core.events import Event, EventKind
from ulak.core.jobs import JobKind
from ulak.core.ledger import SAT, Move, Posting
from ulak.core.purchases import BUY_WITHIN, CODE_WITHIN, MINUTE, SENT_HOLDS, Purchase, Shown, shown_of
from ulak.core.states import (
    RESOLVES,
    PurchaseEvent,
    PurchaseKind,
    PurchaseState,
    Resolve,
    after,
)
from ulak.service import events, referrals
from ulak.service.house import House, account_of
from ulak.store import accounts as accounts_store
from ulak.store import jobs, ledger
from ulak.store import purchases as store
from ulak.store.engine import Tx

VERIFY_HELD = 5 * MINUTE
"""How often the node is asked whether it still holds the money of a purchase, ms."""

FIRST_LOOK = 250
"""When a message is looked after first, ms."""

NUMBERS = (PurchaseKind.CODE, PurchaseKind.RENTAL)
"""What needs a number of a source."""

_WITH_SOURCE = (PurchaseState.WAITING, PurchaseState.SETTLING, PurchaseState.ACTIVE)
_NUMBER_FREE = (
    PurchaseState.DONE,
    PurchaseState.CANCELLED,
    PurchaseState.TIMED_OUT,
    PurchaseState.LOST,
    PurchaseState.ENDED,
)


class Till:
    """Working copies of purchases and of their accounts' money, locked: accounts, balances, purchases.

    Events happen to the copies (`step`); `save` writes what changed, with everything that follows from it.
    """

    def __init__(
        self, tx: Tx, ids: Iterable[int] = (), *, accounts: Iterable[int] = (), parking: bool = False
    ) -> None:
        """`accounts` are locked for purchases that are `add`ed; `parking`: money may have to be parked."""
        self.tx = tx
        self._parked = account_of(tx, House.PARKED) if parking else None
        owners = store.owners(tx, ids)
        wanted = {*owners.values(), *accounts}
        if self._parked is not None:
            wanted.add(self._parked)
        # The account too: a balance that is not there yet cannot be locked.
        for account in sorted(wanted):
            accounts_store.lock(tx, account)
        self._balances = ledger.locked(tx, [(account, SAT) for account in wanted])
        self._purchases = store.locked(tx, owners) if owners else {}
        self._before = {purchase.id: replace(purchase) for purchase in self._purchases.values()}
        self._postings: list[Posting] = []
        self._touched: dict[int, Purchase] = {}
        self._taken: list[Purchase] = []
        self._jobs: dict[tuple[JobKind, int], int] = {}
        self._told: set[int] = set()

    def get(self, purchase_id: int) -> Purchase | None:
        """The working copy of a purchase, None if there is none of that id."""
        return self._purchases.get(purchase_id)

    def available(self, account_id: int) -> int:
        """Sats that an account can spend."""
        return self._balances[account_id, SAT].available

    def add(self, purchase: Purchase) -> Purchase:
        """A purchase that is new, stored."""
        purchase.id = store.insert(self.tx, purchase)
        self._purchases[purchase.id] = purchase
        self._before[purchase.id] = replace(purchase)
        return purchase

    def touch(self, purchase: Purchase, *, tell: bool = False) -> None:
        """Write this copy; `tell`: its customer can see something new that is not in the row itself."""
        self._touched[purchase.id] = purchase
        if tell:
            self._told.add(purchase.id)

    def job(self, kind: JobKind, purchase: Purchase) -> None:
        """Queue a job, to be done at once."""
        self._jobs[kind, purchase.id] = self.tx.now

    # What happens.

    def step(self, purchase: Purchase, event: PurchaseEvent) -> bool:
        """Let an event happen; whether it changed anything: what is late or comes again does not."""
        state = after(purchase.kind, purchase.state, event)
        if state is None:
            return False
        purchase.state = state
        self.touch(purchase)
        self._plan(purchase)
        if purchase.resolve is Resolve.OPEN and state in RESOLVES:
            self.decide(purchase, RESOLVES[state])
        if state in _NUMBER_FREE and purchase.kind in NUMBERS and purchase.reference is not None:
            self.job(JobKind.FINISH, purchase)
        return True

    def _plan(self, purchase: Purchase) -> None:
        """When something is to be done about it, in the state that it came into."""
        state, now = purchase.state, self.tx.now
        purchase.due = purchase.verify = None
        if state is PurchaseState.PAID:
            assert purchase.paid is not None
            purchase.due = purchase.paid + (BUY_WITHIN if purchase.kind in NUMBERS else CODE_WITHIN)
        elif state is PurchaseState.WAITING:
            assert purchase.paid is not None
            purchase.due = purchase.paid + CODE_WITHIN
        elif state is PurchaseState.ACTIVE:
            purchase.due = purchase.ends
        elif state is PurchaseState.SENT and purchase.resolve is Resolve.OPEN:
            purchase.due = now + SENT_HOLDS
        if state in (PurchaseState.PAID, PurchaseState.WAITING, PurchaseState.SETTLING):
            purchase.verify = None if purchase.prepaid else now + VERIFY_HELD
        if purchase.kind is PurchaseKind.MESSAGE:
            open_ = state in (PurchaseState.PAID, PurchaseState.SENT)
            purchase.look = now + FIRST_LOOK if open_ else None
        elif state not in _WITH_SOURCE or (
            state is PurchaseState.SETTLING and purchase.kind is not PurchaseKind.RENTAL
        ):
            purchase.look = None

    def decide(self, purchase: Purchase, resolve: Resolve) -> None:
        """What becomes of the money is decided. A balance follows at once, a node is told by a job."""
        self.touch(purchase)
        purchase.resolve = resolve
        if purchase.prepaid:
            self.take(purchase) if resolve is Resolve.SETTLE else self.give_back(purchase)
        elif purchase.payment_hash is not None:
            self.job(JobKind.CLOSE if purchase.paid is None else JobKind.RESOLVE, purchase)
        else:
            purchase.resolved = self.tx.now

    # Money.

    def reserve(self, purchase: Purchase, amount: int) -> None:
        """So much is held for a purchase: of its balance, or at the node."""
        purchase.held += amount
        self._move(purchase, Move.HOLD if purchase.prepaid else Move.PLEDGE, amount)

    def take(self, purchase: Purchase) -> None:
        """What is held is ours; credit is its owner's to spend."""
        amount, purchase.held = purchase.held, 0
        purchase.posted += amount
        purchase.resolved = self.tx.now
        is_credit = purchase.kind is PurchaseKind.CREDIT
        self._move(purchase, Move.DEPOSIT if is_credit else Move.POST, amount)
        if purchase.referrer is not None and not is_credit:
            self._taken.append(purchase)
        self.step(purchase, PurchaseEvent.SETTLED)

    def give_back(self, purchase: Purchase) -> None:
        """Nothing is held any more."""
        amount, purchase.held = purchase.held, 0
        purchase.resolved = self.tx.now
        self._move(purchase, Move.VOID if purchase.prepaid else Move.RELEASE, amount)

    def refund(self, purchase: Purchase) -> None:
        """What was taken from a balance goes back there."""
        amount, purchase.posted = purchase.posted, 0
        self._move(purchase, Move.REFUND, amount)

    def park(self, purchase: Purchase, amount: int) -> None:
        """The node took money that was to go back: it is nobody's, and lies in an account of the house until
        an operator gives it back. For its customer's account it went back."""
        assert self._parked is not None
        self.give_back(purchase)
        for move in (Move.PLEDGE, Move.DEPOSIT):
            self._post(Posting(self._parked, SAT, move, amount, purchase_id=purchase.id))

    def _move(self, purchase: Purchase, move: Move, amount: int) -> None:
        self.touch(purchase)
        if amount:
            self._post(Posting(purchase.account_id, SAT, move, amount, purchase_id=purchase.id))

    def _post(self, posting: Posting) -> None:
        self._balances[posting.account_id, SAT].apply(posting)
        self._postings.append(posting)

    # Writing.

    def save(self) -> None:
        """Write what changed; the events last."""
        tx = self.tx
        ledger.save(tx, self._balances, self._postings)
        told = []
        for purchase in self._touched.values():
            before = self._before[purchase.id]
            if purchase.id in self._told or _face(purchase) != _face(before):
                purchase.changed = tx.now
                told.append(purchase)
            written = store.save(tx, purchase, before.state)
            assert written, "a purchase that is locked changed all the same"
        for (kind, subject), due in self._jobs.items():
            jobs.put(tx, kind, subject, due)
        for purchase in self._taken:
            referrals.owe(tx, purchase)
        events.record(tx, [_event(tx, purchase) for purchase in told if _is_known(purchase)])


def seen(tx: Tx, purchase: Purchase) -> Shown:
    """What its customer may see of a purchase; of a rental also what came to its number."""
    texts = store.incoming(tx, purchase.id) if purchase.kind is PurchaseKind.RENTAL else ()
    return shown_of(purchase, texts)


def _face(purchase: Purchase) -> tuple[object, ...]:
    """What its customer can see of it, but for texts. That money is being taken does not show."""
    shown = shown_of(purchase)
    state = shown.state
    if state is PurchaseState.SETTLING:
        state = PurchaseState.PAID if purchase.assigned is None or purchase.weeks else PurchaseState.WAITING
    return state, shown.paid, shown.number, shown.code, shown.ends


def _is_known(purchase: Purchase) -> bool:
    """Whether its customer ever got its id: not where its invoice could not be made."""
    return purchase.prepaid or purchase.payreq is not None


def _event(tx: Tx, purchase: Purchase) -> Event:
    data = msgspec.json.encode(seen(tx, purchase))
    return Event(purchase.account_id, EventKind.PURCHASE_CHANGED, purchase.id, data, purchase.endpoint_id)
