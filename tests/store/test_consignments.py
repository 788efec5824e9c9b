"""Consignments as rows: what is written comes back whole, under every key, and to its owner only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests import parcel_cast as cast
from tests.conftest import FakeClock

from ulak.core.consignments import (
    Consignment,
    Original,
    Paper,
    PaperKind,
    PaperState,
    SavedAs,
    Seen,
    Service,
    Shape,
)
from ulak.core.shipping import Sighting
from ulak.core.states import ParcelState
from ulak.store import consignments, papers, parties, sightings, special_services
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write

NOW = cast.NOW
HUGE = 10**30


def seen(**over: Any) -> Seen:
    fields: dict[str, Any] = {
        "id": 0,
        "label_id": None,
        "at": NOW,
        "stored": NOW,
        "state": ParcelState.BOOKED,
        "text": "Gönderi alındı",
        "location": None,
        "raw": "",
    }
    return Seen(**fields | over)


def find(database: Database, question: Callable[..., Consignment | None], *args: Any) -> Consignment | None:
    return sync_read(database, lambda tx: question(tx, *args))


def test_a_whole_consignment_comes_back_as_it_was_loaded(database: Database) -> None:
    alice = cast.shipper(database)
    carrier = cast.carrier(database)
    parent = cast.stored(database, cast.consignment(alice.id, carrier=carrier))
    made = cast.consignment(
        alice.id,
        id=70001,
        shape=Shape.RETURN,
        carrier=carrier,
        parent=Original(parent.id, parent.uuid, parent.barcode),
        carrier_reference="K-1",
        draft='{"preference": 0}',
        looked=NOW + 5,
        updated=NOW + 6,
        shipment=cast.shipment(
            packages=(cast.package(), cast.package(id=8002, barcode="X")),
            services=(Service(4, "Sigorta", 1000),),
        ),
        labels=[
            cast.label(id=9002, consignment_id=70001, place=1, tracking=None),
            cast.label(id=9001, consignment_id=70001, revoked=NOW),
        ],
        seen=[seen(id=502, at=NOW + 9, label_id=9001), seen(id=501, location="İzmir", raw="01")],
    )
    cast.stored(database, made)
    paper = sync_write(
        database,
        lambda tx: papers.insert(
            tx,
            Paper(
                0, alice.id, 70001, PaperKind.INVOICE, PaperState.APPROVED, "a.pdf", "application/pdf", 0, 0
            ),
            b"%PDF",
            "GIB1",
            NOW,
        ),
    )
    made.labels.reverse()
    made.seen.reverse()
    made.papers = [paper]
    assert (paper.size, paper.created) == (4, NOW)
    assert find(database, consignments.by_id, alice.id, 70001) == made
    assert sync_read(database, lambda tx: consignments.load(tx, [70001, parent.id, 5, HUGE])) == {
        70001: made,
        parent.id: parent,
    }


def test_it_is_found_by_every_key_by_its_owner_only(database: Database) -> None:
    alice, bob = cast.shipper(database), cast.shipper(database, "bob")
    carrier = cast.carrier(database)
    labels = [cast.label(tracking="ab-12 tr"), cast.label(tracking="RR2", place=1)]
    made = cast.stored(database, cast.consignment(alice.id, carrier=carrier, labels=labels))
    keys: list[tuple[Callable[..., Consignment | None], Any]] = [
        (consignments.by_tracking, " AB-12 Tr "),
        (consignments.by_tracking, "rr2"),
        (consignments.by_barcode, made.barcode.lower()),
        (consignments.by_reference, "SO-1001"),
        (consignments.by_id, made.id),
        (consignments.by_uuid, made.uuid.upper()),
    ]
    for question, key in keys:
        assert find(database, question, alice.id, key) == made
        assert find(database, question, bob.id, key) is None


@pytest.mark.parametrize(
    ("question", "key"),
    [
        (consignments.by_tracking, "RR"),
        (consignments.by_tracking, "\0"),
        (consignments.by_tracking, ""),
        (consignments.by_tracking, "İR1"),
        (consignments.by_barcode, "C2H"),
        (consignments.by_reference, "so-1001"),
        (consignments.by_reference, " SO-1001"),
        (consignments.by_reference, "SO\0"),
        (consignments.by_id, 0),
        (consignments.by_id, HUGE),
        (consignments.by_uuid, "x\0"),
    ],
)
def test_what_is_not_there_is_not_found(
    database: Database, question: Callable[..., Consignment | None], key: Any
) -> None:
    alice = cast.shipper(database)
    cast.stored(database, cast.consignment(alice.id, labels=[cast.label(tracking="iR1")]))
    assert find(database, question, alice.id, key) is None


def test_of_several_with_one_key_the_newest_counts(database: Database) -> None:
    alice = cast.shipper(database)
    ids = [
        cast.stored(
            database, cast.consignment(alice.id, created=created, labels=[cast.label(tracking="RR1")])
        ).id
        for created in (NOW, NOW + 2, NOW + 1)
    ]
    for question, key in ((consignments.by_tracking, "rr1"), (consignments.by_reference, "SO-1001")):
        found = find(database, question, alice.id, key)
        assert found is not None
        assert found.id == ids[1]


def test_pages_show_the_newest_first_without_their_parts(database: Database) -> None:
    alice, bob = cast.shipper(database), cast.shipper(database, "bob")
    made = [cast.stored(database, cast.consignment(alice.id)) for _ in range(5)]
    cast.stored(database, cast.consignment(bob.id))
    for one in made:
        one.labels = []

    def page(skip: int) -> tuple[int, list[Consignment]]:
        return sync_read(database, lambda tx: consignments.page(tx, alice.id, skip, 2))

    assert page(0) == (5, [made[4], made[3]])
    assert page(4) == (5, [made[0]])
    assert page(HUGE) == (5, [])


def test_what_changes_is_saved(database: Database, clock: FakeClock) -> None:
    alice = cast.shipper(database)
    carrier = cast.carrier(database)
    made = cast.stored(
        database, cast.consignment(alice.id, state=ParcelState.DRAFT, posted=0, labels=[], carrier=None)
    )
    clock.advance(77)
    made.state, made.state_at = ParcelState.REJECTED, NOW + 77
    made.carrier, made.carrier_reference, made.looked = carrier, "K\0-1", NOW + 70
    made.shipment = cast.shipment(reference="SO\0-2")
    sync_write(database, lambda tx: consignments.save(tx, made))
    assert made.updated == NOW + 77
    again = find(database, consignments.by_reference, alice.id, "SO\0-2")
    assert again is not None
    assert again.carrier_reference == "K\ufffd-1"
    again.carrier_reference = made.carrier_reference
    assert again == made


def test_the_database_goes_on_after_the_ids_that_were_given(database: Database) -> None:
    alice = cast.shipper(database)

    def ids(made: Consignment) -> tuple[int, int, int]:
        return made.id, made.labels[0].id, made.seen[0].id

    def add(given: int) -> tuple[int, int, int]:
        labels = [cast.label(id=given)]
        return ids(
            cast.stored(database, cast.consignment(alice.id, id=given, labels=labels, seen=[seen(id=given)]))
        )

    assert add(1) == (1, 1, 1)
    assert add(500) == (500, 500, 500)
    assert add(40) == (40, 40, 40)
    assert add(0) == (501, 501, 501)
    assert add(0) == (502, 502, 502)


def test_the_same_sighting_is_written_once(database: Database, clock: FakeClock) -> None:
    alice = cast.shipper(database)
    made = cast.stored(database, cast.consignment(alice.id))
    label = made.labels[0].id
    first = Sighting(NOW, ParcelState.PICKED_UP, "Alındı", "İzmir", "01")
    later = Sighting(NOW + 5, ParcelState.IN_TRANSIT, "Yolda\0", None, "02")

    def tell(label_id: int | None, *news: Sighting) -> list[Seen]:
        return sync_write(database, lambda tx: sightings.insert(tx, made.id, label_id, news))

    (told,) = tell(label, first, first)
    clock.advance(9)
    assert tell(label, first._replace(state=ParcelState.DELAYED)) == []
    (new,) = tell(label, later, first)
    assert new == Seen(new.id, label, NOW + 5, NOW + 9, ParcelState.IN_TRANSIT, "Yolda\ufffd", None, "02")
    (whole,) = tell(None, first)
    assert (
        len(tell(label, first._replace(raw="2"), first._replace(text="2"), first._replace(location="2"))) == 3
    )
    assert tell(label) == []

    shown = find(database, consignments.by_id, alice.id, made.id)
    assert shown is not None
    assert [entry.at for entry in shown.seen] == [NOW] * 5 + [NOW + 5]
    assert shown.seen[0] == told
    assert whole in shown.seen
    assert shown.seen[-1] == new

    def page(skip: int, rows: int) -> tuple[int, list[Seen]]:
        return sync_read(database, lambda tx: consignments.seen_page(tx, made.id, skip, rows))

    assert page(1, 3) == (6, shown.seen[1:4])
    assert page(HUGE, 3) == (6, [])


def test_one_at_a_time_holds_a_consignment(postgres_database: Database) -> None:
    alice = cast.shipper(postgres_database)
    made = cast.stored(postgres_database, cast.consignment(alice.id, posted=0))
    free = Sql("SELECT id FROM consignment ORDER BY id", lock="FOR UPDATE SKIP LOCKED")
    before = sync_write(postgres_database, lambda tx: tx.all(free))

    def hold(tx: Tx) -> list[tuple[Any, ...]]:
        consignments.lock(tx, [made.id, made.id, 99])
        return sync_write(postgres_database, lambda other: other.all(free))

    assert (before, sync_write(postgres_database, hold)) == ([(made.id,)], [])


def test_saved_parties_are_their_accounts_own(database: Database) -> None:
    alice, bob = cast.shipper(database), cast.shipper(database, "bob")
    depot, ece = cast.party(tax_number="1"), cast.recipient()

    def change(tx: Tx) -> tuple[int, int]:
        return (
            parties.insert(tx, alice.id, SavedAs.WAREHOUSE, depot),
            parties.insert(tx, alice.id, SavedAs.RECIPIENT, ece),
        )

    one, two = sync_write(database, change)

    def look(tx: Tx) -> list[Any]:
        return [
            parties.by_id(tx, alice.id, SavedAs.WAREHOUSE, one),
            parties.by_id(tx, alice.id, SavedAs.RECIPIENT, one),
            parties.by_id(tx, bob.id, SavedAs.WAREHOUSE, one),
            parties.by_id(tx, alice.id, SavedAs.WAREHOUSE, HUGE),
            parties.of_account(tx, alice.id),
            parties.of_account(tx, bob.id),
        ]

    everybody = [(one, SavedAs.WAREHOUSE, depot), (two, SavedAs.RECIPIENT, ece)]
    assert sync_read(database, look) == [depot, None, None, None, everybody, []]

    def remove(account_id: int, party_id: int) -> bool:
        return sync_write(database, lambda tx: parties.remove(tx, account_id, SavedAs.WAREHOUSE, party_id))

    assert [remove(*who) for who in ((bob.id, one), (alice.id, two), (alice.id, HUGE))] == [False] * 3
    assert [remove(alice.id, one), remove(alice.id, one)] == [True, False]
    assert sync_read(database, lambda tx: parties.of_account(tx, alice.id)) == everybody[1:]


def test_services_are_offered_until_they_are_removed(database: Database) -> None:
    one = sync_write(database, lambda tx: special_services.insert(tx, "Sigorta", 1000))
    two = sync_write(database, lambda tx: special_services.insert(tx, "Kapıda ödeme", 0))
    assert [sync_write(database, lambda tx: special_services.remove(tx, one)) for _ in "ab"] == [True, False]
    assert not sync_write(database, lambda tx: special_services.remove(tx, HUGE))
    assert sync_read(database, special_services.active) == [Service(two, "Kapıda ödeme", 0)]
