"""Jobs, as one process takes them."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.jobs import Job, JobKind
from ulak.core.once import BOOKING
from ulak.store import jobs, settings
from ulak.store.engine import Tx

LEASE = 120_000
"""How long a claimed job may take, ms, before somebody else takes it."""


OUTWARD = (JobKind.BOOK, JobKind.BUY)
"""Jobs that order something from others. They wait while dispatch is paused."""


def _is_held_back(tx: Tx, kind: JobKind) -> bool:
    return kind in OUTWARD and settings.paused(tx)


class Queue:
    """The queue of jobs of some kinds, with this process's name in its claims."""

    def __init__(self, process: str, kinds: Sequence[JobKind]) -> None:
        self._process = process
        self._kinds = kinds

    def due(self, tx: Tx) -> list[JobKind]:
        """The kinds of which something is due."""
        return [kind for kind in self._kinds if jobs.any_due(tx, kind) and not _is_held_back(tx, kind)]

    def claim(self, tx: Tx, kind: JobKind, limit: int) -> list[Job]:
        """Claim some that are due."""
        if _is_held_back(tx, kind):
            return []
        lease = BOOKING if kind is JobKind.BOOK else LEASE
        return jobs.claim(tx, kind, limit, lease, self._process)

    def release(self, tx: Tx) -> None:
        """Make due what processes that are gone had claimed."""
        jobs.release(tx, claim_not=self._process)
