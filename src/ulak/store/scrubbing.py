"""Making room of what was deleted: until then its octets still stand in the database's files."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

import psycopg

from ulak.core.errors import StoreUnavailable
from ulak.store.engine import Database

WAIT = 60.0
"""Seconds to wait for others: for their changes, and for those who still read what was."""


def scrub(database: Database, tables: Iterable[str], *, wait: float = WAIT) -> bool:
    """Leave nothing in the database of what was deleted or changed; whether that could be done wholly.

    SQLite writes its whole file anew, and nobody can write meanwhile: a second or two a gigabyte on a good
    disk, with as much room as it has. Then its log is emptied, for which all who read must have ended.
    PostgreSQL vacuums these tables beside everybody. (In its files, its log and its backups older states of
    pages stay until they are used again.)

    Raises:
        StoreUnavailable: it could not be done; it may be tried again.
    """
    if database.url is not None:
        _vacuum(database.url, tables)
        return True
    try:
        db = sqlite3.connect(database.path, timeout=wait, isolation_level=None)
        try:
            db.execute("VACUUM")
            return _emptied(db, wait)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreUnavailable(str(error)) from error


def _emptied(db: sqlite3.Connection, wait: float) -> bool:
    """Write the log into the file and cut it off."""
    patience = time.monotonic() + wait
    while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > patience:
            return False
        time.sleep(0.05)
    return True


def _vacuum(url: str, tables: Iterable[str]) -> None:
    try:
        with psycopg.connect(url, autocommit=True) as server:
            for table in sorted(tables):
                # What the planner has learned of a column may hold the number too.
                server.execute(f"VACUUM (ANALYZE) {table}".encode())
    except psycopg.Error as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
