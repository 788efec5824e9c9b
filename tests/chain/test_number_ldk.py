"""A server that sells numbers for real payments: its node, and that of its customer, have a channel.

What a customer gets and what became of his money is asked of both sides: of the server over HTTP, and of his
own node, which knows of nothing else than the invoice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from tests.chain.number_rig import MINUTE, NONE_LEFT, RECEIVE, SECOND, UNPAID, Buyer, NumberServer, Order
from tests.chain.rig import until
from tests.peers.ldk import MISSING, WHY_MISSING, LdkPeer, ldk_peer

from ulak.core.states import PurchaseState
from ulak.store.engine import Database

pytestmark = pytest.mark.skipif(MISSING, reason=WHY_MISSING)

IN_FLIGHT, SUCCEEDED, FAILED = "IN_FLIGHT", "SUCCEEDED", "FAILED"

SLOW, WAIT = "wait90", 90 * SECOND
"""A code that comes when the clock is put forward, and by how much."""

IN_VAIN = "purchase.not_resolved"
"""What a server says that cannot settle, or cancel, because its node is away."""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LdkPeer]:
    """Two nodes with a channel."""
    with ldk_peer(tmp_path_factory.mktemp("ldk"), tls=True) as running:
        yield running


async def served(database: Database, peer: LdkPeer) -> AsyncIterator[NumberServer]:
    """A server that has the merchant's node."""
    server = NumberServer(
        database,
        funding="lnd",
        lnd_url=peer.merchant.url,
        lnd_macaroon=peer.macaroon,
        lnd_certificate=str(peer.certificate),
    )
    server.source()
    server.sandbox()
    try:
        await server.start()
        yield server
        assert server.findings() == []
    finally:
        await server.close()


@pytest_asyncio.fixture
async def server(either_database: Database, peer: LdkPeer) -> AsyncIterator[NumberServer]:
    async for server in served(either_database, peer):
        yield server


@pytest_asyncio.fixture
async def sqlite_server(sqlite_database: Database, peer: LdkPeer) -> AsyncIterator[NumberServer]:
    async for server in served(sqlite_database, peer):
        yield server


def visitor(server: NumberServer, key: str = "") -> Buyer:
    """A new customer."""
    buyer = Buyer(server, key)
    server.closes(buyer.http)
    return buyer


async def balances(peer: LdkPeer) -> tuple[int, int]:
    """Thousandths of a sat of the merchant and of the payer."""
    return await peer.merchant.balance(), await peer.payer.balance()


async def paid(peer: LdkPeer, order: Order) -> Order:
    """Its customer pays; his node says that the other side holds it."""
    assert await peer.payer.pay(order.payreq) == IN_FLIGHT
    return order


async def outcome(peer: LdkPeer, order: Order) -> Any:
    """How the payment ended for the customer."""
    return await asyncio.wait_for(peer.payer.outcome(order.hash), 15)


async def taken(peer: LdkPeer, order: Order) -> str:
    """The preimage that the customer got for his money."""
    end = await outcome(peer, order)
    assert end["status"] == SUCCEEDED
    preimage: str = end["payment_preimage"]
    assert hashlib.sha256(bytes.fromhex(preimage)).digest() == order.hash
    return preimage


async def test_what_is_bought_is_paid_and_what_is_not_comes_back(server: NumberServer, peer: LdkPeer) -> None:
    """A code, an order for which there is no number, and credit; on either database."""
    before = await balances(peer)
    buyer, owner = visitor(server), visitor(server, server.key("alice"))
    code = await buyer.order(SLOW)
    nothing, credit = await buyer.order("none"), await owner.fund(2_000)
    for order in (code, nothing, credit):
        assert await buyer.status(order) == UNPAID

    await paid(peer, code)
    number = await buyer.sees(code, number=...)
    assert number.keys() == {"status", "paid", "id", "number", "timestamp", "country", "service"}
    assert await balances(peer) == (before[0], before[1] - RECEIVE * 1000), "it is held, and nobody's"

    await paid(peer, nothing)
    assert (await outcome(peer, nothing))["status"] == FAILED
    assert await buyer.sees(nothing, error=...) == NONE_LEFT

    assert await peer.payer.pay(credit.payreq) in (IN_FLIGHT, SUCCEEDED)
    preimage = await taken(peer, credit)
    await until(owner.balance, 10, "the credit is there", pause=0.1)
    history = await owner.get("/history")
    assert (history["totalAmount"], len(history["orders"])) == (2_000, 1)
    assert (history["orders"][0]["preimage"], history["orders"][0]["preimageHash"]) == (
        preimage,
        credit.hash.hex(),
    )

    server.advance(WAIT)
    done = await buyer.sees(code, code=...)
    assert done.items() >= {name: number[name] for name in ("id", "number", "country", "service")}.items()
    await taken(peer, code)
    won = (RECEIVE + 2_000) * 1000
    assert await balances(peer) == (before[0] + won, before[1] - won)
    assert await owner.balance() == 2_000
    assert await peer.payer.pay(credit.payreq) == "invoice is already paid"
    assert await owner.balance() == 2_000


async def test_a_customer_who_waits_no_longer(sqlite_server: NumberServer, peer: LdkPeer) -> None:
    """He can cancel two minutes after he got a number, and before he has paid: then nobody can pay."""
    before, buyer = await balances(peer), visitor(sqlite_server)
    order, other = await buyer.order("never"), await buyer.order("never")
    await paid(peer, order)
    await buyer.sees(order, number=...)
    early = await buyer.cancel(order, 409)
    assert early["reason"] == "too early to cancel"
    assert 100 < early["retryAfter"] <= 120
    sqlite_server.advance(2 * MINUTE + SECOND)
    assert await buyer.cancel(order) == {"status": "OK"}
    assert (await outcome(peer, order))["status"] == FAILED

    assert await buyer.cancel(other) == {"status": "OK"}
    await until(lambda: _resolved(sqlite_server) == 2, 10, "both invoices are cancelled")
    assert await peer.payer.pay(other.payreq) in (IN_FLIGHT, FAILED)
    assert (await outcome(peer, other))["status"] == FAILED
    shown = await buyer.status(other)
    assert (shown["paid"], "error" in shown) == (False, True)
    assert await balances(peer) == before


def _resolved(server: NumberServer) -> int:
    [(count,)] = server.sql("SELECT count(*) FROM purchase WHERE resolved IS NOT NULL")
    found: int = count
    return found


@pytest.mark.fault("F8 payments", "a real node, and the server, go and come back while money is held")
async def test_a_node_and_a_server_that_go_and_come_back(sqlite_server: NumberServer, peer: LdkPeer) -> None:
    """The code is there, and is shown when the money is taken and not before."""
    server, before = sqlite_server, await balances(peer)
    buyer = visitor(server)
    held, away, late = [await buyer.order(SLOW) for _ in range(3)]
    await paid(peer, held)
    await buyer.sees(held, number=...)
    peer.kill()
    await the_code_comes(server, buyer, held)
    peer.start()
    await buyer.sees(held, code=...)
    await taken(peer, held)

    await paid(peer, away)
    await buyer.sees(away, number=...)
    await peer.door(is_open=False)
    await the_code_comes(server, buyer, away)

    server.kill()
    await paid(peer, late)
    await peer.door(is_open=True)
    await server.start()
    await buyer.sees(away, code=...)
    await taken(peer, away)
    await buyer.sees(late, number=...)
    server.advance(WAIT)
    await buyer.sees(late, code=...)
    await taken(peer, late)
    won = 3 * RECEIVE * 1000
    assert await balances(peer) == (before[0] + won, before[1] - won)


async def the_code_comes(server: NumberServer, buyer: Buyer, order: Order) -> None:
    """It does, and the node cannot be told: it is not shown."""
    said = server.log().count(IN_VAIN)
    server.advance(WAIT)
    await until(lambda: server.log().count(IN_VAIN) > said, 15, "the node is asked in vain")
    assert server.state(order) is PurchaseState.SETTLING
    shown = await buyer.status(order)
    assert ("number" in shown, "code" in shown) == (True, False)
