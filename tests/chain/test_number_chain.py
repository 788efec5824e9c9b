"""Two Ulaks, one of which is the other's source of numbers and carrier of messages, over sockets.

`shop` is the server that customers pay with Lightning. It has a prepaid account at `hub`, whose numbers and
operator are made up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from tests.chain import rig
from tests.chain.parcel_rig import add_carrier
from tests.chain.rig import HOST, Http, Server, until
from tests.conftest import Postgres

from ulak.core.ledger import SAT
from ulak.core.states import PurchaseState, Resolve
from ulak.service import accounts, audit, credits, sandbox
from ulak.store import ledger, schema, settings
from ulak.store.engine import Database, Tx
from ulak.wiring import now_ms

MINUTE = 60 * 1000
DELAY = 10 * MINUTE
"""After how long the hub's numbers get their codes."""

INDIA, CODE, MESSAGE = 22, 1500, 3000
FUNDS = 2 * CODE + 2 * MESSAGE


class Row(NamedTuple):
    """What matters here of a stored purchase."""

    state: int
    resolve: int
    resolved: int | None
    reference: str
    code: str | None


@dataclass(frozen=True)
class Reached:
    """A server as a customer without an account sees it."""

    server: Server
    http: Http

    async def ask(self, path: str, body: Any = None, status: int = 200) -> Any:
        """The JSON of an answer with this status."""
        content = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        found, answer = await self.http.call(method, path, content)
        assert found == status, (path, found, answer)
        return answer

    async def order(self, path: str, **body: Any) -> str:
        """Order something and pay for it; its id."""
        made = await self.ask(path, body)
        assert made["status"] == "OK"
        assert await self.ask("/ulak/v1/lightning/pay", {"payreq": made["payreq"]}) == {"state": "held"}
        order: str = made["orderId"]
        return order

    async def status(self, order: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.ask(f"/orderstatus?orderId={order}")
        return found

    async def shows(self, order: str, field: str, value: Any = None) -> dict[str, Any]:
        """An order once it shows this field, with this value if there is one; not asked for too often."""

        async def there() -> bool:
            found = await self.status(order)
            return field in found and value in (None, found[field])

        await until(there, 20, f"{order} shows {field}", pause=0.2)
        return await self.status(order)

    def advance(self, span: int) -> None:
        self.server.write(lambda tx: sandbox.advance(tx, span))

    def row(self, order: str) -> Row:
        """How a purchase is stored."""
        columns = ", ".join(Row._fields)
        (found,) = self.server.sql(f"SELECT {columns} FROM purchase WHERE public_id = '{order}'")
        return Row(*found)

    async def resolved(self, order: str, resolve: Resolve) -> None:
        """Wait until its money went one way."""
        await until(lambda: self.row(order).resolved is not None, 10, "the money is resolved")
        assert self.row(order).resolve == resolve


def sats(hub: Reached) -> tuple[int, int, int]:
    """What the shop has at the hub: available, held and spent."""

    def look(tx: Tx) -> tuple[int, int, int]:
        found = ledger.of_account(tx, accounts.named(tx, "shop").id)[SAT]
        return found.available, found.held, found.spent

    found: tuple[int, int, int] = hub.server.read(look)
    return found


@pytest.fixture(autouse=True)
def lightning_in_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests take invoices that are paid for nothing."""
    plain = rig._environment
    monkeypatch.setattr(
        rig, "_environment", lambda: plain() | {"ULAK_FUNDING": "memory", "ULAK_NUMBER_RATE": "1000"}
    )


def _sandbox(server: Server) -> Reached:
    server.write(lambda tx: settings.put(tx, settings.SANDBOX, "on"))
    http = Http(server.port)
    server.closes(http)
    return Reached(server, http)


@pytest_asyncio.fixture
async def hub(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Reached, str]]:
    """A server with made-up numbers and an account of the shop's, whose key comes with it; on the same kind
    of database as `shop`."""
    url = None
    if database.url is not None:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create()
    data = tmp_path / "hub"
    data.mkdir()
    schema.prepare(Database(data, url, now_ms))
    found = _sandbox(Server(data, url))

    def open_account(tx: Tx) -> str:
        made = accounts.create(tx, "shop")
        credits.grant(tx, "shop", FUNDS, SAT)
        return made.sms4sats_key

    key = found.server.write(open_account)
    add_carrier(found.server, "numbers", "simulator", carries="numbers", delay=str(DELAY // 1000))
    add_carrier(found.server, "operator", "simulator")
    yield found, key
    await found.server.close()
    assert found.server.read(audit.check) == []


@pytest_asyncio.fixture
async def shop(server: Server, hub: tuple[Reached, str]) -> AsyncIterator[Reached]:
    """A server whose numbers and messages are the hub's."""
    found = _sandbox(server)
    words = {"url": f"http://{HOST}:{hub[0].server.port}", "apikey": hub[1]}
    add_carrier(server, "hub numbers", "sms4sats", **words)
    add_carrier(server, "hub messages", "sms4sats", carries="sms", **words)
    yield found
    assert server.read(audit.check) == []


async def test_numbers_and_messages_go_through_two_servers(shop: Reached, hub: tuple[Reached, str]) -> None:
    upstream = hub[0]
    await asyncio.gather(shop.server.start(), upstream.server.start())
    await on_offer(shop, upstream)
    await cancelled(shop, upstream)
    await a_code_comes(shop, upstream)
    await a_message_is_sent(shop, upstream)
    await the_account_runs_dry(shop, upstream)


async def on_offer(shop: Reached, hub: Reached) -> None:
    assert await shop.ask("/getCountries") == await hub.ask("/getCountries")
    path = f"/getnumbersstatus?country={INDIA}"
    assert await shop.ask(path) == await hub.ask(path) != []
    tested = await shop.server.cli("carrier", "test", "hub numbers")
    assert f"its balance is {FUNDS} sats" in str(tested)


async def _numbered(shop: Reached, hub: Reached, service: str) -> tuple[str, str]:
    """A paid order with its number, here and at the hub."""
    mine = await shop.order("/createorder", country=INDIA, service=service)
    shown = await shop.shows(mine, "number")
    theirs = shop.row(mine).reference
    there = await hub.status(theirs)
    assert (shown["number"], shown["country"]) == (there["number"], "India")
    assert (shown["service"], there["paid"]) == (there["service"], True)
    return mine, theirs


async def cancelled(shop: Reached, hub: Reached) -> None:
    mine, theirs = await _numbered(shop, hub, "vk")
    assert sats(hub) == (FUNDS - CODE, CODE, 0)
    early = await shop.ask(f"/cancelorder?orderId={mine}", status=409)
    assert early["reason"] == "too early to cancel"
    for each in (shop, hub):
        each.advance(3 * MINUTE)
    assert await shop.ask(f"/cancelorder?orderId={mine}") == {"status": "OK"}
    assert "error" in await hub.shows(theirs, "error")
    await shop.resolved(mine, Resolve.CANCEL)
    await hub.resolved(theirs, Resolve.CANCEL)
    assert hub.row(theirs).state == PurchaseState.CANCELLED
    assert sats(hub) == (FUNDS, 0, 0)


async def a_code_comes(shop: Reached, hub: Reached) -> None:
    mine, theirs = await _numbered(shop, hub, "tg")
    assert "code" not in await shop.status(mine)
    shop.server.kill()
    await shop.server.start()
    # Only the hub's time moves, so the code is nobody's invention here.
    hub.advance(DELAY)
    assert (await shop.shows(mine, "code"))["code"] == (await hub.shows(theirs, "code"))["code"]
    assert shop.row(mine).code == hub.row(theirs).code
    await shop.resolved(mine, Resolve.SETTLE)
    assert sats(hub) == (FUNDS - CODE, 0, CODE)


async def a_message_is_sent(shop: Reached, hub: Reached) -> None:
    mine = await shop.order("/createsendorder", phone="+905320000001", message="Merhaba dünya")
    await shop.shows(mine, "smsStatus", "delivered")
    await shop.resolved(mine, Resolve.SETTLE)
    await until(lambda: sats(hub)[1:] == (0, CODE + MESSAGE), 10, "it is paid for")

    # What cannot be sent costs nobody anything.
    mine = await shop.order("/createsendorder", phone="+905320009003", message="Merhaba")
    assert "error" in await shop.shows(mine, "smsStatus", "failed")
    await shop.resolved(mine, Resolve.CANCEL)
    await until(lambda: sats(hub)[1:] == (0, CODE + MESSAGE), 10, "it is given back")


async def the_account_runs_dry(shop: Reached, hub: Reached) -> None:
    while sats(hub)[0] >= CODE:
        await _numbered(shop, hub, "wa")
    mine = await shop.order("/createorder", country=INDIA, service="wa")
    found = await shop.shows(mine, "error")
    assert set(found) == {"status", "paid", "error"}
    assert shop.row(mine).state == PurchaseState.NO_NUMBER
    await shop.resolved(mine, Resolve.CANCEL)
