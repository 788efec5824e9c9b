"""Which messages go in one request: one order, one sender, several texts, each with its recipients.

A number stands in an order once, so that the order and the number name a message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ulak.dialects.iletimerkezi import wire

if TYPE_CHECKING:
    from ulak.core.ports import Outgoing
    from ulak.dialects.iletimerkezi.connect.settings import Upstream

RECIPIENTS_MAX = 50_000
"""Recipients of a request (the vendor's manifest of May 2026)."""

TEXTS_MAX = 100
"""Texts of a request. The vendor names no limit; a bad one among so many is found with seven halvings."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Messages that go together, and in this composition again: the server knows an order that is repeated by
    its texts and all of their recipients. `losses`: how often it was not answered and nothing came of it, and
    `faults` in how many of these the server said that it failed."""

    sender: str
    messages: tuple[Outgoing, ...]
    losses: int = 0
    faults: int = 0

    @property
    def numbers(self) -> frozenset[int]:
        """Who gets something."""
        return frozenset(message.number for message in self.messages)

    @property
    def shape(self) -> int:
        """The same for requests of the same texts to the same numbers, while this process lives."""
        return hash(frozenset((message.text, message.number) for message in self.messages))

    def by_text(self) -> dict[str, list[Outgoing]]:
        """The messages of each text."""
        found: dict[str, list[Outgoing]] = {}
        for message in self.messages:
            found.setdefault(message.text, []).append(message)
        return found

    def halves(self) -> tuple[Request, Request] | None:
        """Half of its texts each, or half of the recipients of its only text; None if it is one message."""
        texts = list(self.by_text().values())
        if len(texts) == 1:
            texts = [[message] for message in texts[0]]
        if len(texts) == 1:
            return None
        middle = len(texts) // 2
        return self._part(texts[:middle]), self._part(texts[middle:])

    def _part(self, texts: Sequence[Sequence[Outgoing]]) -> Request:
        return Request(self.sender, tuple(message for group in texts for message in group))


def compose(waiting: deque[Outgoing], sender: str, most: int, busy: Collection[int]) -> Request | None:
    """Take the next request out of what waits. `sender` goes in place of each message's own, unless it is
    empty.

    The numbers in `busy` are in requests of which it is not yet known what became of them: were one in two of
    these, their orders could not be told apart. What is behind the end of a full request is not looked at, as
    fifty thousand messages may wait.
    """
    chosen: list[Outgoing] = []
    passed: list[Outgoing] = []
    numbers: set[int] = set()
    texts: set[str] = set()
    own = ""
    while waiting and len(chosen) < most:
        message = waiting[0]
        if message.text not in texts and len(texts) == TEXTS_MAX:
            break
        waiting.popleft()
        other = bool(chosen) and not sender and message.sender != own
        if other or message.number in busy or message.number in numbers:
            passed.append(message)
            continue
        own = message.sender
        chosen.append(message)
        numbers.add(message.number)
        texts.add(message.text)
    waiting.extendleft(reversed(passed))
    return Request(sender or own, tuple(chosen)) if chosen else None


def written(request: Request, to: Upstream, who: wire.Authentication) -> bytes:
    """The body of a request. It is to be sent now."""
    messages = [
        wire.Message(text, wire.Receipents([str(message.number) for message in group]))
        for text, group in request.by_text().items()
    ]
    order = wire.Order(request.sender, "", to.iys, to.iys_list, messages)
    return wire.dump_request(wire.SendSms(who, order))
