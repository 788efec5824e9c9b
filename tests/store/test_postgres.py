"""What PostgreSQL says when it cannot, and how a commit is known again whose answer was lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from tests.conftest import ClockedBooks

from ulak.core.errors import OutcomeUnknown, StoreUnavailable
from ulak.store import books as books_module
from ulak.store import postgres, settings
from ulak.store.engine import Conflict, Database, Sql, Tx
from ulak.store.postgres import PostgresConnection, dial, probe

BACKEND = Sql("SELECT pg_backend_pid()")
SYNCED = Sql("SHOW synchronous_commit")
SLEEP = Sql("SELECT pg_sleep(600)")
READ_ONLY = Sql("SET TRANSACTION READ ONLY")

_MARKS = "SELECT count(*) FROM commit_mark"
_UNDER_WAY = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"


@pytest.fixture
def connection(postgres_database: Database) -> Iterator[PostgresConnection]:
    opened = postgres_database.connect()
    assert isinstance(opened, PostgresConnection)
    yield opened
    opened.close()


@pytest.fixture
def other(postgres_database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection of the test's own."""
    assert postgres_database.url is not None
    with contextlib.closing(dial(postgres_database.url)) as opened:
        yield opened


# What it says.


@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("08006", StoreUnavailable),  # connection failure
        ("53100", StoreUnavailable),  # disk full
        ("53200", StoreUnavailable),  # out of memory
        ("53300", StoreUnavailable),  # too many connections
        ("57014", StoreUnavailable),  # query canceled
        ("57P01", StoreUnavailable),  # admin shutdown
        ("57P02", StoreUnavailable),  # crash shutdown
        ("57P03", StoreUnavailable),  # cannot connect now
        ("58030", StoreUnavailable),  # I/O error
        ("25P03", StoreUnavailable),  # idle in transaction for too long
        ("40001", Conflict),  # serialization failure
        ("40P01", Conflict),  # deadlock
        ("55P03", Conflict),  # lock not available
        ("22012", psycopg.DataError),  # division by zero: a mistake of ours
        ("42P01", psycopg.ProgrammingError),
        ("XX000", psycopg.InternalError),
    ],
)
def test_what_an_error_means(connection: PostgresConnection, state: str, meaning: type[Exception]) -> None:
    fail = Sql(f"DO $$ BEGIN RAISE EXCEPTION 'told so' USING ERRCODE = '{state}'; END $$")

    def change(tx: Tx) -> None:
        settings.put(tx, "a", "1")
        tx.run(fail)

    with pytest.raises(meaning):
        connection.writing(change)
    with pytest.raises(meaning):
        connection.reading(lambda tx: tx.run(fail))
    assert connection.reading(lambda tx: settings.get(tx, "a")) is None


def test_a_server_that_is_a_standby_is_left(connection: PostgresConnection) -> None:
    def change(tx: Tx) -> None:
        backends.append(tx.one(BACKEND))
        tx.run(READ_ONLY)
        settings.put(tx, "a", "1")

    backends: list[object] = []
    with pytest.raises(StoreUnavailable, match="standby"):
        connection.writing(change)
    assert connection.reading(lambda tx: tx.one(BACKEND)) not in backends


def test_a_question_that_writes_is_a_mistake_of_ours(connection: PostgresConnection) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.reading(lambda tx: settings.put(tx, "a", "1"))


# Where it is, and how soon a silent one is noticed.


def test_an_address_says_more_than_we_do(postgres_database: Database) -> None:
    assert postgres_database.url is not None
    with contextlib.closing(dial(postgres_database.url + "&keepalives_idle=77")) as server:
        found = server.info.get_parameters()
        assert (found["keepalives_idle"], found["connect_timeout"]) == ("77", "5")
        assert "target_session_attrs" not in found


def test_of_several_servers_the_one_that_takes_changes_is_meant(postgres_database: Database) -> None:
    assert postgres_database.url is not None
    directory = postgres_database.url.partition("host=")[2]
    nowhere = postgres_database.url.replace(f"host={directory}", f"host=/nowhere,{directory}")
    with contextlib.closing(dial(nowhere)) as server:
        assert server.info.get_parameters()["target_session_attrs"] == "read-write"
    with contextlib.closing(dial(nowhere + "&target_session_attrs=any")) as server:
        assert "target_session_attrs" not in server.info.get_parameters()  # that is what is left out


@pytest.mark.parametrize(
    ("configured", "found"),
    [("off", "on"), ("local", "local"), ("remote_write", "remote_write"), ("remote_apply", "remote_apply")],
)
def test_a_commit_waits_for_the_disk_wherever_that_was_switched_off(
    postgres_database: Database, configured: str, found: str
) -> None:
    """And for the standbys where it is to wait for those."""
    assert postgres_database.url is not None
    with psycopg.connect(postgres_database.url, autocommit=True) as operator:
        name = operator.info.dbname
        operator.execute(f"ALTER DATABASE {name} SET synchronous_commit = {configured}".encode())
        try:
            opened = postgres_database.connect()
            assert opened.reading(lambda tx: tx.one(SYNCED)) == (found,)
            assert opened.writing(lambda tx: tx.one(SYNCED)) == (found,)
            opened.close()
        finally:
            operator.execute(f"ALTER DATABASE {name} RESET synchronous_commit".encode())


def test_a_commit_waits_for_the_disk_when_that_is_switched_off_meanwhile(
    connection: PostgresConnection,
) -> None:
    connection.writing(lambda tx: tx.run(Sql("SET synchronous_commit = off")))
    assert connection.writing(lambda tx: tx.one(SYNCED)) == ("on",)


async def test_a_statement_without_an_answer_is_given_up(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "STALLED", 0.05)
    monkeypatch.setattr(books_module, "WATCH", 0.01)
    books = ClockedBooks(postgres_database, {})
    for wish in (books.read(lambda tx: tx.all(SLEEP)), books.write(lambda tx: tx.all(SLEEP))):
        with pytest.raises(StoreUnavailable):
            await wish
        while True:
            # It is found again at once: only that statement did not end.
            with contextlib.suppress(StoreUnavailable):
                assert await books.read(settings.clock_offset) == 0
                break
    await books.close()


def test_a_server_is_back_when_what_it_commits_is_where_it_is_to_be(
    postgres_database: Database,
    other: psycopg.Connection[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert postgres_database.url is not None
    monkeypatch.setattr(postgres, "PROBED", 0.05)
    other.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    other.execute("SELECT pg_reload_conf()")
    try:
        assert _probed(postgres_database.url, is_back=False) == (
            "PostgreSQL: canceling wait for synchronous replication due to user request"
        )
    finally:
        other.execute("ALTER SYSTEM RESET synchronous_standby_names")
        other.execute("SELECT pg_reload_conf()")
    assert _probed(postgres_database.url, is_back=True) == ""


def _probed(url: str, *, is_back: bool) -> str:
    """What a probe says once the server has read its settings."""
    for _ in range(1_000):
        try:
            probe(url)
        except StoreUnavailable as error:
            if not is_back:
                return str(error)
        else:
            if is_back:
                return ""
    raise AssertionError(f"it never is {'back' if is_back else 'away'}")


# Marks.


def test_only_what_changes_something_is_marked_and_marks_go(
    connection: PostgresConnection, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    connection.writing(lambda tx: settings.get(tx, "a"))
    assert other.execute(_MARKS).fetchone() == (0,)
    for number in range(postgres._UNMARK_EVERY + 9):
        connection.writing(lambda tx, n=number: settings.put(tx, "a", str(n)))  # type: ignore[misc]
    assert other.execute(_MARKS).fetchone() == (10,)


def test_a_number_that_another_transaction_has_says_nothing(
    connection: PostgresConnection, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    """After a crash numbers may be given again whose transactions left nothing on disk."""
    row = other.execute(
        "INSERT INTO setting VALUES ('b', '1') RETURNING pg_current_xact_id()::text"
    ).fetchone()
    assert row is not None
    connection.writing(lambda tx: settings.put(tx, "a", "1"))
    session, number = connection._session, connection._number
    assert connection._was_committed(str(row[0]), 0, session, number + 1) is False
    assert connection._was_committed(str(row[0]), 0, session, number) is True
    future = str(2**40)
    assert connection._was_committed(future, 0, session, number + 1) is False
    assert connection._was_committed(future, 0, session, number) is True


def test_a_transaction_whose_server_does_not_know_that_it_was_cut_off_is_ended(
    connection: PostgresConnection, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    """It would keep its locks until the server finds out, and nobody could be told anything before."""
    other.execute("BEGIN")
    row = other.execute("SELECT pg_current_xact_id()::text, pg_backend_pid()").fetchone()
    assert row is not None
    xid, backend = str(row[0]), int(str(row[1]))
    assert connection._was_committed(xid, backend, "somebody", 1) is False
    assert connection._connect().execute(_UNDER_WAY, (backend,)).fetchone() == (0,)


def test_who_may_not_do_more_than_a_plain_user_finds_a_commit(
    postgres_database: Database, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    assert postgres_database.url is not None
    other.execute("CREATE ROLE plain LOGIN")
    try:
        other.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain")
        url = postgres_database.url.replace("postgres:@", "plain:@")
        plain = Database(postgres_database.directory, url, postgres_database.clock).connect()
        assert isinstance(plain, PostgresConnection)
        plain.writing(lambda tx: settings.put(tx, "a", "1"))
        assert plain._was_committed("1000", 1, plain._session, plain._number)
        plain.close()
    finally:
        other.execute("DROP OWNED BY plain")
        other.execute("DROP ROLE plain")


def test_a_server_that_stays_away_leaves_nobody_the_wiser(
    connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "READ_BACK", 0.1)
    connection._url = "postgresql://ulak@/ulak?host=/nowhere"
    with pytest.raises(OutcomeUnknown, match="nobody knows"):
        connection._was_committed("1000", 1, "somebody", 1)
