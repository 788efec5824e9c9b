"""What an account sent elsewhere: orders as another service tells of them, and how far they are here.

Such orders are read only: nothing here changes them, and what becomes of them is asked where they were sent.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

PAGE_ROWS = 1_000
"""Messages of an order that are told and kept at a time; every page but the last has so many."""


class PastOrder(NamedTuple):
    """An order. `status` is a code of the service's; times are ms UTC.

    `price` is what it cost as the service told it, credits or an amount, '' where it did not. `taken` is how
    many of its messages are here.
    """

    number: int
    status: int
    total: int
    delivered: int
    undelivered: int
    submitted: int
    due: int
    sender: str
    price: str = ""
    taken: int = 0

    @property
    def waiting(self) -> int:
        """Messages whose end is not known."""
        return max(0, self.total - self.delivered - self.undelivered)

    @property
    def counters(self) -> tuple[int, int, int, int]:
        """What changes while it is on its way."""
        return self.status, self.total, self.delivered, self.undelivered


class PastMessage(NamedTuple):
    """A recipient of an order: '+90…', or what the service shows instead, and the service's code."""

    number: str
    status: int


class PastPage(NamedTuple):
    """An order in full, with one page of its messages."""

    order: PastOrder
    messages: list[PastMessage]


class Walk(NamedTuple):
    """How far an account's past is here: every day from `since` and before `day`, as a whole."""

    since: date
    day: date

    def joined(self, since: date, day: date) -> Walk:
        """With another stretch of days, which counts alone if there is a gap between the two."""
        day = max(since, day)
        if day < self.since or since > self.day:
            return Walk(since, day)
        return Walk(min(since, self.since), max(day, self.day))
