"""Leases: what one process at a time works on.

Each new holder moves the fence of a lease. Whoever commits something in the name of a lease locks it first,
with the fence it knows; a new holder therefore waits until what the one before has begun is over, and what
that one begins afterwards is not taken. A lease that was never held has the fence 0.
"""

from __future__ import annotations

from collections.abc import Iterable

from ulak.core.leases import Tenure
from ulak.store.engine import Sql, Tx

# A process that was taken for gone gets nothing before it has come back under another id.
_ACQUIRE = Sql(
    "INSERT INTO lease (id, fence, holder, up, why)"
    " SELECT :id, 1, process.id, 0, '' FROM process WHERE process.id = :holder"
    " ON CONFLICT (id) DO UPDATE SET fence = lease.fence + 1, holder = excluded.holder, up = 0, why = ''"
    " WHERE lease.holder NOT IN (SELECT process.id FROM process) RETURNING fence"
)
_SEIZE = Sql(
    "INSERT INTO lease (id, fence, holder, up, why) VALUES (:id, 1, 0, 0, '')"
    " ON CONFLICT (id) DO UPDATE SET fence = lease.fence + 1, holder = 0, up = 0, why = ''"
    " WHERE lease.holder NOT IN (SELECT process.id FROM process) RETURNING fence"
)
_RELEASE = Sql("UPDATE lease SET holder = 0, up = 0, why = '' WHERE id = :id AND fence = :fence")
_TELL = Sql("UPDATE lease SET up = :up, why = :why WHERE id = :id AND fence = :fence AND holder <> 0")
_HELD = Sql(
    "SELECT lease.id, fence FROM {wanted} AS wanted JOIN lease ON lease.id = wanted.id ORDER BY lease.id",
    lock="FOR SHARE OF lease",
    wanted=("id int8",),
)
_CALM = Sql("SELECT fence FROM lease WHERE id = :id", lock="FOR UPDATE")
_SOMEBODYS = Sql("SELECT 1 FROM lease WHERE id = :id AND holder IN (SELECT process.id FROM process)")
_OURS = Sql("SELECT 1 FROM lease WHERE id = :id AND fence = :fence AND holder = :holder")
_ALL = Sql("SELECT id, fence, holder, up, why FROM lease ORDER BY id")


def acquire(tx: Tx, lease: int, holder: int) -> int | None:
    """Take a lease that nobody has who is still there: its new fence, or None."""
    row = tx.one(_ACQUIRE, id=lease, holder=holder)
    return row[0] if row else None


def seize(tx: Tx, lease: int) -> int | None:
    """As `acquire`, for what ends with this transaction: nobody has it afterwards."""
    row = tx.one(_SEIZE, id=lease)
    return row[0] if row else None


def release(tx: Tx, lease: int, fence: int) -> None:
    """Let go of a lease, if it is still ours."""
    tx.run(_RELEASE, id=lease, fence=fence)


def tell(tx: Tx, lease: int, fence: int, up: bool, why: str) -> None:
    """Write down how our link stands."""
    tx.run(_TELL, id=lease, fence=fence, up=int(up), why=why)


def held(tx: Tx, wanted: Iterable[tuple[int, int]]) -> set[int]:
    """Those of these (lease, fence) that are still so. They stay so until the transaction ends."""
    pairs = sorted(set(wanted))
    fences = {row[0]: row[1] for row in tx.all(_HELD, wanted=[lease for lease, _ in pairs])}
    return {lease for lease, fence in pairs if fences.get(lease, 0) == fence}


def calm(tx: Tx, lease: int) -> None:
    """Wait until all that was begun in the name of a lease is over. What others begin in it waits for the end
    of this transaction."""
    tx.one(_CALM, id=lease)


def is_free(tx: Tx, lease: int) -> bool:
    """Whether nobody has it who is still there."""
    return tx.one(_SOMEBODYS, id=lease) is None


def is_ours(tx: Tx, lease: int, fence: int, holder: int) -> bool:
    """Whether this process still has it."""
    return tx.one(_OURS, id=lease, fence=fence, holder=holder) is not None


def tenures(tx: Tx) -> dict[int, Tenure]:
    """All leases that were ever held."""
    return {row[0]: Tenure(row[0], row[1], row[2], bool(row[3]), row[4]) for row in tx.all(_ALL)}
