"""A link to an operator: `ulak.core.ports.MessageLink` over SMPP 3.4, with us as the ESME.

The parts are elsewhere: what to send (`pieces`), in which order and with which outcome (`outbox`), how fast
(`pace`), the protocol (`session`). Here they are joined to sockets and kept connected.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from ulak.core.points import point
from ulak.core.ports import Inbound, LinkDesk, Outgoing, Refused, Report, Unknown
from ulak.dialects.smpp import codes
from ulak.dialects.smpp.codes import Verdict, status_text, verdict
from ulak.dialects.smpp.dial import LinkError, dial
from ulak.dialects.smpp.line import Line
from ulak.dialects.smpp.outbox import Flight, Outbox, Token, Told
from ulak.dialects.smpp.pace import Pace
from ulak.dialects.smpp.pieces import planner
from ulak.dialects.smpp.reading import read_inbound
from ulak.dialects.smpp.receipt import is_receipt, read_receipt
from ulak.dialects.smpp.session import Alive, Answer, Broken, Event, Incoming, Stray, Unbound
from ulak.dialects.smpp.settings import TRANSCEIVER, UDH16, LinkSettings, parse_settings

__all__ = ["LinkError", "LinkSettings", "SmppLink", "parse_settings", "probe"]

RECONNECT_FIRST = 1.0
RECONNECT_MAX = 60.0
RECONNECT_JITTER = 0.2
SETTLED_AFTER = 10.0  # a session that lived so long was a good one: the next reconnect is quick again
LAST_ANSWERS = 2.0  # how long `stop` waits for answers that are due
LAST_UNBIND = 1.0


class SmppLink:
    """One operator, reached over one connection (transceiver) or two (transmitter and receiver).

    `now`, `sleep` and `rand` replace time and chance in tests. `counts` says what happened so far, by name:
    submitted, accepted, refused, throttled, unknown, receipts, unreadable, inbound, stray, failed.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._now = now
        self._sleep = sleep
        self._rand = rand
        self._plan = planner(settings)
        self._references = 0x10000 if settings.payload == UDH16 else 0x100
        self._reference = int(rand() * self._references)
        self._outbox = Outbox()
        self._pace = Pace(settings.rate, rand)
        self._desk: LinkDesk | None = None
        self._untold: list[Told] = []
        self._lines: list[Line[Token]] = []
        self._sender: Line[Token] | None = None
        self._ended: asyncio.Future[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._stopping = False
        self._told_state: tuple[bool, str] | None = None

    @property
    def window(self) -> int:
        """How many parts may be with the carrier and unanswered."""
        return self._settings.window

    # Messages out

    def submit(self, batch: Sequence[Outgoing]) -> None:
        """Take these messages, in this order."""
        if self._stopping:
            return
        for message in batch:
            try:
                plan = self._plan(message.sender, message.text)
            except ValueError as error:
                self._untold.append((message.id, Refused(str(error))))
                continue
            self._reference = (self._reference + 1) % self._references
            self._outbox.put(Flight(message.id, b"%d" % message.number, plan, self._reference))
        if self._untold and self._desk is not None:
            asyncio.get_running_loop().call_soon(self._tell_untold)
        self._pump()

    def _tell_untold(self) -> None:
        untold, self._untold = self._untold, []
        self._tell(untold)

    def _tell(self, told: list[Told]) -> None:
        if told and self._desk is not None:
            self._desk.outcomes(told)

    def _pump(self) -> None:
        """Write what may be written now, and see to it that the rest is not forgotten."""
        line = self._sender
        if line is None or not self._outbox:
            return
        now = self._now()
        session = line.session
        room = min(self._settings.window - session.outstanding, self._pace.room(now))
        sent = 0
        while sent < room:
            token = self._outbox.next(now)
            if token is None:
                break
            session.ask(codes.SUBMIT_SM, token[2].body(token[1]), token, now)
            sent += 1
        if sent:
            self.counts["submitted"] += sent
            self._pace.spent(sent, now)
            line.flush()
            point("submit.written")
        if not self._outbox:
            self._pace.idle(now)
        elif session.outstanding < self._settings.window:
            self._wake_for(now)

    def _wake_for(self, now: float) -> None:
        at = self._outbox.due()
        if at is None:
            at = self._pace.ready_at(now)
        if self._wake is not None:
            self._wake.cancel()
        self._wake = asyncio.get_running_loop().call_later(max(0.0, at - now), self._pump)

    # What the operator says

    def _heard(self, line: Line[Token], events: list[Event[Token]]) -> None:
        told: list[Told] = []
        reports: list[Report] = []
        inbound: list[Inbound] = []
        reported: list[int] = []
        came_in: list[int] = []
        throttled = accepted = answers = 0
        for event in events:
            if isinstance(event, Answer):
                answers += 1
                if event.status == codes.ESME_ROK:
                    accepted += 1
                    end = self._outbox.accepted(event.token, event.reference)
                else:
                    throttled += verdict(event.status) is Verdict.SLOW_DOWN
                    end = self._not_accepted(event)
                if end is not None:
                    told.append(end)
            elif isinstance(event, Incoming):
                news = self._read(line, event)
                if isinstance(news, Report):
                    reports.append(news)
                    reported.append(event.sequence)
                elif news is not None:
                    inbound.append(news)
                    came_in.append(event.sequence)
            else:
                self._heard_rare(event)
        if answers:
            self.counts["accepted"] += accepted
            self.counts["throttled"] += throttled
            self._pace.heard(answers - throttled, throttled, line.heard_at)
            point("submit.answered")
        self._tell(told)
        if reports and self._desk is not None:
            self.counts["receipts"] += len(reports)
            point("report.read")
            self._desk.reports(reports, partial(self._stored, line, reported))
        if inbound and self._desk is not None:
            self.counts["inbound"] += len(inbound)
            point("inbound.read")
            self._desk.inbound(inbound, partial(self._stored, line, came_in))
        self._pump()

    def _not_accepted(self, answer: Answer[Token]) -> Told | None:
        """What an answer that is not "accepted" means for its message."""
        what = verdict(answer.status)
        if what is Verdict.SLOW_DOWN:
            return self._outbox.put_back(answer.token)
        self.counts["refused"] += 1
        code = status_text(answer.status)
        if what is Verdict.RETRY:
            return self._outbox.retry(answer.token, code, self._now())
        return self._outbox.refused(answer.token, code)

    def _read(self, line: Line[Token], event: Incoming) -> Report | Inbound | None:
        """What a deliver_sm says. A receipt that says nothing is acknowledged here and only counted."""
        if not is_receipt(event.message):
            return read_inbound(event.message)
        report = read_receipt(event.message)
        if report is None:
            self.counts["unreadable"] += 1
            line.session.answer(event.sequence)
        return report

    def _stored(self, line: Line[Token], sequences: list[int], kept: bool) -> None:
        """The engine has committed what came in one read, or could not: now the operator is told."""
        point("deliver.stored")
        status = codes.ESME_ROK if kept else codes.ESME_RX_T_APPN
        for sequence in sequences:
            line.session.answer(sequence, status)
        line.flush()
        point("deliver.acknowledged")

    def _heard_rare(self, event: Event[Token]) -> None:
        if isinstance(event, Unbound) and event.by_peer:
            self._end("the operator ended the session")
        elif isinstance(event, Broken):
            self._end(event.why)
        elif isinstance(event, Stray):
            self.counts["stray"] += 1

    # Being connected

    async def start(self, desk: LinkDesk) -> None:
        """Begin to connect, and keep connecting until stopped."""
        self._desk = desk
        self._tell_untold()
        self._task = asyncio.create_task(self._keep_up())
        self._task.add_done_callback(self._fell)

    def _fell(self, task: asyncio.Task[None]) -> None:
        """A link that no longer connects must not look like one that waits."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._end(f"a fault of ours: {error!r}")
            self._say(False, f"a fault of ours: {error!r}")
            context = {"message": "an SMPP link has stopped", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)

    async def _keep_up(self) -> None:
        delay = RECONNECT_FIRST
        while not self._stopping:
            if await self._live() >= SETTLED_AFTER:
                delay = RECONNECT_FIRST
            await self._sleep(delay * (1 + RECONNECT_JITTER * (2 * self._rand() - 1)))
            delay = min(RECONNECT_MAX, delay * 2)

    async def _live(self) -> float:
        """One life of the link, from the first connection to its end: how many seconds it was up."""
        ended = self._ended = asyncio.get_running_loop().create_future()
        try:
            for command in self._binds():
                line = await dial(self._settings, command, self._heard, self._lost, self._now)
                if ended.done():  # the receiver went while the transmitter came
                    line.abort()
                    return 0.0
                self._lines.append(line)
        except LinkError as error:
            self.counts["failed"] += 1
            self._end(str(error))
            return 0.0
        began = self._now()
        point("link.bound")
        self._sender = line
        self._pace.reconnected()
        self._say(True, f"bound to {self._settings.host} port {self._settings.port} as {self._settings.bind}")
        self._watch()
        self._pump()
        await ended
        return self._now() - began

    def _binds(self) -> tuple[int, ...]:
        if self._settings.bind == TRANSCEIVER:
            return (codes.BIND_TRANSCEIVER,)
        # The receiver first, so that no receipt comes before there is somebody to take it.
        return (codes.BIND_RECEIVER, codes.BIND_TRANSMITTER)

    def _watch(self) -> None:
        """Look after silence, several times within the shortest time that matters."""
        now = self._now()
        settings = self._settings
        for line in self._lines:
            why = self._silent(line, now)
            if why:
                line.abort()
                self._end(why)
                return
            line.session.talk = 0
            if not line.session.enquiring and now - line.heard_at >= settings.enquire_link:
                line.session.enquire()
                line.flush()
        period = min(1.0, settings.enquire_link / 4, settings.response_timeout / 4)
        self._tick = asyncio.get_running_loop().call_later(period, self._watch)

    def _silent(self, line: Line[Token], now: float) -> str | None:
        settings = self._settings
        oldest = line.session.oldest()
        if oldest is not None and now - oldest > settings.response_timeout:
            return f"a message was not answered in {settings.response_timeout:g} s"
        patience = settings.enquire_link + min(settings.enquire_link, settings.response_timeout)
        if line.session.enquiring and now - line.heard_at > patience:
            return f"enquire_link was not answered, nothing came for {patience:g} s"
        return None

    def _lost(self, line: Line[Token], why: str) -> None:
        if line in self._lines:
            self._end("the link was stopped" if self._stopping else why)

    def _end(self, why: str) -> None:
        """The link is down: what was begun on it gets its outcome, the rest waits for the next connection."""
        if self._ended is None or self._ended.done():
            return
        self._ended.set_result(why)
        self._sender = None
        self._pace.idle(self._now())
        for timer in (self._tick, self._wake):
            if timer is not None:
                timer.cancel()
        unanswered: list[Token] = []
        for line in self._lines:
            unanswered += line.session.abandon()
            line.close()
        self._lines.clear()
        told = self._outbox.lost(unanswered, why)
        self.counts["unknown"] += sum(isinstance(outcome, Unknown) for _, outcome in told)
        self._tell(told)
        self._say(False, why)

    def _say(self, up: bool, why: str) -> None:
        if self._desk is not None and self._told_state != (up, why):
            self._told_state = (up, why)
            self._desk.link_state(up, why)

    async def stop(self) -> None:
        """Take no more, wait shortly for answers that are due, unbind, close."""
        self._stopping = True
        self._outbox.forget_untouched()
        await self._until(lambda: not self._busy(), LAST_ANSWERS)
        for line in self._lines:
            if line.session.bound:
                line.session.unbind()
                line.flush()
        await self._until(lambda: not self._lines, LAST_UNBIND)
        self._end("the link was stopped")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _busy(self) -> bool:
        owed = any(line.session.outstanding or line.session.owing for line in self._lines)
        return self._sender is not None and (owed or bool(self._outbox))

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not done() and loop.time() < deadline:
            await asyncio.sleep(0.01)


async def probe(settings: LinkSettings) -> str:
    """Bind, ask whether the operator is there, unbind. Returns a sentence for people; raises LinkError."""
    loop = asyncio.get_running_loop()
    alive: asyncio.Future[None] = loop.create_future()
    over = loop.create_future()

    def heard(_: Line[None], events: list[Event[None]]) -> None:
        if not alive.done() and any(isinstance(event, Alive) for event in events):
            alive.set_result(None)

    def lost(_: Line[None], why: str) -> None:
        if not alive.done():
            alive.set_exception(LinkError(f"the operator accepted the bind, then {why}"))
        if not over.done():
            over.set_result(None)

    began = loop.time()
    command = codes.BIND_TRANSCEIVER if settings.bind == TRANSCEIVER else codes.BIND_TRANSMITTER
    line = await dial(settings, command, heard, lost, loop.time)
    bound_ms = (loop.time() - began) * 1000
    try:
        line.session.enquire()
        line.flush()
        async with asyncio.timeout(settings.response_timeout):
            await alive
        line.session.unbind()
        line.flush()
        await asyncio.wait([over], timeout=LAST_UNBIND)
    except TimeoutError:
        raise LinkError("the operator accepted the bind, but did not answer enquire_link") from None
    finally:
        line.abort()
    return f"bound to {settings.host} port {settings.port} as {settings.system_id} in {bound_ms:.0f} ms"
