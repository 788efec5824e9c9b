"""Events as rows."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.events import Event
from ulak.store.engine import Sql, Tx

_INSERT = Sql(
    "INSERT INTO event (account_id, kind, subject, data, at) VALUES (:account, :kind, :subject, :data, :now)"
    " RETURNING id"
)


def insert(tx: Tx, events: Sequence[Event]) -> list[int]:
    """Write events; their ids, in the same order."""
    ids = []
    for event in events:
        row = tx.one(
            _INSERT,
            account=event.account_id,
            kind=event.kind.value,
            subject=event.subject,
            data=event.data,
            now=tx.now,
        )
        assert row is not None
        ids.append(row[0])
    return ids
