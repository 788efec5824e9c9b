"""A carrier without a wire: somebody takes the parcels, and an operator says how they fare.

Everything it knows is told with `ulak parcel move`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ulak.carriers.codes import brought_along
from ulak.core.consignments import Consignment, Label, Shipment, TrackingKind
from ulak.core.shipping import Abilities, Booked, Booking, Quote, Sighting, Ticket, Watched
from ulak.core.tariffs import Tariff, tariff_of


class ManualCarrier:
    """`ulak.core.shipping.ParcelCarrier` that takes everything and sees nothing."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raises ValueError when a setting does not fit."""
        self._tariff = tariff_of(settings, Tariff())

    @property
    def abilities(self) -> Abilities:
        """There is nobody who could be asked where a parcel is."""
        return Abilities(tracking=False, desi_divisor=self._tariff.desi_divisor)

    async def quote(self, shipment: Shipment) -> Quote:
        """By the tariff of its settings."""
        return self._tariff.quote(shipment)

    async def book(self, booking: Booking) -> Booked:
        """The code that came along; else the system's own barcode, with a number if packages are several."""
        codes = brought_along(booking.shipment)
        tickets = [
            Ticket(code, TrackingKind.BROUGHT_ALONG)
            if code
            else Ticket(
                f"{booking.barcode}-{place}" if len(codes) > 1 else booking.barcode, TrackingKind.SYSTEM
            )
            for place, code in enumerate(codes, start=1)
        ]
        return Booked(tuple(tickets))

    async def label(self, consignment: Consignment, label: Label) -> None:
        """It has no labels of its own."""

    async def cancel(self, consignment: Consignment) -> None:
        """Nobody else has to agree."""

    async def track(self, labels: Sequence[Watched], now: int) -> Sequence[Sequence[Sighting]]:  # noqa: ARG002
        """What happens to its parcels is told by an operator."""
        return [() for _ in labels]

    async def close(self) -> None:
        """Nothing is open."""
