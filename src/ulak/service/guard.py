"""Who guesses is slowed: keys, secrets and ids that are wrong, counted by address and by what was tried.

Five wrong tries in a minute hold an address up for a minute, and twice as long each further time. So that
nobody can lock out others it is tries that are held up and not people: what was right from an address before
goes on being right there, and of the rest some are looked at all the while. A name (the key that a wrong
secret was tried with, say) is held up only at addresses that failed lately.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple

import structlog

from ulak.core.addresses import network_of
from ulak.core.times import Clock
from ulak.service.accounts import digest
from ulak.service.limits import MINUTE, Counts, Failures, Penalty, Window, seconds

SPARE = 60
"""Tries in a minute that are looked at although their subject is held up."""

NETWORKS_MAX, MARKS_MAX = 10_000, 256
"""Networks of which something is remembered, and how many credentials of each."""

LINES = 10
"""Lines about this in the log, in a minute: who comes from ten thousand addresses shall not fill it."""

_NAME_SHOWN = 32

log = structlog.get_logger("ulak.guard")


class Attempt(NamedTuple):
    """One try: the network it came from, a mark that stands for all that was tried, and the part of it that
    can be tried by itself."""

    network: str
    mark: int
    name: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """What its failure is counted of."""
        where = f"address {self.network}"
        return (where, f"name {digest(self.name)[:_NAME_SHOWN]}") if self.name else (where,)


class Guard:
    """Counts wrong tries, in this process or with others.

    Secrets of 128 random bits are not guessed in any number of tries, so of those some may be looked at. For
    weaker ones `spare` is 0: while they are held up nothing is looked at but what was right before.
    """

    def __init__(
        self, penalty: Penalty | None, clock: Clock, *, shared: Counts | None = None, spare: int = SPARE
    ) -> None:
        """`penalty` None: nobody is slowed. `clock` is the machine's."""
        self.refused = self.holds = 0
        """Tries that were not looked at, and how often a subject was held up."""
        self._on = penalty is not None
        self._penalty = penalty or Penalty()
        self._clock = clock
        self._shared = shared
        self._spare = Window(spare, MINUTE) if spare else None
        self._failures = Failures(self._penalty)
        self._told = Window(LINES, MINUTE)
        self._held_up: OrderedDict[str, int] = OrderedDict()
        self._failed: OrderedDict[str, int] = OrderedDict()
        self._right: OrderedDict[str, OrderedDict[int, None]] = OrderedDict()

    def attempt(self, address: str, *secrets: Hashable, name: str = "") -> Attempt:
        """Somebody at an address tries this. `name`: what of it is no secret, and is tried with many."""
        # Python's own hash is keyed with a secret of this process: what is kept tells nothing.
        return Attempt(network_of(address), hash((name, secrets)), name) if self._on else _NONE

    def wait(self, attempt: Attempt) -> int:
        """Seconds for which this is not looked at; 0: it is. To be asked once, just before it is."""
        if not self._held_up:
            return 0
        now = self._clock()
        where, *names = attempt.subjects
        subjects = [where, *names] if self._failed.get(where, 0) > now - self._penalty.span else [where]
        held_up = {subject: self._held_up.get(subject, 0) for subject in subjects}
        # A clock that was set back makes nobody wait for longer than ever.
        held_up = {name: end for name, end in held_up.items() if now < end <= now + self._penalty.most}
        if not held_up or attempt.mark in self._right.get(attempt.network, ()):
            return 0
        wait = max(self._unless_spare(subject, end, now) for subject, end in held_up.items())
        self.refused += wait > 0
        return wait

    def _unless_spare(self, subject: str, until: int, now: int) -> int:
        if self._spare is None:
            return seconds(until - now)
        return min(self._spare.ask(subject, now).wait, seconds(until - now))

    def right(self, attempt: Attempt) -> None:
        """It was right."""
        if not self._on:
            return
        marks = self._right.get(attempt.network)
        if marks is None:
            marks = self._right[attempt.network] = OrderedDict()
            _trim(self._right, NETWORKS_MAX)
        if attempt.mark not in marks:
            marks[attempt.mark] = None
            _trim(marks, MARKS_MAX)

    async def wrong(self, attempt: Attempt) -> int:
        """It was wrong; seconds for which the like of it is held up now, 0 if that is not the case yet."""
        shared = self._shared
        if shared is None or not self._on:
            return self.wrong_here(attempt)
        subjects = attempt.subjects
        told = await asyncio.gather(*[shared.fail(subject, self._penalty) for subject in subjects])
        now = self._clock()
        pauses = [
            self._failures.fail(subject, now) if pause is None else pause
            for subject, pause in zip(subjects, told, strict=True)
        ]
        return self._hold_up(subjects, pauses, now)

    def wrong_here(self, attempt: Attempt) -> int:
        """The same, counted in this process only."""
        if not self._on:
            return 0
        now, subjects = self._clock(), attempt.subjects
        return self._hold_up(subjects, [self._failures.fail(subject, now) for subject in subjects], now)

    def _hold_up(self, subjects: tuple[str, ...], pauses: list[int], now: int) -> int:
        self._failed[subjects[0]] = now
        self._failed.move_to_end(subjects[0])
        _trim(self._failed, NETWORKS_MAX)
        for subject, pause in zip(subjects, pauses, strict=True):
            if pause:
                fresh = self._held_up.get(subject, 0) <= now
                self.holds += fresh
                if fresh and self._told.ask("", now).allowed:
                    log.warning("guard.held_up", subject=subject, seconds=seconds(pause))
                self._held_up[subject] = now + pause
                self._held_up.move_to_end(subject)
        for _ in range(2):
            self._forget(now)
        return seconds(max(pauses))

    def _forget(self, now: int) -> None:
        """Let go of the subject that was held up first, if it waits no more or there are too many."""
        if self._held_up:
            subject, until = next(iter(self._held_up.items()))
            if until <= now or len(self._held_up) > NETWORKS_MAX:
                del self._held_up[subject]


_NONE = Attempt("", 0, "")


def no_guard() -> Guard:
    """One that slows nobody."""
    return Guard(None, lambda: 0)


def _trim(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
