"""What erased people had said against being written to: digests stand for their numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ulak.store.engine import Sql, Tx

ALL = (0, 0)
"""The brand and audience of a block: no message at all."""

_ADD = Sql(
    "INSERT INTO suppression (account_id, brand, audience, digest, added)"
    " VALUES (:account, :brand, :audience, :digest, :now) ON CONFLICT DO NOTHING"
)
_REMOVE = Sql(
    "DELETE FROM suppression WHERE account_id = :account AND brand = 0 AND audience = 0 AND digest = :digest"
)
_FOUND = Sql(
    "SELECT suppression.account_id, suppression.brand, suppression.audience, suppression.digest"
    " FROM {wanted} AS wanted JOIN suppression ON suppression.account_id = wanted.account_id"
    " AND suppression.brand = wanted.brand AND suppression.audience = wanted.audience"
    " AND suppression.digest = wanted.digest",
    wanted=("account_id int8", "brand int8", "audience int2", "digest text"),
)
_WITH_ANY = Sql(
    "SELECT id FROM {accounts} AS wanted"
    " WHERE EXISTS (SELECT 1 FROM suppression WHERE suppression.account_id = wanted.id)",
    accounts=("id int8",),
)

Key = tuple[int, int, int, str]
"""Account, brand, audience, digest of the number."""


def add(tx: Tx, account_id: int, brand: int, audience: int, digest: str) -> None:
    """Keep what somebody had said; that it is kept already is no trouble."""
    tx.run(_ADD, account=account_id, brand=brand, audience=audience, digest=digest, now=tx.now)


def remove(tx: Tx, account_id: int, digest: str) -> bool:
    """Let an account write to an erased number again; whether it could not."""
    return tx.run(_REMOVE, account=account_id, digest=digest) == 1


def with_any(tx: Tx, accounts: Collection[int]) -> set[int]:
    """Those of the accounts of which anything is kept; mostly none."""
    return {row[0] for row in tx.all(_WITH_ANY, accounts=sorted(accounts))}


def found(tx: Tx, wanted: Sequence[Key]) -> set[Key]:
    """Which of these are kept."""
    return {(row[0], row[1], row[2], row[3]) for row in tx.all(_FOUND, wanted=wanted)}
