"""Purchases: what is bought for one payment, and the times and prices that go with it.

A purchase is known to its customer by a public id that nobody can guess, and that is all it takes to see and
to cancel it. It is paid by a Lightning invoice whose money is held until the outcome is known, or from the
balance of an account (`prepaid`), where the same is a reservation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from ulak.core.errors import Refusal
from ulak.core.pools import ANY
from ulak.core.states import PurchaseKind, PurchaseState, Resolve

SECOND = 1_000
MINUTE = 60 * SECOND

PAY_WITHIN = 1260 * SECOND
"""How long an invoice can be paid (sms4sats specification, section 4)."""

BUY_WITHIN = 60 * SECOND
"""How long a number is looked for after the payment, ms."""

CODE_WITHIN = 21 * MINUTE
"""How long a code is waited for after the payment, ms."""

CANCEL_AFTER = 2 * MINUTE
"""How long a customer has to wait for a code after the number is assigned before he can cancel, ms."""

SENT_HOLDS = 10 * SECOND
"""How long the money of a message that a carrier took can still go back, ms: most failures come at once."""

RENTAL_CANCEL_WITHIN = 20 * MINUTE
"""How long a rental without a message can be given back after it was assigned, ms."""

WEEK = 7 * 24 * 60 * MINUTE

QUOTE_HOLDS = 5 * MINUTE
"""How long a price that was shown is what an invoice asks for, ms."""

REFERRAL_SHARE = 10
"""Per cent of what was taken that its referrer gets."""

CREDIT_MIN, CREDIT_MAX = 1_000, 10_000_000
"""Sats that can be funded at once."""

ONCE_KEPT = 24 * 60 * MINUTE
"""How long a key of a customer's names what he bought with it, ms."""

ID_SIZE = 32
"""Octets of a public id."""


class Tariff(IntEnum):
    """What prices there are."""

    RECEIVE = 2
    SEND = 3
    RENT = 4
    HANDSET = 5
    """A code on a number that is in a handset (sms4sats: `s4s`)."""


@dataclass(slots=True)
class Purchase:
    """A purchase as it is stored. Times are ms UTC, amounts whole sats.

    `pool` is what was asked for until a number is assigned, then where it is from. `preimage` is sealed.
    `changed` is the last change that its customer can see. `due`, `look` and `verify` say when time itself
    changes it, when the source of its number (or the order engine) and when the Lightning node is asked next.
    `once` is a key of its customer's under which it is bought once.
    """

    id: int
    public_id: str
    account_id: int
    dialect: str
    kind: PurchaseKind
    state: PurchaseState
    price: int
    created: int
    changed: int
    resolve: Resolve = Resolve.OPEN
    resolved: int | None = None
    held: int = 0
    posted: int = 0
    prepaid: bool = False
    payment_hash: str | None = None
    preimage: str | None = None
    payreq: str | None = None
    service: str = ""
    pool: int = ANY
    weeks: int = 0
    handset: bool = False
    carrier_id: int | None = None
    reference: str | None = None
    number: int | None = None
    code: str | None = None
    text: str | None = None
    message_id: int | None = None
    referrer: str | None = None
    endpoint_id: int | None = None
    paid: int | None = None
    assigned: int | None = None
    due: int | None = None
    look: int | None = None
    verify: int | None = None
    once: str | None = None

    @property
    def ends(self) -> int | None:
        """When a rental is over."""
        return None if self.assigned is None or not self.weeks else self.assigned + self.weeks * WEEK


@dataclass(frozen=True, slots=True)
class Incoming:
    """An SMS that came to the number of a purchase. `code` is what we, or its source, took out of it."""

    sender: str
    text: str
    code: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to buy; understood, and not yet accepted.

    For a code or a rental: `pool` and `service`; for a message: `number` and `text`; for credit: `amount`.
    `prepaid`: from the balance of the account. `memo` is what the invoice says it is for.
    `once`: whoever says the same key within a day gets what he bought with it before; accounts only.
    """

    dialect: str
    kind: PurchaseKind
    pool: int = ANY
    service: str = ""
    handset: bool = False
    number: int | None = None
    text: str | None = None
    amount: int = 0
    prepaid: bool = False
    referrer: str | None = None
    callback_url: str | None = None
    memo: str = ""
    once: str | None = None

    @property
    def tariff(self) -> Tariff:
        """By which tariff it is paid; credit by none."""
        if self.kind is PurchaseKind.MESSAGE:
            return Tariff.SEND
        if self.kind is PurchaseKind.RENTAL:
            return Tariff.RENT
        return Tariff.HANDSET if self.handset else Tariff.RECEIVE


@dataclass(frozen=True, slots=True)
class Sold:
    """An accepted wish: its public id, and the invoice (BOLT 11) to pay; None: the balance has paid."""

    public_id: str
    payreq: str | None


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """What its customer may see of a purchase; also the data of an event about one.

    `number_id` is what the source knows the number by where that is a number, else an id of ours. `texts` are
    those of a rental. Fields that are not to be seen (yet) are None: a code before its money is taken, say.
    `kept`: the message was sent, so its money stays taken although it was not delivered.
    """

    public_id: str
    kind: PurchaseKind
    state: PurchaseState
    paid: bool
    changed: int
    service: str = ""
    pool: int = 0
    number_id: int | None = None
    number: int | None = None
    code: str | None = None
    ends: int | None = None
    texts: tuple[Incoming, ...] = ()
    kept: bool = False


_SAFE = 2**53
"""Integers up to here are exact wherever JSON is read."""


def shown_of(purchase: Purchase, texts: Sequence[Incoming] = ()) -> Shown:
    """What the customer may see of a purchase.

    A number is seen from its assignment on, that of a rental once it is paid for; a code once it is.
    """
    has_number = purchase.kind in (PurchaseKind.CODE, PurchaseKind.RENTAL) and purchase.assigned is not None
    if purchase.kind is PurchaseKind.RENTAL:
        has_number = has_number and purchase.state in (PurchaseState.ACTIVE, PurchaseState.ENDED)
    reference = purchase.reference or ""
    numeric = reference.isascii() and reference.isdigit() and 0 < int(reference) < _SAFE
    done = purchase.state in (PurchaseState.DONE, PurchaseState.ACTIVE, PurchaseState.ENDED)
    return Shown(
        purchase.public_id,
        purchase.kind,
        purchase.state,
        purchase.paid is not None,
        purchase.changed,
        purchase.service,
        purchase.pool,
        (int(reference) if numeric else purchase.id) if has_number else None,
        purchase.number if has_number else None,
        purchase.code if done else None,
        purchase.ends if has_number else None,
        tuple(texts) if has_number else (),
        purchase.state is PurchaseState.FAILED and purchase.resolve is Resolve.SETTLE,
    )


def once_key(once: str) -> str:
    """What the stored form of a customer's own key begins with."""
    return hashlib.sha256(once.encode("utf-8", "replace")).hexdigest()[:32]


def once_of(wish: Wish) -> str | None:
    """The stored form of a customer's own key: a digest of it, and one of what was wanted with it."""
    if wish.once is None:
        return None
    content = hashlib.sha256(msgspec.json.encode(wish)).hexdigest()[:32]
    return once_key(wish.once) + content


def key_of(public_id: str) -> int:
    """What a purchase is looked up by: 63 bits of a digest of its public id."""
    return int.from_bytes(hashlib.sha256(public_id.encode("utf-8", "replace")).digest()[:8], "big") >> 1


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a wish, or a cancel, was not carried out; `wait`: seconds after which it may be asked for again."""

    refusal: Refusal
    wait: int = 0
