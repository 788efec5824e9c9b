"""Statements for two databases, and transactions that are done or not, whatever happens to the connection."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from tests.conftest import FakeClock

from ulak.core.errors import StoreUnavailable
from ulak.store import settings
from ulak.store.engine import Connection, Database, Sql, SqliteConnection, Tx
from ulak.store.writer import sync_read, sync_write

PAIRS = Sql("SELECT word, number FROM {pairs} AS pair ORDER BY number", pairs=("word text", "number int8"))
GIVEN = Sql("SELECT word, number FROM {pairs} AS pair", pairs=("word text", "number int8"))
NUMBERS = Sql("SELECT number FROM {numbers} AS wanted ORDER BY number", numbers=("number int8",))
REMAINDER = Sql("SELECT 5 % 3 WHERE :low <= :high AND 'ab' LIKE 'a%'")
BACKEND = Sql("SELECT pg_backend_pid()")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    opened = database.connect()
    yield opened
    opened.close()


def server(database: Database) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of the test's own."""
    assert database.url is not None
    return psycopg.connect(database.url, autocommit=True)


# Statements.


def test_a_list_of_rows_is_one_parameter(connection: Connection) -> None:
    rows = [("çğ'\"\\", 2**62), ("", -1), ("%s :x {y}", 7), ("😀", 0)]
    asked = connection.reading(lambda tx: tx.all(PAIRS, pairs=rows))
    assert asked == sorted(rows, key=lambda row: row[1])
    assert connection.reading(lambda tx: tx.all(PAIRS, pairs=[])) == []
    assert connection.reading(lambda tx: tx.all(NUMBERS, numbers=[3, 2**62, 1])) == [(1,), (3,), (2**62,)]
    assert connection.reading(lambda tx: tx.all(NUMBERS, numbers=[])) == []


WORDS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
WORDS |= st.sampled_from(["NULL", "null", "{}", '"', "\\", '\\"', ",", " a ", "{a,b}", "\\N"])
BIG = st.none() | st.integers(-(2**63), 2**63 - 1)


@settings_of(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(WORDS, BIG), min_size=1))
def test_what_is_in_rows_comes_through(connection: Connection, rows: list[tuple[str, int]]) -> None:
    """SQLite's JSON and PostgreSQL's arrays hold every text, every number of 64 bits, and NULL."""
    found = connection.reading(lambda tx: tx.all(GIVEN, pairs=rows))
    assert Counter(found) == Counter(rows)


def test_a_number_is_no_text(postgres_database: Database) -> None:
    with pytest.raises(TypeError):
        sync_read(postgres_database, lambda tx: tx.all(NUMBERS, numbers=["1,2"]))


def test_a_nul_is_stored_as_the_replacement_character(connection: Connection) -> None:
    rows = [("a\0b", 1), ("\\u0000", 2)]
    assert connection.reading(lambda tx: tx.all(PAIRS, pairs=rows)) == [("a\ufffdb", 1), ("\\u0000", 2)]


def test_percent_signs_in_a_statement(connection: Connection) -> None:
    assert connection.reading(lambda tx: tx.all(REMAINDER, low=1, high=1)) == [(2,)]


# Transactions.


def test_a_change_is_there_for_everybody_once_it_is_committed(
    database: Database, connection: Connection
) -> None:
    connection.writing(lambda tx: settings.put(tx, "a", "1"))
    assert sync_read(database, lambda tx: settings.get(tx, "a")) == "1"


def test_a_change_that_raises_is_undone(database: Database, connection: Connection) -> None:
    def change(tx: Tx) -> None:
        settings.put(tx, "a", "1")
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        connection.writing(change)
    assert sync_read(database, lambda tx: settings.get(tx, "a")) is None
    connection.writing(lambda tx: settings.put(tx, "b", "1"))


def test_a_reader_sees_one_state_throughout(database: Database, connection: Connection) -> None:
    def question(tx: Tx) -> tuple[str | None, str | None]:
        before = settings.get(tx, "a")
        sync_write(database, lambda tx: settings.put(tx, "a", "2"))
        return before, settings.get(tx, "a")

    connection.writing(lambda tx: settings.put(tx, "a", "1"))
    assert connection.reading(question) == ("1", "1")


def test_the_clock_is_the_installations_own(
    database: Database, connection: Connection, clock: FakeClock
) -> None:
    assert connection.reading(lambda tx: tx.now) == clock.now
    assert sync_write(database, lambda tx: settings.move_clock(tx, 5000)) == 5000
    assert connection.reading(lambda tx: tx.now) == clock.now + 5000
    assert connection.writing(lambda tx: tx.now) == clock.now + 5000


# Trouble.


def test_a_sqlite_file_that_cannot_be_opened(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(StoreUnavailable):
        SqliteConnection(tmp_path / "nowhere" / "ulak.db", clock)


def test_a_disk_that_is_full(sqlite_database: Database) -> None:
    connection = SqliteConnection(sqlite_database.path, sqlite_database.clock)
    (pages,) = connection._db.execute("PRAGMA page_count").fetchone()
    connection._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    connection.writing(lambda tx: settings.put(tx, "a", "1"))
    with pytest.raises(StoreUnavailable, match="full"):
        connection.writing(lambda tx: settings.put(tx, "b", "x" * 100_000))
    assert connection.reading(lambda tx: (settings.get(tx, "a"), settings.get(tx, "b"))) == ("1", None)
    connection.close()


def test_a_server_that_is_not_there(tmp_path: Path, clock: FakeClock) -> None:
    connection = Database(tmp_path, f"postgresql://ulak@/ulak?host={tmp_path}", clock).connect()
    with pytest.raises(StoreUnavailable, match="PostgreSQL"):
        connection.reading(settings.clock_offset)
    connection.close()


def test_a_connection_that_was_cut_while_nobody_used_it(postgres_database: Database) -> None:
    connection = postgres_database.connect()
    backend = connection.reading(lambda tx: tx.one(BACKEND))
    assert backend is not None
    with server(postgres_database) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", backend)
    connection.writing(lambda tx: settings.put(tx, "a", "1"))
    assert connection.reading(lambda tx: settings.get(tx, "a")) == "1"
    connection.close()


def test_a_connection_that_is_cut_in_the_middle(postgres_database: Database) -> None:
    connection = postgres_database.connect()

    def change(tx: Tx) -> None:
        settings.put(tx, "a", "1")
        with server(postgres_database) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", tx.one(BACKEND))
        settings.put(tx, "b", "1")

    with pytest.raises(StoreUnavailable):
        connection.writing(change)
    assert connection.reading(lambda tx: settings.get(tx, "a")) is None
    connection.close()


def test_a_connection_that_is_cut_before_a_commit_is_done(postgres_database: Database) -> None:
    with server(postgres_database) as other:
        other.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
        )
        other.execute(
            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON setting DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION die()"
        )
        connection = postgres_database.connect()
        try:
            with pytest.raises(StoreUnavailable):
                connection.writing(lambda tx: settings.put(tx, "a", "1"))
        finally:
            other.execute("DROP TRIGGER die ON setting")
            other.execute("DROP FUNCTION die")
    assert connection.reading(lambda tx: settings.get(tx, "a")) is None
    connection.close()


def test_a_connection_that_is_cut_after_a_commit_is_done(postgres_database: Database) -> None:
    """The commit is on disk and waits for a standby that does not exist; then the answer is lost."""
    written: list[str] = []
    with server(postgres_database) as other:
        other.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        other.execute("SELECT pg_reload_conf()")
        try:
            time.sleep(0.1)
            connection = postgres_database.connect()

            def change(tx: Tx) -> str:
                settings.put(tx, "a", "1")
                return "done"

            thread = threading.Thread(target=lambda: written.append(connection.writing(change)))
            thread.start()
            _one_that_waits(other, "pg_terminate_backend(pid)")
            # It found its commit, and waits for the standby again: there it has to be, too.
            _one_that_waits(other, "pid")
            assert not written
        finally:
            other.execute("ALTER SYSTEM RESET synchronous_standby_names")
            other.execute("SELECT pg_reload_conf()")
        thread.join()
    assert written == ["done"]
    assert connection.reading(lambda tx: settings.get(tx, "a")) == "1"
    connection.close()


def _one_that_waits(other: psycopg.Connection[tuple[object, ...]], what: str) -> None:
    """Do something to the session that waits for a standby."""
    for _ in range(500):
        waiting = f"SELECT {what} FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        if other.execute(waiting.encode()).fetchall():
            return
        time.sleep(0.01)
    raise AssertionError("nobody waited for the standby")


def test_mistakes_in_a_change_are_told_as_they_are(connection: Connection) -> None:
    insert = Sql("INSERT INTO setting (name, value) VALUES ('a', 'b')")

    def change(tx: Tx) -> None:
        tx.run(insert)
        tx.run(insert)

    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        connection.writing(change)
