"""Tables about the processes that work on the same data, and what each of them alone works on.

Times are milliseconds since the epoch, UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, SmallInteger, Table, Text

from ulak.store.columns import Id, metadata

# A process, from its start until it ends or is found to be gone.
process = Table(
    "process",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    # Random; the jobs it works on are claimed under it.
    Column("name", Text, nullable=False, unique=True),
    # core.leases.Role
    Column("role", SmallInteger, nullable=False),
    # Where it runs and which version it is, for people.
    Column("host", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started", BigInteger, nullable=False),
    # Moves as long as the process does.
    Column("beat", BigInteger, nullable=False),
    # What one left behind must not be taken for a later one's.
    sqlite_autoincrement=True,
)

# What one process at a time works on: the link of a carrier (by its id), or a duty (core.leases.Duty).
lease = Table(
    "lease",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # Moves with each holder: what an earlier one still wants to write is not taken.
    Column("fence", BigInteger, nullable=False),
    # process.id; 0: nobody.
    Column("holder", BigInteger, nullable=False),
    # Of a link: whether it is up, and why it is not.
    Column("up", SmallInteger, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_with_rowid=False,
)

# One row a commit on PostgreSQL, for whoever lost the answer to it; those of before are deleted now and then.
commit_mark = Table(
    "commit_mark",
    metadata,
    Column("session", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    # Seconds, by the database's own clock.
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
