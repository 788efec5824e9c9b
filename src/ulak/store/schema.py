"""Bringing a database to the schema this version needs."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulak.core.errors import UlakError
from ulak.store.engine import Database, Row

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa

HEAD = "0009"
"""The newest migration; a test compares it with the folder."""

OLDEST = "0009"
"""The oldest version that works with the tables of this one: its processes may go on, and be started, beside
those of this version. A migration that only adds things leaves it as it is."""

WORKS_WITH = "schema_works_with"
"""The setting in which a database says `OLDEST` of the newest version that migrated it."""


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
        if _works_with(database) <= HEAD:
            return
        raise UlakError(f"the database has schema {found}, this version knows {HEAD}: use a newer ulak")
    migrate(database)


def version(database: Database) -> str | None:
    """The schema in force, None for an empty database."""
    return _asked(database, "SELECT version_num FROM alembic_version")


def _works_with(database: Database) -> str:
    """The oldest version that works with the tables as they are."""
    return _asked(database, f"SELECT value FROM setting WHERE name = '{WORKS_WITH}'") or "9999"


def _asked(database: Database, question: str) -> str | None:
    """A single value of a database with a schema, None where there is none."""
    if database.url is not None:
        from ulak.store.postgres import dial

        with dial(database.url) as server:
            found = server.execute("SELECT to_regclass('alembic_version')").fetchone()
            row = server.execute(question.encode()).fetchone() if found and found[0] else None
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
            _upgrade(to, engine=engine(database))
    finally:
        os.close(lock)


@contextlib.contextmanager
def transaction(
    database: Database,
) -> Iterator[tuple[psycopg.Connection[Row], Callable[[str], None]]]:
    """One transaction on PostgreSQL, and what brings its schema to a version inside it."""
    with engine(database).begin() as connection:
        server: Any = connection.connection.driver_connection
        yield server, lambda to: _upgrade(to, connection=connection)


def _upgrade(to: str, **attributes: Any) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes.update(attributes)
    command.upgrade(config, to)


def engine(database: Database) -> sa.Engine:
    """What SQLAlchemy knows the database by. Every connection is a new one."""
    import sqlalchemy as sa

    if database.url is None:
        return sa.create_engine(f"sqlite:///{database.path}", poolclass=sa.pool.NullPool)
    from ulak.store.postgres import dial

    # Its own reading of an address knows less than PostgreSQL's: several servers, for example.
    creator = partial(dial, database.url, autocommit=False)
    return sa.create_engine("postgresql+psycopg://", creator=creator, poolclass=sa.pool.NullPool)
