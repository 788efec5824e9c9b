"""What stands open in the whole installation, for people who look after it."""

from __future__ import annotations

from typing import NamedTuple

from ulak.store.engine import Sql, Tx

_OPEN = Sql(
    "SELECT count(*), coalesce(sum(total - delivered - undelivered), 0), coalesce(sum(held), 0)"
    " FROM sms_order WHERE state IN (10, 11, 12)"
)
_STRANDED = Sql(
    "SELECT count(*) FROM sms_order JOIN carrier ON carrier.id = sms_order.carrier_id"
    " WHERE sms_order.state = 12 AND carrier.removed IS NOT NULL"
)
_WAITING = Sql(
    "SELECT prefix, count(*) FROM sms_order WHERE state IN (10, 11) AND due <= :now"
    " GROUP BY prefix ORDER BY prefix"
)


_PARCELS = Sql(
    "SELECT count(*), coalesce(sum(held), 0) FROM consignment"
    " WHERE state IN (31, 33, 34, 35, 36, 37, 38, 39, 40, 41, 44, 47)"
)
# What is decided may still be held: until the node has heard of it.
_PURCHASES = Sql(
    "SELECT coalesce(sum(CASE WHEN state IN (60, 63, 65, 66, 71, 73) THEN 1 ELSE 0 END), 0),"
    " coalesce(sum(held), 0) FROM purchase"
)
_CALLBACKS = Sql("SELECT count(*) FROM callback WHERE state IN (2, 3, 4)")
_DISABLED = Sql(
    "SELECT account.name, endpoint.dialect FROM endpoint JOIN account ON account.id = endpoint.account_id"
    " WHERE endpoint.disabled IS NOT NULL AND endpoint.removed IS NULL ORDER BY endpoint.id"
)


class OpenOrders(NamedTuple):
    """Orders that are not final: how many, their messages without a final state, the credits they hold."""

    orders: int
    messages: int
    credits: int


def open_orders(tx: Tx) -> OpenOrders:
    """What is under way or waits."""
    row = tx.one(_OPEN)
    assert row is not None
    return OpenOrders(int(row[0]), int(row[1]), int(row[2]))


def stranded_orders(tx: Tx) -> int:
    """Orders that a carrier was working on when it was removed."""
    row = tx.one(_STRANDED)
    assert row is not None
    return int(row[0])


def due_orders(tx: Tx) -> dict[str, int]:
    """Orders that are due and that no link has taken: common prefix of their numbers -> how many."""
    return {row[0]: int(row[1]) for row in tx.all(_WAITING, now=tx.now)}


def open_parcels(tx: Tx) -> tuple[int, int]:
    """Consignments that are under way or wait for their carrier, and the kuruş they hold."""
    row = tx.one(_PARCELS)
    assert row is not None
    return int(row[0]), int(row[1])


def open_purchases(tx: Tx) -> tuple[int, int]:
    """How many purchases are not final, and the sats that all of them hold."""
    row = tx.one(_PURCHASES)
    assert row is not None
    return int(row[0]), int(row[1])


def open_callbacks(tx: Tx) -> int:
    """Callbacks that have still to be told."""
    row = tx.one(_CALLBACKS)
    assert row is not None
    return int(row[0])


def disabled_endpoints(tx: Tx) -> list[tuple[str, str]]:
    """Account and dialect of endpoints that are not told any more, because nothing got through for days."""
    return [(row[0], row[1]) for row in tx.all(_DISABLED)]
