"""How fast a link may send: its own limit, and what the operator's throttling teaches.

Three things, none of which sleeps or knows a clock:

- a token bucket for the limit that was configured or learned;
- a pause after an answer of "throttled" or "queue full", 0.1 s at first and twice as long (to 5 s) each time
  that the single message which ends it, the probe, is turned away too;
- a learned rate. About once a second: when many answers were throttles, it becomes what was really accepted
  in that time; when a few were, it sinks a little; when none was, it rises, by two percent and then by twice
  as much each time, so that it stays near a limit that holds and soon leaves one that was lifted.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

PAUSE_FIRST = 0.1
PAUSE_MAX = 5.0
_JITTER = 0.2
_UNLIMITED = 1_000_000
_BURST_SECONDS = 0.02
_ROUNDING = 1e-6

_RATE_MIN = 5.0  # below this the pauses alone are slow enough
_INTERVAL = 1.0
_STALE = 10.0  # what was counted so long ago says nothing
_ANSWERS_ENOUGH = 20  # fewer say little about the share of throttles
_NEARLY_ALL = 0.94
_SINK, _FALL = 0.97, 0.8
_GROWTH_FIRST, _GROWTH_MAX = 0.02, 1.0


class Pace:
    """`room` says how many parts may leave now, `ready_at` when to ask again."""

    def __init__(self, limit: float, random: Callable[[], float]) -> None:
        """`limit` is parts a second, 0 for none; `random` gives numbers from 0 to 1 for the jitter."""
        self._limit = limit or _UNLIMITED
        self._random = random
        self.rate = self._limit
        self._lesson = _Lesson()
        self._tokens = 1.0
        self._filled_at = 0.0
        self._pause = PAUSE_FIRST
        self._paused_until = 0.0
        self._probing = False
        self._probed_at = 0.0

    def room(self, now: float) -> int:
        """How many parts may be sent now, the window aside."""
        if now < self._paused_until:
            return 0
        if self._probing:
            return 1 if self._probe_due(now) else 0
        if self.rate >= _UNLIMITED:
            return _UNLIMITED
        # One more than the burst, or else a timer that is late by a little would lose what it was late.
        burst = 1.0 + self.rate * _BURST_SECONDS
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        return int(self._tokens + _ROUNDING)

    def ready_at(self, now: float) -> float:
        """When there may be room again, seen from a moment without."""
        if now < self._paused_until:
            return self._paused_until
        if self._probing and not self._probe_due(now):
            return self._probed_at + PAUSE_MAX
        # Waking for every single token would cost more than the message: half a burst at a time.
        wanted = max(1.0, self.rate * _BURST_SECONDS / 2)
        return now + max(0.0, (wanted - self._tokens) / self.rate)

    def spent(self, count: int, now: float) -> None:
        """So many parts, at least one, were sent."""
        self._lesson.busy(now)
        if self.rate < _UNLIMITED:
            self._tokens -= count
        if self._probing:
            self._probed_at = now

    def idle(self, now: float) -> None:
        """There is nothing to send, or nowhere to: the time until the next part says nothing about speed."""
        self._lesson.idle(now)

    def reconnected(self) -> None:
        """The connection is a new one: a probe on the old one will not be answered."""
        self._probed_at = 0.0

    def heard(self, good: int, bad: int, now: float) -> None:
        """Answers came: `bad` that said throttled or queue full, and `good` that said anything else."""
        self._lesson.count(good, bad, now)
        # What answers messages sent before the pause says nothing new.
        if now >= self._paused_until:
            if bad:
                self._hold(now)
            elif good:
                if self._probing:
                    # No burst into the arms of somebody who has just said "slowly".
                    self._tokens, self._filled_at = 0.0, now
                self._probing = False
                self._pause = max(PAUSE_FIRST, self._pause / 2)
        if self._lesson.over(now):
            self.rate = min(self._limit, self._lesson.learn(self.rate, now))

    def _hold(self, now: float) -> None:
        if self._probing:
            self._pause = min(PAUSE_MAX, self._pause * 2)
        self._probing = True
        pause = self._pause * (1 + _JITTER * (2 * self._random() - 1))
        self._paused_until = now + pause
        self._lesson.paused += pause

    def _probe_due(self, now: float) -> bool:
        # A probe that is not answered at all must not stop the link for as long as the answer may take.
        return self._probed_at < self._paused_until or now >= self._probed_at + PAUSE_MAX


class _Lesson:
    """What happened in one interval, and the rate that follows from it."""

    def __init__(self) -> None:
        self._growth = _GROWTH_FIRST
        self._idle_since: float | None = None
        self._begin(0.0)

    def _begin(self, now: float) -> None:
        self._since = now
        self._good = self._bad = 0
        self._idled = 0.0
        self.paused = 0.0
        if self._idle_since is not None:
            self._idle_since = now

    def idle(self, now: float) -> None:
        if self._idle_since is None:
            self._idle_since = now

    def busy(self, now: float) -> None:
        if self._idle_since is not None:
            self._idled += now - self._idle_since
            self._idle_since = None

    def count(self, good: int, bad: int, now: float) -> None:
        if now - self._since > _STALE:
            self._begin(now)
        self._good += good
        self._bad += bad

    def over(self, now: float) -> bool:
        enough = not self._bad or self._good + self._bad >= _ANSWERS_ENOUGH
        return enough and now - self._since >= _INTERVAL

    def learn(self, rate: float, now: float) -> float:
        """The rate to go on with."""
        if self._idle_since is not None:
            self._idled += now - self._idle_since
        answers = self._good + self._bad
        elapsed = now - self._since
        busy = max(elapsed / 20, elapsed - self._idled)
        accepted_rate = self._good / busy
        if self._bad and self._good:  # an operator that takes nothing has no rate to be learned
            share = self._good / answers
            asked_rate = min(rate, answers / max(elapsed / 20, busy - self.paused))
            if share >= _NEARLY_ALL:
                rate = asked_rate * _SINK
            else:
                # Between what was too much and what was taken, pauses and all, which was too little.
                rate = max(asked_rate * min(_FALL, share), sqrt(asked_rate * accepted_rate))
            rate = max(_RATE_MIN, rate)
            self._growth = _GROWTH_FIRST
        elif self._good and accepted_rate >= rate / 2:  # only a rate that is used is proved
            rate *= 1 + self._growth
            self._growth = min(_GROWTH_MAX, self._growth * 2)
        self._begin(now)
        return rate
