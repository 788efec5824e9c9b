"""What a link has to do with: its carrier, the orders it works on, and the messages that are with it."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

from ulak.core.doubts import OnUncertain
from ulak.core.messages import QueuedMessage
from ulak.core.references import IdForm
from ulak.service.dispatch import Sent


@dataclass(frozen=True, slots=True)
class Channel:
    """What the engine has to know of a configured carrier."""

    carrier_id: int
    name: str
    prefix: str = ""
    priority: int = 0
    id_form: IdForm = IdForm.TEXT
    on_uncertain: OnUncertain = OnUncertain.RESEND


@dataclass(slots=True, eq=False)
class Run:
    """An order while a link works on it. `again` goes before `rows`; `out` are the ids with the link."""

    order_id: int
    sender: str
    last_id: int
    texts: tuple[tuple[int, str], ...]
    rows: deque[QueuedMessage]
    again: deque[QueuedMessage]
    covered: int
    opened: int
    out: set[int] = field(default_factory=set)
    loading: bool = False

    def text_of(self, message_id: int) -> str:
        """The text that a message carries."""
        if len(self.texts) == 1:
            return self.texts[0][1]
        return self.texts[bisect_right(self.texts, message_id, key=lambda text: text[0]) - 1][1]

    def settled(self) -> int:
        """The id up to which every message has an outcome."""
        lowest = min(self.out, default=self.opened + 1)
        return min([lowest, *(row.id for row in self.again)]) - 1

    @property
    def exhausted(self) -> bool:
        """Nothing is left to hand over."""
        return not self.rows and not self.again and self.covered >= self.last_id


@dataclass(slots=True)
class Flight:
    """A message with the link, and the slots of the window it takes."""

    sent: Sent
    run: Run
    slots: int
