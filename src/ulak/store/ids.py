"""Ids that are leased in blocks: those of messages, and those of the parts of a consignment.

A process leases a block in a transaction of its own and hands ids out of it without asking; ids that are
not used up are lost, which costs nothing. An order's messages are always contiguous.

On PostgreSQL a block of message ids lies in one partition, which is made before it is leased. What is left of
it is not used any more after an hour, so that a partition can be dropped whose orders are all gone: which
blocks may still be in use is written down.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ulak.store import partitions
from ulak.store.engine import Sql, Tx

BLOCK = 100_000
"""Ids leased at once; more than the largest order has messages."""

REST_KEPT = 60 * 60
"""Seconds after which the rest of a block is not used any more."""

LEASE_KEPT = 2 * REST_KEPT * 1000
"""How long it is written down that a block was leased, ms: longer than anybody takes ids from it."""

_LEASE = Sql(
    "INSERT INTO id_block (name, next) VALUES (:name, :first + :count)"
    " ON CONFLICT (name) DO UPDATE SET next = id_block.next + :count RETURNING next"
)


# Locks the row until the lease is committed.
_NEXT = Sql(
    "INSERT INTO id_block (name, next) VALUES (:name, 1)"
    " ON CONFLICT (name) DO UPDATE SET next = id_block.next RETURNING next"
)
_SET_NEXT = Sql("UPDATE id_block SET next = :next WHERE name = :name")
_PEEK = Sql("SELECT next FROM id_block WHERE name = :name")
_REMEMBER = Sql("INSERT INTO id_lease (first, last, at) VALUES (:first, :last, :now)")
_FORGET = Sql("DELETE FROM id_lease WHERE at <= :before")
_HELD = Sql("SELECT 1 FROM id_lease WHERE first <= :last AND last >= :first AND at > :since LIMIT 1")

MESSAGE, PART = "message", "part"
"""What ids are leased for: messages; packages and the items in them."""


def lease(tx: Tx, count: int, name: str = MESSAGE, *, partition: int = partitions.SIZE) -> range:
    """`count` ids of a kind that nobody else has or will have. A partition that has to be made for messages
    gets `partition` ids."""
    if tx.postgres and name == MESSAGE:
        return _lease_in_partition(tx, count, partition)
    row = tx.one(_LEASE, name=name, first=1, count=count)
    assert row is not None
    return range(row[0] - count, row[0])


def _lease_in_partition(tx: Tx, count: int, partition: int) -> range:
    row = tx.one(_NEXT, name=MESSAGE)
    assert row is not None
    first = partitions.room(tx, row[0], count, partition)
    tx.run(_SET_NEXT, name=MESSAGE, next=first + count)
    if count >= BLOCK:  # fewer are used at once
        tx.run(_FORGET, before=tx.now - LEASE_KEPT)
        tx.run(_REMEMBER, first=first, last=first + count - 1, now=tx.now)
    return range(first, first + count)


def next_message(tx: Tx) -> int:
    """The first message id that nobody has leased."""
    row = tx.one(_PEEK, name=MESSAGE)
    return row[0] if row else 1


def may_be_used(tx: Tx, first: int, last: int) -> bool:
    """Whether somebody may still use ids of [first, last] that are not used yet, or lease them."""
    return last >= next_message(tx) or (
        tx.one(_HELD, first=first, last=last, since=tx.now - LEASE_KEPT) is not None
    )


class Ids:
    """The ids this process has left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._left = range(0)
        self._leased = clock()

    def short(self, count: int) -> int:
        """How many must be leased before `count` can be taken; 0 when they are at hand."""
        if self._clock() - self._leased > REST_KEPT:
            self._left = range(0)
        return 0 if len(self._left) >= count else max(BLOCK, count)

    def refill(self, block: range) -> None:
        """Go on with a newly leased block."""
        self._left = block
        self._leased = self._clock()

    def take(self, count: int) -> int:
        """The first of `count` contiguous ids."""
        assert count <= len(self._left), "ids must be leased before a group is decided"
        first = self._left.start
        self._left = self._left[count:]
        return first
