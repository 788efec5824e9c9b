"""Ten million messages in minutes: some orders that went the real way, copied inside the database.

A copy has ids of its own from the lease that every server uses, numbers and money, so that afterwards
everything holds that must (`ulak.service.audit`). What is kept for a day only (fingerprints, references) is
not copied: most of what a server has stored is older.
"""

from __future__ import annotations

from benchmarks.fill import fill
from benchmarks.rig import Home
from ulak.store.engine import Sql, Tx
from ulak.store.ids import lease
from ulak.store.writer import sync_read, sync_write

SIZE, ORDERS = 1_000, 50
"""Recipients of an order; orders that are made the real way, and copied together."""

BLOCK = SIZE * ORDERS

_FIRST = Sql("SELECT min(id) FROM sms_order")
_SPENT = Sql("SELECT spent FROM balance WHERE asset = 'SMS'")
_BETWEEN = "BETWEEN :first AND :last"
_COPIES = (
    Sql(
        "INSERT INTO message (id, number, state, parts, open_parts, changed)"
        f" SELECT id + :by, number, state, parts, open_parts, changed FROM message WHERE id {_BETWEEN}"
    ),
    Sql(
        "INSERT INTO odd_number (message_id, submitted)"
        f" SELECT message_id + :by, submitted FROM odd_number WHERE message_id {_BETWEEN}"
    ),
    Sql(
        "INSERT INTO order_text (order_id, first_id, body)"
        f" SELECT order_id + :by, first_id + :by, body FROM order_text WHERE order_id {_BETWEEN}"
    ),
    Sql(
        "INSERT INTO posting (account_id, asset, move, amount, order_id, at)"
        " SELECT account_id, asset, move, amount, order_id + :by, at FROM posting"
        f" WHERE order_id {_BETWEEN}"
    ),
)
_COPY_ORDERS = Sql(
    "INSERT INTO sms_order (id, account_id, number, dialect, sender, state, submitted, due, total, delivered,"
    " undelivered, held, posted, prefix, carrier_id, opened, settled, first_message, announced, audience,"
    " brand) SELECT id + :by, account_id, number + :orders, dialect, sender, state, submitted, due, total,"
    " delivered, undelivered, held, posted, prefix, carrier_id, opened + :by, settled + :by,"
    " first_message + :messages, announced + :by, audience, brand"
    f" FROM sms_order WHERE id {_BETWEEN}"
)
_COUNT_ON = Sql(
    "UPDATE account SET next_number = next_number + :orders, next_message = next_message + :messages"
)
_SPEND = Sql(
    "UPDATE balance SET available = available - :amount, spent = spent + :amount WHERE asset = 'SMS'"
)


def multiply(home: Home, messages: int) -> None:
    """Store so many messages, a multiple of 50,000, in orders of 1,000 that are through. The data are new."""
    assert messages % BLOCK == 0
    fill(home, [SIZE] * ORDERS)
    first, spent = sync_read(home.database, lambda tx: (_one(tx, _FIRST), _one(tx, _SPENT)))
    for place in range(1, messages // BLOCK):
        sync_write(home.database, lambda tx: _copy(tx, first, spent, place))  # noqa: B023


def _copy(tx: Tx, first: int, spent: int, place: int) -> None:
    by = lease(tx, BLOCK).start - first
    last = first + BLOCK - 1
    for copy in _COPIES:
        tx.run(copy, by=by, first=first, last=last)
    tx.run(_COPY_ORDERS, by=by, first=first, last=last, orders=ORDERS * place, messages=BLOCK * place)
    tx.run(_COUNT_ON, orders=ORDERS, messages=BLOCK)
    tx.run(_SPEND, amount=spent)


def _one(tx: Tx, question: Sql) -> int:
    row = tx.one(question)
    assert row is not None
    return int(row[0])
