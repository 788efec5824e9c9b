"""Tables for what is taken away: leased ids, pruned orders, sums of old postings, erased numbers.

As in `tables`: times are ms UTC, amounts the asset's smallest unit.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, SmallInteger, Table, Text

from ulak.store.columns import Id, metadata

# Blocks of message ids that were leased lately: a process may still hand out ids of them. Only where messages
# are in partitions, of which one with such ids must not be dropped.
id_lease = Table(
    "id_lease",
    metadata,
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Ids of messages whose partition is being dropped: their orders go first, so some of them belong to none.
dropped_range = Table(
    "dropped_range",
    metadata,
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What was pruned of an account: how many orders, consignments or purchases that were paid with an asset, and
# what they had taken. Written in the commits that delete them, so that balances can still be proved.
pruned = Table(
    "pruned",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("things", BigInteger, nullable=False),
    Column("posted", BigInteger, nullable=False),
    # The greatest id among them: postings for one above it, which is not there, are wrong.
    Column("upto", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Postings for what was pruned, added up and deleted.
posting_sum = Table(
    "posting_sum",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("asset", Text, primary_key=True),
    # core.ledger.Move
    Column("move", SmallInteger, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("postings", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# That a number was erased: when, by whom, and under which digest, which only the installation's key makes.
erasure = Table(
    "erasure",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("digest", Text, nullable=False),
    Column("who", Text, nullable=False),
    # JSON: how many rows of what.
    Column("found", Text, nullable=False),
    Column("began", BigInteger, nullable=False),
    # None: it was stopped before its end, and has to be done again.
    Column("ended", BigInteger),
)
