"""One server works on a set of data at a time: a lock on the directory, and on the database if it is shared.

Both go away with the process that holds them, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from ulak.core.errors import StoreUnavailable, UlakError
from ulak.store.engine import Database, Row

PATIENCE = 2.0
"""Seconds in which a server that was just killed may let go."""

_KEY = 0x756C616B  # "ulak"; an advisory lock belongs to one database of a PostgreSQL server


class Served:
    """The data are ours to serve."""

    def __init__(self, session: psycopg.Connection[Row] | None) -> None:
        self._session = session

    def still(self) -> bool:
        """Whether the lock is still held. A PostgreSQL session, and its lock with it, can be lost."""
        if self._session is None:
            return True
        try:
            self._session.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True


@contextlib.contextmanager
def serving(database: Database) -> Iterator[Served]:
    """Hold the lock.

    Raises:
        UlakError: another server has it.
        StoreUnavailable: the database cannot be reached.
    """
    with _directory(database.directory), contextlib.ExitStack() as stack:
        yield Served(None if database.url is None else stack.enter_context(_session(database.url)))


@contextlib.contextmanager
def _directory(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(directory / "serve.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _flock(lock):
            if time.monotonic() > deadline:
                raise UlakError(f"another ulak serves the data in {directory} already")
            time.sleep(0.05)
        yield
    finally:
        os.close(lock)


def _flock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _session(url: str) -> Iterator[psycopg.Connection[Row]]:
    try:
        session = psycopg.connect(url, autocommit=True)
    except psycopg.Error as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
    with session:
        deadline = time.monotonic() + PATIENCE
        while not _try_lock(session):
            if time.monotonic() > deadline:
                raise UlakError("another ulak serves this PostgreSQL database already")
            time.sleep(0.05)
        yield session


def _try_lock(session: psycopg.Connection[Row]) -> bool:
    row = session.execute("SELECT pg_try_advisory_lock(%s)", (_KEY,)).fetchone()
    return row is not None and bool(row[0])
