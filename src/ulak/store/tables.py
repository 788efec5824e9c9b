"""The schema, once for both databases.

Times are milliseconds since the epoch, UTC, unless a comment says seconds. Amounts are whole numbers of the
asset's smallest unit. States are the numbers of `core.states`.

An order owns a contiguous range of message ids, and its own id is the first of them: a message row needs
neither an order id nor a second index, and paging, counting and cancelling are ranges of the primary key.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ulak.store import (
    journal_tables,
    people_tables,
    process_tables,
    purchase_tables,
    upkeep_tables,
    velocity_tables,
)
from ulak.store.columns import Id, metadata

__all__ = [
    "journal_tables",
    "metadata",
    "people_tables",
    "process_tables",
    "purchase_tables",
    "upkeep_tables",
    "velocity_tables",
]

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

id_block = Table(
    "id_block",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

account = Table(
    "account",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("api_access", SmallInteger, nullable=False),
    Column("settings", Text, nullable=False),
    Column("next_number", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    # What callbacks call the account's next message; wraps below 2^31.
    Column("next_message", BigInteger, nullable=False, server_default="1"),
)

credential = Table(
    "credential",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("dialect", Text, nullable=False),
    # SHA-256, hexadecimal: a stolen database file must not send SMS.
    Column("key_digest", Text, nullable=False),
    Column("secret_digest", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("dialect", "key_digest"),
)

sender = Table(
    "sender",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("approved", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

balance = Table(
    "balance",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("asset", Text, primary_key=True),
    # Four ledger accounts of one tenant and asset. `issued` is the outside: what was granted, negative.
    Column("issued", BigInteger, nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    CheckConstraint("issued + available + held + spent = 0", name="zero"),
    CheckConstraint("available >= 0 AND held >= 0 AND spent >= 0", name="floor"),
    sqlite_with_rowid=False,
)

posting = Table(
    "posting",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    # core.ledger.Move: which of the four ledger accounts gave, and which got.
    Column("move", SmallInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("order_id", BigInteger),
    Column("at", BigInteger, nullable=False),
    Column("consignment_id", BigInteger),
    Column("purchase_id", BigInteger),
    CheckConstraint("amount > 0", name="positive"),
)

carrier = Table(
    "carrier",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # A JSON object; secrets in it are encrypted.
    Column("settings", Text, nullable=False),
    Column("removed", BigInteger),
    Column("created", BigInteger, nullable=False),
    Index(
        "uq_carrier_name",
        "name",
        unique=True,
        sqlite_where=text("removed IS NULL"),
        postgresql_where=text("removed IS NULL"),
    ),
)

sms_order = Table(
    "sms_order",
    metadata,
    # The id of the order's first message.
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    # What the customer knows the order by; counted per account.
    Column("number", BigInteger, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("submitted", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("total", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("undelivered", Integer, nullable=False),
    # Credits reserved and taken; the price is their sum.
    Column("held", Integer, nullable=False),
    Column("posted", Integer, nullable=False),
    # The digits all usable numbers begin with; a carrier is chosen by it.
    Column("prefix", Text, nullable=False),
    Column("carrier_id", BigInteger, nullable=False),
    # Messages up to `opened` may have been handed to the carrier; up to `settled` all had an outcome.
    Column("opened", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=False),
    # What callbacks call its first message.
    Column("first_message", BigInteger, nullable=False, server_default="0"),
    # Of messages up to this one callbacks were queued that they were accepted, where anybody is told.
    Column("announced", BigInteger, nullable=False, server_default="0"),
    # core.consents.Audience whose consent it needs, and for which brand; 0: it needs none.
    Column("audience", SmallInteger, nullable=False, server_default="0"),
    Column("brand", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("account_id", "number"),
    Index("ix_sms_order_account_submitted", "account_id", "submitted"),
    Index(
        "ix_sms_order_waiting",
        "due",
        sqlite_where=text("state IN (10, 11)"),
        postgresql_where=text("state IN (10, 11)"),
    ),
    Index(
        "ix_sms_order_unannounced",
        "id",
        sqlite_where=text("announced < id + total - 1"),
        postgresql_where=text("announced < id + total - 1"),
    ),
    Index("ix_sms_order_sending", "id", sqlite_where=text("state = 12"), postgresql_where=text("state = 12")),
    postgresql_with={"fillfactor": "80"},
)

order_text = Table(
    "order_text",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("first_id", BigInteger, primary_key=True),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)

message = Table(
    "message",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    # E.164 as an integer; 0: unreadable, its text stands in odd_number; 1: erased.
    Column("number", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    # What it costs, in credits.
    Column("parts", SmallInteger, nullable=False),
    # A bit for each part without a final report. A final message that no carrier ever accepted keeps bits.
    Column("open_parts", SmallInteger, nullable=False),
    # Seconds since the epoch.
    Column("changed", BigInteger, nullable=False),
    postgresql_partition_by="RANGE (id)",
)

odd_number = Table(
    "odd_number",
    metadata,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("submitted", Text, nullable=False),
)

fingerprint = Table(
    "fingerprint",
    metadata,
    Column("order_id", Id, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_fingerprint_digest", "digest"),
)

reference = Table(
    "reference",
    metadata,
    Column("carrier_id", BigInteger, primary_key=True),
    Column("key", BigInteger, primary_key=True),
    Column("message_id", BigInteger, nullable=False),
    Column("order_id", BigInteger, nullable=False),
    Column("part", SmallInteger, nullable=False),
    # As the operator spelled it, where `key` is only a digest of it.
    Column("spelled", Text, nullable=False),
    sqlite_with_rowid=False,
)

stray_report = Table(
    "stray_report",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("carrier_id", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("spelled", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    # ports.ReportState
    Column("state", SmallInteger, nullable=False),
    Column("raw", Text, nullable=False),
    # core.reports.Stray: parked (may still find its message) or contradicting a final state.
    Column("why", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_stray_report_carrier_id_key", "carrier_id", "key"),
)

unsure = Table(
    "unsure",
    metadata,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("order_id", BigInteger, nullable=False),
    Column("carrier_id", BigInteger, nullable=False),
    # core.doubts.Doubt: what was or is to be done about it.
    Column("doubt", SmallInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    # Looked at several times a second, and nearly always empty.
    Index(
        "ix_unsure_to_send",
        "carrier_id",
        sqlite_where=text("doubt IN (4, 5)"),
        postgresql_where=text("doubt IN (4, 5)"),
    ),
)

consignment = Table(
    "consignment",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("uuid", Text, nullable=False, unique=True),
    Column("barcode", Text, nullable=False, unique=True),
    Column("parent_id", BigInteger),
    # core.consignments.Shape and Route
    Column("shape", SmallInteger, nullable=False),
    Column("route", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    # When what `state` says happened: older news does not move it.
    Column("state_at", BigInteger, nullable=False),
    Column("carrier_id", BigInteger),
    # What the carrier knows it by.
    Column("carrier_reference", Text, nullable=False),
    Column("reference", Text),
    # JSON: core.consignments.Shipment, Costs, Measures; of a draft also what its dialect was told.
    Column("shipment", Text, nullable=False),
    Column("costs", Text, nullable=False),
    Column("measures", Text, nullable=False),
    Column("draft", Text),
    # Kuruş reserved and taken.
    Column("held", BigInteger, nullable=False),
    Column("posted", BigInteger, nullable=False),
    # When the carrier was last asked about it.
    Column("looked", BigInteger),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Index("ix_consignment_account", "account_id", "id"),
    Index(
        "ix_consignment_reference",
        "account_id",
        "reference",
        sqlite_where=text("reference IS NOT NULL"),
        postgresql_where=text("reference IS NOT NULL"),
    ),
    # Few are returns.
    Index(
        "ix_consignment_parent",
        "parent_id",
        sqlite_where=text("parent_id IS NOT NULL"),
        postgresql_where=text("parent_id IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": "80"},
    # The number of a draft that was thrown away must not lead to another one.
    sqlite_autoincrement=True,
)

label = Table(
    "label",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("consignment_id", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("carrier_id", BigInteger, nullable=False),
    # Which package of the consignment, from 0.
    Column("place", SmallInteger, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("tracking", Text),
    # The tracking code as it is looked for: upper case.
    Column("tracking_key", Text),
    Column("tracking_kind", SmallInteger, nullable=False),
    Column("format", SmallInteger, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("state_at", BigInteger, nullable=False),
    Column("revoked", BigInteger),
    Index("ix_label_consignment_id", "consignment_id"),
    Index(
        "ix_label_tracking",
        "tracking_key",
        "account_id",
        sqlite_where=text("tracking_key IS NOT NULL"),
        postgresql_where=text("tracking_key IS NOT NULL"),
    ),
)

# The file of a label, from its first download on.
label_file = Table(
    "label_file",
    metadata,
    Column("label_id", Id, primary_key=True, autoincrement=False),
    Column("mime", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

sighting = Table(
    "sighting",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("consignment_id", BigInteger, nullable=False),
    # None: what happened to the whole of it.
    Column("label_id", BigInteger),
    # What makes it the same when it is told again.
    Column("digest", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("location", Text),
    # The carrier's own code and words.
    Column("raw", Text, nullable=False),
    UniqueConstraint("consignment_id", "digest"),
)

paper = Table(
    "paper",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("consignment_id", BigInteger),
    # core.consignments.PaperKind and PaperState
    Column("kind", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("mime", Text, nullable=False),
    Column("size", Integer, nullable=False),
    # The number and day (ms) that are written on it.
    Column("reference", Text),
    Column("issued", BigInteger),
    Column("created", BigInteger, nullable=False),
    Index("ix_paper_consignment_id", "consignment_id"),
)

paper_file = Table(
    "paper_file",
    metadata,
    Column("paper_id", Id, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

# What an account keeps to be used again: warehouses and recipients.
saved_party = Table(
    "saved_party",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    # core.consignments.SavedAs
    Column("saved_as", SmallInteger, nullable=False),
    Column("party", Text, nullable=False),
    Index("ix_saved_party_account_id", "account_id"),
    sqlite_autoincrement=True,
)

special_service = Table(
    "special_service",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    # Kuruş
    Column("fee", BigInteger, nullable=False),
    Column("removed", BigInteger),
)

# What was answered to a request that carried a key of its own, so that it is carried out once.
reply = Table(
    "reply",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    # The operation, and the caller's key.
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    # SHA-256 of the request's content, hexadecimal.
    Column("digest", Text, nullable=False),
    # core.once.ReplyState
    Column("state", SmallInteger, nullable=False),
    # Running: until when its claim holds.
    Column("until", BigInteger, nullable=False),
    Column("consignment_id", BigInteger),
    Column("body", LargeBinary),
    Column("at", BigInteger, nullable=False),
    Index("ix_reply_at", "at"),
)

# Ids of jobs, events and callbacks are not used again when the newest row is deleted: others remember them.

# Work to do later, queued in the commit of the change that needs it. One of a kind for a subject.
job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    # core.jobs.JobKind
    Column("kind", SmallInteger, nullable=False),
    Column("subject", BigInteger, nullable=False),
    # While somebody works on it: when his claim ends.
    Column("due", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    # Whose claim it is; empty: nobody's.
    Column("claim", Text, nullable=False),
    UniqueConstraint("kind", "subject"),
    Index("ix_job_due", "kind", "due"),
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# Where an account is told of events.
endpoint = Table(
    "endpoint",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    # In whose words.
    Column("dialect", Text, nullable=False),
    # Families of events, comma separated.
    Column("families", Text, nullable=False),
    Column("url", Text, nullable=False),
    # Encrypted.
    Column("secret", Text, nullable=False),
    # Since when nothing got through, and since when it is not tried any more.
    Column("failing", BigInteger),
    Column("disabled", BigInteger),
    Column("removed", BigInteger),
    Column("created", BigInteger, nullable=False),
    # 1: named in a request for what that request is about, and told of nothing else.
    Column("named", SmallInteger, nullable=False, server_default="0"),
    Index(
        "uq_endpoint_account_dialect",
        "account_id",
        "dialect",
        unique=True,
        sqlite_where=text("removed IS NULL AND named = 0"),
        postgresql_where=text("removed IS NULL AND named = 0"),
    ),
    Index(
        "uq_endpoint_named",
        "account_id",
        "dialect",
        "url",
        unique=True,
        sqlite_where=text("removed IS NULL AND named = 1"),
        postgresql_where=text("removed IS NULL AND named = 1"),
    ),
)

# One event to be told to one endpoint.
callback = Table(
    "callback",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("endpoint_id", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("subject", BigInteger, nullable=False),
    # core.callbacks.CallbackState
    Column("state", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False),
    # When it is tried next; while it is tried, when the claim ends.
    Column("due", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    # When it arrived or was given up.
    Column("ended", BigInteger),
    # What the last attempt was answered: HTTP status, 0 without an answer.
    Column("status", SmallInteger),
    # The process that tries it.
    Column("claim", BigInteger, nullable=False, server_default="0"),
    # Only what is still to be told; the sent ones are many and looked for by nobody.
    Index(
        "ix_callback_due",
        "endpoint_id",
        "due",
        sqlite_where=text("state IN (2, 3)"),
        postgresql_where=text("state IN (2, 3)"),
    ),
    Index(
        "ix_callback_subject",
        "endpoint_id",
        "subject",
        "id",
        sqlite_where=text("state IN (2, 3, 4)"),
        postgresql_where=text("state IN (2, 3, 4)"),
    ),
    Index("ix_callback_event_id", "event_id"),
    postgresql_with={"fillfactor": "80"},
    sqlite_autoincrement=True,
)

# The log of attempts that failed.
attempt = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("callback_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    # HTTP status; 0: no answer, and `note` says why.
    Column("status", SmallInteger, nullable=False),
    Column("took", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Index("ix_attempt_callback_id", "callback_id"),
)
