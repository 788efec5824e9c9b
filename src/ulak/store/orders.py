"""Orders and their texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ulak.core.orders import OrderSummary
from ulak.core.states import OrderState
from ulak.store.engine import Row, Sql, Tx

_INSERT = Sql(
    "INSERT INTO sms_order (id, account_id, number, dialect, sender, state, submitted, due, total, delivered,"
    " undelivered, held, posted, prefix, carrier_id, opened, settled, first_message, announced, audience,"
    " brand) SELECT id, account_id, number, dialect, sender, state, :now, due, total, 0,"
    " undelivered, held, 0, prefix, 0, id - 1, id - 1, first_message, announced, audience, brand"
    " FROM {orders} AS fresh",
    orders=(
        "id int8",
        "account_id int8",
        "number int8",
        "dialect text",
        "sender text",
        "state int2",
        "due int8",
        "total int4",
        "undelivered int4",
        "held int4",
        "prefix text",
        "first_message int8",
        "announced int8",
        "audience int2",
        "brand int8",
    ),
)
_INSERT_TEXTS = Sql(
    "INSERT INTO order_text (order_id, first_id, body) SELECT order_id, first_id, body FROM {texts} AS fresh",
    texts=("order_id int8", "first_id int8", "body text"),
)
_TEXTS = Sql(
    "SELECT order_text.order_id, first_id, body FROM {orders} AS wanted"
    " JOIN order_text ON order_text.order_id = wanted.id ORDER BY order_text.order_id, first_id",
    orders=("id int8",),
)

_REPEATED = Sql(
    "SELECT fingerprint.account_id, fingerprint.digest FROM {wanted} AS wanted"
    " JOIN fingerprint ON fingerprint.digest = wanted.digest AND fingerprint.account_id = wanted.account_id"
    " WHERE fingerprint.at > :since AND fingerprint.at <= :until",
    wanted=("account_id int8", "digest int8"),
)
_ADD_FINGERPRINTS = Sql(
    "INSERT INTO fingerprint (order_id, account_id, digest, at)"
    " SELECT order_id, account_id, digest, :now FROM {fresh} AS fresh",
    fresh=("order_id int8", "account_id int8", "digest int8"),
)
_FREE_FINGERPRINT = Sql("DELETE FROM fingerprint WHERE order_id = :order")

_SUMMARY = "number, state, total, delivered, undelivered, submitted, due, sender, held + posted"
_FIND = Sql(f"SELECT id, {_SUMMARY} FROM sms_order WHERE account_id = :account AND number = :number")
_COUNT = Sql(
    "SELECT count(*) FROM sms_order"
    " WHERE account_id = :account AND dialect = :dialect AND submitted >= :start AND submitted < :end"
)
_LIST = Sql(
    f"SELECT {_SUMMARY} FROM sms_order"
    " WHERE account_id = :account AND dialect = :dialect AND submitted >= :start AND submitted < :end"
    " ORDER BY submitted, id LIMIT :limit OFFSET :offset"
)

_CANCEL = Sql(
    "UPDATE sms_order SET state = :cancelled, undelivered = total, delivered = 0, held = 0"
    " WHERE account_id = :account AND number = :number AND state = :scheduled AND due > :now"
    " RETURNING id, total"
)
_HELD = Sql(
    "SELECT id, held FROM sms_order WHERE account_id = :account AND number = :number", lock="FOR UPDATE"
)

_DUE = Sql(
    "SELECT id, account_id, sender, total, prefix FROM sms_order AS waiting"
    " WHERE state IN (10, 11) AND due <= :now AND total BETWEEN :least AND :most AND"
    " (SELECT route.up FROM {routes} AS route"
    "  WHERE substr(waiting.prefix, 1, length(route.prefix)) = route.prefix"
    "  ORDER BY length(route.prefix) DESC, route.up DESC LIMIT 1) = 1"
    " ORDER BY due, id LIMIT :limit",
    lock="FOR UPDATE OF waiting SKIP LOCKED",
    routes=("prefix text", "up int2"),
)
_CLAIM = Sql(
    "UPDATE sms_order SET state = 12, carrier_id = claim.carrier_id, opened = claim.opened"
    " FROM {claims} AS claim WHERE sms_order.id = claim.id",
    claims=("id int8", "carrier_id int8", "opened int8"),
)
_ADVANCE = Sql(
    "UPDATE sms_order SET settled = step.settled,"
    " opened = CASE WHEN step.opened > sms_order.opened THEN step.opened ELSE sms_order.opened END"
    " FROM {steps} AS step WHERE sms_order.id = step.id",
    steps=("id int8", "opened int8", "settled int8"),
)
_COUNTERS = Sql(
    "SELECT sms_order.id, account_id, state, total, delivered, undelivered, held, posted, number,"
    " first_message, announced"
    " FROM {orders} AS wanted JOIN sms_order ON sms_order.id = wanted.id ORDER BY sms_order.id",
    lock="FOR UPDATE OF sms_order",
    orders=("id int8",),
)
_OWNERS = Sql(
    "SELECT sms_order.id, account_id FROM {orders} AS wanted JOIN sms_order ON sms_order.id = wanted.id",
    orders=("id int8",),
)
_SAVE_COUNTERS = Sql(
    "UPDATE sms_order SET state = fresh.state, delivered = fresh.delivered,"
    " undelivered = fresh.undelivered, held = fresh.held, posted = fresh.posted"
    " FROM {fresh} AS fresh WHERE sms_order.id = fresh.id",
    fresh=("id int8", "state int2", "delivered int4", "undelivered int4", "held int4", "posted int4"),
)
_TO_ANNOUNCE = Sql(
    "SELECT id FROM sms_order WHERE announced < id + total - 1 ORDER BY id LIMIT 1", lock="FOR UPDATE"
)
_ANY_TO_ANNOUNCE = Sql("SELECT 1 FROM sms_order WHERE announced < id + total - 1 LIMIT 1")
_ANNOUNCED = Sql("UPDATE sms_order SET announced = :upto WHERE id = :order")
_WAITING = Sql(
    "SELECT count(*) FROM"
    " (SELECT 1 FROM sms_order WHERE state IN (10, 11) AND due <= :now LIMIT :limit) AS due_now"
)
_SENDING = Sql(
    "SELECT id, account_id, sender, total, prefix, opened, settled FROM sms_order"
    " WHERE state = 12 AND carrier_id = :carrier AND id > :after ORDER BY id LIMIT :limit"
)
_BY_ID = Sql(
    "SELECT sms_order.id, account_id, sender, total, prefix, opened, settled FROM {orders} AS wanted"
    " JOIN sms_order ON sms_order.id = wanted.id ORDER BY sms_order.id",
    orders=("id int8",),
)
_UNDER_WAY = Sql(
    "SELECT id, due, total FROM sms_order WHERE state = 12 AND id > :after ORDER BY id LIMIT :limit"
)
_ANY_DUE = Sql("SELECT 1 FROM sms_order WHERE state IN (10, 11) AND due <= :now LIMIT 1")
_GIVE_BACK = Sql(
    "UPDATE sms_order SET state = 11, carrier_id = 0, opened = id - 1, settled = id - 1"
    " WHERE state = 12 AND carrier_id IN (SELECT id FROM {carriers} AS removed)"
    " AND EXISTS (SELECT 1 FROM message WHERE message.id >= sms_order.id"
    " AND message.id < sms_order.id + sms_order.total AND message.state = 20) RETURNING id",
    carriers=("id int8",),
)


UNTOLD = 0
"""The name of the first message of an order about which no callbacks are sent."""


class NewOrder(NamedTuple):
    """A row to insert; `id` is that of its first message.

    `first_message` is what callbacks call that one; up to `announced` callbacks say that messages were
    accepted. `audience` and `brand` are 0 where no consent is needed.
    """

    id: int
    account_id: int
    number: int
    dialect: str
    sender: str
    state: OrderState
    due: int
    total: int
    undelivered: int
    held: int
    prefix: str
    first_message: int
    announced: int
    audience: int = 0
    brand: int = 0


class DueOrder(NamedTuple):
    """An order whose time has come."""

    id: int
    account_id: int
    sender: str
    total: int
    prefix: str

    @property
    def last_id(self) -> int:
        """Its last message."""
        return self.id + self.total - 1


class SendingOrder(NamedTuple):
    """An order that a link had taken."""

    id: int
    account_id: int
    sender: str
    total: int
    prefix: str
    opened: int
    settled: int

    @property
    def last_id(self) -> int:
        """Its last message."""
        return self.id + self.total - 1


class OrderText(NamedTuple):
    """A text and the message id from which on it is sent."""

    order_id: int
    first_id: int
    body: str


class Counters:
    """An order's counters; a working copy while a group is decided."""

    __slots__ = (
        "account_id",
        "announced",
        "delivered",
        "first_message",
        "held",
        "id",
        "number",
        "posted",
        "state",
        "total",
        "undelivered",
    )

    def __init__(self, row: Row) -> None:
        (
            self.id,
            self.account_id,
            state,
            self.total,
            self.delivered,
            self.undelivered,
            self.held,
            self.posted,
            self.number,
            self.first_message,
            self.announced,
        ) = row
        self.state = OrderState(state)

    @property
    def waiting(self) -> int:
        """Messages without a final state."""
        waiting: int = self.total - self.delivered - self.undelivered
        return waiting


def insert(tx: Tx, orders: Sequence[NewOrder], texts: Sequence[tuple[int, int, str]]) -> None:
    """New orders, and their texts as (order id, first message id, body)."""
    tx.run(_INSERT, orders=orders, now=tx.now)
    tx.run(_INSERT_TEXTS, texts=texts)


def texts(tx: Tx, orders: Sequence[int]) -> list[OrderText]:
    """The texts of these orders, by order and message id."""
    return [OrderText(*row) for row in tx.all(_TEXTS, orders=orders)]


def repeated(tx: Tx, wanted: Iterable[tuple[int, int]], window: int) -> set[tuple[int, int]]:
    """Which of these (account, fingerprint) pairs were accepted within the last `window` ms; or within the
    next ones, by a clock that was set back since."""
    rows = tx.all(_REPEATED, wanted=list(wanted), since=tx.now - window, until=tx.now + window)
    return {(row[0], row[1]) for row in rows}


def add_fingerprints(tx: Tx, fresh: Sequence[tuple[int, int, int]]) -> None:
    """Remember (order, account, fingerprint) for the repeat check."""
    tx.run(_ADD_FINGERPRINTS, fresh=fresh, now=tx.now)


def free_fingerprint(tx: Tx, order_id: int) -> None:
    """Let the same order be placed again."""
    tx.run(_FREE_FINGERPRINT, order=order_id)


def _summary(row: Row) -> OrderSummary:
    return OrderSummary(row[0], OrderState(row[1]), *row[2:])


def find(tx: Tx, account_id: int, number: int) -> tuple[int, OrderSummary] | None:
    """An account's order by the number it knows: its id, and itself."""
    row = tx.one(_FIND, account=account_id, number=number)
    return (row[0], _summary(row[1:])) if row else None


def listing(
    tx: Tx, account_id: int, dialect: str, start: int, end: int, offset: int, limit: int
) -> tuple[int, list[OrderSummary]]:
    """How many orders were submitted in [start, end), and one page of them, oldest first."""
    count = tx.one(_COUNT, account=account_id, dialect=dialect, start=start, end=end)
    assert count is not None
    if offset >= count[0]:
        return count[0], []
    rows = tx.all(
        _LIST, account=account_id, dialect=dialect, start=start, end=end, offset=offset, limit=limit
    )
    return count[0], [_summary(row) for row in rows]


def held(tx: Tx, account_id: int, number: int) -> tuple[int, int] | None:
    """(id, credits held) of an order, locked."""
    row = tx.one(_HELD, account=account_id, number=number)
    return (row[0], row[1]) if row else None


def cancel(tx: Tx, account_id: int, number: int) -> tuple[int, int] | None:
    """Cancel a scheduled order whose time has not come: its (id, total), or None if it is not one."""
    row = tx.one(
        _CANCEL,
        account=account_id,
        number=number,
        now=tx.now,
        cancelled=int(OrderState.CANCELLED),
        scheduled=int(OrderState.SCHEDULED),
    )
    return (row[0], row[1]) if row else None


def due(tx: Tx, routes: Iterable[tuple[str, bool]], limit: int, *, sizes: tuple[int, int]) -> list[DueOrder]:
    """Orders to be sent now for which a link is up, longest due first, of sizes from the first to the second
    number of messages. `routes`: (prefix, up)."""
    ways = [(prefix, int(up)) for prefix, up in routes]
    rows = tx.all(_DUE, routes=ways, now=tx.now, limit=limit, least=sizes[0], most=sizes[1])
    return [DueOrder(*row) for row in rows]


def claim(tx: Tx, claims: Sequence[tuple[int, int, int]]) -> None:
    """Give orders to carriers: (order, carrier, last message opened)."""
    tx.run(_CLAIM, claims=claims)


def advance(tx: Tx, steps: Sequence[tuple[int, int, int]]) -> None:
    """Open messages before their first byte leaves: (order, opened, settled)."""
    tx.run(_ADVANCE, steps=steps)


def owners(tx: Tx, orders: Iterable[int]) -> dict[int, int]:
    """The account of each order; not locked, it never changes."""
    return {row[0]: row[1] for row in tx.all(_OWNERS, orders=list(orders))}


def counters(tx: Tx, orders: Iterable[int]) -> dict[int, Counters]:
    """Working copies of the orders' counters, locked by id."""
    return {row[0]: Counters(row) for row in tx.all(_COUNTERS, orders=sorted(orders))}


def save_counters(tx: Tx, fresh: Iterable[Counters]) -> None:
    """Write counters and states."""
    rows = [(c.id, int(c.state), c.delivered, c.undelivered, c.held, c.posted) for c in fresh]
    if rows:
        tx.run(_SAVE_COUNTERS, fresh=rows)


def any_to_announce(tx: Tx) -> bool:
    """Whether there is an order of which not all messages were announced."""
    return tx.one(_ANY_TO_ANNOUNCE) is not None


def to_announce(tx: Tx) -> Counters | None:
    """The oldest order of which not all messages were announced, locked."""
    row = tx.one(_TO_ANNOUNCE)
    return None if row is None else counters(tx, [row[0]])[row[0]]


def set_announced(tx: Tx, order_id: int, upto: int) -> None:
    """Callbacks were queued that the messages up to this one were accepted."""
    tx.run(_ANNOUNCED, order=order_id, upto=upto)


def waiting(tx: Tx, limit: int = 2**31 - 1) -> int:
    """How many orders are due and with no link, up to a limit."""
    row = tx.one(_WAITING, now=tx.now, limit=limit)
    assert row is not None
    count: int = row[0]
    return count


def sending(tx: Tx, carrier_id: int, after: int, limit: int) -> list[SendingOrder]:
    """Orders a carrier works on, by id, from `after` (exclusive) on."""
    return [SendingOrder(*row) for row in tx.all(_SENDING, carrier=carrier_id, after=after, limit=limit)]


def sending_by_id(tx: Tx, orders: Sequence[int]) -> list[SendingOrder]:
    """These orders, by id."""
    return [SendingOrder(*row) for row in tx.all(_BY_ID, orders=orders)]


def under_way(tx: Tx, after: int, limit: int) -> list[tuple[int, int, int]]:
    """(id, when it was due, id of its last message) of orders under way after `after`, by id."""
    return [(row[0], row[1], row[0] + row[2] - 1) for row in tx.all(_UNDER_WAY, after=after, limit=limit)]


def any_due(tx: Tx) -> bool:
    """Whether an order is due and with no link."""
    return tx.one(_ANY_DUE, now=tx.now) is not None


def give_back(tx: Tx, carriers: Sequence[int]) -> list[int]:
    """Take orders with queued messages from these carriers; any carrier may claim them."""
    return [row[0] for row in tx.all(_GIVE_BACK, carriers=carriers)]
