"""Double entry: what moves between the four ledger accounts that a tenant has for each asset.

`issued` is the outside world, and negative; `available` can be spent; `held` is reserved for orders that are
under way; `spent` is gone. Every posting takes from one and gives to another, so their sum is always zero.
Nothing is ever edited: a refund is a posting turned round.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

SMS = "SMS"
"""The asset that messages are paid with: one credit is one part."""

TRY = "TRY"
"""The asset that parcels are paid with, in kuruş."""

SAT = "SAT"
"""The asset that numbers and single messages are paid with, in whole sats."""


class Move(IntEnum):
    """What a posting does."""

    GRANT = 1
    HOLD = 2
    POST = 3
    VOID = 4
    REFUND = 5
    PLEDGE = 6
    """Money from outside is held for us by a Lightning node."""
    RELEASE = 7
    """It went back."""
    DEPOSIT = 8
    """It is taken, and can be spent."""


ENTRIES: dict[Move, tuple[str, str]] = {
    Move.GRANT: ("issued", "available"),
    Move.HOLD: ("available", "held"),
    Move.POST: ("held", "spent"),
    Move.VOID: ("held", "available"),
    Move.REFUND: ("spent", "available"),
    Move.PLEDGE: ("issued", "held"),
    Move.RELEASE: ("held", "issued"),
    Move.DEPOSIT: ("held", "available"),
}
"""For each move the ledger account it takes from and the one it gives to."""


class Posting(NamedTuple):
    """`amount` (positive, smallest unit) moved for an account, and the order, consignment or purchase it
    was for."""

    account_id: int
    asset: str
    move: Move
    amount: int
    order_id: int | None = None
    consignment_id: int | None = None
    purchase_id: int | None = None


@dataclass(slots=True)
class Balance:
    """What an account has of an asset; a working copy while a group is decided."""

    issued: int = 0
    available: int = 0
    held: int = 0
    spent: int = 0

    def apply(self, posting: Posting) -> None:
        """Move the amount. The caller has made sure that it is there."""
        source, target = ENTRIES[posting.move]
        setattr(self, source, getattr(self, source) - posting.amount)
        setattr(self, target, getattr(self, target) + posting.amount)
