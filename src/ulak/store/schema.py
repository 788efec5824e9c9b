"""Bringing a database to the schema this version needs."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from ulak.core.errors import StoreUnavailable, UlakError
from ulak.store.engine import Database, Row

HEAD = "0004"
"""The newest migration; a test compares it with the folder."""


def prepare(database: Database) -> None:
    """Create or migrate what is missing. Cheap when there is nothing to do; safe when several start at once.

    Raises:
        UlakError: the database was made by a newer version.
        StoreUnavailable: it cannot be reached.
    """
    database.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = version(database)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise UlakError(f"the database has schema {found}, this version knows {HEAD}: use a newer ulak")
    migrate(database)


def version(database: Database) -> str | None:
    """The schema in force, None for an empty database."""
    question = "SELECT version_num FROM alembic_version"
    if database.url is not None:
        try:
            with psycopg.connect(database.url) as server:
                found = server.execute("SELECT to_regclass('alembic_version')").fetchone()
                row = server.execute(question).fetchone() if found and found[0] else None
        except psycopg.Error as error:
            raise StoreUnavailable(f"PostgreSQL: {error}") from error
        return row[0] if row else None
    if not database.path.exists():
        return None
    db = sqlite3.connect(database.path, timeout=20)
    try:
        row = db.execute(question).fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        db.close()
    return row[0] if row else None


def migrate(database: Database, to: str = HEAD) -> None:
    """Run Alembic, one process at a time."""
    import fcntl

    lock = os.open(database.directory / "migrate.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if version(database) != to:
            _upgrade(to, url=database.sqlalchemy_url)
    finally:
        os.close(lock)


@contextlib.contextmanager
def transaction(
    database: Database,
) -> Iterator[tuple[psycopg.Connection[Row], Callable[[str], None]]]:
    """One transaction on PostgreSQL, and what brings its schema to a version inside it."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(database.sqlalchemy_url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        server: Any = connection.connection.driver_connection
        yield server, lambda to: _upgrade(to, connection=connection)


def _upgrade(to: str, **attributes: Any) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes.update(attributes)
    command.upgrade(config, to)
