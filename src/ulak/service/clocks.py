"""A clock that is set back must not make anything wait that was planned before."""

from __future__ import annotations

import structlog

from ulak.store import clocks as store
from ulak.store.engine import Tx

TOLERANCE = 5_000
"""How far the clocks of two processes, or of one before and after a correction, may differ, ms."""

log = structlog.get_logger("ulak.work")


def set_right(tx: Tx) -> int:
    """Note the time, and bring forward what was planned by a clock that was ahead of it. Returns by how much,
    ms. Called now and then: how far it was ahead is known to as much."""
    seen = store.seen(tx)
    if seen is not None and tx.now <= seen <= tx.now + TOLERANCE:
        return 0
    if not store.note(tx, seen) or seen is None or seen < tx.now:
        return 0
    back = seen - tx.now
    log.warning("clock.set_back", seconds=back // 1000, plans=store.bring_forward(tx, back))
    return back
