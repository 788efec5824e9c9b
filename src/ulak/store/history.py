"""What accounts sent elsewhere before: orders, their messages, and how far an import has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ulak.core.history import PastMessage, PastOrder, Walk
from ulak.store.engine import Row, Sql, Tx

_FIELDS = "number, status, total, delivered, undelivered, submitted, due, sender, price, taken"
_ONE = "account_id = :account AND source = :source AND number = :number"

_FIND = Sql(f"SELECT {_FIELDS} FROM past_order WHERE {_ONE}")
# A list of orders tells no price, and what was told before stays.
_PUT = Sql(
    f"INSERT INTO past_order (account_id, source, {_FIELDS}) VALUES (:account, :source, :number, :status,"
    " :total, :delivered, :undelivered, :submitted, :due, :sender, :price, 0)"
    " ON CONFLICT (account_id, source, number) DO UPDATE SET status = excluded.status,"
    " total = excluded.total, delivered = excluded.delivered, undelivered = excluded.undelivered,"
    " submitted = excluded.submitted, due = excluded.due, sender = excluded.sender,"
    " price = CASE WHEN excluded.price = '' THEN past_order.price ELSE excluded.price END"
)
_TAKEN = Sql(f"UPDATE past_order SET taken = :taken WHERE {_ONE}")
# In the order of the primary key, so that each look reads on where the last one ended.
_OPEN = Sql(
    f"SELECT {_FIELDS} FROM past_order WHERE account_id = :account AND source = :source AND number > :after"
    " AND submitted >= :since AND submitted < :until AND (status = :underway"
    " OR delivered + undelivered < total OR (taken > 0 AND taken < total)) ORDER BY number LIMIT :limit"
)
_LISTING = Sql(
    f"SELECT source, {_FIELDS} FROM past_order WHERE account_id = :account AND submitted >= :since"
    " AND submitted < :until ORDER BY submitted DESC, number DESC LIMIT :limit"
)

_OF_ORDER = "account_id = :account AND source = :source AND order_number = :number"
_MESSAGES = Sql(f"SELECT number, status FROM past_message WHERE {_OF_ORDER} ORDER BY place")
_FORGET = Sql(f"DELETE FROM past_message WHERE {_OF_ORDER} AND place >= :place")
_ADD = Sql(
    "INSERT INTO past_message (account_id, source, order_number, place, number, status)"
    " SELECT account_id, source, order_number, place, number, status FROM {fresh} AS fresh",
    fresh=(
        "account_id int8",
        "source text",
        "order_number int8",
        "place int8",
        "number text",
        "status int8",
    ),
)

_WALK = Sql("SELECT since, day FROM past_walk WHERE account_id = :account AND source = :source")
_SET_WALK = Sql(
    "INSERT INTO past_walk (account_id, source, since, day) VALUES (:account, :source, :since, :day)"
    " ON CONFLICT (account_id, source) DO UPDATE SET since = excluded.since, day = excluded.day"
)


def find(tx: Tx, account_id: int, source: str, number: int) -> PastOrder | None:
    """An order by its number at the service."""
    row = tx.one(_FIND, account=account_id, source=source, number=number)
    return None if row is None else PastOrder(*row)


def put(tx: Tx, account_id: int, source: str, order: PastOrder) -> None:
    """Keep what an order is now; its messages that are here stay as they are."""
    tx.run(_PUT, account=account_id, source=source, **_values(order))


def put_messages(
    tx: Tx, account_id: int, source: str, number: int, place: int, messages: Sequence[PastMessage]
) -> None:
    """Keep messages of an order from a place on, and none behind them."""
    tx.run(_FORGET, account=account_id, source=source, number=number, place=place)
    fresh = [(account_id, source, number, nth, *message) for nth, message in enumerate(messages, place)]
    tx.run(_ADD, fresh=fresh)
    taken = place + len(messages)
    tx.run(_TAKEN, account=account_id, source=source, number=number, taken=taken)


def messages(tx: Tx, account_id: int, source: str, number: int) -> list[PastMessage]:
    """The messages of an order that are here, as the service lists them."""
    return [PastMessage(*row) for row in tx.all(_MESSAGES, account=account_id, source=source, number=number)]


def unfinished(
    tx: Tx, account_id: int, source: str, since: int, until: int, underway: int, after: int, limit: int
) -> list[PastOrder]:
    """Orders submitted in [since, until) that may have changed, or whose messages are here only in part.

    `underway` is the service's code of an order that it still works on. Only numbers above `after`, in order.
    """
    rows = tx.all(
        _OPEN,
        account=account_id,
        source=source,
        since=since,
        until=until,
        underway=underway,
        after=after,
        limit=limit,
    )
    return [PastOrder(*row) for row in rows]


def listing(tx: Tx, account_id: int, since: int, until: int, limit: int) -> list[tuple[str, PastOrder]]:
    """Orders submitted in [since, until) with the service each was sent with, the newest first."""
    rows = tx.all(_LISTING, account=account_id, since=since, until=until, limit=limit)
    return [_sourced(row) for row in rows]


def walk(tx: Tx, account_id: int, source: str) -> Walk | None:
    """How far an import has come."""
    row = tx.one(_WALK, account=account_id, source=source)
    return None if row is None else Walk(date.fromisoformat(row[0]), date.fromisoformat(row[1]))


def set_walk(tx: Tx, account_id: int, source: str, reached: Walk) -> None:
    """Keep how far it has come."""
    since, day = reached.since.isoformat(), reached.day.isoformat()
    tx.run(_SET_WALK, account=account_id, source=source, since=since, day=day)


def _values(order: PastOrder) -> dict[str, object]:
    values = order._asdict()
    del values["taken"]
    return values


def _sourced(row: Row) -> tuple[str, PastOrder]:
    return row[0], PastOrder(*row[1:])
