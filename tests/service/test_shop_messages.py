"""Single messages: through the order engine, and paid when a carrier took them."""

from __future__ import annotations

import pytest
from tests import cast
from tests.conftest import ClockedBooks
from tests.service.shop_rig import ON_SQLITE, Rig, message

from ulak.core.errors import Refusal
from ulak.core.funding import InvoiceState
from ulak.core.ledger import Balance
from ulak.core.ports import Refused
from ulak.core.purchases import CODE_WITHIN, MINUTE, SECOND, SENT_HOLDS
from ulak.core.states import PurchaseState
from ulak.service import orders
from ulak.service.accounts import FIRST_NUMBER
from ulak.service.house import House
from ulak.store import accounts

PRICE = 3000


@pytest.fixture
def rig(books: ClockedBooks) -> Rig:
    return Rig(books, books.database.directory)


async def test_a_message_is_sent_and_delivered(rig: Rig) -> None:
    purchase = await rig.paid(message())
    assert purchase.message_id is not None
    (order,) = cast.claim(rig.books.database)
    assert (order.sender, order.texts, order.rows[0].number) == (
        "ULAK",
        ((purchase.message_id, "Merhaba"),),
        905301000001,
    )
    references = cast.accept_all(rig.books.database, order)
    await rig.after(250)
    assert rig.get(purchase.id).state is PurchaseState.SENT
    assert rig.node.state(purchase.payreq or "") is InvoiceState.HELD
    await rig.after(SENT_HOLDS)
    assert rig.node.state(purchase.payreq or "") is InvoiceState.SETTLED
    assert rig.house(House.WALK_IN) == Balance(issued=-PRICE, spent=PRICE)
    cast.report(rig.books.database, cast.delivered(references[purchase.message_id][0]))
    await rig.after(SECOND)
    assert rig.get(purchase.id).state is PurchaseState.DELIVERED
    assert rig.get(purchase.id).look is None
    assert [len(rig.told(purchase)), rig.jobs()] == [3, []]


async def test_a_message_that_is_refused_costs_nothing(rig: Rig) -> None:
    purchase = await rig.paid(message())
    (order,) = cast.claim(rig.books.database)
    refused = (cast.sent(rig.books.database, order, order.rows[0]), Refused("no"))
    cast.step(rig.books.database, [refused], [(order.id, order.last_id, order.last_id)])
    await rig.after(250)
    assert rig.get(purchase.id).state is PurchaseState.FAILED
    assert rig.node.state(purchase.payreq or "") is InvoiceState.CANCELLED


async def test_a_message_that_fails_soon_costs_nothing(rig: Rig) -> None:
    purchase = await rig.paid(message())
    (order,) = cast.claim(rig.books.database)
    references = cast.accept_all(rig.books.database, order)
    await rig.after(250)
    assert rig.get(purchase.id).state is PurchaseState.SENT
    cast.report(rig.books.database, cast.undelivered(references[order.id][0]))
    await rig.after(SECOND)
    assert rig.get(purchase.id).state is PurchaseState.FAILED
    assert rig.node.state(purchase.payreq or "") is InvoiceState.CANCELLED
    assert not rig.shown(purchase).kept


async def test_what_was_delivered_was_sent_before(rig: Rig) -> None:
    purchase = await rig.paid(message())
    (order,) = cast.claim(rig.books.database)
    references = cast.accept_all(rig.books.database, order)
    cast.report(rig.books.database, cast.delivered(references[order.id][0]))
    await rig.after(250)
    assert rig.get(purchase.id).state is PurchaseState.SENT
    await rig.after(250)
    assert rig.get(purchase.id).state is PurchaseState.DELIVERED
    assert len(rig.told(purchase)) == 3


async def test_a_message_that_fails_later_was_sent_all_the_same(rig: Rig) -> None:
    alice = rig.account(sats=PRICE)
    sold = await rig.order(message(prepaid=True), alice)
    (order,) = cast.claim(rig.books.database)
    references = cast.accept_all(rig.books.database, order)
    await rig.after(250)
    await rig.after(SENT_HOLDS)
    assert rig.balance(alice).spent == PRICE
    cast.report(rig.books.database, cast.undelivered(references[order.id][0]))
    await rig.after(SECOND)
    assert rig.of(sold).state is PurchaseState.FAILED
    assert rig.balance(alice).spent == PRICE


async def test_a_message_that_nobody_takes_is_given_up(rig: Rig) -> None:
    purchase = await rig.paid(message())
    await rig.after(CODE_WITHIN - 1)
    assert rig.get(purchase.id).state is PurchaseState.PAID
    await rig.after(1)
    assert rig.get(purchase.id).state is PurchaseState.FAILED
    assert cast.claim(rig.books.database) == []
    assert rig.node.state(purchase.payreq or "") is InvoiceState.CANCELLED


async def test_a_message_that_a_carrier_has_is_waited_for(rig: Rig) -> None:
    purchase = await rig.paid(message())
    (order,) = cast.claim(rig.books.database)
    await rig.after(CODE_WITHIN + MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.PAID
    cast.accept_all(rig.books.database, order)
    await rig.after(MINUTE)
    assert rig.get(purchase.id).state is PurchaseState.SENT


async def test_a_message_that_was_bought_is_none_of_the_account_s_orders(rig: Rig) -> None:
    alice = rig.account(sats=PRICE)
    await rig.order(message(prepaid=True), alice)
    now = rig.books.clock.now
    first = rig.read(lambda tx: accounts.next_number(tx, alice))
    assert first == FIRST_NUMBER
    assert rig.read(lambda tx: orders.report(tx, alice, first, 0, 10)) is Refusal.NOT_FOUND
    listed = rig.read(lambda tx: orders.listing(tx, alice, "iletimerkezi", now - MINUTE, now + MINUTE, 0, 10))
    assert listed == (0, [])


@ON_SQLITE
async def test_a_message_is_looked_after_ever_more_rarely(rig: Rig) -> None:
    purchase = await rig.paid(message())
    (order,) = cast.claim(rig.books.database)
    cast.accept_all(rig.books.database, order)
    await rig.after(250)
    await rig.after(60 * MINUTE, step=MINUTE)
    look = rig.get(purchase.id).look
    assert look is not None
    assert look - rig.books.clock.now == MINUTE
