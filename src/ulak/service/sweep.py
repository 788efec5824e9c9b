"""What time does by itself: old traces are forgotten, and messages that nobody reports on are given up.

A pass walks each table by its primary key, one short transaction a stretch, so that no writer waits long.
When a walk is due again is told by the transaction's own clock: where that is moved, a walk follows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ulak.core import callbacks as callback_rules
from ulak.core import once
from ulak.core.states import MessageEvent
from ulak.service import inbound, journal, reports
from ulak.service.orders import REPEAT_WINDOW
from ulak.service.settlement import Settlement
from ulak.store import booking_keys, callbacks, endpoints, events, messages, orders, settings, velocity
from ulak.store import sweep as store
from ulak.store.engine import Tx

_MINUTE = 60 * 1000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

TRACES_KEPT = 24 * _HOUR
"""How long closed references and reports without an effect are kept, ms: late and doubled reports are known
for what they are."""

NAMED_KEPT = 60 * _DAY
"""How long an endpoint is kept after it was last named in an order, ms: longer than an order lasts, and than
what it had to tell can be told again."""

STRETCH = 2_000
"""Rows of a table that one transaction looks at."""

ORDERS_MAX, EXPIRED_MAX = 500, 500
"""Orders that one transaction looks at for messages without a report, and messages it gives up."""

Position = tuple[int, int]
_START: Position = (-1, -1)


@dataclass(frozen=True, slots=True)
class Hand:
    """How far the sweep has come. Keep it between passes: it knows which walk is due when.

    `walk` is the walk under way (its place among the walks) and `position` the key it goes on after; `begun`
    tells when each walk last began, ms.
    """

    begun: tuple[int | None, ...] = ()
    walk: int | None = None
    position: Position = _START


def sweep_slice(tx: Tx, hand: Hand, *, receipt_wait: int) -> tuple[Hand, bool]:
    """Go on with the walk under way, or begin one that is due.

    Returns where the hand stands now, and whether anything is left to do in this pass.
    """
    begun = hand.begun or (None,) * len(_WALKS)
    walk = hand.walk if hand.walk is not None else _next(tx.now, begun)
    if walk is None:
        return hand, False
    if hand.walk is None:
        begun = (*begun[:walk], tx.now, *begun[walk + 1 :])
    position = _WALKS[walk].stretch(tx, hand.position, receipt_wait)
    if position is None:
        return Hand(begun), _next(tx.now, begun) is not None
    return replace(hand, begun=begun, walk=walk, position=position), True


def _next(now: int, begun: tuple[int | None, ...]) -> int | None:
    for place, (walk, last) in enumerate(zip(_WALKS, begun, strict=True)):
        if last is None or not last <= now < last + walk.every:
            return place
    return None


def _fingerprints(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    last = store.fingerprints(tx, position[0], tx.now - REPEAT_WINDOW, STRETCH)
    return None if last is None else (last, 0)


def _strays(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    """Before they are forgotten they may still find their messages."""
    reports.look_again(tx, position[0], STRETCH)
    last = store.stray_reports(tx, position[0], tx.now - TRACES_KEPT, STRETCH)
    return None if last is None else (last, 0)


def _references(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    return store.references(tx, position, tx.now - TRACES_KEPT, STRETCH)


def _replies(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    last = store.replies(tx, position[0], tx.now - once.KEPT, STRETCH)
    return None if last is None else (last, 0)


def _keys(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    """By the machine's clock: carriers do not forget bookings because a sandbox's clock was moved."""
    last = booking_keys.sweep(tx, position[0], settings.machine_now(tx) - journal.KEPT, STRETCH)
    return None if last is None else (last, 0)


def _callbacks(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    last = callbacks.forget(tx, position[0], tx.now - callback_rules.KEPT, STRETCH)
    return None if last is None else (last, 0)


def _parts(tx: Tx, _position: Position, _receipt_wait: int) -> Position | None:
    """Pass on SMS of which not all parts came."""
    inbound.give_up_waiting(tx)
    return None


def _traces(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    last = inbound.forget_traces(tx, position[0], STRETCH)
    return None if last is None else (last, 0)


def _unclaimed(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    last = inbound.forget_unclaimed(tx, position[0], STRETCH)
    return None if last is None else (last, 0)


def _named(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    last = endpoints.forget_named(tx, position[0], tx.now - NAMED_KEPT, STRETCH)
    return None if last is None else (last, 0)


def _velocity(tx: Tx, _position: Position, _receipt_wait: int) -> Position | None:
    """What velocity limits do not count any more."""
    return _START if velocity.forget(tx, STRETCH) == STRETCH else None


def _events(tx: Tx, position: Position, _receipt_wait: int) -> Position | None:
    """Those that nobody is told of any more: the walk over callbacks comes before."""
    last = events.forget(tx, position[0], tx.now - callback_rules.KEPT, STRETCH)
    return None if last is None else (last, 0)


def _unreported(tx: Tx, position: Position, receipt_wait: int) -> Position | None:
    """Give up messages for which no final report came in time: undelivered, and their credit is back."""
    before = tx.now - receipt_wait
    looked = orders.under_way(tx, position[0], ORDERS_MAX)
    ranges = [(order_id - 1, last_id) for order_id, due, last_id in looked if due < before]
    pairs = messages.expired(tx, ranges, before, EXPIRED_MAX) if ranges else []
    if pairs:
        settlement = Settlement(tx, pairs)
        for copy in settlement.messages.values():
            copy.step(MessageEvent.EXPIRED)
        settlement.save()
    if len(pairs) == EXPIRED_MAX:
        return pairs[-1][1] - 1, 0
    return (looked[-1][0], 0) if len(looked) == ORDERS_MAX else None


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk over a table: how often (ms), and what is done on each stretch of it."""

    every: int
    stretch: Callable[[Tx, Position, int], Position | None]


_WALKS = (
    _Walk(_MINUTE, _parts),
    _Walk(REPEAT_WINDOW, _fingerprints),
    _Walk(REPEAT_WINDOW, _velocity),
    _Walk(REPEAT_WINDOW, _strays),
    _Walk(REPEAT_WINDOW, _unreported),
    _Walk(_HOUR, _references),
    _Walk(_HOUR, _replies),
    _Walk(_HOUR, _traces),
    _Walk(_DAY, _keys),
    _Walk(_DAY, _callbacks),
    _Walk(_DAY, _events),
    _Walk(_DAY, _unclaimed),
    _Walk(_DAY, _named),
)
