"""Ids that are leased in blocks: those of messages, and those of the parts of a consignment.

A process leases a block in a transaction of its own and hands ids out of it without asking; ids that are
not used up are lost, which costs nothing. An order's messages are always contiguous.
"""

from __future__ import annotations

from ulak.store.engine import Sql, Tx

BLOCK = 100_000
"""Ids leased at once; more than the largest order has messages."""

_LEASE = Sql(
    "INSERT INTO id_block (name, next) VALUES (:name, :first + :count)"
    " ON CONFLICT (name) DO UPDATE SET next = id_block.next + :count RETURNING next"
)


MESSAGE, PART = "message", "part"
"""What ids are leased for: messages; packages and the items in them."""


def lease(tx: Tx, count: int, name: str = MESSAGE) -> range:
    """`count` ids of a kind that nobody else has or will have."""
    row = tx.one(_LEASE, name=name, first=1, count=count)
    assert row is not None
    return range(row[0] - count, row[0])


class Ids:
    """The ids this process has left."""

    def __init__(self) -> None:
        self._left = range(0)

    def short(self, count: int) -> int:
        """How many must be leased before `count` can be taken; 0 when they are at hand."""
        return 0 if len(self._left) >= count else max(BLOCK, count)

    def refill(self, block: range) -> None:
        """Go on with a newly leased block."""
        self._left = block

    def take(self, count: int) -> int:
        """The first of `count` contiguous ids."""
        assert count <= len(self._left), "ids must be leased before a group is decided"
        first = self._left.start
        self._left = self._left[count:]
        return first
