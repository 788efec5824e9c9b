"""Requests to one sms4sats account: in their turn, no more than allowed, and again where that is safe."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from ulak.core.times import Clock
from ulak.dialects.sms4sats.connect.reading import Failure, Good, Order, read_answer, read_order, whole
from ulak.dialects.sms4sats.connect.settings import Upstream, check_settings
from ulak.outbound import Answer, Outbound, OutboundError

PAUSES = (0.5, 2.0)
"""Seconds between the tries of a look that had no answer, more or less; there is one try more than pauses."""

LIMITED_PAUSE = 5.0
LIMITED_PAUSE_MAX = 60.0
"""Seconds without requests after one too many, if the server does not say how many, and at most."""

ANSWER_MAX = 4 * 1024 * 1024
"""Bytes that are read of an answer."""

TOO_LATE = "it took too long"

_PASSING = (429, 502, 503, 504)
_KEY = (401, 403)
_LATER = (402, 404, 405, 408, 425, 429, 503, *_KEY)

FAULTS = ("unable to save data", "backend error")
"""The documented reasons that are the server's own: it could not do what it would have done."""

Sleep = Callable[[float], Awaitable[object]]
Rand = Callable[[], float]
Read = Callable[[int, bytes], Good | Failure]


class Said(NamedTuple):
    """An answer, and what it says. `wait`: the seconds after which it wants to be asked again."""

    status: int
    read: Good | Failure
    wait: float | None = None

    @property
    def good(self) -> Good | None:
        """The answer, if it says that it was done."""
        return self.read if isinstance(self.read, Good) else None

    @property
    def why(self) -> str:
        """What else it says."""
        return "the answer is not what was asked for" if isinstance(self.read, Good) else self.read.why

    @property
    def stated(self) -> bool:
        """Whether the server itself says no."""
        return isinstance(self.read, Failure) and self.read.stated


class Silence(NamedTuple):
    """No answer, and why. `sent`: the request may have arrived."""

    why: str
    sent: bool = False


class Refusal(NamedTuple):
    """Nothing was created, and nothing will be of this request."""

    status: int
    why: str


class Later(NamedTuple):
    """Nothing was created, for a reason that passes. `status` is 0 where there was no answer."""

    status: int
    why: str


class Lost(NamedTuple):
    """It may have been created, and nobody can tell."""

    why: str


Created = Order | Refusal | Later | Lost


class Line:
    """The way to one account. Of the clock only differences count. `outbound` is not closed here."""

    def __init__(self, to: Upstream, outbound: Outbound, clock: Clock, sleep: Sleep, rand: Rand) -> None:
        self._to = to
        self._outbound = outbound
        self._clock = clock
        self._sleep = sleep
        self._rand = rand
        self._turn = asyncio.Lock()
        self._next = clock()
        self.counts: Counter[str] = Counter()
        self._prefix = to.order_prefix or f"{int(rand() * 2**48):012x}"

    async def look(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        until: int | None = None,
        *,
        key: bool = False,
        once: bool = False,
        read: Read = read_answer,
    ) -> Said | Silence:
        """Ask for something, which changes nothing; so it is repeated, unless `once`. `key`: show the key."""
        url = f"{self._to.url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = self._headers(key)
        for pause in (*PAUSES, None):
            if not await self.wait_turn(until):
                return Silence(TOO_LATE)
            said = await self._exchange("GET", url, headers, b"", until, read)
            passing = isinstance(said, Silence) or said.status in _PASSING
            if once or pause is None or not passing:
                break
            seconds = pause * (0.5 + self._rand())
            if until is not None and self._clock() + seconds * 1000 >= until:
                break
            await self._sleep(seconds)
        return said

    async def wait_turn(self, until: int | None = None) -> bool:
        """Wait until a request may be sent, first come, first served; False if that is not in time."""
        if self._too_late(until):
            return False
        async with self._turn:
            while (wait := self._next - self._clock()) > 0 and not self._too_late(until):
                await self._sleep(wait / 1000)
            if self._too_late(until):
                return False
            self._next = self._clock() + (round(1000 / self._to.rate) if self._to.rate else 0)
            return True

    def _too_late(self, until: int | None) -> bool:
        """Whether no request may be sent before that time."""
        return until is not None and max(self._next, self._clock()) >= until

    async def create(self, path: str, body: Mapping[str, object], name: str, until: int | None) -> Created:
        """Buy something, once: a request whose turn has come. Its `name` is part of its Idempotency-Key."""
        headers = self._headers(True) | {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self._prefix}-{name}",
        }
        said = await self._exchange(
            "POST", self._to.url + path, headers, msgspec.json.encode(body), until, read_answer
        )
        return _created(said)

    async def _exchange(
        self, method: str, url: str, headers: dict[str, str], body: bytes, until: int | None, read: Read
    ) -> Said | Silence:
        left = self._to.timeout if until is None else (until - self._clock()) / 1000
        if left <= 0:
            return Silence(TOO_LATE)
        try:
            answer = await self._outbound.request(
                method,
                url,
                headers=headers,
                body=body or None,
                timeout=min(self._to.timeout, left),
                limit=ANSWER_MAX,
                guard=False,
            )
        except OutboundError as error:
            return Silence(str(error), error.sent)
        wait = self._asked_to_wait(answer)
        return Said(answer.status, read(answer.status, answer.body), wait)

    def _asked_to_wait(self, answer: Answer) -> float | None:
        """How long nothing may be asked any more, in seconds."""
        told = whole(answer.headers.get("retry-after"))
        if answer.status != 429 and told is None:
            return None
        seconds = min(LIMITED_PAUSE if told is None else float(told), LIMITED_PAUSE_MAX)
        if answer.status == 429:
            self.counts["throttled"] += 1
            self._next = max(self._next, self._clock() + round(seconds * 1000))
        return seconds

    def _headers(self, key: bool) -> dict[str, str]:
        own = {"Accept": "application/json"}
        return own | {"X-API-Key": self._to.apikey} if key else own


def _created(said: Said | Silence) -> Created:
    """What became of a request to create something, for certain."""
    if isinstance(said, Silence):
        return Lost(said.why) if said.sent else Later(0, said.why)
    if said.good is not None:
        return read_order(said.good.data) or Lost(said.why)
    if said.status in _LATER or 300 <= said.status < 400:
        return Later(said.status, said.why)
    if said.stated and (said.status >= 500 or said.why in FAULTS):
        return Later(said.status, said.why)
    if said.status >= 500 or (said.status < 300 and not said.stated):
        return Lost(said.why)
    return Refusal(said.status, said.why)


def read_balance(data: Any) -> int | None:
    """The sats in an account; None if they are not told."""
    return whole(data.get("balance")) if isinstance(data, dict) else None


async def probe(settings: Mapping[str, str], outbound: Outbound | None = None) -> str:
    """Ask for the balance, as `ulak carrier test` does; a sentence about the account.

    Raises:
        OSError: the server does not answer, or not to this key.
    """
    to = check_settings(settings)
    way = outbound or Outbound()
    loop = asyncio.get_running_loop()
    line = Line(to, way, lambda: round(loop.time() * 1000), asyncio.sleep, random.random)
    try:
        said = await line.look("/balance", key=True, once=True)
    finally:
        if outbound is None:
            await way.close()
    if isinstance(said, Silence):
        raise ConnectionError(said.why)
    if said.good is None:
        raise ConnectionError(f"the server says: {said.why}")
    return answers(read_balance(said.good.data))


def answers(balance: int | None) -> str:
    """A sentence about an account that answers."""
    return "the account answers" + ("" if balance is None else f"; its balance is {balance} sats")
