"""Labels as rows, and the files made of them."""

from __future__ import annotations

from tests import parcel_cast as cast

from ulak.core.consignments import Consignment, Label, TrackingKind
from ulak.core.shipping import File
from ulak.core.states import ParcelState
from ulak.store import consignments, labels
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read, sync_write


def test_labels_get_ids_in_the_order_of_their_packages(database: Database) -> None:
    alice = cast.shipper(database)
    made = cast.stored(database, cast.consignment(alice.id, labels=[]))
    wanted = [cast.label(consignment_id=made.id, place=place) for place in range(40)]
    given = wanted[7]._replace(id=9000)
    kept = sync_write(database, lambda tx: labels.insert(tx, [*wanted[:7], given, *wanted[8:]]))
    ids = [label.id for label in kept if label.id != 9000]
    assert ids == sorted(ids)
    assert 0 not in ids
    assert [label._replace(id=0) for label in kept] == wanted
    again = sync_read(database, lambda tx: consignments.load(tx, [made.id]))
    assert again[made.id].labels == kept
    owners = sync_read(database, lambda tx: tx.all(Sql("SELECT DISTINCT account_id FROM label")))
    assert owners == [(alice.id,)]
    assert sync_write(database, lambda tx: labels.insert(tx, [])) == []


def test_what_changes_of_a_label_is_saved(database: Database) -> None:
    alice = cast.shipper(database)
    made = cast.stored(
        database,
        cast.consignment(alice.id, labels=[cast.label(tracking=None, tracking_kind=TrackingKind.NONE)]),
    )
    changed = made.labels[0]._replace(
        tracking="rr1tr",
        tracking_kind=TrackingKind.CARRIER,
        state=ParcelState.CANCELLED,
        state_at=7,
        revoked=8,
    )
    sync_write(database, lambda tx: labels.save(tx, [changed]))
    sync_write(database, lambda tx: labels.save(tx, []))
    found = sync_read(database, lambda tx: consignments.by_tracking(tx, alice.id, "RR1TR"))
    assert found is not None
    assert found.labels == [changed]


def test_a_label_is_public_whoever_owns_it(database: Database) -> None:
    def public(label_id: int, *, sealed: bool = True) -> tuple[Consignment, Label] | None:
        return sync_read(database, lambda tx: labels.public(tx, label_id, lambda _label: sealed))

    assert public(1) is None
    alice = cast.shipper(database)
    made = cast.stored(database, cast.consignment(alice.id))
    assert public(made.labels[0].id) == (made, made.labels[0])
    assert [public(id) for id in (99, 0, 2**63)] == [None] * 3
    assert public(made.labels[0].id, sealed=False) is None


def test_the_first_file_of_a_label_stays(database: Database) -> None:
    alice = cast.shipper(database)
    label = cast.stored(database, cast.consignment(alice.id)).labels[0].id
    first, second = File(b"\0first", "application/pdf"), File(b"second", "image/png")
    assert sync_read(database, lambda tx: labels.file(tx, label)) is None
    for made in (first, second):
        assert sync_write(database, lambda tx, made=made: labels.keep_file(tx, label, made)) == first  # type: ignore[misc]
    assert sync_read(database, lambda tx: labels.file(tx, label)) == first


def test_a_carriers_code_names_labels_of_every_account(database: Database) -> None:
    alice, bob = cast.shipper(database), cast.shipper(database, "bob")
    mine, theirs, other = (
        cast.stored(
            database, cast.consignment(who.id, labels=[cast.label(tracking=code, carrier_id=carrier)])
        )
        for who, code, carrier in ((alice, "rr1", 1), (bob, "RR1", 1), (alice, "RR1", 2))
    )

    def known(carrier_id: int, code: str) -> list[Label]:
        return sync_read(database, lambda tx: labels.by_carrier_code(tx, carrier_id, code))

    assert known(1, " Rr1") == [theirs.labels[0], mine.labels[0]]
    assert known(2, "RR1") == other.labels
    assert known(3, "RR1") == []


def test_a_code_with_half_a_character_is_kept_as_far_as_it_can_be(database: Database) -> None:
    """A carrier's answer must not leave a parcel waiting for ever because it cannot be stored."""
    alice = cast.shipper(database)
    odd = cast.label(tracking="RR\ud8001\x00TR")
    made = cast.stored(database, cast.consignment(alice.id, labels=[odd]))
    found = sync_read(database, lambda tx: consignments.by_tracking(tx, alice.id, "rr\ud8001\x00tr"))
    assert found is not None
    assert (found.id, found.tracking) == (made.id, "RR\ufffd1\ufffdTR")
