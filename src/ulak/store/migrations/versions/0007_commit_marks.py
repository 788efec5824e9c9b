"""Marks by which a commit is known again whose answer was lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "commit_mark",
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session", "number", name=op.f("pk_commit_mark")),
        sqlite_with_rowid=False,
    )
