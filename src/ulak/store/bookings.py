"""What the desk asks beside the rows: who works on a booking, which codes are taken, what goes away."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.jobs import JobKind
from ulak.store.engine import Sql, Tx

_TAKE = Sql(
    "INSERT INTO job (kind, subject, due, tries, claim) VALUES (:kind, :subject, :until, 0, :claim)"
    " ON CONFLICT (kind, subject) DO UPDATE SET due = excluded.due, claim = excluded.claim"
    " WHERE job.claim = '' OR job.due <= :now"
)
_STANDING = Sql("SELECT state, state_at, carrier_id FROM consignment WHERE id = :id", lock="FOR UPDATE")
_TAKEN = Sql("SELECT 1 FROM consignment WHERE barcode = :barcode")
_DELETE = Sql("DELETE FROM consignment WHERE id = :id")
_DELETE_SEEN = Sql("DELETE FROM sighting WHERE consignment_id = :id")
_LOOKED = Sql(
    "UPDATE consignment SET looked = :now WHERE id IN (SELECT id FROM {wanted} AS wanted)",
    wanted=("id int8",),
)
_UNLINK = Sql("UPDATE paper SET consignment_id = NULL WHERE consignment_id = :id")
_FREE_PAPERS = Sql(
    "UPDATE paper SET consignment_id = NULL WHERE id IN (SELECT id FROM {papers} AS wanted)"
    " AND account_id = :account AND consignment_id IN"
    " (SELECT consignment.id FROM consignment WHERE consignment.account_id = :account AND state IN (32, 43))",
    papers=("id int8",),
)


def take(tx: Tx, consignment_id: int, until: int, claim: str) -> bool:
    """Claim the booking of a consignment until then (ms), unless somebody else's claim still holds.

    Whether it is the caller's now.
    """
    kind = int(JobKind.BOOK)
    return tx.run(_TAKE, kind=kind, subject=consignment_id, until=until, claim=claim, now=tx.now) > 0


def standing(tx: Tx, consignment_id: int) -> tuple[int, int, int | None] | None:
    """The state of a consignment, since when, and its carrier's id. It stays locked until the commit."""
    row = tx.one(_STANDING, id=consignment_id)
    return (row[0], row[1], row[2]) if row else None


def is_taken(tx: Tx, barcode: str) -> bool:
    """Whether a consignment of any account has this barcode."""
    return tx.one(_TAKEN, barcode=barcode) is not None


def delete(tx: Tx, consignment_id: int) -> None:
    """Forget a consignment that no carrier ever heard of. Its documents stay, and belong to none."""
    tx.run(_UNLINK, id=consignment_id)
    tx.run(_DELETE_SEEN, id=consignment_id)
    tx.run(_DELETE, id=consignment_id)


def looked(tx: Tx, consignment_ids: Sequence[int]) -> None:
    """Their carriers were asked about these consignments just now. That changes nothing that is shown."""
    if consignment_ids:
        tx.run(_LOOKED, wanted=consignment_ids, now=tx.now)


def free_papers(tx: Tx, account_id: int, paper_ids: Sequence[int]) -> None:
    """Take these documents from consignments that were rejected or cancelled: they may be for another now."""
    if paper_ids:
        tx.run(_FREE_PAPERS, account=account_id, papers=paper_ids)
