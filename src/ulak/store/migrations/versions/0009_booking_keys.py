"""The keys under which carriers were asked to book, for all processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "booking_key",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("carrier_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "carrier_id", name=op.f("pk_booking_key")),
    )
    op.create_index("ix_booking_key_created", "booking_key", ["created"], unique=False)
    op.create_index(
        "ix_booking_key_open",
        "booking_key",
        ["created"],
        unique=False,
        sqlite_where=sa.text("state < 3"),
        postgresql_where=sa.text("state < 3"),
    )
