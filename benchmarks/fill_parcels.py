"""Consignments written straight into a database: what a parcel desk has after years."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal

import msgspec

from benchmarks.rig import Home
from ulak.core.consignments import Costs, Item, Measures, Package, Party, Route, Shape, Shipment
from ulak.core.states import ParcelState
from ulak.service import accounts, carriers
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import CARRIER_KINDS

TRACKING = "RR%09dTR"
"""The tracking code of the n-th consignment."""

_CONSIGNMENT = (
    "INSERT INTO consignment (id, account_id, uuid, barcode, shape, route, state, state_at, carrier_id,"
    " carrier_reference, reference, shipment, costs, measures, held, posted, looked, created, updated)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, 0, ?, ?, ?, ?)"
)
_LABEL = (
    "INSERT INTO label (id, consignment_id, account_id, carrier_id, place, file_name, tracking, tracking_key,"
    " tracking_kind, format, nonce, state, state_at) VALUES (?, ?, ?, ?, 0, ?, ?, ?, 2, 0, ?, ?, ?)"
)
_SIGHTING = (
    "INSERT INTO sighting (consignment_id, label_id, digest, at, stored, state, text, raw)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, '')"
)
_AT_ONCE = 20_000


def fill(home: Home, count: int) -> None:
    """`count` consignments of the account, booked, each with a label and three sightings. They hold and cost
    nothing, so that the ledger need not be filled as well."""
    carrier = _carrier(home)
    account = sync_read(home.database, lambda tx: accounts.named(tx, "bench")).id
    now = time.time_ns() // 1_000_000
    shipment, costs, measures = _documents()
    with closing(sqlite3.connect(home.database.path)) as database:
        for first in range(0, count, _AT_ONCE):
            numbers = range(first, min(count, first + _AT_ONCE))
            with database:
                database.executemany(
                    _CONSIGNMENT,
                    (
                        (
                            n + 1,
                            account,
                            str(uuid.UUID(int=n, version=4)),
                            f"C2H{n:011d}",
                            int(Shape.NORMAL),
                            int(Route.DOMESTIC),
                            int(ParcelState.IN_TRANSIT),
                            now,
                            carrier,
                            f"ORDER-{n}",
                            shipment.replace("Ayşe", f"Ayşe {n}"),
                            costs,
                            measures,
                            0,
                            now,
                            now,
                            now,
                        )
                        for n in numbers
                    ),
                )
                database.executemany(_LABEL, _labels(numbers, account, carrier, now))
                database.executemany(_SIGHTING, _sightings(numbers, now))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _labels(numbers: Iterable[int], account: int, carrier: int, now: int) -> Iterable[tuple[object, ...]]:
    for n in numbers:
        code = TRACKING % n
        nonce = f"{n:022d}"
        yield n + 1, n + 1, account, carrier, "label_a1B2c3.pdf", code, code, nonce, 35, now


def _sightings(numbers: Iterable[int], now: int) -> Iterable[tuple[object, ...]]:
    for n in numbers:
        for place, state in enumerate((ParcelState.BOOKED, ParcelState.PICKED_UP, ParcelState.IN_TRANSIT)):
            at = now - (3 - place) * 3_600_000
            yield n + 1, n + 1, n * 3 + place, at, at, int(state), ""


def _carrier(home: Home) -> int:
    words, vault = {"carries": "parcels"}, Vault(home.directory)
    check = CARRIER_KINDS["simulator"].check
    added = sync_write(
        home.database, lambda tx: carriers.add(tx, "parcels", "simulator", words, check, vault)
    )
    return added.id


def _documents() -> tuple[str, str, str]:
    """Shipment, costs and measures as they are stored: those of the documented example."""

    def party(name: str, state: str, city: str) -> Party:
        address = "Dumlupınar Mh. Cevizlik Cd. 12/4"
        return Party(name, name, "TR", state, city, address, "16285", "905386416672", "kargo@example.com")

    item = Item(1, "Ürün Açıklaması", "TR", "USD", 1, Decimal("8.03"), None, "Kategori")
    side = Decimal(15)
    package = Package(2, 1, 4, 1, Decimal("5.4"), side, side, side, False, (item,))
    shipment = Shipment(
        party("Gönderen Firma A.Ş.", "İstanbul", "Arnavutköy"),
        party("Ayşe Alıcı", "Bursa", "Nilüfer"),
        (package,),
        reference="ORDER",
    )
    costs = Costs(base=2000, surcharge=6400, fee=1680, total=12096)
    measures = Measures(Decimal("1.13"), Decimal("5.4"))
    found = [msgspec.json.encode(part).decode() for part in (shipment, costs, measures)]
    return found[0], found[1], found[2]
