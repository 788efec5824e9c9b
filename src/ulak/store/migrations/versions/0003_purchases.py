"""Purchases: rented numbers, single messages and credit, paid over Lightning."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "incoming",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("purchase_id", sa.BigInteger(), nullable=True),
        sa.Column("carrier_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming")),
    )
    op.create_index("ix_incoming_purchase_id", "incoming", ["purchase_id"], unique=False)
    op.create_index("uq_incoming_digest", "incoming", ["carrier_id", "number", "digest"], unique=True)
    op.create_table(
        "incoming_part",
        sa.Column("carrier_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("parts", sa.SmallInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("done", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("carrier_id", "number", "chain", "part", name=op.f("pk_incoming_part")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_incoming_part_at", "incoming_part", ["at"], unique=False)
    op.create_index(
        "ix_incoming_part_open",
        "incoming_part",
        ["at"],
        unique=False,
        sqlite_where=sa.text("done = 0"),
        postgresql_where=sa.text("done = 0"),
    )
    op.create_table(
        "memory_invoice",
        sa.Column("payment_hash", sa.Text(), nullable=False),
        sa.Column("payreq", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("hold", sa.SmallInteger(), nullable=False),
        sa.Column("preimage", sa.Text(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("payment_hash", name=op.f("pk_memory_invoice")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_memory_invoice_paid",
        "memory_invoice",
        ["changed"],
        unique=False,
        sqlite_where=sa.text("state = 3 OR (state = 4 AND hold = 0)"),
        postgresql_where=sa.text("state = 3 OR (state = 4 AND hold = 0)"),
    )
    op.create_table(
        "number_use",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "service", name=op.f("pk_number_use")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "own_number",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("carrier_id", sa.BigInteger(), nullable=False),
        sa.Column("pool", sa.Integer(), nullable=False),
        sa.Column("services", sa.Text(), nullable=False),
        sa.Column("handset", sa.SmallInteger(), nullable=False),
        sa.Column("purchase_id", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_own_number")),
    )
    op.create_index("ix_own_number_carrier_id", "own_number", ["carrier_id", "pool"], unique=False)
    op.create_index("ix_own_number_purchase_id", "own_number", ["purchase_id"], unique=False)
    op.create_table(
        "price",
        sa.Column("tariff", sa.SmallInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tariff", "place", "service", name=op.f("pk_price")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "purchase",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("resolve", sa.SmallInteger(), nullable=False),
        sa.Column("resolved", sa.BigInteger(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("posted", sa.BigInteger(), nullable=False),
        sa.Column("prepaid", sa.SmallInteger(), nullable=False),
        sa.Column("payment_hash", sa.Text(), nullable=True),
        sa.Column("preimage", sa.Text(), nullable=True),
        sa.Column("payreq", sa.Text(), nullable=True),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("pool", sa.Integer(), nullable=False),
        sa.Column("weeks", sa.SmallInteger(), nullable=False),
        sa.Column("handset", sa.SmallInteger(), nullable=False),
        sa.Column("carrier_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("referrer", sa.Text(), nullable=True),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=True),
        sa.Column("assigned", sa.BigInteger(), nullable=True),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("look", sa.BigInteger(), nullable=True),
        sa.Column("verify", sa.BigInteger(), nullable=True),
        sa.Column("once", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase")),
        postgresql_with={"fillfactor": "80"},
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_purchase_credit",
        "purchase",
        ["account_id", "id"],
        unique=False,
        sqlite_where=sa.text("kind = 5"),
        postgresql_where=sa.text("kind = 5"),
    )
    op.create_index(
        "ix_purchase_due",
        "purchase",
        ["due"],
        unique=False,
        sqlite_where=sa.text("due > 0"),
        postgresql_where=sa.text("due > 0"),
    )
    op.create_index(
        "ix_purchase_look",
        "purchase",
        ["look"],
        unique=False,
        sqlite_where=sa.text("look > 0"),
        postgresql_where=sa.text("look > 0"),
    )
    op.create_index(
        "ix_purchase_once",
        "purchase",
        ["account_id", "once"],
        unique=False,
        sqlite_where=sa.text("once IS NOT NULL"),
        postgresql_where=sa.text("once IS NOT NULL"),
    )
    op.create_index(
        "ix_purchase_verify",
        "purchase",
        ["verify"],
        unique=False,
        sqlite_where=sa.text("verify > 0"),
        postgresql_where=sa.text("verify > 0"),
    )
    op.create_index("uq_purchase_key", "purchase", ["key"], unique=True)
    op.create_index(
        "uq_purchase_payment_hash",
        "purchase",
        ["payment_hash"],
        unique=True,
        sqlite_where=sa.text("payment_hash IS NOT NULL"),
        postgresql_where=sa.text("payment_hash IS NOT NULL"),
    )
    op.create_table(
        "referral",
        sa.Column(
            "purchase_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("payreq", sa.Text(), nullable=True),
        sa.Column("payment_hash", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("purchase_id", name=op.f("pk_referral")),
    )
    op.create_index(
        "ix_referral_open",
        "referral",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state <> 4"),
        postgresql_where=sa.text("state <> 4"),
    )
    op.add_column("endpoint", sa.Column("named", sa.SmallInteger(), server_default="0", nullable=False))
    op.create_index(
        "uq_endpoint_named",
        "endpoint",
        ["account_id", "dialect", "url"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL AND named = 1"),
        postgresql_where=sa.text("removed IS NULL AND named = 1"),
    )
    op.add_column("posting", sa.Column("purchase_id", sa.BigInteger(), nullable=True))
    op.drop_index("uq_endpoint_account_dialect", "endpoint")
    op.create_index(
        "uq_endpoint_account_dialect",
        "endpoint",
        ["account_id", "dialect"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL AND named = 0"),
        postgresql_where=sa.text("removed IS NULL AND named = 0"),
    )
