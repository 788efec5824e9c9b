"""Tables about what carriers of parcels and sources of numbers are asked for.

Times are milliseconds since the epoch, UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Table, Text, text

from ulak.store.columns import metadata

# The keys under which carriers that do not know keys were asked to book parcels and rent numbers.
booking_key = Table(
    "booking_key",
    metadata,
    # consignment.uuid; of a rental a name of its source's.
    Column("key", Text, primary_key=True),
    Column("carrier_id", BigInteger, primary_key=True, autoincrement=False),
    # core.journal.KeyState
    Column("state", SmallInteger, nullable=False),
    # What the carrier answered (of a parcel with its labels, until that is with the consignment).
    Column("answer", LargeBinary),
    # By the machine's clock: a moved one of a sandbox must not lose keys.
    Column("created", BigInteger, nullable=False),
    Index("ix_booking_key_created", "created"),
    Index(
        "ix_booking_key_open",
        "created",
        sqlite_where=text("state < 3"),
        postgresql_where=text("state < 3"),
    ),
)
