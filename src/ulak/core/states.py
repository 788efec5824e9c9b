"""States as tables: what an order, a message and a parcel can be, and what each event makes of them.

An event that a table does not know changes nothing: late and repeated news is normal.

The numbers are stored. All lie between 2 and 127, so that a row keeps its length when its state changes:
SQLite stores 0 and 1 in no byte and larger ones in more, and a page that was filled to the brim would split
once its rows began to grow.
"""

from __future__ import annotations

from enum import IntEnum


class OrderState(IntEnum):
    """Where an order stands."""

    SCHEDULED = 10
    """Its time lies ahead (or has just come and nobody took it yet)."""
    READY = 11
    """To be sent at once; no carrier link took it yet."""
    SENDING = 12
    """A carrier link works on it, or reports are still awaited."""
    DONE = 13
    """No message waits any more, and at least one reached a carrier."""
    FAILED = 14
    """No message waits any more, and none ever reached a carrier."""
    CANCELLED = 15
    """The customer cancelled it before its time."""


WAITING_ORDERS = (OrderState.SCHEDULED, OrderState.READY)
FINAL_ORDERS = (OrderState.DONE, OrderState.FAILED, OrderState.CANCELLED)


class MessageState(IntEnum):
    """Where one message stands. The last two are final."""

    QUEUED = 20
    """Not handed to a carrier, or handed over in a slice that is still open."""
    SENT = 21
    """A carrier has it; its reports are awaited."""
    UNSURE = 22
    """It may have gone; an operator decides whether it goes again (`on_uncertain=hold`)."""
    DELIVERED = 23
    UNDELIVERED = 24


FINAL_MESSAGES = (MessageState.DELIVERED, MessageState.UNDELIVERED)


class MessageEvent(IntEnum):
    """What can happen to a message."""

    ACCEPTED = 1
    REFUSED = 2
    DOUBTED = 3
    RESENT = 4
    DELIVERED = 5
    UNDELIVERED = 6
    EXPIRED = 7
    CANCELLED = 8


MESSAGE_STATES = {int(state): state for state in MessageState}
"""By their stored number; a look-up costs a fifth of calling the enumeration, and there is one a row."""

_Q, _S, _U = MessageState.QUEUED, MessageState.SENT, MessageState.UNSURE
_D, _N = MessageState.DELIVERED, MessageState.UNDELIVERED

MESSAGE: dict[MessageState, dict[MessageEvent, MessageState]] = {
    _Q: {
        MessageEvent.ACCEPTED: _S,
        MessageEvent.REFUSED: _N,
        MessageEvent.DOUBTED: _U,
        MessageEvent.DELIVERED: _D,
        MessageEvent.UNDELIVERED: _N,
        MessageEvent.EXPIRED: _N,
        MessageEvent.CANCELLED: _N,
    },
    _S: {
        MessageEvent.DELIVERED: _D,
        MessageEvent.UNDELIVERED: _N,
        MessageEvent.EXPIRED: _N,
    },
    _U: {
        MessageEvent.ACCEPTED: _S,
        MessageEvent.REFUSED: _N,
        MessageEvent.RESENT: _Q,
        MessageEvent.DELIVERED: _D,
        MessageEvent.UNDELIVERED: _N,
        MessageEvent.EXPIRED: _N,
    },
    _D: {},
    _N: {},
}


class ParcelState(IntEnum):
    """Where a consignment, or one of its labels, stands: our own words for what carriers say."""

    DRAFT = 30
    """Kept for its owner; no carrier knows of it."""
    WAITING = 31
    """To be booked with a carrier; its price is held."""
    REJECTED = 32
    """The carrier refused it or could not be reached; nothing is held."""
    BOOKED = 33
    """The carrier knows of it and a label exists; it was not seen yet."""
    PICKED_UP = 34
    IN_TRANSIT = 35
    IN_CUSTOMS = 36
    ON_HOLD = 37
    OUT_FOR_DELIVERY = 38
    READY_FOR_PICKUP = 39
    DELIVERY_FAILED = 40
    """An attempt failed; more may follow."""
    DELAYED = 41
    DELIVERED = 42
    CANCELLED = 43
    RETURNING = 44
    RETURNED = 45
    LOST = 46
    DAMAGED = 47
    UNKNOWN = 48
    """The carrier said something that we cannot place; it never moves a parcel."""


FINAL_PARCELS = frozenset(
    (ParcelState.DELIVERED, ParcelState.CANCELLED, ParcelState.RETURNED, ParcelState.LOST)
)
"""Left only when the carrier corrects itself explicitly."""

SEEN_PARCELS = frozenset(
    state for state in ParcelState if ParcelState.PICKED_UP <= state <= ParcelState.DAMAGED
) - {ParcelState.CANCELLED}
"""What a carrier's news can make of a parcel that it has."""

UNDER_WAY_PARCELS = SEEN_PARCELS - FINAL_PARCELS | {ParcelState.BOOKED}
"""Still worth asking the carrier about."""
