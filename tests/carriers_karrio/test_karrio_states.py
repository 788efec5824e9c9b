"""What carriers' codes and words are taken for."""

from __future__ import annotations

import pytest

from ulak.carriers.karrio import states
from ulak.core.states import SEEN_PARCELS, ParcelState

S = ParcelState


@pytest.mark.parametrize(
    ("kind", "code", "status", "text", "state"),
    [
        ("M", "MP", "003", "Shipper created a label, UPS has not received the package yet.", S.BOOKED),
        ("I", "OR", "038", "Origin Scan", S.PICKED_UP),
        ("I", "DP", "005", "Departed from Facility", S.IN_TRANSIT),
        ("I", "OT", "021", "Out For Delivery Today", S.OUT_FOR_DELIVERY),
        ("I", "YP", "071", "Processing at UPS Facility", S.IN_TRANSIT),
        ("D", "FS", "011", "DELIVERED", S.DELIVERED),
        ("D", "ZP", "040", "Delivered to UPS Access Point", S.READY_FOR_PICKUP),
        ("X", "14", "014", "Your package was released by the customs agency.", S.IN_TRANSIT),
        ("X", "HC", "012", "Your package is being held for clearance.", S.IN_CUSTOMS),
        ("X", "T7", "046", "We are sorry for the delay.", S.DELAYED),
        ("X", "48", "022", "The receiver was not available for delivery.", S.DELIVERY_FAILED),
        ("X", "??", "034", "Returned to sender", S.RETURNED),
        ("MV", "VM", "007", "Voided Information Received", S.CANCELLED),
        ("X", "TU", "054", "A delivery change for this package is in progress.", S.UNKNOWN),
        ("I", "DP", "5", "Departed from Facility", S.IN_TRANSIT),  # a code that lost its zeros
    ],
)
def test_ups_status_codes(kind: str, code: str, status: str, text: str, state: ParcelState) -> None:
    assert states.ups_state(kind, code, status, text) is state


@pytest.mark.parametrize(
    ("kind", "code", "text", "state"),
    [
        ("I", "OT", "Out For Delivery Today", S.OUT_FOR_DELIVERY),
        ("I", "AR", "Arrived at Facility", S.IN_TRANSIT),
        ("I", "IP", "Import Scan", S.IN_TRANSIT),
        ("X", "A1", "Severe weather conditions have delayed delivery.", S.DELAYED),
        ("X", "A2", "A late flight has caused a delay.", S.DELAYED),
        ("X", "A3", "Your package has cleared customs and is on the way.", S.IN_TRANSIT),
        ("X", "A4", "Your package has not been released by customs.", S.IN_CUSTOMS),
        ("X", "A5", "Your package is pending release from a Government Agency.", S.IN_CUSTOMS),
        ("X", "A6", "The package will be returned to the sender.", S.RETURNING),
        ("X", "A7", "The package was returned to the sender.", S.RETURNED),
        ("X", "A8", "Damage reported. We will notify the sender with details.", S.DAMAGED),
        ("X", "A9", "The business was closed on delivery.", S.DELIVERY_FAILED),
        ("X", "B1", "The address has been corrected.", S.UNKNOWN),
        ("D", "KB", "DELIVERED", S.DELIVERED),
        ("D", "RS", "Returned to the shipper", S.RETURNED),
        ("O", "", "", S.OUT_FOR_DELIVERY),
        ("U", "", "Something new", S.UNKNOWN),
        ("", "", "", S.UNKNOWN),
        ("ZZ", "QQ", "Delivered, they say", S.UNKNOWN),
    ],
)
@pytest.mark.parametrize("status", ["", "013", "999"])
def test_ups_without_a_telling_status_code(
    kind: str, code: str, text: str, state: ParcelState, status: str
) -> None:
    """013 is an exception of any kind, and a code that nobody knows is like none."""
    assert states.ups_state(kind, code, status, text) is state


@pytest.mark.parametrize(
    ("status", "text", "state"),
    [
        ("pre-transit", "Shipment information received", S.BOOKED),
        ("pre-transit", "The shipment is delayed at the sender", S.BOOKED),
        ("transit", "Departed facility in Leipzig", S.IN_TRANSIT),
        ("transit", "Shipment is with delivery courier", S.OUT_FOR_DELIVERY),
        ("transit", "Shipment picked up", S.PICKED_UP),
        ("transit", "It can be picked up at the parcel shop", S.READY_FOR_PICKUP),
        ("transit", "The shipment will be picked up tomorrow", S.IN_TRANSIT),
        ("transit", "Clearance processing complete at Istanbul", S.IN_TRANSIT),
        ("transit", "Customs status updated", S.IN_CUSTOMS),
        ("transit", "Shipment on hold", S.ON_HOLD),
        ("TRANSIT", "The shipment is ready for pick-up", S.READY_FOR_PICKUP),
        ("delivered", "Delivered to neighbour after a failed attempt", S.DELIVERED),
        ("delivered", "The shipment was returned to the sender", S.RETURNED),
        ("failure", "Recipient refused delivery", S.DELIVERY_FAILED),
        ("failure", "The shipment is damaged", S.DAMAGED),
        ("failure", "", S.DELIVERY_FAILED),
        ("unknown", "Delivered", S.UNKNOWN),
        ("", "", S.UNKNOWN),
        ("teleported", "out for delivery", S.UNKNOWN),
    ],
)
def test_dhl(status: str, text: str, state: ParcelState) -> None:
    assert states.dhl_state(status, text) is state


@pytest.mark.parametrize(
    ("event", "text", "state"),
    [
        ("OC", "Shipment information sent to FedEx", S.BOOKED),
        ("PU", "Picked up", S.PICKED_UP),
        ("AR", "Arrived at FedEx location", S.IN_TRANSIT),
        ("CC", "International shipment release - Import", S.IN_TRANSIT),
        ("CD", "Clearance delay - Import", S.IN_CUSTOMS),
        ("OD", "On FedEx vehicle for delivery", S.OUT_FOR_DELIVERY),
        ("HL", "Ready for pickup", S.READY_FOR_PICKUP),
        ("DE", "Delivery exception - Customer not available", S.DELIVERY_FAILED),
        ("DY", "Delay", S.DELAYED),
        ("SE", "Shipment exception - Severe weather", S.DELAYED),
        ("SE", "Shipment exception", S.UNKNOWN),
        ("RS", "Returning package to shipper", S.RETURNING),
        ("CA", "Shipment cancelled", S.CANCELLED),
        ("dl", "Delivered", S.DELIVERED),
        ("??", "Delivered", S.UNKNOWN),
    ],
)
def test_fedex(event: str, text: str, state: ParcelState) -> None:
    assert states.fedex_state(event, text) is state


def test_pre_transit_and_unknown_move_nothing() -> None:
    assert not {S.BOOKED, S.CANCELLED, S.UNKNOWN} & SEEN_PARCELS


def test_karrio_s_own_words() -> None:
    assert states.karrio_state("delivery_delayed") is S.DELAYED
    assert states.karrio_state("unknown") is S.UNKNOWN
    assert states.karrio_state("") is S.UNKNOWN
