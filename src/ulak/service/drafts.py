"""Drafts: consignments that are kept for their owner, and of which no carrier knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Costs, Route, Shape, Shipment
from ulak.core.errors import Refusal
from ulak.core.once import CLAIM, Earlier, Once, ReplyState
from ulak.core.pricing import measures
from ulak.core.states import ParcelState
from ulak.service import parcel_papers, sightings
from ulak.service.marks import Marks, numbered
from ulak.service.parcels import Denied, Done, Render
from ulak.store import bookings, consignments, replies
from ulak.store.engine import Tx

Change = Callable[[Consignment], tuple[str, Shipment, Shape, Route]]
"""Makes of a draft what it is to be: what its owner has told, and what we read in that."""

MARKS = Marks()


def create(
    tx: Tx,
    account: Account,
    fields: str,
    shipment: Shipment,
    shape: Shape,
    route: Route,
    paper_ids: Sequence[int] = (),
    *,
    once: Once | None = None,
    render: Render | None = None,
    marks: Marks = MARKS,
) -> Done | Denied:
    """Keep a draft. `fields` is what its owner told, in the words of the dialect it came through.

    Denied with NOT_FOUND and `documents.0` and so on for documents that cannot be linked with it.
    """
    if once is not None:
        won, earlier = replies.claim(tx, account.id, once, until=tx.now + CLAIM)
        if not won:
            assert earlier is not None
            return _before(tx, account, once, earlier)
    refusal = parcel_papers.foreign(tx, account.id, paper_ids)
    if refusal is not None:
        if once is not None:
            replies.fail(tx, account.id, once, None)
        return refusal
    draft = _written(tx, account, fields, shipment, shape, route, marks)
    parcel_papers.link(tx, draft, paper_ids)
    body = render(account, draft) if render else None
    if once is not None:
        replies.finish(tx, account.id, once, draft.id, body)
    return Done(draft, body or b"")


def _before(tx: Tx, account: Account, once: Once, earlier: Earlier) -> Done | Denied:
    """The answer to a request that came before."""
    if earlier.digest != once.digest:
        return Denied(Refusal.KEY_REUSED)
    known = earlier.consignment_id
    if earlier.state is not ReplyState.DONE or known is None:
        return Denied(Refusal.IN_PROGRESS)
    stored = consignments.by_id(tx, account.id, known)
    if stored is None:
        return Denied(Refusal.NOT_FOUND)
    return Done(stored, earlier.body or b"", replayed=True)


def _written(
    tx: Tx, account: Account, fields: str, shipment: Shipment, shape: Shape, route: Route, marks: Marks
) -> Consignment:
    draft = Consignment(
        0,
        account.id,
        *marks.names(tx),
        shape,
        route,
        ParcelState.DRAFT,
        tx.now,
        _numbered(tx, shipment),
        Costs(),
        measures(shipment.packages),
        created=tx.now,
        updated=tx.now,
        draft=fields,
    )
    draft.id = consignments.insert(tx, draft)
    sightings.note(tx, draft, ParcelState.DRAFT)
    return draft


def _numbered(tx: Tx, shipment: Shipment) -> Shipment:
    return msgspec.structs.replace(shipment, packages=numbered(tx, shipment.packages))


def update(
    tx: Tx, account: Account, draft_id: int, change: Change, paper_ids: Sequence[int] = ()
) -> Consignment | Denied:
    """Change a draft into what `change` makes of it, and link further documents.

    Denied with WRONG_STATE if it is no draft any more.
    """
    draft = _own(tx, account, draft_id)
    if isinstance(draft, Denied):
        return draft
    refusal = parcel_papers.foreign(tx, account.id, paper_ids, draft.id)
    if refusal is not None:
        return refusal
    draft.draft, shipment, draft.shape, draft.route = change(draft)
    draft.shipment = _numbered(tx, shipment)
    draft.measures = measures(shipment.packages)
    consignments.save(tx, draft)
    parcel_papers.link(tx, draft, paper_ids)
    return draft


def delete(tx: Tx, account: Account, draft_id: int) -> Denied | None:
    """Throw a draft away. Its documents stay, and belong to no consignment again."""
    draft = _own(tx, account, draft_id)
    if isinstance(draft, Denied):
        return draft
    bookings.delete(tx, draft.id)
    return None


def _own(tx: Tx, account: Account, draft_id: int) -> Consignment | Denied:
    """An account's draft, locked."""
    consignments.lock(tx, [draft_id])
    found = consignments.by_id(tx, account.id, draft_id)
    if found is None:
        return Denied(Refusal.NOT_FOUND)
    return found if found.state is ParcelState.DRAFT else Denied(Refusal.WRONG_STATE, consignment_id=found.id)
