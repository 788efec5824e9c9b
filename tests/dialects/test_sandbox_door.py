"""The sandbox's own door: paying an invoice by `POST /ulak/v1/lightning/pay`."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from tests.conftest import ClockedBooks

from ulak.core.errors import StoreUnavailable
from ulak.core.funding import InvoiceState
from ulak.dialects.door import Call, Dialect, Reply, Trouble
from ulak.dialects.sandbox import BODY_MAX, PAY, SandboxDoors
from ulak.funding.memory import MemoryFunding, Scribe, hash_in
from ulak.service.guard import Guard
from ulak.service.limits import Penalty
from ulak.service.memory_node import Notebook
from ulak.store.vault import Vault

PREIMAGE = b"\x07" * 32
HASH = hashlib.sha256(PREIMAGE).digest()


@pytest.fixture
def node(books: ClockedBooks) -> MemoryFunding:
    return MemoryFunding(Notebook(books, Vault(books.database.directory)))


@pytest.fixture
def doors(books: ClockedBooks) -> Dialect:
    return SandboxDoors(books, hash_in)


def call(body: bytes, method: str = "POST", path: str = PAY) -> Call:
    return Call(method, path, b"", (), body, "127.0.0.1")


def order(payreq: Any) -> Call:
    return call(json.dumps({"payreq": payreq}).encode())


def said(reply: Reply) -> tuple[int, Any]:
    assert reply.content_type == b"application/json"
    return reply.status, json.loads(reply.body)


async def test_a_payment_is_held_once(doors: Dialect, node: MemoryFunding) -> None:
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    reply = await doors.answer(order(invoice.payreq))
    assert (reply.status, reply.body) == (200, b'{"state":"held"}')
    assert (await node.look_up(HASH)).state is InvoiceState.HELD
    again = (409, {"error": "the invoice has been paid already"})
    assert said(await doors.answer(order(invoice.payreq))) == again
    await node.settle(PREIMAGE)
    assert said(await doors.answer(order(invoice.payreq))) == again


async def test_a_payment_that_is_taken_at_once(doors: Dialect, node: MemoryFunding) -> None:
    invoice = await node.create_plain(1500, "memo", 600)
    body = json.dumps({"note": "more than is asked for", "payreq": invoice.payreq}).encode()
    assert said(await doors.answer(call(body))) == (200, {"state": "settled"})


async def test_a_cancelled_and_an_expired_one(
    doors: Dialect, node: MemoryFunding, books: ClockedBooks
) -> None:
    cancelled = await node.create_hold(HASH, 1500, "memo", 600)
    await node.cancel(HASH)
    expired = await node.create_plain(1500, "memo", 600)
    assert said(await doors.answer(order(cancelled.payreq))) == (409, {"error": "the invoice was cancelled"})
    books.clock.now = expired.expires
    assert said(await doors.answer(order(expired.payreq))) == (409, {"error": "the invoice has expired"})


async def test_somebody_elses(doors: Dialect, node: MemoryFunding) -> None:
    await node.create_hold(HASH, 1500, "memo", 600)
    other = Scribe(b"\x11" * 32).write(HASH, b"\x22" * 32, 1500, "memo", 600, 1_779_274_991)
    status, answer = said(await doors.answer(order(other)))
    assert (status, list(answer)) == (404, ["error"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payreq=lnbcrt1",
        b"[]",
        b"{}",
        b'{"payreq":null}',
        b'{"payreq":7}',
        b'{"payreq":""}',
        b'{"payreq":"lnbcrt1garbage"}',
        b'{"payreq":"\\u0000"}',
        b'{"payreq":"\xff"}',
        b'{"a":' + b"[" * 15_000,
    ],
)
async def test_garbage(doors: Dialect, body: bytes) -> None:
    status, answer = said(await doors.answer(call(body)))
    assert (status, list(answer)) == (400, ["error"])


async def test_a_body_that_is_too_large(doors: Dialect) -> None:
    status, answer = said(await doors.answer(call(b" " * (BODY_MAX + 1))))
    assert (status, list(answer)) == (413, ["error"])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods(doors: Dialect, method: str) -> None:
    reply = await doors.answer(call(b"", method))
    assert said(reply) == (405, {"error": "method not allowed"})
    assert (b"allow", b"POST") in reply.headers


@pytest.mark.parametrize("path", ["/ulak/v1/", PAY + "/", PAY + "x", "/ulak/v1/account"])
async def test_other_paths(doors: Dialect, path: str) -> None:
    assert said(await doors.answer(call(b"{}", path=path))) == (404, {"error": "not found"})


async def test_a_database_that_is_away() -> None:
    class Away:
        async def write(self, change: object) -> None:
            raise StoreUnavailable(f"cannot do {change}")

    away: Any = Away()
    payreq = Scribe(b"\x11" * 32).write(HASH, b"\x22" * 32, 1500, "memo", 600, 1_779_274_991)
    reply = await SandboxDoors(away, hash_in).answer(order(payreq))
    assert said(reply) == (503, {"error": "try again"})


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (Trouble.BODY_TOO_LARGE, 413),
        (Trouble.BODY_INCOMPLETE, 400),
        (Trouble.OVERLOADED, 503),
        (Trouble.CRASHED, 500),
    ],
)
def test_trouble_has_the_same_envelope(what: Trouble, status: int) -> None:
    unused: Any = None
    found, answer = said(SandboxDoors(unused, hash_in).trouble(call(b""), what))
    assert (found, list(answer)) == (status, ["error"])


async def test_invoices_that_are_guessed(books: ClockedBooks, node: MemoryFunding) -> None:
    doors = SandboxDoors(books, hash_in, Guard(Penalty(), books.clock))
    scribe = Scribe(b"\x08" * 32)
    foreign = [
        scribe.write(bytes([n]) * 32, HASH, 1500, "memo", 600, books.clock.now // 1000) for n in range(6)
    ]
    replies = [await doors.answer(order(payreq)) for payreq in foreign]
    assert [reply.status for reply in replies] == [404] * 4 + [429] * 2
    assert said(replies[-1]) == (429, {"error": "too many wrong invoices"})
    assert (b"retry-after", b"60") in replies[-1].headers
    invoice = await node.create_hold(HASH, 1500, "memo", 600)
    assert said(await doors.answer(order(invoice.payreq))) == (200, {"state": "held"})
