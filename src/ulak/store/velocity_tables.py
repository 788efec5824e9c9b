"""The table of velocity limits."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table

from ulak.store.columns import metadata

# How many messages an account sent, by what its limits count. Rows are there only where there are limits.
velocity = Table(
    "velocity",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    # core.velocity.Kind
    Column("kind", SmallInteger, primary_key=True),
    # A prefix, a dial code, or what stands for a number; 0 for the account as a whole.
    Column("subject", BigInteger, primary_key=True),
    # When they do not count any more.
    Column("ends", BigInteger, primary_key=True),
    Column("count", Integer, nullable=False),
    Index("ix_velocity_ends", "ends"),
    sqlite_with_rowid=False,
)
