"""Events as rows."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.events import Event
from ulak.store.engine import Sql, Tx

# The data are octets, which JSON has none of: on SQLite they go as the text that they are.
_SQLITE = Sql(
    "INSERT INTO event (account_id, kind, subject, data, at)"
    " SELECT account_id, kind, subject, CAST(data AS BLOB), :now FROM {fresh} AS fresh WHERE true"
    " RETURNING id",
    fresh=("account_id int8", "kind text", "subject int8", "data text"),
)
_POSTGRES = Sql(
    "INSERT INTO event (account_id, kind, subject, data, at)"
    " SELECT account_id, kind, subject, data, :now FROM {fresh} AS fresh RETURNING id",
    fresh=("account_id int8", "kind text", "subject int8", "data bytea"),
)
_END = Sql(
    "SELECT max(id), count(*) FROM"
    " (SELECT id FROM event WHERE id > :after ORDER BY id LIMIT :limit) AS stretch"
)
_DELETE = Sql(
    "DELETE FROM event WHERE id > :after AND id <= :last AND at <= :before AND NOT EXISTS"
    " (SELECT 1 FROM callback WHERE callback.event_id = event.id)"
)


def insert(tx: Tx, events: Sequence[Event]) -> list[int]:
    """Write events; their ids, in the same order."""
    if not events:
        return []
    if tx.postgres:
        octets = [(e.account_id, e.kind.value, e.subject, e.data) for e in events]
        rows = tx.all(_POSTGRES, fresh=octets, now=tx.now)
    else:
        texts = [(e.account_id, e.kind.value, e.subject, e.data.decode()) for e in events]
        rows = tx.all(_SQLITE, fresh=texts, now=tx.now)
    # Ids are given in the order of the rows; in which they are returned nobody promises.
    return sorted(row[0] for row in rows)


def forget(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Delete the events until `before` (ms), among the next `limit` ones, that no callback tells of.

    Returns the id to go on after, None at the end of the table.
    """
    row = tx.one(_END, after=after, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_DELETE, after=after, last=last, before=before)
    return last if count == limit else None
