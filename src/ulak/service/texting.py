"""Single messages that are bought: placed with the order engine, and what becomes of them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ulak.core.phone import common_prefix
from ulak.core.purchases import MINUTE, SECOND, Purchase
from ulak.core.states import MessageState, OrderState, PurchaseEvent, PurchaseState
from ulak.core.velocity import Velocities, Velocity
from ulak.service import velocity
from ulak.service.till import FIRST_LOOK, Till
from ulak.store import accounts, ids, messages, orders
from ulak.store import purchases as store
from ulak.store.engine import Tx
from ulak.store.purchases import Look

SENT_EVERY = 1 * SECOND
"""How often a message is looked after at first, once a carrier has it, ms."""

LOOK_MAX = MINUTE
"""How often at least, ms."""

PATIENCE = 16
"""What was waited for so long is looked at again after one part of so many of that time."""

_EVENTS: dict[MessageState, PurchaseEvent] = {
    MessageState.SENT: PurchaseEvent.SENT,
    MessageState.DELIVERED: PurchaseEvent.DELIVERED,
    MessageState.UNDELIVERED: PurchaseEvent.FAILED,
}


_UNLIMITED = Velocities()


class Sending(NamedTuple):
    """How bought messages are sent: whom they are from, and how many there may be."""

    sender: str
    velocities: Velocities = _UNLIMITED


def wait(tx: Tx, sending: Sending, account_id: int, number: int) -> int | None:
    """Seconds until an account may buy a message to a number, 0 if it may now; None: it may never."""
    limits = _limits(tx, sending, account_id)
    if limits is None:
        return 0
    if not limits.allows(number):
        return None
    fare = velocity.toll(account_id, limits, [number])
    return velocity.Tally(tx, [fare]).wait(fare)


def take(tx: Tx, sending: Sending, account_id: int, number: int) -> bool:
    """Count a message that is bought; whether there was room. The account is locked."""
    limits = _limits(tx, sending, account_id)
    if limits is None:
        return True
    return limits.allows(number) and not velocity.take(tx, velocity.toll(account_id, limits, [number]))


def _limits(tx: Tx, sending: Sending, account_id: int) -> Velocity | None:
    account = accounts.by_id(tx, account_id)
    return None if account is None else sending.velocities.of(account.settings)


def place(tx: Tx, purchase: Purchase, sender: str) -> int:
    """Order the message that was bought; its id. It costs no credits: sats have paid for it."""
    assert purchase.number is not None
    message_id = ids.lease(tx, 1).start
    order = orders.NewOrder(
        message_id,
        purchase.account_id,
        # Its customer knows it by the purchase, and must not find it among the orders of his account.
        -message_id,
        purchase.dialect,
        sender,
        OrderState.READY,
        tx.now,
        total=1,
        undelivered=0,
        held=0,
        prefix=common_prefix([purchase.number]),
        first_message=orders.UNTOLD,
        announced=message_id,
    )
    orders.insert(tx, [order], [(message_id, message_id, purchase.text or "")])
    messages.insert(tx, [(message_id, purchase.number, int(MessageState.QUEUED), 0, 1)], [])
    return message_id


def withdraw(tx: Tx, purchase: Purchase) -> bool:
    """Take a message back that no carrier has taken yet; whether it was so."""
    return purchase.message_id is not None and store.withdraw_message(tx, purchase.message_id)


def is_news(look: Look) -> bool:
    """Whether its purchase does not know yet what became of a message."""
    event = None if look.message is None else _EVENTS.get(look.message)
    return event is not None and not (look.state is PurchaseState.SENT and event is PurchaseEvent.SENT)


def happened(tx: Tx, looks: Sequence[Look]) -> None:
    """Let what became of these messages happen to their purchases."""
    till = Till(tx, [look.id for look in looks])
    for look in looks:
        purchase = till.get(look.id)
        if purchase is not None and look.message is not None:
            event = _EVENTS[look.message]
            # What was delivered was sent, and its customer is to see both; the next look is soon.
            was_sent = event is PurchaseEvent.DELIVERED and purchase.state is PurchaseState.PAID
            till.step(purchase, PurchaseEvent.SENT if was_sent else event)
    till.save()


def next_look(look: Look, now: int) -> int:
    """When a message is looked after next: at once in the beginning, and ever more rarely."""
    age = now - (look.paid or now)
    first = SENT_EVERY if look.state is PurchaseState.SENT else FIRST_LOOK
    return now + min(LOOK_MAX, max(first, age // PATIENCE))
