"""One server on a set of data."""

from __future__ import annotations

import pytest

from ulak.core.errors import UlakError
from ulak.store import lock
from ulak.store.engine import Database


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.1)


def test_the_second_is_told(sqlite_database: Database) -> None:
    with (
        lock.serving(sqlite_database),
        pytest.raises(UlakError, match="another ulak serves"),
        lock.serving(sqlite_database),
    ):
        pass
    with lock.serving(sqlite_database):
        pass


def test_a_postgresql_database_is_served_by_many(postgres_database: Database) -> None:
    with lock.serving(postgres_database), lock.serving(postgres_database):
        pass
