"""Buying, being served and cancelling, from the order to the money."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from tests.conftest import ClockedBooks
from tests.service.shop_rig import CALLER, PRICE, Rig, code, credit, message, rental
from tests.service.shop_source import SOURCE_POOL

from ulak.core.errors import Refusal
from ulak.core.funding import Capability, InvoiceState
from ulak.core.jobs import JobKind
from ulak.core.ledger import Balance
from ulak.core.purchases import (
    CANCEL_AFTER,
    CODE_WITHIN,
    MINUTE,
    PAY_WITHIN,
    RENTAL_CANCEL_WITHIN,
    SECOND,
    WEEK,
    Denied,
    Shown,
    Wish,
)
from ulak.core.states import PurchaseState, Resolve
from ulak.service import purchases
from ulak.service.house import House
from ulak.store.engine import Sql


@pytest.fixture
def rig(books: ClockedBooks) -> Rig:
    return Rig(books, books.database.directory)


def told_states(rig: Rig, purchase_id: int) -> list[PurchaseState]:
    return [msgspec.json.decode(data, type=Shown).state for data in rig.told(rig.get(purchase_id))]


async def test_a_code_is_bought(rig: Rig) -> None:
    sold = await rig.order(code(pool=SOURCE_POOL))
    assert sold.payreq is not None
    assert (len(sold.public_id), rig.of(sold).state) == (64, PurchaseState.UNPAID)
    assert await rig.pay(sold)
    purchase = rig.of(sold)
    assert purchase.state is PurchaseState.PAID
    assert rig.house(House.WALK_IN) == Balance(issued=-PRICE, held=PRICE)
    await rig.work()
    shown = rig.shown(purchase)
    assert (shown.state, shown.number, shown.code) == (
        PurchaseState.WAITING,
        919876500000 + purchase.id,
        None,
    )
    rig.source.send(purchase.id, "Your code is 12345")
    await rig.after(1000)
    done = rig.get(purchase.id)
    assert (done.state, done.code, done.resolve) == (PurchaseState.DONE, "12345", Resolve.SETTLE)
    assert rig.shown(done).code == "12345"
    assert rig.node.state(sold.payreq) is InvoiceState.SETTLED
    assert (done.held, done.posted, done.resolved) == (0, PRICE, rig.books.clock.now)
    assert rig.house(House.WALK_IN) == Balance(issued=-PRICE, spent=PRICE)
    assert rig.source.finished == [(purchase.id, True)]
    assert rig.jobs() == []
    assert told_states(rig, purchase.id) == [PurchaseState.PAID, PurchaseState.WAITING, PurchaseState.DONE]


async def test_the_code_is_shown_when_the_money_is_taken(rig: Rig) -> None:
    purchase = await rig.waiting()
    rig.source.send(purchase.id, "Your code is 12345")
    rig.node.down()
    await rig.after(1000)
    assert rig.get(purchase.id).state is PurchaseState.SETTLING
    assert rig.shown(purchase).code is None
    assert rig.get(purchase.id).changed == purchase.changed
    assert isinstance(await rig.cancel(purchase), Denied)
    rig.node.up()
    await rig.after(MINUTE)
    assert rig.shown(purchase).code == "12345"


async def test_the_preimage_is_ours_and_sealed(rig: Rig) -> None:
    sold = await rig.order()
    purchase = rig.of(sold)
    assert purchase.preimage is not None
    preimage = rig.shop.preimage(purchase)
    assert hashlib.sha256(bytes.fromhex(preimage)).hexdigest() == purchase.payment_hash
    assert preimage not in purchase.preimage
    assert purchase.payment_hash != purchase.public_id


async def test_an_order_with_a_callback_names_its_endpoint(rig: Rig) -> None:
    sold = await rig.order(code(callback_url="https://example.com/hook"))
    again = await rig.order(code(callback_url="https://example.com/hook"))
    assert rig.of(sold).endpoint_id is not None
    assert rig.of(sold).endpoint_id == rig.of(again).endpoint_id
    await rig.pay(sold)
    rows = rig.read(lambda tx: tx.all(Sql("SELECT endpoint_id, subject FROM callback")))
    assert rows == [(rig.of(sold).endpoint_id, rig.of(sold).id)]


# From a balance.


async def test_a_balance_pays_at_once(rig: Rig) -> None:
    alice = rig.account(sats=PRICE + 100)
    sold = await rig.order(code(prepaid=True), alice)
    assert sold.payreq is None
    assert rig.of(sold).state is PurchaseState.PAID
    assert rig.balance(alice) == Balance(issued=-PRICE - 100, available=100, held=PRICE)
    assert await rig.shop.buy(code(prepaid=True), alice, CALLER) == Denied(Refusal.NO_CREDIT)
    await rig.work()
    rig.source.send(rig.of(sold).id, "Your code is 12345")
    await rig.after(1000)
    assert rig.shown(rig.of(sold)).code == "12345"
    assert rig.balance(alice) == Balance(issued=-PRICE - 100, available=100, spent=PRICE)
    assert rig.node.calls == []


async def test_a_balance_gets_its_money_back(rig: Rig) -> None:
    alice = rig.account(sats=PRICE)
    rig.source.left = 0
    rig.source.tries_unlisted = True
    sold = await rig.order(code("none", prepaid=True), alice)
    await rig.work()
    assert rig.of(sold).state is PurchaseState.NO_NUMBER
    assert rig.balance(alice) == Balance(issued=-PRICE, available=PRICE)


async def test_nobody_without_an_account_has_a_balance(rig: Rig) -> None:
    assert await rig.shop.buy(code(prepaid=True), None, CALLER) == Denied(Refusal.NO_CREDIT)


# What cannot be sold.


async def test_what_nobody_has_is_not_sold(rig: Rig) -> None:
    assert await rig.shop.buy(code("vk"), None, CALLER) == Denied(Refusal.NO_NUMBERS)
    assert await rig.shop.buy(code(pool=1), None, CALLER) == Denied(Refusal.NO_NUMBERS)
    assert await rig.shop.buy(rental(pool=1), None, CALLER) == Denied(Refusal.NO_NUMBERS)
    rig.source.tries_unlisted = True
    await rig.order(code("vk"))


async def test_what_nobody_knows_is_sold(rig: Rig) -> None:
    rig.source.silent = True
    await rig.order(code("vk"))
    await rig.order(rental(pool=1))


async def test_stock_is_known_for_half_a_minute(rig: Rig) -> None:
    assert await rig.shop.stock(SOURCE_POOL) == {"tg": 10**6, "wa": 10**6}
    rig.source.left = 0
    assert await rig.shop.stock(SOURCE_POOL) == {"tg": 10**6, "wa": 10**6}
    assert rig.source.asked["stock"] == 1
    rig.sources[rig.add_carrier("another", 5)] = type(rig.source)(("tg",))
    assert (await rig.shop.stock(SOURCE_POOL))["tg"] == 2 * 10**6
    rig.monotonic += 30
    assert await rig.shop.stock(SOURCE_POOL) == {"tg": 10**6}
    assert await rig.shop.pools() == {SOURCE_POOL}
    assert await rig.shop.rentals("full") == {SOURCE_POOL}


async def test_without_a_node_only_balances_pay(books: ClockedBooks) -> None:
    rig = Rig(books, books.database.directory, with_node=False)
    assert await rig.shop.buy(code(), None, CALLER) == Denied(Refusal.FUNDING_DOWN)
    alice = rig.account(sats=PRICE)
    await rig.order(code(prepaid=True), alice)


async def test_a_node_that_cannot_hold_sells_only_credit(books: ClockedBooks) -> None:
    rig = Rig(books, books.database.directory)
    rig.node.capabilities = frozenset((Capability.PLAIN,))
    assert await rig.shop.buy(code(), None, CALLER) == Denied(Refusal.FUNDING_DOWN)
    alice = rig.account()
    sold = await rig.order(credit(), alice)
    assert rig.of(sold).payment_hash is not None
    assert rig.of(sold).preimage is None
    await rig.pay(sold)
    await rig.work()
    assert rig.of(sold).state is PurchaseState.DONE
    assert rig.balance(alice) == Balance(issued=-10_000, available=10_000)
    assert "settle" not in rig.node.calls


# Credit.


async def test_an_account_is_funded_once(rig: Rig) -> None:
    alice = rig.account()
    sold = await rig.order(credit(), alice)
    assert await rig.pay(sold, 10_500)
    await rig.work()
    await rig.shop.cashier.heard([rig.of(sold).payment_hash or ""])
    await rig.work()
    assert rig.balance(alice) == Balance(issued=-10_500, available=10_500)
    total, history = rig.read(lambda tx: purchases.history(tx, alice, 10))
    assert (total, [one.public_id for one in history]) == (10_500, [sold.public_id])
    assert rig.read(lambda tx: purchases.balance(tx, alice)) == 10_500
    assert isinstance(await rig.cancel(history[0]), Denied)


# Cancelling.


async def test_who_waited_can_cancel(rig: Rig) -> None:
    purchase = await rig.waiting()
    assert await rig.cancel(purchase) == Denied(Refusal.TOO_EARLY, 120)
    await rig.after(CANCEL_AFTER - 1500)
    assert await rig.cancel(purchase) == Denied(Refusal.TOO_EARLY, 2)
    await rig.after(1500)
    assert await rig.cancel(purchase) is None
    assert await rig.cancel(purchase) is None
    await rig.work()
    assert rig.get(purchase.id).state is PurchaseState.CANCELLED
    assert rig.node.state(purchase.payreq or "") is InvoiceState.CANCELLED
    assert rig.house(House.WALK_IN) == Balance()
    assert rig.source.finished == [(purchase.id, False)]
    rig.source.send(purchase.id, "Your code is 12345")
    await rig.after(MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.CANCELLED


async def test_who_has_no_number_yet_can_cancel_at_once(rig: Rig) -> None:
    purchase = await rig.paid()
    assert await rig.cancel(purchase) is None
    await rig.work()
    assert rig.get(purchase.id).state is PurchaseState.CANCELLED
    assert rig.source.sold == {}
    assert rig.jobs() == []


@pytest.mark.parametrize("wish", [code(), message(), rental()])
async def test_what_is_not_paid_can_be_cancelled(rig: Rig, wish: Wish) -> None:
    sold = await rig.order(wish)
    assert await rig.shop.cancel(sold.public_id) is None
    await rig.work()
    assert rig.of(sold).state is PurchaseState.WITHDRAWN
    assert not await rig.pay(sold)


async def test_what_was_done_cannot_be_cancelled(rig: Rig) -> None:
    purchase = await rig.waiting()
    rig.source.send(purchase.id, "Your code is 12345")
    await rig.after(1000)
    assert await rig.cancel(purchase) == Denied(Refusal.COMPLETED)
    sent = await rig.paid(message())
    assert await rig.cancel(sent) == Denied(Refusal.FINAL)
    assert await rig.shop.cancel("0" * 64) == Denied(Refusal.NOT_FOUND)
    assert await rig.shop.cancel("\ud800") == Denied(Refusal.NOT_FOUND)


# Time.


async def test_an_unpaid_invoice_expires(rig: Rig) -> None:
    sold = await rig.order()
    await rig.after(PAY_WITHIN - SECOND)
    assert rig.of(sold).state is PurchaseState.UNPAID
    await rig.after(SECOND)
    assert rig.of(sold).state is PurchaseState.EXPIRED
    assert not await rig.pay(sold)
    assert rig.jobs() == []


async def test_a_payment_in_the_last_moment_counts(rig: Rig) -> None:
    """The node had no chance to tell of it."""
    sold = await rig.order()
    assert sold.payreq is not None
    rig.books.clock.advance(PAY_WITHIN)
    rig.node.paid(sold.payreq)
    await rig.work()
    assert rig.of(sold).state is PurchaseState.WAITING


async def test_nobody_waits_longer_than_21_minutes(rig: Rig) -> None:
    purchase = await rig.waiting()
    await rig.after(CODE_WITHIN - 1)
    assert rig.get(purchase.id).state is PurchaseState.WAITING
    await rig.after(1)
    assert rig.get(purchase.id).state is PurchaseState.TIMED_OUT
    assert rig.node.state(purchase.payreq or "") is InvoiceState.CANCELLED
    assert rig.source.finished == [(purchase.id, False)]
    assert rig.house(House.WALK_IN) == Balance()


# Rentals.


async def test_a_rental_is_paid_for_before_it_is_shown(rig: Rig) -> None:
    purchase = await rig.paid(rental())
    await rig.work(JobKind.BUY)
    assert rig.get(purchase.id).state is PurchaseState.SETTLING
    assert rig.shown(purchase).number is None
    await rig.work()
    shown = rig.shown(purchase)
    assert (shown.state, shown.number) == (PurchaseState.ACTIVE, 919876500000 + purchase.id)
    assert shown.ends == rig.books.clock.now + 2 * WEEK
    rig.source.send(purchase.id, "Your code is 12345")
    await rig.after(1000)
    rig.source.send(purchase.id, "hello")
    rig.source.send(purchase.id, "Your code is 67890")
    await rig.after(1000)
    shown = rig.shown(purchase)
    assert [text.code for text in shown.texts] == ["12345", None, "67890"]
    assert shown.code == "67890"
    assert await rig.cancel(purchase) == Denied(Refusal.FINAL)
    await rig.after(2 * WEEK)
    assert rig.shown(purchase).state is PurchaseState.ENDED
    assert len(rig.shown(purchase).texts) == 3
    assert rig.source.finished == [(purchase.id, True)]


async def test_an_unused_rental_can_be_given_back_to_a_balance(rig: Rig) -> None:
    alice = rig.account(sats=15_000)
    purchase = await rig.order(rental(prepaid=True), alice)
    await rig.work()
    assert rig.of(purchase).state is PurchaseState.ACTIVE
    assert rig.balance(alice).spent == 15_000
    await rig.after(RENTAL_CANCEL_WITHIN)
    assert await rig.shop.cancel(purchase.public_id) is None
    await rig.work()
    assert rig.balance(alice) == Balance(issued=-15_000, available=15_000)
    assert rig.source.finished == [(rig.of(purchase).id, False)]


async def test_a_rental_cannot_be_given_back_later(rig: Rig) -> None:
    alice = rig.account(sats=15_000)
    purchase = await rig.order(rental(prepaid=True), alice)
    await rig.work()
    await rig.after(RENTAL_CANCEL_WITHIN + 1)
    assert await rig.shop.cancel(purchase.public_id) == Denied(Refusal.FINAL)
    invoiced = await rig.waiting(rental(), alice)
    assert await rig.cancel(invoiced) == Denied(Refusal.FINAL)


# Shares.


async def test_who_referred_a_customer_is_owed_a_share(rig: Rig) -> None:
    purchase = await rig.waiting(code(referrer="bob@example.com"))
    rig.source.send(purchase.id, "Your code is 12345")
    await rig.after(1000)
    assert rig.jobs() == [(JobKind.REFER, purchase.id)]
    assert rig.house(House.REFERRALS) == Balance(issued=-PRICE // 10, available=PRICE // 10)
