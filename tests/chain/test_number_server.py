"""A server of numbers in a process of its own: what customers, accounts and its operator see of it.

Most tests share one sandbox, whose node is the one in memory: they have customers, accounts and addresses of
their own, and none minds that the clock is put forward.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.chain.number_rig import (
    MINUTE,
    NONE_LEFT,
    RECEIVE,
    RENT,
    SECOND,
    SEND,
    UNPAID,
    Buyer,
    NumberServer,
    Order,
)
from tests.chain.rig import HOST, Customer, Keys, free_port, until
from tests.workers.sinks import Request, silence, sink

from ulak.core.callbacks import read_secret
from ulak.core.funding import InvoiceState
from ulak.dialects.sms4sats import texts
from ulak.funding import invoices
from ulak.service.memory_node import Payment
from ulak.store.engine import Database
from ulak.wiring import now_ms

Visit = Callable[..., Buyer]

NUMBER_WITHIN, SENT_WITHIN = 10.0, 5.0
"""Seconds that clients wait for a number, and for a message to be sent (specification, section 3.6)."""

PER_SECOND = 20

DELIVERED, UNDELIVERED, REFUSED = "+905301234567", "90530 999 9001", "+905309999003"
"""What the simulated operator makes of these numbers."""

DAY = 24 * 60 * MINUTE
SLOW, WAIT = "wait300", 300 * SECOND
"""A code that comes when the clock is put forward, and by how much."""

PATIENCE = 15.0
"""Seconds a stop may take: five for what a source is asked, more on a busy machine."""

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "Content-Type, X-API-Key",
    "access-control-max-age": "86400",
}

SETTLED, CANCELLED, HELD = InvoiceState.SETTLED, InvoiceState.CANCELLED, InvoiceState.HELD


@pytest.fixture(scope="module")
def sandbox(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NumberServer]:
    """`ulak sandbox`, as it is started by hand."""
    database = Database(tmp_path_factory.mktemp("sandbox"), None, now_ms)
    shutil.copy(sqlite_template, database.path)
    server = NumberServer(database)
    try:
        asyncio.run(server.start("sandbox"))
        yield server
        assert server.findings() == []
    finally:
        asyncio.run(server.close())


@pytest.fixture(scope="module")
def demo(sandbox: NumberServer) -> dict[str, str]:
    """The account of the sandbox."""
    document: dict[str, str] = json.loads((sandbox.database.directory / "sandbox.json").read_text())
    return document


@pytest_asyncio.fixture
async def visit(sandbox: NumberServer) -> AsyncIterator[Visit]:
    """Makes customers of the sandbox, who hang up after the test."""
    came: list[Buyer] = []

    def visit_it(key: str = "") -> Buyer:
        came.append(Buyer(sandbox, key))
        return came[-1]

    yield visit_it
    for buyer in came:
        await buyer.close()


def paid(server: NumberServer, order: Order) -> Order:
    """Somebody pays for it."""
    assert server.pay(order.payreq) is Payment.HELD
    return order


# Numbers for codes


async def test_a_code_in_the_time_that_clients_have(sandbox: NumberServer, visit: Visit) -> None:
    buyer = visit()
    order = await buyer.order("Telegram", country="us")
    assert await buyer.status(order) == UNPAID
    paid(sandbox, order)
    shown = await buyer.sees(order, NUMBER_WITHIN, number=...)
    assert (shown["country"], shown["service"]) == ("USA", "Telegram")
    assert str(shown["number"]).startswith("1")
    early = await buyer.cancel(order, 409)
    assert (early["reason"], 100 < early["retryAfter"] <= 120) == ("too early to cancel", True)

    done = await buyer.sees(order, code=...)
    assert list(done) == ["status", "paid", "code", "id", "number", "timestamp", "country", "service"]
    assert {name: done[name] for name in ("id", "number")} == {name: shown[name] for name in ("id", "number")}
    assert sandbox.invoice(order) is SETTLED
    assert (await buyer.cancel(order, 409))["reason"] == "order already completed"
    assert await buyer.status(order) == done


async def test_magic_services(sandbox: NumberServer, visit: Visit) -> None:
    """What a customer can have happen in a sandbox. openAI is not magic."""
    buyer = visit()
    names = ("none", "never", "zero", "two", SLOW, "openAI")
    orders = {name: paid(sandbox, await buyer.order(name)) for name in names}
    assert await buyer.sees(orders["none"], error=...) == NONE_LEFT
    zero = await buyer.sees(orders["zero"], code=...)
    assert isinstance(zero["code"], str)
    assert zero["code"].startswith("0")
    first = await buyer.sees(orders["two"], code=...)
    assert isinstance((await buyer.sees(orders["openAI"], code=...))["code"], int)
    assert (first["service"], "number" in await buyer.status(orders["never"])) == ("two", True)

    sandbox.advance(WAIT)
    await buyer.sees(orders[SLOW], code=...)
    assert await buyer.status(orders["two"]) == first, "the first code stays"
    assert "code" not in await buyer.status(orders["never"])
    assert await buyer.cancel(orders["never"]) == {"status": "OK"}
    given_back = {name for name, order in orders.items() if sandbox.invoice(order) is not SETTLED}
    assert given_back == {"none", "never"}


async def test_time_runs_out(sandbox: NumberServer, visit: Visit) -> None:
    """After 21 minutes the money goes back, and an invoice can be paid as long."""
    buyer = visit()
    waiting, unpaid = paid(sandbox, await buyer.order("never")), await buyer.order("never")
    held = await sandbox.cli("lightning", "pay", (await buyer.order("none")).payreq)
    assert held == {"state": "held"}
    await buyer.sees(waiting, number=...)
    sandbox.advance(20 * MINUTE)
    await asyncio.sleep(0.5)
    assert "error" not in await buyer.status(waiting)
    assert (await sandbox.cli("clock", "advance", "2m"))["ahead_ms"] >= 22 * MINUTE
    over = await buyer.sees(waiting, error=texts.TIMED_OUT)
    assert over.keys() == {"status", "paid", "timestamp", "error"}
    assert await buyer.sees(unpaid, error=texts.EXPIRED) == UNPAID | {"error": texts.EXPIRED}
    await until(lambda: sandbox.invoice(waiting) is CANCELLED, 10, "the money goes back")
    await sandbox.cli("lightning", "pay", unpaid.payreq, code=1)
    assert await buyer.cancel(waiting) == await buyer.cancel(unpaid) == {"status": "OK"}


async def test_a_source_that_is_away(sandbox: NumberServer, visit: Visit) -> None:
    """An order that is paid and has no number yet can be cancelled at once, and ends after a minute."""
    buyer, words = visit(), (f"url=http://{HOST}:{free_port()}", "apikey=nobody")
    await sandbox.cli("carrier", "add", "away", "--kind", "sms_activate", "--set", *words)
    order, other = [paid(sandbox, await buyer.order("none")) for _ in range(2)]
    for one in (order, other):
        assert (await buyer.sees(one, paid=True)).keys() == {"status", "paid", "timestamp"}
    assert await buyer.cancel(order) == {"status": "OK"}
    assert (await buyer.status(order))["error"] == texts.CANCELLED
    await until(lambda: sandbox.invoice(order) is CANCELLED, 10, "the money goes back")
    assert sandbox.invoice(other) is HELD
    sandbox.advance(MINUTE + SECOND)
    assert await buyer.sees(other, error=...) == NONE_LEFT
    await sandbox.cli("carrier", "remove", "away")


async def test_rentals(sandbox: NumberServer, visit: Visit) -> None:
    """The number is the good: it is paid for when it is there, and shows what comes to it for two weeks."""
    owner = visit(sandbox.key("tenant", RENT))
    order = paid(sandbox, await owner.order("full", isRental=True))
    shown = await owner.sees(order, number=...)
    assert sandbox.invoice(order) is SETTLED
    assert shown["rental"] is True
    assert abs(shown["expiresAt"] - shown["timestamp"] - 14 * DAY) < MINUTE
    sandbox.advance(MINUTE)

    async def both() -> bool:
        return len((await owner.status(order))["messages"]) == 2

    await until(both, 15, "two messages come", pause=0.1)
    shown = await owner.status(order)
    assert shown["code"] == shown["messages"][1]["code"] != shown["messages"][0]["code"]
    assert shown["messages"][0].keys() == {"from", "text", "code", "timestamp"}
    assert (await owner.cancel(order, 409))["reason"] == "order cannot be canceled"

    unused = await owner.order("never", isRental=True, immediate=True)
    await owner.sees(unused, number=...)
    assert await owner.balance() == 0
    assert await owner.cancel(unused) == {"status": "OK"}
    assert await owner.balance() == RENT

    sandbox.advance(14 * DAY)
    ended = await owner.sees(order, expired=True)
    assert ("error" in ended, len(ended["messages"])) == (False, 2)


# Messages


async def test_messages(sandbox: NumberServer, visit: Visit) -> None:
    buyer = visit()
    orders = [await buyer.message(phone) for phone in (DELIVERED, UNDELIVERED, REFUSED)]
    sent, lost, refused = orders
    assert [await buyer.status(order) for order in orders] == [UNPAID] * 3
    for order in orders:
        paid(sandbox, order)
    shown = await buyer.sees(sent, SENT_WITHIN, smsStatus=("sent", "delivered"))
    assert list(shown) == ["status", "paid", "id", "smsStatus", "timestamp"]
    assert shown["id"].startswith("SM")
    assert len(shown["id"]) == 34
    assert (await buyer.sees(sent, smsStatus="delivered"))["id"] == shown["id"]
    await until(lambda: sandbox.invoice(sent) is SETTLED, 10, "it is paid")

    assert (await buyer.sees(refused, smsStatus="failed"))["error"] == texts.NOT_SENT
    await until(lambda: sandbox.invoice(refused) is CANCELLED, 10, "the money goes back")
    failed = await buyer.sees(lost, smsStatus="failed")
    kept = failed["error"] == texts.NOT_DELIVERED
    assert kept or failed["error"] == texts.NOT_SENT
    ends = SETTLED if kept else CANCELLED
    await until(lambda: sandbox.invoice(lost) is ends, 10, "what is said of the money is so")


async def test_a_message_is_no_order_of_another_dialect(
    sandbox: NumberServer, visit: Visit, demo: dict[str, str]
) -> None:
    """Sats pay for it: no credit of that account, and none of its reports."""
    owner, keys = visit(demo["api_key"]), Keys(demo["account"], demo["key"], demo["hash"])
    customer = Customer(sandbox.port, keys)
    try:
        credits, sats = await customer.balance(), await owner.balance()
        ids = [await customer.order("önce", [905301234567])]
        message = await owner.message(DELIVERED, immediate=True)
        await owner.sees(message, smsStatus="delivered")
        ids.append(await customer.order("sonra", [905301234568]))
        await customer.final(ids[-1])
        ahead = timedelta(milliseconds=sandbox.read(lambda tx: tx.now) - now_ms())
        day = datetime.now(UTC) + ahead
        dates = {"start": f"{day - timedelta(days=1):%Y-%m-%d}", "end": f"{day + timedelta(days=1):%Y-%m-%d}"}
        status, response = await customer.ask("get-reports", filter=dates, page="1", rowCount="30")
        assert status == 200
        assert sorted(str(order["id"]) for order in response["orders"]) == ids
        assert await customer.balance() == credits - 2
        assert await owner.balance() == sats - SEND
    finally:
        await customer.close()


# Prepaid


async def test_a_prepaid_account(sandbox: NumberServer, visit: Visit) -> None:
    owner, stranger = visit(sandbox.key("prepaid")), visit()
    await sandbox.cli("credit", "grant", "prepaid", "5000", "--asset", "SAT")
    code, nothing = [await owner.order(service, immediate=True) for service in (SLOW, "none")]
    assert {code.payreq, nothing.payreq} == {"paid"}
    assert (await owner.status(code))["paid"] is True
    assert await owner.sees(nothing, error=...) == NONE_LEFT
    assert await owner.balance() == 5_000 - RECEIVE
    await owner.sees(code, number=...)
    sandbox.advance(WAIT)
    await owner.sees(code, code=...)
    assert await owner.balance() == 5_000 - RECEIVE

    await owner.message(DELIVERED, immediate=True)
    wanted = {"country": 999, "service": "ot", "immediate": True}
    assert (await owner.post("/createorder", 402, **wanted))["reason"] == "insufficient balance"
    assert (await stranger.post("/createorder", 401, **wanted))["reason"] == "invalid api key"
    assert (await stranger.get("/balance", 401))["reason"] == "invalid api key"

    credit = await owner.fund(2_000)
    assert await owner.balance() == 500
    assert await sandbox.cli("lightning", "pay", credit.payreq) == {"state": "held"}
    await until(lambda: sandbox.invoice(credit) is SETTLED, 10, "the credit is paid")
    await owner.sees(credit, paid=True)

    async def credited() -> bool:
        return await owner.balance() == 2_500

    await until(credited, 10, "the credit is there", pause=0.1)
    await sandbox.cli("lightning", "pay", credit.payreq, code=1)
    history = await owner.get("/history")
    assert (history["totalAmount"], [row["amount"] for row in history["orders"]]) == (2_000, [2_000])
    preimage = bytes.fromhex(history["orders"][0]["preimage"])
    assert hashlib.sha256(preimage).digest() == credit.hash


# Callbacks


def bodies(requests: list[Request], path: str = "/hook") -> list[Any]:
    """What was told at a path."""
    return [
        json.loads(request.body) for request in requests if request.head.startswith(f"POST {path} ".encode())
    ]


async def test_a_webhook_is_told_of_every_change(sandbox: NumberServer, visit: Visit) -> None:
    buyer = visit()
    async with sink() as hook:
        orders = [
            await buyer.order(SLOW, webhookUrl=hook.url()),
            await buyer.message(REFUSED, webhookUrl=hook.url()),
            await buyer.order("none", webhookUrl=hook.url()),
        ]
        for order in orders:
            paid(sandbox, order)
        await buyer.sees(orders[0], number=...)
        sandbox.advance(WAIT)
        ends = [await buyer.sees(orders[0], code=...), await buyer.sees(orders[1], error=...)]
        ends.append(await buyer.sees(orders[2], error=...))
        await until(lambda: len(hook.requests) >= 7, 15, "all is told")
        told = [[body for body in bodies(hook.requests) if body["orderId"] == order.id] for order in orders]
    assert [
        [sorted(body.keys() - {"status", "paid", "timestamp", "orderId"}) for body in one] for one in told
    ] == [
        [[], ["country", "id", "number", "service"], ["code", "country", "id", "number", "service"]],
        [["id", "smsStatus"], ["error", "id", "smsStatus"]],
        [[], ["error"]],
    ]
    assert [one[-1] for one in told] == [
        end | {"orderId": order.id} for end, order in zip(ends, orders, strict=True)
    ]
    headers = [request.headers for request in hook.requests]
    assert len({uuid.UUID(one["x-sms4sats-event-id"]) for one in headers}) == len(headers)
    assert {one["content-type"] for one in headers} == {"application/json"}
    assert all("user-agent" in one and "x-sms4sats-signature" not in one for one in headers)


async def test_an_account_is_told_with_a_signature(sandbox: NumberServer, visit: Visit) -> None:
    """At its own address of everything, and at the one that an order names; what fails is told again."""
    owner = visit(sandbox.key("told", 10_000))
    answers = iter([b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"])

    async def once_not(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        await writer.drain()

    async with sink() as own, sink(once_not) as named:
        made = await sandbox.cli("account", "callback", "told", own.url(), "--dialect", "sms4sats")
        key = read_secret(made["secret"])
        order = await owner.order("none", immediate=True, webhookUrl=named.url())
        await owner.sees(order, error=...)
        await until(lambda: len(own.requests) == 2 and named.requests, 15, "it is told")
        sandbox.advance(10 * SECOND)
        await until(lambda: len(named.requests) == 3, 15, "what failed is told again, and then the rest")
    assert bodies(own.requests)[1] == await owner.status(order) | {"orderId": order.id}
    first, again, last = named.requests
    assert (first.body, first.headers["x-sms4sats-event-id"]) == (
        again.body,
        again.headers["x-sms4sats-event-id"],
    )
    assert [again.body, last.body] == own.bodies
    for request in (*own.requests, *named.requests):
        stamp, signature = request.headers["x-sms4sats-signature"].split(",")
        at = stamp.removeprefix("t=")
        expected = hmac.new(key, at.encode() + b"." + request.body, hashlib.sha256).hexdigest()
        assert (signature, len(at)) == (f"v1={expected}", 13)


# How often, and from where


async def test_twenty_times_a_second(visit: Visit) -> None:
    while True:
        buyer, began = visit(), time.monotonic()
        answers = [await buyer.ask("GET", "/price") for _ in range(PER_SECOND + 1)]
        if time.monotonic() - began < 0.9:
            break
    assert [answer.status for answer in answers] == [200] * PER_SECOND + [429]
    refused = answers[-1]
    assert refused.json == {"status": "error", "reason": "too many requests"}
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert (await visit().ask("GET", "/price")).status == 200


async def test_a_page_in_a_browser(visit: Visit) -> None:
    buyer = visit()
    for path in ("/createorder", "/nowhere"):
        answer = await buyer.ask("OPTIONS", path, headers={"Origin": "https://example.org"})
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers.items() >= CORS.items()
    ways = [
        ("GET", "/", None, 200),
        ("GET", "/getCountries", None, 200),
        ("POST", "/createorder", b"{", 400),
        ("GET", "/balance", None, 401),
        ("GET", "/orderstatus?orderId=" + "0" * 64, None, 404),
        ("GET", "/nowhere", None, 404),
        ("GET", "/createorder", None, 405),
        ("POST", "/createorder", b"x" * 100_000, 413),
    ]
    for method, path, body, status in ways:
        answer = await buyer.ask(method, path, body)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*"), path
        assert "access-control-allow-credentials" not in answer.headers


# The operator


@pytest.mark.parametrize("line", [b"FOO / HTTP/1.1", b"GET /\xc3\xbc HTTP/1.1", b"GET / HTTP/9.9", b"hello"])
async def test_what_is_no_request(sandbox: NumberServer, line: bytes) -> None:
    """It has no path, so it is answered by the dialect that owns what nobody else does."""
    reader, writer = await asyncio.open_connection(HOST, sandbox.port)
    writer.write(line + b"\r\nHost: x\r\n\r\n")
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"\r\naccess-control-allow-origin: *" in head
    assert json.loads(body) == {"status": "error", "reason": "invalid request"}


async def test_prices(sandbox: NumberServer, visit: Visit) -> None:
    """A price holds at once, but for those who were shown another one in the last five minutes."""
    shown, stranger = visit(), visit()

    async def asked(buyer: Buyer) -> int | None:
        return invoices.read((await buyer.order("fb", country="TR")).payreq).amount

    quote = await shown.get("/price", country="tr", service="Facebook")
    assert (quote["computed"]["price"], quote["computed"]["country"]) == (RECEIVE, 62)
    place = ("--country", "Turkey", "--service", "fb")
    made = await sandbox.cli("price", "set", "receive", "1750", *place)
    assert made == {"tariff": "receive", "country": "Turkey", "service": "fb", "sats": 1750}
    assert (await asked(shown), await asked(stranger)) == (RECEIVE, 1750)
    sandbox.advance(5 * MINUTE)
    assert await asked(shown) == 1750
    await sandbox.cli("price", "clear", "receive", *place)
    assert await asked(stranger) == RECEIVE


async def test_a_server_that_begins_with_nothing(sqlite_database: Database) -> None:
    """Without a source there are no numbers; without a node only a balance can pay."""
    server = NumberServer(sqlite_database)
    key = server.key("alice", RECEIVE)
    await server.start()
    buyer, owner = Buyer(server), Buyer(server, key)
    server.closes(buyer.http)
    server.closes(owner.http)
    wanted = {"country": 43, "service": "tg"}
    try:
        assert (await buyer.post("/createorder", 409, **wanted))["reason"] == "no numbers available"
        assert await buyer.get("/getnumbersstatus", country=43) == []
        words = ("--kind", "simulator", "--set", "carries=numbers")
        await server.cli("carrier", "add", "numbers", *words)
        assert await buyer.get("/getnumbersstatus", country=43) != []
        assert await buyer.post("/createorder", 500, **wanted) == {
            "status": "error",
            "reason": "backend error",
        }
        assert (await owner.post("/fund", 500, amount=1_000))["reason"] == "backend error"
        order = await owner.order("wait1", immediate=True)
        await owner.sees(order, code=...)
        assert await owner.balance() == 0
        assert server.findings() == []
    finally:
        await server.close()


# Its end


async def test_a_stop_with_orders_under_way(sqlite_database: Database) -> None:
    """It is bounded, though a source says nothing, and the next process goes on."""
    server = NumberServer(sqlite_database, funding="memory")
    server.sandbox()
    server.source()
    await server.start()
    buyer = Buyer(server)
    server.closes(buyer.http)
    async with sink(silence) as silent:
        try:
            unpaid, late, buying = [await buyer.order(service) for service in ("never", "tg", "none")]
            waiting = paid(server, await buyer.order(SLOW))
            await buyer.sees(waiting, number=...)
            server.source("silent", "sms_activate", url=f"http://{HOST}:{silent.port}", apikey="nobody")
            # Whoever can have a number elsewhere does not wait for it.
            quick = await buyer.order()
            paid(server, quick)
            await buyer.sees(quick, seconds=10, number=...)
            paid(server, buying)
            await until(lambda: silent.requests, 10, "the source is asked")
            assert await server.stop() < PATIENCE
            paid(server, late)
            server.advance(WAIT)
            await server.cli("carrier", "remove", "silent")
            await server.start()
            await buyer.sees(waiting, code=...)
            await buyer.sees(late, code=...)
            assert await buyer.sees(buying, error=...) == NONE_LEFT
            assert await buyer.status(unpaid) == UNPAID
            ends = [server.invoice(order) for order in (waiting, late, buying)]
            assert ends == [SETTLED, SETTLED, CANCELLED]
            assert server.findings() == []
        finally:
            await server.close()
