"""Tables about the people whom an account writes to: who must not be written to, who agreed, who answers,
the address book, and what was sent elsewhere before.

Times are milliseconds since the epoch, UTC. Telephone numbers are E.164 as integers.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text

from ulak.store.columns import Id, metadata

# A number that an account must not write to.
block = Table(
    "block",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    # core.consents.Origin
    Column("origin", SmallInteger, nullable=False),
    Column("added", BigInteger, nullable=False),
    Index("ix_block_added", "account_id", "added", "number"),
    sqlite_with_rowid=False,
)

# What an erased person had said against being written to: a digest of the number, which only the
# installation's key makes, stands for it.
suppression = Table(
    "suppression",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    # Consent that was refused, as in `consent`; 0 and 0: all messages.
    Column("brand", BigInteger, primary_key=True),
    Column("audience", SmallInteger, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("added", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The newest word of a person about being written to, by brand.
consent = Table(
    "consent",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("brand", BigInteger, primary_key=True),
    # core.consents.Channel and Audience
    Column("channel", SmallInteger, primary_key=True),
    Column("audience", SmallInteger, primary_key=True),
    # The digits of a telephone number, or an e-mail address.
    Column("recipient", Text, primary_key=True),
    # core.consents.Decision and Source
    Column("decision", SmallInteger, nullable=False),
    Column("source", SmallInteger, nullable=False),
    # When the person said so, and when we were told.
    Column("given", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Index("ix_consent_changed", "account_id", "changed"),
    sqlite_with_rowid=False,
)

# The account that a number (or a short code) people can write to belongs to.
mailbox = Table(
    "mailbox",
    metadata,
    Column("number", Id, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index("ix_mailbox_account_id", "account_id"),
)

contact_group = Table(
    "contact_group",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    # 0: at the top.
    Column("parent_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Index("ix_contact_group_account_id", "account_id", "parent_id"),
    sqlite_autoincrement=True,
)

contact = Table(
    "contact",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("surname", Text, nullable=False),
    Column("email", Text, nullable=False),
    # 0: none.
    Column("number", BigInteger, nullable=False),
    # What a search looks through: all of the above, folded to one case.
    Column("folded", Text, nullable=False),
    Index("ix_contact_account_id", "account_id", "id"),
    sqlite_autoincrement=True,
)

group_member = Table(
    "group_member",
    metadata,
    Column("group_id", BigInteger, primary_key=True),
    Column("contact_id", BigInteger, primary_key=True),
    Index("ix_group_member_contact_id", "contact_id"),
    sqlite_with_rowid=False,
)

# A field that an account has added to its contacts.
contact_field = Table(
    "contact_field",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Index("uq_contact_field_name", "account_id", "name", unique=True),
    sqlite_autoincrement=True,
)

contact_value = Table(
    "contact_value",
    metadata,
    Column("contact_id", BigInteger, primary_key=True),
    Column("field_id", BigInteger, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What an account sent elsewhere, as it was told there. Read only.
past_order = Table(
    "past_order",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    # The dialect of the service it was sent with.
    Column("source", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    # The codes of that dialect.
    Column("status", SmallInteger, nullable=False),
    Column("total", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("undelivered", Integer, nullable=False),
    Column("submitted", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    # As it was told: credits, or an amount; empty: it was not.
    Column("price", Text, nullable=False),
    # How many of its messages are here.
    Column("taken", Integer, nullable=False),
    Index("ix_past_order_submitted", "account_id", "submitted"),
    sqlite_with_rowid=False,
)

past_message = Table(
    "past_message",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("order_number", BigInteger, primary_key=True),
    # From 0, as the service lists them.
    Column("place", Integer, primary_key=True),
    Column("number", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# How far an import has come: every day before `day` (YYYY-MM-DD) is here as a whole.
past_walk = Table(
    "past_walk",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("since", Text, nullable=False),
    Column("day", Text, nullable=False),
    sqlite_with_rowid=False,
)
