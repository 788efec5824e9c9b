"""Money when something goes wrong: nodes that are away, forget, or tell late; processes that die."""

from __future__ import annotations

import asyncio

import pytest
from tests import cast
from tests.conftest import ClockedBooks
from tests.service.shop_node import AFTER, BEFORE
from tests.service.shop_rig import CALLER, ON_SQLITE, PRICE, Rig, code, credit, message

from ulak.core.errors import Refusal
from ulak.core.funding import GUARD_BLOCKS, Capability, InvoiceNews, InvoiceState
from ulak.core.jobs import JobKind
from ulak.core.ledger import Balance
from ulak.core.purchases import CANCEL_AFTER, CODE_WITHIN, MINUTE, PAY_WITHIN, SECOND, Denied, Purchase, Sold
from ulak.core.states import PurchaseState, Resolve
from ulak.service import purchases, resolving, texting
from ulak.service.house import House
from ulak.service.purchases import INVOICE_WITHIN
from ulak.service.resolving import VERIFY_AGAIN, Heard
from ulak.service.texting import Sending
from ulak.service.till import VERIFY_HELD
from ulak.store import jobs
from ulak.store import purchases as store
from ulak.store.engine import Sql, Tx

pytestmark = pytest.mark.fault(
    "F8 payments",
    "one by one: late, too little, told twice, held too shortly, nodes that are away, deaths",
)


@pytest.fixture
def rig(books: ClockedBooks) -> Rig:
    return Rig(books, books.database.directory)


async def with_code(rig: Rig) -> Purchase:
    """A purchase whose code came, and whose money is to be taken."""
    purchase = await rig.waiting()
    rig.source.send(purchase.id, "Your code is 12345")
    rig.books.clock.advance(1000)
    await rig.shop.supply.look()
    await rig.shop.settle()
    assert rig.get(purchase.id).state is PurchaseState.SETTLING
    return purchase


async def cancelled(rig: Rig) -> Purchase:
    """A purchase that its customer cancelled, and whose money is to be given back."""
    purchase = await rig.paid()
    assert await rig.cancel(purchase) is None
    return purchase


@pytest.mark.parametrize("how", [BEFORE, AFTER])
async def test_an_invoice_that_cannot_be_made(rig: Rig, how: str) -> None:
    rig.node.down(how)
    assert await rig.shop.buy(code(), None, CALLER) == Denied(Refusal.FUNDING_DOWN)
    await rig.work()
    assert rig.get(1).state is PurchaseState.WITHDRAWN
    assert rig.jobs() == [(JobKind.CLOSE, 1)]
    rig.node.up()
    await rig.after(MINUTE)
    assert rig.jobs() == []
    assert all(kept.state is InvoiceState.CANCELLED for kept in rig.node.invoices.values())
    assert rig.told(rig.get(1)) == []


async def test_a_process_that_dies_before_it_has_the_invoice(rig: Rig) -> None:
    offer = rig.shop._offer(b"p" * 32)
    rig.write(lambda tx: purchases.open_(tx, code(), None, CALLER, offer, rig.shop._prices))
    await rig.after(INVOICE_WITHIN)
    assert rig.get(1).state is PurchaseState.EXPIRED
    assert rig.jobs() == []


@pytest.mark.parametrize("how", [BEFORE, AFTER])
async def test_money_is_taken_once_the_node_is_back(rig: Rig, how: str) -> None:
    purchase = await with_code(rig)
    rig.node.down(how)
    await rig.after(10 * MINUTE, step=MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.SETTLING
    rig.node.up()
    await rig.after(MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.DONE
    assert rig.node.income == rig.house(House.WALK_IN).spent == PRICE
    assert "cancel" not in rig.node.calls


@pytest.mark.parametrize("how", [BEFORE, AFTER])
async def test_money_is_given_back_once_the_node_is_back(rig: Rig, how: str) -> None:
    purchase = await cancelled(rig)
    rig.node.down(how)
    await rig.after(10 * MINUTE, step=MINUTE)
    assert rig.get(purchase.id).resolved is None
    rig.node.up()
    await rig.after(MINUTE)
    assert rig.get(purchase.id).resolved is not None
    assert rig.node.income == 0
    assert rig.house(House.WALK_IN) == Balance()
    assert "settle" not in rig.node.calls


async def test_money_that_is_gone_buys_nothing(rig: Rig) -> None:
    purchase = await with_code(rig)
    rig.node.let_go(purchase.payreq or "")
    await rig.work()
    lost = rig.get(purchase.id)
    assert (lost.state, lost.resolve, lost.held, lost.posted) == (
        PurchaseState.LOST,
        Resolve.SETTLE,
        0,
        0,
    )
    assert rig.shown(purchase).code is None
    assert rig.house(House.WALK_IN) == Balance()
    assert rig.source.finished == [(purchase.id, True)]


async def test_money_that_was_taken_although_it_was_to_go_back_is_parked(rig: Rig) -> None:
    purchase = await cancelled(rig)
    kept = rig.node.invoices[rig.node.by_payreq(purchase.payreq or "")]
    kept.state, kept.got = InvoiceState.SETTLED, PRICE + 7
    await rig.work()
    assert rig.house(House.WALK_IN) == Balance()
    assert rig.house(House.PARKED) == Balance(issued=-PRICE - 7, available=PRICE + 7)
    assert (rig.get(purchase.id).held, rig.get(purchase.id).posted) == (0, 0)


async def test_money_that_comes_late_goes_back(rig: Rig) -> None:
    """The node takes it after the invoice was cancelled there, as none should."""
    sold = await rig.order()
    await rig.shop.cancel(sold.public_id)
    await rig.work()
    kept = rig.node.invoices[rig.node.by_payreq(sold.payreq or "")]
    kept.state = InvoiceState.OPEN
    await rig.pay(sold)
    assert rig.jobs() == [(JobKind.RESOLVE, rig.of(sold).id)]
    await rig.work()
    assert rig.node.state(sold.payreq or "") is InvoiceState.CANCELLED
    assert rig.of(sold).state is PurchaseState.WITHDRAWN
    assert rig.house(House.WALK_IN) == Balance()


async def test_money_that_comes_while_the_order_is_cancelled_goes_back(rig: Rig) -> None:
    sold = await rig.order()
    rig.node.paid(sold.payreq or "")
    assert await rig.shop.cancel(sold.public_id) is None
    await rig.shop.cashier.heard([rig.of(sold).payment_hash or ""])
    await rig.work()
    assert rig.of(sold).state is PurchaseState.WITHDRAWN
    assert rig.node.state(sold.payreq or "") is InvoiceState.CANCELLED


async def test_what_is_told_twice_is_paid_once(rig: Rig) -> None:
    purchase = await rig.paid()
    told = Heard(purchase.id, PurchaseState.PAID, InvoiceNews(InvoiceState.HELD, PRICE))
    for _ in range(2):
        rig.write(lambda tx: resolving.verified(tx, [told], Sending("ULAK")))
        await rig.shop.cashier.heard([purchase.payment_hash or ""])
    assert rig.house(House.WALK_IN) == Balance(issued=-PRICE, held=PRICE)
    assert rig.jobs() == [(JobKind.BUY, purchase.id)]


async def test_more_than_was_asked_for_is_kept_and_noted(rig: Rig) -> None:
    sold = await rig.order()
    await rig.pay(sold, 2 * PRICE)
    await rig.work()
    rig.source.send(rig.of(sold).id, "Your code is 12345")
    await rig.after(SECOND)
    assert rig.of(sold).posted == 2 * PRICE
    assert rig.house(House.WALK_IN).spent == 2 * PRICE


async def test_less_than_was_asked_for_is_not_accepted(rig: Rig) -> None:
    sold = await rig.order()
    await rig.pay(sold, PRICE - 1)
    await rig.work()
    assert rig.of(sold).state is PurchaseState.EXPIRED
    assert rig.node.state(sold.payreq or "") is InvoiceState.CANCELLED


# What the node says when it is asked.


async def test_a_payment_is_found_without_being_told(rig: Rig) -> None:
    sold = await rig.order()
    rig.node.paid(sold.payreq or "")
    await rig.after(2 * SECOND)
    assert rig.of(sold).state is PurchaseState.UNPAID
    await rig.after(SECOND)
    assert rig.of(sold).state is PurchaseState.WAITING


@ON_SQLITE
async def test_an_unpaid_invoice_is_looked_at_ever_more_rarely(rig: Rig) -> None:
    await rig.order()
    await rig.after(MINUTE, step=SECOND)
    assert rig.node.calls.count("look_up") == 5
    await rig.after(4 * MINUTE, step=10 * SECOND)
    assert 8 <= rig.node.calls.count("look_up") <= 10


async def test_while_the_node_is_away_nothing_expires(rig: Rig) -> None:
    sold = await rig.order()
    rig.node.paid(sold.payreq or "")
    rig.node.down()
    await rig.after(PAY_WITHIN + MINUTE)
    assert rig.of(sold).state is PurchaseState.UNPAID
    rig.node.up()
    await rig.after(MINUTE)
    assert rig.of(sold).state is PurchaseState.WAITING


async def test_money_that_went_back_by_itself_ends_the_order(rig: Rig) -> None:
    purchase = await rig.waiting()
    rig.node.let_go(purchase.payreq or "")
    await rig.after(5 * MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.TIMED_OUT
    assert rig.source.finished == [(purchase.id, False)]
    assert rig.house(House.WALK_IN) == Balance()


async def test_a_hold_that_ends_soon_is_let_go(rig: Rig) -> None:
    purchase = await rig.waiting()
    kept = rig.node.invoices[rig.node.by_payreq(purchase.payreq or "")]
    kept.blocks = GUARD_BLOCKS + 1
    await rig.after(5 * MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.WAITING
    kept.blocks = GUARD_BLOCKS
    await rig.after(5 * MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.TIMED_OUT
    assert kept.state is InvoiceState.CANCELLED


async def test_a_hold_that_ends_soon_is_taken_first_where_that_is_decided(rig: Rig) -> None:
    purchase = await with_code(rig)
    rig.node.fails = lambda call: BEFORE if call == "settle" else None
    kept = rig.node.invoices[rig.node.by_payreq(purchase.payreq or "")]
    await rig.after(4 * MINUTE, step=MINUTE)
    kept.blocks = 3
    rig.node.up()
    rig.write(lambda tx: tx.run(Sql("UPDATE job SET due = due + 1000000000")))
    await rig.after(2 * MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.DONE


async def test_a_shop_that_lost_its_node_touches_no_money(rig: Rig) -> None:
    """It was started without one, by mistake."""
    purchase = await rig.waiting()
    rig.with_node = False
    rig.start()
    await rig.after(CANCEL_AFTER)
    await rig.after(5 * MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.WAITING
    assert await rig.cancel(purchase) is None
    await rig.work()
    assert rig.get(purchase.id).resolved is None
    rig.with_node = True
    rig.start()
    await rig.after(MINUTE)
    assert rig.node.state(purchase.payreq or "") is InvoiceState.CANCELLED


async def test_that_it_was_unpaid_before_it_was_paid_ends_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a question from before the payment comes after it."""
    sold = await rig.order()
    look_up = rig.node.look_up

    async def slow(payment_hash: bytes) -> InvoiceNews:
        news = await look_up(payment_hash)
        monkeypatch.setattr(rig.node, "look_up", look_up)
        await rig.pay(sold)
        return news

    monkeypatch.setattr(rig.node, "look_up", slow)
    rig.books.clock.advance(PAY_WITHIN)
    await rig.work()
    assert rig.of(sold).state is PurchaseState.WAITING
    assert rig.house(House.WALK_IN).held == PRICE


async def test_one_that_breaks_holds_up_no_other(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await rig.paid(message()), await rig.paid(message())
    withdraw = texting.withdraw

    def broken(tx: Tx, purchase: Purchase) -> bool:
        if purchase.id == first.id:
            raise ValueError("broken")
        return withdraw(tx, purchase)

    monkeypatch.setattr(texting, "withdraw", broken)
    await rig.after(CODE_WITHIN)
    assert rig.get(first.id).state is PurchaseState.PAID
    assert rig.get(second.id).state is PurchaseState.FAILED
    monkeypatch.undo()
    await rig.after(MINUTE)
    assert rig.get(first.id).state is PurchaseState.FAILED


# Plain invoices.


async def plain(rig: Rig) -> tuple[int, Sold]:
    rig.node.capabilities = frozenset((Capability.PLAIN,))
    alice = rig.account()
    return alice, await rig.order(credit(), alice)


async def test_a_plain_invoice_ends_by_itself(rig: Rig) -> None:
    _, sold = await plain(rig)
    assert await rig.shop.cancel(sold.public_id) is None
    await rig.after(MINUTE)
    assert rig.of(sold).resolved is None
    rig.node.let_go(sold.payreq or "")
    await rig.after(MINUTE)
    assert rig.of(sold).resolved is not None
    assert rig.jobs() == []


async def test_a_plain_invoice_that_is_paid_after_it_was_cancelled(rig: Rig) -> None:
    alice, sold = await plain(rig)
    assert await rig.shop.cancel(sold.public_id) is None
    await rig.work()
    rig.node.paid(sold.payreq or "")
    await rig.after(MINUTE)
    assert rig.of(sold).state is PurchaseState.WITHDRAWN
    assert rig.balance(alice) == Balance()
    assert rig.house(House.PARKED).available == 10_000


# Processes that die.


@pytest.mark.parametrize("kind", [JobKind.BUY, JobKind.RESOLVE, JobKind.FINISH])
async def test_a_job_that_was_begun_is_done_by_the_next_process(rig: Rig, kind: JobKind) -> None:
    purchase = await rig.paid()
    if kind is not JobKind.BUY:
        await rig.work()
        rig.books.clock.advance(CANCEL_AFTER)
        assert await rig.cancel(purchase) is None
    claimed = rig.write(lambda tx: jobs.claim(tx, kind, 10, 120_000, rig.process))
    assert [job.subject for job in claimed] == [purchase.id]
    await rig.work()
    before = rig.get(purchase.id)
    assert before.resolved is None or kind is JobKind.FINISH
    rig.start()
    await rig.work()
    after = rig.get(purchase.id)
    if kind is JobKind.BUY:
        assert after.state is PurchaseState.WAITING
    else:
        assert after.resolved is not None
        assert rig.source.finished == [(purchase.id, False)]
    assert rig.jobs() == []


async def test_what_was_done_twice_counts_once(rig: Rig) -> None:
    """Its claim was over, and somebody else did it too."""
    purchase = await with_code(rig)
    (job,) = rig.write(lambda tx: jobs.claim(tx, JobKind.RESOLVE, 10, 120_000, "a"))
    await asyncio.gather(*(rig.shop.cashier.resolve(job) for _ in range(3)))
    assert rig.get(purchase.id).posted == PRICE
    assert rig.house(House.WALK_IN) == Balance(issued=-PRICE, spent=PRICE)


async def test_after_a_start_everything_open_is_looked_at(rig: Rig) -> None:
    sold, held = await rig.order(), await rig.waiting()
    await rig.after(10 * MINUTE)
    rig.node.paid(sold.payreq or "")
    rig.node.let_go(held.payreq or "")
    rig.start()
    await rig.shop.cashier.verify_all()
    await rig.work()
    assert rig.of(sold).state is PurchaseState.WAITING
    assert rig.get(held.id).state is PurchaseState.TIMED_OUT


# Races.


async def test_of_a_code_and_a_cancel_the_first_counts(rig: Rig) -> None:
    first, second = await rig.waiting(), await rig.waiting()
    rig.books.clock.advance(CANCEL_AFTER)
    for one in (first, second):
        rig.source.send(one.id, "Your code is 12345")
    assert await rig.cancel(first) is None
    await rig.shop.supply.look()
    await rig.shop.settle()
    assert await rig.cancel(second) == Denied(Refusal.COMPLETED)
    await rig.work()
    assert rig.get(first.id).state is PurchaseState.CANCELLED
    assert rig.get(second.id).state is PurchaseState.DONE
    assert rig.node.income == PRICE


async def test_a_row_that_changed_meanwhile_is_not_written(rig: Rig) -> None:
    purchase = await rig.waiting()
    assert not rig.write(lambda tx: store.save(tx, purchase, PurchaseState.PAID))


async def test_a_message_whose_money_went_back_is_not_sent(rig: Rig) -> None:
    purchase = await rig.paid(message())
    rig.node.let_go(purchase.payreq or "")
    await rig.after(5 * MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.FAILED
    assert rig.house(House.WALK_IN) == Balance()


async def test_an_invoice_that_was_long_in_the_making_has_its_whole_time(rig: Rig) -> None:
    """It is made between the look at what is due and the change."""
    offer = rig.shop._offer(b"p" * 32)
    made = rig.write(lambda tx: purchases.open_(tx, code(), None, CALLER, offer, rig.shop._prices))
    assert isinstance(made, Purchase)
    rig.books.clock.advance(INVOICE_WITHIN)
    rig.write(lambda tx: purchases.invoiced(tx, made.id, "lnbc1", made.payment_hash or ""))
    assert rig.write(lambda tx: resolving.pass_time(tx, [made.id])) == []
    await rig.work()
    assert rig.get(made.id).state is PurchaseState.UNPAID
    assert rig.get(made.id).due == rig.books.clock.now + PAY_WITHIN


async def test_a_node_that_was_away_when_it_was_asked_is_asked_again_soon(rig: Rig) -> None:
    purchase = await rig.waiting()
    kept = rig.node.invoices[bytes.fromhex(purchase.payment_hash or "")]
    rig.node.down()
    await rig.after(VERIFY_HELD)
    kept.blocks = 20
    rig.node.up()
    await rig.after(VERIFY_AGAIN)
    assert rig.get(purchase.id).state is PurchaseState.TIMED_OUT
    assert kept.state is InvoiceState.CANCELLED


async def test_what_was_sent_is_paid_before_its_money_goes_back(rig: Rig) -> None:
    purchase = await rig.paid(message())
    (order,) = cast.claim(rig.books.database)
    cast.accept_all(rig.books.database, order)
    await rig.after(250)
    payment_hash = purchase.payment_hash or ""
    rig.node.invoices[bytes.fromhex(payment_hash)].blocks = 20
    await rig.shop.cashier.heard([payment_hash])
    await rig.work()
    assert rig.get(purchase.id).state is PurchaseState.SENT
    assert rig.node.state(purchase.payreq or "") is InvoiceState.SETTLED


@pytest.mark.parametrize("blocks", [GUARD_BLOCKS, 1])
async def test_a_payment_that_is_held_too_shortly_is_not_taken(rig: Rig, blocks: int) -> None:
    sold = await rig.order()
    kept = rig.node.invoices[rig.node.by_payreq(sold.payreq or "")]
    kept.blocks = blocks
    await rig.pay(sold)
    await rig.work()
    assert rig.of(sold).state is PurchaseState.EXPIRED
    assert kept.state is InvoiceState.CANCELLED
    assert rig.house(House.WALK_IN) == Balance()
