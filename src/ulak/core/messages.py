"""A message on its way: handed over, and what reports make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ulak.core.ports import ReportState
from ulak.core.states import FINAL_MESSAGES, MESSAGE, MessageEvent, MessageState


class QueuedMessage(NamedTuple):
    """A message to be handed over. `price` is what it costs, in credits."""

    id: int
    number: int
    price: int


@dataclass(slots=True)
class MessageCopy:
    """A message while a group of reports is decided. `price` is in credits."""

    id: int
    order_id: int
    number: int
    state: MessageState
    price: int
    open_parts: int
    touched: bool = False

    def step(self, event: MessageEvent) -> bool:
        """Let an event happen; whether it changed anything."""
        following = MESSAGE[self.state].get(event)
        if following is None:
            return False
        self.state = following
        self.touched = True
        if event is MessageEvent.EXPIRED:
            self.open_parts = 0  # Nobody knows better: it may have reached the carrier.
        return True

    def report(self, part: int, state: ReportState) -> bool:
        """Apply a report about one part. Returns whether it contradicts what was final already.

        A message is delivered when all its parts are; one part undelivered makes it undelivered.
        """
        if self.state in FINAL_MESSAGES:
            said = MessageState.DELIVERED if state is ReportState.DELIVERED else MessageState.UNDELIVERED
            return state is not ReportState.UNDERWAY and said is not self.state
        if state is ReportState.UNDELIVERED and self.step(MessageEvent.UNDELIVERED):
            self.open_parts = 0
        elif state is ReportState.DELIVERED and self.open_parts & (1 << part):
            self.open_parts &= ~(1 << part)
            self.touched = True
            if not self.open_parts:
                self.step(MessageEvent.DELIVERED)
        return False
