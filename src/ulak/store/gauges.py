"""How much waits and stands open, asked often: no question here takes longer the more there is.

What can be many is counted up to a bound. A queue that has reached it is too long, however long it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ulak.core.doubts import Doubt
from ulak.core.jobs import JobKind
from ulak.core.states import PurchaseState
from ulak.store import processes, settings
from ulak.store.engine import Sql, Tx

MOST = 10_000
"""Rows of a kind that are counted at most."""

_ORDERS = Sql(
    "SELECT count(*), min(due) FROM (SELECT due FROM sms_order WHERE state IN (10, 11) AND due <= :now"
    " ORDER BY due LIMIT :most) AS found"
)
_JOBS = Sql(
    "SELECT wanted.kind, (SELECT count(*) FROM (SELECT 1 FROM job WHERE job.kind = wanted.kind"
    " AND job.due <= :now LIMIT :most) AS due) FROM {kinds} AS wanted",
    kinds=("kind int2",),
)
_FOLLOWED = Sql(
    "SELECT count(*) FROM (SELECT 1 FROM job WHERE kind = :kind LIMIT :most) AS followed",
)
_CALLBACKS = Sql(
    "SELECT count(*) FROM (SELECT 1 FROM callback WHERE state IN (2, 3) LIMIT :most) AS told",
)
# From one endpoint to the next: the index has no order by time alone.
_OLDEST_CALLBACK = Sql(
    "WITH RECURSIVE queue(id) AS ("
    "SELECT min(endpoint_id) FROM callback WHERE state IN (2, 3) UNION ALL"
    " SELECT (SELECT min(endpoint_id) FROM callback WHERE state IN (2, 3) AND endpoint_id > queue.id)"
    " FROM queue WHERE queue.id IS NOT NULL)"
    " SELECT min(first) FROM (SELECT (SELECT min(due) FROM callback WHERE callback.endpoint_id = queue.id"
    " AND callback.state IN (2, 3)) AS first FROM queue LIMIT :most) AS heads"
)
_DISABLED = Sql("SELECT count(*) FROM endpoint WHERE disabled IS NOT NULL AND removed IS NULL")
_PURCHASES = Sql(
    "SELECT state, count(*) FROM (SELECT state FROM purchase WHERE due > 0 LIMIT :most) AS open"
    " GROUP BY state"
)
_HELD = Sql("SELECT asset, sum(held) FROM balance GROUP BY asset")
_UNSURE = Sql("SELECT count(*) FROM (SELECT 1 FROM unsure WHERE doubt = :held LIMIT :most) AS unsure")


@dataclass(frozen=True, slots=True)
class Standing:
    """How everything stands. Ages are seconds; `held` is in the smallest unit of each asset."""

    orders_due: int
    orders_due_age: float
    jobs_due: Mapping[str, int]
    parcels_followed: int
    callbacks_open: int
    callbacks_age: float
    endpoints_disabled: int
    purchases: Mapping[str, int]
    held: Mapping[str, int]
    unsure: int
    paused: bool
    processes: Mapping[str, int]


def standing(tx: Tx) -> Standing:
    """Look at all of it."""
    orders, order_due = tx.all(_ORDERS, now=tx.now, most=MOST)[0]
    kinds = [int(kind) for kind in JobKind]
    (callback_due,) = tx.all(_OLDEST_CALLBACK, most=MOST)[0]
    return Standing(
        orders_due=orders,
        orders_due_age=_age(tx, order_due),
        jobs_due={
            JobKind(kind).name.lower(): count
            for kind, count in tx.all(_JOBS, kinds=kinds, now=tx.now, most=MOST)
        },
        parcels_followed=_one(tx, _FOLLOWED, kind=int(JobKind.TRACK), most=MOST),
        callbacks_open=_one(tx, _CALLBACKS, most=MOST),
        callbacks_age=_age(tx, callback_due),
        endpoints_disabled=_one(tx, _DISABLED),
        purchases={
            PurchaseState(state).name.lower(): count for state, count in tx.all(_PURCHASES, most=MOST)
        },
        held={asset: int(amount) for asset, amount in tx.all(_HELD)},
        unsure=_one(tx, _UNSURE, held=int(Doubt.HELD), most=MOST),
        paused=settings.paused(tx),
        processes=Counter(peer.role.name.lower() for peer in processes.peers(tx)),
    )


def _one(tx: Tx, sql: Sql, **values: int) -> int:
    row = tx.one(sql, **values)
    assert row is not None
    count: int = row[0]
    return count


def _age(tx: Tx, due: int | None) -> float:
    """For how long something has been due, in seconds."""
    return 0.0 if due is None else max(0, tx.now - due) / 1000
