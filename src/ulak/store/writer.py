"""The one writer of a process: what has come while it was busy is committed together.

An answer to a request may only leave after its change is on disk, and a disk syncs a few thousand times a
second at best. So changes that come often (orders, outcomes, reports, claims) are not transactions of their
own: they are *gathered*, decided in order on one working copy, written with one statement a table, and share
one sync. Everything else is a function of its own on the same connection; those that wait share a transaction
too, one after the other, unless one of them fails: then each is done alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog

from ulak.core.errors import StoreUnavailable
from ulak.core.figures import Key, WriterFigures
from ulak.core.points import point
from ulak.store import ids as id_store
from ulak.store.engine import Conflict, Connection, Database, Tx

Result = TypeVar("Result")

GROUP_MAX = 2_000
"""Items decided together at most, so that a group never takes long."""

GROUP_IDS_MAX = 100_000
"""Message ids that one group may take: two of the largest orders, not twenty."""

PENDING_MAX = 20_000
"""Items waiting at most; beyond it new ones are refused before anything is promised."""

PENDING_IDS_MAX = 2_000_000
"""Message ids that waiting items may take before no more of them are let in: forty of the largest orders."""

TOGETHER_MAX = 16
"""Questions, or changes, that share one transaction at most; beginning and ending it costs more than most."""

BACKLOG = 8
"""Waiting questions from which on another thread is woken. One lock carries all threads, so a second one
makes short questions dearer, and only long ones quicker."""

_TRIES = 5

log = structlog.get_logger("ulak.store")


@dataclass(frozen=True, slots=True)
class GroupKind:
    """A kind of gathered change.

    `decide` gets all items of a group at once and returns a result for each, in order. It may be called
    again for the same items when a transaction dies, so apart from `tx` and ids it must change nothing.
    `ids_needed` tells how many message ids deciding an item may take.
    """

    decide: Callable[[Tx, Sequence[Any], id_store.Ids], Sequence[Any]]
    ids_needed: Callable[[Any], int] = lambda _item: 0


class _Lost(StoreUnavailable):
    """It lost against other transactions as often as it was tried."""


class Writer:
    """A thread with the writing connection. Kinds are decided in the order of their table."""

    def __init__(
        self,
        database: Database,
        kinds: Mapping[str, GroupKind],
        deliver: Callable[[list[tuple[Any, Any]]], None],
    ) -> None:
        """`deliver` is called on the writer's thread with (ticket, result or exception) pairs per group."""
        self._database = database
        self._kinds = dict(kinds)
        self._deliver = deliver
        self.figures = WriterFigures()
        self._ids = id_store.Ids()
        self._wake = threading.Condition()
        self._items: dict[str, deque[tuple[Any, Any]]] = {name: deque() for name in kinds}
        self._changes: deque[tuple[Callable[[Tx], Any], Any]] = deque()
        self._pending = 0
        self._pending_ids = 0
        self._stopping = False
        self.connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="ulak-writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was given, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    @property
    def queued(self) -> int:
        """What was given and is not written yet."""
        return self._pending

    def gather(self, kind: str, item: Any, ticket: Any) -> None:
        """Give an item to the next group; its result is delivered with `ticket`.

        Raises:
            StoreUnavailable: too much is waiting already, or the database is away.
        """
        ids = self._kinds[kind].ids_needed(item)
        with self._wake:
            self._admit(ids)
            self._items[kind].append((item, ticket))
            self._wake.notify()

    def change(self, change: Callable[[Tx], Any], ticket: Any) -> None:
        """Give a change of its own; its result is delivered with `ticket`.

        It is called again when its transaction dies, so apart from `tx` it must change nothing.
        """
        with self._wake:
            self._admit()
            self._changes.append((change, ticket))
            self._wake.notify()

    def refuse(self, error: StoreUnavailable) -> None:
        """Let nobody wait any longer: the database is away."""
        with self._wake:
            tickets = [ticket for waiting in self._items.values() for _, ticket in waiting]
            tickets += [ticket for _, ticket in self._changes]
            for waiting in self._items.values():
                waiting.clear()
            self._changes.clear()
            self._pending -= len(tickets)
            self._pending_ids = 0
        self._deliver([(ticket, error) for ticket in tickets])

    def _admit(self, ids: int = 0) -> None:
        self._database.absence.check()
        if self._stopping:
            raise StoreUnavailable("stopping")
        if self._pending >= PENDING_MAX or (ids and self._pending_ids >= PENDING_IDS_MAX):
            raise StoreUnavailable("too much is waiting to be written")
        self._pending += 1
        self._pending_ids += ids

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._pending and not self._stopping:
                    self._wake.wait()
                if not self._pending:
                    break
                groups = self._take()
                changes = list(self._changes)
                self._changes.clear()
            self._work(groups, changes)
            with self._wake:
                self._pending -= sum(len(tickets) for _, tickets in groups.values()) + len(changes)
        if self.connection is not None:
            self.connection.close()

    def _work(
        self, groups: dict[str, tuple[list[Any], list[Any]]], changes: list[tuple[Callable[[Tx], Any], Any]]
    ) -> None:
        try:
            connection = self.connection = self.connection or self._database.connect()
        except StoreUnavailable as error:
            self._deliver([(t, error) for _, tickets in groups.values() for t in tickets])
            self._deliver([(t, error) for _, t in changes])
            return
        if groups:
            self.figures.items.observe(sum(len(tickets) for _, tickets in groups.values()))
            self._deliver(self._commit_group(connection, groups))
        for first in range(0, len(changes), TOGETHER_MAX):
            self._deliver(self._commit_changes(connection, changes[first : first + TOGETHER_MAX]))

    def _take(self) -> dict[str, tuple[list[Any], list[Any]]]:
        """What has come, by kind: (items, tickets)."""
        groups = {}
        for name, waiting in self._items.items():
            ids, ids_needed = 0, self._kinds[name].ids_needed
            items: list[Any] = []
            tickets: list[Any] = []
            while waiting and len(items) < GROUP_MAX and ids < GROUP_IDS_MAX:
                item, ticket = waiting.popleft()
                ids += ids_needed(item)
                items.append(item)
                tickets.append(ticket)
            if items:
                groups[name] = (items, tickets)
                self._pending_ids -= ids
        return groups

    def _commit_group(
        self, connection: Connection, groups: dict[str, tuple[list[Any], list[Any]]]
    ) -> list[tuple[Any, Any]]:
        """Decide and commit a group. If that fails for a reason of one item, each is committed alone."""
        result = self._commit(connection, lambda tx: self._decide(tx, groups), ids=self._ids_for(groups))
        if not isinstance(result, BaseException):
            for name in groups:
                point(f"{name}.committed")
            return [
                pair for name, pairs in result.items() for pair in zip(groups[name][1], pairs, strict=True)
            ]
        singles = [
            (name, item, ticket)
            for name, (items, tickets) in groups.items()
            for item, ticket in zip(items, tickets, strict=True)
        ]
        if len(singles) == 1 or isinstance(result, StoreUnavailable):
            return [(ticket, result) for _, _, ticket in singles]
        log.error("group.failed", items=len(singles), exc_info=result)
        return [
            pair
            for name, item, ticket in singles
            for pair in self._commit_group(connection, {name: ([item], [ticket])})
        ]

    def _commit_changes(
        self, connection: Connection, changes: Sequence[tuple[Callable[[Tx], Any], Any]]
    ) -> list[tuple[Any, Any]]:
        """Commit these changes in one transaction. If one of them fails, each is committed alone."""
        if len(changes) > 1:
            # Together they lock more than each does, in no order: who lost against another is not one of many
            # the next time.
            results = self._commit(connection, lambda tx: [change(tx) for change, _ in changes], tries=1)
            if isinstance(results, StoreUnavailable) and not isinstance(results, _Lost):
                return [(ticket, results) for _, ticket in changes]
            if not isinstance(results, BaseException):
                return [(ticket, result) for (_, ticket), result in zip(changes, results, strict=True)]
        return [(ticket, self._commit(connection, change)) for change, ticket in changes]

    def _ids_for(self, groups: dict[str, tuple[list[Any], list[Any]]]) -> int:
        return sum(
            self._kinds[name].ids_needed(item) for name, (items, _) in groups.items() for item in items
        )

    def _decide(self, tx: Tx, groups: dict[str, tuple[list[Any], list[Any]]]) -> dict[str, Sequence[Any]]:
        results = {}
        for name, (items, _) in groups.items():
            results[name] = self._kinds[name].decide(tx, items, self._ids)
            point(f"{name}.decided")
        return results

    def _commit(
        self, connection: Connection, change: Callable[[Tx], Any], ids: int = 0, tries: int = _TRIES
    ) -> Any:
        """One transaction, done again when it lost against another. Returns the result or the exception."""
        began = time.perf_counter()
        for attempt in range(1, tries + 1):
            try:
                short = self._ids.short(ids)
                if short:
                    block = connection.writing(partial(id_store.lease, count=short))
                    point("ids.leased")
                    self._ids.refill(block)
                result, counted = connection.writing(lambda tx: _counting(tx, change))
            except Conflict as error:
                if attempt == tries:
                    self.figures.failed += 1
                    return _Lost(str(error))
            except Exception as error:
                self.figures.failed += isinstance(error, StoreUnavailable)
                return error
            else:
                self.figures.commits.observe(time.perf_counter() - began)
                self.figures.add(counted)
                return result
        raise AssertionError("unreachable")


def _counting(tx: Tx, change: Callable[[Tx], Any]) -> tuple[Any, dict[Key, int]]:
    """What a change returns, and what it counted."""
    return change(tx), tx.counted


class Pool:
    """Threads that answer questions, each with its own connection."""

    def __init__(
        self, database: Database, size: int, deliver: Callable[[list[tuple[Any, Any]]], None]
    ) -> None:
        self._database = database
        self._deliver = deliver
        self._questions: deque[tuple[Callable[[Tx], Any], Any]] = deque()
        self.connections: list[Connection] = []
        self._idle = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"ulak-reader-{i}", daemon=True) for i in range(size)
        ]

    @property
    def queued(self) -> int:
        """Questions that no thread has taken yet."""
        return len(self._questions)

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Answer what was asked, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def ask(self, question: Callable[[Tx], Any], ticket: Any) -> bool:
        """Answer within one read transaction; the result is delivered with `ticket`.

        Returns whether it waits for a busy thread while another one rests: `help` should be called shortly.
        """
        self._database.absence.check()
        with self._wake:
            if self._stopping or len(self._questions) >= PENDING_MAX:
                raise StoreUnavailable("too many questions are waiting")
            self._questions.append((question, ticket))
            if self._idle == len(self._threads) or len(self._questions) >= BACKLOG:
                self._wake.notify()
                return False
            return self._idle > 0

    def help(self) -> bool:
        """Wake another thread if questions still wait: what is answered now takes long. Whether they do."""
        with self._wake:
            if self._questions:
                self._wake.notify()
            return bool(self._questions)

    def refuse(self, error: StoreUnavailable) -> None:
        """Let nobody wait any longer: the database is away."""
        with self._wake:
            tickets = [ticket for _, ticket in self._questions]
            self._questions.clear()
        self._deliver([(ticket, error) for ticket in tickets])

    def _run(self) -> None:
        connection: Connection | None = None
        while True:
            with self._wake:
                while not self._questions and not self._stopping:
                    self._idle += 1
                    self._wake.wait()
                    self._idle -= 1
                if not self._questions:
                    break
                questions = self._take()
            try:
                if connection is None:
                    connection = self._database.connect()
                    self.connections.append(connection)
            except Exception as error:
                self._deliver([(ticket, error) for _, ticket in questions])
                continue
            while questions:
                answered = _answers(connection, questions)
                questions = questions[len(answered) :]
                self._deliver(answered)
        if connection is not None:
            connection.close()

    def _take(self) -> list[tuple[Callable[[Tx], Any], Any]]:
        """Some of what waits. They are taken before the transaction begins: whoever asks after a change was
        committed has to see it."""
        share = min(TOGETHER_MAX, len(self._questions))
        return [self._questions.popleft() for _ in range(share)]


def _answers(
    connection: Connection, questions: Sequence[tuple[Callable[[Tx], Any], Any]]
) -> list[tuple[Any, Any]]:
    """The answers to these questions in one transaction, up to the first that fails and with its error."""
    answered: list[tuple[Any, Any]] = []

    def ask(tx: Tx) -> None:
        for question, ticket in questions:
            answered.append((ticket, question(tx)))

    try:
        connection.reading(ask)
    except Conflict as error:
        answered.clear()
        answered.append((questions[0][1], StoreUnavailable(str(error))))
    except Exception as error:
        answered = answered[: len(questions) - 1]
        answered.append((questions[len(answered)][1], error))
    return answered


def sync_write(database: Database, change: Callable[[Tx], Result]) -> Result:
    """One transaction on a connection of its own: for the command line, beside a running server."""
    connection = database.connect()
    try:
        return write_on(connection, change)
    finally:
        connection.close()


def write_on(connection: Connection, change: Callable[[Tx], Result]) -> Result:
    """One transaction, done again when it lost against another; for who makes many of them."""
    for attempt in range(1, _TRIES + 1):
        try:
            return connection.writing(change)
        except Conflict as error:
            if attempt == _TRIES:
                raise StoreUnavailable(str(error)) from error
    raise AssertionError("unreachable")


def sync_read(database: Database, question: Callable[[Tx], Result]) -> Result:
    """One question on a connection of its own."""
    connection = database.connect()
    try:
        return connection.reading(question)
    finally:
        connection.close()
