"""What the doors share: what they ask of the shop, who comes in how often, and how they say no."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol, TypeVar

from msgspec import UNSET

from ulak.core.accounts import Account
from ulak.core.errors import Refusal
from ulak.core.purchases import Denied, Purchase, Sold, Wish
from ulak.dialects.door import Books, Call, Reply
from ulak.dialects.sms4sats import forms, wire
from ulak.dialects.sms4sats.forms import Invalid
from ulak.dialects.sms4sats.jsonbody import Fields, TooLarge, Unreadable, object_in
from ulak.dialects.sms4sats.texts import Reason
from ulak.service.accounts import authenticate
from ulak.service.guard import Attempt, Guard

Result = TypeVar("Result")

DIALECT = "sms4sats"

CORS = (b"access-control-allow-origin", b"*")
"""Several clients are pages in a browser, from anywhere."""

_ONCE = re.compile(rb"[!-~]{1,255}")


class Shop(Protocol):
    """What the doors ask of the shop (`service.shop`)."""

    async def buy(self, wish: Wish, account_id: int | None, caller: str) -> Sold | Denied:
        """Accept a wish, or say why not."""

    async def cancel(self, public_id: str) -> Denied | None:
        """Cancel a purchase. None: it is cancelled, now or before."""

    async def stock(self, pool: int) -> Mapping[str, int]:
        """Numbers that are left in a pool, by service."""

    async def unlisted(self, service: str) -> bool:
        """Whether a service can be tried although nobody knows whether there is a number for it."""

    async def pools(self) -> frozenset[int]:
        """Where there are numbers for codes."""

    async def rentals(self, service: str) -> frozenset[int]:
        """Where there are numbers to be rented as a whole."""

    def preimage(self, purchase: Purchase) -> str:
        """The preimage of a purchase, hexadecimal; empty where we have none."""


class Refused(Exception):
    """A call that is answered with an error. `wait`: seconds after which it may be asked again."""

    def __init__(self, reason: Reason, wait: int = 0) -> None:
        super().__init__(reason.text)
        self.reason = reason
        self.wait = wait


REFUSALS = {
    Refusal.UNAUTHENTICATED: Reason.UNAUTHENTICATED,
    Refusal.NO_NUMBERS: Reason.NO_NUMBERS,
    Refusal.NO_CREDIT: Reason.NO_CREDIT,
    Refusal.NO_RECIPIENT: Reason.BAD_PHONE,
    Refusal.TOO_FAST: Reason.TOO_MANY,
    Refusal.FUNDING_DOWN: Reason.BACKEND,
    Refusal.IN_PROGRESS: Reason.IN_PROGRESS,
    Refusal.KEY_REUSED: Reason.KEY_REUSED,
    Refusal.NOT_FOUND: Reason.NOT_FOUND,
    Refusal.TOO_EARLY: Reason.TOO_EARLY,
    Refusal.COMPLETED: Reason.COMPLETED,
    Refusal.FINAL: Reason.FINAL,
}
"""What the shop does not do, in the words of this dialect."""


class Voice:
    """How answers are given. `errors_as_500`: every error has the one status that is documented."""

    def __init__(self, errors_as_500: bool) -> None:
        self._errors_as_500 = errors_as_500
        self.refusal = cache(self._refusal)

    def _refusal(self, reason: Reason, wait: int = 0, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
        """An error. Most are always the same, so they are made once."""
        status = 500 if self._errors_as_500 else reason.status
        shown = wait if reason is Reason.TOO_EARLY else UNSET
        later = ((b"retry-after", b"%d" % wait),) if wait else ()
        body = wire.encode(wire.Failure("error", reason.text, shown))
        return Reply(status, body, headers=(CORS, *later, *headers))


def answered(answer: Any) -> Reply:
    """An answer with data."""
    return Reply(200, wire.encode(answer), headers=_CORS_ONLY)


_CORS_ONLY = (CORS,)


def key_of(call: Call) -> str:
    """The header X-API-Key, empty if there is none."""
    return _header(call, b"x-api-key").decode("latin-1")


def once_of(call: Call) -> str | None:
    """The header Idempotency-Key: 1 to 255 visible ASCII characters; None if there is none, or an empty one.

    Raises:
        Refused: it is something else.
    """
    value = _header(call, b"idempotency-key")
    if not value:
        return None
    if _ONCE.fullmatch(value) is None:
        raise Refused(Reason.UNREADABLE)
    return value.decode("ascii")


def _header(call: Call, wanted: bytes) -> bytes:
    return next((value.strip() for name, value in call.headers if name == wanted), b"")


def body_of(call: Call) -> Fields:
    """The object in the body.

    Raises:
        Refused: there is none.
    """
    try:
        return object_in(call.body)
    except Unreadable:
        raise Refused(Reason.UNREADABLE) from None
    except TooLarge:
        raise Refused(Reason.TOO_LARGE) from None


def is_account(tx: Any, call: Call) -> Account | None:
    """The account whose key the caller has."""
    key = key_of(call)
    return authenticate(tx, DIALECT, key, "", call.address) if key else None


class Gate:
    """Lets in who knows a key, or an id, and slows those who guess."""

    def __init__(self, books: Books, guard: Guard) -> None:
        self._books = books
        self._guard = guard

    async def account(self, call: Call, *, required: bool) -> Account | None:
        """The account that a caller acts for, if he has a key. An unknown one counts only where one is
        required.

        Raises:
            Refused: one is, and nobody has this key.
        """
        if required:
            return await self.keyed(call, lambda tx: is_account(tx, call))
        return await self._books.read(lambda tx: is_account(tx, call)) if key_of(call) else None

    async def keyed(self, call: Call, question: Callable[[Any], Result | None]) -> Result:
        """What the store says to somebody with a key.

        Raises:
            Refused: that is nothing, because nobody has this key.
        """
        key = key_of(call)
        if not key:
            raise Refused(Reason.UNAUTHENTICATED)
        attempt = self.attempt(call, f"key {key}")
        found = await self._books.read(question)
        if found is None:
            await self.wrong(attempt)
            raise Refused(Reason.UNAUTHENTICATED)
        self.right(attempt)
        return found

    def attempt(self, call: Call, secret: str) -> Attempt:
        """Something that the caller may have guessed.

        Raises:
            Refused: it is not looked at, because of what was wrong before.
        """
        attempt = self._guard.attempt(call.address, secret)
        wait = self._guard.wait(attempt)
        if wait:
            raise Refused(Reason.TOO_MANY, wait)
        return attempt

    def right(self, attempt: Attempt) -> None:
        """It was right."""
        self._guard.right(attempt)

    def bought(self, call: Call, secret: str) -> None:
        """The caller was told a secret, and need not guess it."""
        self._guard.right(self._guard.attempt(call.address, secret))

    async def wrong(self, attempt: Attempt) -> None:
        """It was wrong.

        Raises:
            Refused: it was so too often.
        """
        wait = await self._guard.wrong(attempt)
        if wait:
            raise Refused(Reason.TOO_MANY, wait)


async def service_in(shop: Shop, value: str | None, pool: int, *, rental: bool = False) -> str:
    """The code of a service that we, or one of the sources, know.

    Raises:
        Invalid: nobody knows it.
    """
    code, listed = forms.service_of(value, rental=rental)
    if listed or await _is_sold(shop, code, pool):
        return code
    raise Invalid(Reason.BAD_SERVICE)


async def _is_sold(shop: Shop, code: str, pool: int) -> bool:
    return code in await shop.stock(pool) or await shop.unlisted(code)
