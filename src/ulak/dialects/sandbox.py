"""The sandbox's own door, `/ulak/v1/`: what a customer would do with a wallet, without one.

It pays invoices for nothing, so it stands open in a sandbox only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from ulak.core.errors import StoreUnavailable
from ulak.core.funding import CannotDo
from ulak.dialects.door import Books, Call, Reply, Route, Trouble
from ulak.service import memory_node
from ulak.service.guard import Guard, no_guard
from ulak.service.memory_node import Payment

PREFIX = "/ulak/v1/"
PAY = PREFIX + "lightning/pay"

BODY_MAX = 16 * 1024
"""Bytes of a request; an invoice has a few hundred."""

HashIn = Callable[[str], Awaitable[bytes]]
"""Reads the payment hash out of an invoice. Raises CannotDo when that is none."""


class _Order(msgspec.Struct):
    payreq: str


def _refused(status: int, why: str, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(status, msgspec.json.encode({"error": why}), headers=headers)


def _slowed(wait: int) -> Reply:
    return _refused(429, "too many wrong invoices", (b"retry-after", b"%d" % wait))


_NOT_FOUND = _refused(404, "not found")
_NO_METHOD = _refused(405, "method not allowed", (b"allow", b"POST"))
_UNREADABLE = _refused(400, 'the body must be JSON: {"payreq": "lnbcrt..."}')
_TOO_LARGE = _refused(413, "the body is too large")
_LATER = _refused(503, "try again", (b"retry-after", b"5"))

_TROUBLES = {
    Trouble.BODY_TOO_LARGE: _TOO_LARGE,
    Trouble.BODY_INCOMPLETE: _UNREADABLE,
    Trouble.OVERLOADED: _LATER,
    Trouble.CRASHED: _refused(500, "it broke here"),
}


class SandboxDoors:
    """Answers everything under `/ulak/v1/`."""

    def __init__(self, books: Books, hash_in: HashIn, guard: Guard | None = None) -> None:
        """`guard` slows those who guess invoices."""
        self._books = books
        self._hash_in = hash_in
        self._guard = guard or no_guard()

    routes = (Route("POST", PAY),)

    async def answer(self, call: Call) -> Reply:
        """Carry out a call: `POST lightning/pay` is the only one."""
        if call.path != PAY:
            return _NOT_FOUND
        if call.method != "POST":
            return _NO_METHOD
        if len(call.body) > BODY_MAX:
            return _TOO_LARGE
        try:
            payreq = msgspec.json.decode(call.body, type=_Order).payreq
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _UNREADABLE
        attempt = self._guard.attempt(call.address, f"invoice {payreq}")
        wait = self._guard.wait(attempt)
        if wait:
            return _slowed(wait)
        try:
            payment = await self._pay(payreq)
        except CannotDo as error:
            return _refused(400, str(error))
        except StoreUnavailable:
            return _LATER
        if payment is Payment.FOREIGN:
            wait = await self._guard.wrong(attempt)
            return _slowed(wait) if wait else _refused(404, payment.value)
        self._guard.right(attempt)
        if payment.is_paid:
            return Reply(200, msgspec.json.encode({"state": payment.value}))
        return _refused(409, payment.value)

    def trouble(self, call: Call, what: Trouble) -> Reply:
        """The answer to a call that could not be carried out."""
        del call
        return _TROUBLES[what]

    async def _pay(self, payreq: str) -> Payment:
        payment_hash = await self._hash_in(payreq)
        return await self._books.write(lambda tx: memory_node.pay(tx, payment_hash, payreq))
