"""Consignments: what is sent from whom to whom, what it costs, its labels, and what was seen of it.

A consignment is one shipment of one or more packages with one carrier. Weights are kilograms and lengths
centimetres, as decimals; amounts of money are whole kuruş. Times are ms UTC. Countries are ISO 3166-1 alpha-2
and phones digits with their country code. Nothing here knows a vendor's numbers or words.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct

from ulak.core.states import ParcelState


class Shape(IntEnum):
    """What kind of consignment it is."""

    NORMAL = 1
    MULTI_PACKAGE = 2
    RETURN = 3


class Route(IntEnum):
    """Whether it crosses a border."""

    DOMESTIC = 1
    INTERNATIONAL = 2


class Preference(IntEnum):
    """Who chooses the carrier."""

    GIVEN = 0
    CHEAPEST = 1


class LabelFormat(IntEnum):
    """What a label's file is."""

    PDF = 0
    ZPL = 1
    PNG = 2


class Party(Struct, frozen=True, omit_defaults=True):
    """A sender or a recipient."""

    name: str
    attention: str
    country: str
    state: str
    city: str
    address: str
    postal_code: str
    phone: str
    email: str | None = None
    tax_number: str | None = None


class Item(Struct, frozen=True, omit_defaults=True):
    """Goods of one kind in a package. `tariff_code` is the customs code (HS, GTİP), `currency` ISO 4217."""

    id: int
    description: str
    origin: str
    currency: str
    quantity: int
    unit_price: Decimal
    tariff_code: str | None = None
    category: str | None = None


class Package(Struct, frozen=True, omit_defaults=True):
    """`quantity` identical boxes. `kind` and `purpose` are kept as the customer gave them (see `BOX` and
    `SALE`); `barcode` is a code of the carrier's that the customer brought along."""

    id: int
    kind: int
    purpose: int
    quantity: int
    weight: Decimal
    length: Decimal
    width: Decimal
    height: Decimal
    dangerous: bool
    items: tuple[Item, ...]
    barcode: str | None = None


BOX, ENVELOPE, BAG, PALLET = 1, 2, 3, 4
"""Kinds of packages that we know by name."""

DOCUMENTS, MICRO_EXPORT, GIFT, SALE, SAMPLE, RETURNED_GOODS = 1, 2, 3, 4, 5, 6
"""Purposes of packages that we know by name: they choose the box that is ticked on a customs form."""


class Service(Struct, frozen=True):
    """An extra that was ordered with it, and its fee (kuruş)."""

    id: int
    name: str
    fee: int


class Shipment(Struct, frozen=True, omit_defaults=True):
    """What the customer wants to be sent. A draft may have no package yet."""

    sender: Party
    recipient: Party
    packages: tuple[Package, ...] = ()
    services: tuple[Service, ...] = ()
    reference: str | None = None
    method: str | None = None
    invoice_number: str | None = None
    incoterms: int | None = None
    barcode: str | None = None
    """The carrier's code for it, brought along by the customer."""
    wants_barcode: bool = False
    """Ask for a code from the carrier's own range."""
    warehouse_id: int | None = None
    recipient_id: int | None = None
    label_format: LabelFormat = LabelFormat.PDF
    """What its labels are to be, where we print them."""


class Costs(Struct, frozen=True, omit_defaults=True):
    """What it costs, in kuruş; all but `total` are without VAT. `rate` is TRY for one unit of `currency`."""

    base: int = 0
    surcharge: int = 0
    rule: int = 0
    fee: int = 0
    services: int = 0
    total: int = 0
    currency: str = "TRY"
    rate: Decimal = Decimal(1)


class Measures(Struct, frozen=True):
    """Volumetric and real weight of all packages, as they are shown."""

    desi: Decimal
    weight: Decimal


class TrackingKind(IntEnum):
    """Whose code a label's tracking code is."""

    NONE = 0
    SYSTEM = 1
    CARRIER = 2
    BROUGHT_ALONG = 3


class CarrierName(NamedTuple):
    """A configured carrier as customers see it."""

    id: int
    name: str


class Label(NamedTuple):
    """One package's label. `nonce` makes its public address; `revoked` tells when that stopped to work."""

    id: int
    consignment_id: int
    carrier_id: int
    place: int
    file_name: str
    tracking: str | None
    tracking_kind: int
    format: int
    nonce: str
    state: ParcelState
    state_at: int
    revoked: int | None = None


class Seen(NamedTuple):
    """A stored sighting: `at` is when it happened, `stored` when we learned of it."""

    id: int
    label_id: int | None
    at: int
    stored: int
    state: ParcelState
    text: str
    location: str | None
    raw: str


class PaperKind(IntEnum):
    """What a document is."""

    INVOICE = 1
    PACKING_LIST = 2
    CUSTOMS_FORM = 3
    MSDS = 4
    FDA = 5
    TSCA = 6
    OTHER = 7
    PROFORMA = 8
    BILL_OF_LADING = 9
    CN22 = 10
    CN23 = 11
    CERTIFICATE_OF_ORIGIN = 12
    ELECTRONIC_TRADE = 13


class PaperState(IntEnum):
    """Whether somebody looked at a document."""

    IN_REVIEW = 0
    APPROVED = 1
    REJECTED = 2


class Paper(NamedTuple):
    """A document without its content; `size` in bytes."""

    id: int
    account_id: int
    consignment_id: int | None
    kind: PaperKind
    state: PaperState
    file_name: str
    mime: str
    size: int
    created: int


class SavedAs(IntEnum):
    """What a saved party is kept for."""

    WAREHOUSE = 1
    RECIPIENT = 2


class Original(NamedTuple):
    """The consignment that a return was made from."""

    id: int
    uuid: str
    barcode: str


class Consignment(Struct):
    """A consignment with everything that is shown of it; `seen` is oldest first."""

    id: int
    account_id: int
    uuid: str
    barcode: str
    shape: Shape
    route: Route
    state: ParcelState
    state_at: int
    shipment: Shipment
    costs: Costs
    measures: Measures
    created: int
    updated: int
    carrier: CarrierName | None = None
    parent: Original | None = None
    carrier_reference: str = ""
    draft: str | None = None
    """What the owner of a draft has told so far, in the words of the dialect it came through."""
    held: int = 0
    posted: int = 0
    looked: int | None = None
    """When its carrier was last asked about it."""
    labels: list[Label] = []
    seen: list[Seen] = []
    papers: list[Paper] = []

    @property
    def tracking(self) -> str | None:
        """The carrier's code of the first package."""
        return self.labels[0].tracking if self.labels else None
