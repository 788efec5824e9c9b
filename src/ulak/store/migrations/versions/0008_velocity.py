"""What velocity limits count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "velocity",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "kind", "subject", "ends", name=op.f("pk_velocity")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_velocity_ends", "velocity", ["ends"], unique=False)
