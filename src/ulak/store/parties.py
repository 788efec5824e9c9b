"""Senders and recipients that accounts keep to be used again."""

from __future__ import annotations

import msgspec

from ulak.core.consignments import Party, SavedAs
from ulak.store.engine import Sql, Tx
from ulak.store.parcel_rows import possible

_INSERT = Sql(
    "INSERT INTO saved_party (account_id, saved_as, party) VALUES (:account, :saved_as, :party) RETURNING id"
)
_OF_ACCOUNT = Sql("SELECT id, saved_as, party FROM saved_party WHERE account_id = :account ORDER BY id")
_OWN = "id = :id AND account_id = :account AND saved_as = :saved_as"
_BY_ID = Sql(f"SELECT party FROM saved_party WHERE {_OWN}")
_REMOVE = Sql(f"DELETE FROM saved_party WHERE {_OWN}")

_party = msgspec.json.Decoder(Party).decode


def insert(tx: Tx, account_id: int, saved_as: SavedAs, party: Party) -> int:
    """Keep a party for an account; its id."""
    text = msgspec.json.encode(party).decode()
    row = tx.one(_INSERT, account=account_id, saved_as=int(saved_as), party=text)
    assert row is not None
    made: int = row[0]
    return made


def of_account(tx: Tx, account_id: int) -> list[tuple[int, SavedAs, Party]]:
    """Everybody an account keeps: (id, what for, who), the oldest first."""
    found = tx.all(_OF_ACCOUNT, account=account_id)
    return [(row[0], SavedAs(row[1]), _party(row[2])) for row in found]


def by_id(tx: Tx, account_id: int, saved_as: SavedAs, party_id: int) -> Party | None:
    """The party that an account keeps for this under this id."""
    if not possible(party_id):
        return None
    row = tx.one(_BY_ID, account=account_id, saved_as=int(saved_as), id=party_id)
    return _party(row[0]) if row else None


def remove(tx: Tx, account_id: int, saved_as: SavedAs, party_id: int) -> bool:
    """Keep it no longer; whether it was there. Consignments have copies of their own."""
    if not possible(party_id):
        return False
    return tx.run(_REMOVE, account=account_id, saved_as=int(saved_as), id=party_id) > 0
