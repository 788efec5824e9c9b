"""Messages over an sms4sats account: `ulak.core.ports.MessageLink`.

Each message is an order of its own, paid from the prepaid balance. Of one that it cannot send the server
gives the price back, so a message counts as accepted once it is sent, and as refused when it is not. An order
is looked at until it is final. A link that begins, after a restart or because another process had it before,
learns from the desk which orders those are.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ulak.core.ports import Accepted, LinkDesk, Outcome, Outgoing, Refused, Report, ReportState, Unknown
from ulak.core.times import Clock
from ulak.dialects.sms4sats.connect.line import (
    Created,
    Later,
    Line,
    Lost,
    Rand,
    Refusal,
    Said,
    Sleep,
    answers,
    read_balance,
)
from ulak.dialects.sms4sats.connect.reading import Order, Status, read_status
from ulak.dialects.sms4sats.connect.settings import check_settings
from ulak.outbound import Outbound

RETRY_FIRST, RETRY_MAX = 1.0, 60.0
"""Seconds until the account is tried again, doubled from try to try."""

EMPTY_TRIED = 600.0
"""Seconds after which an account whose balance was too small is used again though it did not grow."""

FAULTS_MAX = 5
"""How often a message is handed over at which the server fails by itself; then it counts as refused."""

UNTIL_SENT = 60_000
"""How long a message that was taken may stay unsent until it counts as accepted all the same, ms."""

LAST_ANSWERS = 2.0
"""Seconds that `stop` waits for answers that are due."""

LOOKS = 4
"""Looks at a time."""

FRESH, YOUNG = 15_000, 22 * 60_000
FOLLOWED = 72 * 60 * 60_000
"""For how long an order is looked at every second, then every three, and rarely up to the end, ms."""

RAREST = 600_000
"""The longest pause between two looks, ms."""

APART = 250
"""Between the first looks at two orders from before, ms: others have to go meanwhile."""

_SENT, _DELIVERED, _FAILED = "sent", "delivered", "failed"
_STATES = {
    _SENT: ReportState.UNDERWAY,
    _DELIVERED: ReportState.DELIVERED,
    _FAILED: ReportState.UNDELIVERED,
}
_EMPTY, _LIMITED = 402, 429


@dataclass(slots=True)
class _Waiting:
    """A message that is not handed over, and its turn; `faults` counts tries at which the server failed."""

    place: int
    message: Outgoing
    faults: int = 0


@dataclass(slots=True)
class _Open:
    """An order that was taken: when, and what is known of it. `owed`: its message has no outcome yet; `told`:
    that it was sent is known to the desk. Of one from before `number` is 0, and its message is not known."""

    reference: str
    number: int
    since: int
    message: Outgoing | None = None
    owed: bool = False
    sent: bool = False
    told: bool = False
    over: bool = False


class Sms4satsLink:
    """Sends with an account at an sms4sats server. It has no senders: the server chooses."""

    def __init__(
        self,
        settings: Mapping[str, str],
        outbound: Outbound,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        rand: Rand = random.random,
    ) -> None:
        """Of the clock only differences count. `outbound` is not closed here.

        Raises:
            ValueError: the settings are none.
        """
        self._to = check_settings(settings)
        self._line = Line(self._to, outbound, clock, sleep, rand)
        self._clock = clock
        self._sleep = sleep
        self._rand = rand
        self._desk: LinkDesk | None = None
        self._up = False
        self._empty = False
        self._emptied = clock()
        self._floor: int | None = None
        self._delay = RETRY_FIRST
        self._told_state: tuple[bool, str] | None = None
        self._waiting: list[tuple[int, _Waiting]] = []
        self._placed = 0
        self._flights: set[asyncio.Task[None]] = set()
        self._open: list[tuple[int, int, _Open]] = []
        self._opened = 0
        self._owed: dict[int, _Open] = {}
        self._naps: list[asyncio.Task[None]] = []
        self._workers: list[asyncio.Task[None]] = []
        self._down = asyncio.Event()
        self._follow = asyncio.Event()
        self._stopping = False

    @property
    def window(self) -> int:
        """How many messages may be on their way to the server at a time."""
        return self._to.window

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened so far, by name."""
        return self._line.counts

    def submit(self, batch: Sequence[Outgoing]) -> None:
        """Take these messages, in this order."""
        if not self._stopping:
            for message in batch:
                self._placed += 1
                self._keep(_Waiting(self._placed, message))
            self._pump()

    def _keep(self, waiting: _Waiting) -> None:
        """Let a message wait where its turn is, also if it had begun."""
        heapq.heappush(self._waiting, (waiting.place, waiting))

    async def start(self, desk: LinkDesk) -> None:
        """Ask for the balance until there is an answer, and again whenever the server fails."""
        self._desk = desk
        self._down.set()
        self._workers = [asyncio.create_task(work()) for work in (self._keep_up, self._look_after)]
        for worker in self._workers:
            worker.add_done_callback(self._fell)

    async def stop(self) -> None:
        """Take no more, wait shortly for answers that are due, close. What was not begun is forgotten."""
        self._stopping = True
        self._waiting.clear()
        if self._flights:
            await asyncio.wait(self._flights, timeout=LAST_ANSWERS)
        tasks = [*self._flights, *self._workers, *self._naps]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for order in list(self._owed.values()):
            self._settle(order, Accepted((order.reference,)))
        self._say(False, "the link was stopped")

    def _fell(self, task: asyncio.Task[None]) -> None:
        """A link that no longer works must not look like one that waits."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._say(False, f"a fault of ours: {error!r}")
            context = {"message": "an sms4sats link has stopped", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)

    # Being up

    def _say(self, up: bool, why: str) -> None:
        self._up = up
        if self._desk is not None and self._told_state != (up, why):
            self._told_state = (up, why)
            self._desk.link_state(up, why)

    def _close(self, why: str, *, empty: bool = False) -> None:
        """Hand over nothing more until the account answers again."""
        self._empty = self._empty or empty
        if self._up:
            self._say(False, why)
            self._down.set()

    async def _keep_up(self) -> None:
        """While the link is down, try the account, less and less often."""
        await self._get_up()
        while True:
            await self._down.wait()
            self._floor, self._emptied = None, self._clock()
            while not self._up:
                await self._sleep(self._delay * (0.8 + 0.4 * self._rand()))
                self._delay = min(RETRY_MAX, self._delay * 2)
                await self._get_up()

    async def _get_up(self) -> None:
        """Try the account once; the link is up if it answers, and has more in it if there was too little."""
        said = await self._line.look("/balance", key=True, once=True)
        if not isinstance(said, Said) or said.good is None:
            self._say(False, said.why)
            return
        balance = read_balance(said.good.data) or 0
        if self._floor is None:
            self._floor = balance
        if self._empty and balance <= self._floor and self._clock() - self._emptied < EMPTY_TRIED * 1000:
            return
        self._down.clear()
        self._empty = False
        self._say(True, answers(balance))
        self._pump()

    # Messages out

    def _pump(self) -> None:
        """Begin as many as may be on their way."""
        while self._waiting and self._up and not self._stopping and len(self._flights) < self._to.window:
            flight = asyncio.create_task(self._hand_over(heapq.heappop(self._waiting)[1]))
            self._flights.add(flight)
            flight.add_done_callback(self._landed)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        if not flight.cancelled():
            self._fell(flight)
        self._pump()

    async def _hand_over(self, waiting: _Waiting) -> None:
        """Order one message, and say what became of it; or keep it for later."""
        message = waiting.message
        await self._line.wait_turn()
        if not self._up or self._stopping:
            self._keep(waiting)
            return
        body = {"message": message.text, "phone": f"+{message.number}", "immediate": True}
        try:
            made = await self._line.create("/createsendorder", body, f"m{message.id}", None)
        except asyncio.CancelledError:
            self._tell(message, Unknown("the link was stopped before an answer came"))
            raise
        if isinstance(made, Order) and made.paid:
            self._delay = RETRY_FIRST
            order = _Open(made.reference, message.number, self._clock(), message, owed=True)
            self._owed[message.id] = order
            self._watch(order)
            return
        outcome = self._outcome(waiting, made)
        if outcome is not None:
            self._tell(message, outcome)
        else:
            self._keep(waiting)

    def _outcome(self, waiting: _Waiting, made: Created) -> Outcome | None:
        """What it means for a message that there is no order for it; None: it stays with us."""
        if isinstance(made, Lost):
            self._close(made.why)
            return Unknown(made.why)
        if isinstance(made, Later):
            return self._later(waiting, made)
        self._delay = RETRY_FIRST
        if isinstance(made, Refusal):
            return Refused(f"{made.status} {made.why}")
        return Refused("the server wants an invoice to be paid, and does not take the balance")

    def _later(self, waiting: _Waiting, made: Later) -> Outcome | None:
        if made.status == _LIMITED:
            return None  # the line itself waits
        waiting.faults += made.status >= 500 or made.status == 200
        if waiting.faults >= FAULTS_MAX:
            return Refused(f"{made.status} {made.why}")
        self._close(made.why, empty=made.status == _EMPTY)
        return None

    def _tell(self, message: Outgoing, outcome: Outcome) -> None:
        assert self._desk is not None, "a link is started before it is used"
        self._desk.outcomes([(message.id, outcome)])

    # What became of them

    def _watch(self, order: _Open) -> None:
        """Look at an order when it is time again, unless it is followed no longer."""
        age = self._clock() - order.since
        if age <= FOLLOWED and not order.over:
            self._look_in(order, _pause(age, order.sent))

    def _look_in(self, order: _Open, wait: int) -> None:
        self._opened += 1
        heapq.heappush(self._open, (self._clock() + wait, self._opened, order))
        self._follow.set()
        if self._open[0][2] is order:
            for nap in self._naps:
                nap.cancel()

    async def _take_up(self) -> None:
        """Look at the orders from before, one after the other."""
        assert self._desk is not None, "a link is started before it is used"
        awaited = await self._desk.awaited()
        known = {order.reference for _, _, order in self._open}
        since = self._clock() - YOUNG
        for place, reference in enumerate(each for each, is_open in awaited.items() if is_open):
            if reference not in known:
                self._look_in(_Open(reference, 0, since, sent=True, told=True), (place + 1) * APART)

    async def _look_after(self) -> None:
        """Look at the orders whose time has come, a few at a time."""
        await self._take_up()
        while True:
            await self._follow.wait()
            due: list[_Open] = []
            now = self._clock()
            while self._open and self._open[0][0] <= now and len(due) < LOOKS:
                order = heapq.heappop(self._open)[2]
                if not order.over:
                    due.append(order)
            if due:
                await asyncio.gather(*map(self._look, due))
            elif self._open:
                self._naps = [asyncio.create_task(self._nap((self._open[0][0] - now) / 1000))]
                await asyncio.wait(self._naps)
            else:
                self._follow.clear()

    async def _nap(self, seconds: float) -> None:
        """Sleep, unless something new is to be looked at before."""
        await self._sleep(seconds)

    async def _look(self, order: _Open) -> None:
        said = await self._line.look("/orderstatus", {"orderId": order.reference}, once=True)
        good = said.good if isinstance(said, Said) else None
        if good is not None and isinstance(good.data, dict) and not order.over:
            self._heard(order, read_status(good.data))
        if order.owed and self._clock() - order.since >= UNTIL_SENT:
            self._settle(order, Accepted((order.reference,)))
        self._watch(order)

    def _heard(self, order: _Open, status: Status) -> None:
        """Tell the desk. The order is let go once its end is stored, and until then told again."""
        said = _FAILED if status.error else (status.sms_status or "").lower()
        state = _STATES.get(said)
        raw = f"{said}: {status.error}" if status.error else said
        if state is None:
            return
        order.sent = order.sent or said == _SENT
        if order.owed and state is ReportState.UNDELIVERED:
            order.over = True
            self._settle(order, Refused(raw))
            return
        if order.owed:
            order.told = True
            self._settle(order, Accepted((order.reference,)))
        if self._desk is not None and not (state is ReportState.UNDERWAY and order.told):
            report = Report(order.reference, order.number, state, raw)
            self._desk.reports([report], partial(_stored, order, state))

    def _settle(self, order: _Open, outcome: Outcome) -> None:
        """Say what became of the message of an order."""
        assert order.message is not None, "only an order of ours is owed an outcome"
        order.owed = False
        del self._owed[order.message.id]
        self._tell(order.message, outcome)


def _stored(order: _Open, state: ReportState, kept: bool) -> None:
    order.told = order.told or kept
    order.over = order.over or (kept and state is not ReportState.UNDERWAY)


def _pause(age: int, sent: bool) -> int:
    """How long until an order of this age is looked at again, ms; what was sent hardly matters to anybody."""
    if age < FRESH:
        return 1_000
    if age < YOUNG and not sent:
        return 3_000
    return min(RAREST, max(3_000, age // 10))
