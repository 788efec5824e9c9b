"""Messages over an iletiMerkezi account: `ulak.core.ports.MessageLink`.

What is submitted within a short time and may stand in one order goes in one request. The API has no key under
which a request counts once, so one whose answer never came is looked for among the account's orders; what is
not found is in doubt, and where the desk has it sent again, it goes in the same composition, so that the
server's own check for repeated orders sees it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ulak.core.ports import Accepted, LinkDesk, Outcome, Outgoing, Refused, Unknown
from ulak.core.times import Clock
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.connect.finding import Finder, NotFound
from ulak.dialects.iletimerkezi.connect.following import FIRST, HOOKED_FIRST, Follower
from ulak.dialects.iletimerkezi.connect.line import (
    Later,
    Line,
    Lost,
    Made,
    Rand,
    Refusal,
    Repeated,
    Sleep,
    Taken,
    answers,
    good_balance,
    why_not,
)
from ulak.dialects.iletimerkezi.connect.reading import Balance, reference
from ulak.dialects.iletimerkezi.connect.requests import Request, compose
from ulak.dialects.iletimerkezi.connect.settings import check_settings
from ulak.outbound import Outbound

LINGER = 0.02
"""Seconds in which messages come together that go together."""

FLIGHTS = 4
"""Requests that are on their way at a time."""

RETRY_FIRST, RETRY_MAX = 1.0, 60.0
"""Seconds until the account is tried again, doubled from try to try."""

EMPTY_TRIED = 600.0
"""Seconds after which an account whose balance was too small is used again though it did not grow."""

LAST_ANSWERS = 2.0
"""Seconds that `stop` waits for answers that are due."""

LOST_PAUSES = (1.0, 3.0, 8.0)
"""Seconds before each look for an order whose answer was lost. Looks that are not answered do not count."""

LOSSES_MAX = 3
"""How often the same messages may have no answer, while the server lists no order of them. Then they go in
halves, so that one at which it always fails holds up no others. That one counts as refused where the server
says so often itself that it failed."""

LOST_SOUGHT = 180_000
"""For how long it is looked for at a server that does not answer, ms."""

REPEAT_WINDOW = 10 * 60_000
"""For how long the server refuses an order that repeats another, ms."""

REPEATED_PAUSES = (1.0, 5.0, 30.0, 60.0)
"""Seconds before each look for the order that another one repeats; the last again and again, while the window
lasts."""

KEPT = 20_000
"""Orders that are remembered here, more than are made within the server's window; of older ones the store
knows."""

DOUBTFUL = 2_000
"""Messages in doubt whose compositions are remembered at least; twice the window where that is more."""

_GRACE = 5_000
_STOPPED = "the link was stopped before an answer came"


class IletimerkeziLink:
    """Sends with an account at an iletiMerkezi server."""

    def __init__(
        self,
        settings: Mapping[str, str],
        outbound: Outbound,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        rand: Rand = random.random,
    ) -> None:
        """The clock is compared with the times of the server's orders. `outbound` is not closed here.

        Raises:
            ValueError: the settings are none.
        """
        self._to = check_settings(settings)
        self._line = Line(self._to, outbound, clock, sleep, rand)
        self._finder = Finder(self._line, clock, self._is_ours)
        first = HOOKED_FIRST if self._to.hooked else FIRST
        self._follower = Follower(self._line, clock, sleep, first, self._close)
        self._clock = clock
        self._sleep = sleep
        self._rand = rand
        self._desk: LinkDesk | None = None
        self._up = False
        self._told_state: tuple[bool, str] | None = None
        self._floor: Balance | None = None
        self._emptied: int | None = None
        self._delay = RETRY_FIRST
        self._waiting: deque[Outgoing] = deque()
        self._again: deque[Request] = deque()
        self._doubtful: dict[int, Request] = {}
        self._pending: set[int] = set()
        self._owed: dict[int, Outgoing] = {}
        self._orders: dict[str, int] = {}
        self._flights: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()
        self._down = asyncio.Event()
        self._stopping = False

    @property
    def window(self) -> int:
        """How many parts may be with the carrier and unanswered."""
        return self._to.window

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened so far, by name."""
        return self._line.counts

    def submit(self, batch: Sequence[Outgoing]) -> None:
        """Take these messages, in this order. Those of a request in doubt that come back together go together
        as they were."""
        if self._stopping:
            return
        ids = {message.id for message in batch}
        groups = {message.id: self._doubtful.pop(message.id, None) for message in batch}
        whole = {
            group
            for group in set(groups.values())
            if group is not None and ids.issuperset(message.id for message in group.messages)
        }
        self._again.extend(dict.fromkeys(group for group in groups.values() if group in whole and group))
        self._waiting.extend(message for message in batch if groups[message.id] not in whole)
        self._work.set()

    async def start(self, desk: LinkDesk) -> None:
        """Ask for the balance until there is an answer, and again whenever the server fails."""
        self._desk = desk
        self._down.set()
        for work in (self._keep_up(), self._send(), self._follow(desk)):
            self._begin(work, self._tasks)

    async def stop(self) -> None:
        """Take no more, wait shortly for answers that are due, close. What was not begun is forgotten."""
        self._stopping = True
        self._waiting.clear()
        self._again.clear()
        if self._flights:
            await asyncio.wait(self._flights, timeout=LAST_ANSWERS)
        tasks = [*self._flights, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        owed, self._owed = list(self._owed.values()), {}
        self._tell(owed, Unknown(_STOPPED))
        self._say(False, "the link was stopped")

    def _begin(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(self._fell)

    def _fell(self, task: asyncio.Task[None]) -> None:
        """A link that no longer works must not look like one that waits."""
        self._work.set()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._say(False, f"a fault of ours: {type(error).__name__}")
            context = {"message": "an iletimerkezi link has stopped", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)

    # Being up

    def _say(self, up: bool, why: str) -> None:
        self._up = up
        if self._desk is not None and self._told_state != (up, why):
            self._told_state = (up, why)
            self._desk.link_state(up, why)

    def _close(self, why: str, *, empty: bool = False) -> None:
        """Hand over nothing more until the account answers again."""
        if empty and self._emptied is None:
            self._emptied, self._floor = self._clock(), None
        if self._up:
            self._say(False, why)
            self._down.set()

    async def _keep_up(self) -> None:
        """While the link is down, try the account, less and less often."""
        await self._get_up()
        while True:
            await self._down.wait()
            while not self._up:
                await self._sleep(self._delay * (0.8 + 0.4 * self._rand()))
                self._delay = min(RETRY_MAX, self._delay * 2)
                await self._get_up()

    async def _get_up(self) -> None:
        """Try the account once; the link is up if it answers, and has more in it if there was too little."""
        said = await self._line.balance()
        balance = good_balance(said)
        if balance is None:
            self._say(False, why_not(said))
            return
        if self._emptied is not None:
            if self._floor is None:
                self._floor = balance
            if not balance.above(self._floor) and self._clock() - self._emptied < EMPTY_TRIED * 1000:
                return
        self._down.clear()
        self._emptied = None
        self._say(True, answers(balance))
        self._work.set()

    # Messages out

    async def _send(self) -> None:
        """Make requests of what waits, as fast as is allowed."""
        while True:
            await self._work.wait()
            self._work.clear()
            await self._sleep(LINGER)
            while (request := await self._next()) is not None:
                self._line.spend(len(request.messages))
                self._pending |= request.numbers
                self._owed.update((message.id, message) for message in request.messages)
                self._begin(self._fly(request), self._flights)

    async def _next(self) -> Request | None:
        """What goes next, as soon as it may: as it was, if it was begun before. Whatever ends the reasons for
        which there is nothing sets the event again."""
        if self._waiting or self._again:
            await self._line.wait_for_sending()
        if not self._up or self._stopping or len(self._flights) >= FLIGHTS:
            return None
        for begun in self._again:
            if self._pending.isdisjoint(begun.numbers):
                self._again.remove(begun)
                return begun
        return compose(self._waiting, self._to.sender, self._line.most, self._pending)

    async def _fly(self, request: Request) -> None:
        """Order it, and see what became of it."""
        began = self._clock()
        made = await self._line.send(request)
        if not isinstance(made, Later | Lost):
            self._delay = RETRY_FIRST
        if isinstance(made, Lost):
            self._close(made.why)
            self._begin(self._seek_lost(request, began, made), self._tasks)
        elif isinstance(made, Repeated):
            self._begin(self._seek_repeated(request, made.why), self._tasks)
        else:
            self._landed(request, made)

    def _let_go(self, request: Request) -> None:
        """It is known what became of a request."""
        self._pending -= request.numbers
        for message in request.messages:
            self._owed.pop(message.id, None)
        self._work.set()

    def _landed(self, request: Request, made: Made) -> None:
        """Do what follows from what became of a request."""
        self._let_go(request)
        if isinstance(made, Taken):
            self._take(request, made.order)
        elif isinstance(made, Refusal):
            halves = request.halves() if made.some else None
            if halves is None:
                self._tell(request.messages, Refused(made.why))
            else:
                self._put_back(*halves)
        elif isinstance(made, Later):
            self._later(request, made)

    def _later(self, request: Request, made: Later) -> None:
        """It waits, the whole or, where the balance is too small for it, the half."""
        halves = request.halves() if made.code == Code.NO_CREDIT else None
        self._put_back(*(halves or (request,)))
        if halves is None and made.code != 429:  # That is waited for by the line itself.
            self._close(made.why, empty=made.code == Code.NO_CREDIT)

    def _put_back(self, *requests: Request) -> None:
        """Nothing came of these yet: they are sent first."""
        if not self._stopping:
            self._again.extendleft(reversed(requests))
            self._work.set()

    def _take(self, request: Request, order: str) -> None:
        """The server has made an order of it."""
        self._claim(order, request)
        assert self._desk is not None, "a link is started before it is used"
        self._desk.outcomes(
            [(message.id, Accepted((reference(order, message.number),))) for message in request.messages]
        )
        self._follower.follow(order, request.numbers)

    def _tell(self, messages: Sequence[Outgoing], outcome: Outcome) -> None:
        """One outcome for all of these."""
        if messages and self._desk is not None:
            self._desk.outcomes([(message.id, outcome) for message in messages])

    # Requests in doubt

    async def _seek_lost(self, request: Request, began: int, lost: Lost) -> None:
        """Look for the order of a request that had no answer."""
        pauses = list(LOST_PAUSES)
        found: str | NotFound = NotFound.UNANSWERED
        while pauses and self._clock() - began < LOST_SOUGHT + round(self._to.timeout * 1000):
            await self._sleep(pauses[0] * (0.8 + 0.4 * self._rand()))
            found = await self._finder.find(request, began)
            if isinstance(found, str):
                self._landed(request, Taken(found))
                return
            if found is not NotFound.UNANSWERED:
                pauses.pop(0)
        if found is not NotFound.UNANSWERED:
            request = replace(request, losses=request.losses + 1, faults=request.faults + lost.fault)
        halves = request.halves() if request.losses >= LOSSES_MAX else None
        if halves is None and request.faults >= LOSSES_MAX:
            self._landed(request, Refusal(lost.why, some=False))
            return
        self._give_up(halves or (request,), lost.why)

    async def _seek_repeated(self, request: Request, why: str) -> None:
        """Look for the order that the server says was there before.

        If it is that of other messages of ours, this is a repetition that is meant, and goes when the server
        lets it. If it cannot be found, the messages have most likely gone; they are in doubt.
        """
        until = self._clock() + REPEAT_WINDOW + _GRACE
        since = self._clock() - REPEAT_WINDOW
        pauses = list(REPEATED_PAUSES)
        found: str | NotFound = NotFound.UNANSWERED
        while found is not NotFound.OURS and self._clock() < until:
            await self._sleep(pauses[0] * (0.8 + 0.4 * self._rand()))
            pauses = pauses[1:] or pauses
            found = await self._finder.find(request, since)
            if isinstance(found, str):
                self._landed(request, Taken(found))
                return
        if found is not NotFound.OURS:
            self._give_up((request,), why)
            return
        # Nothing came of it, so others to the same numbers need not wait with it.
        self._let_go(request)
        await self._sleep((until - self._clock()) / 1000)
        self._put_back(request)

    def _give_up(self, requests: Sequence[Request], why: str) -> None:
        """The desk decides. What it has sent again as a whole goes in these compositions."""
        for request in requests:
            self._let_go(request)
            self._doubtful.update((message.id, request) for message in request.messages)
        over = len(self._doubtful) - max(DOUBTFUL, 2 * self._to.window)
        for oldest in list(islice(self._doubtful, max(0, over))):
            del self._doubtful[oldest]
        self._tell([message for request in requests for message in request.messages], Unknown(why))

    def _claim(self, order: str, request: Request) -> None:
        """Remember whose an order is."""
        self._orders[order] = request.shape
        if len(self._orders) > KEPT:
            del self._orders[next(iter(self._orders))]

    async def _is_ours(self, order: str, request: Request) -> bool | None:
        """Whether an order of ours is the same as this one; None if it is not known as ours.

        Of one from before a restart the store does not tell the texts, so it is taken for another.
        """
        assert self._desk is not None, "a link is started before it is used"
        if order in self._orders:
            return self._orders[order] == request.shape
        names = [reference(order, number) for number in request.numbers]
        return False if await self._desk.awaited(names) else None

    # What became of them

    async def _follow(self, desk: LinkDesk) -> None:
        """Ask about orders, first those from before."""
        self._follower.follow_all([spelled for spelled, is_open in (await desk.awaited()).items() if is_open])
        await self._follower.run(desk)
