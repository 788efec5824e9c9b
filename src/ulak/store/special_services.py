"""Extras that can be ordered with a consignment, the same for every account."""

from __future__ import annotations

from ulak.core.consignments import Service
from ulak.store.engine import Sql, Tx
from ulak.store.parcel_rows import possible

_INSERT = Sql("INSERT INTO special_service (name, fee) VALUES (:name, :fee) RETURNING id")
_ACTIVE = Sql("SELECT id, name, fee FROM special_service WHERE removed IS NULL ORDER BY id")
_REMOVE = Sql("UPDATE special_service SET removed = :now WHERE id = :id AND removed IS NULL")


def insert(tx: Tx, name: str, fee: int) -> int:
    """A new extra with its fee in kuruş; its id."""
    row = tx.one(_INSERT, name=name, fee=fee)
    assert row is not None
    made: int = row[0]
    return made


def active(tx: Tx) -> list[Service]:
    """What can be ordered, the oldest first."""
    return [Service(*row) for row in tx.all(_ACTIVE)]


def remove(tx: Tx, service_id: int) -> bool:
    """Offer it no longer; whether it was offered. Consignments keep what was ordered with them."""
    return possible(service_id) and tx.run(_REMOVE, id=service_id, now=tx.now) > 0
