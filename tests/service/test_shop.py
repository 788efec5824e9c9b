"""Buying and being served, from the order to the money, and what stands in the way."""

from __future__ import annotations

import pytest
from tests.conftest import ClockedBooks
from tests.service.shop_rig import Rig

from ulak.core.funding import InvoiceState
from ulak.core.states import PurchaseState, Resolve


@pytest.fixture
def rig(books: ClockedBooks) -> Rig:
    return Rig(books, books.database.directory)


async def test_a_code_is_bought(rig: Rig) -> None:
    sold = await rig.order()
    assert sold.payreq is not None
    assert len(sold.public_id) == 64
    assert rig.of(sold).state is PurchaseState.UNPAID
    assert await rig.pay(sold)
    purchase = rig.of(sold)
    assert purchase.state is PurchaseState.PAID
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
    assert rig.node.state(sold.payreq) is InvoiceState.SETTLED
    assert (done.held, done.posted, done.resolved) == (0, 1500, rig.books.clock.now)
    assert rig.source.finished == [(purchase.id, True)]
    assert len(rig.told(purchase)) == 3
