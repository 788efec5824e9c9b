"""What carriers' own codes and words say of a parcel, as tables.

UPS: the three-digit status code is the most telling, then the words, then the two-letter code, then the type
(UPS Track API, `activity.status`). DHL: the five status codes of Shipment Tracking Unified, refined by its
words. FedEx: the event types of its Track API. Words are English; that is what Karrio asks for.
What no table knows is UNKNOWN and moves nothing.
"""

from __future__ import annotations

import re

from ulak.core.states import ParcelState

_S = ParcelState

WORDS: tuple[tuple[re.Pattern[str], ParcelState], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), state)
    for pattern, state in (
        (r"out for delivery|with (the )?(delivery )?courier", _S.OUT_FOR_DELIVERY),
        (r"(will be|is being|being) returned|returning to|return(s|ed)? in progress|on its way back"
         r"|return to (the )?(sender|shipper)", _S.RETURNING),
        (r"returned to (the )?(original )?(sender|shipper)", _S.RETURNED),
        (r"not (yet )?(been )?(released|cleared)|(pending|awaiting) (release|clearance)", _S.IN_CUSTOMS),
        (r"(released|cleared)\b.{0,60}(customs|clear|agency)"
         r"|(customs|clearance)\b.{0,40}(released|cleared|complete)", _S.IN_TRANSIT),
        (r"customs|clearance|clearing agency|government agency|duties and taxes", _S.IN_CUSTOMS),
        (r"\bdamage", _S.DAMAGED),
        (r"(ready|available) for (customer )?(collection|pick[- ]?up)|held for (customer )?pick[- ]?up"
         r"|await(s|ing) (customer )?(collection|pick[- ]?up)|can be (collected|picked up)",
         _S.READY_FOR_PICKUP),
        (r"\b(refused|attempt(ed)?|not home|unable to deliver|could not be delivered|undeliverable)\b"
         r"|(business|receiver|recipient|customer) (was|is) (closed|not available|unavailable)",
         _S.DELIVERY_FAILED),
        (r"\bdelay|weather|\blate\b|reschedul|mechanical failure|missed", _S.DELAYED),
        (r"\b(on hold|held|hold at)\b", _S.ON_HOLD),
        (r"(?<!be )\b(picked up|collected)\b|\bpickup scan\b", _S.PICKED_UP),
    )
)  # fmt: skip
"""Phrases in the order in which they are looked for."""

UPS_STATUSES: dict[str, ParcelState] = {
    code: state
    for state, codes in {
        _S.BOOKED: "003 044 045",
        _S.CANCELLED: "007",
        _S.PICKED_UP: "038",
        _S.IN_TRANSIT: "005 010 014 025 039 057 071",
        _S.IN_CUSTOMS: "012 058",
        _S.ON_HOLD: "016 018 019 020 029 050 068",
        _S.OUT_FOR_DELIVERY: "006 021",
        _S.READY_FOR_PICKUP: "017 040",
        _S.DELIVERY_FAILED: "022 023 024 060 061 062 064 066 069",
        _S.DELAYED: "032 046 047 048 049 051 052 053 055",
        _S.DELIVERED: "011 026",
        _S.RETURNING: "033 035 036 037",
        _S.RETURNED: "034 067",
        _S.DAMAGED: "059",
        # Wishes and changes, which say nothing about where the parcel is.
        _S.UNKNOWN: "027 028 041 042 043 054 056 063 065",
    }.items()
    for code in codes.split()
}
"""UPS status codes. Two are not what they seem: 040 has type D, but the parcel waits in a shop; 014 may have
type X, but customs let it go. 013, an exception of any kind, is left to the words."""

UPS_CODES: dict[tuple[str, str], ParcelState] = {
    ("I", "OT"): _S.OUT_FOR_DELIVERY,
    ("I", "OR"): _S.PICKED_UP,
    ("I", "PU"): _S.PICKED_UP,
    ("D", "ZP"): _S.READY_FOR_PICKUP,
    ("X", "SX"): _S.DELAYED,
    ("X", "T7"): _S.DELAYED,
    ("X", "SV"): _S.IN_CUSTOMS,
    ("X", "Z1"): _S.IN_CUSTOMS,
}
"""UPS activity codes that say more than their type, for answers without a status code."""

UPS_TYPES: dict[str, ParcelState] = {
    "M": _S.BOOKED,
    "MV": _S.CANCELLED,
    "P": _S.PICKED_UP,
    "I": _S.IN_TRANSIT,
    "O": _S.OUT_FOR_DELIVERY,
    "D": _S.DELIVERED,
    "RS": _S.RETURNED,
}
"""UPS types that are plain by themselves. X (exception) and U (update) are not: they can be anything."""

DHL_STATUSES: dict[str, ParcelState] = {
    "pre-transit": _S.BOOKED,
    "transit": _S.IN_TRANSIT,
    "delivered": _S.DELIVERED,
    "failure": _S.DELIVERY_FAILED,
    "unknown": _S.UNKNOWN,
}

_DHL_REFINED: dict[str, frozenset[ParcelState]] = {
    "transit": frozenset(state for _, state in WORDS) - {_S.RETURNED},
    "delivered": frozenset({_S.RETURNED, _S.READY_FOR_PICKUP}),
    "failure": frozenset(state for _, state in WORDS) - {_S.OUT_FOR_DELIVERY, _S.IN_TRANSIT, _S.PICKED_UP},
}
"""What the words may make of a status code of DHL's."""

FEDEX_EVENTS: dict[str, ParcelState] = {
    code: state
    for state, codes in {
        _S.BOOKED: "OC OX EP MD",
        _S.PICKED_UP: "PU PX",
        _S.IN_TRANSIT: "AA AC AF AP AR AX CC DP EA EO FD IP IT IX LO OF OW PF PL PM SF SP TR",
        _S.IN_CUSTOMS: "CD CP CU",
        _S.ON_HOLD: "HA",
        _S.OUT_FOR_DELIVERY: "AD ED OD",
        _S.READY_FOR_PICKUP: "HL HP",
        _S.DELIVERY_FAILED: "DE",
        _S.DELAYED: "DD DY PD PY",
        _S.DELIVERED: "DL",
        _S.CANCELLED: "CA",
        _S.RETURNING: "RS RT",
    }.items()
    for code in codes.split()
}
"""FedEx event types. SE, an exception of any kind, is left to the words."""

KARRIO_STATUSES: dict[str, ParcelState] = {
    "pending": _S.BOOKED,
    "picked_up": _S.PICKED_UP,
    "in_transit": _S.IN_TRANSIT,
    "out_for_delivery": _S.OUT_FOR_DELIVERY,
    "ready_for_pickup": _S.READY_FOR_PICKUP,
    "delivered": _S.DELIVERED,
    "delivery_failed": _S.DELIVERY_FAILED,
    "delivery_delayed": _S.DELAYED,
    "on_hold": _S.ON_HOLD,
    "return_to_sender": _S.RETURNING,
    "cancelled": _S.CANCELLED,
}
"""Karrio's own statuses, for carriers that have no table here."""


def by_words(text: str) -> ParcelState | None:
    """What the first phrase that is found in a text means."""
    return next((state for pattern, state in WORDS if pattern.search(text)), None)


def ups_state(kind: str, code: str, status: str, text: str) -> ParcelState:
    """What an activity of UPS says: its type, two-letter code, three-digit status and description."""
    known = UPS_STATUSES.get(status.zfill(3)) if status else None
    if known is not None:
        return known
    known = UPS_CODES.get((kind, code))
    if known is not None:
        return known
    said = by_words(text)
    if kind == "D":
        return said if said in (_S.RETURNED, _S.READY_FOR_PICKUP) else _S.DELIVERED
    if kind in ("I", "X", "U") and said is not None:
        return said
    if kind == "M" and re.search(r"\bvoid", text, re.IGNORECASE):
        return _S.CANCELLED
    return UPS_TYPES.get(kind, _S.UNKNOWN)


def dhl_state(status: str, text: str) -> ParcelState:
    """What an event of DHL's says: its status code and its words."""
    status = status.lower()
    said = by_words(text)
    if said is not None and said in _DHL_REFINED.get(status, ()):
        return said
    return DHL_STATUSES.get(status, _S.UNKNOWN)


def fedex_state(event: str, text: str) -> ParcelState:
    """What a scan of FedEx says: its event type and its words."""
    event = event.upper()
    if event == "SE":
        return by_words(text) or _S.UNKNOWN
    return FEDEX_EVENTS.get(event, _S.UNKNOWN)


def karrio_state(status: str) -> ParcelState:
    """What Karrio makes of an event."""
    return KARRIO_STATUSES.get(status, _S.UNKNOWN)
