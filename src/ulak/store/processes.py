"""The processes that work on these data."""

from __future__ import annotations

from ulak.core.leases import Peer, Role
from ulak.store import callbacks, jobs
from ulak.store.engine import Sql, Tx

_REGISTER = Sql(
    "INSERT INTO process (name, role, host, version, started, beat)"
    " VALUES (:name, :role, :host, :version, :now, 0) RETURNING id"
)
_PEERS = Sql("SELECT id, role FROM process ORDER BY id")
_LEAVE_LEASES = Sql("UPDATE lease SET holder = 0, up = 0, why = '' WHERE holder = :id")
_DELETE = Sql("DELETE FROM process WHERE id = :id")


def register(tx: Tx, name: str, role: Role, host: str, version: str) -> int:
    """A process has come; its id."""
    row = tx.one(_REGISTER, name=name, role=int(role), host=host, version=version, now=tx.now)
    assert row is not None
    registered: int = row[0]
    return registered


def peers(tx: Tx) -> list[Peer]:
    """The processes that are there, oldest first."""
    return [Peer(row[0], Role(row[1])) for row in tx.all(_PEERS)]


def bury(tx: Tx, process_id: int) -> bool:
    """A process is gone: what it had claimed is due, and its leases are free. Whether it was there."""
    if not tx.run(_DELETE, id=process_id):
        return False
    tx.run(_LEAVE_LEASES, id=process_id)
    jobs.release(tx)
    callbacks.release(tx)
    return True
