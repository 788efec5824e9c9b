"""Taking away parcels and purchases that are over, with everything that belongs to them.

As `pruning` does with orders: what they had taken is noted in the commit that deletes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ulak.core.ledger import SAT, TRY
from ulak.store import pruning
from ulak.store.engine import Row, Sql, Tx

# Of the account's own endpoint in use; what was to be told to others has ended.
_TO_BE_TOLD = (
    "EXISTS (SELECT 1 FROM endpoint JOIN callback ON callback.endpoint_id = endpoint.id"
    " AND callback.state IN (2, 3, 4) AND callback.subject = {thing}.id"
    " WHERE endpoint.account_id = {thing}.account_id AND endpoint.removed IS NULL AND endpoint.named = 0)"
)

# Delivered, cancelled, returned, lost or never taken; nothing is to be done about it or to be told, and it is
# not what a return that is still here was made from.
_PARCELS = Sql(
    "SELECT id, created, CASE WHEN state IN (32, 42, 43, 45, 46) AND updated <= :before"
    " AND created <= :before AND held = 0"
    " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind IN (1, 2) AND job.subject = consignment.id)"
    " AND NOT EXISTS (SELECT 1 FROM consignment AS child WHERE child.parent_id = consignment.id"
    "  AND child.parent_id IS NOT NULL)"
    f" AND NOT {_TO_BE_TOLD.format(thing='consignment')} THEN 1 ELSE 0 END"
    " FROM consignment WHERE id > :after ORDER BY id LIMIT :limit"
)
_DELETE_PARCELS = Sql(
    "DELETE FROM consignment WHERE id IN (SELECT id FROM {ids} AS gone) AND held = 0"
    " AND state IN (32, 42, 43, 45, 46) RETURNING id, account_id, posted",
    ids=("id int8",),
)
_OF_PARCELS = [
    Sql(text, ids=("id int8",))
    for text in (
        "DELETE FROM label_file WHERE label_id IN (SELECT label.id FROM {ids} AS gone"
        " JOIN label ON label.consignment_id = gone.id)",
        "DELETE FROM label WHERE consignment_id IN (SELECT id FROM {ids} AS gone)",
        "DELETE FROM sighting WHERE consignment_id IN (SELECT id FROM {ids} AS gone)",
        "DELETE FROM paper_file WHERE paper_id IN (SELECT paper.id FROM {ids} AS gone"
        " JOIN paper ON paper.consignment_id = gone.id)",
        "DELETE FROM paper WHERE consignment_id IN (SELECT id FROM {ids} AS gone)",
    )
]

# Whatever became of it, its money is resolved, and nobody asks a source, a node or a referrer about it any
# more. Credit that an account bought stays: it is what the account's statement consists of.
_PURCHASES = Sql(
    "SELECT id, created, CASE WHEN kind IN (SELECT kind FROM {kinds} AS wanted)"
    " AND state IN (61, 62, 64, 67, 68, 69, 70, 72, 74, 75) AND resolved <= :before AND changed <= :before"
    " AND held = 0 AND coalesce(due, look, verify) IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind IN (3, 4, 5, 6, 7) AND job.subject = purchase.id)"
    " AND NOT EXISTS (SELECT 1 FROM own_number WHERE own_number.purchase_id = purchase.id)"
    " AND NOT EXISTS (SELECT 1 FROM referral WHERE referral.purchase_id = purchase.id"
    "  AND referral.state <> 4)"
    f" AND NOT {_TO_BE_TOLD.format(thing='purchase')}"
    " AND NOT EXISTS (SELECT 1 FROM callback WHERE callback.endpoint_id = purchase.endpoint_id"
    "  AND callback.state IN (2, 3, 4) AND callback.subject = purchase.id)"
    " THEN 1 ELSE 0 END, message_id FROM purchase WHERE id > :after ORDER BY id LIMIT :limit",
    kinds=("kind int2",),
)
_DELETE_PURCHASES = Sql(
    "DELETE FROM purchase WHERE id IN (SELECT id FROM {ids} AS gone) AND held = 0 AND resolved IS NOT NULL"
    " RETURNING id, account_id, posted, payment_hash",
    ids=("id int8",),
)
_OF_PURCHASES = [
    Sql(text, ids=("id int8",))
    for text in (
        "DELETE FROM incoming WHERE purchase_id IN (SELECT id FROM {ids} AS gone)",
        "DELETE FROM referral WHERE purchase_id IN (SELECT id FROM {ids} AS gone)",
    )
]
# The invoices of a node that is no database are the node's.
_DELETE_INVOICES = Sql(
    "DELETE FROM memory_invoice WHERE state IN (4, 5)"
    " AND payment_hash IN (SELECT hash FROM {hashes} AS gone)",
    hashes=("hash text",),
)


class Stretch(NamedTuple):
    """Some rows in the order of their ids: those that may go as (id, its message if it is one that was
    bought), the last id that was looked at (None at their end), and when the oldest was made (ms)."""

    found: list[tuple[int, int | None]]
    last: int | None
    oldest: int


def parcels(tx: Tx, after: int, before: int, limit: int) -> Stretch:
    """The next consignments after an id, and which of them are over since `before` (ms)."""
    rows = tx.all(_PARCELS, after=after, before=before, limit=limit)
    return _stretch(rows, [(row[0], None) for row in rows if row[2]], limit)


def purchases(tx: Tx, kinds: Sequence[int], after: int, before: int, limit: int) -> Stretch:
    """The next purchases after an id, and which of them are of these kinds and over since `before` (ms)."""
    rows = tx.all(_PURCHASES, kinds=kinds, after=after, before=before, limit=limit)
    return _stretch(rows, [(row[0], row[3]) for row in rows if row[2]], limit)


def _stretch(rows: Sequence[Row], found: list[tuple[int, int | None]], limit: int) -> Stretch:
    oldest = min((row[1] for row in rows), default=0)
    return Stretch(found, rows[-1][0] if len(rows) == limit else None, oldest)


def delete_parcels(tx: Tx, ids: Sequence[int]) -> int:
    """Delete consignments with labels, sightings and documents; how many there were. What was answered to
    requests about them is swept after a day."""
    rows = tx.all(_DELETE_PARCELS, ids=ids)
    gone = [row[0] for row in rows]
    if gone:
        pruning.add_pruned(tx, TRY, _sums(rows))
        for statement in _OF_PARCELS:
            tx.run(statement, ids=gone)
    return len(gone)


def delete_purchases(tx: Tx, ids: Sequence[int]) -> int:
    """Delete purchases with the SMS that came to them; how many there were. The orders of messages that were
    bought are the caller's to delete."""
    rows = tx.all(_DELETE_PURCHASES, ids=ids)
    gone = [row[0] for row in rows]
    if gone:
        pruning.add_pruned(tx, SAT, _sums(rows))
        for statement in _OF_PURCHASES:
            tx.run(statement, ids=gone)
        tx.run(_DELETE_INVOICES, hashes=[row[3] for row in rows if row[3] is not None])
    return len(gone)


def _sums(rows: Sequence[Row]) -> dict[int, tuple[int, int, int]]:
    sums: dict[int, tuple[int, int, int]] = {}
    for thing, account_id, posted, *_ in rows:
        count, taken, upto = sums.get(account_id, (0, 0, 0))
        sums[account_id] = (count + 1, taken + posted, max(upto, thing))
    return sums
