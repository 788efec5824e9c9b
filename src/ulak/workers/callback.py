"""Telling customers' endpoints what happened.

What is due is claimed in the commit that also writes down what came of earlier attempts, so however fast
endpoints answer, a group of them costs one commit. A claim takes more of an endpoint than is tried at once:
its lane then always has something to go on with while the next commit is under way.

An endpoint is good from a success on until it fails. Any other is tried with one callback at a time, all of
them together never take all the room, and one that goes on failing is tried more rarely: the dead ones cost
the others little.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import structlog

from ulak.core.callbacks import GONE, Callback, Endpoint, Outcome, Renderer, signed
from ulak.core.errors import UlakError
from ulak.core.points import point
from ulak.core.times import Clock
from ulak.outbound import Outbound, OutboundError, TooLarge
from ulak.outbound.line import Posted, PostLine
from ulak.service import callbacks
from ulak.service.callbacks import Luck, Room, Step
from ulak.workers.lines import Lines

POLL = 0.5
"""Seconds between looks for what has become due and for what other processes have written."""

PACE = 0.02
"""Seconds between two commits at least: under load this makes them larger, and so cheaper by the callback."""

TIMEOUT = 15.0
"""Seconds that an endpoint has for its answer."""

ABREAST = 8
"""Callbacks that are tried at once at a good endpoint; one at any other."""

AHEAD = 128
"""Callbacks of a good endpoint that are claimed at most."""

WHOLE = 2_000
"""Callbacks that are claimed in all at most."""

DOUBTFUL, FAILING = 1_500, 1_000
"""Of these, the most for endpoints that are not known to be good, and for those that are failing."""

LEASE = 300_000
"""How long a claim holds, ms: longer than the slowest endpoint takes for all that is claimed of it."""

MISSES = 3
"""Failures in a row after which what waits for an endpoint is given back, and it is tried now and then."""

FAILING_RATE, REST_MIN, BURST = 100, 0.1, 10
"""Attempts a second that all failing endpoints share in the long run; the rest, in seconds, that one of them
has between two at least; and how many it may have at once before that counts. The schedule asks for less of
a single callback: this bounds what thousands of them at thousands of dead endpoints cost."""

LAST = 5.0
"""Seconds that attempts under way have to end when we stop."""

ANSWER_MAX = 16 * 1024
"""Bytes of an answer that are read; only its status counts."""

log = structlog.get_logger("ulak.callback")


class Books(Protocol):
    """What this worker asks of the store."""

    async def read(self, question: Callable[[Any], Any]) -> Any:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Any]) -> Any:
        """Change within one transaction."""


@dataclass(slots=True)
class Lane:
    """What is claimed of one endpoint: some of it under way, the rest waiting.

    `misses` counts the failures in a row.
    """

    endpoint: Endpoint
    good: bool
    misses: int = 0
    waiting: deque[Callback] = field(default_factory=deque)
    under_way: int = 0

    @property
    def claimed(self) -> int:
        """How many callbacks of the endpoint we hold."""
        return len(self.waiting) + self.under_way

    @property
    def failing(self) -> bool:
        """Whether it failed when it was last tried, by us or by a process before us."""
        return self.misses > 0 or self.endpoint.failing is not None


class CallbackSender:
    """Tries callbacks until stopped."""

    def __init__(
        self,
        books: Books,
        outbound: Outbound,
        renderers: Mapping[str, Renderer],
        signing_key: Callable[[Endpoint], bytes],
        luck: Luck,
        clock: Clock,
        process: Callable[[], int] = lambda: 0,
    ) -> None:
        """`renderers` by dialect; `signing_key` opens the secret of an endpoint; `clock` is the world's time,
        which a moved clock of a sandbox is not: receivers compare it with theirs. `process` is our id."""
        self._books = books
        self._outbound = outbound
        self._renderers = renderers
        self._signing_key = signing_key
        self._luck = luck
        self._clock = clock
        self._process = process
        self._lanes: dict[int, Lane] = {}
        self._held: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: list[Outcome] = []
        self._returned: list[int] = []
        self._keys: dict[int, tuple[str, bytes]] = {}
        self._good: set[int] = set()
        self._rested: dict[int, float] = {}
        self._lines = Lines(outbound, timeout=TIMEOUT, limit=ANSWER_MAX)
        self._posts: dict[int, PostLine] = {}
        self._awake = asyncio.Event()
        self._asked = False
        self._stopping = False

    def wake(self) -> None:
        """There is something to tell."""
        self._asked = True
        self._awake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Try what is due until stopped; then end what is under way, and give back the rest."""
        waiter = asyncio.create_task(self._wake_at(stop))
        try:
            await self._begin(stop)
            while not stop.is_set():
                await self._turn_once()
                self._lines.close_idle()
                await self._rest()
        finally:
            waiter.cancel()
            await self._end()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._awake.set()

    async def _begin(self, stop: asyncio.Event) -> None:
        """Take over what a process before us was trying when it went."""
        while not stop.is_set():
            try:
                released = await self._books.write(callbacks.release)
            except Exception as error:
                log.warning("callbacks.not_released", error=str(error))
                await asyncio.sleep(POLL)
            else:
                if released:
                    log.info("callbacks.released", count=released)
                return

    async def _turn_once(self) -> None:
        """One commit, if there is a reason for one."""
        self._awake.clear()
        try:
            if self._outcomes or self._returned or self._asked or await self._books.read(callbacks.any_due):
                await self._step()
        except Exception as error:
            log.warning("callbacks.failed", error=str(error), exc_info=not isinstance(error, UlakError))
            await asyncio.sleep(POLL)

    async def _rest(self) -> None:
        """Wait until something is to be done; a moment at least, so that commits are shared."""
        await asyncio.sleep(PACE)
        try:
            await asyncio.wait_for(self._awake.wait(), POLL)
        except TimeoutError:
            return

    async def _step(self) -> None:
        """Write down what came of attempts, claim what is due, and let it go."""
        outcomes, self._outcomes = self._outcomes, []
        returned, self._returned = self._returned, []
        self._asked = False
        waiting = [endpoint_id for endpoint_id, lane in self._lanes.items() if lane.waiting]
        step = partial(
            callbacks.step,
            outcomes=outcomes,
            returned=returned,
            room=self._room(),
            ask=waiting,
            lease=LEASE,
            luck=self._luck,
            process=self._process(),
        )
        try:
            done: Step = await self._books.write(step)
        except BaseException:
            self._outcomes[:0] = outcomes
            self._returned[:0] = returned
            raise
        if outcomes:
            point("callback.noted")
        if done.claimed:
            point("callback.claimed")
        self._held.difference_update(outcome.callback_id for outcome in outcomes)
        self._held.difference_update(returned)
        for endpoint in done.disabled:
            log.warning("endpoint.disabled", account_id=endpoint.account_id, dialect=endpoint.dialect)
        for endpoint_id in waiting:
            self._changed(endpoint_id, done.asked.get(endpoint_id))
        self._take(done.claimed)

    def _changed(self, endpoint_id: int, endpoint: Endpoint | None) -> None:
        """Another address or secret of an endpoint holds from now on; one that is gone is told no more."""
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            return
        if endpoint is None:
            self._empty(lane)
        else:
            lane.endpoint = endpoint

    def _empty(self, lane: Lane) -> None:
        """Give back what waits in a lane."""
        self._returned += [callback.id for callback in lane.waiting]
        lane.waiting.clear()

    def _room(self) -> Room:
        if self._stopping:
            return Room(0, 0, 0, 0)
        busy = {endpoint_id: lane.claimed for endpoint_id, lane in self._lanes.items()}
        doubtful = [lane for lane in self._lanes.values() if not lane.good]
        failing = sum(lane.claimed for lane in doubtful if lane.failing)
        room = WHOLE - sum(busy.values())
        now = asyncio.get_running_loop().time()
        self._rested = {one: until for one, until in self._rested.items() if until > now}
        latest = now + BURST * self._rest_of_one()
        busy |= {one: AHEAD for one, until in self._rested.items() if until > latest}
        left = DOUBTFUL - sum(lane.claimed for lane in doubtful)
        return Room(AHEAD, room, left, FAILING - failing, busy, frozenset(self._good))

    def _take(self, claimed: Sequence[Callback]) -> None:
        """Put what was claimed into the lanes of its endpoints."""
        touched = {}
        for callback in claimed:
            if callback.id in self._held:
                continue  # our claim ran out, and we have claimed it again while it is under way
            endpoint = callback.endpoint
            lane = self._lanes.get(endpoint.id)
            if lane is None:
                lane = self._lanes[endpoint.id] = Lane(endpoint, endpoint.id in self._good)
            lane.endpoint = endpoint
            lane.waiting.append(callback)
            self._held.add(callback.id)
            touched[endpoint.id] = lane
        for lane in touched.values():
            self._go_on(lane)

    def _go_on(self, lane: Lane) -> None:
        """Try as many of an endpoint's as may be tried at once."""
        while lane.waiting and lane.under_way < (ABREAST if lane.good else 1) and not self._stopping:
            callback = lane.waiting.popleft()
            lane.under_way += 1
            line = self._lines.free(lane.endpoint) if lane.good else None
            if line is not None:
                self._post(lane, callback, line)
                continue
            task = asyncio.create_task(self._try(lane, callback))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not lane.claimed:
            self._lanes.pop(lane.endpoint.id, None)

    async def _try(self, lane: Lane, callback: Callback) -> None:
        """One attempt, on a connection that is kept if the endpoint is good."""
        try:
            line = await self._lines.opened(lane.endpoint) if lane.good else None
            if line is not None and line.url != lane.endpoint.url:
                line.close()  # The address was changed meanwhile.
                line = None
            if line is None:
                outcome = await self._attempt(callback, lane.endpoint)
        except asyncio.CancelledError:
            self._returned.append(callback.id)
            lane.under_way -= 1
            raise
        if line is not None:
            self._post(lane, callback, line)
        else:
            self._tried(lane, outcome)

    def _post(self, lane: Lane, callback: Callback, line: PostLine) -> None:
        """One attempt on a connection that is there."""
        at = self._clock()
        began = asyncio.get_running_loop().time()
        try:
            body, headers = self._request(callback, lane.endpoint, at)
            line.post(headers, body, TIMEOUT, partial(self._posted, lane, callback, line, at, began))
        except Exception as error:
            self._lines.put_back(lane.endpoint, line)
            self._tried(lane, Outcome(callback.id, at, 0, 0, self._broken(callback, error)))
        else:
            self._posts[callback.id] = line

    def _posted(
        self, lane: Lane, callback: Callback, line: PostLine, at: int, began: float, posted: Posted
    ) -> None:
        del self._posts[callback.id]
        self._lines.put_back(lane.endpoint, line)
        if posted.unheard and not self._stopping:
            lane.under_way -= 1
            lane.waiting.appendleft(callback)
            self._go_on(lane)
            return
        took = round((asyncio.get_running_loop().time() - began) * 1000)
        self._tried(lane, Outcome(callback.id, at, posted.status, took, posted.note, posted.retry_after))

    def _tried(self, lane: Lane, outcome: Outcome) -> None:
        """What follows from an attempt for the lane."""
        point("callback.posted")
        lane.under_way -= 1
        self._outcomes.append(outcome)
        if outcome.arrived:
            lane.good, lane.misses = True, 0
            self._good.add(lane.endpoint.id)
            self._rested.pop(lane.endpoint.id, None)
        else:
            self._missed(lane, outcome)
        self._go_on(lane)
        self._awake.set()

    def _missed(self, lane: Lane, outcome: Outcome) -> None:
        """An endpoint failed: it is spared for a while, and if it did so several times, left alone."""
        now = asyncio.get_running_loop().time()
        one = lane.endpoint.id
        self._rested[one] = max(self._rested.get(one, now), now) + self._rest_of_one()
        self._good.discard(one)
        self._lines.close(one)
        lane.good, lane.misses = False, lane.misses + 1
        if lane.misses >= MISSES or outcome.status == GONE:
            self._empty(lane)

    def _rest_of_one(self) -> float:
        """Seconds between two attempts at a failing endpoint, as many as there are now."""
        return max(REST_MIN, len(self._rested) / FAILING_RATE)

    async def _attempt(self, callback: Callback, endpoint: Endpoint) -> Outcome:
        """Tell one endpoint of one event."""
        at = self._clock()
        began = asyncio.get_running_loop().time()
        status, note, wait = 0, "", None
        try:
            body, headers = self._request(callback, endpoint, at)
            answer = await self._outbound.request(
                "POST", endpoint.url, headers=headers, body=body, timeout=TIMEOUT, limit=ANSWER_MAX
            )
            status, wait = answer.status, answer.headers.get("retry-after")
        except TooLarge as error:
            status, note = error.status, str(error)
        except Exception as error:
            note = self._broken(callback, error)
        took = round((asyncio.get_running_loop().time() - began) * 1000)
        return Outcome(callback.id, at, status, took, note, wait)

    @staticmethod
    def _broken(callback: Callback, error: Exception) -> str:
        """Why there was no attempt, or no answer."""
        if isinstance(error, (OutboundError, UlakError)):
            return str(error)
        log.error(
            "callback.broken",
            callback_id=callback.id,
            event_kind=callback.event.kind.value,
            exc_info=error,
        )
        return "it could not be made; the log says why"

    def _request(self, callback: Callback, endpoint: Endpoint, at: int) -> tuple[bytes, dict[str, str]]:
        renderer = self._renderers.get(endpoint.dialect)
        if renderer is None:
            raise UlakError(f"this version tells nothing in the words of {endpoint.dialect}")
        rendered = renderer.render(callback.event)
        headers = {"content-type": rendered.content_type, **rendered.headers}
        if endpoint.secret:
            key = self._key(endpoint)
            headers |= signed(callback.id, at // 1000, rendered.body, key)
            headers |= renderer.sign(at, rendered.body, key) if renderer.sign else {}
        point("callback.posting")
        return rendered.body, headers

    def _key(self, endpoint: Endpoint) -> bytes:
        """The key of an endpoint, opened once as long as it is the same."""
        sealed, key = self._keys.get(endpoint.id, ("", b""))
        if sealed != endpoint.secret:
            if len(self._keys) >= WHOLE:
                self._keys.clear()
            key = self._signing_key(endpoint)
            self._keys[endpoint.id] = (endpoint.secret, key)
        return key

    async def _end(self) -> None:
        """Let attempts under way end, for a while; give back what is left, and write it all down."""
        self._stopping = True
        for lane in self._lanes.values():
            self._empty(lane)
        until = asyncio.get_running_loop().time() + LAST
        while (self._tasks or self._posts) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(PACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._lines.close_all(self._posts.values())
        await asyncio.sleep(0)  # What was answered just now is heard.
        self._returned += self._posts
        if not (self._outcomes or self._returned):
            return
        try:
            await self._step()
        except Exception as error:
            # They are sent again by whoever comes next.
            log.warning("callbacks.not_written", count=len(self._outcomes), error=str(error))
