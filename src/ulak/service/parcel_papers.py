"""Documents of consignments: handed in by customers, or made by us."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Paper, PaperKind, PaperState
from ulak.core.errors import Refusal
from ulak.core.events import EventKind
from ulak.core.shipping import File
from ulak.core.states import ParcelState
from ulak.service import events, sightings
from ulak.service.parcels import Denied
from ulak.store import bookings, consignments, papers
from ulak.store.engine import Tx

_ENDINGS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


def upload(
    tx: Tx,
    account: Account,
    *,
    kind: PaperKind,
    state: PaperState,
    file_name: str,
    file: File,
    reference: str | None = None,
    issued: int | None = None,
    consignment_id: int | None = None,
) -> Paper | Denied:
    """Keep a document, for one of the account's consignments or for none yet (NOT_FOUND for any other).

    `reference` and `issued` (ms UTC) are the number and the day that are written on it. Only of a document
    that belongs to a consignment anybody is told.
    """
    consignment = None
    if consignment_id is not None:
        consignment = consignments.by_id(tx, account.id, consignment_id)
        if consignment is None:
            return Denied(Refusal.NOT_FOUND)
    paper = Paper(0, account.id, consignment_id, kind, state, file_name, file.mime, len(file.content), tx.now)
    kept = papers.insert(tx, paper, file.content, reference, issued)
    if consignment is not None:
        _tell(tx, consignment, kept)
    return kept


def made(tx: Tx, account: Account, consignment: Consignment, kind: PaperKind, file: File) -> Paper:
    """Keep a form that was made for a consignment; it is called after its kind, like `cn22.pdf`."""
    name = f"{kind.name.lower()}.{_ENDINGS.get(file.mime, 'pdf')}"
    size = len(file.content)
    paper = Paper(0, account.id, consignment.id, kind, PaperState.IN_REVIEW, name, file.mime, size, tx.now)
    kept = papers.insert(tx, paper, file.content, None, None)
    _tell(tx, consignment, kept)
    return kept


_DEAD = (ParcelState.REJECTED, ParcelState.CANCELLED)
"""What belongs to one of these may be used for another."""


def foreign(
    tx: Tx, account_id: int, paper_ids: Sequence[int], consignment_id: int | None = None
) -> Denied | None:
    """Refuse to link documents that are not the account's, or belong to another living consignment.

    Denied with `documents.0` and so on as text.
    """
    for place, paper_id in enumerate(paper_ids):
        paper = papers.by_id(tx, account_id, paper_id)
        owner = paper.consignment_id if paper else None
        if paper is None or (owner not in (None, consignment_id) and not _is_dead(tx, owner)):
            return Denied(Refusal.NOT_FOUND, f"documents.{place}")
    return None


def _is_dead(tx: Tx, consignment_id: int | None) -> bool:
    found = consignments.load(tx, [consignment_id]) if consignment_id is not None else {}
    return all(consignment.state in _DEAD for consignment in found.values())


def link(tx: Tx, consignment: Consignment, paper_ids: Sequence[int]) -> None:
    """Say that these documents, none of them foreign, belong to a consignment."""
    if paper_ids:
        bookings.free_papers(tx, consignment.account_id, paper_ids)
        papers.link(tx, consignment.account_id, paper_ids, consignment.id)
        consignment.papers = papers.of_consignment(tx, consignment.id)


def _tell(tx: Tx, consignment: Consignment, paper: Paper) -> None:
    seen = consignment.seen[-1] if consignment.seen else None
    events.record(tx, [sightings.event(EventKind.DOCUMENT_CREATED, consignment, seen, paper_id=paper.id)])
