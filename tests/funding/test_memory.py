"""The memory backend: real invoices, payments by whoever has the database, and news of them."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import pytest
from tests.conftest import ClockedBooks

from ulak.core.errors import StoreUnavailable, UlakError
from ulak.core.funding import (
    CannotDo,
    Capability,
    Funding,
    FundingDown,
    Invoice,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.funding import memory
from ulak.funding.invoices import REGTEST, check, check_plain, read
from ulak.funding.memory import MemoryFunding
from ulak.service import memory_node
from ulak.service.memory_node import Notebook, Payment
from ulak.store import memory_invoices, settings
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_write

Result = TypeVar("Result")

PREIMAGE = b"\x07" * 32
HASH = hashlib.sha256(PREIMAGE).digest()
HOUR = 60 * 60 * 1000


class Watched(Notebook):
    """A notebook that counts how often it was looked into for what was paid."""

    looks = 0

    async def paid(self, since: int | None) -> tuple[int, list[memory_invoices.Paid]]:
        found = await super().paid(since)
        self.looks += 1
        return found

    async def looked(self, times: int = 3) -> None:
        """Return after it was looked into so many times more."""
        until = self.looks + times
        while self.looks < until:
            await asyncio.sleep(0.002)


def funding_on(books: ClockedBooks, notebook: Notebook | None = None) -> MemoryFunding:
    """The node as a process of its own would have it."""
    return MemoryFunding(notebook or notebook_on(books), every=0.005)


def notebook_on(books: ClockedBooks) -> Watched:
    return Watched(books, Vault(books.database.directory))


@pytest.fixture
def node(books: ClockedBooks) -> MemoryFunding:
    return funding_on(books)


async def pay(books: ClockedBooks, invoice: Invoice) -> Payment:
    """As the command line and the door of the sandbox do."""
    payment_hash = await memory.hash_in(invoice.payreq)
    return await books.write(lambda tx: memory_node.pay(tx, payment_hash, invoice.payreq))


def pay_elsewhere(database: Database, payment_hash: bytes) -> bool:
    """Pay on another connection, as another process does."""
    return sync_write(database, lambda tx: memory_invoices.pay(tx, payment_hash.hex()))


# Invoices.


async def test_an_invoice_says_what_was_asked_for(node: MemoryFunding, books: ClockedBooks) -> None:
    import bolt11

    funding: Funding = node
    invoice = await funding.create_hold(HASH, 1500, "one code for openAI", 600)
    terms = read(invoice.payreq)
    assert (terms.network, terms.payment_hash, terms.amount_msat) == (REGTEST, HASH, 1_500_000)
    assert (terms.description, terms.min_cltv) == ("one code for openAI", 144)
    assert terms.created == books.clock.now // 1000 * 1000
    assert terms.expires == terms.created + 600_000 == invoice.expires
    assert terms.payee.hex() in await funding.health()
    assert check(invoice.payreq, HASH, 1500, REGTEST) == invoice
    found = bolt11.decode(invoice.payreq, strict=True)
    assert found.signature is not None
    assert found.signature.verify(terms.payee.hex())
    assert found.features is not None
    assert found.features.readable == {"var_onion_optin": "required", "payment_secret": "required"}
    assert funding.capabilities == {Capability.HOLD, Capability.PLAIN, Capability.PAY}


@pytest.mark.parametrize(
    ("memo", "said"),
    [
        ("", ""),
        ("Kod: şğüıöç", "Kod: şğüıöç"),
        ("x" * 640, "x" * 639),
        # A character is not cut.
        ("ş" * 400, "ş" * 319),
        ("a\ud800", "a?"),
    ],
)
async def test_any_description(node: MemoryFunding, memo: str, said: str) -> None:
    invoice = await node.create_hold(HASH, 1, memo, 600)
    assert read(invoice.payreq).description == said


@pytest.mark.parametrize("amount", [1, 9, 10, 1500, 100_000, 123_456_789, 100_000_000, 10_000_000_000])
@pytest.mark.parametrize("expiry", [1, 31, 32, 3600, 366 * 24 * 3600])
def test_amounts_and_expiries(amount: int, expiry: int) -> None:
    scribe = memory.Scribe(b"\x11" * 32)
    terms = read(scribe.write(HASH, b"\x22" * 32, amount, "memo", expiry, 1_779_274_991))
    assert (terms.amount, terms.amount_msat) == (amount, amount * 1000)
    assert terms.expires - terms.created == expiry * 1000
    assert (terms.created, terms.payee) == (1_779_274_991_000, scribe.payee)


async def test_invoices_of_one_form_differ(node: MemoryFunding) -> None:
    first, second = [await node.create_plain(1500, "credit", 600) for _ in range(2)]
    assert first.payreq != second.payreq
    for invoice in (first, second):
        assert check_plain(invoice.payreq, 1500, REGTEST) == invoice


@pytest.mark.parametrize(
    ("payment_hash", "amount", "expiry"),
    [(HASH[:31], 1, 600), (HASH, 0, 600), (HASH, -5, 600), (HASH, 10_000_000_001, 600), (HASH, 1, 0)],
)
async def test_what_no_invoice_can_say(
    node: MemoryFunding, payment_hash: bytes, amount: int, expiry: int
) -> None:
    with pytest.raises(CannotDo):
        await node.create_hold(payment_hash, amount, "memo", expiry)


async def test_asked_twice_it_gives_the_same(node: MemoryFunding) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    assert await node.create_hold(HASH, 1500, "memo", 600) == invoice
    with pytest.raises(CannotDo):
        await node.create_hold(HASH, 1501, "memo", 600)


async def test_the_time_is_that_of_the_sandbox(node: MemoryFunding, books: ClockedBooks) -> None:
    await books.write(lambda tx: settings.move_clock(tx, 48 * HOUR))
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    assert invoice.expires == (books.clock.now + 48 * HOUR) // 1000 * 1000 + 600_000
    assert await pay(books, invoice) is Payment.HELD


async def test_all_processes_are_one_node(books: ClockedBooks) -> None:
    nodes = [funding_on(books) for _ in range(4)]
    made = await asyncio.gather(*(node.create_plain(1, "memo", 600) for node in nodes))
    assert len({read(invoice.payreq).payee for invoice in made}) == 1
    stored = await books.read(lambda tx: settings.get(tx, "memory_node_key"))
    assert stored is not None
    assert stored.startswith("1:")


async def test_a_key_that_cannot_be_read(node: MemoryFunding, books: ClockedBooks) -> None:
    await node.create_plain(1, "memo", 600)
    (books.database.directory / "key").unlink()
    with pytest.raises(UlakError, match="missing"):
        await funding_on(books).create_plain(1, "memo", 600)


# Payments.


async def test_paid_held_settled(node: MemoryFunding, books: ClockedBooks) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.OPEN)
    assert not await node.settle(PREIMAGE)
    assert await pay(books, invoice) is Payment.HELD
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.HELD, 1500, 144)
    books.clock.advance(HOUR)
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.HELD, 1500, 138)
    assert not await node.settle(b"\x08" * 32)
    assert not await node.settle(PREIMAGE[:31])
    assert await node.settle(PREIMAGE)
    assert await node.settle(PREIMAGE)
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.SETTLED, 1500)
    assert not await node.cancel(HASH)
    kept = await books.read(lambda tx: memory_invoices.find(tx, HASH.hex()))
    assert kept is not None
    assert kept.preimage is not None
    assert PREIMAGE.hex() not in kept.preimage


async def test_paid_held_given_back(node: MemoryFunding, books: ClockedBooks) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    await pay(books, invoice)
    assert await node.cancel(HASH)
    assert await node.cancel(HASH)
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.CANCELLED)
    assert not await node.settle(PREIMAGE)
    assert await pay(books, invoice) is Payment.CANCELLED


async def test_a_plain_one_is_taken_at_once(node: MemoryFunding, books: ClockedBooks) -> None:
    invoice = await node.create_plain(2000, "credit", 600)
    assert await pay(books, invoice) is Payment.SETTLED
    assert await node.look_up(invoice.payment_hash) == InvoiceNews(InvoiceState.SETTLED, 2000)
    assert await pay(books, invoice) is Payment.PAID_BEFORE
    assert not await node.cancel(invoice.payment_hash)


async def test_what_cannot_be_paid(node: MemoryFunding, books: ClockedBooks) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    # Somebody else's invoice over the same hash.
    other = memory.Scribe(b"\x11" * 32).write(HASH, b"\x22" * 32, 1500, "memo", 600, 1_779_274_991)
    assert await pay(books, replace(invoice, payreq=other)) is Payment.FOREIGN
    assert await pay(books, replace(invoice, payreq=f" {invoice.payreq.upper()} ")) is Payment.HELD
    assert await pay(books, invoice) is Payment.PAID_BEFORE
    assert await node.settle(PREIMAGE)
    assert await pay(books, invoice) is Payment.PAID_BEFORE


async def test_an_expired_one_is_cancelled(node: MemoryFunding, books: ClockedBooks) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    books.clock.now = invoice.expires - 1
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.OPEN)
    books.clock.advance(1)
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.CANCELLED)
    # Whatever the clock of another machine says: who was told may count on it.
    books.clock.advance(-1000)
    assert not await asyncio.to_thread(pay_elsewhere, books.database, HASH)
    books.clock.advance(2000)
    assert await pay(books, invoice) is Payment.EXPIRED


async def test_an_expired_one_is_not_paid(node: MemoryFunding, books: ClockedBooks) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    books.clock.now = invoice.expires
    assert await pay(books, invoice) is Payment.EXPIRED
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.CANCELLED)


async def test_hashes_that_nobody_knows(node: MemoryFunding) -> None:
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.UNKNOWN)
    assert await node.cancel(HASH)
    assert not await node.settle(PREIMAGE)
    assert await node.look_up_payment(HASH) is PaymentState.UNKNOWN


async def test_blocks_run_out_and_stay_out(node: MemoryFunding, books: ClockedBooks) -> None:
    await pay(books, await node.create_hold(HASH, 1500, "memo", 600))
    books.clock.advance(100 * 24 * HOUR)
    assert (await node.look_up(HASH)).blocks_left == 0


async def test_a_dead_process_leaves_the_money_held(node: MemoryFunding, books: ClockedBooks) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    assert await asyncio.to_thread(pay_elsewhere, books.database, HASH)
    after = funding_on(books)
    assert (await after.look_up(HASH)).state is InvoiceState.HELD
    assert await next_of(after.watch()) == HASH
    assert read((await after.create_plain(1, "", 60)).payreq).payee == read(invoice.payreq).payee
    assert await after.settle(PREIMAGE)


async def test_it_pays_its_own_invoices_only(node: MemoryFunding) -> None:
    plain = await node.create_plain(200, "share", 600)
    held = await node.create_hold(HASH, 300, "share", 600)
    assert await node.look_up_payment(plain.payment_hash) is PaymentState.UNKNOWN
    assert await node.pay(plain.payreq, 10, 5.0) is PaymentState.PAID
    assert await node.pay(plain.payreq, 10, 5.0) is PaymentState.PAID
    assert await node.look_up_payment(plain.payment_hash) is PaymentState.PAID
    assert await node.pay(held.payreq, 10, 5.0) is PaymentState.UNDER_WAY
    assert await node.cancel(HASH)
    assert await node.look_up_payment(HASH) is PaymentState.FAILED
    assert await node.pay(held.payreq, 10, 5.0) is PaymentState.FAILED
    other = memory.Scribe(b"\x11" * 32).write(b"\x33" * 32, b"\x22" * 32, 1, "", 600, 1_779_274_991)
    assert await node.pay(other, 10, 5.0) is PaymentState.FAILED
    with pytest.raises(CannotDo):
        await node.pay("lnbcrt1garbage", 10, 5.0)


async def test_a_database_that_is_away(books: ClockedBooks) -> None:
    class Away:
        async def read(self, question: Callable[[Tx], Result]) -> Result:
            raise StoreUnavailable(f"cannot ask {question}")

        write = read

    node = MemoryFunding(Notebook(Away(), Vault(books.database.directory)))
    for asked in (node.look_up(HASH), node.health(), node.create_plain(1, "", 60), next_of(node.watch())):
        with pytest.raises(FundingDown):
            await asked


# News.


async def next_of(news: AsyncIterator[bytes]) -> bytes:
    return await asyncio.wait_for(anext(news), 20)


class Listener:
    """Watches a node and keeps what it is told."""

    def __init__(self, funding: MemoryFunding) -> None:
        self.told: list[bytes] = []
        self._funding = funding
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for payment_hash in self._funding.watch():
            self.told.append(payment_hash)

    async def has(self, wanted: Sequence[bytes]) -> None:
        """Return when exactly these were told, each once."""
        async with asyncio.timeout(20):
            while len(self.told) < len(wanted):
                await asyncio.sleep(0.005)
        assert sorted(self.told) == sorted(wanted)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def notebook(books: ClockedBooks) -> Watched:
    return notebook_on(books)


@pytest.fixture
async def listener(books: ClockedBooks, notebook: Watched) -> AsyncIterator[Listener]:
    made = Listener(funding_on(books, notebook))
    yield made
    await made.stop()


async def made(books: ClockedBooks, count: int, hold: bool = True) -> list[bytes]:
    """New invoices that can be paid; their texts are of no interest here."""

    def change(tx: Tx) -> list[bytes]:
        hashes = [hashlib.sha256(f"{hold} {number}".encode()).digest() for number in range(count)]
        for payment_hash in hashes:
            memory_invoices.insert(
                tx, payment_hash.hex(), "text", 1500, hold, None if hold else "sealed", tx.now + HOUR
            )
        return hashes

    return await books.write(change)


async def test_each_payment_is_told_once(books: ClockedBooks, listener: Listener, notebook: Watched) -> None:
    hashes = await made(books, 12) + await made(books, 3, hold=False)
    await notebook.looked()
    assert listener.told == []
    # All in one millisecond, some of them between two looks.
    for number, payment_hash in enumerate(hashes):
        await asyncio.to_thread(pay_elsewhere, books.database, payment_hash)
        if number % 4 == 0:
            await notebook.looked(1)
    await listener.has(hashes)
    await notebook.looked()
    assert len(listener.told) == len(hashes)


async def test_what_we_do_ourselves_is_no_news(
    books: ClockedBooks, listener: Listener, notebook: Watched
) -> None:
    settled, cancelled, unpaid = await made(books, 3)
    for payment_hash in (settled, cancelled):
        await asyncio.to_thread(pay_elsewhere, books.database, payment_hash)
    await listener.has([settled, cancelled])
    await books.write(lambda tx: memory_invoices.settle(tx, settled.hex(), "sealed"))
    await books.write(lambda tx: memory_invoices.cancel(tx, cancelled.hex()))
    await books.write(lambda tx: memory_invoices.cancel(tx, unpaid.hex()))
    await notebook.looked()
    assert len(listener.told) == 2


async def test_a_clock_that_is_moved(books: ClockedBooks, listener: Listener, notebook: Watched) -> None:
    first, second, third, fourth = await made(books, 4)
    await notebook.looked()
    await books.write(lambda tx: settings.move_clock(tx, 25 * 60_000))
    await books.write(lambda tx: memory_invoices.pay(tx, first.hex()))
    await listener.has([first])
    await books.write(lambda tx: memory_invoices.pay(tx, second.hex()))
    await books.write(lambda tx: settings.move_clock(tx, 25 * 60_000))
    await listener.has([first, second])
    # The machine's clock is set right.
    books.clock.advance(-3000)
    await notebook.looked()
    await books.write(lambda tx: memory_invoices.pay(tx, third.hex()))
    books.clock.advance(7000)
    await books.write(lambda tx: memory_invoices.pay(tx, fourth.hex()))
    await listener.has([first, second, third, fourth])


async def test_a_commit_that_shows_late(books: ClockedBooks, listener: Listener, notebook: Watched) -> None:
    (payment_hash,) = await made(books, 1)
    begun, go = threading.Event(), threading.Event()

    def slowly() -> None:
        connection = books.database.connect()

        def change(tx: Tx) -> None:
            memory_invoices.pay(tx, payment_hash.hex())
            begun.set()
            go.wait(20)

        connection.writing(change)
        connection.close()

    payer = asyncio.create_task(asyncio.to_thread(slowly))
    await asyncio.to_thread(begun.wait, 20)
    # Meanwhile time goes on, for everybody who looks.
    books.clock.advance(24 * HOUR)
    await notebook.looked()
    assert listener.told == []
    go.set()
    await payer
    await listener.has([payment_hash])


async def test_many_that_wait_are_read_once(books: ClockedBooks) -> None:
    """Only what was paid lately is looked at again."""
    hashes = await made(books, 500)

    def pay_all(tx: Tx) -> None:
        for payment_hash in hashes:
            memory_invoices.pay(tx, payment_hash.hex())

    await books.write(pay_all)
    books.clock.advance(10_000)
    read_rows: list[int] = []

    class Counted(Watched):
        async def paid(self, since: int | None) -> tuple[int, list[memory_invoices.Paid]]:
            now, found = await super().paid(since)
            read_rows.append(len(found))
            return now, found

    notebook = Counted(books, Vault(books.database.directory))
    listener = Listener(funding_on(books, notebook))
    await listener.has(hashes)
    await notebook.looked()
    await listener.stop()
    assert read_rows[0] == 500
    assert set(read_rows[1:]) == {0}


def test_how_far_is_looked_back() -> None:
    horizon = memory._Horizon()
    late = round(memory.LATE * 1000)
    assert horizon.after(100.0, 50_000) == 50_000 - late
    # Time goes on as it does: never less than LATE, and no more than a look longer.
    for step in range(1, 200):
        since = horizon.after(100.0 + step / 10, 50_000 + step * 100)
        if step > 51:
            assert late <= 50_000 + step * 100 - since <= late + 100
    # Put forward: for as long as before, the look begins before that.
    old = 50_000 + 199 * 100
    assert horizon.after(120.0, old + 100_000_000) <= old
    assert horizon.after(124.9, old + 100_004_900) <= old
    assert horizon.after(125.1, old + 100_005_100) >= old
    # Set back: it begins at the earlier time.
    assert horizon.after(125.2, 1_000) == 1_000
    # After a long sleep the one look before it still counts, not only the one just made.
    assert horizon.after(500.0, 400_000) == 1_000
