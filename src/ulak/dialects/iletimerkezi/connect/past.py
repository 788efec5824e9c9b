"""What an account at iletiMerkezi, or at another Ulak, has sent: get-reports by days, get-report by orders.

One request at a time. These requests change nothing, so they are made again when the service is busy (503,
429) or cannot be reached, after longer and longer pauses; an answer that says no is never asked for twice.

A window is ten calendar days. The service documents ten days between start and end, and shows windows of ten
days each, so a difference of nine is within every reading of that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from ulak.core.carrier_words import address
from ulak.core.errors import UlakError
from ulak.core.history import PAGE_ROWS, PastOrder, PastPage
from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.connect.past_reading import (
    Unreadable,
    code_of,
    orders_in,
    read,
    report_in,
    whole,
)
from ulak.dialects.iletimerkezi.connect.settings import PREFIX, URL
from ulak.outbound import Blocked, Outbound, OutboundError, TooLarge

PAUSES = (1.0, 4.0, 15.0, 60.0, 120.0)
"""Seconds before a request is made again; there is one try more than pauses."""

PAUSE_MAX = 600.0
"""Seconds that the service may ask us to wait, at most."""

TIMEOUT = 30.0
ANSWER_MAX = 4 * 1024 * 1024
"""Bytes of an answer: a page of a thousand messages has about fifty thousand."""

_BUSY = (429, Code.UNAVAILABLE)
_ONLY_LISTED = (Code.NO_SUCH_ORDER, Code.NOT_DUE)

Wait = Callable[[float, str], Awaitable[object]]
"""Waits for some seconds, for a reason: a sentence for people, in which no secret stands."""


@dataclass(frozen=True, slots=True)
class Login:
    """An account. `url` is where its service is, without a slash at the end."""

    url: str
    key: str = field(repr=False)
    hash: str = field(repr=False)


def login(url: str | None, key: str, secret: str) -> Login:
    """The account that was named on a command line.

    Raises:
        ValueError: a part of it cannot be. A sentence for people, in which no secret stands.
    """
    for name, value in (("key", key), ("hash", secret)):
        if not value or len(value) > 255 or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError(f"the {name} must be 1 to 255 plain characters without blanks")
    return Login(address(url or URL, URL).removesuffix(PREFIX).rstrip("/"), key, secret)


class IletimerkeziPast:
    """The past of one account. `outbound` is not closed here."""

    name = "iletimerkezi"
    window = 10
    underway = int(Code.ORDER_UNDERWAY)

    def __init__(self, to: Login, outbound: Outbound, wait: Wait) -> None:
        self._to = to
        self._outbound = outbound
        self._wait = wait
        self._who = wire.Authentication(to.key, to.hash)

    async def orders(self, first: date, last: date) -> AsyncIterator[PastOrder]:
        """The orders submitted from the first day to the last, each once, page after page until one is empty.

        Raises:
            UlakError: the service does not answer, or says no.
        """
        seen: set[int] = set()
        before: list[PastOrder] = []
        page = 1
        while True:
            days = wire.Filter(first.isoformat(), last.isoformat(), page)
            code, response = await self._ask("get-reports", wire.GetReports(self._who, days))
            if code != Code.OK:
                raise self._no("get-reports", code)
            count, orders = orders_in(response)
            fresh = [order for order in orders if order.number not in seen]
            for order in fresh:
                # Of one that is on a page twice, the first.
                if order.number not in seen:
                    seen.add(order.number)
                    yield order
            if not orders or (not fresh and len(seen) >= count):
                return
            if orders == before:
                raise Unreadable("the service lists the same orders on every page")
            before, page = orders, page + 1

    async def report(self, order: PastOrder, page: int) -> PastPage | None:
        """An order with a page of its messages; None where it was removed, or its time has not come.

        Raises:
            UlakError: the service does not answer, or says no.
        """
        wanted = wire.OrderPage(str(order.number), str(page), str(PAGE_ROWS))
        code, response = await self._ask("get-report", wire.GetReport(self._who, wanted))
        if code in _ONLY_LISTED:
            return None
        if code != Code.OK:
            raise self._no("get-report", code)
        return report_in(response, order)

    async def _ask(self, operation: str, request: msgspec.Struct) -> tuple[int, dict[str, Any]]:
        """The code of an answer and what is in it, after as many tries as it takes."""
        body = wire.dump_request(request)
        for pause in (*PAUSES, None):
            try:
                answer = await self._outbound.request(
                    "POST",
                    f"{self._to.url}{PREFIX}/{operation}/json",
                    headers={"Content-Type": "application/json"},
                    body=body,
                    timeout=TIMEOUT,
                    limit=ANSWER_MAX,
                    guard=False,
                )
            except (Blocked, TooLarge) as error:
                raise UlakError(f"{self._to.url}: {error}") from None
            except OutboundError as error:
                why = f"{self._to.url} does not answer: {error}"
                if pause is None:
                    raise UlakError(why) from None
                await self._wait(pause, why)
                continue
            response = read(answer.body)
            code = code_of(response, answer.status)
            if code not in _BUSY or pause is None:
                return code, response
            await self._wait(_asked_to_wait(answer.headers, pause), self._busy(code))
        raise AssertionError("unreachable")

    def _busy(self, code: int) -> str:
        return f"{self._to.url} has no time for us ({code})"

    def _no(self, operation: str, code: int) -> UlakError:
        if code == Code.UNAUTHENTICATED:
            return UlakError(
                f"{self._to.url} does not let this key and hash in (401). Is API access on in that account,"
                " and may this machine's address come in?"
            )
        if code in _BUSY:
            return UlakError(f"{self._busy(code)}; begin again later")
        return UlakError(f"{self._to.url} answered {operation} with {code}; is the address right?")


def _asked_to_wait(headers: Mapping[str, str], pause: float) -> float:
    told = whole(headers.get("retry-after"))
    return min(max(pause, float(told or 0)), PAUSE_MAX)
