"""Handing nothing new to carriers, and what a backup that was restored leaves in doubt.

What was sent after a backup was taken is not known to who restores it. So nothing is sent by itself then:
dispatch is paused, what was on its way waits for an operator, and of what was due he may say at once that it
is to be given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ulak.core.doubts import Doubt
from ulak.core.messages import QueuedMessage
from ulak.core.orders import message_name
from ulak.core.states import MessageEvent
from ulak.service.settlement import Settlement
from ulak.store import accounts, messages, pausing, reports, settings
from ulak.store.engine import Tx

STRETCH = 1_000
"""Orders that are looked at together."""

SLICE = 5_000
"""Messages that are given up together."""

WHY = "it may have been sent after the backup that was restored"


class Late(NamedTuple):
    """What was due when a backup was restored, and how many messages of it were still to be sent."""

    orders: int
    messages: int


def pause(tx: Tx) -> None:
    """Hand nothing new to carriers, until `resume`. Reports and answers are taken as ever."""
    settings.put(tx, settings.DISPATCH, settings.PAUSED)


def resume(tx: Tx) -> None:
    """Go on."""
    settings.put(tx, settings.DISPATCH, "")


def hold_open(tx: Tx) -> int:
    """Let an operator decide about every message that was with a link, or was to be sent again: each may have
    gone. Returns how many those are."""
    count, after = 0, 0
    while found := pausing.half_sent(tx, after, STRETCH):
        after = found[-1].id
        carriers = {order.id: order.carrier_id for order in found}
        pairs = _of_orders(
            messages.queued(tx, [(order.settled, order.opened) for order in found]),
            [(order.id, order.opened) for order in found],
        )
        count += _hold(tx, [(message, order, carriers[order]) for message, order in pairs])
    return count + _hold(tx, pausing.asked(tx))


def _of_orders(rows: Sequence[QueuedMessage], ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """(message, order) of rows in the order of their ids, which lie in (order, last)."""
    pairs = []
    places = iter(ranges)
    order, last = -1, -1
    for row in rows:
        while row.id > last:
            order, last = next(places)
        pairs.append((row.id, order))
    return pairs


def _hold(tx: Tx, doubtful: Sequence[tuple[int, int, int]]) -> int:
    """Make (message, order, carrier) wait for an operator."""
    settlement = Settlement(tx, [(message, order) for message, order, _ in doubtful])
    held = {copy.id for copy in settlement.messages.values() if copy.step(MessageEvent.DOUBTED)}
    settlement.save()
    for carrier_id in {carrier for message, _, carrier in doubtful if message in held}:
        marks = [
            (message, order, Doubt.HELD, WHY)
            for message, order, carrier in doubtful
            if carrier == carrier_id and message in held
        ]
        reports.doubt(tx, carrier_id, marks)
    return len(held)


def late(tx: Tx, *, give_up: bool = False) -> Late:
    """What is due now and would be sent as soon as dispatch is resumed.

    With `give_up` it is ended as undelivered, and its credit given back; no process may work on the data
    then.
    """
    orders = count = after = 0
    while found := pausing.due(tx, after, STRETCH):
        after = found[-1].id
        rows = messages.queued(tx, [(order.settled, order.last) for order in found])
        pairs = _of_orders(rows, [(order.id, order.last) for order in found])
        orders += len({order for _, order in pairs})
        count += len(pairs)
        for place in range(0, len(pairs), SLICE) if give_up else ():
            _give_up(tx, pairs[place : place + SLICE])
    return Late(orders, count)


def _give_up(tx: Tx, pairs: Sequence[tuple[int, int]]) -> None:
    settlement = Settlement(tx, pairs)
    for copy in settlement.messages.values():
        # As of one that no report came of: it may have reached its carrier.
        copy.step(MessageEvent.EXPIRED)
    settlement.save()


def number_ahead(tx: Tx, ahead: int) -> None:
    """Let accounts number their orders and messages on from so much further: what they were told since the
    backup was taken is not told again of something else."""
    accounts.set_next_numbers(
        tx,
        [
            (account_id, number + ahead, message_name(message, ahead))
            for account_id, number, message in accounts.next_numbers(tx)
        ],
    )
