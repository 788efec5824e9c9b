"""Nostr Wallet Connect: a wallet service and our client, with the relay of nostr-sdk between them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import nostr_sdk  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from tests.peers.nwc_wallet import HEIGHT, HOLD, NwcWallet, invoice_text

from ulak.core.funding import (
    CannotDo,
    Capability,
    FundingDown,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.funding.nostr import Info, Notice, Wire, parse_uri
from ulak.funding.nwc import NwcFunding
from ulak.funding.polling import LATE

PREIMAGE = bytes(range(32))
HASH = hashlib.sha256(PREIMAGE).digest()
OTHER = hashlib.sha256(HASH).digest()
QUICK = {"connect": 2.0, "pauses": (0.05,)}
OPEN, HELD, SETTLED, CANCELLED, UNKNOWN = (
    InvoiceState.OPEN,
    InvoiceState.HELD,
    InvoiceState.SETTLED,
    InvoiceState.CANCELLED,
    InvoiceState.UNKNOWN,
)


def clock() -> int:
    return time.time_ns() // 1_000_000


class Relay:
    """A relay on a port of its own, which can go and come back."""

    url: str
    port = 0

    async def start(self, auth: bool = False, notes: int = 100_000) -> None:
        """`auth`: nobody reads who has not said who he is. `notes` are taken from each client."""
        rate = nostr_sdk.RateLimit(max_reqs=1000, notes_per_minute=notes)
        builder = nostr_sdk.RelayBuilder().addr("127.0.0.1").rate_limit(rate)
        if self.port:
            builder = builder.port(self.port)
        if auth:
            mode = nostr_sdk.RelayBuilderNip42Mode.READ
            builder = builder.nip42(nostr_sdk.RelayBuilderNip42(mode=mode))
        self._relay = nostr_sdk.LocalRelay(builder)
        await self._relay.run()
        self.url = str(await self._relay.url())
        self.port = int(self.url.rpartition(":")[2])

    async def stop(self) -> None:
        """It hears that only while it waits for clients, so it is told until nobody gets in any more."""
        async with asyncio.timeout(10):
            self._relay.shutdown()
            while await self._lets_in():
                await asyncio.sleep(0.01)
                self._relay.shutdown()

    async def _lets_in(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@pytest_asyncio.fixture
async def relay() -> AsyncIterator[Relay]:
    running = Relay()
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def wallet(relay: Relay) -> AsyncIterator[NwcWallet]:
    async with NwcWallet(relay.url) as service:
        yield service


@contextlib.asynccontextmanager
async def client(uri: str, **more: Any) -> AsyncIterator[NwcFunding]:
    arguments: dict[str, Any] = {"network": "regtest", "every": 0.05, "patience": 5.0, "line": QUICK} | more
    funding = NwcFunding(uri, clock, **arguments)
    try:
        yield funding
    finally:
        await funding.close()


@pytest_asyncio.fixture
async def funding(wallet: NwcWallet) -> AsyncIterator[NwcFunding]:
    async with client(wallet.uri) as found:
        yield found


async def held(funding: NwcFunding, wallet: NwcWallet) -> None:
    """An invoice over 1,500 sats that is paid."""
    invoice = await funding.create_hold(HASH, 1_500, "one code", 600)
    assert await wallet.receive(invoice.payreq) == "accepted"


async def down(ask: Callable[[], Any]) -> str:
    with pytest.raises(FundingDown) as caught:
        await ask()
    return str(caught.value)


# The way of the money.


async def test_a_payment_is_held_and_settled(funding: NwcFunding, wallet: NwcWallet) -> None:
    invoice = await funding.create_hold(HASH, 1_500, "one code", 600)
    assert (invoice.payment_hash, invoice.amount) == (HASH, 1_500)
    assert abs(invoice.expires - clock() - 600_000) < 10_000
    assert await funding.look_up(HASH) == InvoiceNews(OPEN)
    await wallet.receive(invoice.payreq)
    assert await funding.look_up(HASH) == InvoiceNews(HELD, 1_500, 130)
    assert await funding.settle(PREIMAGE)
    assert await funding.look_up(HASH) == InvoiceNews(SETTLED, 1_500)
    assert wallet.bills[HASH].preimage == PREIMAGE
    assert await funding.settle(PREIMAGE)
    assert not await funding.cancel(HASH)


async def test_a_payment_is_held_and_cancelled(funding: NwcFunding, wallet: NwcWallet) -> None:
    await held(funding, wallet)
    assert await funding.cancel(HASH)
    assert await funding.look_up(HASH) == InvoiceNews(CANCELLED)
    assert await funding.cancel(HASH)
    assert not await funding.settle(PREIMAGE)
    assert await wallet.receive(wallet.bills[HASH].payreq) == "refused"


async def test_an_open_invoice_is_not_settled_but_cancelled(funding: NwcFunding, wallet: NwcWallet) -> None:
    await funding.create_hold(HASH, 10, "", 600)
    assert not await funding.settle(PREIMAGE)
    assert wallet.bills[HASH].preimage is None
    assert await funding.cancel(HASH)


async def test_an_expired_invoice_is_cancelled(funding: NwcFunding, wallet: NwcWallet) -> None:
    await funding.create_hold(HASH, 10, "", 600)
    wallet.expire(HASH)
    assert await funding.look_up(HASH) == InvoiceNews(CANCELLED)
    assert not await funding.settle(PREIMAGE)
    assert await funding.cancel(HASH)


async def test_an_invoice_that_the_wallet_leaves_open_ends_long_after_its_expiry(
    funding: NwcFunding, wallet: NwcWallet
) -> None:
    """A node of LDK takes payments for two hours more."""
    await funding.create_hold(HASH, 10, "", 600)
    wallet.bills[HASH].expires = int(time.time()) - LATE // 1000 + 60
    assert await funding.look_up(HASH) == InvoiceNews(OPEN)
    wallet.bills[HASH].expires -= 120
    assert await funding.look_up(HASH) == InvoiceNews(CANCELLED)


async def test_a_wallet_that_cancels_only_what_is_held_has_to_be_asked_again(
    funding: NwcFunding, wallet: NwcWallet
) -> None:
    wallet.cancels_open = False
    invoice = await funding.create_hold(HASH, 10, "", 600)
    assert "not cancelled" in await down(lambda: funding.cancel(HASH))
    await wallet.receive(invoice.payreq)
    assert await funding.cancel(HASH)
    assert wallet.bills[HASH].state == "failed"


async def test_an_order_that_takes_effect_later_is_waited_for(funding: NwcFunding, wallet: NwcWallet) -> None:
    await held(funding, wallet)
    invoice = await funding.create_hold(OTHER, 10, "", 600)
    await wallet.receive(invoice.payreq)
    wallet.slow_orders = 0.1
    assert all(await asyncio.gather(funding.settle(PREIMAGE), funding.cancel(OTHER)))
    assert (wallet.bills[HASH].state, wallet.bills[OTHER].state) == ("settled", "failed")


async def test_nobody_knows_an_invoice_that_was_never_made(funding: NwcFunding) -> None:
    assert await funding.look_up(OTHER) == InvoiceNews(UNKNOWN)
    assert await funding.cancel(OTHER)
    assert not await funding.settle(PREIMAGE)


async def test_a_second_invoice_with_one_hash_is_the_first(funding: NwcFunding, wallet: NwcWallet) -> None:
    first = await funding.create_hold(HASH, 1_500, "one code", 600)
    assert await funding.create_hold(HASH, 1_500, "one code", 600) == first
    assert len(wallet.bills) == 1
    with pytest.raises(CannotDo, match="another amount"):
        await funding.create_hold(HASH, 1_501, "one code", 600)


async def test_a_plain_invoice_is_taken_at_once(funding: NwcFunding, wallet: NwcWallet) -> None:
    invoice = await funding.create_plain(2_000, "credit", 600)
    assert await funding.look_up(invoice.payment_hash) == InvoiceNews(OPEN)
    await wallet.receive(invoice.payreq)
    assert await funding.look_up(invoice.payment_hash) == InvoiceNews(SETTLED, 2_000)


@pytest.mark.parametrize(
    ("payment_hash", "msat", "why"),
    [
        (OTHER, 10_000, "another payment hash"),
        (HASH, 10_001, "another amount"),
        (HASH, None, "another amount"),
    ],
)
async def test_an_invoice_that_was_not_asked_for_is_refused(
    funding: NwcFunding, wallet: NwcWallet, payment_hash: bytes, msat: int | None, why: str
) -> None:
    wallet.spoil = invoice_text(payment_hash, msat)
    with pytest.raises(CannotDo, match=why) as caught:
        await funding.create_hold(HASH, 10, "", 600)
    assert wallet.spoil not in str(caught.value)


# What is told.


async def first_of(watched: AsyncIterator[bytes]) -> bytes:
    return await asyncio.wait_for(anext(watched), 10)


async def test_a_notification_comes_before_any_look_up_would(wallet: NwcWallet) -> None:
    async with client(wallet.uri, every=3600.0) as funding:
        invoice = await funding.create_hold(HASH, 10, "", 600)
        funding.follow(HASH)
        news = asyncio.ensure_future(first_of(funding.watch()))
        while "lookup_invoice" not in wallet.asked:
            await asyncio.sleep(0.01)
        await wallet.receive(invoice.payreq)
        assert await news == HASH
        assert wallet.asked.count("lookup_invoice") == 1


async def test_a_wallet_that_does_not_notify_is_asked(funding: NwcFunding, wallet: NwcWallet) -> None:
    wallet.notifies = False
    invoice = await funding.create_hold(HASH, 10, "", 600)
    funding.follow(HASH)
    watched = funding.watch()
    news = asyncio.ensure_future(first_of(watched))
    while wallet.asked.count("lookup_invoice") < 3:
        await asyncio.sleep(0.01)
    assert not news.done()
    await wallet.receive(invoice.payreq)
    assert await news == HASH


async def test_what_has_ended_is_told_once_and_asked_for_no_more(
    funding: NwcFunding, wallet: NwcWallet
) -> None:
    """The first was held when it was followed, as after a restart of ours; the second cannot be paid now."""
    await held(funding, wallet)
    await funding.create_hold(OTHER, 10, "", 600)
    wallet.expire(OTHER)
    funding.follow(HASH)
    funding.follow(OTHER)
    watched = funding.watch()
    assert {await first_of(watched), await first_of(watched)} == {HASH, OTHER}
    asked = len(wallet.asked)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(watched), 0.3)
    assert len(wallet.asked) == asked


# Faults.


async def test_the_relay_goes_and_comes_back_while_a_payment_is_held(
    funding: NwcFunding, wallet: NwcWallet, relay: Relay
) -> None:
    await held(funding, wallet)
    funding.follow(HASH)
    watched = funding.watch()
    assert await first_of(watched) == HASH
    await relay.stop()
    assert await down(lambda: funding.look_up(HASH))
    assert await down(lambda: funding.settle(PREIMAGE))
    await relay.start()
    await asyncio.sleep(0.1)
    async with asyncio.timeout(10):
        await wallet.present.wait()
    assert await funding.settle(PREIMAGE)
    assert wallet.bills[HASH].state == "settled"


async def test_the_watch_ends_with_the_relay(funding: NwcFunding, wallet: NwcWallet, relay: Relay) -> None:
    await funding.create_hold(HASH, 10, "", 600)
    funding.follow(HASH)
    news = asyncio.ensure_future(first_of(funding.watch()))
    while "lookup_invoice" not in wallet.asked:
        await asyncio.sleep(0.01)
    await relay.stop()
    with pytest.raises(FundingDown):
        await news


async def test_after_a_failure_nobody_hurries_back(wallet: NwcWallet, relay: Relay) -> None:
    async with client(wallet.uri, line={"connect": 2.0, "pauses": (3600.0,)}) as funding:
        await relay.stop()
        assert "no connection" in await down(funding.health)
        assert await down(funding.health) == "there was no relay a moment ago"


async def test_the_second_relay_serves_when_the_first_is_dead(wallet: NwcWallet) -> None:
    async with client(wallet.uri_over("ws://127.0.0.1:1", wallet.relay)) as funding:
        assert await funding.look_up(HASH) == InvoiceNews(UNKNOWN)


async def test_a_silent_wallet_is_down(wallet: NwcWallet) -> None:
    async with client(wallet.uri, patience=0.3) as funding:
        invoice = await funding.create_hold(HASH, 10, "", 600)
        wallet.silent = True
        assert "did not answer" in await down(lambda: funding.look_up(HASH))
        wallet.silent = False
        assert await funding.create_hold(HASH, 10, "", 600) == invoice


async def test_a_wallet_that_was_never_at_the_relay_is_down(relay: Relay) -> None:
    stranger = NwcWallet(relay.url)
    async with client(stranger.uri) as funding:
        assert "knows nothing" in await down(funding.health)


async def test_a_relay_that_wants_to_know_who_asks() -> None:
    """It lets nobody read before; that it has nothing to say is its answer to the one it let in."""
    strict = Relay()
    await strict.start(auth=True)
    stranger = NwcWallet(strict.url)
    async with client(stranger.uri) as funding:
        assert "knows nothing" in await down(funding.health)
    await strict.stop()


async def test_a_relay_that_refuses_a_request() -> None:
    busy = Relay()
    await busy.start(notes=3)
    async with NwcWallet(busy.url) as wallet, client(wallet.uri, patience=0.2) as funding:
        wallet.silent = True
        for _ in range(4):
            said = await down(lambda: funding.look_up(HASH))
        assert "the relay refused the request: rate-limited" in said
    await busy.stop()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("RESTRICTED", CannotDo),
        ("NOT_IMPLEMENTED", CannotDo),
        ("INTERNAL", FundingDown),
        ("NEW", FundingDown),
    ],
)
async def test_what_a_refusal_means(
    funding: NwcFunding, wallet: NwcWallet, code: str, error: type[Exception]
) -> None:
    wallet.refuses["make_hold_invoice"] = code
    with pytest.raises(error, match=code):
        await funding.create_hold(HASH, 10, "", 600)


async def test_an_order_that_is_refused_for_good_while_it_is_held_says_so(
    funding: NwcFunding, wallet: NwcWallet
) -> None:
    await held(funding, wallet)
    wallet.refuses["settle_hold_invoice"] = "RESTRICTED"
    with pytest.raises(CannotDo, match="RESTRICTED"):
        await funding.settle(PREIMAGE)


# What it can do.


async def test_a_wallet_without_hold_methods(relay: Relay) -> None:
    methods = ("make_invoice", "lookup_invoice", "settle_hold_invoice", "cancel_hold_invoice")
    async with NwcWallet(relay.url, methods) as wallet, client(wallet.uri) as funding:
        assert Capability.HOLD in funding.capabilities
        with pytest.raises(CannotDo, match="make_hold_invoice"):
            await funding.create_hold(HASH, 10, "", 600)
        assert funding.capabilities == {Capability.PLAIN}
        with pytest.raises(CannotDo):
            await funding.settle(PREIMAGE)
        with pytest.raises(CannotDo):
            await funding.pay(invoice_text(HASH, 1_000), 10, 5.0)
        invoice = await funding.create_plain(10, "", 600)
        with pytest.raises(CannotDo, match="ends by itself"):
            await funding.cancel(invoice.payment_hash)
        assert await funding.cancel(HASH)
        await wallet.receive(invoice.payreq)
        assert not await funding.cancel(invoice.payment_hash)
        assert "get_info" not in wallet.asked
        assert not set(HOLD) & set(wallet.asked)
        assert await funding.health() == "a wallet that answers"


async def test_the_wallet_tells_what_it_can(funding: NwcFunding) -> None:
    assert await funding.health() == f"a wallet of tests on regtest, block {HEIGHT}"
    assert funding.capabilities == frozenset(Capability)


async def test_a_wallet_without_our_encryption(relay: Relay) -> None:
    async with NwcWallet(relay.url, encryption="nip04") as wallet, client(wallet.uri) as funding:
        with pytest.raises(CannotDo, match="NIP-44"):
            await funding.health()


# Payments of ours.


async def test_an_invoice_is_paid_once(funding: NwcFunding, wallet: NwcWallet) -> None:
    payreq = invoice_text(HASH, 1_000)
    assert await funding.look_up_payment(HASH) is PaymentState.UNKNOWN
    assert await funding.pay(payreq, 10, 5.0) is PaymentState.PAID
    assert await funding.pay(payreq, 10, 5.0) is PaymentState.PAID
    assert wallet.asked.count("pay_invoice") == 1
    assert await funding.look_up_payment(HASH) is PaymentState.PAID


async def test_a_payment_that_takes_long_is_under_way(funding: NwcFunding, wallet: NwcWallet) -> None:
    wallet.slow_payments = True
    payreq = invoice_text(HASH, 1_000)
    assert await funding.pay(payreq, 10, 0.2) is PaymentState.UNDER_WAY
    assert await funding.pay(payreq, 10, 5.0) is PaymentState.UNDER_WAY
    assert wallet.asked.count("pay_invoice") == 1
    wallet.bills[HASH].state = "failed"
    assert await funding.look_up_payment(HASH) is PaymentState.FAILED


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("INSUFFICIENT_BALANCE", PaymentState.FAILED),
        ("PAYMENT_FAILED", PaymentState.FAILED),
        ("INTERNAL", PaymentState.UNDER_WAY),
    ],
)
async def test_a_payment_that_is_answered_with_an_error(
    funding: NwcFunding, wallet: NwcWallet, code: str, state: PaymentState
) -> None:
    wallet.refuses["pay_invoice"] = code
    assert await funding.pay(invoice_text(HASH, 1_000), 10, 5.0) is state


async def test_an_invoice_without_an_amount_is_not_paid(funding: NwcFunding, wallet: NwcWallet) -> None:
    with pytest.raises(CannotDo):
        await funding.pay(invoice_text(HASH, None), 10, 5.0)
    assert wallet.asked == []


# The address, and events of others.


KEY, SECRET = "b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4", "71" * 32
RELAY = "relay=wss%3A%2F%2Frelay.example.org"


def test_an_address_is_read() -> None:
    found = parse_uri(f"nostr+walletconnect://{KEY}?{RELAY}&secret={SECRET}&relay=ws://other:4848&lud16=a@b")
    assert (found.key, found.secret) == (KEY, SECRET)
    assert found.relays == ("wss://relay.example.org", "ws://other:4848")
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        f"nostr+walletconnect:{KEY}?{RELAY}&secret={SECRET}",
        f"https://{KEY}?{RELAY}&secret={SECRET}",
        f"nostr+walletconnect://{KEY[1:]}?{RELAY}&secret={SECRET}",
        f"nostr+walletconnect://{KEY}?{RELAY}",
        f"nostr+walletconnect://{KEY}?{RELAY}&secret={SECRET}&secret={SECRET}",
        f"nostr+walletconnect://{KEY}?{RELAY}&secret={SECRET[2:]}",
        f"nostr+walletconnect://{KEY}?secret={SECRET}",
        f"nostr+walletconnect://{KEY}?relay=https://relay&secret={SECRET}",
        f"nostr+walletconnect://{KEY}?{RELAY}&secret={'00' * 32}",
        f"nostr+walletconnect://{'ff' * 32}?{RELAY}&secret={SECRET}",
        "nostr+walletconnect://",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"wallet|address|name=value|key") as caught:
        NwcFunding(text, clock)
    assert SECRET not in str(caught.value)


def test_events_of_others_say_nothing() -> None:
    wallet, other = nostr_sdk.Keys.generate(), nostr_sdk.Keys.generate()
    key = wallet.public_key().to_hex()
    wire = Wire(parse_uri(f"nostr+walletconnect://{key}?{RELAY}&secret={SECRET}"), clock)
    own = nostr_sdk.Keys.parse(SECRET).public_key()

    def event(by: Any, to: Any, content: str = '{"notification_type":"x","notification":{}}') -> Any:
        sealed = nostr_sdk.nip44_encrypt(by.secret_key(), own, content, nostr_sdk.Nip44Version.V2)
        builder = nostr_sdk.EventBuilder(nostr_sdk.Kind(23197), sealed)
        return builder.tags([nostr_sdk.Tag.public_key(to)]).sign_with_keys(by)

    good = event(wallet, own).as_json()
    assert wire.read(good) == Notice("x", {})
    assert wire.read(event(other, own).as_json()) is None
    assert wire.read(event(wallet, other.public_key()).as_json()) is None
    assert wire.read(event(wallet, own, "[]").as_json()) is None
    assert wire.read(event(wallet, own, "no JSON").as_json()) is None
    signature = event(wallet, own).signature()
    assert wire.read(good.replace(nostr_sdk.Event.from_json(good).signature(), signature)) is None
    assert wire.read("{}") is None
    info = nostr_sdk.EventBuilder(nostr_sdk.Kind(13194), "make_invoice")
    assert wire.read(info.sign_with_keys(other).as_json()) is None
    assert isinstance(wire.read(info.sign_with_keys(wallet).as_json()), Info)
