"""`ulak parcel`: parcels are found and moved, extras are offered, addresses are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests import parcel_cast
from tests.cli.conftest import Command
from tests.conftest import FakeClock

from ulak.cli import parcel as group
from ulak.core.consignments import CarrierName, Consignment, SavedAs, Service
from ulak.core.events import EventKind
from ulak.core.states import ParcelState as S
from ulak.store import booking_keys, consignments, parties, special_services
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read, sync_write

NOW = parcel_cast.NOW
HOUR = 3_600_000
EVENTS = Sql("SELECT kind, subject FROM event ORDER BY id")

Booked = Callable[..., Consignment]


@pytest.fixture(autouse=True)
def the_clock_of_the_test(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    monkeypatch.setattr("ulak.cli.common.now_ms", clock)


@pytest.fixture
def alice(database: Database) -> parcel_cast.Shipper:
    return parcel_cast.shipper(database, credit=0)


@pytest.fixture
def carrier(database: Database) -> CarrierName:
    return parcel_cast.carrier(database, kind="manual")


@pytest.fixture
def booked(database: Database, carrier: CarrierName, alice: parcel_cast.Shipper) -> Booked:
    """Stores a booked consignment of Alice's with labels of these tracking codes."""

    def store(codes: Sequence[str] = ("RR000000005TR",), account: int = alice.id, **over: Any) -> Consignment:
        state = over.get("state", S.BOOKED)
        labels = [
            parcel_cast.label(tracking=code, place=place, carrier_id=carrier.id, state=state)
            for place, code in enumerate(codes)
        ]
        made = parcel_cast.consignment(
            account, **{"carrier": carrier, "labels": labels, "posted": 0, "shipment": SHIPMENT} | over
        )
        made_id = sync_write(database, lambda tx: consignments.insert(tx, made))
        return loaded(database, made_id)

    return store


SHIPMENT = parcel_cast.shipment()


def loaded(database: Database, consignment_id: int) -> Consignment:
    return sync_read(database, lambda tx: consignments.load(tx, [consignment_id]))[consignment_id]


def test_a_parcel_is_moved(ulak: Command, booked: Booked, database: Database, clock: FakeClock) -> None:
    made = booked()
    clock.advance(HOUR)
    moved = ulak("parcel", "move", made.barcode, "picked-up").value
    assert moved["moved"] is True
    assert (moved["state"], moved["state_at"]) == ("picked-up", "2026-05-20T12:03:11Z")
    clock.advance(HOUR)
    words = ["--text", "With Ayşe", "--location", "Kadıköy"]
    ulak("parcel", "move", made.barcode, "out-for-delivery", *words)
    now = loaded(database, made.id)
    assert (now.state, now.labels[0].state) == (S.OUT_FOR_DELIVERY, S.OUT_FOR_DELIVERY)
    first, second = now.seen
    assert (first.text, first.location, first.raw) == ("Picked up", None, "operator: picked-up")
    assert (second.text, second.location, second.at) == ("With Ayşe", "Kadıköy", NOW + 2 * HOUR)
    events = sync_read(database, lambda tx: tx.all(EVENTS))
    assert [tuple(event) for event in events] == [(EventKind.CONSIGNMENT_STATUS.value, made.id)] * 2


@pytest.mark.parametrize("name", ["barcode", "uuid", "tracking", "id", "shouted"])
def test_a_parcel_is_found_by_every_name(ulak: Command, booked: Booked, name: str) -> None:
    made, _other = booked(), booked(["XX1"])
    code = {
        "barcode": made.barcode.lower(),
        "uuid": made.uuid,
        "tracking": "RR000000005TR",
        "id": str(made.id),
        "shouted": " rr000000005tr ",
    }[name]
    assert ulak("parcel", "show", code).value["id"] == made.id
    assert ulak("parcel", "move", code, "delivered").value["id"] == made.id


def test_a_parcel_is_shown_whole(ulak: Command, booked: Booked) -> None:
    made = booked()
    ulak("parcel", "move", made.barcode, "in-transit", "--location", "Şişli")
    assert ulak("parcel", "show", made.barcode).value == {
        "id": made.id,
        "account": "alice",
        "uuid": made.uuid,
        "barcode": made.barcode,
        "reference": "SO-1001",
        "carrier": "Demo Kargo",
        "tracking": "RR000000005TR",
        "state": "in-transit",
        "state_at": "2026-05-20T11:03:11Z",
        "created": "2026-05-20T11:03:11Z",
        "from": {"name": "Kuzey Depo", "city": "Bornova", "country": "TR"},
        "to": {"name": "Ece Su", "city": "Seyhan", "country": "TR"},
        "total": "120.96",
        "held": "0.00",
        "posted": "0.00",
        "labels": [
            {
                "id": made.labels[0].id,
                "tracking": "RR000000005TR",
                "looks_like": ["UPU S10"],
                "state": "in-transit",
                "state_at": "2026-05-20T11:03:11Z",
                "revoked": None,
            }
        ],
        "seen": [
            {
                "at": "2026-05-20T11:03:11Z",
                "stored": "2026-05-20T11:03:11Z",
                "state": "in-transit",
                "text": "In transit",
                "location": "Şişli",
                "label": "RR000000005TR",
                "raw": "operator: in-transit",
            }
        ],
        "papers": [],
    }


def test_one_package_or_all_of_them(ulak: Command, booked: Booked, database: Database) -> None:
    made = booked(["A1", "A2"])
    ulak("parcel", "move", "a2", "delivered")
    assert [label.state for label in loaded(database, made.id).labels] == [S.BOOKED, S.DELIVERED]
    # The one that has arrived stays where it is.
    ulak("parcel", "move", made.barcode, "picked-up")
    assert [label.state for label in loaded(database, made.id).labels] == [S.PICKED_UP, S.DELIVERED]
    ulak("parcel", "move", made.barcode, "delivered")
    assert loaded(database, made.id).state is S.DELIVERED


def test_what_is_final_is_left_by_a_correction_only(ulak: Command, booked: Booked, clock: FakeClock) -> None:
    made = booked()
    ulak("parcel", "move", made.barcode, "delivered")
    clock.advance(HOUR)
    ended = ulak("parcel", "move", made.barcode, "returning")
    assert (ended.code, ended.out) == (1, "")
    assert "is delivered, which is final" in ended.err
    shown = ulak("parcel", "show", made.barcode).value
    assert (shown["state"], len(shown["seen"])) == ("delivered", 1)
    moved = ulak("parcel", "move", made.barcode, "returning", "--correct").value
    assert (moved["state"], moved["moved"]) == ("returning", True)


def test_older_news_is_kept_and_moves_nothing(ulak: Command, booked: Booked, clock: FakeClock) -> None:
    made = booked()
    clock.advance(5 * HOUR)
    ulak("parcel", "move", made.barcode, "out-for-delivery")
    late = ulak("parcel", "move", made.barcode, "in-transit", "--at", "2026-05-20T18:00:00+03:00").value
    assert (late["moved"], late["state"]) == (False, "out-for-delivery")
    assert [seen["state"] for seen in late["seen"]] == ["in-transit", "out-for-delivery"]
    assert late["seen"][0]["at"] == "2026-05-20T15:00:00Z"
    again = ulak("parcel", "move", made.barcode, "in-transit", "--at", "2026-05-20t15:00:00.000z").value
    assert (again["moved"], len(again["seen"])) == (False, 2)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["flying"], 2, "'flying' is nothing that a carrier says; it says picked-up,"),
        (["booked"], 2, "is nothing that a carrier says"),
        (["cancelled"], 2, "is nothing that a carrier says"),
        (["delivered", "--at", "yesterday"], 2, "'yesterday' is not a time"),
        (["delivered", "--at", "2026-05-20T11:03:11"], 2, "is not a time"),
        (["delivered", "--at", "2026-02-30T11:03:11Z"], 2, "is not a time"),
        (["delivered", "--at", "2026-05-20T11:03:12Z"], 1, "is not between"),
        (["delivered", "--at", "2026-05-19T11:03:10Z"], 1, "is not between"),
    ],
)
def test_what_cannot_be_said(ulak: Command, booked: Booked, words: list[str], code: int, said: str) -> None:
    made = booked()
    ended = ulak("parcel", "move", made.barcode, *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert ulak("parcel", "show", made.barcode).value["seen"] == []


@pytest.mark.parametrize("state", [S.DRAFT, S.REJECTED])
def test_what_no_carrier_has_cannot_be_moved(ulak: Command, booked: Booked, state: S) -> None:
    made = booked([], state=state, carrier=None)
    ended = ulak("parcel", "move", made.barcode, "delivered")
    assert (ended.code, ended.out) == (1, "")
    assert f"was not booked with a carrier: it is {state.name.lower()}" in ended.err


def test_what_was_cancelled_cannot_be_moved(ulak: Command, booked: Booked) -> None:
    made = booked(state=S.CANCELLED)
    ended = ulak("parcel", "move", made.barcode, "delivered", "--correct")
    assert (ended.code, ended.out) == (1, "")
    assert "was cancelled" in ended.err


def test_a_code_of_two_accounts_parcels(ulak: Command, booked: Booked, database: Database) -> None:
    bob = parcel_cast.shipper(database, "bob", credit=0)
    own, other = booked(["A1"]), booked(["A1"], account=bob.id)
    ended = ulak("parcel", "show", "A1")
    assert (ended.code, ended.out) == (1, "")
    assert f"their ids are {own.id}, {other.id}" in ended.err
    assert ulak("parcel", "show", str(other.id)).value["account"] == "bob"


@pytest.mark.parametrize("code", ["", "nothing", "77", "0", "9" * 30, "١"])
def test_a_parcel_that_is_not_there(ulak: Command, booked: Booked, code: str) -> None:
    booked()
    for words in (["show", code], ["move", code, "delivered"]):
        ended = ulak("parcel", *words)
        assert (ended.code, ended.out, ended.err) == (1, "", f"ulak: no parcel {code!r}\n")


def test_parcels_are_listed_newest_first(
    ulak: Command, booked: Booked, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "PAGE", 2)
    bob = parcel_cast.shipper(database, "12", credit=0)
    owners = [None, bob.id, None, None, bob.id, None, None]
    made = [
        booked([f"A{place}"], **({} if owner is None else {"account": owner}))
        for place, owner in enumerate(owners)
    ]
    ids = [one.id for one in reversed(made)]
    listed = ulak("parcel", "list").value
    assert [row["id"] for row in listed] == ids
    assert [row["account"] for row in listed] == ["alice", "alice", "12", "alice", "alice", "12", "alice"]
    assert listed[0]["tracking"] == "A6"
    assert list(listed[0]) == list(ulak("parcel", "show", "A6").value)[:10]
    assert [row["id"] for row in ulak("parcel", "list", "--limit", "3").value] == ids[:3]
    assert [row["id"] for row in ulak("parcel", "list", "--account", "12").value] == [made[4].id, made[1].id]
    ulak("parcel", "move", "A0", "delivered")
    ulak("parcel", "move", "A4", "delivered")
    delivered = ulak("parcel", "list", "--state", "delivered").value
    assert [row["id"] for row in delivered] == [made[4].id, made[0].id]
    assert ulak("parcel", "list", "--state", "lost").value == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--state", "flying"], 2),
        (["--limit", "0"], 2),
        (["--limit", str(10**20)], 2),
        (["--account", "nobody"], 1),
    ],
)
def test_what_cannot_be_listed(ulak: Command, words: list[str], code: int) -> None:
    ended = ulak("parcel", "list", *words)
    assert (ended.code, ended.out) == (code, "")


def test_a_list_for_people(command: Command, where: list[str], booked: Booked) -> None:
    made = booked()
    ended = command("parcel", "list", *where)
    assert ended.code == 0
    assert made.barcode in ended.out
    assert "booked" in command("parcel", "show", made.barcode, *where).out


# Parcels in doubt.


@pytest.fixture
def doubtful(booked: Booked, database: Database, carrier: CarrierName) -> Consignment:
    """A parcel that was given up when its carrier did not answer."""
    made = booked(codes=(), state=S.REJECTED)
    sync_write(database, lambda tx: booking_keys.begin(tx, carrier.id, made.uuid))
    return made


def test_parcels_in_doubt(
    ulak: Command, doubtful: Consignment, database: Database, carrier: CarrierName
) -> None:
    (listed,) = ulak("parcel", "unsure", "list").value
    assert list(listed)[-2:] == ["asked", "answered"]
    assert (listed["barcode"], listed["state"], listed["asked"], listed["answered"]) == (
        doubtful.barcode,
        "rejected",
        "2026-05-20T11:03:11Z",
        False,
    )
    sync_write(database, lambda tx: booking_keys.finish(tx, carrier.id, doubtful.uuid, b"late"))
    assert ulak("parcel", "unsure", "list").value[0]["answered"] is True
    assert ulak("parcel", "unsure", "clear", doubtful.barcode).value["barcode"] == doubtful.barcode
    assert ulak("parcel", "unsure", "list").value == []
    assert sync_write(database, lambda tx: booking_keys.begin(tx, carrier.id, doubtful.uuid)) is None


def test_what_is_not_in_doubt_cannot_be_cleared(ulak: Command, booked: Booked) -> None:
    ended = ulak("parcel", "unsure", "clear", booked().barcode)
    assert (ended.code, ended.out) == (1, "")
    assert "is not in doubt; see `ulak parcel unsure list`" in ended.err


# Extras.


def test_extras_are_offered(ulak: Command, database: Database) -> None:
    made = ulak("parcel", "service", "add", "Sigorta", "12.5").value
    assert made == {"id": made["id"], "name": "Sigorta", "fee": "12.50"}
    other = ulak("parcel", "service", "add", "SMS", "0").value
    assert ulak("parcel", "service", "list").value == [made, other]
    assert sync_read(database, special_services.active)[0] == Service(made["id"], "Sigorta", 1250)
    assert ulak("parcel", "service", "remove", str(made["id"])).value == {"id": made["id"], "removed": True}
    assert ulak("parcel", "service", "list").value == [other]
    again = ulak("parcel", "service", "remove", str(made["id"]))
    assert (again.code, again.err) == (1, f"ulak: no extra {made['id']}\n")


@pytest.mark.parametrize(
    ("name", "fee", "code"),
    [("x", "1.234", 2), ("x", "-1", 2), ("x", "", 2), (" ", "1", 1), ("x" * 256, "1", 1)],
)
def test_extras_that_are_none(ulak: Command, name: str, fee: str, code: int) -> None:
    ended = ulak("parcel", "service", "add", name, fee)
    assert (ended.code, ended.out) == (code, "")
    assert ulak("parcel", "service", "list").value == []


# Addresses.

DEPOT = [
    "name=Kuzey Depo",
    "country=tur",
    "state=İzmir",
    "city=Bornova",
    "address=Liman Cd. 4",
    "postal_code=35040",
    "phone=+90 (232) 000-00-00",
]


def test_addresses_are_kept(ulak: Command, database: Database, alice: parcel_cast.Shipper) -> None:
    made = ulak("parcel", "address", "add", "alice", "warehouse", *DEPOT, "attention=Şule Çağlar").value
    assert made == {
        "id": made["id"],
        "account": "alice",
        "saved_as": "warehouse",
        "name": "Kuzey Depo",
        "attention": "Şule Çağlar",
        "country": "TR",
        "state": "İzmir",
        "city": "Bornova",
        "address": "Liman Cd. 4",
        "postal_code": "35040",
        "phone": "902320000000",
        "email": None,
        "tax_number": None,
    }
    other = ulak("parcel", "address", "add", str(alice.id), "recipient", *DEPOT, "email=a@example.com").value
    assert other["attention"] == other["name"], "as the vendor shows it (specification 3.3)"
    assert ulak("parcel", "address", "list", "alice").value == [made, other]
    kept = sync_read(database, lambda tx: parties.by_id(tx, alice.id, SavedAs.WAREHOUSE, made["id"]))
    assert kept == parcel_cast.party(email=None)
    assert ulak("parcel", "address", "remove", str(other["id"])).value == {"id": other["id"], "removed": True}
    assert ulak("parcel", "address", "list", "alice").value == [made]
    assert ulak("parcel", "address", "remove", str(other["id"])).code == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["alice", "garage", *DEPOT], 2, "garage"),
        (["nobody", "warehouse", *DEPOT], 1, "no account 'nobody'"),
        (
            ["alice", "warehouse"],
            2,
            "an address needs name, country, state, city, address, postal_code, phone",
        ),
        (["alice", "warehouse", *DEPOT[:5], DEPOT[6], "postal_code= "], 2, "an address needs postal_code"),
        (["alice", "warehouse", *DEPOT, "zip=1"], 2, "an address has no 'zip'"),
        (["alice", "warehouse", *DEPOT, "tax_number=" + "1" * 51], 2, "tax_number has more than 50"),
        (["alice", "warehouse", *DEPOT, "name=x"], 2, "name is given twice"),
        (["alice", "warehouse", "country=XX", DEPOT[0], *DEPOT[2:]], 2, "'XX' is not an ISO 3166-1"),
        (["alice", "warehouse", *DEPOT[:6], "phone=0232 000 00 00"], 2, "phone must be a number with its"),
    ],
)
def test_addresses_that_are_none(
    ulak: Command, alice: parcel_cast.Shipper, words: list[str], code: int, said: str
) -> None:
    ended = ulak("parcel", "address", "add", *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert ulak("parcel", "address", "list", alice.name).value == []
