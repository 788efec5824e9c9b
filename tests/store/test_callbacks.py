"""Queues of callbacks: found without reading what is done, and decided by one transaction at a time."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from tests import cast

from ulak.core.callbacks import CallbackState as State
from ulak.core.callbacks import Outcome
from ulak.core.events import Event, EventKind
from ulak.service import callbacks as service
from ulak.service import endpoints as endpoint_service
from ulak.service import events as event_service
from ulak.store import callbacks, endpoints, events
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

BY_PEOPLE = {"callbacks._ALL", "callbacks._ALL_OF_ACCOUNT", "callbacks._ENDED", "endpoints._SEALED"}
"""Statements that may read a table whole."""


def statements() -> list[tuple[str, Sql]]:
    return [
        (f"{module.__name__.rsplit('.', 1)[1]}.{name}", value)
        for module in (callbacks, endpoints, events)
        for name, value in vars(module).items()
        if isinstance(value, Sql) and "LATERAL" not in value.sqlite
    ]


@pytest.mark.parametrize(("name", "sql"), statements())
def test_no_table_is_scanned(sqlite_database: Database, name: str, sql: Sql) -> None:
    names = set(re.findall(r":([a-z_]+)", sql.sqlite))
    with closing(sqlite3.connect(sqlite_database.path)) as db:
        plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql.sqlite, dict.fromkeys(names, "[]"))]
    scans = [
        step
        for step in plan
        if re.match(r"SCAN (callback|attempt|event|endpoint|taken|behind|ahead)\b(?!.*ix_callback_)", step)
    ]
    assert scans == [] or name in BY_PEOPLE, plan


def test_what_is_due_is_a_range_of_an_index(sqlite_database: Database) -> None:
    sql = callbacks._FIRST_SQLITE.sqlite
    with closing(sqlite3.connect(sqlite_database.path)) as db:
        plan = [
            row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, {"ids": "[1]", "now": 1, "room": 1})
        ]
    assert "SEARCH taken USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert "SEARCH callback USING INDEX ix_callback_due (endpoint_id=? AND due<?)" in plan
    assert not [step for step in plan if "TEMP B-TREE" in step]


def test_the_longest_due_are_taken_and_no_more_than_there_is_room(database: Database) -> None:
    endpoint, other = listening(database, "alice"), listening(database, "bob")

    def fill(tx: Tx) -> None:
        for one, account in ((endpoint, "alice"), (other, "bob")):
            ids = events.insert(tx, [news(owner(tx, account), n) for n in range(5)])
            callbacks.insert(tx, [(one, event, n, State.DUE) for n, event in enumerate(ids)])

    sync_write(database, fill)
    queued = sync_read(database, lambda tx: callbacks.listing(tx, None, None, 100))
    oldest = min(row.id for row in queued if row.account == "alice")
    late = [(row.id, State.DUE, 0, row.due - 1, None) for row in queued if row.id == oldest + 3]
    sync_write(database, lambda tx: callbacks.save(tx, late))
    taken = sync_write(database, lambda tx: callbacks.take(tx, {endpoint: 2, other: 9}, tx.now + 1000, 0))
    found = sorted(callback for callback, one, _ in taken if one == endpoint)
    assert len(found) == 2
    assert oldest + 3 in found
    assert sum(one == other for _, one, _ in taken) == 5
    assert sync_read(database, callbacks.queues) == {endpoint: False}
    assert sync_read(database, callbacks.any_due)


def test_what_is_old_is_forgotten_if_it_has_ended(database: Database) -> None:
    endpoint = listening(database, "alice")

    def fill(tx: Tx) -> None:
        ids = events.insert(tx, [news(owner(tx, "alice"), n) for n in range(3)])
        states = (State.ARRIVED, State.DUE, State.GIVEN_UP)
        callbacks.insert(tx, [(endpoint, ids[n], n, state) for n, state in enumerate(states)])

    sync_write(database, fill)
    rows = sync_read(database, lambda tx: callbacks.listing(tx, None, None, 10))
    tried = [(row.id, row.state, 1, row.due, 500) for row in rows]
    attempts = [(row.id, 1, 500, 5, "") for row in rows]
    sync_write(database, lambda tx: callbacks.save(tx, tried))
    sync_write(database, lambda tx: callbacks.log_attempts(tx, attempts))
    now = database.clock()
    assert (
        sync_write(database, lambda tx: callbacks.forget(tx, 0, now - 1, 2)) == sorted(r.id for r in rows)[1]
    )
    assert len(sync_read(database, lambda tx: callbacks.listing(tx, None, None, 10))) == 3
    assert sync_write(database, lambda tx: callbacks.forget(tx, 0, now, 100)) is None
    left = sync_read(database, lambda tx: callbacks.listing(tx, None, None, 10))
    assert [(row.state, row.status) for row in left] == [(State.DUE, 500)]
    assert sync_read(database, lambda tx: tx.one(Sql("SELECT count(*) FROM attempt"))) == (1,)


# Two transactions at once, where the database lets them.


def test_two_events_of_one_subject_at_once(postgres_database: Database) -> None:
    listening(postgres_database, "alice")
    overlap(postgres_database, record("alice"), record("alice"))
    assert states(postgres_database) == [State.DUE, State.BEHIND]


def test_an_event_while_the_one_before_it_ends(postgres_database: Database) -> None:
    listening(postgres_database, "alice")
    sync_write(postgres_database, record("alice"))
    (first,) = sync_read(postgres_database, lambda tx: callbacks.listing(tx, None, None, 10))
    arrived = Outcome(first.id, 0, 200, 5)
    overlap(postgres_database, lambda tx: service.finish(tx, [arrived], lambda: 0.5), record("alice"))
    assert states(postgres_database) == [State.ARRIVED, State.DUE]


def test_an_end_while_the_next_event_is_written(postgres_database: Database) -> None:
    listening(postgres_database, "alice")
    sync_write(postgres_database, record("alice"))
    (first,) = sync_read(postgres_database, lambda tx: callbacks.listing(tx, None, None, 10))
    arrived = Outcome(first.id, 0, 200, 5)
    overlap(postgres_database, record("alice"), lambda tx: service.finish(tx, [arrived], lambda: 0.5))
    assert states(postgres_database) == [State.ARRIVED, State.DUE]


def test_two_claims_at_once_share_what_is_due(postgres_database: Database) -> None:
    endpoint = listening(postgres_database, "alice")
    sync_write(postgres_database, record("alice", 1, 2, 3))
    taken: list[int] = []

    def take(tx: Tx) -> None:
        taken.extend(row[0] for row in callbacks.take(tx, {endpoint: 2}, tx.now + 1000, 0))

    overlap(postgres_database, take, take, waits=False)
    assert len(taken) == len(set(taken)) == 3


def overlap(
    database: Database, first: Callable[[Tx], object], second: Callable[[Tx], object], waits: bool = True
) -> None:
    """Do `second` while `first` has done its work and not committed; it has to wait for that, or not."""

    def hold(tx: Tx) -> None:
        first(tx)
        other = threading.Thread(target=lambda: sync_write(database, second))
        other.start()
        threads.append(other)
        if waits:
            _until_somebody_waits(database)
        else:
            other.join()

    threads: list[threading.Thread] = []
    sync_write(database, hold)
    threads[0].join()


def _until_somebody_waits(database: Database) -> None:
    assert database.url is not None
    with psycopg.connect(database.url, autocommit=True) as watch:
        for _ in range(2000):
            row = watch.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            if row and row[0]:
                return
            time.sleep(0.005)
    raise AssertionError("nobody waits")


def listening(database: Database, name: str) -> int:
    """A new account's endpoint."""
    who = cast.tenant(database, name)
    vault = Vault(database.directory)
    made = sync_write(
        database,
        lambda tx: endpoint_service.set_endpoint(
            tx, who.id, "comtohome", ["consignment"], "https://a.example/", vault
        ),
    )
    return made.endpoint.id


def owner(tx: Tx, name: str) -> int:
    row = tx.one(Sql("SELECT id FROM account WHERE name = :name"), name=name)
    assert row is not None
    found: int = row[0]
    return found


def news(account_id: int, subject: int) -> Event:
    return Event(account_id, EventKind.CONSIGNMENT_STATUS, subject, b"{}")


def record(name: str, *subjects: int) -> Callable[[Tx], None]:
    return lambda tx: event_service.record(tx, [news(owner(tx, name), one) for one in subjects or (1,)])


def states(database: Database) -> list[State]:
    rows = sync_read(database, lambda tx: callbacks.listing(tx, None, None, 100))
    return [row.state for row in reversed(rows)]
