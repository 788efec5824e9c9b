"""What random days of a shop are compared with: each commit is told to a second, simple shop.

The clerk sees which purchases a commit changed, asks the model whether that may be, and sees that the rows,
what customers are shown, what is told in events, the money and the node agree with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeVar

import msgspec
from tests.conftest import FakeClock
from tests.service.purchase_model import MINUTE, Change, Model, Row, Sale
from tests.service.purchase_world import (
    ANSWERS,
    BLOCK,
    LOOKED,
    Bolt,
    Lease,
    WorldAddresses,
    WorldNode,
    WorldSource,
)

from ulak.core.errors import Refusal
from ulak.core.funding import GUARD_BLOCKS, InvoiceState, PaymentState
from ulak.core.ledger import SAT, Balance
from ulak.core.numbers import Activation
from ulak.core.purchases import SECOND, Denied, Incoming, Shown, Tariff, Wish
from ulak.core.states import PurchaseKind, PurchaseState, Resolve
from ulak.service import audit, purchases
from ulak.service.house import House, known_account
from ulak.store import ledger
from ulak.store.engine import Connection, Sql, Tx

Result = TypeVar("Result")

_ROWS = Sql(
    "SELECT purchase.id, public_id, purchase.account_id, kind, purchase.state, resolve, resolved, price,"
    " purchase.held, purchase.posted, prepaid, payment_hash, payreq, service, pool, purchase.carrier_id,"
    " reference, purchase.number, code, message_id, referrer, created, paid, assigned, purchase.changed,"
    " message.state, sms_order.state FROM purchase LEFT JOIN message ON message.id = message_id"
    " LEFT JOIN sms_order ON sms_order.id = message_id ORDER BY purchase.id"
)
_EVENTS = Sql("SELECT id, subject, data FROM event WHERE id > :after ORDER BY id")
_LAST_EVENT = Sql("SELECT COALESCE(max(id), 0) FROM event")
_SHARES = Sql("SELECT purchase_id, amount, payreq, state FROM referral ORDER BY purchase_id")
_JOBS = Sql("SELECT kind, subject FROM job")
_TEXTS = Sql(
    "SELECT 1 FROM incoming JOIN purchase ON purchase.id = purchase_id WHERE public_id = :id LIMIT 1"
)

STAGES = {int(state): state.name.lower() for state in PurchaseState}
KINDS = {int(kind): kind.name.lower() for kind in PurchaseKind}
MONEY = {Resolve.OPEN: "open", Resolve.SETTLE: "take", Resolve.CANCEL: "return"}
SLACK = 2 * MINUTE
"""How much later than due something may happen, when everybody is well."""
VERIFY = 5 * MINUTE
"""How often the node is asked about what it holds."""


class Office(Protocol):
    """A process, as far as what it does is concerned."""

    name: str
    tasks: dict[asyncio.Task[None], Op]
    quotes: dict[tuple[str, Tariff, int | None, str], tuple[int, int]]


@dataclass(eq=False)
class Op:
    """Something that somebody wants, or a piece of a process' own work."""

    kind: str
    process: Office
    target: str = ""
    wish: Wish | None = None
    account: int | None = None
    caller: str = ""
    made: int = 0
    """The purchase that it made."""
    answer: Any = None


OP: ContextVar[Op] = ContextVar("OP")


class _Undone(Exception):
    """Ends a transaction that must not count."""


class Clerk:
    """Keeps the second books."""

    def __init__(self, connection: Connection, clock: FakeClock, rng: Random) -> None:
        self.connection, self.clock, self.rng = connection, clock, rng
        self.model = Model()
        self.node: WorldNode
        self.addresses: WorldAddresses
        self.sources: dict[int, WorldSource] = {}
        self.accounts: list[int] = []
        self.prices: dict[tuple[Tariff, int | None, str], int] = {}
        self.rows: dict[int, Row] = {}
        self.last_event: int = connection.reading(lambda tx: tx.all(_LAST_EVENT))[0][0]
        self.seen: dict[int, Shown] = {}
        self.luck = 1.0
        self.log: list[str] = []
        self.broken: list[BaseException] = []

    def trouble(self, often: float) -> bool:
        """Whether something goes wrong now."""
        return self.rng.random() < often * self.luck

    # The world, by what the shop calls it.

    def bolt_of(self, payment_hash: str | None) -> Bolt | None:
        return None if payment_hash is None else self.node.bolts.get(bytes.fromhex(payment_hash))

    def lease_of(self, row: Row) -> Lease | None:
        source = self.sources.get(row.carrier_id or 0)
        return source.find(row.reference) if source and row.reference is not None else None

    def may_end(self, source: WorldSource, activation: Activation) -> bool:
        """Whether nobody waits for anything at a number any more."""
        sale = self.model.sales[activation.key]
        if sale.reference != activation.reference or self.sources[sale.carrier or 0] is not source:
            return True
        return sale.stage not in ("paid", "waiting", "settling", "active")

    # What is committed.

    def commit(self, op: Op, change: Callable[[Any], Result]) -> Result:
        """One transaction; it may have to be done twice, because it lost against another one."""

        def undone(tx: Tx) -> None:
            change(tx)
            raise _Undone

        def whole(tx: Tx) -> tuple[Result, list[Any], list[Any]]:
            result = change(tx)
            return result, tx.all(_ROWS), tx.all(_EVENTS, after=self.last_event)

        expected = self._expected_of_cancel(op)
        if self.rng.random() < 0.05:
            with contextlib.suppress(_Undone):
                self.connection.writing(undone)
        result, rows, events = self.connection.writing(whole)
        try:
            visible = self._took(op, result, [Row._make(row) for row in rows])
            self._judge_events(events, visible)
            if op.kind == "cancel":
                assert result == expected, f"{result} instead of {expected}"
        except AssertionError as error:
            # Who asks for this may take an exception for a database that is away.
            self.broken.append(error)
        return result

    def _expected_of_cancel(self, op: Op) -> Denied | None:
        if op.kind != "cancel":
            return None
        texts = bool(self.connection.reading(lambda tx: tx.all(_TEXTS, id=op.target)))
        return self.model.answer_to_cancel(op.target, self.clock.now, texts)

    def _took(self, op: Op, result: Any, rows: list[Row]) -> set[int]:
        """Tell the model what was committed. Of which purchases customers see something new."""
        self.node.pass_time()
        visible = set()
        changed = [row for row in rows if self.rows.get(row.id) != row]
        for row in changed:
            was = self.rows.get(row.id)
            sale = self.model.sales.get(row.id) or self._begin(op, row)
            stage = STAGES[row.state]
            self.log.append(
                f"   {op.process.name} {op.kind}: {row.id} {KINDS[row.kind]} {sale.stage} -> {stage}"
                f" {MONEY[Resolve(row.resolve)]} {row.resolved and row.resolved - row.created}"
                f" held {row.held} posted {row.posted}"
            )
            bolt = self.bolt_of(row.payment_hash)
            left = self.node.blocks_left(bolt) if bolt and bolt.is_held else None
            lease, answers = self.lease_of(row), ANSWERS.get()
            now = self.clock.now
            looked = LOOKED.get().get(row.payment_hash or "")
            change = Change(sale, row, now, op.kind, op.target, bolt, left, lease, answers, looked)
            if self.model.follow(change, stage) and sale.is_known:
                visible.add(sale.id)
            self.rows[row.id] = row
            self._compare(sale, row)
            if was is None or row.resolved != was.resolved:
                assert row.resolved in (None, now)
        self._look_at({row.id for row in changed})
        if isinstance(result, Denied) and result.refusal is Refusal.NO_CREDIT:
            assert op.wish
            assert op.account
            assert self.model.balance(op.account)[0] < self.price_of(op)
        return visible

    def _look_at(self, ids: Iterable[int]) -> None:
        """Customers look at these."""
        sales = [self.model.sales[purchase_id] for purchase_id in sorted(ids)]
        if sales:
            shown = self.connection.reading(lambda tx: [purchases.shown(tx, one.public_id) for one in sales])
            for sale, one in zip(sales, shown, strict=True):
                assert one is not None
                self.judge_shown(sale, one)

    def _begin(self, op: Op, row: Row) -> Sale:
        assert op.kind == "order"
        assert op.wish
        assert not op.made, "one purchase a wish"
        op.made = row.id
        sale = self.model.begin(row, KINDS[row.kind], self.clock.now)
        assert sale.prepaid is op.wish.prepaid
        if op.account is not None:
            assert sale.owner == op.account
        else:
            assert sale.owner not in self.accounts
        assert sale.price == self.price_of(op), "another price than was shown"
        if sale.prepaid:
            assert self.model.balance(sale.owner)[0] >= sale.price, "more than there is"
        return sale

    def price_of(self, op: Op) -> int:
        """What is to be paid for what somebody wants."""
        wish = op.wish
        assert wish
        if wish.kind is PurchaseKind.CREDIT:
            return wish.amount
        place = (None, "") if wish.kind is PurchaseKind.MESSAGE else (wish.pool, wish.service)
        amount, until = op.process.quotes.get((op.caller, wish.tariff, *place), (0, 0))
        if self.clock.now < until:
            return amount
        return self.price(wish.tariff, place[0])

    def price(self, tariff: Tariff, pool: int | None) -> int:
        """What a tariff is now; for a country, if that was set."""
        here = self.prices.get((tariff, None if pool == 999 else pool, ""))
        return here or self.prices[tariff, None, ""]

    def _compare(self, sale: Sale, row: Row) -> None:
        """A row against what the model says it is."""
        ours = (sale.money, sale.closed, sale.held, sale.taken, sale.paid, sale.assigned, sale.number)
        money = MONEY[Resolve(row.resolve)]
        theirs = (money, row.resolved is not None, row.held, row.posted, row.paid, row.assigned, row.number)
        assert theirs == ours, f"{row} is not {sale}"
        fixed = (sale.price, sale.prepaid, sale.public_id, sale.owner, sale.code, sale.hash, sale.pool)
        assert fixed == (
            row.price,
            bool(row.prepaid),
            row.public_id,
            row.account_id,
            row.code,
            row.payment_hash,
            row.pool,
        ), f"{row} is not {sale}"
        if sale.closed and not sale.prepaid:
            assert row.held == 0

    # What customers see.

    def judge_shown(self, sale: Sale, shown: Shown) -> None:
        """What a customer sees is what there is, and a code only if the node has taken the money."""
        assert shown.state.name.lower() == sale.stage
        assert (shown.public_id, shown.service) == (sale.public_id, sale.service)
        assert shown.paid is (sale.paid is not None)
        visible = sale.shows_number
        reference = sale.reference or ""
        number_id = int(reference) if reference.isdigit() else sale.id
        assert shown.number_id == (number_id if visible else None)
        assert shown.number == (sale.number if visible else None)
        assert shown.ends == (sale.ends if visible else None)
        assert shown.code == (sale.code if sale.shows_code else None)
        assert shown.kept is (sale.stage == "failed" and sale.kept)
        self._judge_texts(sale, shown)
        before = self.seen.get(sale.id)
        if before is not None:
            assert shown.paid or not before.paid, "never goes back"
            assert shown.changed >= before.changed
            assert before.code is None or shown.code is not None or sale.stage == "cancelled"
        # What comes to a rented number counts too.
        assert shown.changed == sale.changed or (sale.kind == "rental" and shown.changed > sale.changed)
        self.seen[sale.id] = shown
        self._judge_code(sale, shown)

    def _judge_texts(self, sale: Sale, shown: Shown) -> None:
        if not shown.texts:
            return
        assert sale.kind == "rental"
        lease = self.lease_of(self.rows[sale.id])
        assert lease
        there = Counter((text.sender, text.text, text.at) for text in lease.texts)
        assert Counter((sms.sender, sms.text, sms.at) for sms in shown.texts) <= there
        assert list(shown.texts) == sorted(shown.texts, key=_at)
        before = self.seen.get(sale.id)
        assert before is None or set(before.texts) <= set(shown.texts)

    def _judge_code(self, sale: Sale, shown: Shown) -> None:
        """The rule of rules."""
        if shown.code is None and not shown.texts:
            return
        if not sale.prepaid:
            bolt = self.bolt_of(sale.hash)
            assert bolt
            assert bolt.state is InvoiceState.SETTLED, "shown before its money was taken"
        assert sale.taken > 0

    def _judge_events(self, events: list[Any], visible: set[int]) -> None:
        """What can be seen was told; of several things that happened at once, the last as it is now."""
        last: dict[int, Shown] = {}
        for event_id, subject, data in events:
            self.last_event = event_id
            last[subject] = msgspec.json.decode(bytes(data), type=Shown)
            self._judge_code(self.model.sales[subject], last[subject])
        rentals = {subject for subject in last if self.model.sales[subject].kind == "rental"}
        assert visible <= set(last) <= visible | rentals, f"{visible} can be seen, {set(last)} were told"
        self._look_at(last)
        for subject, told in last.items():
            assert told == self.seen[subject], f"{told} is not {self.seen[subject]}"

    # Comparing.

    def inspect(self, audited: bool) -> None:
        """Compare everything."""
        self.connection.reading(lambda tx: self._inspect(tx, audited))
        for bolt in self.node.bolts.values():
            assert len(bolt.ends) <= 1, f"{bolt} ended twice"

    def _inspect(self, tx: Tx, audited: bool) -> None:
        findings = audit.check(tx) if audited else []
        assert not findings, "\n".join(findings)
        walk_in = known_account(tx, House.WALK_IN)
        for account in (*self.accounts, *([walk_in] if walk_in is not None else [])):
            balance = ledger.of_account(tx, account).get(SAT) or Balance()
            stored = (balance.available, balance.held, balance.spent)
            assert stored == self.model.balance(account), f"account {account}"
            assert balance.issued + sum(stored) == 0
        assert self._house(tx, House.PARKED).available == self.model.parked
        shares = tx.all(_SHARES)
        kept, wanted = {row[0]: row[1] for row in shares}, dict(self.model.owed)
        for purchase_id in wanted.keys() - kept.keys():
            # Its customer gave it back.
            assert not self.model.sales[purchase_id].taken, f"who referred {purchase_id} gets nothing"
            del wanted[purchase_id]
        assert kept == wanted
        owed = self._house(tx, House.REFERRALS)
        assert owed.available + owed.held + owed.spent == sum(kept.values())
        for sale in self.model.sales.values():
            shown = purchases.shown(tx, sale.public_id)
            assert shown is not None
            self.judge_shown(sale, shown)
        self._inspect_payouts(shares)

    @staticmethod
    def _house(tx: Tx, house: House) -> Balance:
        account = known_account(tx, house)
        return Balance() if account is None else ledger.of_account(tx, account).get(SAT) or Balance()

    def _inspect_payouts(self, shares: list[Any]) -> None:
        """No share was paid twice, and none but those that are owed."""
        paid = [payreq for payreq, state in self.node.payments.items() if state is not PaymentState.FAILED]
        known = [row[2] for row in shares if row[2] is not None]
        assert set(paid) <= set(known), "what was paid is not written down"
        assert len(set(known)) == len(known)
        for row in shares:
            if row[2] is not None:
                assert self.addresses.amounts[row[2]] == row[1]
                assert self.model.sales[row[0]].taken, "paid for nothing"

    # When everybody was well for a while.

    def inspect_rest(self) -> None:
        """Nothing is left undone that was due."""
        now = self.clock.now - SLACK
        for sale in self.model.sales.values():
            bolt = self.bolt_of(sale.hash)
            if sale.stage == "unpaid":
                assert bolt is None or not bolt.got or bolt.let_go, f"{sale} is paid"
                assert now < (sale.invoiced or sale.created) + 21 * MINUTE, f"{sale} should have expired"
            if sale.stage == "paid" and sale.needs_number:
                assert now < (sale.paid or 0) + MINUTE, f"{sale} should have a number"
            if sale.stage == "waiting":
                assert now < (sale.paid or 0) + 21 * MINUTE, f"{sale} should have timed out"
            # What is not held cannot be cancelled before its time.
            plain = bolt is not None and not bolt.hold and bolt.state is InvoiceState.OPEN
            # What nobody has paid is cancelled at the node when it comes to it.
            if sale.money != "open" and not plain and sale.paid is not None:
                assert sale.closed, f"the money of {sale} is neither taken nor given back"
            if sale.stage in ("paid", "waiting") and sale.needs_number and bolt is not None and bolt.let_go:
                assert now < bolt.let_go + VERIFY, f"the money of {sale} is gone"
            if bolt is not None and bolt.is_held:
                assert sale.money == "open", f"{sale} is held"
                narrow = max(sale.paid or 0, bolt.shortened, bolt.timeout - (GUARD_BLOCKS - 1) * BLOCK)
                assert now < narrow + VERIFY, f"the HTLC of {sale} times out"
            if sale.stage == "sent" and sale.money == "open":
                assert now < sale.changed + 10 * SECOND, f"the money of {sale} should be taken"

    def inspect_end(self) -> None:
        """Time has passed: everything is final, and everybody has what is his."""
        for sale in self.model.sales.values():
            assert sale.stage not in ("unpaid", "paid", "waiting", "settling", "active"), f"{sale} is open"
            assert sale.closed, f"{sale} is neither settled nor cancelled"
            bolt = self.bolt_of(sale.hash)
            if bolt is not None:
                taken = sale.taken + sale.parked > 0
                end = InvoiceState.SETTLED if taken else InvoiceState.CANCELLED
                assert bolt.ends == [end], f"{bolt} of {sale}"
            if sale.carrier is not None:
                lease = self.sources[sale.carrier].find(sale.reference or "")
                assert lease
                assert lease.is_over, f"the number of {sale} was never given back"
        for bolt in self.node.bolts.values():
            assert len(bolt.ends) == 1, f"{bolt} is open"
        left = self.connection.reading(lambda tx: tx.all(_JOBS))
        assert not left, f"jobs are left: {left}"


def _at(sms: Incoming) -> int:
    return sms.at
