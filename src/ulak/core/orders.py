"""An SMS order as it comes in, and as it is shown.

A dialect turns its request into an `OrderDraft`. What depends on the account is asked back through
`OrderDraft.judge`, because the account is only known inside the transaction that places the order.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ulak.core.accounts import Account
from ulak.core.consents import Audience
from ulak.core.errors import Refusal
from ulak.core.states import MessageState, OrderState

RECIPIENTS_MAX = 50_000
"""Recipients of one order (iletiMerkezi's own limit for bulk requests, docs of May 2026)."""


@dataclass(slots=True)
class TextDraft:
    """One text and its recipients, each once.

    `parts` is what one recipient costs, in credits. `numbers` are E.164 as integers, 0 where the submitted
    text could not be read; that text is then in `odd`, by index. `barred` numbers are valid but must not
    get this message; like unreadable ones they become undelivered messages at no cost.
    """

    text: str
    parts: int
    numbers: list[int]
    odd: dict[int, str] = field(default_factory=dict)
    barred: frozenset[int] = frozenset()

    def usable(self) -> int:
        """How many recipients will really be sent to."""
        bad = self.numbers.count(0)
        if self.barred:
            bad += sum(number in self.barred for number in self.numbers)
        return len(self.numbers) - bad


class ConsentNeeded(NamedTuple):
    """Only who agreed to get messages of this brand is written to, as somebody of that audience. `presumed`:
    who said nothing counts as agreed."""

    brand: int
    audience: Audience
    presumed: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a dialect says of a draft once it knows the account and the time.

    `due` is when it is to be sent (ms UTC), None for at once. `faults` are the refusals found; which one the
    customer sees is decided by `OrderDraft.checks`. `sender_free`: the sender needs no approval.
    `texts` replaces the draft's own when not None (trial messages). `consent`: others get nothing.
    """

    due: int | None = None
    faults: frozenset[Refusal] = frozenset()
    sender_free: bool = False
    texts: list[TextDraft] | None = None
    consent: ConsentNeeded | None = None


@dataclass(slots=True)
class OrderDraft:
    """An order that was understood but not yet accepted.

    `checks` lists every refusal that can happen in the order in which the dialect's customers see them.
    `fingerprint` is None where the repeat check does not apply.
    """

    dialect: str
    sender: str
    texts: list[TextDraft]
    judge: Callable[[Account, int], Ruling]
    checks: tuple[Refusal, ...]
    fingerprint: int | None = None

    def first_of(self, faults: Iterable[Refusal]) -> Refusal | None:
        """The fault that is visible: the earliest in the dialect's order of checks."""
        found = set(faults)
        if not found:
            return None
        return next((check for check in self.checks if check in found), None)


def fingerprint(texts: Iterable[tuple[str, Iterable[int]]]) -> int:
    """A 63-bit digest that is equal for the same texts to the same numbers, whatever their order."""
    digests = sorted(
        hashlib.blake2b(text.encode() + b"\0" + array("q", sorted(numbers)).tobytes(), digest_size=8).digest()
        for text, numbers in texts
    )
    whole = hashlib.blake2b(b"".join(digests), digest_size=8).digest()
    return int.from_bytes(whole, "big") >> 1


_NAMES = 2**31 - 1


def message_name(first: int, place: int) -> int:
    """What callbacks call the message at a place of an order whose first one they call `first`: counted per
    account from 1, and from 1 again after 2³¹ - 1, because clients keep it in 32 bits."""
    return (first - 1 + place) % _NAMES + 1


@dataclass(frozen=True, slots=True)
class Throttled:
    """An order that is too much for its account's velocity limits now; `wait`: seconds until there may be
    room."""

    wait: int


@dataclass(frozen=True, slots=True)
class Placed:
    """An accepted order, under the number its customer knows."""

    number: int


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """An order as lists show it. `price` is what is held or was taken, in credits. Times are ms UTC."""

    number: int
    state: OrderState
    total: int
    delivered: int
    undelivered: int
    submitted: int
    due: int
    sender: str
    price: int

    @property
    def waiting(self) -> int:
        """Messages without a final state."""
        return self.total - self.delivered - self.undelivered


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One recipient in a report: `shown` is the number as it is to be displayed."""

    shown: str
    state: MessageState


@dataclass(frozen=True, slots=True)
class OrderReport:
    """An order and one page of its messages, in the order they were submitted."""

    order: OrderSummary
    messages: list[MessageRow]
