"""Requests to one iletiMerkezi account: in their turn, and no more recipients a second than allowed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from ulak.core.times import Clock, to_local_text
from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.connect.reading import (
    Answered,
    Balance,
    OrderList,
    Page,
    read_answer,
    read_balance,
    read_order_id,
    read_orders,
    read_page,
    whole,
)
from ulak.dialects.iletimerkezi.connect.requests import RECIPIENTS_MAX, Request, written
from ulak.dialects.iletimerkezi.connect.settings import PREFIX, Upstream, check_settings
from ulak.outbound import Outbound, OutboundError, TooLarge

ANSWER_MAX = 4 * 1024 * 1024
"""Bytes that are read of an answer."""

ROWS = 1000
"""Messages on a page of a report, which is the most there may be."""

GAP = 50
"""Milliseconds between two questions. How many are allowed is not documented."""

PAUSE, PAUSE_MIN, PAUSE_MAX = 5.0, 1.0, 300.0
"""Seconds without requests where the server wants some: if it does not say how many, at least, at most."""

Sleep = Callable[[float], Awaitable[object]]
Rand = Callable[[], float]


class Taken(NamedTuple):
    """The server has made an order of it."""

    order: str


class Repeated(NamedTuple):
    """Nothing was made of it: the same has been ordered within the last ten minutes."""

    why: str


class Refusal(NamedTuple):
    """Nothing was made of it, and nothing will be. `some`: the reason may be a part of it only."""

    why: str
    some: bool


class Later(NamedTuple):
    """Nothing was made of it, for a reason that passes: `code` is 0 where there was no answer."""

    code: int
    why: str


class Lost(NamedTuple):
    """The server may have made an order of it. `fault`: it says itself that it failed."""

    why: str
    fault: bool = False


Made = Taken | Repeated | Refusal | Later | Lost


class Silence(NamedTuple):
    """No answer, and why. `sent`: the request may have arrived."""

    why: str
    sent: bool


_TOO_LARGE = 413
_LIMITED = 429
_OF_A_PART = (400, _TOO_LARGE, 422, Code.BAD_RECIPIENTS, Code.TOO_LARGE, Code.TEXT_EMPTY)
_LATER = (401, Code.NO_CREDIT, 403, 404, 408, 425, _LIMITED, 503)


class _Pause:
    """What has to pass before something. It becomes no longer where the clock is set back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = clock()
        self._span = 0

    def left(self) -> int:
        """How much is left of it, ms; less than 1 if it is over."""
        self._until = min(self._until, self._clock() + self._span)
        return self._until - self._clock()

    def at_least(self, span: int) -> None:
        """So long from now, if it is not longer already."""
        self._set(max(self.left(), span))

    def more(self, span: int) -> None:
        """So much longer."""
        self._set(max(self.left(), 0) + span)

    def _set(self, span: int) -> None:
        self._span = span
        self._until = self._clock() + span


class Line:
    """The way to one account. Of the clock the days and the differences count. `outbound` is not closed
    here."""

    def __init__(self, to: Upstream, outbound: Outbound, clock: Clock, sleep: Sleep, rand: Rand) -> None:
        self._to = to
        self._who = wire.Authentication(to.key, to.hash)
        self._outbound = outbound
        self._clock = clock
        self._sleep = sleep
        self._rand = rand
        self._asking = asyncio.Lock()
        self._pause = _Pause(clock)
        self._sending = _Pause(clock)
        self.counts: Counter[str] = Counter()

    @property
    def most(self) -> int:
        """Recipients of a request: at most those of one second."""
        return min(RECIPIENTS_MAX, max(1, int(self._to.rate))) if self._to.rate else RECIPIENTS_MAX

    async def wait_for_sending(self) -> None:
        """Wait until recipients may be sent to again."""
        while (wait := max(self._pause.left(), self._sending.left())) > 0:
            await self._sleep(wait / 1000)

    def spend(self, recipients: int) -> None:
        """So many are being sent to: the time that they take passes before the next."""
        if self._to.rate:
            self._sending.more(round(1000 * recipients / self._to.rate))

    async def send(self, request: Request) -> Made:
        """Order something, once."""
        said = await self._exchange("send-sms", written(request, self._to, self._who))
        return _made(said)

    async def balance(self) -> Answered | Silence:
        """Ask for what is left."""
        return await self._ask("get-balance", wire.GetAccount(self._who))

    async def report(self, order: str, page: int) -> Answered | Silence:
        """Ask for a page of an order."""
        asked = wire.OrderPage(order, str(page), str(ROWS))
        return await self._ask("get-report", wire.GetReport(self._who, asked))

    async def orders(self, since: int, until: int, page: int) -> Answered | Silence:
        """Ask for a page of the orders of some days: those of these two moments, and between."""
        days = wire.Filter(to_local_text(since)[:10], to_local_text(until)[:10], page)
        return await self._ask("get-reports", wire.GetReports(self._who, days))

    async def _ask(
        self, operation: str, request: wire.GetAccount | wire.GetReport | wire.GetReports
    ) -> Answered | Silence:
        """Ask something that changes nothing, in turn."""
        async with self._asking:
            while (wait := self._pause.left()) > 0:
                await self._sleep(wait / 1000)
            self._pause.at_least(GAP)
        return await self._exchange(operation, wire.dump_request(request))

    async def _exchange(self, operation: str, body: bytes) -> Answered | Silence:
        try:
            answer = await self._outbound.request(
                "POST",
                f"{self._to.url}{PREFIX}/{operation}/json",
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                body=body,
                timeout=self._to.timeout,
                limit=ANSWER_MAX,
                guard=False,
            )
        except TooLarge as error:
            return Silence(str(error), sent=True)
        except OutboundError as error:
            return Silence(str(error), error.sent)
        said = read_answer(answer.status, answer.body)
        if said.code in (_LIMITED, Code.UNAVAILABLE):
            self.counts["throttled"] += 1
            told = whole(answer.headers.get("retry-after"))
            usual = PAUSE * (0.8 + 0.4 * self._rand())
            seconds = usual if told is None else min(max(float(told), PAUSE_MIN), PAUSE_MAX)
            self._pause.at_least(round(seconds * 1000))
        return said


def _made(said: Answered | Silence) -> Made:
    """What became of a request to send, for certain."""
    if isinstance(said, Silence):
        return Lost(said.why) if said.sent else Later(0, said.why)
    if said.code == Code.OK:
        order = read_order_id(said.payload) if said.stated else None
        return Lost("the answer names no order") if order is None else Taken(order)
    why = f"{said.code} {said.why}"
    if said.code == Code.REPEATED and said.stated:
        return Repeated(why)
    if said.code in _LATER:
        return Later(said.code, why)
    if said.code == _TOO_LARGE or (said.stated and 400 <= said.code < 500):
        return Refusal(why, said.code in _OF_A_PART)
    if 300 <= said.code < 500:
        return Later(said.code, why)  # Something answers, and it is not the API.
    return Lost(why, said.stated)


def good_balance(said: Answered | Silence) -> Balance | None:
    """What is left, if the account answers."""
    return read_balance(said.payload) if isinstance(said, Answered) and _good(said) else None


def good_orders(said: Answered | Silence) -> OrderList | None:
    """The orders, if the server says them."""
    return read_orders(said.payload) if isinstance(said, Answered) and _good(said) else None


def good_page(said: Answered | Silence) -> Page | None:
    """The page, if the server says it."""
    return read_page(said.payload) if isinstance(said, Answered) and _good(said) else None


def _good(said: Answered) -> bool:
    return said.stated and said.code == Code.OK


def why_not(said: Answered | Silence) -> str:
    """Why there is no good answer."""
    return f"{said.code} {said.why}" if isinstance(said, Answered) else said.why


def answers(balance: Balance) -> str:
    """A sentence about an account that answers."""
    left = [
        *([f"{balance.sms} SMS"] if balance.sms is not None else []),
        *([f"{balance.amount} TRY"] if balance.amount is not None else []),
    ]
    return "the account answers" + (f"; its balance is {' or '.join(left)}" if left else "")


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
        said = await line.balance()
    finally:
        if outbound is None:
            await way.close()
    balance = good_balance(said)
    if balance is None:
        if isinstance(said, Silence):
            raise ConnectionError(said.why)
        raise ConnectionError(f"the server says: {why_not(said)}")
    return answers(balance)
