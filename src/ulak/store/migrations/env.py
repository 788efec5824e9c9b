"""What Alembic runs: all missing migrations in one transaction, one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import context

from ulak.store import schema

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 7_263_745_821
"""Any constant: two processes on one PostgreSQL, perhaps on two machines, must not migrate together."""


def run(config: Config) -> None:
    """Migrate a database, or in the transaction of a connection that is given."""
    given = config.attributes.get("connection")
    if given is not None:
        _migrate(given)
        return
    engine: sa.Engine = config.attributes["engine"]
    if engine.dialect.name == "sqlite":
        # Left to itself the driver begins no transaction for DDL, and half a migration would stay.
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text(f"SELECT pg_advisory_lock({_LOCK})"))
            connection.commit()
        _migrate(connection)
        connection.commit()
    engine.dispose()


def _migrate(connection: sa.Connection) -> None:
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
        connection.execute(
            sa.text(
                "INSERT INTO setting (name, value) VALUES (:name, :value)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            ),
            {"name": schema.WORKS_WITH, "value": schema.OLDEST},
        )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


run(context.config)
