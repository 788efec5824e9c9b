"""Parcels through sockets: a customer's program, what it sends, and a carrier that a test holds back."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from tests.chain.rig import Answer, Http, Server, until
from tests.dialects.comtohome_client.upstream import Asked, Held, Scripted, good, labels

from ulak.core.ledger import TRY
from ulak.service import accounts, carriers, credits
from ulak.store.engine import Tx
from ulak.store.vault import Vault
from ulak.wiring import CARRIER_KINDS

CREDIT = 1_000_000
"""Kuruş."""

PRICE = 12_096
"""What the simulator's parcel of `order` costs, in kuruş: the one of the vendor's documents."""

BASE = "/api/v1"

PARTY = {
    "name": "Kuzey Depo",
    "country": "TR",
    "state": "İzmir",
    "city": "Bornova",
    "postal_code": "35040",
    "address": "Liman Cd. 4",
    "phone_number": "+90 232 000 00 00",
}
BOX = {
    "package_type": 1,
    "post_type": 4,
    "quantity": 1,
    "weight": 5.4,
    "length": 15,
    "width": 15,
    "height": 15,
    "items": [{"description": "Kupa", "currency_code": "TRY", "quantity": 2, "unit_price": 150.5}],
}


def order(**over: Any) -> dict[str, Any]:
    """A request to send one box to Adana."""
    fields = {
        "preference": 1,
        "reference_no": "SO-1001",
        "consignor": PARTY,
        "consignee": PARTY | {"name": "Ece Su", "state": "Adana", "city": "Seyhan"},
        "packages": [BOX],
    }
    return fields | over


def account(server: Server, name: str, kurus: int = CREDIT) -> str:
    """A new account, with money unless it is to have none; its key."""

    def create(tx: Tx) -> str:
        made = accounts.create(tx, name)
        if kurus:
            credits.grant(tx, name, kurus, TRY)
        return made.comtohome_key

    key: str = server.write(create)
    return key


def further_key(server: Server, name: str) -> str:
    """Another key of an account."""
    key: str = server.write(lambda tx: accounts.issue_apikey(tx, accounts.named(tx, name).id))
    return key


def add_carrier(server: Server, name: str, kind: str, **words: str) -> None:
    """A configured carrier."""
    vault = Vault(server.database.directory)
    server.write(lambda tx: carriers.add(tx, name, kind, words, CARRIER_KINDS[kind].check, vault))


def kurus(lira: Any) -> int:
    """An amount as an answer or a command shows it."""
    return int(Decimal(str(lira)) * 100)


async def balance(server: Server, name: str) -> dict[str, int]:
    """What an operator sees of an account's money, in kuruş: available, held, spent."""
    shown = (await server.cli("account", "show", name))["balances"][TRY]
    return {what: kurus(amount) for what, amount in shown.items()}


class Shop:
    """A program written for ComToHome, with one connection."""

    def __init__(self, server: Server, key: str) -> None:
        self.http = Http(server.port)
        self._key = key
        server.closes(self.http)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """An answer as it comes. A body of bytes is sent as it is."""
        own = {"APIKEY": self._key, "Accept-Language": "en", "Content-Type": "application/json"}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await self.http.ask(method, BASE + path, content, {**own, **headers})

    async def data(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """What was asked for; with another status what is said instead."""
        answer = await self.ask(method, path, body)
        assert answer.status == status, (path, answer.status, answer.body)
        return answer.json["data"] if status == 200 else answer.json["errors"]

    async def post(self, key: str, **over: Any) -> Answer:
        """Ask for a consignment of one box, once for this key."""
        return await self.ask("POST", "/consignments", order(**over), {"X-Idempotency-Key": key})

    async def create(self, **over: Any) -> dict[str, Any]:
        """A consignment of one box, booked."""
        made: dict[str, Any] = await self.data("POST", "/consignments", order(**over))
        return made

    async def find(self, reference: str) -> dict[str, Any]:
        """The consignment that we call so."""
        found: dict[str, Any] = await self.data("GET", f"/consignments/find/reference_no/{reference}")
        return found

    async def reaches(self, reference: str, status: int) -> None:
        """Wait until the consignment that we call so has this status, and do not ask too often."""

        async def there() -> bool:
            return bool((await self.find(reference))["status"] == status)

        await until(there, 20, f"{reference} has status {status}", pause=0.1)

    async def every(self) -> list[dict[str, Any]]:
        """All rows of the list."""
        rows: list[dict[str, Any]] = []
        while True:
            answer = await self.ask("GET", f"/consignments?limit=100&page={len(rows) // 100 + 1}")
            assert answer.status == 200, answer.body
            rows += answer.json["data"]
            if len(rows) >= answer.json["meta"]["total"]:
                return rows


class Upstream:
    """A ComToHome server that books whatever comes, once for each key, and keeps its answers back."""

    def __init__(self, delay: tuple[float, float] = (0.0, 0.0), seed: int = 0) -> None:
        """`delay` is between how many seconds an answer takes."""
        self.server = Scripted()
        self.bookings: dict[str, list[Asked]] = {}
        self.cancelled: list[str] = []
        self._delay = delay
        self._random = random.Random(seed)
        self._free = asyncio.Event()
        self._free.set()

    async def start(self) -> str:
        """Begin to answer; where."""
        self.server.on("POST", "/consignments", self._book)
        await self.server.start()
        return self.server.url

    async def close(self) -> None:
        """Hang up."""
        self._free.set()
        await self.server.close()

    def hold(self) -> None:
        """Book, and tell nobody."""
        self._free.clear()

    def release(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self._free.set()

    def code(self, key: str) -> str:
        """The tracking code that was given to a key."""
        return f"RR{list(self.bookings).index(key):09}TR"

    def _book(self, asked: Asked) -> Held:
        key = asked.headers["x-idempotency-key"]
        self.bookings.setdefault(key, []).append(asked)
        code = self.code(key)
        number = 70_000 + list(self.bookings).index(key)
        self.server.on("POST", f"/consignments/{number}/cancel", self._cancel)
        answer = {"consignment": number, "providerTrackingCode": code, "labels": labels(code)}
        return Held(good(answer), self._wait)

    def _cancel(self, asked: Asked) -> Held:
        self.cancelled.append(asked.path)
        return Held(good({"consignment": int(asked.path.split("/")[-2])}), self._wait)

    async def _wait(self) -> None:
        await asyncio.sleep(self._random.uniform(*self._delay))
        await self._free.wait()
