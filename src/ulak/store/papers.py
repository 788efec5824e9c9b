"""Documents of consignments, and their files."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.consignments import Paper, PaperKind, PaperState
from ulak.store.engine import Row, Sql, Tx
from ulak.store.parcel_rows import possible, storable

_INSERT = Sql(
    "INSERT INTO paper (account_id, consignment_id, kind, state, file_name, mime, size, reference, issued,"
    " created) VALUES (:account, :consignment, :kind, :state, :file_name, :mime, :size, :reference, :issued,"
    " :now) RETURNING id"
)
_INSERT_FILE = Sql("INSERT INTO paper_file (paper_id, content) VALUES (:paper, :content)")
_COLUMNS = "id, account_id, consignment_id, kind, state, file_name, mime, size, created"
_BY_ID = Sql(f"SELECT {_COLUMNS} FROM paper WHERE id = :id AND account_id = :account")
_CONTENT = Sql("SELECT content FROM paper_file WHERE paper_id = :paper")
_OF_CONSIGNMENT = Sql(f"SELECT {_COLUMNS} FROM paper WHERE consignment_id = :consignment ORDER BY id")
# The coalesce keeps SQLite from looking through all documents that belong to no consignment.
_LINK = Sql(
    "UPDATE paper SET consignment_id = :consignment WHERE id IN (SELECT id FROM {papers} AS wanted)"
    " AND account_id = :account AND coalesce(consignment_id, :consignment) = :consignment",
    papers=("id int8",),
)

_KINDS = {int(kind): kind for kind in PaperKind}
_STATES = {int(state): state for state in PaperState}


def insert(tx: Tx, made: Paper, content: bytes, reference: str | None, issued: int | None) -> Paper:
    """Keep a document; returned with its id and `created`.

    `reference` and `issued` (ms) are the number and day that are written on it.
    """
    row = tx.one(
        _INSERT,
        account=made.account_id,
        consignment=made.consignment_id,
        kind=int(made.kind),
        state=int(made.state),
        file_name=storable(made.file_name),
        mime=storable(made.mime),
        size=len(content),
        reference=None if reference is None else storable(reference),
        issued=issued,
        now=tx.now,
    )
    assert row is not None
    tx.run(_INSERT_FILE, paper=row[0], content=content)
    return made._replace(id=row[0], size=len(content), created=tx.now)


def by_id(tx: Tx, account_id: int, paper_id: int) -> Paper | None:
    """An account's document."""
    row = tx.one(_BY_ID, account=account_id, id=paper_id) if possible(paper_id) else None
    return paper(row) if row else None


def content(tx: Tx, paper_id: int) -> bytes | None:
    """A document's file."""
    row = tx.one(_CONTENT, paper=paper_id)
    return row[0] if row else None


def of_consignment(tx: Tx, consignment_id: int) -> list[Paper]:
    """A consignment's documents, the oldest first."""
    return [paper(row) for row in tx.all(_OF_CONSIGNMENT, consignment=consignment_id)]


def link(tx: Tx, account_id: int, paper_ids: Sequence[int], consignment_id: int) -> int:
    """Say that these documents of an account belong to its consignment. Returns how many now do.

    What is not there, or belongs to another consignment already, is left as it is and not counted.
    """
    wanted = [paper_id for paper_id in set(paper_ids) if possible(paper_id)]
    if not wanted:
        return 0
    return tx.run(_LINK, account=account_id, papers=wanted, consignment=consignment_id)


def paper(row: Row) -> Paper:
    """A document from its columns, in the order of its fields."""
    return Paper(row[0], row[1], row[2], _KINDS[row[3]], _STATES[row[4]], row[5], row[6], row[7], row[8])
