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


class PurchaseState(IntEnum):
    """Where something that is bought for one payment stands: a number, a message sent, credit."""

    UNPAID = 60
    EXPIRED = 61
    """Not paid in time."""
    WITHDRAWN = 62
    """Cancelled by the customer before it was paid."""
    PAID = 63
    """The money is held; a number is being bought, or the message is with the order engine."""
    NO_NUMBER = 64
    WAITING = 65
    """A number is assigned; an SMS is awaited."""
    SETTLING = 66
    """What was paid for is there; it is shown once the money is taken."""
    DONE = 67
    CANCELLED = 68
    """Cancelled by the customer after it was paid."""
    TIMED_OUT = 69
    """Nothing came in time, or the money went back by itself."""
    LOST = 70
    """What was paid for was there, and the money was gone when it was to be taken."""
    ACTIVE = 71
    """A rented number is the customer's."""
    ENDED = 72
    """A rental is over."""
    SENT = 73
    """A carrier took the message."""
    DELIVERED = 74
    FAILED = 75


class PurchaseEvent(IntEnum):
    """What can happen to a purchase."""

    HELD = 1
    """Its payment is held (or reserved from a balance)."""
    LAPSED = 2
    """Its invoice was not paid in time."""
    WITHDRAWN = 3
    """The customer cancels."""
    ASSIGNED = 4
    """There is a number."""
    NONE_LEFT = 5
    """There is no number, and no more time to find one."""
    CODE = 6
    """A code came."""
    TIMED_OUT = 7
    SETTLED = 8
    """The money is taken."""
    GONE = 9
    """The payment was given back by the node."""
    SENT = 10
    DELIVERED = 11
    FAILED = 12
    ENDED = 13


class PurchaseKind(IntEnum):
    """What is bought."""

    CODE = 2
    """A number for one code."""
    RENTAL = 3
    """A number as a whole, for weeks."""
    MESSAGE = 4
    """One SMS sent."""
    CREDIT = 5
    """Credit of an account."""


_P, _E = PurchaseState, PurchaseEvent
_UNPAID = {_E.HELD: _P.PAID, _E.LAPSED: _P.EXPIRED, _E.WITHDRAWN: _P.WITHDRAWN}
_BUYING = {
    _E.ASSIGNED: _P.WAITING,
    _E.NONE_LEFT: _P.NO_NUMBER,
    _E.WITHDRAWN: _P.CANCELLED,
    _E.TIMED_OUT: _P.TIMED_OUT,
    _E.GONE: _P.TIMED_OUT,
}

PURCHASE: dict[PurchaseKind, dict[PurchaseState, dict[PurchaseEvent, PurchaseState]]] = {
    PurchaseKind.CODE: {
        _P.UNPAID: _UNPAID,
        _P.PAID: _BUYING,
        _P.WAITING: {
            _E.CODE: _P.SETTLING,
            _E.WITHDRAWN: _P.CANCELLED,
            _E.TIMED_OUT: _P.TIMED_OUT,
            _E.GONE: _P.TIMED_OUT,
        },
        _P.SETTLING: {_E.SETTLED: _P.DONE, _E.GONE: _P.LOST},
    },
    PurchaseKind.RENTAL: {
        _P.UNPAID: _UNPAID,
        # The good is the number: the money is taken before it is shown.
        _P.PAID: _BUYING | {_E.ASSIGNED: _P.SETTLING},
        _P.SETTLING: {_E.SETTLED: _P.ACTIVE, _E.GONE: _P.LOST},
        _P.ACTIVE: {_E.ENDED: _P.ENDED, _E.WITHDRAWN: _P.CANCELLED},
    },
    PurchaseKind.MESSAGE: {
        _P.UNPAID: _UNPAID,
        _P.PAID: {_E.SENT: _P.SENT, _E.DELIVERED: _P.DELIVERED, _E.FAILED: _P.FAILED},
        _P.SENT: {_E.DELIVERED: _P.DELIVERED, _E.FAILED: _P.FAILED},
    },
    PurchaseKind.CREDIT: {
        _P.UNPAID: _UNPAID | {_E.HELD: _P.SETTLING},
        _P.SETTLING: {_E.SETTLED: _P.DONE, _E.GONE: _P.LOST},
    },
}
"""What each event makes of a purchase (sms4sats specification, section 5). What is missing is final."""


def after(kind: PurchaseKind, state: PurchaseState, event: PurchaseEvent) -> PurchaseState | None:
    """What an event makes of a purchase; None: nothing, the event came late or again."""
    return PURCHASE[kind].get(state, {}).get(event)


class Resolve(IntEnum):
    """What becomes of the money of a purchase; decided once, in the commit of the change that decides it."""

    OPEN = 2
    """Not decided."""
    SETTLE = 3
    CANCEL = 4


RESOLVES: dict[PurchaseState, Resolve] = {
    _P.EXPIRED: Resolve.CANCEL,
    _P.WITHDRAWN: Resolve.CANCEL,
    _P.NO_NUMBER: Resolve.CANCEL,
    _P.SETTLING: Resolve.SETTLE,
    _P.CANCELLED: Resolve.CANCEL,
    _P.TIMED_OUT: Resolve.CANCEL,
    _P.DELIVERED: Resolve.SETTLE,
    _P.FAILED: Resolve.CANCEL,
}
"""What reaching a state decides about the money, unless it is decided already."""
