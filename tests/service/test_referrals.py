"""A referrer's share: owed with the sale, paid once, kept when it cannot be paid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.conftest import ClockedBooks, FakeClock

from ulak.core.funding import CannotDo, FundingDown, PaymentState
from ulak.core.jobs import Job, JobKind
from ulak.core.ledger import SAT, Balance, Move, Posting
from ulak.core.purchases import Purchase
from ulak.core.referrals import TRIES, Bill, NoBill, ReferralState, next_try, share_of
from ulak.core.states import PurchaseKind, PurchaseState, Resolve
from ulak.service.house import House, account_of, known_account
from ulak.service.referrals import Payouts, owe
from ulak.store import jobs, ledger, purchases, referrals
from ulak.store.engine import Tx

BILL = Bill("lnbcrt1payme", "ab" * 32)


def sell(tx: Tx, posted: int = 1509, referrer: str | None = "bob@example.org") -> Purchase:
    """A purchase that is done and paid, stored with its money."""
    account_id = account_of(tx, House.WALK_IN)
    purchase = Purchase(
        id=0,
        public_id=f"{posted:064x}",
        account_id=account_id,
        dialect="sms4sats",
        kind=PurchaseKind.CODE,
        state=PurchaseState.DONE,
        price=posted,
        created=1,
        changed=1,
        resolve=Resolve.SETTLE,
        resolved=1,
        posted=posted,
        referrer=referrer,
        paid=1,
    )
    purchase.id = purchases.insert(tx, purchase)
    balances = ledger.locked(tx, [(account_id, SAT)])
    postings = [
        Posting(account_id, SAT, move, posted, purchase_id=purchase.id) for move in (Move.PLEDGE, Move.POST)
    ]
    for posting in postings:
        balances[account_id, SAT].apply(posting)
    ledger.save(tx, balances, postings)
    return purchase


class Addresses:
    """Gives out bills, unless it was told not to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.refuse = False

    async def bill(self, address: str, amount: int) -> Bill:
        self.asked.append((address, amount))
        if self.refuse:
            raise NoBill("nobody there")
        return BILL


class Node:
    """Pays, or does what it was told instead."""

    def __init__(self) -> None:
        self.paid: list[str] = []
        self.answers: list[PaymentState | Exception] = []
        self.looked = PaymentState.UNKNOWN

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        assert max_fee >= 5
        assert timeout > 0
        answer = self.answers.pop(0) if self.answers else PaymentState.PAID
        if isinstance(answer, Exception):
            raise answer
        self.paid.append(payreq)
        return answer

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        assert payment_hash.hex() == BILL.payment_hash
        return self.looked


async def owed(books: ClockedBooks) -> Balance:
    def question(tx: Tx) -> Balance:
        house = known_account(tx, House.REFERRALS)
        return Balance() if house is None else ledger.of_account(tx, house).get(SAT, Balance())

    return await books.read(question)


async def state_of(books: ClockedBooks) -> ReferralState:
    share = await books.write(lambda tx: referrals.find(tx, 1))
    assert share is not None
    return share.state


async def work(books: ClockedBooks, payouts: Payouts) -> None:
    def claim(tx: Tx) -> Sequence[Job]:
        return jobs.claim(tx, JobKind.REFER, 10, 1000, "me")

    await payouts.carry_out(await books.write(claim))


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def addresses() -> Addresses:
    return Addresses()


@pytest.fixture
def payouts(books: ClockedBooks, node: Node, addresses: Addresses) -> Payouts:
    return Payouts(books, node, addresses)  # type: ignore[arg-type]


async def test_a_tenth_is_owed_once_and_paid_once(
    books: ClockedBooks, payouts: Payouts, node: Node, addresses: Addresses
) -> None:
    purchase = await books.write(sell)
    for _ in range(2):
        await books.write(lambda tx: owe(tx, purchase))
    assert await owed(books) == Balance(-150, 150, 0, 0)
    for _ in range(2):
        await work(books, payouts)
    assert addresses.asked == [("bob@example.org", 150)]
    assert node.paid == [BILL.payreq]
    assert await state_of(books) is ReferralState.PAID
    assert await owed(books) == Balance(-150, 0, 0, 150)


async def test_nothing_is_owed_for_less_than_ten_sats_or_for_nobody(books: ClockedBooks) -> None:
    await books.write(lambda tx: owe(tx, sell(tx, 9)))
    await books.write(lambda tx: owe(tx, sell(tx, 1500, None)))
    assert await owed(books) == Balance()


async def test_what_was_begun_is_looked_up_before_it_is_paid_again(
    books: ClockedBooks, payouts: Payouts, node: Node, addresses: Addresses, clock: FakeClock
) -> None:
    await books.write(lambda tx: owe(tx, sell(tx)))
    node.answers = [FundingDown("away")]
    await work(books, payouts)
    assert await state_of(books) is ReferralState.PAYING
    assert await owed(books) == Balance(-150, 0, 150, 0)
    node.looked = PaymentState.PAID
    clock.advance(60_000)
    await work(books, payouts)
    assert node.paid == []
    assert len(addresses.asked) == 1
    assert await state_of(books) is ReferralState.PAID
    assert await owed(books) == Balance(-150, 0, 0, 150)


async def test_what_the_node_never_heard_of_is_paid_with_the_same_bill(
    books: ClockedBooks, payouts: Payouts, node: Node, addresses: Addresses, clock: FakeClock
) -> None:
    await books.write(lambda tx: owe(tx, sell(tx)))
    node.answers = [FundingDown("away")]
    await work(books, payouts)
    clock.advance(60_000)
    await work(books, payouts)
    assert node.paid == [BILL.payreq]
    assert len(addresses.asked) == 1
    assert await state_of(books) is ReferralState.PAID


async def test_a_payment_under_way_is_left_alone(
    books: ClockedBooks, payouts: Payouts, node: Node, clock: FakeClock
) -> None:
    await books.write(lambda tx: owe(tx, sell(tx)))
    node.answers = [PaymentState.UNDER_WAY]
    node.looked = PaymentState.UNDER_WAY
    await work(books, payouts)
    clock.advance(60_000)
    await work(books, payouts)
    assert node.paid == [BILL.payreq]
    assert await state_of(books) is ReferralState.PAYING


@pytest.mark.parametrize("how", ["address", "payment", "never"])
async def test_what_cannot_be_paid_stays_owed(
    books: ClockedBooks, payouts: Payouts, node: Node, addresses: Addresses, clock: FakeClock, how: str
) -> None:
    await books.write(lambda tx: owe(tx, sell(tx)))
    addresses.refuse = how == "address"
    failure = PaymentState.FAILED if how == "payment" else CannotDo("it cannot pay")
    node.answers = [failure for _ in range(TRIES + 2)]
    for _ in range(TRIES + 2):
        await work(books, payouts)
        clock.advance(24 * 3_600_000)
    assert await state_of(books) is ReferralState.KEPT
    assert await owed(books) == Balance(-150, 150, 0, 0)
    assert not await books.read(lambda tx: jobs.any_due(tx, JobKind.REFER))


def test_shares_and_waits() -> None:
    assert [share_of(amount) for amount in (0, 9, 10, 1509, 1510)] == [0, 0, 1, 150, 151]
    waits = [next_try(tries) for tries in range(TRIES + 1)]
    assert waits[0] == 30_000
    assert waits[-1] is None
    assert all(wait is not None and wait <= 12 * 3_600_000 for wait in waits[:-1])


class Slow(Node):
    """Somebody else goes on with the job while it pays, and then the payment fails."""

    def __init__(self, clock: FakeClock, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._clock = clock
        self._meanwhile = meanwhile

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        del payreq, max_fee, timeout
        self._clock.advance(2_000)
        await self._meanwhile()
        return PaymentState.FAILED


async def test_who_lost_the_job_takes_nothing_back(
    books: ClockedBooks, payouts: Payouts, node: Node, clock: FakeClock
) -> None:
    """A payment takes longer than its claim holds; somebody else pays the same invoice meanwhile."""
    await books.write(lambda tx: owe(tx, sell(tx)))
    slow = Slow(clock, lambda: work(books, payouts))
    await work(books, Payouts(books, slow, Addresses()))  # type: ignore[arg-type]
    assert node.paid == [BILL.payreq]
    assert await state_of(books) is ReferralState.PAID
    assert await owed(books) == Balance(-150, 0, 0, 150)


async def test_who_lost_the_job_does_not_let_go_of_an_invoice_that_is_being_paid(
    books: ClockedBooks, clock: FakeClock
) -> None:
    await books.write(lambda tx: owe(tx, sell(tx)))
    slow = Slow(clock, lambda: books.write(lambda tx: jobs.claim(tx, JobKind.REFER, 10, 1000, "another")))
    await work(books, Payouts(books, slow, Addresses()))  # type: ignore[arg-type]
    assert await state_of(books) is ReferralState.PAYING
    assert await owed(books) == Balance(-150, 0, 150, 0)
