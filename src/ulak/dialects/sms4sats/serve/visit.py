"""What the doors share: what they ask of the shop, who comes in how often, and how they say no."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Protocol

from msgspec import UNSET

from ulak.core.accounts import Account
from ulak.core.errors import Refusal
from ulak.core.purchases import Denied, Purchase, Sold, Wish
from ulak.core.times import Clock
from ulak.dialects.door import Books, Call, Reply
from ulak.dialects.sms4sats import forms, wire
from ulak.dialects.sms4sats.forms import Invalid
from ulak.dialects.sms4sats.jsonbody import Fields, TooLarge, Unreadable, object_in
from ulak.dialects.sms4sats.texts import Reason
from ulak.service.accounts import authenticate

DIALECT = "sms4sats"

CORS = (b"access-control-allow-origin", b"*")
"""Several clients are pages in a browser, from anywhere."""

_ONCE = re.compile(rb"[!-~]{1,255}")

GUESSES_FREE = 20
"""Ids that nobody has, which an address may ask for in any minute before it is answered more slowly."""

GUESSES_SPAN = 60_000
GUESS_COSTS = 0.1
"""Seconds by which each further one delays what this address is answered, about any order."""

DELAY_MAX = 5.0
_GUESSERS_MAX = 10_000
_GUESSES_KEPT = GUESSES_FREE + round(DELAY_MAX / GUESS_COSTS)

Pause = Callable[[float], Awaitable[None]]


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


async def account_of(books: Books, call: Call, *, required: bool) -> Account | None:
    """The account that a caller acts for, if he has a key. An unknown one counts only where one is required.

    Raises:
        Refused: one is, and nobody has this key.
    """
    account = await books.read(lambda tx: is_account(tx, call)) if key_of(call) else None
    if account is None and required:
        raise Refused(Reason.UNAUTHENTICATED)
    return account


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


class Guesses:
    """Who asks for orders that nobody has, and how long he waits for it.

    An order's id is all it takes to see it, so guessing is slowed; and it is slowed alike for ids that
    somebody has, so that the delay tells nothing about the one that was asked for.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # What was found is noted as well, so that it takes the same time.
        self._asked: tuple[_Times, _Times] = (OrderedDict(), OrderedDict())

    def delay(self, address: str) -> float:
        """Seconds that this address waits for its answer."""
        missed = self._asked[True].get(address)
        if missed is None or len(missed) <= GUESSES_FREE:
            return 0.0
        since = self._clock() - GUESSES_SPAN
        count = sum(1 for at in missed if at > since)
        return min(max(0, count - GUESSES_FREE) * GUESS_COSTS, DELAY_MAX)

    def note(self, address: str, missed: bool) -> None:
        """Remember whether what an address asked for was missing."""
        asked = self._asked[missed]
        times = asked.get(address)
        if times is None:
            times = asked[address] = deque(maxlen=_GUESSES_KEPT)
            if len(asked) > _GUESSERS_MAX:
                asked.popitem(last=False)
        times.append(self._clock())


_Times = OrderedDict[str, deque[int]]
