"""PostgreSQL partitions small enough for a test, and the usual ones again after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ulak.store import partitions
from ulak.store.engine import Database
from ulak.store.writer import sync_read, sync_write


@contextmanager
def partitions_of(database: Database, size: int, count: int) -> Iterator[None]:
    """So many partitions of so many ids each, instead of the one that a new database has."""
    assert database.url is not None
    try:
        _replace(database, size, count)
        yield
    finally:
        _replace(database, partitions.SIZE, 1)


def _replace(database: Database, size: int, count: int) -> None:
    with psycopg.connect(str(database.url), autocommit=True) as server:
        for name in server.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'message'::regclass"
        ).fetchall():
            server.execute(f"DROP TABLE {name[0]}".encode())
    for place in range(count):
        sync_write(database, lambda tx: partitions.make(tx, 1 + place * size, (place + 1) * size))  # noqa: B023


def names(database: Database) -> list[str]:
    """The partitions there are."""
    return [partition.name for partition in sync_read(database, partitions.every)]
