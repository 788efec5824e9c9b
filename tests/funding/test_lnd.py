"""An LND node, whose part two real Lightning nodes play: HTLCs are held, taken and given back."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from tests.peers.ldk import MISSING, WHY_MISSING, LdkPeer, ldk_peer, write_certificate

from ulak.core.funding import (
    GUARD_BLOCKS,
    MIN_CLTV,
    CannotDo,
    Capability,
    FundingDown,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.funding import invoices, lnd
from ulak.funding.lnd import LndFunding

pytestmark = pytest.mark.skipif(MISSING, reason=WHY_MISSING)

OPEN, HELD = InvoiceNews(InvoiceState.OPEN), InvoiceState.HELD
SETTLED, CANCELLED = InvoiceState.SETTLED, InvoiceNews(InvoiceState.CANCELLED)
IN_FLIGHT, SUCCEEDED, FAILED = "IN_FLIGHT", "SUCCEEDED", "FAILED"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LdkPeer]:
    """Two nodes with a channel."""
    with ldk_peer(tmp_path_factory.mktemp("ldk"), tls=True) as running:
        yield running


def funding_of(peer: LdkPeer, **other: str | float) -> LndFunding:
    """What asks the merchant, or another node with `url`, and maybe with something else that is wrong."""
    certificate = peer.certificate.read_text() if peer.certificate else None
    known = {"url": peer.merchant.url, "macaroon": peer.macaroon, "certificate": certificate}
    return LndFunding(**known | other)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def node(peer: LdkPeer) -> AsyncIterator[LndFunding]:
    """The merchant."""
    funding = funding_of(peer)
    yield funding
    await funding.close()


@pytest_asyncio.fixture
async def payer(peer: LdkPeer) -> AsyncIterator[LndFunding]:
    """The payer, asked in the same words."""
    funding = funding_of(peer, url=peer.payer.url)
    yield funding
    await funding.close()


class Sale:
    """A preimage and the invoice over its hash."""

    def __init__(self, node: LndFunding, sats: int = 1_500) -> None:
        self.preimage = secrets.token_bytes(32)
        self.hash = invoices.hash_of(self.preimage)
        self.sats = sats
        self._node = node

    async def invoice(self, expiry: int = 600) -> str:
        made = await self._node.create_hold(self.hash, self.sats, "one code", expiry)
        assert (made.payment_hash, made.amount) == (self.hash, self.sats)
        return made.payreq

    async def held(self, peer: LdkPeer) -> Sale:
        """Have it paid."""
        assert await peer.payer.pay(await self.invoice()) == IN_FLIGHT
        return self

    async def news(self) -> InvoiceNews:
        return await self._node.look_up(self.hash)

    async def state(self) -> InvoiceState:
        return (await self.news()).state


async def first(node: LndFunding) -> bytes:
    """The first news of a new watch."""
    async for payment_hash in node.watch():
        return payment_hash
    raise AssertionError("the watch ended")


async def balances(peer: LdkPeer) -> tuple[int, int]:
    """Thousandths of a sat of the merchant and of the payer."""
    return await peer.merchant.balance(), await peer.payer.balance()


async def test_an_invoice_is_what_was_asked_for(node: LndFunding) -> None:
    sale = Sale(node)
    payreq = await sale.invoice()
    terms = await invoices.read_aside(payreq)
    assert (terms.network, terms.description) == ("regtest", "one code")
    assert terms.expires - terms.created == 600_000
    assert abs(terms.created - time.time() * 1_000) < 60_000
    assert terms.min_cltv >= MIN_CLTV
    assert await sale.news() == OPEN
    assert node.capabilities == {Capability.HOLD, Capability.PLAIN, Capability.PAY}


async def test_a_hash_has_one_invoice(node: LndFunding) -> None:
    sale = Sale(node)
    assert await sale.invoice() == await sale.invoice()
    with pytest.raises(CannotDo, match="another amount"):
        await node.create_hold(sale.hash, sale.sats + 1, "one code", 600)


async def test_a_long_memo_is_cut_between_letters(node: LndFunding) -> None:
    sale = Sale(node)
    made = await node.create_hold(sale.hash, 1_500, "ü" * 1_000, 600)
    assert (await invoices.read_aside(made.payreq)).description == "ü" * 319


async def test_settling_gives_the_payer_our_preimage(peer: LdkPeer, node: LndFunding) -> None:
    before = await balances(peer)
    sale = await Sale(node).held(peer)
    news = await sale.news()
    assert (news.state, news.amount) == (HELD, 1_500)
    assert news.blocks_left is not None
    assert news.blocks_left >= MIN_CLTV > GUARD_BLOCKS
    assert await balances(peer) == (before[0], before[1] - 1_500_000)

    assert await node.settle(sale.preimage)
    paid = await peer.payer.outcome(sale.hash)
    assert (paid["status"], paid["payment_preimage"]) == (SUCCEEDED, sale.preimage.hex())
    assert await sale.news() == InvoiceNews(SETTLED, 1_500)
    assert await balances(peer) == (before[0] + 1_500_000, before[1] - 1_500_000)


async def test_cancelling_gives_everything_back(peer: LdkPeer, node: LndFunding) -> None:
    before = await balances(peer)
    sale = await Sale(node).held(peer)
    assert await node.cancel(sale.hash)
    assert (await peer.payer.outcome(sale.hash))["status"] == FAILED
    assert await sale.news() == CANCELLED
    assert await balances(peer) == before


async def test_what_is_done_is_done_once(peer: LdkPeer, node: LndFunding) -> None:
    taken, given = await Sale(node).held(peer), await Sale(node).held(peer)
    before = await peer.merchant.balance()
    assert [await node.settle(taken.preimage) for _ in range(3)] == [True] * 3
    assert [await node.cancel(given.hash) for _ in range(3)] == [True] * 3
    assert not await node.cancel(taken.hash)
    assert not await node.settle(given.preimage)
    assert await peer.merchant.balance() == before + 1_500_000


async def test_an_open_invoice_is_not_settled_and_can_be_cancelled(peer: LdkPeer, node: LndFunding) -> None:
    sale = Sale(node)
    payreq = await sale.invoice()
    assert not await node.settle(sale.preimage)
    assert await sale.news() == OPEN
    assert await node.cancel(sale.hash)
    assert await sale.news() == CANCELLED
    assert await peer.payer.pay(payreq) in (IN_FLIGHT, FAILED)
    assert (await peer.payer.outcome(sale.hash))["status"] == FAILED
    assert await sale.news() == CANCELLED


async def test_an_invoice_that_there_is_not(node: LndFunding) -> None:
    sale = Sale(node)
    assert await sale.news() == InvoiceNews(InvoiceState.UNKNOWN)
    assert not await node.settle(sale.preimage)
    assert await node.cancel(sale.hash)


async def test_an_invoice_expires(peer: LdkPeer, node: LndFunding) -> None:
    sale, kept = Sale(node), Sale(node)
    payreq, other = await sale.invoice(expiry=1), await kept.invoice(expiry=3)
    assert await peer.payer.pay(other) == IN_FLIGHT
    later = (await invoices.read_aside(other)).expires + 500
    async with asyncio.timeout(20):
        while await sale.state() is InvoiceState.OPEN or time.time() * 1_000 < later:
            await asyncio.sleep(0.1)
    assert await sale.news() == CANCELLED
    assert await peer.payer.pay(payreq) == "invoice expired"
    assert await kept.state() is HELD, "what is held does not expire"
    assert await node.cancel(kept.hash)


async def test_a_second_payment_is_refused(peer: LdkPeer, node: LndFunding) -> None:
    sale = Sale(node)
    payreq = await sale.invoice()
    assert await peer.payer.pay(payreq) == IN_FLIGHT
    assert await peer.payer.pay(payreq) == "payment is in transition"
    assert (await sale.news()).amount == 1_500
    assert await node.settle(sale.preimage)
    assert await peer.payer.pay(payreq) == "invoice is already paid"
    assert await sale.news() == InvoiceNews(SETTLED, 1_500)


async def test_a_payer_may_give_more(peer: LdkPeer, node: LndFunding) -> None:
    sale = Sale(node)
    assert await peer.pay_other(await sale.invoice(), 2_000_999) == IN_FLIGHT
    assert (await sale.news()).amount == 2_000
    assert await node.settle(sale.preimage)
    assert await sale.news() == InvoiceNews(SETTLED, 2_000)


async def test_ten_at_once(peer: LdkPeer, node: LndFunding) -> None:
    before = await balances(peer)
    sales = [Sale(node, sats=1_000 + place) for place in range(10)]
    payreqs = await asyncio.gather(*(sale.invoice() for sale in sales))
    assert await asyncio.gather(*map(peer.payer.pay, payreqs)) == [IN_FLIGHT] * 10
    assert {await sale.state() for sale in sales} == {HELD}
    total = sum(sale.sats for sale in sales) * 1_000
    assert await balances(peer) == (before[0], before[1] - total)

    taken, given = sales[::2], sales[1::2]
    done = await asyncio.gather(
        *(node.settle(sale.preimage) for sale in taken), *(node.cancel(sale.hash) for sale in given)
    )
    assert done == [True] * 10
    won = sum(sale.sats for sale in taken) * 1_000
    assert await balances(peer) == (before[0] + won, before[1] - won)
    outcomes = [(await peer.payer.outcome(sale.hash))["status"] for sale in sales]
    assert outcomes == [SUCCEEDED, FAILED] * 5


async def test_a_plain_invoice_is_taken_at_once(peer: LdkPeer, node: LndFunding) -> None:
    before = await balances(peer)
    made = await node.create_plain(700, "prepaid", 600)
    assert await node.look_up(made.payment_hash) == OPEN
    assert await peer.payer.pay(made.payreq) == SUCCEEDED
    assert await node.look_up(made.payment_hash) == InvoiceNews(SETTLED, 700)
    assert await balances(peer) == (before[0] + 700_000, before[1] - 700_000)


async def test_blocks_run_out(peer: LdkPeer, node: LndFunding) -> None:
    """The node gives a payment back by itself before it would have to close the channel."""
    before = await balances(peer)
    sale = await Sale(node).held(peer)
    left = (await sale.news()).blocks_left
    assert left is not None
    await peer.mine(left - GUARD_BLOCKS)
    later = funding_of(peer)
    assert (await later.look_up(sale.hash)).blocks_left == GUARD_BLOCKS
    await later.close()
    await peer.mine(4)
    assert await sale.news() == CANCELLED
    assert not await node.settle(sale.preimage)
    assert await balances(peer) == before


# Watching.


async def test_the_watch_tells_of_what_is_held_and_of_what_ends(peer: LdkPeer, node: LndFunding) -> None:
    held, quiet, late = Sale(node), Sale(node), Sale(node)
    payreqs = [await sale.invoice() for sale in (held, quiet, late)]
    node.follow(held.hash)
    node.follow(quiet.hash)
    async with aclosing(node.watch()) as news, asyncio.timeout(20):
        assert await peer.payer.pay(payreqs[0]) == IN_FLIGHT
        assert await anext(news) == held.hash
        node.follow(late.hash)
        assert await node.settle(held.preimage)
        assert await anext(news) == held.hash
        assert await peer.payer.pay(payreqs[2]) == IN_FLIGHT
        assert await anext(news) == late.hash
        assert await node.cancel(quiet.hash)
        assert await anext(news) == quiet.hash
        assert await node.cancel(late.hash)
        assert await anext(news) == late.hash


async def test_the_watch_ends_with_the_node_and_begins_again(peer: LdkPeer, node: LndFunding) -> None:
    sale = Sale(node)
    payreq = await sale.invoice()
    node.follow(sale.hash)
    waiting = asyncio.create_task(first(node))
    try:
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await peer.door(is_open=False)
        with pytest.raises(FundingDown, match="is lost"):
            await asyncio.wait_for(waiting, 20)
        with pytest.raises(FundingDown, match="no connection"):
            await sale.news()
        assert await peer.payer.pay(payreq) == IN_FLIGHT
    finally:
        await peer.door(is_open=True)
    assert await asyncio.wait_for(first(node), 20) == sale.hash
    assert await node.cancel(sale.hash)


# Paying.


async def test_paying(peer: LdkPeer, node: LndFunding) -> None:
    before = await balances(peer)
    payreq = await peer.payer.invoice(250, "referral")
    payment_hash = invoices.read(payreq).payment_hash
    assert await node.look_up_payment(payment_hash) is PaymentState.UNKNOWN
    assert await node.pay(payreq, 0, 10.0) is PaymentState.PAID
    assert await node.pay(payreq, 0, 10.0) is PaymentState.PAID
    assert await node.look_up_payment(payment_hash) is PaymentState.PAID
    assert await balances(peer) == (before[0] - 250_000, before[1] + 250_000)


async def test_a_payment_that_is_held_by_the_other_side(
    peer: LdkPeer, node: LndFunding, payer: LndFunding
) -> None:
    sale, other = Sale(payer), Sale(payer)
    for each in (sale, other):
        assert await node.pay(await each.invoice(), 1, 0.5) is PaymentState.UNDER_WAY
        assert await node.pay(await each.invoice(), 1, 0.5) is PaymentState.UNDER_WAY
        assert await node.look_up_payment(each.hash) is PaymentState.UNDER_WAY
    assert await payer.settle(sale.preimage)
    assert await payer.cancel(other.hash)
    assert (await peer.merchant.outcome(sale.hash))["status"] == SUCCEEDED
    assert (await peer.merchant.outcome(other.hash))["status"] == FAILED
    assert await node.look_up_payment(sale.hash) is PaymentState.PAID
    assert await node.look_up_payment(other.hash) is PaymentState.FAILED


async def test_payments_that_cannot_be(peer: LdkPeer, node: LndFunding) -> None:
    too_much = await peer.payer.invoice(15_000_000)
    assert await node.pay(too_much, 10, 5.0) is PaymentState.FAILED
    own = Sale(node)
    assert await node.pay(await own.invoice(), 10, 5.0) is PaymentState.FAILED
    with pytest.raises(CannotDo, match="leaves its amount to the payer"):
        await node.pay(await peer.payer.invoice(0), 10, 5.0)
    with pytest.raises(CannotDo, match="no Lightning invoice"):
        await node.pay("nonsense", 10, 5.0)


# Trouble.


async def test_killed_while_it_holds(peer: LdkPeer, node: LndFunding) -> None:
    before = await balances(peer)
    taken, given = await Sale(node).held(peer), await Sale(node).held(peer)
    peer.kill()
    for asked in (node.look_up(taken.hash), node.settle(taken.preimage), node.cancel(given.hash)):
        with pytest.raises(FundingDown):
            await asked
    with pytest.raises(FundingDown):
        await node.create_hold(secrets.token_bytes(32), 1_500, "", 600)
    peer.start()
    assert [(await sale.news())[:2] for sale in (taken, given)] == [(HELD, 1_500)] * 2
    assert await node.settle(taken.preimage)
    assert await node.cancel(given.hash)
    paid = await peer.payer.outcome(taken.hash)
    assert (paid["status"], paid["payment_preimage"]) == (SUCCEEDED, taken.preimage.hex())
    assert (await peer.payer.outcome(given.hash))["status"] == FAILED
    assert await balances(peer) == (before[0] + 1_500_000, before[1] - 1_500_000)


async def test_settled_while_the_payer_is_away(peer: LdkPeer, node: LndFunding) -> None:
    before = await balances(peer)
    sale = await Sale(node).held(peer)
    await peer.line(up=False)
    assert await node.settle(sale.preimage)
    peer.kill()
    peer.start()
    assert (await peer.payer.outcome(sale.hash))["status"] == SUCCEEDED
    assert await sale.news() == InvoiceNews(SETTLED, 1_500)
    assert await balances(peer) == (before[0] + 1_500_000, before[1] - 1_500_000)


async def test_a_wrong_macaroon(peer: LdkPeer) -> None:
    wrong = "ab" * 32
    node = funding_of(peer, macaroon=wrong)
    for asked in (
        node.look_up(bytes(32)),
        node.settle(bytes(32)),
        node.create_plain(1, "", 60),
        node.health(),
    ):
        with pytest.raises(FundingDown, match="refuses the macaroon") as caught:
            await asked
        assert wrong not in str(caught.value)
    with pytest.raises(FundingDown, match="refuses the macaroon"):
        await node.look_up_payment(bytes(32))
    await node.close()


async def test_a_wrong_certificate(peer: LdkPeer, tmp_path: Path) -> None:
    write_certificate(tmp_path / "other.cert", tmp_path / "other.key")
    node = funding_of(peer, certificate=(tmp_path / "other.cert").read_text())
    with pytest.raises(FundingDown, match="shows another certificate"):
        await node.health()
    await node.close()
    unpinned = LndFunding(peer.merchant.url, peer.macaroon)
    with pytest.raises(FundingDown, match="shows another certificate"):
        await unpinned.health()
    await unpinned.close()


async def test_settings_as_an_operator_gives_them(peer: LdkPeer, tmp_path: Path) -> None:
    (tmp_path / "admin.macaroon").write_bytes(bytes.fromhex(peer.macaroon))
    settings = lnd.parse_settings(
        f"{peer.merchant.url}/", str(tmp_path / "admin.macaroon"), str(peer.certificate)
    )
    assert settings == lnd.parse_settings(peer.merchant.url, peer.macaroon.upper(), str(peer.certificate))
    assert peer.macaroon not in repr(settings)
    node = LndFunding(*settings)
    said = await node.health()
    assert said.startswith("LND 0.18.5-beta on regtest, block 80")
    assert said.endswith(", 1 active channels")
    await node.close()
