"""People: blocks, consent, what they answer, contacts; what was sent elsewhere; callbacks about messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "block",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_block")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_block_added", "block", ["account_id", "added", "number"], unique=False)
    op.create_table(
        "consent",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("brand", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("audience", sa.SmallInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("decision", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("given", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account_id", "brand", "channel", "audience", "recipient", name=op.f("pk_consent")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_consent_changed", "consent", ["account_id", "changed"], unique=False)
    op.create_table(
        "contact",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("surname", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_contact_account_id", "contact", ["account_id", "id"], unique=False)
    op.create_table(
        "contact_field",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_field")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_contact_field_name", "contact_field", ["account_id", "name"], unique=True)
    op.create_table(
        "contact_group",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_group")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_contact_group_account_id", "contact_group", ["account_id", "parent_id"], unique=False)
    op.create_table(
        "contact_value",
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("field_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", "field_id", name=op.f("pk_contact_value")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "contact_id", name=op.f("pk_group_member")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_group_member_contact_id", "group_member", ["contact_id"], unique=False)
    op.create_table(
        "mailbox",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_mailbox")),
    )
    op.create_index("ix_mailbox_account_id", "mailbox", ["account_id"], unique=False)
    op.create_table(
        "past_message",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_number", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account_id", "source", "order_number", "place", name=op.f("pk_past_message")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "past_order",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("undelivered", sa.Integer(), nullable=False),
        sa.Column("submitted", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "source", "number", name=op.f("pk_past_order")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_past_order_submitted", "past_order", ["account_id", "submitted"], unique=False)
    op.create_table(
        "past_walk",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "source", name=op.f("pk_past_walk")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_incoming_number",
        "incoming",
        ["number", "at", "id"],
        unique=False,
        sqlite_where=sa.text("purchase_id IS NULL"),
        postgresql_where=sa.text("purchase_id IS NULL"),
    )
    op.add_column("account", sa.Column("next_message", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column(
        "sms_order", sa.Column("first_message", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("sms_order", sa.Column("announced", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("sms_order", sa.Column("audience", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("sms_order", sa.Column("brand", sa.BigInteger(), server_default="0", nullable=False))
    # Nobody is told of orders from before; but should somebody be, then by numbers of their own.
    op.execute("UPDATE sms_order SET announced = id + total - 1, first_message = id % 2000000000 + 1")
    op.create_index(
        "ix_sms_order_unannounced",
        "sms_order",
        ["id"],
        unique=False,
        sqlite_where=sa.text("announced < id + total - 1"),
        postgresql_where=sa.text("announced < id + total - 1"),
    )
    # Nobody looks for events by their time, and of callbacks created together there may be thousands.
    op.drop_index("ix_event_at", "event")
    op.drop_index("ix_callback_created", "callback")
    op.create_index("ix_callback_event_id", "callback", ["event_id"], unique=False)
    op.add_column("callback", sa.Column("status", sa.SmallInteger(), nullable=True))
    op.execute(
        "UPDATE callback SET status = (SELECT status FROM attempt"
        " WHERE attempt.callback_id = callback.id ORDER BY attempt.id DESC LIMIT 1)"
    )
