"""What Alembic runs: all missing migrations in one transaction, one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import context

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 7_263_745_821
"""Any constant: two processes on one PostgreSQL, perhaps on two machines, must not migrate together."""


def run(config: Config) -> None:
    engine = sa.create_engine(config.attributes["url"], poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"SELECT pg_advisory_lock({_LOCK})"))
            connection.commit()
        else:
            connection.execute(sa.text("PRAGMA journal_mode = WAL"))
        context.configure(connection=connection, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    engine.dispose()


run(context.config)
