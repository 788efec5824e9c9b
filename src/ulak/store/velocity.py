"""How many messages accounts sent lately, by what velocity limits count."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias

from ulak.store.engine import Sql, Tx

Subject: TypeAlias = tuple[int, int, int]
"""An account, a kind of limit (`core.velocity.Kind`), and what of that kind is counted."""

_MINE = (
    "FROM velocity WHERE velocity.account_id = wanted.account_id AND velocity.kind = wanted.kind"
    " AND velocity.subject = wanted.subject AND velocity.ends > :now"
)
# Asked as values, as in `barring`.
_COUNTED = Sql(
    f"SELECT account_id, kind, subject, (SELECT sum(count) {_MINE}), (SELECT min(ends) {_MINE})"
    " FROM {wanted} AS wanted",
    wanted=("account_id int8", "kind int2", "subject int8"),
)
_ADD = Sql(
    "INSERT INTO velocity (account_id, kind, subject, ends, count)"
    " SELECT account_id, kind, subject, ends, count FROM {fresh} AS fresh WHERE true"
    " ON CONFLICT (account_id, kind, subject, ends) DO UPDATE SET count = velocity.count + excluded.count",
    fresh=("account_id int8", "kind int2", "subject int8", "ends int8", "count int4"),
)
_FORGET = Sql(
    "DELETE FROM velocity WHERE (account_id, kind, subject, ends) IN"
    " (SELECT account_id, kind, subject, ends FROM velocity WHERE ends <= :now LIMIT :limit)"
)


def counted(tx: Tx, wanted: Collection[Subject]) -> dict[Subject, tuple[int, int]]:
    """How many messages count now, and when the first of them does not any more (ms), where there are any."""
    rows = tx.all(_COUNTED, wanted=list(wanted), now=tx.now)
    return {(row[0], row[1], row[2]): (int(row[3]), row[4]) for row in rows if row[3] is not None}


def add(tx: Tx, fresh: Sequence[tuple[int, int, int, int, int]]) -> None:
    """Count messages: (account, kind, subject, until when they count, how many)."""
    tx.run(_ADD, fresh=fresh)


def forget(tx: Tx, limit: int) -> int:
    """Let go of what does not count any more; how many rows, at most `limit`."""
    return tx.run(_FORGET, now=tx.now, limit=limit)
