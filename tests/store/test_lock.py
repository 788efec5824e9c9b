"""One server on a set of data."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ulak.core.errors import StoreUnavailable, UlakError
from ulak.store import lock
from ulak.store.engine import Database


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.1)


def test_the_second_is_told(database: Database) -> None:
    with lock.serving(database) as served:
        assert served.still()
        with pytest.raises(UlakError, match="another ulak serves"), lock.serving(database):
            pass
    with lock.serving(database):
        pass


def test_a_database_is_not_served_from_two_directories(postgres_database: Database, tmp_path: Path) -> None:
    other = Database(tmp_path / "other", postgres_database.url, postgres_database.clock)
    with (
        lock.serving(postgres_database),
        pytest.raises(UlakError, match="PostgreSQL"),
        lock.serving(other),
    ):
        pass


def test_a_lost_session_is_noticed(postgres_database: Database) -> None:
    assert postgres_database.url is not None
    with lock.serving(postgres_database) as served:
        with psycopg.connect(postgres_database.url, autocommit=True) as operator:
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert not served.still()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreUnavailable),
        lock.serving(Database(tmp_path, "postgresql://nobody@127.0.0.1:1/none", lambda: 0)),
    ):
        pass
