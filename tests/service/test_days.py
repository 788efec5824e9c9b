"""Random days against an auditor that keeps its own, simple books."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.conftest import FakeClock, Postgres
from tests.service.days import run_days
from tests.soak import SOAK, seeds

from ulak.service import dispatch, sweep
from ulak.store.engine import Database, SqliteConnection

pytestmark = pytest.mark.fault(
    "random days", "of orders, receipts, cancellations and crashes, beside simple books of their own"
)

STEPS = 500
SQLITE_SEEDS, POSTGRES_SEEDS = (5000, 500) if SOAK else (100, 10)
BATCH = 10
"""Seeds of one test, so that two cores can share them."""


@pytest.fixture(autouse=True)
def _short_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few messages are enough for several portions of everything."""
    monkeypatch.setattr(dispatch, "SMALL", 3)
    monkeypatch.setattr(sweep, "STRETCH", 7)
    monkeypatch.setattr(sweep, "ORDERS_MAX", 5)
    monkeypatch.setattr(sweep, "EXPIRED_MAX", 4)


class Unsynced(Database):
    """What is tested here is not whether a disk keeps its word."""

    def connect(self) -> SqliteConnection:
        connection = SqliteConnection(self.path, self.clock)
        connection._db.execute("PRAGMA synchronous = OFF")
        return connection


@pytest.mark.parametrize("first", seeds(SQLITE_SEEDS)[::BATCH])
def test_days_on_sqlite(sqlite_template: Path, tmp_path: Path, first: int) -> None:
    for seed in range(first, first + BATCH):
        clock = FakeClock()
        database = Unsynced(tmp_path / str(seed), None, clock)
        database.directory.mkdir()
        shutil.copy(sqlite_template, database.path)
        run_days(database, clock, seed, STEPS)
        shutil.rmtree(database.directory)


@pytest.mark.parametrize("seed", seeds(POSTGRES_SEEDS, 1000))
def test_days_on_postgresql(postgres: Postgres, tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    url = f"{postgres.fresh()}&options=-csynchronous_commit%3Doff"
    run_days(Database(tmp_path, url, clock), clock, seed, STEPS)
