"""Velocity limits at work: what an order would make of them, decided before it is accepted.

Whoever asks holds the account's lock, so that of two processes one counts after the other; what is counted is
committed with the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ulak.core.orders import TextDraft
from ulak.core.velocity import Kind, Velocity, step_end
from ulak.service.limits import seconds
from ulak.store import velocity as store
from ulak.store.engine import Tx

NEVER = -1
"""Waiting does not help: it is more than the limit by itself."""


class Toll(NamedTuple):
    """What an order counts, by account and by what is counted, and the most that there may be of it."""

    account_id: int
    counts: Mapping[tuple[Kind, int], int]
    most: Mapping[Kind, int]


def toll(account_id: int, limits: Velocity, numbers: Iterable[int]) -> Toll:
    """What messages to these numbers count."""
    return Toll(account_id, limits.subjects(numbers), limits.most)


def numbers_in(texts: Iterable[TextDraft]) -> list[int]:
    """Whom texts really go to."""
    return [number for text in texts for number in text.numbers if number and number not in text.barred]


class Tally:
    """A working copy of what counts, for tolls that are known beforehand."""

    def __init__(self, tx: Tx, tolls: Sequence[Toll]) -> None:
        self._tx = tx
        wanted = {(toll.account_id, int(kind), what) for toll in tolls for kind, what in toll.counts}
        found = store.counted(tx, wanted) if wanted else {}
        self._counted = {subject: count for subject, (count, _) in found.items()}
        self._ends = {subject: end for subject, (_, end) in found.items()}
        self._fresh: dict[store.Subject, int] = {}

    def wait(self, toll: Toll) -> int:
        """Seconds until there may be room for it, 0 if there is, NEVER if there never will be."""
        longest = 0
        for (kind, what), count in toll.counts.items():
            most, subject = toll.most[kind], (toll.account_id, int(kind), what)
            if count > most:
                return NEVER
            if self._counted.get(subject, 0) + count > most:
                end = self._ends.get(subject, step_end(kind, self._tx.now))
                longest = max(longest, seconds(end - self._tx.now))
        return longest

    def take(self, toll: Toll) -> None:
        """It is accepted."""
        for (kind, what), count in toll.counts.items():
            subject = (toll.account_id, int(kind), what)
            self._counted[subject] = self._counted.get(subject, 0) + count
            self._fresh[subject] = self._fresh.get(subject, 0) + count

    def save(self) -> None:
        """Write what was taken."""
        if self._fresh:
            now = self._tx.now
            store.add(self._tx, [(*key, step_end(Kind(key[1]), now), n) for key, n in self._fresh.items()])


def take(tx: Tx, toll: Toll) -> int:
    """Accept it, if there is room; otherwise how long to wait, as `Tally.wait`."""
    tally = Tally(tx, [toll])
    wait = tally.wait(toll)
    if not wait:
        tally.take(toll)
        tally.save()
    return wait
