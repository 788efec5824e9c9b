"""Events: written in the commit of the change that made them happen, with the callbacks that tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.callbacks import CallbackState, Endpoint
from ulak.core.events import Event
from ulak.core.points import point
from ulak.store import callbacks, endpoints
from ulak.store import events as store
from ulak.store.engine import Tx


def record(tx: Tx, events: Sequence[Event], *, first: bool = False) -> None:
    """Write what happened, in this order, and queue a callback for every endpoint that wants to be told.

    Of what is told to an endpoint about one subject, the first is due and the others wait behind it. The
    endpoints stay locked until the commit, so that nobody else decides about the same queue meanwhile: do
    this last in a transaction. `first`: they are the first ones about their subjects.
    """
    ids = store.insert(tx, events)
    told = endpoints.told(tx, [(event.account_id, event.kind.family) for event in events]) if events else {}
    named = {event.endpoint_id for event in events if event.endpoint_id is not None}
    told |= endpoints.in_use(tx, endpoints.locked(tx, named)) if named else {}
    of_account: dict[int, list[Endpoint]] = {}
    for each in told.values():
        of_account.setdefault(each.account_id, []).append(each)
    wanted = [
        (endpoint.id, event_id, event.subject)
        for event_id, event in zip(ids, events, strict=True)
        for endpoint in of_account.get(event.account_id, ())
        if endpoint.id == event.endpoint_id or event.kind.family in endpoint.families
    ]
    if not wanted:
        return
    pairs = [(endpoint, subject) for endpoint, _, subject in wanted]
    busy = set[tuple[int, int]]() if first else callbacks.with_open(tx, pairs)
    rows = []
    for endpoint, event_id, subject in wanted:
        behind = (endpoint, subject) in busy
        rows.append((endpoint, event_id, subject, CallbackState.BEHIND if behind else CallbackState.DUE))
        busy.add((endpoint, subject))
    callbacks.insert(tx, rows)
    point("callback.queued")
