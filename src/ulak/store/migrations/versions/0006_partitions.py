"""Messages in partitions on PostgreSQL; what is pruned and erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ulak.store.partitions import SIZE, name_of

revision = "0006"
down_revision = "0005"

_FIRST = name_of(1)
_PROOF = "message_first_partition"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _partition()
    _create_tables()


def _partition() -> None:
    """The table becomes the first partition as it is. Where it may be large, that its ids fit is proved
    before, beside whoever uses it, so that it is not locked while it is read."""
    database = op.get_bind()
    next_id = database.execute(sa.text("SELECT next FROM id_block WHERE name = 'message'")).scalar() or 1
    end = 1 + SIZE
    # Processes of the version before know of no partitions, and go on for a while.
    while end - next_id < SIZE // 2:
        end += SIZE
    if next_id > 1:
        with op.get_context().autocommit_block():
            # What a run that was killed left behind.
            op.execute(f"ALTER TABLE message DROP CONSTRAINT IF EXISTS {_PROOF}")
            op.execute(f"ALTER TABLE message ADD CONSTRAINT {_PROOF} CHECK (id < {end}) NOT VALID")
            op.execute(f"ALTER TABLE message VALIDATE CONSTRAINT {_PROOF}")
    op.execute(f"ALTER TABLE message RENAME TO {_FIRST}")
    op.execute(f"ALTER TABLE {_FIRST} RENAME CONSTRAINT pk_message TO pk_{_FIRST}")
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("parts", sa.SmallInteger(), nullable=False),
        sa.Column("open_parts", sa.SmallInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        postgresql_partition_by="RANGE (id)",
    )
    op.execute(f"ALTER TABLE message ATTACH PARTITION {_FIRST} FOR VALUES FROM (MINVALUE) TO ({end})")
    op.execute(f"ALTER TABLE {_FIRST} DROP CONSTRAINT IF EXISTS {_PROOF}")


def _create_tables() -> None:
    op.create_table(
        "id_lease",
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first", name=op.f("pk_id_lease")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dropped_range",
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first", name=op.f("pk_dropped_range")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pruned",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("things", sa.BigInteger(), nullable=False),
        sa.Column("posted", sa.BigInteger(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "asset", name=op.f("pk_pruned")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "posting_sum",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("move", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("postings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "asset", "move", name=op.f("pk_posting_sum")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erasure",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
    )
    op.create_table(
        "suppression",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("brand", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "brand", "audience", "digest", name=op.f("pk_suppression")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_consignment_parent",
        "consignment",
        ["parent_id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
