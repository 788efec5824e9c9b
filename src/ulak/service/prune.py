"""Pruning: what is through and older than a span of time goes, in short transactions beside whoever works.

An order goes when it is final, nothing about it has changed for that long, and nobody is still to be told of
it; a parcel and a purchase likewise. What they cost stays in the ledger: how much that was is noted per
account in the very commits that delete them, and their postings are then added up, so that every balance can
still be proved (`service.audit`).

On PostgreSQL a partition of messages of which every order may go is dropped as a whole: its orders first,
then the partition, and a row says meanwhile that its messages belong to nobody. Elsewhere messages are
deleted with their orders. Every step may be the last one of a process; the next run goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from functools import partial
from typing import TypeVar

from ulak.core.points import point
from ulak.core.states import PurchaseKind
from ulak.service.sweep import TRACES_KEPT
from ulak.store import ids, orders, partitions, pruning, pruning_things, pruning_traces
from ulak.store import sweep as sweep_store
from ulak.store.engine import Database, Tx
from ulak.store.partitions import Partition
from ulak.store.writer import write_on

Result = TypeVar("Result")
Position = int | None
"""The id to go on after; None: there is nothing more."""

SHORTEST = TRACES_KEPT
"""The least span, ms. Until then a late or doubled report still has to find its message."""

ROWS = 2_000
"""Orders, parcels or purchases that one transaction looks at."""

MESSAGES = 20_000
"""Messages after which a transaction deletes no further order."""

TRACES = 5_000
"""References, events or postings that one transaction looks at."""

_SLACK = 24 * 60 * 60 * 1000
"""Ids do not follow each other quite in the order of time, as each process has its own; ms."""

_NUMBERS = (int(PurchaseKind.CODE), int(PurchaseKind.RENTAL))
_BOUGHT = (int(PurchaseKind.MESSAGE),)


class What(StrEnum):
    """What is pruned."""

    MESSAGES = "messages"
    """Orders of messages, and messages that were bought."""
    PARCELS = "parcels"
    NUMBERS = "numbers"
    """Purchases of numbers. Those of credit stay: they are what an account's statement consists of."""


class Prune:
    """One run."""

    def __init__(self, database: Database, before: int, what: Collection[What], *, dry: bool = False) -> None:
        """`before`: what has not changed since then is old (ms); `dry`: it is only counted."""
        self.gone = Counter(orders=0, messages=0, partitions=0, waiting=0, parcels=0, purchases=0)
        self._database = database
        self._connection = database.connect()
        self._before = before
        self._what = what
        self._dry = dry
        self._waiting: set[int] = set()

    def run(self) -> Counter[str]:
        """Prune everything that is old; how much that was. `waiting` are partitions that the next run will
        drop: somebody still looks at them, or at one that has to leave before them.

        Raises:
            StoreUnavailable: the database could not go on; what was deleted by then stays so.
        """
        try:
            self._run()
        finally:
            self._connection.close()
        return self.gone

    def _run(self) -> None:
        if not self._dry:
            for first, last in self._connection.reading(pruning.dropped):
                self._drop(first, last)
        if What.MESSAGES in self._what:
            self._messages()
        if What.NUMBERS in self._what:
            self._walk(partial(self._some_purchases, kinds=_NUMBERS))
        if What.PARCELS in self._what:
            self._walk(self._some_parcels)
        if not self._dry:
            self._walk(self._some_events)
            self._walk(self._some_postings)

    def _messages(self) -> None:
        if not self._dry:
            self._references()
        self._walk(partial(self._some_purchases, kinds=_BOUGHT))
        for partition in self._connection.reading(partitions.every):
            if partition.leaving or partition.first in self._waiting:
                continue
            if self._connection.reading(partial(self._may_drop, partition)):
                self._whole(partition)
        self._walk(self._some_orders)

    def _walk(self, some: Callable[[Tx, int], tuple[Position, Counter[str]]]) -> None:
        """Do something to a whole table, some rows in each transaction."""
        position: Position = -1
        while position is not None:
            position, gone = self._do(partial(_from, some, position))
            self.gone.update(gone)

    def _do(self, change: Callable[[Tx], Result]) -> Result:
        """One short transaction."""
        if self._dry:
            return self._connection.reading(change)

        def whole(tx: Tx) -> Result:
            result = change(tx)
            point("prune.written")
            return result

        result = write_on(self._connection, whole)
        point("prune.committed")
        return result

    # Orders, with their messages.

    def _references(self) -> None:
        """Forget the references of messages that have been final for long: nothing leads to an order that
        goes."""
        position: tuple[int, int] | None = (-1, -1)
        while position is not None:
            position = self._do(partial(_references, position))

    def _some_orders(self, tx: Tx, after: int) -> tuple[Position, Counter[str]]:
        found = pruning.stretch(tx, after, self._before, ROWS)
        chosen = _first(found.orders, MESSAGES)
        position = chosen[-1][0] if len(chosen) < len(found.orders) else self._next(found)
        return position, self._delete(tx, chosen)

    def _delete(self, tx: Tx, chosen: Sequence[tuple[int, int]], *, messages: bool = True) -> Counter[str]:
        if self._dry:
            return Counter(orders=len(chosen), messages=sum(last - first + 1 for first, last in chosen))
        gone = pruning.delete(tx, chosen, messages=messages)
        return Counter(orders=gone.orders, messages=gone.messages)

    def _next(self, found: pruning.Stretch | pruning_things.Stretch) -> Position:
        """Where to go on after a stretch: nowhere if all of it is young."""
        return None if found.oldest > self._before + _SLACK else found.last

    # Whole partitions.

    def _may_drop(self, partition: Partition, tx: Tx) -> bool:
        first, last = partition.first, partition.last
        # A run that only counts has not deleted what was bought.
        return not ids.may_be_used(tx, first, last) and pruning.may_drop(
            tx, first, last, self._before, bought=self._dry
        )

    def _whole(self, partition: Partition) -> None:
        if self._dry:
            self.gone["partitions"] += 1
            return
        self._do(partial(pruning.begin_drop, first=partition.first, last=partition.last))
        self._drop(partition.first, partition.last)

    def _drop(self, first: int, last: int) -> None:
        """Go on with a partition that is being dropped: every order in it may go."""
        left = True
        while left:
            left, gone = self._do(partial(self._some_in, first=first, last=last))
            self.gone.update(gone)
        # While one waits for somebody no other can leave, and whoever it waits for looks for long.
        if self._waiting or not partitions.drop(self._database, first):
            self._waiting.add(first)
            self.gone["waiting"] = len(self._waiting)
            return
        point("prune.dropped")
        self.gone["partitions"] += self._do(partial(pruning.end_drop, first=first))

    def _some_in(self, tx: Tx, first: int, last: int) -> tuple[bool, Counter[str]]:
        found = pruning.in_range(tx, first, last, ROWS)
        return len(found) == ROWS, self._delete(tx, found, messages=False)

    # Purchases and parcels.

    def _some_purchases(self, tx: Tx, after: int, kinds: Sequence[int]) -> tuple[Position, Counter[str]]:
        found = pruning_things.purchases(tx, kinds, after, self._before, ROWS)
        sent = [message_id for _, message_id in found.found if message_id is not None]
        through = dict(pruning.through(tx, sent, self._before)) if sent else {}
        kept = orders.owners(tx, sent).keys() - through.keys() if sent else set()
        chosen = [purchase_id for purchase_id, message_id in found.found if message_id not in kept]
        gone = self._delete(tx, sorted(through.items()))
        gone["purchases"] = len(chosen) if self._dry else pruning_things.delete_purchases(tx, chosen)
        return self._next(found), gone

    def _some_parcels(self, tx: Tx, after: int) -> tuple[Position, Counter[str]]:
        found = pruning_things.parcels(tx, after, self._before, ROWS)
        chosen = [consignment_id for consignment_id, _ in found.found]
        count = len(chosen) if self._dry else pruning_things.delete_parcels(tx, chosen)
        return self._next(found), Counter(parcels=count)

    # What is left of them.

    def _some_events(self, tx: Tx, after: int) -> tuple[Position, Counter[str]]:
        return pruning_traces.events(tx, after, self._before, TRACES), Counter()

    def _some_postings(self, tx: Tx, after: int) -> tuple[Position, Counter[str]]:
        return pruning_traces.postings(tx, after, self._before + _SLACK, TRACES), Counter()


def _from(some: Callable[[Tx, int], Result], after: int, tx: Tx) -> Result:
    return some(tx, after)


def _references(after: tuple[int, int], tx: Tx) -> tuple[int, int] | None:
    return sweep_store.references(tx, after, tx.now - TRACES_KEPT, TRACES)


def _first(found: Iterable[tuple[int, int]], messages: int) -> list[tuple[int, int]]:
    """The first orders, up to the one with which they have so many messages."""
    chosen, count = [], 0
    for order in found:
        if count >= messages:
            break
        chosen.append(order)
        count += order[1] - order[0] + 1
    return chosen
