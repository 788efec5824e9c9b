"""Sending over one carrier link: a window, orders in turn, and a commit before anything leaves.

Everything here runs on the event loop's thread. Of the database it only knows the gathered kinds: a `Step`
commits what became of messages together with the decision which come next, and only then do those leave. So
one commit frees slots and fills them, and what is open on disk is never more than the window.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import structlog

from ulak.core.doubts import OnUncertain
from ulak.core.errors import OutcomeUnknown, StoreUnavailable
from ulak.core.messages import QueuedMessage
from ulak.core.points import point
from ulak.core.ports import Inbound, MessageLink, Outcome, Outgoing, Report, Unknown
from ulak.core.routing import Route
from ulak.service import dispatch, inbound
from ulak.service.dispatch import STEP, ClaimedOrder, Sent, Step, Stepped
from ulak.service.reports import REPORTS, ReportBatch, awaited, kept
from ulak.workers.runs import Channel, Flight, Run

LANES = 8
"""Orders that share what is free of the window at one time. Every order in a commit costs a row of counters
and a posting, so it is cheaper to send much of few orders and let these take turns."""

LOOK_AHEAD = 2_000
"""Messages of a large order that are read at once."""

TAKE_OVER = 500
"""Orders that are taken up in one transaction."""

LAST_STEPS = 5.0
"""Seconds that a link which is being stopped waits for the store to take its last outcomes."""

RETRY = 0.2
"""Seconds until a step that the store could not take is tried again."""

AWAITED = 2_000
"""References that are read at once for a link that asks what is awaited."""

log = structlog.get_logger("ulak.send")


class Books(Protocol):
    """What a worker asks of the store."""

    async def read(self, question: Callable[[Any], Any]) -> Any:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Any]) -> Any:
        """Change within one transaction."""

    def gather(self, kind: str, item: Any) -> asyncio.Future[Any]:
        """Hand an item to the group of its kind."""


class LinkRunner:
    """Works one link. It is the link's desk (`core.ports.LinkDesk`)."""

    def __init__(self, books: Books, channel: Channel, link: MessageLink, fence: int = 0) -> None:
        """`fence` is the one under which this process has the link's lease."""
        self.channel = channel
        self.fence = fence
        self.lost = False
        """Another process has the link: nothing more is written for it, and nothing leaves."""
        self.astray = False
        """Something may have been taken up for this link that is not in its turns. Only who takes it over
        from here finds that."""
        self.up = False
        self.why = ""
        self._books = books
        self._link = link
        self._small: deque[Run] = deque()
        self._large: deque[Run] = deque()
        self._hungry: deque[Run] | None = None
        self._runs: dict[int, Run] = {}
        self._flights: dict[int, Flight] = {}
        self._used = 0
        self._behind = 0
        self._reserved = 0
        self._answers: list[tuple[int, Outcome]] = []
        self._early: list[tuple[Sequence[Report], Callable[[bool], None]]] = []
        self._doubted: set[int] = set()
        self._stepping = False
        self._holding = False
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self.on_change: Callable[[], None] = lambda: None
        self.on_text: Callable[[], None] = lambda: None
        """An SMS came in for a purchase: there may be money to take."""

    # What the dispatcher asks.

    @property
    def route(self) -> Route:
        """How orders find this link."""
        channel = self.channel
        able = self.up and not self._stopping and not self.lost
        return Route(channel.carrier_id, channel.prefix, channel.priority, able)

    @property
    def busy(self) -> tuple[int, int]:
        """Small and large orders in turn."""
        return len(self._small), len(self._large)

    @property
    def used(self) -> int:
        """Slots of the window that are taken."""
        return self._used

    def reserve(self) -> int:
        """Set slots aside for orders that are being claimed; the others keep half if any are in turn."""
        free = max(0, self._free() - self._behind) if self._hungry is None else 0
        self._reserved = (free + 1) // 2 if self._small or self._large else free
        return self._reserved

    def release(self) -> None:
        """The claim is through."""
        self._reserved = 0
        self._kick()

    @property
    def ending(self) -> bool:
        """Whether it has to be ended, or was not quite."""
        return self.astray or self._stopping

    async def start(self) -> None:
        """Take up what was under way when a link of this carrier was last stopped, then connect."""
        after = 0
        while True:
            after, claimed = await self._books.write(
                partial(
                    dispatch.take_over,
                    carrier_id=self.channel.carrier_id,
                    policy=self.channel.on_uncertain,
                    after=after,
                    limit=TAKE_OVER,
                    fence=self.fence,
                )
            )
            point("link.taken_over")
            self.add(claimed)
            if not after:
                break
        await self._link.start(self)

    async def stop(self) -> None:
        """Hand over nothing more, wait for answers that are due, leave the rest as the database knows it."""
        self._stopping = True
        point("link.stopping")
        await self._link.stop()
        if not self.lost:
            await self._last_steps()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def abandon(self) -> None:
        """Another process has the link: hang up, and leave everything to that one."""
        self.lost = True
        await self.stop()

    async def _last_steps(self) -> None:
        self._kick()
        try:
            async with asyncio.timeout(LAST_STEPS):
                while self._stepping or self._answers:
                    self._idle.clear()
                    await self._idle.wait()
            left = [flight.sent for flight in self._flights.values() if flight.sent.id not in self._doubted]
            if left:
                await self._books.write(
                    lambda tx: dispatch.leave_unsent(tx, self.channel.carrier_id, left, self.fence)
                )
        except (TimeoutError, StoreUnavailable) as error:
            # The database is away. What it knows is enough: the next start treats the rest as uncertain.
            log.warning("send.stopped_without_store", carrier=self.channel.name, error=str(error))

    def add(self, claimed: Sequence[ClaimedOrder]) -> None:
        """Take orders into turn, and send at once what was opened with the claim."""
        batch: list[Outgoing] = []
        for order in claimed:
            run = self._runs.get(order.id)
            if run is None:
                run = Run(
                    order.id,
                    order.sender,
                    order.last_id,
                    order.texts,
                    deque(order.rows),
                    deque(order.again),
                    order.covered,
                    order.opened,
                )
                self._runs[order.id] = run
            else:
                run.again.extend(order.again)
            self._behind += sum(max(1, row.price) for row in order.again)
            while run.rows and run.rows[0].id <= run.opened:
                batch.append(self._launch(run, run.rows.popleft(), order.now))
            self._place(run)
        if batch:
            point("claim.leaving")
            self._link.submit(batch)
        self._kick()

    async def look_for_asked(self) -> None:
        """Take messages that an operator wants sent again, or that were left behind unsent."""
        claimed: list[ClaimedOrder] = []
        room = self._link.window - self._used - self._behind
        if room <= 0:
            return
        # A step that was decided before and is committed after would settle their orders past them again.
        self._holding = True
        try:
            async with asyncio.timeout(LAST_STEPS):
                await self._step_through()
            claimed = await self._books.write(
                lambda tx: dispatch.take_asked(tx, self.channel.carrier_id, room, self.fence)
            )
            point("unsure.taken")
        except OutcomeUnknown:
            self.astray = True
            raise
        finally:
            self._holding = False
            self.add(claimed)

    async def _step_through(self) -> None:
        """Wait until the step under way is committed."""
        while self._stepping:
            self._idle.clear()
            await self._idle.wait()

    # What the link says.

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        """See `LinkDesk`."""
        self._answers.extend(batch)
        self._kick()

    def reports(self, batch: Sequence[Report], stored: Callable[[bool], None]) -> None:
        """See `LinkDesk`."""
        if self._answers:
            # Some of these may name messages whose answers still wait for a step. Decided before that step
            # they would find nothing and be parked; decided right after it they cost half as much.
            self._early.append((batch, stored))
        else:
            self._gather_reports(batch, stored)

    def _gather_early(self) -> None:
        """The answers are on their way to the writer; reports that came with them may follow."""
        early, self._early = self._early, []
        for batch, stored in early:
            self._gather_reports(batch, stored)

    def _gather_reports(self, batch: Sequence[Report], stored: Callable[[bool], None]) -> None:
        try:
            written = self._books.gather(
                REPORTS, ReportBatch(self.channel.carrier_id, self.channel.id_form, batch)
            )
        except Exception as error:
            log.warning("reports.refused", carrier=self.channel.name, count=len(batch), error=str(error))
            stored(False)
            return
        written.add_done_callback(lambda done: self._reported(done, len(batch), stored))

    def _reported(self, done: asyncio.Future[Any], count: int, stored: Callable[[bool], None]) -> None:
        error = done.exception()
        if error is not None:
            log.warning("reports.failed", carrier=self.channel.name, count=count, error=str(error))
        stored(error is None)

    def inbound(self, batch: Sequence[Inbound], stored: Callable[[bool], None]) -> None:
        """See `LinkDesk`."""
        task = asyncio.get_running_loop().create_task(self._take_in(batch, stored))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_in(self, batch: Sequence[Inbound], stored: Callable[[bool], None]) -> None:
        try:
            changed = await self._books.write(
                partial(inbound.take, carrier_id=self.channel.carrier_id, batch=batch)
            )
        except Exception as error:
            # Its text may have been part of what failed: nothing but the kind of fault is told.
            log.warning(
                "inbound.failed", carrier=self.channel.name, count=len(batch), why=type(error).__name__
            )
            stored(False)
            return
        point("inbound.stored")
        stored(True)
        if changed:
            self.on_text()

    async def awaited(self, among: Sequence[str] | None = None) -> dict[str, bool]:
        """See `LinkDesk`. It waits for a store that is away."""
        channel = self.channel
        if among is not None:
            found: dict[str, bool] = await self._asked(
                partial(kept, carrier_id=channel.carrier_id, form=channel.id_form, spelled=among)
            )
            return found
        spelled: list[str] = []
        after: int | None = -1
        while after is not None:
            after, names = await self._asked(
                partial(awaited, carrier_id=channel.carrier_id, after=after, limit=AWAITED)
            )
            spelled += names
        return dict.fromkeys(spelled, True)

    async def _asked(self, question: Callable[[Any], Any]) -> Any:
        while True:
            try:
                return await self._books.read(question)
            except StoreUnavailable as error:
                log.warning("awaited.not_read", carrier=self.channel.name, error=str(error))
                await asyncio.sleep(RETRY)

    def link_state(self, up: bool, why: str) -> None:
        """See `LinkDesk`."""
        # Also of one that was never up, or is down for another reason than before: it is what helps.
        if up != self.up or (not up and why != self.why):
            log.info("link.up" if up else "link.down", carrier=self.channel.name, why=why)
        self.up, self.why = up, why
        self._kick()
        self.on_change()

    # Steps.

    def _free(self) -> int:
        return 0 if self._stopping or self.lost or not self.up else max(0, self._link.window - self._used)

    def _kick(self) -> None:
        """Begin the next step if there is anything to commit and none is under way."""
        if self._stepping or self._holding or self.lost:
            return
        outcomes, resend = self._take_answers()
        picked = self._pick()
        if not outcomes and not picked:
            self._gather_early()
            self._idle.set()
            return
        self._stepping = True
        advances = [(run.order_id, run.opened, run.settled()) for run in {run for run, _ in picked}]
        leaving = [(run.order_id, row.id) for run, row in picked]
        channel = self.channel
        step = Step(
            channel.carrier_id,
            channel.id_form,
            channel.on_uncertain,
            outcomes,
            advances,
            leaving,
            fence=self.fence,
        )
        self._commit(step, picked, resend)

    def _take_answers(self) -> tuple[list[tuple[Sent, Outcome]], list[Flight]]:
        """Outcomes to commit, and the flights that have to go again because theirs is unknown."""
        outcomes: list[tuple[Sent, Outcome]] = []
        resend: list[Flight] = []
        for message_id, outcome in self._answers:
            flight = self._flights.get(message_id)
            if flight is None:
                continue
            outcomes.append((flight.sent, outcome))
            if isinstance(outcome, Unknown) and self.channel.on_uncertain is OnUncertain.RESEND:
                resend.append(flight)
                self._doubted.add(message_id)
            else:
                self._land(flight)
        self._answers.clear()
        return outcomes, resend

    def _land(self, flight: Flight) -> None:
        run = flight.run
        del self._flights[flight.sent.id]
        self._used -= flight.slots
        self._doubted.discard(flight.sent.id)
        self._leave(run, flight.sent.id)

    def _pick(self) -> list[tuple[Run, QueuedMessage]]:
        """What the window has room for, from the orders in turn; their ids count as open from here on.

        Small orders have half of the room before large ones, so that a single message waits for no campaign,
        and no number of them stops a campaign. A message that has more parts than there is room keeps its
        turn, and nothing else goes until the room has grown.
        """
        picked: list[tuple[Run, QueuedMessage]] = []
        free = self._free() - self._reserved
        if free > 0 and self._hungry is not None:
            turns, self._hungry = self._hungry, None
            free -= self._serve(turns, 1, free, picked)
        if self._hungry is None:
            free -= self._serve(self._small, (free + 1) // 2 if self._large else free, free, picked)
        if self._hungry is None:
            free -= self._serve(self._large, free, free, picked)
        if self._hungry is None:
            self._serve(self._small, free, free, picked)
        return picked

    def _serve(
        self, turns: deque[Run], quota: int, free: int, picked: list[tuple[Run, QueuedMessage]]
    ) -> int:
        """Let orders take turns until `quota` slots are used, or a few more of `free` by a message of several
        parts; returns how many were used."""
        used, empty = 0, 0
        while used < quota and turns and empty < len(turns):
            share = max(1, quota // min(len(turns), LANES))
            run = turns.popleft()
            # What is open on disk without being with the link has its room kept free.
            room = free - used - (0 if run.again else self._behind)
            taken = self._take_from(run, min(share, quota - used), room, picked)
            used += taken
            empty = 0 if taken else empty + 1
            if run.exhausted:
                if not run.out:
                    self._runs.pop(run.order_id, None)
                asyncio.get_running_loop().call_soon(self.on_change)
                continue
            if not taken and (run.again or (run.rows and not self._behind)):
                turns.appendleft(run)
                self._hungry = turns
                break
            turns.append(run)
            self._look_ahead(run)
        return used

    def _take_from(self, run: Run, share: int, room: int, picked: list[tuple[Run, QueuedMessage]]) -> int:
        """Move messages worth `share` slots to `picked`, at least one if there is room for it. A message of
        more parts than the whole window goes when nothing else is open."""
        taken = 0
        again = bool(run.again)
        alone = not self._used and (again or not self._behind)
        source = run.again or run.rows
        while source:
            need = max(1, source[0].price)
            if taken + need > (min(share, room) if taken else room) and (taken or not alone):
                break
            row = source.popleft()
            run.opened = max(run.opened, row.id)
            run.out.add(row.id)
            picked.append((run, row))
            self._behind -= need if again else 0
            self._used += need
            taken += need
        if not run.rows:
            run.opened = max(run.opened, run.covered)
        return taken

    def _place(self, run: Run) -> None:
        turns = self._small if run.last_id - run.order_id < dispatch.SMALL else self._large
        if not run.exhausted and run not in turns:
            turns.append(run)
            self._look_ahead(run)

    def _look_ahead(self, run: Run) -> None:
        """Read more rows of a large order before those at hand are used up."""
        if run.loading or run.covered >= run.last_id or len(run.rows) > LOOK_AHEAD // 2:
            return
        run.loading = True
        task = asyncio.get_running_loop().create_task(self._load(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self, run: Run) -> None:
        try:
            covered, rows = await self._books.read(
                lambda tx: dispatch.more_rows(tx, run.covered, run.last_id, LOOK_AHEAD)
            )
        except Exception as error:
            log.warning("send.read_failed", order=run.order_id, error=str(error))
            await asyncio.sleep(RETRY)
            run.loading = False
            self._look_ahead(run)
            return
        run.covered = covered
        run.rows.extend(rows)
        run.loading = False
        self._kick()

    def _commit(self, step: Step, picked: list[tuple[Run, QueuedMessage]], resend: list[Flight]) -> None:
        try:
            done = self._books.gather(STEP, step)
        except Exception as error:
            self._again(step, picked, resend, error)
            return
        self._gather_early()
        done.add_done_callback(lambda done: self._stepped(done, step, picked, resend))

    def _stepped(
        self,
        done: asyncio.Future[Stepped],
        step: Step,
        picked: list[tuple[Run, QueuedMessage]],
        resend: list[Flight],
    ) -> None:
        error = done.exception()
        if error is not None:
            self._again(step, picked, resend, error)
            return
        stepped = done.result()
        if stepped.lost:
            self._lose()
            return
        batch = [self._outgoing(flight.run, flight.sent.id, flight.sent.number) for flight in resend]
        for run, row in picked:
            if row.id in stepped.withheld:
                self._drop(run, row)
            else:
                batch.append(self._launch(run, row, stepped.now, counted=True))
        if batch:
            point("step.leaving")
            self._link.submit(batch)
        self._stepping = False
        self._kick()
        if not self._stepping:
            self._idle.set()

    def _lose(self) -> None:
        """Another process has the link; whoever started us has to end us."""
        log.warning("link.lost", carrier=self.channel.name)
        self.lost = True
        self._stepping = False
        self._idle.set()
        self.on_change()

    def _drop(self, run: Run, row: QueuedMessage) -> None:
        """A message that was picked has ended without leaving."""
        self._used -= max(1, row.price)
        self._leave(run, row.id)

    def _leave(self, run: Run, message_id: int) -> None:
        run.out.discard(message_id)
        if not run.out and run.exhausted:
            self._runs.pop(run.order_id, None)

    def _again(
        self,
        step: Step,
        picked: list[tuple[Run, QueuedMessage]],
        resend: list[Flight],
        error: BaseException,
    ) -> None:
        """The store could not take a step, or could not say that it did; outcomes must not be forgotten."""
        if self.lost:
            self._stepping = False
            return
        log.warning("step.failed", carrier=self.channel.name, outcomes=len(step.outcomes), error=str(error))
        asyncio.get_running_loop().call_later(
            RETRY, self._commit, replace(step, repeated=True), picked, resend
        )

    def _launch(self, run: Run, row: QueuedMessage, now: int, *, counted: bool = False) -> Outgoing:
        """A message is open on disk; it may leave."""
        need = max(1, row.price)
        if not counted:
            self._used += need
            run.out.add(row.id)
        self._flights[row.id] = Flight(Sent(row.id, run.order_id, row.number, now), run, need)
        return self._outgoing(run, row.id, row.number)

    @staticmethod
    def _outgoing(run: Run, message_id: int, number: int) -> Outgoing:
        return Outgoing(message_id, number, run.sender, run.text_of(message_id))
