"""What the engine asks of a carrier of parcels, and what a carrier may say back.

A carrier never touches the store. Every call may be made again after a crash, so booking is told apart by
`Booking.key`: a carrier that is given the same key twice books once and answers the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ulak.core.consignments import Consignment, Label, PaperKind, Shipment, TrackingKind
from ulak.core.states import ParcelState


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a carrier can do at all. `desi_divisor` is the cm³ that weigh as much as a kilogram."""

    domestic: bool = True
    international: bool = True
    tracking: bool = True
    desi_divisor: int = 3000


@dataclass(frozen=True, slots=True)
class Quote:
    """A carrier's price, in kuruş without VAT."""

    base: int
    surcharge: int = 0


@dataclass(frozen=True, slots=True)
class Declined:
    """The carrier said no, and why, in its own words."""

    why: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """The carrier could not be asked, or its answer did not come; what was asked may have been done."""

    why: str


@dataclass(frozen=True, slots=True)
class Booking:
    """A shipment to book. `key` is the same however often it is tried; `barcode` is the system's own."""

    key: str
    barcode: str
    shipment: Shipment
    at: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of some kind."""

    content: bytes
    mime: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """The carrier's code for one package. With `file` the carrier made the label itself; else we print it."""

    tracking: str | None
    kind: TrackingKind = TrackingKind.CARRIER
    file: File | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """The carrier took it: a ticket for each package, and the name it knows the whole by."""

    tickets: tuple[Ticket, ...]
    reference: str = ""


class Sighting(NamedTuple):
    """Something that a carrier said about a parcel. `at` is when it happened (ms UTC).

    `raw` keeps the carrier's own code and words. A `correction` may take a parcel out of a final state.
    """

    at: int
    state: ParcelState
    text: str
    location: str | None = None
    raw: str = ""
    correction: bool = False


class Watched(NamedTuple):
    """A label to ask about: what the carrier gave us, and when it was booked (ms UTC)."""

    label_id: int
    tracking: str
    reference: str
    booked: int
    country: str
    """Where it goes (ISO 3166-1 alpha-2)."""


class News(NamedTuple):
    """A carrier calls us: what it saw of the parcel with this code. No sightings: it should be asked."""

    tracking: str
    sightings: tuple[Sighting, ...] = ()


class ParcelCarrier(Protocol):
    """A way out for parcels. Calls have time limits of their own and never raise for what a carrier does."""

    @property
    def abilities(self) -> Abilities:
        """What it can do."""

    async def quote(self, shipment: Shipment) -> Quote | Declined | Unreached:
        """What it would cost."""

    async def book(self, booking: Booking) -> Booked | Declined | Unreached:
        """Take it. The same key is booked once."""

    async def label(self, consignment: Consignment, label: Label) -> File | Unreached | None:
        """The carrier's own label, None if ours is to be printed. Asked when it is first downloaded."""

    async def cancel(self, consignment: Consignment) -> Declined | Unreached | None:
        """Take it back; None when that was done. What was cancelled already is no reason to decline."""

    async def track(self, labels: Sequence[Watched], now: int) -> Sequence[Sequence[Sighting] | Unreached]:
        """Everything seen of each so far, in any order, in the order of the labels."""

    async def close(self) -> None:
        """Hang up."""


class Printer(Protocol):
    """Makes papers out of consignments. The same input gives the same bytes."""

    def label(self, consignment: Consignment, label: Label) -> File:
        """The label, in the label's own format."""

    def paper(self, consignment: Consignment, kind: PaperKind) -> File:
        """A proforma invoice, CN22 or CN23 as PDF.

        Raises:
            ValueError: the consignment lacks something that the form needs; the text says what.
        """


def clear_command(barcode: str) -> str:
    """The command by which an operator says that a parcel was not booked."""
    return f"ulak parcel unsure clear {barcode}"
