"""What the engine asks of a carrier of messages, and what a carrier may say back.

A carrier link never touches the store. It gets messages to submit, and tells its desk what became of
them; both sides of the conversation are batches, because one call a message is what makes gateways slow.
All calls, in both directions, are made on the event loop's thread.

The records are not frozen, because making a frozen one costs four times as much and there are several a
message; nobody changes one that was given away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


@dataclass(slots=True)
class Outgoing:
    """One message to hand over. `id` is ours; `number` is E.164 without the plus sign."""

    id: int
    number: int
    sender: str
    text: str


@dataclass(slots=True)
class Accepted:
    """The carrier has it, under these references, one a part, spelled as the carrier spelled them."""

    references: tuple[str, ...]


@dataclass(slots=True)
class Refused:
    """It did not go and will not: the carrier's own code, for people to read."""

    code: str


@dataclass(slots=True)
class Unknown:
    """It may have gone: its bytes left, and no answer came back."""

    why: str


Outcome = Accepted | Refused | Unknown


class ReportState(IntEnum):
    """What a report says of a message, in our words."""

    UNDERWAY = 1
    DELIVERED = 2
    UNDELIVERED = 3


@dataclass(slots=True)
class Report:
    """News about one part. `number` is the message's destination as the report names it, 0 if it does not."""

    reference: str
    number: int
    state: ReportState
    raw: str


@dataclass(slots=True)
class Inbound:
    """An SMS from somebody, or one part of it. `number` is whom it was sent to, 0 if that is no number.

    `reference` is the same for all parts of a message, and when the operator tells of it again. `part` counts
    from 1 to `parts`. `at` is when it was sent (ms UTC), if the operator says.
    """

    number: int
    sender: str
    text: str
    reference: str
    part: int = 1
    parts: int = 1
    at: int | None = None


class LinkDesk(Protocol):
    """Where a link tells what happened."""

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        """What became of submitted messages, by their id. Each message gets exactly one outcome."""

    def reports(self, batch: Sequence[Report], stored: Callable[[bool], None]) -> None:
        """News from the operator. `stored(True)` is called once it is committed, and only then may it be
        acknowledged; `stored(False)` when it could not be kept, so that the operator sends it again."""

    def inbound(self, batch: Sequence[Inbound], stored: Callable[[bool], None]) -> None:
        """SMS that came in over the link. `stored` is called as for `reports`."""

    def link_state(self, up: bool, why: str) -> None:
        """The link can take messages, or cannot, and why."""

    async def awaited(self, among: Sequence[str] | None = None) -> Mapping[str, bool]:
        """References of this carrier as it spelled them, and whether final news of each are still awaited.

        Those `among` these that are kept, which they are for a day after they were closed; or else all that
        are awaited. For carriers that have to be asked: a link that begins anew so learns about what."""


class MessageLink(Protocol):
    """A way out for messages.

    `submit` never blocks. A link may be handed messages while it is down: those that never left wait in it
    without an outcome until it is up again. A message whose bytes left and whose answer did not come gets
    `Unknown`. Throttling and full queues are the link's own affair: it slows down and keeps the message.
    """

    @property
    def window(self) -> int:
        """How many parts may be with the carrier and unanswered."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What the link alone knows: how often the carrier `throttled` it, and how often it `failed` to
        connect. There may be more, and what never happened may be missing."""

    def submit(self, batch: Sequence[Outgoing]) -> None:
        """Take these messages, in this order."""

    async def start(self, desk: LinkDesk) -> None:
        """Begin to connect, and keep connecting until stopped."""

    async def stop(self) -> None:
        """Take no more, wait shortly for answers that are due, unbind, close."""
