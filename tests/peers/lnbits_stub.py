"""LNbits as far as plain invoices go: answers and failures as version 1.6.2 gave them.

Two wallets: the one under test, and a payer who is only a method. Amounts are told in thousandths of a sat.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import web
from tests.peers.nwc_wallet import invoice_text

INVOICE_KEY = "1" * 32


@dataclass
class Payment:
    """A row of the wallet: `msat` is negative for what it paid."""

    payreq: str
    msat: int
    status: str = "pending"

    def told(self) -> dict[str, object]:
        return {"amount": self.msat, "fee": 0, "bolt11": self.payreq, "status": self.status, "memo": "x"}


@dataclass
class LnbitsStub:
    """A server with one wallet; an asynchronous context manager.

    `spoil` replaces the invoice that would be given. `fails` is a status with which everything is answered.
    `asked` holds method and path of each request.
    """

    spoil: str | None = None
    fails: int = 0
    rows: dict[str, Payment] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> LnbitsStub:
        @web.middleware
        async def counted(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._count(request, handler)

        app = web.Application(middlewares=[counted])
        app.router.add_get("/api/v1/wallet", self._wallet)
        app.router.add_post("/api/v1/payments", self._post)
        app.router.add_get("/api/v1/payments/{hash}", self._payment)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def receive(self, payment_hash: bytes) -> None:
        """Somebody pays an invoice of the wallet."""
        self.rows[payment_hash.hex()].status = "success"

    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if self.fails:
            return web.Response(status=self.fails, text="<html>no</html>")
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            return web.json_response({"detail": "Not Found"}, status=404)
        return answer

    async def _wallet(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Api-Key") != INVOICE_KEY:
            return web.json_response({"detail": "Wallet not found."}, status=404)
        return web.json_response({"name": "merchant", "balance": 0})

    async def _post(self, request: web.Request) -> web.Response:
        key, asked = request.headers.get("X-Api-Key"), await request.json()
        if key != INVOICE_KEY:
            return web.json_response({"detail": "Wallet not found."}, status=404)
        if asked["out"]:
            return web.json_response({"detail": "no"}, status=403)
        if asked["amount"] <= 0:
            return web.json_response({"detail": "Amountless invoices not supported."}, status=520)
        payment_hash = hashlib.sha256(secrets.token_bytes(32)).digest()
        msat, expiry = asked["amount"] * 1000, asked["expiry"]
        payreq = self.spoil or invoice_text(payment_hash, msat, expiry, asked["memo"])
        self.rows[payment_hash.hex()] = row = Payment(payreq, msat)
        return web.json_response(row.told() | {"payment_hash": payment_hash.hex()}, status=201)

    async def _payment(self, request: web.Request) -> web.Response:
        row = self.rows.get(request.match_info["hash"])
        if row is None:
            return web.json_response({"detail": "Payment does not exist."}, status=404)
        paid = row.status == "success"
        said: dict[str, object] = {"paid": paid, "preimage": "00" * 32 if paid else None}
        if request.headers.get("X-Api-Key") == INVOICE_KEY:
            said["details"] = row.told()
            if not paid:
                said["status"] = row.status
        return web.json_response(said)

    def age(self, payment_hash: bytes, seconds: int, expiry: int) -> None:
        """Make an invoice one that was made some time ago."""
        row = self.rows[payment_hash.hex()]
        made = int(time.time()) - seconds
        row.payreq = invoice_text(payment_hash, row.msat, expiry, made=made)
