"""Makers for tests about parcels: parties, packages, shipments, whole consignments, and who pays for them.

Every maker takes the fields that a test cares about and fills in the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from ulak.core.consignments import (
    BOX,
    SALE,
    CarrierName,
    Consignment,
    Costs,
    Item,
    Label,
    Package,
    Party,
    Route,
    Shape,
    Shipment,
    TrackingKind,
)
from ulak.core.ledger import TRY, Move, Posting
from ulak.core.pricing import measures
from ulak.core.states import ParcelState
from ulak.service import accounts, credits
from ulak.store import carriers, consignments, ledger
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_write

NOW = 1_779_274_991_000
"""The time at which the clock of the tests stands: 20 May 2026, 14:03:11 in Istanbul."""

_numbers = count(1)


@dataclass(frozen=True)
class Shipper:
    """An account that sends parcels, as its owner knows it."""

    id: int
    name: str
    apikey: str


def shipper(database: Database, name: str = "alice", credit: int = 1_000_000) -> Shipper:
    """A new account with so many kuruş."""
    made = sync_write(database, lambda tx: accounts.create(tx, name))
    if credit:
        sync_write(database, lambda tx: credits.grant(tx, name, credit, TRY))
    return Shipper(made.account.id, name, made.comtohome_key)


def carrier(
    database: Database, name: str = "Demo Kargo", kind: str = "simulator", settings: str = "{}"
) -> CarrierName:
    """A configured carrier as a row; its settings are a JSON object."""
    made = sync_write(database, lambda tx: carriers.insert(tx, name, kind, settings))
    assert made is not None
    return CarrierName(made, name)


def party(**over: Any) -> Party:
    """Somebody in İzmir."""
    fields: dict[str, Any] = {
        "name": "Kuzey Depo",
        "attention": "Şule Çağlar",
        "country": "TR",
        "state": "İzmir",
        "city": "Bornova",
        "address": "Liman Cd. 4",
        "postal_code": "35040",
        "phone": "902320000000",
        "email": "depo@example.com",
    }
    return Party(**fields | over)


def recipient(**over: Any) -> Party:
    """Somebody in Adana, without an email address."""
    fields: dict[str, Any] = {
        "name": "Ece Su",
        "attention": "Ece Su",
        "state": "Adana",
        "city": "Seyhan",
        "address": "Çınar Sk. 9",
        "postal_code": "01010",
        "phone": "905550000000",
        "email": None,
    }
    return party(**fields | over)


def item(**over: Any) -> Item:
    """Two mugs."""
    fields: dict[str, Any] = {
        "id": 8101,
        "description": "Kupa",
        "origin": "TR",
        "currency": "TRY",
        "quantity": 2,
        "unit_price": Decimal("150.50"),
        "category": "Mutfak",
    }
    return Item(**fields | over)


def package(**over: Any) -> Package:
    """A box of 15 × 15 × 15 cm and 2.5 kg: 1.13 desi."""
    fields: dict[str, Any] = {
        "id": 8001,
        "kind": BOX,
        "purpose": SALE,
        "quantity": 1,
        "weight": Decimal("2.5"),
        "length": Decimal(15),
        "width": Decimal(15),
        "height": Decimal(15),
        "dangerous": False,
        "items": (item(),),
    }
    return Package(**fields | over)


def shipment(**over: Any) -> Shipment:
    """One box from İzmir to Adana."""
    fields: dict[str, Any] = {
        "sender": party(),
        "recipient": recipient(),
        "packages": (package(),),
        "reference": "SO-1001",
    }
    return Shipment(**fields | over)


def label(**over: Any) -> Label:
    """The label of the first package; `id` 0 lets the store choose one."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "id": 0,
        "consignment_id": 0,
        "carrier_id": 1,
        "place": 0,
        "file_name": "label_a1B2c3.pdf",
        "tracking": f"RR{number:09}TR",
        "tracking_kind": TrackingKind.CARRIER,
        "format": 0,
        "nonce": f"nonce-{number}",
        "state": ParcelState.BOOKED,
        "state_at": NOW,
    }
    return Label(**fields | over)


def consignment(account_id: int, **over: Any) -> Consignment:
    """A consignment that was booked and paid for (120.96 TRY), with one label unless `labels` are given.

    Nothing of it is stored yet: see `stored`.
    """
    number = next(_numbers)
    wanted = over.get("shipment") or shipment()
    state = over.get("state", ParcelState.BOOKED)
    fields: dict[str, Any] = {
        "id": 0,
        "account_id": account_id,
        "uuid": str(UUID(int=number, version=4)),
        "barcode": f"C2H{number:011}",
        "shape": Shape.NORMAL,
        "route": Route.DOMESTIC,
        "state": state,
        "state_at": NOW,
        "shipment": wanted,
        "costs": Costs(base=2000, surcharge=6400, fee=1680, total=12096),
        "measures": measures(wanted.packages),
        "created": NOW,
        "updated": NOW,
        "carrier": CarrierName(1, "Demo Kargo"),
        "carrier_reference": "",
        "posted": 12096,
        "labels": [label(state=state)],
    }
    return Consignment(**fields | over)


def stored(database: Database, made: Consignment) -> Consignment:
    """Store a consignment as it is, with the postings that its `held` and `posted` stand for.

    Returned as it is read back. A carrier of its id must exist for it to have a name; somebody must have
    enough credit.
    """

    def write(tx: Tx) -> Consignment:
        made_id = consignments.insert(tx, made)
        amounts = ((Move.HOLD, made.held + made.posted), (Move.POST, made.posted))
        postings = [
            Posting(made.account_id, TRY, move, amount, consignment_id=made_id)
            for move, amount in amounts
            if amount
        ]
        balances = ledger.locked(tx, [(made.account_id, TRY)])
        for posting in postings:
            balances[made.account_id, TRY].apply(posting)
        ledger.save(tx, balances, postings)
        return consignments.load(tx, [made_id])[made_id]

    return sync_write(database, write)
