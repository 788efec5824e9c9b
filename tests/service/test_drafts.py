"""Drafts, and the documents of consignments."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest
from tests import parcel_cast
from tests.conftest import FakeClock
from tests.service.parcel_desk import once, refusal, render

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Costs, Paper, PaperKind, PaperState, Route, Shape, Shipment
from ulak.core.errors import Refusal
from ulak.core.once import Once
from ulak.core.shipping import File
from ulak.core.states import ParcelState
from ulak.service import accounts, drafts, parcel_papers
from ulak.service.parcels import Denied, Done
from ulak.store import consignments, papers
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read, sync_write

PDF = File(b"%PDF-1.7 demo", "application/pdf")
_SIGHTINGS = Sql("SELECT count(*) FROM sighting")
_EVENTS = Sql("SELECT kind, data FROM event ORDER BY id")


@pytest.fixture
def alice(database: Database) -> Account:
    return account(database, "alice")


def account(database: Database, name: str) -> Account:
    return sync_write(database, lambda tx: accounts.create(tx, name)).account


def create(
    database: Database, owner: Account, *paper_ids: int, key: Once | None = None, **over: Any
) -> Done | Denied:
    shipment = parcel_cast.shipment(**over)
    return sync_write(
        database,
        lambda tx: drafts.create(
            tx,
            owner,
            '{"a":1}',
            shipment,
            Shape.NORMAL,
            Route.DOMESTIC,
            paper_ids,
            once=key,
            render=render,
        ),
    )


def created(database: Database, owner: Account, *paper_ids: int, **over: Any) -> Consignment:
    done = create(database, owner, *paper_ids, **over)
    assert isinstance(done, Done)
    return done.consignment


def upload(
    database: Database, owner: Account, consignment_id: int | None = None, **over: Any
) -> Paper | Denied:
    fields: dict[str, Any] = {
        "kind": PaperKind.INVOICE,
        "state": PaperState.APPROVED,
        "file_name": "fatura.pdf",
        "file": PDF,
        "reference": "A-1",
        "issued": parcel_cast.NOW,
        "consignment_id": consignment_id,
    }
    return sync_write(database, lambda tx: parcel_papers.upload(tx, owner, **fields | over))


def uploaded(database: Database, owner: Account, consignment_id: int | None = None) -> Paper:
    paper = upload(database, owner, consignment_id)
    assert isinstance(paper, Paper)
    return paper


def stored(database: Database, consignment_id: int) -> Consignment:
    return sync_read(database, lambda tx: consignments.load(tx, [consignment_id]))[consignment_id]


# Drafts.


def test_a_draft_is_kept_and_costs_nothing(database: Database, alice: Account, clock: FakeClock) -> None:
    draft = created(database, alice, packages=(parcel_cast.package(id=0, items=(parcel_cast.item(id=0),)),))
    assert draft == stored(database, draft.id)
    assert (draft.state, draft.draft, draft.costs) == (ParcelState.DRAFT, '{"a":1}', Costs())
    assert (draft.carrier, draft.labels, draft.held) == (None, [], 0)
    assert str(draft.measures.desi) == "1.13"
    assert [(seen.state, seen.at, seen.text) for seen in draft.seen] == [(ParcelState.DRAFT, clock.now, "")]
    (package,) = draft.shipment.packages
    assert 0 < package.id < package.items[0].id


def test_a_draft_needs_no_packages(database: Database, alice: Account) -> None:
    draft = created(database, alice, packages=())
    assert draft == stored(database, draft.id)
    assert draft.measures.desi == draft.measures.weight == 0


def test_a_key_keeps_one_draft(database: Database, alice: Account) -> None:
    first = create(database, alice, key=once())
    again = create(database, alice, key=once())
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert (again.body, again.replayed, first.replayed) == (first.body, True, False)
    assert again.consignment.id == first.consignment.id
    assert create(database, alice, key=once(digest="other")) == Denied(Refusal.KEY_REUSED)
    assert sync_write(database, lambda tx: drafts.delete(tx, alice, first.consignment.id)) is None
    assert create(database, alice, key=once()) == Denied(Refusal.NOT_FOUND)


def test_a_key_whose_draft_was_refused_is_free_again(database: Database, alice: Account) -> None:
    assert create(database, alice, 99, key=once()) == Denied(Refusal.NOT_FOUND, "documents.0")
    assert isinstance(create(database, alice, key=once(digest="other")), Done)


def change(draft: Consignment) -> tuple[str, Shipment, Shape, Route]:
    """It goes to Berlin, in a further box."""
    packages = (*draft.shipment.packages, parcel_cast.package(id=0, items=()))
    shipment = msgspec.structs.replace(draft.shipment, packages=packages, reference="SO-2")
    return '{"a":2}', shipment, Shape.MULTI_PACKAGE, Route.INTERNATIONAL


def test_a_draft_is_changed(database: Database, alice: Account, clock: FakeClock) -> None:
    paper = uploaded(database, alice)
    draft = created(database, alice)
    clock.advance(1000)
    after = sync_write(database, lambda tx: drafts.update(tx, alice, draft.id, change, (paper.id,)))
    assert isinstance(after, Consignment)
    assert after == stored(database, draft.id)
    assert (after.draft, after.shape, after.route) == ('{"a":2}', Shape.MULTI_PACKAGE, Route.INTERNATIONAL)
    assert (after.created, after.updated) == (draft.created, clock.now)
    assert (after.uuid, after.barcode, after.shipment.reference) == (draft.uuid, draft.barcode, "SO-2")
    first, second = after.shipment.packages
    assert first == draft.shipment.packages[0]
    assert second.id not in (0, first.id)
    assert str(after.measures.desi) == "2.25"
    assert [kept.id for kept in after.papers] == [paper.id]


def test_a_deleted_draft_is_gone_and_its_documents_are_free(database: Database, alice: Account) -> None:
    paper = uploaded(database, alice)
    draft = created(database, alice, paper.id)
    assert [kept.id for kept in draft.papers] == [paper.id]
    assert sync_write(database, lambda tx: drafts.delete(tx, alice, draft.id)) is None
    assert sync_read(database, lambda tx: consignments.load(tx, [draft.id])) == {}
    assert sync_read(database, lambda tx: tx.one(_SIGHTINGS)) == (0,)
    free = sync_read(database, lambda tx: papers.by_id(tx, alice.id, paper.id))
    assert free is not None
    assert free.consignment_id is None
    assert sync_write(database, lambda tx: drafts.delete(tx, alice, draft.id)) == Denied(Refusal.NOT_FOUND)


def test_the_number_of_a_deleted_draft_is_not_used_again(database: Database, alice: Account) -> None:
    """Whoever deletes it twice must not meet another one."""
    draft = created(database, alice)
    sync_write(database, lambda tx: drafts.delete(tx, alice, draft.id))
    other = created(database, alice)
    assert sync_write(database, lambda tx: drafts.delete(tx, alice, draft.id)) == Denied(Refusal.NOT_FOUND)
    assert stored(database, other.id).state is ParcelState.DRAFT


def test_what_is_no_draft_or_anothers_is_not_touched(database: Database, alice: Account) -> None:
    bob = account(database, "bob")
    draft = created(database, alice)
    made = parcel_cast.consignment(alice.id, posted=0, labels=[parcel_cast.label()])
    booked = sync_write(database, lambda tx: consignments.insert(tx, made))
    for owner, consignment_id, why in (
        (bob, draft.id, Refusal.NOT_FOUND),
        (alice, booked, Refusal.WRONG_STATE),
    ):
        before = stored(database, consignment_id)
        updated = sync_write(
            database, partial(drafts.update, account=owner, draft_id=consignment_id, change=change)
        )
        deleted = sync_write(database, partial(drafts.delete, account=owner, draft_id=consignment_id))
        assert refusal(updated) is refusal(deleted) is why
        assert stored(database, consignment_id) == before


def test_documents_of_others_are_not_linked(database: Database, alice: Account) -> None:
    bob = account(database, "bob")
    foreign, own = uploaded(database, bob), uploaded(database, alice)
    draft = created(database, alice, own.id)
    assert create(database, alice, own.id) == Denied(Refusal.NOT_FOUND, "documents.0")
    for paper_id in (foreign.id, 99, 2**70):
        wanted: dict[str, Any] = {"account": alice, "draft_id": draft.id, "paper_ids": (own.id, paper_id)}
        denied = sync_write(database, partial(drafts.update, change=change, **wanted))
        assert denied == Denied(Refusal.NOT_FOUND, "documents.1")
    assert stored(database, draft.id) == draft


# Documents.


def test_an_uploaded_document_is_kept_and_told_of(
    database: Database, alice: Account, clock: FakeClock
) -> None:
    draft = created(database, alice)
    loose, linked = uploaded(database, alice), uploaded(database, alice, draft.id)
    assert (loose.consignment_id, linked.consignment_id) == (None, draft.id)
    assert (linked.file_name, linked.mime, linked.size) == ("fatura.pdf", "application/pdf", 13)
    assert (linked.state, linked.created) == (PaperState.APPROVED, clock.now)
    assert sync_read(database, lambda tx: papers.content(tx, linked.id)) == PDF.content
    assert stored(database, draft.id).papers == [linked]
    ((kind, data),) = sync_read(database, lambda tx: tx.all(_EVENTS))
    assert kind == "document.created"
    assert msgspec.json.decode(data)["paper_id"] == linked.id
    assert msgspec.json.decode(data)["uuid"] == draft.uuid


def test_a_document_is_not_for_anothers_consignment(database: Database, alice: Account) -> None:
    bob = account(database, "bob")
    draft = created(database, bob)
    for consignment_id in (draft.id, 99, 0, 2**70):
        assert upload(database, alice, consignment_id) == Denied(Refusal.NOT_FOUND)
    assert stored(database, draft.id).papers == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [(PaperKind.PROFORMA, "proforma.pdf"), (PaperKind.CN22, "cn22.pdf"), (PaperKind.CN23, "cn23.pdf")],
)
def test_forms_that_are_made_are_called_after_their_kind(
    database: Database, alice: Account, kind: PaperKind, name: str
) -> None:
    draft = created(database, alice)
    made = sync_write(database, lambda tx: parcel_papers.made(tx, alice, draft, kind, PDF))
    assert (made.file_name, made.kind, made.state, made.mime) == (
        name,
        kind,
        PaperState.IN_REVIEW,
        "application/pdf",
    )
    assert stored(database, draft.id).papers == [made]
    assert [row[0] for row in sync_read(database, lambda tx: tx.all(_EVENTS))] == ["document.created"]
