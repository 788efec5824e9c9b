"""A key of the customer's own: what is bought with it is bought once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.conftest import ClockedBooks
from tests.service.shop_rig import Rig, code, credit, message

from ulak.core.errors import Refusal
from ulak.core.purchases import ONCE_KEPT, Denied, Sold

pytestmark = pytest.mark.fault(
    "F12 idempotency key", "of purchases: again, with other content, while its invoice is made"
)

PRICE = 1500
KEY = "5d1e-0001"


@pytest.fixture
def rig(books: ClockedBooks) -> Rig:
    return Rig(books, books.database.directory)


async def bought(rig: Rig, account: int | None, **over: Any) -> Sold | Denied:
    return await rig.shop.buy(code(once=KEY, **over), account, "192.0.2.1")


async def test_the_balance_pays_once(rig: Rig) -> None:
    alice = rig.account(sats=10 * PRICE)
    answers = await asyncio.gather(*(bought(rig, alice, prepaid=True) for _ in range(8)))
    assert len(set(answers)) == 1
    assert isinstance(answers[0], Sold)
    assert rig.balance(alice).held == PRICE


async def test_an_invoice_comes_again(rig: Rig) -> None:
    alice = rig.account()
    first = await bought(rig, alice)
    assert isinstance(first, Sold)
    assert first.payreq is not None
    assert await bought(rig, alice) == first
    funded = await rig.shop.buy(credit(), alice, "192.0.2.1")
    assert isinstance(funded, Sold)
    assert funded.public_id != first.public_id


async def test_other_content_needs_another_key(rig: Rig) -> None:
    alice = rig.account(sats=10 * PRICE)
    await bought(rig, alice, prepaid=True)
    assert await bought(rig, alice, prepaid=True, pool=7) == Denied(Refusal.KEY_REUSED)
    other = await rig.shop.buy(message(once=KEY, prepaid=True), alice, "192.0.2.1")
    assert other == Denied(Refusal.KEY_REUSED)
    assert rig.balance(alice).held == PRICE


async def test_it_is_still_known_when_the_number_is_there(rig: Rig) -> None:
    alice = rig.account(sats=10 * PRICE)
    first = await bought(rig, alice, prepaid=True, pool=999)
    await rig.work()
    assert await bought(rig, alice, prepaid=True, pool=999) == first


async def test_keys_are_the_account_s_own_and_last_a_day(rig: Rig) -> None:
    alice, bob = rig.account(sats=10 * PRICE), rig.account("bob", sats=10 * PRICE)
    first = await bought(rig, alice, prepaid=True)
    assert isinstance(first, Sold)
    assert await bought(rig, bob, prepaid=True) != first
    await rig.after(ONCE_KEPT, step=ONCE_KEPT)
    assert await bought(rig, alice, prepaid=True) != first


async def test_strangers_do_not_find_each_other(rig: Rig) -> None:
    assert await bought(rig, None) != await bought(rig, None)


async def test_a_failure_is_not_remembered(rig: Rig) -> None:
    alice = rig.account()
    rig.node.down()
    assert await bought(rig, alice) == Denied(Refusal.FUNDING_DOWN)
    rig.node.up()
    assert isinstance(await bought(rig, alice), Sold)


async def test_an_invoice_that_is_being_made_is_waited_for(rig: Rig) -> None:
    alice = rig.account()
    answers = await asyncio.gather(*(bought(rig, alice) for _ in range(5)))
    sold = {answer for answer in answers if isinstance(answer, Sold)}
    assert len(sold) == 1
    assert set(answers) - sold <= {Denied(Refusal.IN_PROGRESS, 1)}
    assert {await bought(rig, alice)} == sold
