"""What becomes of messages, told to accounts that want to hear of each: accepted, delivered, undelivered.

That a message was accepted is queued before its end, whatever comes first. The messages of a small order are
announced in the commit that accepts it; those of a large one after it, a stretch at a time, so that no other
order waits for fifty thousand callbacks to be written. One that ends before its turn is announced together
with its end, and then passed over.

A number that is refused at once is undelivered, and was never accepted; that too is told in its turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ulak.core.callbacks import EventRow
from ulak.core.events import Event, EventKind, MessageNews
from ulak.core.messages import MessageCopy
from ulak.core.orders import message_name
from ulak.core.points import point
from ulak.core.states import MessageState
from ulak.service import events
from ulak.store import endpoints, messages, orders
from ulak.store.engine import Tx
from ulak.store.orders import UNTOLD, Counters

FAMILY = EventKind.MESSAGE_ACCEPTED.family

AT_ONCE = 100
"""Messages of an order that are announced in the commit which accepts it."""

STRETCH = 250
"""Messages of a large order that are announced together: nothing else is written meanwhile."""

_ENDS = {
    MessageState.DELIVERED: EventKind.MESSAGE_DELIVERED,
    MessageState.UNDELIVERED: EventKind.MESSAGE_UNDELIVERED,
}

_encode = msgspec.json.Encoder().encode
_news = msgspec.json.Decoder(MessageNews)


def listening(tx: Tx, accounts: Iterable[int]) -> set[int]:
    """The accounts that want to hear of each message."""
    return endpoints.listening(tx, set(accounts), FAMILY)


def placed(
    account_id: int, number: int, first_message: int, rows: Sequence[tuple[int, int, int, int, int]]
) -> tuple[list[Event], int]:
    """What is told at once of an order that is being accepted, and up to which message it is announced then.

    `rows` are its messages as they are stored (id, number, state, parts, open parts).
    """
    order_id, count = rows[0][0], len(rows)
    if count > AT_ONCE:
        return [], order_id - 1
    told = [
        _event(account_id, _kind_of(state), message_id, order_id, number, first_message)
        for message_id, _, state, _, _ in rows
    ]
    return told, rows[-1][0]


def _kind_of(state: int) -> EventKind:
    refused = state == MessageState.UNDELIVERED
    return EventKind.MESSAGE_UNDELIVERED if refused else EventKind.MESSAGE_ACCEPTED


def any_left(tx: Tx) -> bool:
    """Whether there is an order that is not announced as a whole."""
    return orders.any_to_announce(tx)


def go_on(tx: Tx) -> bool:
    """Announce the next stretch of the oldest order that is not wholly announced; whether there was one."""
    order = orders.to_announce(tx)
    if order is None:
        return False
    upto = min(order.announced + STRETCH, order.id + order.total - 1)
    told = [
        _event_of(order, _kind_of(state), message_id)
        for message_id, state in messages.untold(tx, order.announced, upto)
    ]
    orders.set_announced(tx, order.id, upto)
    events.record(tx, told, first=True)
    point("announce.decided")
    return True


def ended(tx: Tx, counters: Mapping[int, Counters], changed: Sequence[MessageCopy]) -> None:
    """Tell of messages that have become final; their orders' counters are locked."""
    final = [
        copy for copy in changed if copy.state in _ENDS and counters[copy.order_id].first_message != UNTOLD
    ]
    heard = listening(tx, {counters[copy.order_id].account_id for copy in final}) if final else set()
    told = []
    for copy in final if heard else ():
        order = counters[copy.order_id]
        if order.account_id not in heard:
            continue
        ahead = copy.id > order.announced
        if ahead and not copy.price and copy.state is MessageState.UNDELIVERED:
            continue  # Its row is as that of a number which was refused at once, and is told in its turn.
        if ahead:
            told.append(_event_of(order, EventKind.MESSAGE_ACCEPTED, copy.id))
        told.append(_event_of(order, _ENDS[copy.state], copy.id))
    if told:
        events.record(tx, told)


def filled(tx: Tx, rows: Sequence[EventRow]) -> dict[int, bytes]:
    """The whole data of events about messages, by the event: with whom they go to, and the text."""
    wanted = [(row, _news.decode(row.data)) for row in rows if row.kind.family == FAMILY]
    if not wanted:
        return {}
    shown = messages.shown(tx, [(row.subject, news.order_id) for row, news in wanted])
    for row, news in wanted:
        news.to, news.text = shown.get(row.subject, ("", ""))
    return {row.id: _encode(news) for row, news in wanted}


def _event_of(order: Counters, kind: EventKind, message_id: int) -> Event:
    return _event(order.account_id, kind, message_id, order.id, order.number, order.first_message)


def _event(
    account_id: int, kind: EventKind, message_id: int, order_id: int, number: int, first_message: int
) -> Event:
    news = MessageNews(order_id, number, message_name(first_message, message_id - order_id))
    return Event(account_id, kind, message_id, _encode(news))
