"""What is owed to those who referred customers, and what gives out the invoices to pay them (LUD-16)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

from ulak.core.purchases import MINUTE, REFERRAL_SHARE, SECOND

TRIES = 12
"""How often a share is tried to be paid before it is kept as owed."""

_FIRST, _LONGEST = 30 * SECOND, 12 * 60 * MINUTE


class ReferralState(IntEnum):
    """Where a share stands."""

    OWED = 2
    PAYING = 3
    """Its invoice is known; it may have been paid."""
    PAID = 4
    KEPT = 5
    """It could not be paid for long; it stays owed, and nothing is tried any more."""


class Referral(NamedTuple):
    """A share in sats of what a purchase cost, for a Lightning Address. `payreq` and `payment_hash` are those
    of the invoice it is paid by."""

    purchase_id: int
    address: str
    amount: int
    state: ReferralState
    payreq: str | None
    payment_hash: str | None


class Bill(NamedTuple):
    """An invoice that an address gave out: its text, and its payment hash (hexadecimal)."""

    payreq: str
    payment_hash: str


class NoBill(Exception):
    """An address gave no invoice; the text says why, in plain words."""


class Addresses(Protocol):
    """Asks Lightning Addresses for invoices."""

    async def bill(self, address: str, amount: int) -> Bill:
        """An invoice of this address over so many sats. Raises `NoBill`."""


def share_of(amount: int) -> int:
    """What the referrer of a purchase gets: a tenth, in whole sats."""
    return amount * REFERRAL_SHARE // 100


def next_try(tries: int) -> int | None:
    """How long to wait after so many tries that failed, ms; None: it is tried no more."""
    return None if tries >= TRIES else min(_FIRST * 2**tries, _LONGEST)


def fee_limit(amount: int) -> int:
    """What sending a share may cost, in sats: a hundredth, and always a little."""
    return max(5, amount // 100)
