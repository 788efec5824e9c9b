"""Documents as rows."""

from __future__ import annotations

from tests import parcel_cast as cast

from ulak.core.consignments import Paper, PaperKind, PaperState
from ulak.store import papers
from ulak.store.engine import Database
from ulak.store.writer import sync_read, sync_write


def keep(database: Database, account_id: int, consignment_id: int | None = None) -> Paper:
    """An invoice of four bytes."""
    paper = Paper(
        0,
        account_id,
        consignment_id,
        PaperKind.INVOICE,
        PaperState.IN_REVIEW,
        "fatura\0.pdf",
        "application/pdf",
        0,
        0,
    )
    return sync_write(database, lambda tx: papers.insert(tx, paper, b"\0PDF", "GIB\0", cast.NOW))


def test_a_document_is_shown_to_its_owner_only(database: Database) -> None:
    alice, bob = cast.shipper(database), cast.shipper(database, "bob")
    paper = keep(database, alice.id)
    shown = sync_read(database, lambda tx: papers.by_id(tx, alice.id, paper.id))
    assert shown == paper._replace(file_name="fatura\ufffd.pdf", size=4, created=cast.NOW)
    for account_id, paper_id in ((bob.id, paper.id), (alice.id, 99), (alice.id, 2**63)):
        assert sync_read(database, lambda tx, a=account_id, p=paper_id: papers.by_id(tx, a, p)) is None  # type: ignore[misc]
    assert sync_read(database, lambda tx: papers.content(tx, paper.id)) == b"\0PDF"
    assert sync_read(database, lambda tx: papers.content(tx, 99)) is None


def test_a_document_is_linked_to_one_consignment(database: Database) -> None:
    alice, bob = cast.shipper(database), cast.shipper(database, "bob")
    one, two = (cast.stored(database, cast.consignment(alice.id)).id for _ in "ab")
    papers_of_alice = [keep(database, alice.id).id, keep(database, alice.id).id]
    foreign = keep(database, bob.id).id
    taken = keep(database, alice.id, two).id

    def link(*ids: int) -> int:
        return sync_write(database, lambda tx: papers.link(tx, alice.id, ids, one))

    assert link(*papers_of_alice, papers_of_alice[0], foreign, taken, 99, 2**63) == 2
    assert link(papers_of_alice[0]) == 1
    assert link() == link(2**63) == 0
    found = sync_read(database, lambda tx: papers.of_consignment(tx, one))
    assert [paper.id for paper in found] == papers_of_alice
    assert [paper.id for paper in sync_read(database, lambda tx: papers.of_consignment(tx, two))] == [taken]
