"""LNbits for plain invoices: what it says, and what that means."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from tests.peers.lnbits_stub import INVOICE_KEY, LnbitsStub, Payment
from tests.peers.nwc_wallet import invoice_text

from ulak.core.funding import (
    CannotDo,
    Capability,
    FundingDown,
    InvoiceNews,
    InvoiceState,
)
from ulak.funding.invoices import MEMO_MAX
from ulak.funding.lnbits import LnbitsFunding
from ulak.funding.polling import LATE
from ulak.outbound import Outbound

HASH = hashlib.sha256(bytes(32)).digest()
OPEN, SETTLED = InvoiceNews(InvoiceState.OPEN), InvoiceState.SETTLED
CANCELLED, UNKNOWN = InvoiceNews(InvoiceState.CANCELLED), InvoiceNews(InvoiceState.UNKNOWN)


def clock() -> int:
    return time.time_ns() // 1_000_000


@pytest_asyncio.fixture
async def server() -> AsyncIterator[LnbitsStub]:
    async with LnbitsStub() as running:
        yield running


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[Outbound]:
    async with Outbound() as out:
        yield out


@pytest.fixture
def funding(server: LnbitsStub, outbound: Outbound) -> LnbitsFunding:
    return LnbitsFunding(server.url + "/", INVOICE_KEY, outbound, clock, "regtest", every=0.05)


# Invoices.


async def test_an_invoice_is_made_and_paid(funding: LnbitsFunding, server: LnbitsStub) -> None:
    invoice = await funding.create_plain(1_500, "credit", 600)
    assert invoice.amount == 1_500
    assert abs(invoice.expires - clock() - 600_000) < 10_000
    assert await funding.look_up(invoice.payment_hash) == OPEN
    server.receive(invoice.payment_hash)
    assert await funding.look_up(invoice.payment_hash) == InvoiceNews(SETTLED, 1_500)
    assert not await funding.cancel(invoice.payment_hash)


async def test_an_open_invoice_cannot_be_taken_back(funding: LnbitsFunding, server: LnbitsStub) -> None:
    invoice = await funding.create_plain(10, "", 600)
    with pytest.raises(CannotDo, match="ends by itself"):
        await funding.cancel(invoice.payment_hash)
    server.age(invoice.payment_hash, LATE // 1000 + 660, 600)
    assert await funding.look_up(invoice.payment_hash) == OPEN, "its end was read before"


async def test_an_invoice_ends_long_after_its_expiry(funding: LnbitsFunding, server: LnbitsStub) -> None:
    early, late = [(await funding.create_plain(10, "", 600)).payment_hash for _ in range(2)]
    server.age(early, LATE // 1000 + 540, 600)
    server.age(late, LATE // 1000 + 660, 600)
    assert await funding.look_up(early) == OPEN
    assert await funding.look_up(late) == CANCELLED
    assert await funding.cancel(late)
    server.receive(late)
    assert (await funding.look_up(late)).state is SETTLED


async def test_an_invoice_that_failed_at_the_server_is_cancelled(
    funding: LnbitsFunding, server: LnbitsStub
) -> None:
    invoice = await funding.create_plain(10, "", 600)
    server.rows[invoice.payment_hash.hex()].status = "failed"
    assert await funding.look_up(invoice.payment_hash) == CANCELLED


async def test_nobody_knows_an_invoice_that_was_never_made(funding: LnbitsFunding) -> None:
    assert await funding.look_up(HASH) == UNKNOWN
    assert await funding.cancel(HASH)


async def test_it_holds_nothing(funding: LnbitsFunding, server: LnbitsStub) -> None:
    assert funding.capabilities == {Capability.PLAIN}
    with pytest.raises(CannotDo):
        await funding.create_hold(HASH, 10, "", 600)
    with pytest.raises(CannotDo):
        await funding.settle(bytes(32))
    assert server.asked == []


async def test_a_long_description_is_cut_between_letters(funding: LnbitsFunding, server: LnbitsStub) -> None:
    from ulak.funding.invoices import read

    invoice = await funding.create_plain(10, "x" + "ü" * 700, 600)
    assert read(invoice.payreq).description == "x" + "ü" * ((MEMO_MAX - 1) // 2)
    assert len(server.rows) == 1


@pytest.mark.parametrize("msat", [10_001, None])
async def test_an_invoice_that_was_not_asked_for_is_refused(
    funding: LnbitsFunding, server: LnbitsStub, msat: int | None
) -> None:
    server.spoil = invoice_text(HASH, msat)
    with pytest.raises(CannotDo, match="another amount"):
        await funding.create_plain(10, "", 600)


async def test_a_payment_is_told(funding: LnbitsFunding, server: LnbitsStub) -> None:
    paid, other = [(await funding.create_plain(10, "", 600)).payment_hash for _ in range(2)]
    funding.follow(paid)
    funding.follow(other)
    watched = funding.watch()
    news = asyncio.ensure_future(asyncio.wait_for(anext(watched), 10))
    while len(server.asked) < 8:
        await asyncio.sleep(0.01)
    assert not news.done()
    server.receive(paid)
    assert await news == paid
    asked = server.asked.count(f"GET /api/v1/payments/{paid.hex()}")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(watched), 0.3)
    assert server.asked.count(f"GET /api/v1/payments/{paid.hex()}") == asked


# Faults.


@pytest.mark.parametrize("status", [500, 502, 401, 404])
async def test_an_invoice_that_cannot_be_looked_up_is_not_unknown(
    funding: LnbitsFunding, server: LnbitsStub, status: int
) -> None:
    server.fails = status
    with pytest.raises(FundingDown):
        await funding.look_up(HASH)


@pytest.mark.parametrize(("status", "error"), [(500, FundingDown), (429, FundingDown), (403, CannotDo)])
async def test_what_a_refusal_means(
    funding: LnbitsFunding, server: LnbitsStub, status: int, error: type[Exception]
) -> None:
    server.fails = status
    with pytest.raises(error, match=str(status)):
        await funding.create_plain(10, "", 600)


async def test_a_key_that_is_none_knows_nothing(server: LnbitsStub, outbound: Outbound) -> None:
    """Such a key is told of every payment of the server whether it was paid, and nothing more."""
    stranger = LnbitsFunding(server.url, "f" * 32, outbound, clock)
    owner = LnbitsFunding(server.url, INVOICE_KEY, outbound, clock)
    invoice = await owner.create_plain(10, "", 600)
    server.receive(invoice.payment_hash)
    for payment_hash in (invoice.payment_hash, HASH):
        with pytest.raises(FundingDown):
            await stranger.look_up(payment_hash)
    with pytest.raises(CannotDo) as caught:
        await stranger.create_plain(10, "", 600)
    assert "f" * 32 not in str(caught.value)


async def test_another_address_of_the_same_server_is_no_lnbits(
    server: LnbitsStub, outbound: Outbound
) -> None:
    with pytest.raises(FundingDown, match="404"):
        await LnbitsFunding(server.url + "/other", INVOICE_KEY, outbound, clock).look_up(HASH)


async def test_a_server_that_is_away(outbound: Outbound) -> None:
    away = LnbitsFunding("http://127.0.0.1:1", INVOICE_KEY, outbound, clock)
    asks: list[Callable[[], Awaitable[object]]] = [
        away.health,
        lambda: away.look_up(HASH),
        lambda: away.create_plain(10, "", 600),
    ]
    for ask in asks:
        with pytest.raises(FundingDown, match="no connection"):
            await ask()


async def test_the_name_of_the_wallet(funding: LnbitsFunding) -> None:
    assert await funding.health() == "the wallet merchant at LNbits"


@pytest.mark.parametrize("url", ["lnbits.example.org", "ftp://lnbits", "http://", "https://a:b@lnbits"])
async def test_what_is_no_address(outbound: Outbound, url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        LnbitsFunding(url, INVOICE_KEY, outbound, clock)


async def test_what_is_no_key(outbound: Outbound) -> None:
    with pytest.raises(ValueError, match="key"):
        LnbitsFunding("https://lnbits.example.org", "a\r\nb", outbound, clock)


async def test_an_invoice_key_cannot_pay(funding: LnbitsFunding, server: LnbitsStub) -> None:
    with pytest.raises(CannotDo):
        await funding.pay(invoice_text(HASH, 1_000), 10, 5.0)
    with pytest.raises(CannotDo):
        await funding.look_up_payment(HASH)
    assert server.asked == []


async def test_what_the_wallet_paid_is_no_invoice_of_ours(funding: LnbitsFunding, server: LnbitsStub) -> None:
    server.rows[HASH.hex()] = Payment(invoice_text(HASH, 1_000), -1_000, "success")
    assert await funding.look_up(HASH) == UNKNOWN
