"""Random days of a parcel desk against a second, simple set of books.

A seed that fails is told with what happened last. The name that pytest prints, with the seed in brackets,
plays the same day again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.conftest import FakeClock, Postgres
from tests.service.parcel_days import run_days
from tests.soak import SOAK, seeds

from ulak.store.engine import Database, SqliteConnection

pytestmark = pytest.mark.fault("random days", "of parcels, beside simple books of their own")

STEPS = 200
SQLITE_SEEDS, POSTGRES_SEEDS = (3000, 200) if SOAK else (40, 6)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Carriers break all the time here, and each time would be told."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


class Unsynced(Database):
    """What is tested here is not whether a disk keeps its word."""

    def connect(self) -> SqliteConnection:
        connection = SqliteConnection(self.path, self.clock)
        connection._db.execute("PRAGMA synchronous = OFF")
        return connection


@pytest.mark.parametrize("seed", seeds(SQLITE_SEEDS))
def test_days_on_sqlite(sqlite_template: Path, tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    database = Unsynced(tmp_path, None, clock)
    shutil.copy(sqlite_template, database.path)
    run_days(database, clock, seed, STEPS)


@pytest.mark.parametrize("seed", seeds(POSTGRES_SEEDS, 10_000))
def test_days_on_postgresql(postgres: Postgres, tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    url = f"{postgres.fresh()}&options=-csynchronous_commit%3Doff"
    run_days(Database(tmp_path, url, clock), clock, seed, STEPS, audited_each=10)
