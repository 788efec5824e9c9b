"""A shipment and a consignment for the tests of this folder."""

from __future__ import annotations

from decimal import Decimal

from ulak.core.consignments import (
    BOX,
    SALE,
    Consignment,
    Costs,
    Item,
    Measures,
    Package,
    Party,
    Route,
    Shape,
    Shipment,
)
from ulak.core.shipping import Booking
from ulak.core.states import ParcelState


def party(name: str, country: str, address: str = "Atatürk Cad. 12") -> Party:
    """Somebody in a town."""
    return Party(name, "Ayşe Çelik", country, "Merkez", "Izmir", address, "35000", "905321234567")


def package(quantity: int = 1, **changed: object) -> Package:
    """A box with two shirts in it."""
    shirts = Item(0, "Cotton shirt", "TR", "EUR", 2, Decimal("12.50"), "610910")
    sides = (Decimal("1.5"), Decimal(10), Decimal(20), Decimal(30))
    box = Package(0, BOX, SALE, quantity, *sides, False, (shirts,))
    return Package(**({name: getattr(box, name) for name in box.__struct_fields__} | changed))


def shipment(*packages: Package, to: str = "DE", method: str | None = None) -> Shipment:
    """From Izmir to a country."""
    return Shipment(
        party("Gömlek A.Ş.", "TR"), party("Hemd GmbH", to), packages or (package(),), method=method
    )


def booking(shipped: Shipment, key: str = "key-1") -> Booking:
    """The booking of a shipment."""
    return Booking(key, "ULK0001", shipped, 1_779_274_991_000)


def consignment(shipped: Shipment, reference: str) -> Consignment:
    """A consignment that was booked."""
    measures = Measures(Decimal(2), Decimal("1.5"))
    state = (ParcelState.BOOKED, 1_779_274_991_000)
    return Consignment(
        1, 1, "u-1", "ULK0001", Shape.NORMAL, Route.INTERNATIONAL, *state, shipped, Costs(), measures,
        created=state[1], updated=state[1], carrier_reference=reference,
    )  # fmt: skip
