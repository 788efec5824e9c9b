"""Random days of a shop against a second, simple one.

Exactly one of settle and cancel for each invoice, never both, and never neither after time has passed; no
code is seen before the node has taken its money; all money adds up. A seed that fails is told with what
happened last. The name that pytest prints, with the seed in brackets, plays the same day again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.conftest import FakeClock, Postgres
from tests.service.purchase_days import run_days
from tests.soak import SOAK, seeds

from ulak.store.engine import Database, SqliteConnection

pytestmark = pytest.mark.fault(
    "F8 payments", "random days of a shop: paid late, twice, not at all, cancelled, and nodes that are away"
)

STEPS = 250
SQLITE_SEEDS, POSTGRES_SEEDS = (6000, 200) if SOAK else (90, 3)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Everybody fails all the time here, and each time would be told."""
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


def on_sqlite(template: Path, directory: Path, seed: int, steps: int) -> set[tuple[str, str]]:
    directory.mkdir(exist_ok=True)
    clock = FakeClock()
    database = Unsynced(directory, None, clock)
    shutil.copy(template, database.path)
    return run_days(database, clock, seed, steps)


@pytest.mark.parametrize("seed", seeds(SQLITE_SEEDS))
def test_days_on_sqlite(sqlite_template: Path, tmp_path: Path, seed: int) -> None:
    on_sqlite(sqlite_template, tmp_path, seed, STEPS)


def test_everything_happens_in_days(sqlite_template: Path, tmp_path: Path) -> None:
    reached: set[tuple[str, str]] = set()
    for seed in range(20_000, 20_024):
        reached |= on_sqlite(sqlite_template, tmp_path / str(seed), seed, 200)
    wanted = {
        "code": "expired withdrawn no_number cancelled timed_out settling done",
        "rental": "expired settling active ended cancelled",
        "message": "expired failed sent delivered",
        "credit": "expired settling done",
    }
    missing = {
        kind: [s for s in stages.split() if (kind, s) not in reached] for kind, stages in wanted.items()
    }
    assert not any(missing.values()), missing


@pytest.mark.parametrize("seed", seeds(POSTGRES_SEEDS, 10_000))
def test_days_on_postgresql(postgres: Postgres, tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    url = f"{postgres.fresh()}&options=-csynchronous_commit%3Doff"
    run_days(Database(tmp_path, url, clock), clock, seed, STEPS, audited_each=25)
