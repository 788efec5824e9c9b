"""How often something may happen: exact sliding windows, and failures that have to wait ever longer.

Each is counted in this process, or with others in `Counts`. What others count with is asked from the event
loop; what is known here can be looked at from any thread.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from threading import Lock
from typing import NamedTuple, Protocol

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


class Rate(NamedTuple):
    """Where a key stands: `wait` is the seconds until it may ask again, 0 while it may."""

    allowed: bool
    limit: int
    remaining: int
    wait: int


class Asked(NamedTuple):
    """What a window says that several processes share: `wait` is in ms."""

    allowed: bool
    remaining: int
    wait: int


class Penalty(NamedTuple):
    """`limit` failures within `span` have to wait `first`, and twice as long each further time, at most
    `most`. A subject that was not held up for `most` begins anew. Times are ms."""

    limit: int = 5
    span: int = MINUTE
    first: int = MINUTE
    most: int = HOUR


class Counts(Protocol):
    """What several processes count together. Each method answers None when it cannot be reached."""

    async def ask(self, key: str, limit: int, span: int, ahead: int) -> Asked | None:
        """Count a request in the window of `key`, if it is allowed. Whose clock counts is theirs, put forward
        by `ahead` ms."""

    async def fail(self, subject: str, penalty: Penalty) -> int | None:
        """Count a failure; how long the subject has to wait now, ms."""


class Window:
    """Lets each key ask `limit` times in any `span` ms. Requests that are refused do not count.

    Asked from many threads. A key is forgotten once its last request has left the window.
    """

    def __init__(self, limit: int, span: int) -> None:
        self._limit = limit
        self._span = span
        self._lock = Lock()
        # The key that asked last stands last, so that the forgotten ones are found at the front.
        self._asked: OrderedDict[str, deque[int]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._asked)

    @property
    def unasked(self) -> Rate:
        """Where a key stands that has not asked for long."""
        return Rate(True, self._limit, self._limit, 0)

    def ask(self, key: str, now: int) -> Rate:
        """Count a request of `key` at `now` (ms), if it is allowed."""
        with self._lock:
            asked = self._asked.get(key)
            if asked is None:
                asked = self._asked[key] = deque()
            else:
                self._asked.move_to_end(key)
                now = _in_order(asked, now, self._span)
            self._forget(now)
            wait = self._wait(asked, now)
            if wait:
                return Rate(False, self._limit, 0, wait)
            asked.append(now)
            return Rate(True, self._limit, self._limit - len(asked), 0)

    def full(self, key: str, now: int) -> Rate | None:
        """Where a key stands that may not ask at `now`; None if it may. Nothing is counted."""
        with self._lock:
            asked = self._asked.get(key)
            if not asked:
                return None
            wait = self._wait(asked, _in_order(asked, now, self._span))
            return Rate(False, self._limit, 0, wait) if wait else None

    def _wait(self, asked: deque[int], now: int) -> int:
        """Seconds until there is room."""
        _drop(asked, now - self._span)
        if len(asked) < self._limit:
            return 0
        return seconds(asked[0] + self._span - now if asked else self._span)

    def _forget(self, now: int) -> None:
        """Let go of keys that did not ask within the window, a few at a time."""
        for _ in range(2):
            key, asked = next(iter(self._asked.items()))
            if len(self._asked) == 1 or (asked and asked[-1] > now - self._span):
                return
            del self._asked[key]


class Limit:
    """A window of this process, or one that it shares with others.

    While those cannot be asked each process counts for itself, beginning with what it has let through.
    """

    def __init__(self, name: str, limit: int, span: int, shared: Counts | None = None) -> None:
        """Keys of windows with different names have nothing to do with each other."""
        self._name = name
        self._limit = limit
        self._span = span
        self._shared = shared
        self._own = Window(limit, span)
        # Until when no process lets a key ask: a full window stays so until its oldest request leaves.
        self._full: dict[str, int] = {}

    @property
    def unasked(self) -> Rate:
        """Where a key stands that has not asked for long."""
        return self._own.unasked

    def full(self, key: str, now: int) -> Rate | None:
        """Where a key stands that is known here not to be allowed at `now` (ms), from any thread."""
        if self._shared is None:
            return self._own.full(key, now)
        wait = self._full.get(key, now) - now
        return Rate(False, self._limit, 0, seconds(wait)) if 0 < wait <= self._span else None

    async def ask(self, key: str, now: int, ahead: int = 0) -> Rate:
        """Count a request of `key` at `now` (ms), if it is allowed. `ahead`: so far a sandbox's clock, which
        is `now`, was put forward."""
        if self._shared is None:
            return self._own.ask(key, now)
        known = self.full(key, now)
        if known is not None:
            return known
        asked = await self._shared.ask(f"{self._name}:{key}", self._limit, self._span, ahead)
        if asked is None:
            return self._own.ask(key, now)
        if asked.allowed:
            self._own.ask(key, now)
            return Rate(True, self._limit, asked.remaining, 0)
        self._remember(key, now, now + asked.wait)
        return Rate(False, self._limit, 0, seconds(asked.wait))

    def _remember(self, key: str, now: int, until: int) -> None:
        if len(self._full) >= _REMEMBERED_MAX:
            self._full = {known: end for known, end in self._full.items() if end > now}
            if len(self._full) >= _REMEMBERED_MAX:
                self._full = {}
        self._full[key] = until


class _Subject:
    """A subject of failures: when it failed lately, until when it has to wait, and how often it had to."""

    __slots__ = ("failed", "times", "until")

    def __init__(self) -> None:
        self.failed: deque[int] = deque()
        self.until = 0
        self.times = 0


class Failures:
    """Failures by subject, in this process. Those that failed longest ago are forgotten when there are too
    many."""

    def __init__(self, penalty: Penalty) -> None:
        self._penalty = penalty
        self._subjects: OrderedDict[str, _Subject] = OrderedDict()

    def __len__(self) -> int:
        """How many subjects are remembered."""
        return len(self._subjects)

    def fail(self, subject: str, now: int) -> int:
        """Count a failure at `now` (ms); how long the subject has to wait now, ms. What fails while it has to
        wait does not count."""
        limit, span, first, most = self._penalty
        known = self._subjects.get(subject)
        if known is None:
            known = self._subjects[subject] = _Subject()
            if len(self._subjects) > _SUBJECTS_MAX:
                self._subjects.popitem(last=False)
        else:
            self._subjects.move_to_end(subject)
        if not known.until - most <= now < known.until + most:
            known.until = known.times = 0
        if now < known.until:
            return known.until - now
        at = _in_order(known.failed, now, span)
        _drop(known.failed, at - span)
        known.failed.append(at)
        if len(known.failed) < limit:
            return 0
        pause = min(first << known.times, most)
        known.failed.clear()
        known.until, known.times = now + pause, min(known.times + 1, _DOUBLINGS_MAX)
        return pause


_REMEMBERED_MAX = 10_000
_SUBJECTS_MAX = 100_000
_DOUBLINGS_MAX = 30


def seconds(ms: int) -> int:
    """Whole seconds, rounded up."""
    return -(-ms // SECOND)


def _in_order(times: deque[int], now: int, span: int) -> int:
    """The moment that counts. Threads come in any order; a clock that was set back begins anew."""
    if not times or now >= times[-1]:
        return now
    if times[-1] - now >= span:
        times.clear()
        return now
    return times[-1]


def _drop(times: deque[int], before: int) -> None:
    """Let go of what has left the window."""
    while times and times[0] <= before:
        times.popleft()
