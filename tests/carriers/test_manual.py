"""The manual carrier: it takes everything, and knows nothing by itself."""

from __future__ import annotations

from decimal import Decimal

from tests import parcel_cast

from ulak.carriers.manual import ManualCarrier
from ulak.core.consignments import TrackingKind
from ulak.core.shipping import Abilities, Booked, Booking, ParcelCarrier, Quote, Ticket, Watched
from ulak.core.states import ParcelState

NOW = parcel_cast.NOW
BARCODE = "C2H40516273849"


async def test_it_costs_nothing_unless_somebody_says_so() -> None:
    shipment = parcel_cast.shipment(packages=(parcel_cast.package(weight=Decimal("5.4")),))
    assert await ManualCarrier({}).quote(shipment) == Quote(0, 0)
    assert await ManualCarrier({"base": "45", "per_kilo": "5.25"}).quote(shipment) == Quote(4500, 2100)


async def test_it_cannot_be_asked_where_a_parcel_is() -> None:
    carrier: ParcelCarrier = ManualCarrier({"desi_divisor": "5000"})
    assert carrier.abilities == Abilities(tracking=False, desi_divisor=5000)
    labels = [Watched(1, BARCODE, "", NOW, "TR"), Watched(2, "A1", "", NOW, "DE")]
    assert await carrier.track(labels, NOW + 10**12) == [(), ()]


async def test_the_systems_barcode_is_the_tracking_code() -> None:
    carrier = ManualCarrier({})
    booking = Booking("k", BARCODE, parcel_cast.shipment(), NOW)
    assert await carrier.book(booking) == Booked((Ticket(BARCODE, TrackingKind.SYSTEM),))
    assert await carrier.book(booking) == await carrier.book(booking)


async def test_a_code_that_came_along_is_kept() -> None:
    booking = Booking("k", BARCODE, parcel_cast.shipment(barcode="OWN-1"), NOW)
    assert await ManualCarrier({}).book(booking) == Booked((Ticket("OWN-1", TrackingKind.BROUGHT_ALONG),))


async def test_several_packages_have_several_codes() -> None:
    packages = tuple(parcel_cast.package(barcode=code) for code in (None, None, "OWN-3", None))
    booked = await ManualCarrier({}).book(Booking("k", BARCODE, parcel_cast.shipment(packages=packages), NOW))
    codes = [ticket.tracking for ticket in booked.tickets]
    assert codes == [f"{BARCODE}-1", f"{BARCODE}-2", "OWN-3", f"{BARCODE}-4"]


async def test_it_agrees_to_everything() -> None:
    whole = parcel_cast.consignment(1, state=ParcelState.DELIVERED)
    carrier: ParcelCarrier = ManualCarrier({})
    assert await carrier.cancel(whole) is None
    assert await carrier.label(whole, whole.labels[0]) is None
    await carrier.close()
