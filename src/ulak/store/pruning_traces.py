"""What is left of what was pruned: events that were told of it, and postings that were made for it."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.store.engine import Sql, Tx

# What an event is about, and whether it is still there.
_GONE = (
    "(event.kind LIKE 'message.%' AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = event.subject))"
    " OR (event.kind LIKE 'purchase.%'"
    "  AND NOT EXISTS (SELECT 1 FROM purchase WHERE purchase.id = event.subject))"
    " OR ((event.kind LIKE 'consignment.%' OR event.kind LIKE 'document.%')"
    "  AND NOT EXISTS (SELECT 1 FROM consignment WHERE consignment.id = event.subject))"
)
_EVENTS = Sql("SELECT id, at FROM event WHERE id > :after ORDER BY id LIMIT :limit")
_GONE_EVENTS = Sql(
    f"SELECT event.id FROM event WHERE event.id > :after AND event.id <= :last AND event.at <= :before"
    f" AND ({_GONE}) AND NOT EXISTS (SELECT 1 FROM callback"
    " WHERE callback.event_id = event.id AND callback.state NOT IN (5, 6))"
)
_DELETE_ATTEMPTS = Sql(
    "DELETE FROM attempt WHERE callback_id IN (SELECT callback.id FROM {ids} AS gone"
    " JOIN callback ON callback.event_id = gone.id)",
    ids=("id int8",),
)
_DELETE_CALLBACKS = Sql(
    "DELETE FROM callback WHERE event_id IN (SELECT id FROM {ids} AS gone)", ids=("id int8",)
)
_DELETE_EVENTS = Sql("DELETE FROM event WHERE id IN (SELECT id FROM {ids} AS gone)", ids=("id int8",))

_POSTINGS = Sql("SELECT id, at FROM posting WHERE id > :after ORDER BY id LIMIT :limit")
# Accounts of the house have postings for purchases of others.
_UPTO = (
    "(SELECT coalesce(max(upto), 0) FROM pruned WHERE pruned.asset = posting.asset"
    " AND (pruned.account_id = posting.account_id OR posting.account_id IN (SELECT CAST(value AS BIGINT)"
    " FROM setting WHERE name IN ('house_parked', 'house_referrals'))))"
)
_DELETE_POSTINGS = Sql(
    "DELETE FROM posting WHERE id > :after AND id <= :last"
    f" AND coalesce(order_id, consignment_id, purchase_id) <= {_UPTO} AND NOT EXISTS"
    " (SELECT 1 FROM sms_order WHERE sms_order.id = posting.order_id) AND NOT EXISTS"
    " (SELECT 1 FROM consignment WHERE consignment.id = posting.consignment_id) AND NOT EXISTS"
    " (SELECT 1 FROM purchase WHERE purchase.id = posting.purchase_id)"
    " RETURNING account_id, asset, move, amount"
)
_ADD_SUMS = Sql(
    "INSERT INTO posting_sum (account_id, asset, move, amount, postings)"
    " SELECT account_id, asset, move, amount, postings FROM {rows} AS gone WHERE true"
    " ON CONFLICT (account_id, asset, move) DO UPDATE SET amount = posting_sum.amount + excluded.amount,"
    " postings = posting_sum.postings + excluded.postings",
    rows=("account_id int8", "asset text", "move int2", "amount int8", "postings int8"),
)


def events(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Delete the events until `before` (ms) among the next `limit` that are about something which is not
    there any more, with their callbacks, where those have ended. The id to go on after, None at the end."""
    rows = tx.all(_EVENTS, after=after, limit=limit)
    if not rows or rows[0][1] > before:
        return None
    last: int = rows[-1][0]
    gone: Sequence[int] = [row[0] for row in tx.all(_GONE_EVENTS, after=after, last=last, before=before)]
    if gone:
        tx.run(_DELETE_ATTEMPTS, ids=gone)
        tx.run(_DELETE_CALLBACKS, ids=gone)
        tx.run(_DELETE_EVENTS, ids=gone)
    return last if len(rows) == limit else None


def postings(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Add up the postings among the next `limit` that were for something which was pruned, and delete them.

    The sums are theirs to the last unit. The id to go on after; None at the end, and where all are younger
    than `before` (ms).
    """
    rows = tx.all(_POSTINGS, after=after, limit=limit)
    if not rows or rows[0][1] > before:
        return None
    last: int = rows[-1][0]
    sums: dict[tuple[int, str, int], tuple[int, int]] = {}
    for account_id, asset, move, amount in tx.all(_DELETE_POSTINGS, after=after, last=last):
        key = (account_id, asset, move)
        total, count = sums.get(key, (0, 0))
        sums[key] = (total + amount, count + 1)
    if sums:
        tx.run(_ADD_SUMS, rows=[(*key, *values) for key, values in sorted(sums.items())])
    return last if len(rows) == limit else None
