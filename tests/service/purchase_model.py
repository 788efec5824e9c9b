"""A second, much simpler shop: what a purchase may become, and why, one rule a method.

It looks at what really happened in the world (the node's invoices, the numbers that were sold, the order
engine's messages) and at who asked for what, and says whether a change that was committed may be. It knows no
tables of states, and money is never moved here, only worked out from what became of the purchases.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.service.purchase_world import Bolt, Lease

from ulak.core.codes import find_code
from ulak.core.errors import Refusal
from ulak.core.funding import GUARD_BLOCKS, InvoiceState
from ulak.core.numbers import Got, Unreached
from ulak.core.purchases import Denied
from ulak.core.states import MessageState, OrderState, Resolve

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
INVOICE_WITHIN, PAY_WITHIN, BUY_WITHIN, CODE_WITHIN = MINUTE, 21 * MINUTE, MINUTE, 21 * MINUTE

RETURNED = ("expired", "withdrawn", "no_number", "cancelled", "timed_out")


class Row(NamedTuple):
    """A purchase as it is stored, and where its message stands."""

    id: int
    public_id: str
    account_id: int
    kind: int
    state: int
    resolve: int
    resolved: int | None
    price: int
    held: int
    posted: int
    prepaid: int
    payment_hash: str | None
    payreq: str | None
    service: str
    pool: int
    carrier_id: int | None
    reference: str | None
    number: int | None
    code: str | None
    message_id: int | None
    referrer: str | None
    created: int
    paid: int | None
    assigned: int | None
    changed: int
    message: int | None
    order_state: int | None


@dataclass(eq=False)
class Sale:
    """A purchase. `money`: "open", "take" or "return", as decided; `closed`: that was carried out."""

    id: int
    public_id: str
    owner: int
    kind: str
    price: int
    prepaid: bool
    service: str
    pool: int
    referrer: str | None
    created: int
    stage: str = "unpaid"
    money: str = "open"
    closed: bool = False
    hash: str | None = None
    invoiced: int | None = None
    held: int = 0
    taken: int = 0
    parked: int = 0
    paid: int | None = None
    assigned: int | None = None
    carrier: int | None = None
    reference: str | None = None
    number: int | None = None
    code: str | None = None
    changed: int = 0
    kept: bool = False

    @property
    def needs_number(self) -> bool:
        return self.kind in ("code", "rental")

    @property
    def ends(self) -> int | None:
        return self.assigned + 14 * DAY if self.kind == "rental" and self.assigned else None

    @property
    def shows_number(self) -> bool:
        """A rented number is seen when it is paid for, another one from the beginning."""
        seen = self.kind == "code" or self.stage in ("active", "ended")
        return self.needs_number and seen and self.assigned is not None

    @property
    def shows_code(self) -> bool:
        return self.stage in ("done", "active", "ended")

    @property
    def is_known(self) -> bool:
        """Whether anybody has its id: not where there was no invoice to give him."""
        return self.prepaid or self.invoiced is not None

    def deadlines(self) -> list[int]:
        """When time changes it, or what its customer may do, ms."""
        if self.stage == "unpaid":
            return [] if self.invoiced is None else [self.invoiced + PAY_WITHIN]
        waits = {
            "paid": [(self.paid, BUY_WITHIN if self.needs_number else CODE_WITHIN)],
            "waiting": [(self.paid, CODE_WITHIN), (self.assigned, 2 * MINUTE)],
            "active": [(self.assigned, 20 * MINUTE), (self.assigned, 14 * DAY)],
        }
        return [at + wait for at, wait in waits.get(self.stage, ()) if at is not None]

    @property
    def face(self) -> tuple[object, ...]:
        """What its customer sees."""
        stage = self.stage
        if stage == "settling":
            stage = "waiting" if self.kind == "code" else "paid"
        number = self.number if self.shows_number else None
        return stage, self.paid is not None, number, self.code if self.shows_code else None


@dataclass
class Change:
    """A committed change, with what had happened in the world until then."""

    sale: Sale
    row: Row
    now: int
    kind: str
    """What was being done."""
    target: str
    """For a cancel: of which purchase."""
    bolt: Bolt | None
    blocks_left: int | None
    lease: Lease | None
    answers: Collection[tuple[int, object]]
    looked: InvoiceState | None
    """What the node had said of the invoice to whoever makes this change."""

    @property
    def held(self) -> bool:
        return self.bolt is not None and self.bolt.is_held

    @property
    def gone(self) -> bool:
        """What was held is not there any more, or will soon go."""
        if self.bolt is None:
            return False
        ends = self.blocks_left is not None and self.blocks_left <= GUARD_BLOCKS
        return self.bolt.state is InvoiceState.CANCELLED or (self.held and ends)

    @property
    def cancels(self) -> bool:
        return self.kind == "cancel" and self.target == self.sale.public_id

    def since(self, at: int | None) -> int:
        return -1 if at is None else self.now - at


@dataclass
class Model:
    """All purchases, and what their accounts were given."""

    granted: dict[int, int] = field(default_factory=dict)
    sales: dict[int, Sale] = field(default_factory=dict)
    owed: dict[int, int] = field(default_factory=dict)
    """Shares of referrers, by purchase."""
    reached: set[tuple[str, str]] = field(default_factory=set)
    """What purchases were, by their kind."""

    def of(self, public_id: str) -> Sale | None:
        return next((sale for sale in self.sales.values() if sale.public_id == public_id), None)

    # Money.

    def balance(self, account: int) -> tuple[int, int, int]:
        """What is available, held and spent."""
        available, held, spent = self.granted.get(account, 0), 0, 0
        for sale in self.sales.values():
            if sale.owner != account:
                continue
            held += sale.held
            if sale.kind == "credit":
                available += sale.taken
            else:
                spent += sale.taken
            if sale.prepaid:
                available -= sale.held + sale.taken
        return available, held, spent

    @property
    def parked(self) -> int:
        return sum(sale.parked for sale in self.sales.values())

    # Cancelling.

    def answer_to_cancel(self, public_id: str, now: int, texts: bool) -> Denied | None:
        """What a customer who cancels is to be told; `texts`: an SMS came to the number."""
        sale = self.of(public_id)
        if sale is None:
            return Denied(Refusal.NOT_FOUND)
        if sale.stage == "unpaid" or sale.stage in RETURNED or (sale.stage == "failed" and not sale.kept):
            return None
        if sale.stage == "lost":
            return None
        if sale.kind == "code" and sale.stage in ("settling", "done"):
            return Denied(Refusal.COMPLETED)
        if sale.kind == "code" and sale.stage == "waiting":
            assert sale.assigned
            left = sale.assigned + 2 * MINUTE - now
            return Denied(Refusal.TOO_EARLY, -(-left // SECOND)) if left > 0 else None
        if sale.needs_number and sale.stage == "paid":
            return None
        if sale.stage == "active" and sale.prepaid and not texts and sale.assigned:
            return None if now - sale.assigned <= 20 * MINUTE else Denied(Refusal.FINAL)
        return Denied(Refusal.FINAL)

    # What was committed.

    def begin(self, row: Row, kind: str, now: int) -> Sale:
        """A purchase that is new."""
        assert row.id not in self.sales
        sale = self.sales[row.id] = Sale(
            row.id,
            row.public_id,
            row.account_id,
            kind,
            row.price,
            bool(row.prepaid),
            row.service,
            row.pool,
            row.referrer,
            now,
        )
        sale.changed, sale.hash = now, row.payment_hash
        sale.number = row.number if kind == "message" else None
        assert row.created == now
        return sale

    def follow(self, change: Change, stage: str) -> bool:
        """Follow a committed change, and see that it may be. Whether its customer can see it."""
        sale, row, now = change.sale, change.row, change.now
        before = sale.face
        if sale.invoiced is None and row.payreq is not None:
            assert sale.stage == "unpaid"
            assert change.bolt
            assert (row.payreq, sale.price) == (change.bolt.payreq, change.bolt.amount)
            sale.invoiced, sale.hash = now, row.payment_hash
        self._follow_number(change)
        if stage != sale.stage:
            was = sale.stage
            rule: Any = getattr(self, f"_{stage}")
            assert rule(change, was), f"{was} cannot become {stage} now"
            sale.stage = stage
            self.reached.add((sale.kind, stage))
            self._decide(sale, was)
        elif sale.stage == "sent" and sale.money == "open" and row.resolve == Resolve.SETTLE:
            assert change.gone or now >= sale.changed + 10 * SECOND, "it may still fail"
            sale.money = "take"
        self._follow_money(change)
        if sale.kind == "rental" and stage in ("settling", "active") and row.code != sale.code:
            assert change.lease
            assert row.code in codes_of(change.lease, sale.service)
            sale.code = row.code
        if sale.face != before:
            sale.changed = now
        return sale.face != before

    def _follow_number(self, change: Change) -> None:
        """A number is noted once, whatever became of its purchase meanwhile."""
        sale, row = change.sale, change.row
        if row.reference == sale.reference:
            return
        assert sale.reference is None, "there is room for one number"
        assert sale.needs_number
        lease = change.lease
        assert lease
        assert lease.key == sale.id
        assert row.number == lease.got.number
        sale.reference, sale.carrier, sale.number = row.reference, row.carrier_id, row.number
        if sale.stage == "paid":
            sale.assigned, sale.pool = change.now, lease.got.pool

    def _decide(self, sale: Sale, was: str) -> None:
        """What becomes of the money; it is decided once."""
        sale.kept = sale.kept or (was == "sent" and sale.stage == "failed" and sale.money == "take")
        if sale.money != "open":
            return
        if sale.stage in ("settling", "done", "active", "delivered"):
            sale.money = "take"
        elif sale.stage in (*RETURNED, "failed"):
            sale.money = "return"

    def _follow_money(self, change: Change) -> None:
        sale, row = change.sale, change.row
        if sale.paid != row.paid:
            assert sale.paid is None
            assert row.paid == change.now
            assert sale.stage != "unpaid"
            sale.paid, sale.held = change.now, self._reserved(change)
        closed = row.resolved is not None
        if sale.closed and not closed:
            assert sale.money == "return", "what was taken is taken"
            assert change.bolt
            sale.closed = False
        if closed and not sale.closed:
            self._close(change)
        if sale.stage == "cancelled" and sale.money == "take":
            assert sale.prepaid
            assert sale.kind == "rental"
            sale.taken = 0

    def _reserved(self, change: Change) -> int:
        """So much came."""
        if change.sale.prepaid:
            return change.sale.price
        assert change.bolt
        assert change.bolt.got >= change.sale.price
        return change.bolt.got

    def _close(self, change: Change) -> None:
        """What was decided is carried out, and the node agrees."""
        sale, bolt = change.sale, change.bolt
        sale.closed = True
        assert sale.money in ("take", "return")
        settled = bolt is not None and bolt.state is InvoiceState.SETTLED
        if not sale.prepaid and bolt is not None:
            # An invoice that was made too late, and that nobody has, ends by itself.
            ended = settled or bolt.state is InvoiceState.CANCELLED or sale.invoiced is None
            assert ended, "neither settled nor cancelled"
        if sale.money == "take" and (sale.prepaid or settled):
            sale.taken = sale.held
            share = sale.taken // 10
            if sale.referrer and share and sale.kind != "credit":
                assert sale.id not in self.owed
                self.owed[sale.id] = share
        elif sale.money == "return" and settled:
            assert bolt
            assert not bolt.hold, "what was to go back was taken"
            sale.parked = bolt.got
        sale.held = 0

    # What may become of a purchase, and when: one rule for each stage that it can come into.

    def _paid(self, change: Change, was: str) -> bool:
        sale = change.sale
        if sale.kind == "message":
            assert change.row.message_id is not None
        return was == "unpaid" and sale.kind != "credit" and self._came(change)

    @staticmethod
    def _came(change: Change) -> bool:
        """It was paid for, by a balance or at the node."""
        return change.sale.prepaid or (change.bolt is not None and change.bolt.got > 0)

    def _expired(self, change: Change, was: str) -> bool:
        sale = change.sale
        if was != "unpaid":
            return False
        if sale.invoiced is None:
            return change.since(sale.created) >= INVOICE_WITHIN
        if change.looked is InvoiceState.CANCELLED:
            return True
        if change.looked is InvoiceState.HELD:
            return change.gone
        # It may have been paid in the last moment, so the node is asked first.
        return change.looked is InvoiceState.OPEN and change.since(sale.invoiced) >= PAY_WITHIN

    def _withdrawn(self, change: Change, was: str) -> bool:
        failed = change.kind == "order" and change.sale.invoiced is None
        return was == "unpaid" and (change.cancels or failed)

    def _waiting(self, change: Change, was: str) -> bool:
        return was == "paid" and change.sale.kind == "code" and change.sale.assigned == change.now

    def _no_number(self, change: Change, was: str) -> bool:
        sale = change.sale
        mine = [answer for key, answer in change.answers if key == sale.id]
        none_left = bool(mine) and not any(isinstance(answer, Unreached | Got) for answer in mine)
        late = change.since(sale.paid) >= BUY_WITHIN
        return was == "paid" and sale.needs_number and (none_left or late)

    def _settling(self, change: Change, was: str) -> bool:
        sale = change.sale
        if sale.kind == "code":
            return was == "waiting" and self._code_came(change)
        if sale.kind == "rental":
            return was == "paid" and sale.assigned == change.now
        return sale.kind == "credit" and was == "unpaid" and self._came(change)

    @staticmethod
    def _code_came(change: Change) -> bool:
        """The first code that came to the number."""
        assert change.lease
        codes = codes_of(change.lease, change.sale.service)
        change.sale.code = change.row.code
        return bool(codes) and change.row.code in codes

    def _done(self, change: Change, was: str) -> bool:
        sale = change.sale
        if sale.prepaid:
            return was == "waiting" and sale.kind == "code" and self._code_came(change)
        assert change.bolt
        plain = was == "unpaid" and sale.kind == "credit" and not change.bolt.hold
        ready = was == "settling" and sale.kind in ("code", "credit")
        return (plain or ready) and change.bolt.state is InvoiceState.SETTLED

    def _active(self, change: Change, was: str) -> bool:
        sale = change.sale
        if sale.kind != "rental":
            return False
        if sale.prepaid:
            return was == "paid" and sale.assigned == change.now
        assert change.bolt
        return was == "settling" and change.bolt.state is InvoiceState.SETTLED

    def _ended(self, change: Change, was: str) -> bool:
        return was == "active" and change.now >= (change.sale.ends or 0)

    def _lost(self, change: Change, was: str) -> bool:
        assert change.bolt
        return was == "settling" and change.bolt.state is InvoiceState.CANCELLED

    def _cancelled(self, change: Change, was: str) -> bool:
        sale = change.sale
        if not change.cancels or not sale.needs_number:
            return False
        if was == "active":
            return sale.prepaid and change.since(sale.assigned) <= 20 * MINUTE
        waited = was == "waiting" and change.since(sale.assigned) >= 2 * MINUTE
        return was == "paid" or waited

    def _timed_out(self, change: Change, was: str) -> bool:
        sale = change.sale
        late = was == "waiting" and change.since(sale.paid) >= CODE_WITHIN
        taken_back = was == "waiting" and change.lease is not None and change.lease.gone
        lost = not sale.prepaid and change.gone
        return was in ("paid", "waiting") and sale.needs_number and (late or taken_back or lost)

    def _sent(self, change: Change, was: str) -> bool:
        # What is known of a message may be older than what became of it.
        sent = (MessageState.SENT, MessageState.DELIVERED, MessageState.UNDELIVERED)
        kept = change.row.order_state != OrderState.CANCELLED
        return was == "paid" and change.row.message in sent and kept

    def _delivered(self, change: Change, was: str) -> bool:
        return was in ("paid", "sent") and change.row.message == MessageState.DELIVERED

    def _failed(self, change: Change, was: str) -> bool:
        sale, row = change.sale, change.row
        gone = was == "paid" and not sale.prepaid and change.gone
        if row.message != MessageState.UNDELIVERED:
            return gone
        if row.order_state == OrderState.CANCELLED:
            return gone or (was == "paid" and change.since(sale.paid) >= CODE_WITHIN)
        return was in ("paid", "sent")


def codes_of(lease: Lease, service: str) -> list[str]:
    """The codes in what came to a number, in their order."""
    found = [text.code or find_code(text.text, service) for text in lease.texts]
    return [code for code in found if code is not None]
