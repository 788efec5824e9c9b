"""Taking away orders that are through, with everything that belongs to them, and adding up what they cost.

Each function that deletes does so for a few orders whose ids are given, and says in the same commit what they
had taken (`pruned`), so that balances can be proved without them. See `service.prune`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ulak.core.ledger import SMS
from ulak.store.engine import Sql, Tx

# Numbers below zero are those of messages that were bought: they go with their purchase.
_THROUGH = (
    "state IN (13, 14, 15) AND submitted <= :before AND announced >= id + total - 1"
    " AND (number > 0 OR :bought = 1)"
)
_STRETCH = Sql(
    f"SELECT id, total, submitted, CASE WHEN {_THROUGH} THEN 1 ELSE 0 END FROM sms_order"
    " WHERE id > :after ORDER BY id LIMIT :limit"
)
_THROUGH_BY_ID = Sql(
    f"SELECT sms_order.id, total FROM {{ids}} AS wanted JOIN sms_order ON sms_order.id = wanted.id"
    f" WHERE {_THROUGH.replace('id +', 'sms_order.id +')} ORDER BY sms_order.id",
    ids=("id int8",),
)
_CHANGED = Sql(
    "SELECT id FROM {orders} AS wanted WHERE EXISTS (SELECT 1 FROM message WHERE message.id >= wanted.id"
    " AND message.id <= wanted.last AND message.changed > :seconds{message.id})",
    span=("orders", 0, 1),
    orders=("id int8", "last int8"),
)
_TOLD = Sql(
    "SELECT wanted.id FROM {orders} AS wanted JOIN sms_order ON sms_order.id = wanted.id"
    " WHERE EXISTS (SELECT 1 FROM endpoint JOIN callback ON callback.endpoint_id = endpoint.id"
    " AND callback.state IN (2, 3, 4) AND callback.subject >= wanted.id AND callback.subject <= wanted.last"
    " WHERE endpoint.account_id = sms_order.account_id AND endpoint.removed IS NULL AND endpoint.named = 0"
    " AND ',' || endpoint.families || ',' LIKE '%,message,%')",
    orders=("id int8", "last int8"),
)

_DELETE_ORDERS = Sql(
    "DELETE FROM sms_order WHERE id IN (SELECT id FROM {ids} AS gone) AND state IN (13, 14, 15)"
    " RETURNING id, account_id, total, posted",
    ids=("id int8",),
)
_DELETE_RANGES = [
    Sql(f"DELETE FROM {table} WHERE {column} >= :first AND {column} <= :last")
    for table, column in (
        ("order_text", "order_id"),
        ("fingerprint", "order_id"),
        ("odd_number", "message_id"),
        ("unsure", "message_id"),
    )
]
_DELETE_MESSAGES = Sql("DELETE FROM message WHERE id >= :first AND id <= :last")
_ADD_PRUNED = Sql(
    "INSERT INTO pruned (account_id, asset, things, posted, upto)"
    " SELECT account_id, :asset, things, posted, upto FROM {rows} AS gone WHERE true"
    " ON CONFLICT (account_id, asset) DO UPDATE SET things = pruned.things + excluded.things,"
    " posted = pruned.posted + excluded.posted,"
    " upto = CASE WHEN excluded.upto > pruned.upto THEN excluded.upto ELSE pruned.upto END",
    rows=("account_id int8", "things int8", "posted int8", "upto int8"),
)

# Whole partitions.

_DROPPED = Sql("SELECT first, last FROM dropped_range ORDER BY first")
_ADD_DROPPED = Sql(
    "INSERT INTO dropped_range (first, last) VALUES (:first, :last) ON CONFLICT (first) DO NOTHING"
)
_DELETE_LEFT = Sql(
    "DELETE FROM message WHERE id >= :first AND id <= :last AND NOT EXISTS (SELECT 1 FROM sms_order"
    " WHERE sms_order.id = (SELECT max(before.id) FROM sms_order AS before WHERE before.id <= message.id)"
    " AND sms_order.id + sms_order.total > message.id)"
)
_FORGET_DROPPED = Sql("DELETE FROM dropped_range WHERE first = :first")
_KEEPS = Sql(
    "SELECT 1 FROM sms_order WHERE id >= :first AND id <= :last"
    f" AND NOT ({_THROUGH} AND id + total - 1 <= :last) LIMIT 1"
)
_REACHES_IN = Sql(
    "SELECT 1 FROM sms_order WHERE id = (SELECT max(id) FROM sms_order WHERE id < :first)"
    " AND id + total > :first"
)
_CHANGED_IN = Sql("SELECT 1 FROM message WHERE id >= :first AND id <= :last AND changed > :seconds LIMIT 1")
_TOLD_IN = Sql(
    "SELECT 1 FROM callback JOIN event ON event.id = callback.event_id WHERE callback.state IN (2, 3, 4)"
    " AND callback.subject >= :first AND callback.subject <= :last AND event.kind LIKE 'message.%' LIMIT 1"
)
_IN_RANGE = Sql("SELECT id, total FROM sms_order WHERE id >= :first AND id <= :last ORDER BY id LIMIT :limit")


class Stretch(NamedTuple):
    """Some orders in the order of their ids: those that may go as (order, its last message), the last id that
    was looked at (None at their end), and when the oldest was submitted (ms)."""

    orders: list[tuple[int, int]]
    last: int | None
    oldest: int


class Gone(NamedTuple):
    """How many orders were deleted, and how many messages they had."""

    orders: int
    messages: int


def stretch(tx: Tx, after: int, before: int, limit: int) -> Stretch:
    """The next orders after an id, and which of them are through since `before` (ms)."""
    rows = tx.all(_STRETCH, after=after, before=before, bought=0, limit=limit)
    found = _settled(tx, [(row[0], row[0] + row[1] - 1) for row in rows if row[3]], before)
    oldest = min((row[2] for row in rows), default=0)
    return Stretch(found, rows[-1][0] if len(rows) == limit else None, oldest)


def through(tx: Tx, ids: Iterable[int], before: int) -> list[tuple[int, int]]:
    """Those of these orders, of bought messages too, that may go, as (order, its last message)."""
    rows = tx.all(_THROUGH_BY_ID, ids=sorted(ids), before=before, bought=1)
    return _settled(tx, [(row[0], row[0] + row[1] - 1) for row in rows], before)


def _settled(tx: Tx, orders: Sequence[tuple[int, int]], before: int) -> list[tuple[int, int]]:
    """Without those in which anything changed since `before`, or of which somebody is still to be told."""
    if not orders:
        return []
    kept = {row[0] for row in tx.all(_CHANGED, orders=orders, seconds=before // 1000)}
    kept |= {row[0] for row in tx.all(_TOLD, orders=orders)}
    return [order for order in orders if order[0] not in kept]


def delete(tx: Tx, orders: Sequence[tuple[int, int]], *, messages: bool = True) -> Gone:
    """Delete orders, given as (order, its last message) by id, with all that belongs to them; their messages
    stay where their whole partition goes."""
    rows = tx.all(_DELETE_ORDERS, ids=[order_id for order_id, _ in orders])
    sums: dict[int, tuple[int, int, int]] = {}
    for order_id, account_id, _, posted in rows:
        count, taken, upto = sums.get(account_id, (0, 0, 0))
        sums[account_id] = (count + 1, taken + posted, max(upto, order_id))
    add_pruned(tx, SMS, sums)
    deleted = {row[0] for row in rows}
    for first, last in _runs([order for order in orders if order[0] in deleted]):
        for statement in _DELETE_RANGES:
            tx.run(statement, first=first, last=last)
        if messages:
            tx.run(_DELETE_MESSAGES, first=first, last=last)
    return Gone(len(rows), sum(row[2] for row in rows))


def _runs(orders: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges of ids that have no gap in them. What lies in a gap may be taken by a new order any time."""
    run: tuple[int, int] | None = None
    for first, last in orders:
        if run is not None and run[1] + 1 == first:
            run = (run[0], last)
            continue
        if run is not None:
            yield run
        run = (first, last)
    if run is not None:
        yield run


def add_pruned(tx: Tx, asset: str, sums: dict[int, tuple[int, int, int]]) -> None:
    """Note what was deleted: account -> how many, what they had taken, the greatest id."""
    rows = [(account_id, *values) for account_id, values in sorted(sums.items())]
    if rows:
        tx.run(_ADD_PRUNED, asset=asset, rows=rows)


# Whole partitions.


def may_drop(tx: Tx, first: int, last: int, before: int, *, bought: bool = False) -> bool:
    """Whether every order in [first, last] is through since `before` (ms), and none reaches over its ends;
    orders of bought messages (unless `bought`) keep it."""
    values = {"first": first, "last": last}
    return (
        tx.one(_KEEPS, **values, before=before, bought=int(bought)) is None
        and tx.one(_REACHES_IN, first=first) is None
        and tx.one(_TOLD_IN, **values) is None
        and tx.one(_CHANGED_IN, **values, seconds=before // 1000) is None
    )


def in_range(tx: Tx, first: int, last: int, limit: int) -> list[tuple[int, int]]:
    """The first orders in [first, last], as (order, its last message)."""
    rows = tx.all(_IN_RANGE, first=first, last=last, limit=limit)
    return [(row[0], row[0] + row[1] - 1) for row in rows]


def dropped(tx: Tx) -> list[tuple[int, int]]:
    """The ranges whose partitions are being dropped."""
    return [(row[0], row[1]) for row in tx.all(_DROPPED)]


def begin_drop(tx: Tx, first: int, last: int) -> None:
    """From now on messages in [first, last] belong to no order, or to one that goes."""
    tx.run(_ADD_DROPPED, first=first, last=last)


def finish_drops(tx: Tx) -> None:
    """Of a backup: messages without an order, whose partition was being dropped when it was taken, go now."""
    for first, last in dropped(tx):
        tx.run(_DELETE_LEFT, first=first, last=last)
        end_drop(tx, first)


def end_drop(tx: Tx, first: int) -> int:
    """The partition is gone. 1 unless somebody else has said so before, then 0."""
    return tx.run(_FORGET_DROPPED, first=first)
