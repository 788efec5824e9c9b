"""Numbers through sockets: programs written for sms4sats, and a server whose options a test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from tests.chain.rig import HOST, Answer, Http, Server, until

from ulak.core.funding import InvoiceState
from ulak.core.ledger import SAT
from ulak.core.states import PurchaseState
from ulak.funding import invoices
from ulak.service import accounts, audit, carriers, credits, memory_node, sandbox
from ulak.service.memory_node import Payment
from ulak.store import memory_invoices, settings
from ulak.store.engine import Database, Tx
from ulak.store.memory_invoices import MemoryInvoice
from ulak.store.vault import Vault
from ulak.wiring import CARRIER_KINDS

RECEIVE, SEND, RENT = 1500, 3000, 15000
"""What a code, a message and a rental cost where nothing else was set, in sats."""

NO_NUMBER = (
    "No available number, payment request is canceled. Your funds are returned to your wallet automatically."
)
"""What the vendor's page says of an order without a number, word for word."""

UNPAID = {"status": "OK", "paid": False}
NONE_LEFT = {"status": "OK", "paid": True, "error": NO_NUMBER}

LOOK = 0.1
"""Seconds between two looks at an order; an address may ask twenty times in one."""

SECOND = 1_000
MINUTE = 60 * SECOND

_addresses = count(1)


class NumberServer(Server):
    """A server with these options, in data whose clock can be moved. It believes customers' addresses."""

    def __init__(self, database: Database, **options: str) -> None:
        super().__init__(database.directory, database.url)
        self._file = database.directory / "ulak.toml"
        chosen = {"trusted_proxy": HOST, "callback_allow": HOST} | options
        self._file.write_text("".join(f"{name} = {json.dumps(text)}\n" for name, text in chosen.items()))

    def _place(self) -> list[str]:
        return [*super()._place(), "--config", str(self._file)]

    def sandbox(self) -> None:
        """Let the clock be moved."""
        self.write(lambda tx: settings.put(tx, settings.SANDBOX, "on"))

    def source(self, name: str = "numbers", kind: str = "simulator", **words: str) -> None:
        """A carrier beside the server, of numbers if nothing else is said."""
        words = words or {"carries": "numbers"}
        vault = Vault(self.database.directory)
        self.write(lambda tx: carriers.add(tx, name, kind, words, CARRIER_KINDS[kind].check, vault))

    def key(self, name: str, sats: int = 0) -> str:
        """A new account with so many sats; its key."""

        def create(tx: Tx) -> str:
            made = accounts.create(tx, name)
            if sats:
                credits.grant(tx, name, sats, SAT)
            return made.sms4sats_key

        key: str = self.write(create)
        return key

    def advance(self, ms: int) -> None:
        """Put the clock forward."""
        self.write(lambda tx: sandbox.advance(tx, ms))

    def pay(self, payreq: str) -> Payment:
        """Pay an invoice of the memory backend beside the server, as `ulak lightning pay` does."""
        payment_hash = invoices.read(payreq).payment_hash
        payment: Payment = self.write(lambda tx: memory_node.pay(tx, payment_hash, payreq))
        return payment

    def invoice(self, order: Order) -> InvoiceState:
        """Where the invoice of an order stands at the memory backend."""
        name = order.hash.hex()
        found: MemoryInvoice | None = self.read(lambda tx: memory_invoices.find(tx, name))
        assert found is not None
        return found.state

    def findings(self) -> list[str]:
        """What is not as it must be."""
        found: list[str] = self.read(audit.check)
        return found

    def state(self, order: Order) -> PurchaseState:
        """Where an order stands in the data."""
        [(state,)] = self.sql(f"SELECT state FROM purchase WHERE public_id = '{order.id}'")
        return PurchaseState(state)


@dataclass(frozen=True)
class Order:
    """What its customer knows of an order. `payreq` is an invoice, or `paid`."""

    id: str
    payreq: str

    @property
    def hash(self) -> bytes:
        """The payment hash of its invoice."""
        return invoices.read(self.payreq).payment_hash


class Buyer:
    """A program with one connection and an address of its own."""

    def __init__(self, server: Server, key: str = "") -> None:
        self.http = Http(server.port)
        place = next(_addresses)
        self._headers = {"X-Forwarded-For": f"10.0.{place >> 8}.{place & 255}"}
        if key:
            self._headers["X-API-Key"] = key

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        """An answer as it comes. A body of bytes is sent as it is."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await self.http.ask(method, path, content, {**self._headers, **headers})

    async def get(self, path: str, code: int = 200, **query: Any) -> Any:
        """What is answered with this status."""
        answer = await self.ask("GET", f"{path}?{urlencode(query)}")
        assert answer.status == code, (path, answer.status, answer.body)
        return answer.json

    async def post(self, path: str, code: int = 200, **fields: Any) -> Any:
        """The same with a body."""
        answer = await self.ask("POST", path, fields)
        assert answer.status == code, (path, answer.status, answer.body)
        return answer.json

    async def order(self, service: str = "tg", **fields: Any) -> Order:
        """An order for a number."""
        return _order(await self.post("/createorder", **{"country": "Germany", "service": service} | fields))

    async def message(self, phone: str, **fields: Any) -> Order:
        """An order to send an SMS."""
        return _order(await self.post("/createsendorder", **{"phone": phone, "message": "Merhaba"} | fields))

    async def fund(self, amount: int) -> Order:
        """An order for credit."""
        return _order(await self.post("/fund", amount=amount))

    async def status(self, order: Order) -> Any:
        """An order as it is shown."""
        return await self.get("/orderstatus", orderId=order.id)

    async def cancel(self, order: Order, code: int = 200) -> Any:
        """Cancel an order."""
        return await self.get("/cancelorder", code, orderId=order.id)

    async def sees(self, order: Order, seconds: float = 40.0, **wanted: Any) -> Any:
        """An order once it has these fields; `...` is any value, a tuple one of several."""
        shown: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal shown
            shown = await self.status(order)
            return all(name in shown and _fits(shown[name], value) for name, value in wanted.items())

        await until(there, seconds, f"the order shows {wanted}, not {shown}", pause=LOOK)
        return shown

    async def balance(self) -> int:
        """The sats that can be spent."""
        found: int = (await self.get("/balance"))["balance"]
        return found

    async def close(self) -> None:
        """Hang up."""
        await self.http.close()


def _fits(found: Any, wanted: Any) -> bool:
    return wanted is ... or found == wanted or (isinstance(wanted, tuple) and found in wanted)


def _order(made: Any) -> Order:
    assert made["status"] == "OK"
    return Order(made["orderId"], made["payreq"])
