"""Messages: rows of an order's id range."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ulak.core.messages import MessageCopy, QueuedMessage
from ulak.core.orders import MessageRow
from ulak.core.phone import ERASED, display
from ulak.core.states import MESSAGE_STATES, MessageState
from ulak.store.engine import Sql, Tx

_INSERT = Sql(
    "INSERT INTO message (id, number, state, parts, open_parts, changed)"
    " SELECT id, number, state, parts, open_parts, :seconds FROM {messages} AS fresh",
    messages=("id int8", "number int8", "state int2", "parts int2", "open_parts int2"),
)
_ADD_ODD = Sql(
    "INSERT INTO odd_number (message_id, submitted) SELECT id, submitted FROM {odd} AS fresh",
    odd=("id int8", "submitted text"),
)
# One lower bound: with two, SQLite may start at the wrong one.
_PAGE = Sql(
    "SELECT id, number, state FROM message WHERE id > :after AND id <= :last ORDER BY id LIMIT :limit"
)
_ODD = Sql("SELECT message_id, submitted FROM odd_number WHERE message_id > :after AND message_id <= :last")
_UNTOLD = Sql(
    "SELECT id, state FROM message WHERE id > :after AND id <= :upto"
    " AND (state NOT IN (23, 24) OR (state = 24 AND parts = 0)) ORDER BY id"
)
_FACTS = Sql(
    "SELECT message.id, message.number, CASE message.number WHEN 0 THEN (SELECT submitted FROM odd_number"
    " WHERE odd_number.message_id = message.id) END, (SELECT body FROM order_text"
    " WHERE order_text.order_id = wanted.order_id AND order_text.first_id <= wanted.id"
    " ORDER BY first_id DESC LIMIT 1)"
    " FROM {wanted} AS wanted JOIN message ON message.id = wanted.id{message.id}",
    span=("wanted", 0, 0),
    wanted=("id int8", "order_id int8"),
)
_CANCEL_RANGE = Sql(
    "UPDATE message SET state = :undelivered, changed = :seconds"
    " WHERE id > :after AND id <= :last AND state = :queued"
)
_QUEUED = Sql(
    "SELECT message.id, message.number, message.parts FROM {ranges} AS wanted"
    " JOIN message ON message.id > wanted.after AND message.id <= wanted.last{message.id}"
    " WHERE message.state = 20 ORDER BY message.id",
    span=("ranges", 0, 1),
    ranges=("after int8", "last int8"),
)
_STILL_QUEUED = Sql(
    "SELECT message.id FROM {wanted} AS wanted"
    " JOIN message ON message.id = wanted.id AND message.state = 20{message.id}",
    span=("wanted", 0, 0),
    wanted=("id int8",),
)
_ACCEPT = Sql(
    "UPDATE message SET state = 21, open_parts = fresh.open_parts, changed = :seconds"
    " FROM {fresh} AS fresh WHERE message.id = fresh.id AND message.state IN (20, 22){message.id}",
    span=("fresh", 0, 0),
    fresh=("id int8", "open_parts int2"),
)
_COPIES = Sql(
    "SELECT message.id, wanted.order_id, number, state, parts, open_parts FROM {wanted} AS wanted"
    " JOIN message ON message.id = wanted.id{message.id} ORDER BY message.id",
    lock="FOR UPDATE OF message",
    span=("wanted", 0, 0),
    wanted=("id int8", "order_id int8"),
)
_SAVE = Sql(
    "UPDATE message SET state = fresh.state, open_parts = fresh.open_parts, changed = :seconds"
    " FROM {fresh} AS fresh WHERE message.id = fresh.id{message.id}",
    span=("fresh", 0, 0),
    fresh=("id int8", "state int2", "open_parts int2"),
)
_REACHED = Sql(
    "SELECT 1 FROM message WHERE id >= :first AND id <= :last"
    " AND (state IN (21, 23) OR (state = 24 AND open_parts = 0)) LIMIT 1"
)
_EXPIRED = Sql(
    "SELECT message.id, wanted.after + 1 FROM {ranges} AS wanted"
    " JOIN message ON message.id > wanted.after AND message.id <= wanted.last{message.id}"
    " WHERE message.state = 21 AND message.changed < :before ORDER BY message.id LIMIT :limit",
    span=("ranges", 0, 1),
    ranges=("after int8", "last int8"),
)


def insert(
    tx: Tx, messages: Sequence[tuple[int, int, int, int, int]], odd: Sequence[tuple[int, str]]
) -> None:
    """New messages (id, number, state, parts, open parts), and what was submitted for unreadable numbers."""
    tx.run(_INSERT, messages=messages, seconds=tx.now // 1000)
    if odd:
        tx.run(_ADD_ODD, odd=odd)


def page(tx: Tx, after: int, last: int, limit: int) -> list[MessageRow]:
    """The messages in (after, last], at most `limit`, as a report shows them."""
    rows = tx.all(_PAGE, after=after, last=last, limit=limit)
    odd: dict[int, str] = {}
    if any(row[1] == 0 for row in rows):
        odd = dict(tx.all(_ODD, after=rows[0][0] - 1, last=rows[-1][0]))
    return [
        MessageRow(
            f"+{row[1]}" if row[1] > ERASED else odd[row[0]] if not row[1] else display(ERASED),
            MESSAGE_STATES[row[2]],
        )
        for row in rows
    ]


def untold(tx: Tx, after: int, upto: int) -> list[tuple[int, int]]:
    """The messages in (after, upto] without a final state, and those undelivered that cost nothing: (id,
    state)."""
    return [(row[0], row[1]) for row in tx.all(_UNTOLD, after=after, upto=upto)]


def shown(tx: Tx, wanted: Iterable[tuple[int, int]]) -> dict[int, tuple[str, str]]:
    """Whom messages go to, as a report shows it, and their texts, of (message, order)."""
    rows = tx.all(_FACTS, wanted=sorted(set(wanted)))
    return {row[0]: (display(row[1]) if row[1] else row[2] or "", row[3] or "") for row in rows}


def cancel_range(tx: Tx, after: int, last: int) -> None:
    """Make the queued messages in (after, last] undelivered."""
    tx.run(
        _CANCEL_RANGE,
        after=after,
        last=last,
        queued=int(MessageState.QUEUED),
        undelivered=int(MessageState.UNDELIVERED),
        seconds=tx.now // 1000,
    )


def queued(tx: Tx, ranges: Sequence[tuple[int, int]]) -> list[QueuedMessage]:
    """The queued messages in several ranges (after, last], by id."""
    return [QueuedMessage(*row) for row in tx.all(_QUEUED, ranges=ranges)]


def still_queued(tx: Tx, ids: Collection[int]) -> set[int]:
    """Those of these messages that are queued."""
    return {row[0] for row in tx.all(_STILL_QUEUED, wanted=sorted(ids))}


def accept(tx: Tx, fresh: Sequence[tuple[int, int]]) -> None:
    """A carrier has these: (id, a bit for each part whose report is awaited)."""
    tx.run(_ACCEPT, fresh=fresh, seconds=tx.now // 1000)


def copies(tx: Tx, wanted: Iterable[tuple[int, int]]) -> dict[int, MessageCopy]:
    """Working copies of (message, order) pairs, locked."""
    rows = tx.all(_COPIES, wanted=sorted(set(wanted)))
    return {
        row[0]: MessageCopy(row[0], row[1], row[2], MESSAGE_STATES[row[3]], row[4], row[5]) for row in rows
    }


def save(tx: Tx, fresh: Iterable[MessageCopy]) -> None:
    """Write the states of those that changed."""
    rows = [(copy.id, int(copy.state), copy.open_parts) for copy in fresh if copy.touched]
    if rows:
        tx.run(_SAVE, fresh=rows, seconds=tx.now // 1000)


def reached(tx: Tx, first: int, last: int) -> bool:
    """Whether any message in [first, last] was ever accepted by a carrier."""
    return tx.one(_REACHED, first=first, last=last) is not None


def expired(tx: Tx, ranges: Sequence[tuple[int, int]], before: int, limit: int) -> list[tuple[int, int]]:
    """(message, first id of its range) in orders' ranges (after, last], without news since `before` (ms)."""
    rows = tx.all(_EXPIRED, ranges=ranges, before=before // 1000, limit=limit)
    return [(row[0], row[1]) for row in rows]
