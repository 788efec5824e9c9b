"""`ulak lightning pay`, beside whoever made the invoice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from tests.cli.conftest import Command

from ulak.core.funding import Invoice, InvoiceState
from ulak.funding.memory import MemoryFunding, Scribe
from ulak.service.memory_node import Notebook
from ulak.store import settings
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.store.vault import Vault
from ulak.store.writer import sync_write
from ulak.wiring.clock import now_ms

Result = TypeVar("Result")

PREIMAGE = b"\x07" * 32
HASH = hashlib.sha256(PREIMAGE).digest()

FOREIGN = Scribe(b"\x11" * 32).write(HASH, b"\x22" * 32, 1500, "memo", 3600, now_ms() // 1000)


def served(database: Database, work: Callable[[MemoryFunding], Awaitable[Result]]) -> Result:
    """What a server does that runs on these data, by the machine's clock as the command line does."""

    async def serve() -> Result:
        books = Books(Database(database.directory, database.url, now_ms), {})
        try:
            return await work(MemoryFunding(Notebook(books, Vault(database.directory)), every=0.005))
        finally:
            await books.close()

    return asyncio.run(serve())


@pytest.fixture
def held(database: Database) -> Invoice:
    return served(database, lambda node: node.create_hold(HASH, 1500, "memo", 600))


@pytest.fixture
def plain(database: Database) -> Invoice:
    return served(database, lambda node: node.create_plain(2000, "memo", 600))


def test_a_payment_is_held(ulak: Command, database: Database, held: Invoice) -> None:
    ended = ulak("lightning", "pay", held.payreq)
    assert (ended.code, ended.out, ended.err) == (0, '{"state":"held"}\n', "")
    assert served(database, lambda node: node.look_up(HASH)).state is InvoiceState.HELD


def test_a_payment_that_is_taken_at_once(ulak: Command, plain: Invoice) -> None:
    assert ulak("lightning", "pay", plain.payreq.upper()).value == {"state": "settled"}


@pytest.mark.parametrize("scheme", ["lightning:", "LIGHTNING:", " lightning:"])
def test_an_invoice_as_an_address(ulak: Command, held: Invoice, scheme: str) -> None:
    assert ulak("lightning", "pay", scheme + held.payreq).value == {"state": "held"}


def test_for_people(command: Command, where: list[str], held: Invoice) -> None:
    assert command("lightning", "pay", held.payreq, *where).out == "state  held\n"


def test_beside_a_server_that_watches(ulak: Command, database: Database, held: Invoice) -> None:
    async def work(node: MemoryFunding) -> bytes:
        async def told() -> bytes:
            return await anext(node.watch())

        news = asyncio.create_task(told())
        ended = await asyncio.to_thread(ulak, "lightning", "pay", held.payreq)
        assert ended.value == {"state": "held"}
        payment_hash = await asyncio.wait_for(news, 20)
        assert await node.settle(PREIMAGE)
        return payment_hash

    assert served(database, work) == HASH
    ended = ulak("lightning", "pay", held.payreq)
    assert (ended.code, ended.err) == (1, "ulak: the invoice has been paid already\n")


def test_paid_already(ulak: Command, held: Invoice) -> None:
    assert ulak("lightning", "pay", held.payreq).code == 0
    ended = ulak("lightning", "pay", held.payreq)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "ulak: the invoice has been paid already\n"


def test_cancelled(ulak: Command, database: Database, held: Invoice) -> None:
    assert served(database, lambda node: node.cancel(HASH))
    ended = ulak("lightning", "pay", held.payreq)
    assert (ended.code, ended.out, ended.err) == (1, "", "ulak: the invoice was cancelled\n")


def test_expired(ulak: Command, database: Database, held: Invoice) -> None:
    sync_write(database, lambda tx: settings.put(tx, settings.SANDBOX, "on"))
    assert ulak("clock", "advance", "10m").code == 0
    ended = ulak("lightning", "pay", held.payreq)
    assert (ended.code, ended.out, ended.err) == (1, "", "ulak: the invoice has expired\n")


@pytest.mark.parametrize("payreq", [FOREIGN, "lnbcrt1garbage", "x", "", "ln" * 5000])
def test_what_is_no_invoice_of_ours(ulak: Command, held: Invoice, payreq: str) -> None:
    ended = ulak("lightning", "pay", payreq)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("ulak: ")
    assert len(payreq) < 10 or payreq not in ended.err
    assert ulak("lightning", "pay", held.payreq).code == 0


def test_another_backend(ulak: Command, held: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULAK_FUNDING", "memory")
    assert ulak("lightning", "pay", held.payreq).code == 0
    monkeypatch.setenv("ULAK_FUNDING", "lnbits")
    ended = ulak("lightning", "pay", held.payreq)
    assert (ended.code, ended.out) == (1, "")
    assert "the Lightning backend is lnbits" in ended.err


@pytest.mark.parametrize("words", [["pay"], ["pay", "a", "b"], ["bogus"], ["pay", "a", "--bogus"]])
def test_wrong_usage(command: Command, words: list[str]) -> None:
    ended = command("lightning", *words, "--json")
    assert (ended.code, ended.out) == (2, "")
