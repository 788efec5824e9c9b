"""The numbers and names of the wire, and what our own states and kinds become.

Documented are the statuses 1 and 24, the document types and states, and single values of the other tables;
what could not be found is ours, and statuses of ours begin at 100 (specification, section 6).
"""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.consignments import Consignment, PaperKind, Route, Shape
from ulak.core.states import ParcelState


class Status(NamedTuple):
    """A consignment's status as it is shown."""

    code: int
    name: str
    text: str


STATUSES: dict[ParcelState, Status] = {
    # The spelling is the vendor's.
    ParcelState.BOOKED: Status(1, "SENDED_TO_PROVIDER", "Consignment sent to provider"),
    ParcelState.DRAFT: Status(24, "NEW_DRAFT", "New Draft"),
    ParcelState.WAITING: Status(100, "WAITING_PROVIDER", "Waiting to be sent to provider"),
    ParcelState.REJECTED: Status(101, "PROVIDER_ERROR", "Provider rejected the consignment"),
    ParcelState.PICKED_UP: Status(110, "PICKED_UP", "Picked up by carrier"),
    ParcelState.IN_TRANSIT: Status(111, "IN_TRANSIT", "In transit"),
    ParcelState.IN_CUSTOMS: Status(112, "IN_CUSTOMS", "In customs clearance"),
    ParcelState.ON_HOLD: Status(113, "ON_HOLD", "On hold"),
    ParcelState.OUT_FOR_DELIVERY: Status(114, "OUT_FOR_DELIVERY", "Out for delivery"),
    ParcelState.READY_FOR_PICKUP: Status(115, "READY_FOR_PICKUP", "Ready for pickup"),
    ParcelState.DELIVERY_FAILED: Status(116, "DELIVERY_FAILED", "Delivery attempt failed"),
    ParcelState.DELAYED: Status(117, "DELAYED", "Delayed"),
    ParcelState.DELIVERED: Status(120, "DELIVERED", "Delivered"),
    ParcelState.CANCELLED: Status(130, "CANCELLED", "Cancelled by customer"),
    ParcelState.RETURNING: Status(140, "RETURNING", "Returning to sender"),
    ParcelState.RETURNED: Status(141, "RETURNED", "Returned to sender"),
    ParcelState.LOST: Status(150, "LOST", "Lost"),
    ParcelState.DAMAGED: Status(151, "DAMAGED", "Damaged"),
    ParcelState.UNKNOWN: Status(190, "UNKNOWN", "No information from carrier"),
}
"""Every state of a parcel, and its status on the wire."""

STATES: dict[int, ParcelState] = {status.code: state for state, status in STATUSES.items()}
"""The same the other way."""

SHAPES: dict[Shape, str] = {
    Shape.NORMAL: "NORMAL",
    Shape.MULTI_PACKAGE: "MULTI_PACKAGE",
    Shape.RETURN: "RETURN",
}
DRAFT = "DRAFT"

DOMESTIC, INTERNATIONAL, RETURN = 0, 1, 2


class Form(NamedTuple):
    """A paper that we make: its kind, the right it needs, and what is said when it is done."""

    kind: PaperKind
    right: str
    done: str


FORMS: dict[str, Form] = {
    "proforma": Form(
        PaperKind.PROFORMA,
        "can_create_proforma_invoice",
        "Proforma invoice created successfully",
    ),
    "cn22": Form(PaperKind.CN22, "can_create_cn22", "CN22 created successfully"),
    "cn23": Form(PaperKind.CN23, "can_create_cn23", "CN23 created successfully"),
}
"""By the last part of the path."""


def type_of(consignment: Consignment) -> str:
    """The text under `type`."""
    return DRAFT if consignment.state is ParcelState.DRAFT else SHAPES[consignment.shape]


def consignment_type(consignment: Consignment) -> int:
    """The number under `consignmentType`."""
    if consignment.shape is Shape.RETURN:
        return RETURN
    return DOMESTIC if consignment.route is Route.DOMESTIC else INTERNATIONAL
