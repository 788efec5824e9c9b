"""Who is there, and who is taken for gone: on PostgreSQL by a lock and a beat, on SQLite as the only one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest

from ulak.core.leases import Role
from ulak.store import presence, processes
from ulak.store.engine import Database
from ulak.store.presence import Presence
from ulak.store.writer import sync_read


class Watch:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: int, looks: Presence) -> None:
        """So much time goes by, in which a process looks at the others as it always does."""
        for _ in range(seconds):
            self.now += 1
            self.seen(looks)

    @staticmethod
    def seen(looks: Presence) -> None:
        """Wait until it has looked at the others from beginning to end."""
        for _ in range(2):
            wait(partial(lambda before: looks.peers is not before, looks.peers))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come quickly; what counts is measured by the clock of the test."""
    monkeypatch.setattr(presence, "LOOK", 0.02)
    monkeypatch.setattr(presence, "SOON", 0.02)
    monkeypatch.setattr(presence, "WHILE", 0.02)
    monkeypatch.setattr(presence, "PATIENCE", 0.02)


@pytest.fixture
def begin(postgres_database: Database) -> Iterator[Callable[..., Presence]]:
    """Starts processes, which end after the test."""
    begun: list[Presence] = []

    def one(role: Role = Role.WORKER, clock: Callable[[], float] = time.monotonic) -> Presence:
        begun.append(Presence(postgres_database, role, clock=clock))
        begun[-1].start()
        return begun[-1]

    yield one
    for each in begun:
        each.stop()


def wait(done: Callable[[], bool]) -> None:
    patience = time.monotonic() + 20
    while not done():
        assert time.monotonic() < patience
        time.sleep(0.005)


def there(database: Database) -> list[int]:
    return [peer.id for peer in sync_read(database, processes.peers)]


def test_a_directory_has_one_process(sqlite_database: Database) -> None:
    dead, heir = Presence(sqlite_database, Role.ALL), Presence(sqlite_database, Role.ALL)
    dead.start()
    heir.start()
    assert heir.id > dead.id
    assert there(sqlite_database) == [heir.id]
    heir.ring("orders")
    heir.stop()
    assert there(sqlite_database) == []


def test_processes_see_each_other_and_hear_what_is_rung(
    begin: Callable[..., Presence], postgres_database: Database
) -> None:
    one, two = begin(Role.API), begin()
    heard: list[str] = []
    two.on_news = heard.append
    wait(lambda: len(one.peers) == len(two.peers) == 2)
    assert [(peer.id, peer.role) for peer in two.peers] == [(one.id, Role.API), (two.id, Role.WORKER)]
    one.ring("orders")
    wait(lambda: "orders" in heard)
    one.stop()
    wait(lambda: [peer.id for peer in two.peers] == [two.id])
    assert there(postgres_database) == [two.id]


def test_a_process_that_ended_without_a_word_is_buried(
    begin: Callable[..., Presence], postgres_database: Database
) -> None:
    """Its row is left, and nobody holds its lock."""
    assert postgres_database.url is not None
    with psycopg.connect(postgres_database.url) as server:
        row = server.execute(
            "INSERT INTO process (name, role, host, version, started, beat)"
            " VALUES ('dead', 1, '', '', 0, 0) RETURNING id"
        ).fetchone()
    assert row is not None
    one = begin()
    assert there(postgres_database) == [one.id], "before it begins to work"


def test_one_that_shows_no_sign_of_life_is_buried_and_comes_back_as_another(
    begin: Callable[..., Presence], postgres_database: Database
) -> None:
    """Its lock is held all the time: the process is there, and its event loop stands still."""
    hangs, watch = Watch(), Watch()
    stuck, other = begin(clock=hangs), begin(clock=watch)
    was = stuck.id
    wait(lambda: len(other.peers) == 2)
    watch.seen(other)
    hangs.now += presence.LEASE
    watch.passes(int(presence.LEASE) - 1, other)
    assert was in there(postgres_database)
    other.alive()
    watch.passes(1, other)
    wait(lambda: was not in there(postgres_database))
    assert stuck.id == was
    stuck.alive()
    hangs.now += presence.BEAT
    wait(lambda: stuck.id != was)
    # By the clock that jumped the other may have been silent too long: it then comes back with its next beat.
    watch.now += presence.BEAT
    other.alive()
    wait(lambda: sorted(there(postgres_database)) == sorted([stuck.id, other.id]))


@pytest.mark.parametrize("statement", ["beat", "look"])
def test_who_was_held_up_himself_buries_nobody(
    begin: Callable[..., Presence],
    postgres_database: Database,
    statement: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server stands still, and with it everybody. When it goes on one looks at once, and the next beat of
    the other is still to come."""
    monkeypatch.setattr(presence, "PATIENCE", 1.0)
    mine, others = Watch(), Watch()
    one, other = begin(clock=mine), begin(clock=others)
    wait(lambda: len(one.peers) == len(other.peers) == 2)
    mine.passes(1, one)
    with stalled(postgres_database, one, statement, mine):
        mine.now += presence.LEASE + 2
    mine.seen(one)
    assert {one.id, other.id} == set(there(postgres_database))
    mine.passes(2, one)
    one.alive()
    beaten = beat_of(postgres_database, other)
    others.now += presence.BEAT
    wait(lambda: beat_of(postgres_database, other) > beaten)
    mine.seen(one)
    mine.passes(int(presence.LEASE) - 1, one)
    assert {one.id, other.id} == set(there(postgres_database)), "its beat has moved since"
    assert one._patience == presence.WHILE, "what it waits for one that was cut off is as before"
    one.alive()
    mine.passes(1, one)
    wait(lambda: there(postgres_database) == [one.id])


@contextlib.contextmanager
def stalled(database: Database, held: Presence, statement: str, watch: Watch) -> Iterator[None]:
    """A process hangs in its beat, or in its look at the others."""
    assert database.url is not None
    with psycopg.connect(database.url) as server:
        if statement == "beat":
            server.execute("SELECT 1 FROM process WHERE id = %s FOR UPDATE", (held.id,))
            watch.now += presence.BEAT
        else:
            server.execute("LOCK TABLE process IN ACCESS EXCLUSIVE MODE")
        with psycopg.connect(database.url, autocommit=True) as operator:
            waits = (1,) if statement == "beat" else (2,)
            wait(lambda: operator.execute(_WAITING).fetchone() == waits)
            yield


_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""


def beat_of(database: Database, other: Presence) -> int:
    assert database.url is not None
    with psycopg.connect(database.url) as server:
        row = server.execute("SELECT beat FROM process WHERE id = %s", (other.id,)).fetchone()
    assert row is not None
    beat: int = row[0]
    return beat


def test_a_lost_session_is_made_anew_and_nobody_is_buried(
    begin: Callable[..., Presence], postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the server: all of them are back within moments."""
    monkeypatch.setattr(presence, "PATIENCE", 10.0)
    one, two = begin(), begin()
    before = {one.id, two.id}
    assert postgres_database.url is not None
    with psycopg.connect(postgres_database.url, autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        wait(
            lambda: (
                operator.execute(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
                ).fetchone()
                == (2,)
            )
        )
    heard: list[str] = []
    two.on_news = heard.append
    wait(lambda: len(one.peers) == len(two.peers) == 2)

    def rung() -> bool:
        one.ring("orders")  # The first is lost where its own connection was.
        return "orders" in heard

    wait(rung)
    assert {one.id, two.id} == before == set(there(postgres_database))
