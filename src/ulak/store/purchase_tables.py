"""The tables of purchases: rented numbers, single messages and credit, and the payments for them.

As in `tables`: times are ms UTC, amounts whole sats, states the numbers of `core`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

from ulak.store.columns import Id, metadata

# Something bought for one payment: a number for a code, a rental, a message sent, credit. Its customer knows
# it by `public_id`, and whoever knows that may see and cancel it.
purchase = Table(
    "purchase",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    # 63 bits of a digest of `public_id`: how long a look takes tells nothing about ids that are nearly right.
    Column("key", BigInteger, nullable=False),
    Column("public_id", Text, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("dialect", Text, nullable=False),
    # core.states.PurchaseKind, PurchaseState and Resolve
    Column("kind", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("resolve", SmallInteger, nullable=False),
    # When what was decided about the money was carried out.
    Column("resolved", BigInteger),
    # Sats: what it costs, what is reserved, what was taken.
    Column("price", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("posted", BigInteger, nullable=False),
    # 1: taken from the account's balance, and no invoice is made.
    Column("prepaid", SmallInteger, nullable=False),
    # Hexadecimal; the preimage is encrypted.
    Column("payment_hash", Text),
    Column("preimage", Text),
    Column("payreq", Text),
    # core.pools; what is wanted, and from where it came.
    Column("service", Text, nullable=False),
    Column("pool", Integer, nullable=False),
    Column("weeks", SmallInteger, nullable=False),
    Column("handset", SmallInteger, nullable=False),
    # The carrier a number came from, and its name for it.
    Column("carrier_id", BigInteger),
    Column("reference", Text),
    # The rented number, or the one a message goes to; E.164.
    Column("number", BigInteger),
    Column("code", Text),
    # Of a message: its text, and its id in the order engine.
    Column("text", Text),
    Column("message_id", BigInteger),
    # A Lightning Address that gets a share.
    Column("referrer", Text),
    Column("endpoint_id", BigInteger),
    Column("created", BigInteger, nullable=False),
    Column("paid", BigInteger),
    Column("assigned", BigInteger),
    # The last change that its customer can see.
    Column("changed", BigInteger, nullable=False),
    # When time itself changes it, when its source and when its node is asked next; None: not at all.
    Column("due", BigInteger),
    Column("look", BigInteger),
    Column("verify", BigInteger),
    # A key of its customer's, under which it is bought once a day.
    Column("once", Text),
    Index(
        "ix_purchase_once",
        "account_id",
        "once",
        sqlite_where=text("once IS NOT NULL"),
        postgresql_where=text("once IS NOT NULL"),
    ),
    Index("uq_purchase_key", "key", unique=True),
    Index(
        "uq_purchase_payment_hash",
        "payment_hash",
        unique=True,
        sqlite_where=text("payment_hash IS NOT NULL"),
        postgresql_where=text("payment_hash IS NOT NULL"),
    ),
    Index(
        "ix_purchase_credit",
        "account_id",
        "id",
        sqlite_where=text("kind = 5"),
        postgresql_where=text("kind = 5"),
    ),
    Index("ix_purchase_due", "due", sqlite_where=text("due > 0"), postgresql_where=text("due > 0")),
    Index("ix_purchase_look", "look", sqlite_where=text("look > 0"), postgresql_where=text("look > 0")),
    Index(
        "ix_purchase_verify", "verify", sqlite_where=text("verify > 0"), postgresql_where=text("verify > 0")
    ),
    postgresql_with={"fillfactor": "80"},
    sqlite_autoincrement=True,
)

# An SMS that came in, and the purchase whose number it came to, if any.
incoming = Table(
    "incoming",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("purchase_id", BigInteger),
    Column("carrier_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("code", Text),
    # What makes it the same when it is told again.
    Column("digest", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_incoming_purchase_id", "purchase_id"),
    Index("uq_incoming_digest", "carrier_id", "number", "digest", unique=True),
    Index(
        "ix_incoming_number",
        "number",
        "at",
        "id",
        sqlite_where=text("purchase_id IS NULL"),
        postgresql_where=text("purchase_id IS NULL"),
    ),
)

# What links told of SMS lately: parts until their message is whole, and traces of all by which one that is
# told again is known. `chain` is a digest of what the parts of a message have in common.
incoming_part = Table(
    "incoming_part",
    metadata,
    Column("carrier_id", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("chain", BigInteger, primary_key=True),
    Column("part", SmallInteger, primary_key=True),
    Column("parts", SmallInteger, nullable=False),
    Column("sender", Text, nullable=False),
    # Empty where there is one part only.
    Column("text", Text, nullable=False),
    # 1: its message was passed on.
    Column("done", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_incoming_part_at", "at"),
    Index("ix_incoming_part_open", "at", sqlite_where=text("done = 0"), postgresql_where=text("done = 0")),
    sqlite_with_rowid=False,
)

# Numbers of the operator's own. One is rented by one purchase at a time, and once for a service.
own_number = Table(
    "own_number",
    metadata,
    Column("number", Id, primary_key=True, autoincrement=False),
    Column("carrier_id", BigInteger, nullable=False),
    Column("pool", Integer, nullable=False),
    # Codes, comma separated; empty: all.
    Column("services", Text, nullable=False),
    # 1: in a handset.
    Column("handset", SmallInteger, nullable=False),
    Column("purchase_id", BigInteger),
    Column("created", BigInteger, nullable=False),
    Index("ix_own_number_carrier_id", "carrier_id", "pool"),
    Index("ix_own_number_purchase_id", "purchase_id"),
)

number_use = Table(
    "number_use",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The invoices of the node that lives in this database.
memory_invoice = Table(
    "memory_invoice",
    metadata,
    Column("payment_hash", Text, primary_key=True),
    Column("payreq", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # core.funding.InvoiceState
    Column("state", SmallInteger, nullable=False),
    # 1: what is paid is held.
    Column("hold", SmallInteger, nullable=False),
    Column("preimage", Text),
    Column("expires", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Index(
        "ix_memory_invoice_paid",
        "changed",
        sqlite_where=text("state = 3 OR (state = 4 AND hold = 0)"),
        postgresql_where=text("state = 3 OR (state = 4 AND hold = 0)"),
    ),
    sqlite_with_rowid=False,
)

# What is owed to whoever referred a customer.
referral = Table(
    "referral",
    metadata,
    Column("purchase_id", Id, primary_key=True, autoincrement=False),
    Column("address", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # core.referrals.ReferralState
    Column("state", SmallInteger, nullable=False),
    # The invoice it is paid by: kept before it is paid, so that it is paid once.
    Column("payreq", Text),
    Column("payment_hash", Text),
    Column("why", Text, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Index("ix_referral_open", "state", sqlite_where=text("state <> 4"), postgresql_where=text("state <> 4")),
)

# Prices that differ from the configured ones.
price = Table(
    "price",
    metadata,
    # core.purchases.Tariff
    Column("tariff", SmallInteger, primary_key=True),
    # 0 and empty: all. (Pools begin at 0, so they are counted from 1 here.)
    Column("place", Integer, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
