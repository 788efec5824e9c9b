"""Repairs that are safe: what can only be meant in one way is put right, and nothing else.

Money is never changed. Counters of an order follow its messages, but only where the ledger says the same;
what cannot be told from the data themselves is left to people. Every repair may be made again, and beside
running servers: each is a transaction that takes the locks that they take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ulak.core.callbacks import CallbackState
from ulak.core.ledger import SMS
from ulak.core.states import OrderState
from ulak.store import ledger, orders, repairs
from ulak.store.engine import Tx
from ulak.store.repairs import Statement, Tally

Repair = Callable[[Tx], list[str]]
"""Puts things right; a sentence for each that it changed."""

_DONE = (OrderState.DONE, OrderState.FAILED, OrderState.CANCELLED)


def _stated(tx: Tx, statement: Statement) -> list[str]:
    return [statement.sentence.format(*row) for row in repairs.changed(tx, statement)]


def _callback_lines(tx: Tx) -> list[str]:
    """Let exactly one callback about a thing be told: one that is being tried, or else the oldest."""
    done = []
    behind, due, trying = (
        int(state) for state in (CallbackState.BEHIND, CallbackState.DUE, CallbackState.TRYING)
    )
    for endpoint_id, subject in repairs.broken_lines(tx):
        waiting = repairs.line(tx, endpoint_id, subject)
        tried = [callback for callback, state in waiting if state == trying]
        # What is being tried stays so: others about the same wait until its outcome is written down.
        first = tried[0] if tried else waiting[0][0]
        fresh = [(callback, behind) for callback, state in waiting if state == due and callback != first]
        if not tried and waiting[0][1] != due:
            fresh.append((first, due))
        repairs.stand(tx, fresh)
        if fresh:
            done.append(f"endpoint {endpoint_id}: callback {first} is told next about {subject}")
    return done


def _counters(tx: Tx) -> list[str]:
    """Let orders say what their messages say, where the ledger agrees with those."""
    done = []
    for order_id in repairs.miscounted(tx):
        owners = orders.owners(tx, [order_id])
        ledger.locked(tx, {(account, SMS) for account in owners.values()})
        order = orders.counters(tx, [order_id])[order_id]
        tally = repairs.tally(tx, order_id, order_id + order.total - 1)
        state = _state(order, tally)
        if state is None or (tally.held, tally.posted) != repairs.in_ledger(tx, order_id):
            continue
        before = _said(order)
        order.delivered, order.undelivered = tally.delivered, tally.undelivered
        order.held, order.posted, order.state = tally.held, tally.posted, state
        if _said(order) != before:
            orders.save_counters(tx, [order])
            done.append(f"order {order_id}: counted anew; it said {before}, and says {_said(order)}")
    return done


def _state(order: orders.Counters, tally: Tally) -> OrderState | None:
    """Where an order stands that has such messages; None where only people can tell."""
    if tally.messages != order.total or tally.odd:
        return None
    if tally.delivered + tally.undelivered < tally.messages:
        # Messages that wait in an order that is over: somebody may have wanted them not to be sent.
        return None if order.state in _DONE else order.state
    if order.state is OrderState.CANCELLED and not tally.reached:
        return order.state
    return OrderState.DONE if tally.reached else OrderState.FAILED


def _said(order: orders.Counters) -> str:
    return (
        f"{order.delivered} delivered, {order.undelivered} undelivered, {order.held} held,"
        f" {order.posted} posted, {order.state.name.lower()}"
    )


REPAIRS: Sequence[Repair] = (
    *(partial(_stated, statement=statement) for statement in repairs.STATEMENTS),
    _callback_lines,
    _counters,
)
"""Each to be made in a transaction of its own, in this order."""
