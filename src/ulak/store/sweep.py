"""What time makes superfluous. Each function looks at a short stretch of a table, in the order of its key."""

from __future__ import annotations

from ulak.store.engine import Sql, Tx

_FINGERPRINTS_END = Sql(
    "SELECT max(order_id), count(*) FROM"
    " (SELECT order_id FROM fingerprint WHERE order_id > :after ORDER BY order_id LIMIT :limit) AS stretch"
)
_DELETE_FINGERPRINTS = Sql(
    "DELETE FROM fingerprint WHERE order_id > :after AND order_id <= :last AND at <= :before"
)
_STRAYS_END = Sql(
    "SELECT max(id), count(*) FROM"
    " (SELECT id FROM stray_report WHERE id > :after ORDER BY id LIMIT :limit) AS stretch"
)
_DELETE_STRAYS = Sql("DELETE FROM stray_report WHERE id > :after AND id <= :last AND at <= :before")

_REFERENCES_END = Sql(
    "SELECT carrier_id, key FROM reference WHERE (carrier_id, key) > (:carrier, :key)"
    " ORDER BY carrier_id, key LIMIT 1 OFFSET :skip"
)
_DELETE_REFERENCES = Sql(
    "DELETE FROM reference"
    " WHERE (carrier_id, key) > (:carrier, :key) AND (carrier_id, key) <= (:last_carrier, :last_key)"
    " AND EXISTS (SELECT 1 FROM message WHERE message.id = reference.message_id"
    " AND message.state IN (23, 24) AND message.changed <= :before)"
)
_DELETE_LAST_REFERENCES = Sql(
    "DELETE FROM reference WHERE (carrier_id, key) > (:carrier, :key)"
    " AND EXISTS (SELECT 1 FROM message WHERE message.id = reference.message_id"
    " AND message.state IN (23, 24) AND message.changed <= :before)"
)
_REPLIES_END = Sql(
    "SELECT max(at), count(*) FROM"
    " (SELECT at FROM reply WHERE at > :after AND at <= :before ORDER BY at LIMIT :limit) AS stretch"
)
_DELETE_REPLIES = Sql("DELETE FROM reply WHERE at > :after AND at <= :last")


def fingerprints(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Forget the fingerprints made until `before` (ms) among the next `limit` ones.

    Returns the key to go on after, None at the end of the table.
    """
    row = tx.one(_FINGERPRINTS_END, after=after, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_DELETE_FINGERPRINTS, after=after, last=last, before=before)
    return last if count == limit else None


def stray_reports(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Forget the reports kept until `before` (ms) among the next `limit` ones; as `fingerprints`."""
    row = tx.one(_STRAYS_END, after=after, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_DELETE_STRAYS, after=after, last=last, before=before)
    return last if count == limit else None


def references(tx: Tx, after: tuple[int, int], before: int, limit: int) -> tuple[int, int] | None:
    """Forget references, among the next `limit`, whose message has been final since `before` (ms).

    `after` and the result are a (carrier, key), None at the end of the table.
    """
    carrier, key = after
    end = tx.one(_REFERENCES_END, carrier=carrier, key=key, skip=limit - 1)
    seconds = before // 1000
    if end is None:
        tx.run(_DELETE_LAST_REFERENCES, carrier=carrier, key=key, before=seconds)
        return None
    tx.run(_DELETE_REFERENCES, carrier=carrier, key=key, last_carrier=end[0], last_key=end[1], before=seconds)
    return end[0], end[1]


def replies(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Forget the requests with a key of their own that were begun until `before` (ms), about `limit` of them.

    `after` and the result are the time of a request, ms; None when none is left.
    """
    row = tx.one(_REPLIES_END, after=after, before=before, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_DELETE_REPLIES, after=after, last=last)
    return last if count == limit else None
