"""Configured carriers: a kind and its settings as a document."""

from __future__ import annotations

from typing import NamedTuple

from ulak.store.engine import Sql, Tx

_INSERT = Sql(
    "INSERT INTO carrier (name, kind, settings, created) VALUES (:name, :kind, :settings, :now)"
    " ON CONFLICT DO NOTHING RETURNING id"
)
_ACTIVE = Sql("SELECT id, name, kind, settings FROM carrier WHERE removed IS NULL ORDER BY id")
_REMOVED_AT_WORK = Sql(
    "SELECT id, name, kind, settings FROM carrier WHERE removed IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM sms_order WHERE state = 12 AND carrier_id = carrier.id) ORDER BY id"
)
_REPLACE = Sql("UPDATE carrier SET settings = :settings WHERE id = :id")
_REMOVE = Sql("UPDATE carrier SET removed = :now WHERE name = :name AND removed IS NULL")


class CarrierRow(NamedTuple):
    """A configured carrier as it is stored."""

    id: int
    name: str
    kind: str
    settings: str


def insert(tx: Tx, name: str, kind: str, settings: str) -> int | None:
    """A new carrier; None if the name is taken."""
    row = tx.one(_INSERT, name=name, kind=kind, settings=settings, now=tx.now)
    return row[0] if row else None


def active(tx: Tx) -> list[CarrierRow]:
    """All that were not removed, oldest first."""
    return [CarrierRow(*row) for row in tx.all(_ACTIVE)]


def removed_at_work(tx: Tx) -> list[CarrierRow]:
    """Removed ones with orders that are not over, oldest first."""
    return [CarrierRow(*row) for row in tx.all(_REMOVED_AT_WORK)]


def replace(tx: Tx, carrier_id: int, settings: str) -> None:
    """Other settings for the same carrier."""
    tx.run(_REPLACE, id=carrier_id, settings=settings)


def remove(tx: Tx, name: str) -> bool:
    """Take a carrier out of use; whether there was one. The row stays: orders name it."""
    return tx.run(_REMOVE, name=name, now=tx.now) > 0
