"""Events: written in the commit of the change that made them happen, with the callbacks that tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.events import Event
from ulak.store import events as store
from ulak.store.engine import Tx


def record(tx: Tx, events: Sequence[Event]) -> None:
    """Write what happened, in this order, and queue a callback for every endpoint that wants to be told."""
    store.insert(tx, events)
