"""How SQLite carries out what is asked often: never by reading a whole table.

SQLite guesses badly how many rows a JSON text holds, and once chose to scan all references for each of them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ulak.store import (
    accounts,
    barring,
    blocks,
    booking_keys,
    bookings,
    callbacks,
    carriers,
    consents,
    consignments,
    contacts,
    endpoints,
    events,
    gauges,
    history,
    ids,
    jobs,
    labels,
    ledger,
    mailboxes,
    messages,
    orders,
    papers,
    parcel_rows,
    parties,
    pruning,
    pruning_things,
    pruning_traces,
    replies,
    reports,
    schema,
    settings,
    sightings,
    special_services,
    suppressions,
    sweep,
)
from ulak.store.engine import Database, Sql

MODULES = (
    accounts,
    carriers,
    history,
    ids,
    ledger,
    messages,
    orders,
    pruning,
    pruning_things,
    pruning_traces,
    reports,
    settings,
    sweep,
)
PARCEL_MODULES = (
    barring,
    booking_keys,
    bookings,
    callbacks,
    consignments,
    endpoints,
    events,
    jobs,
    labels,
    papers,
    parcel_rows,
    parties,
    replies,
    sightings,
    special_services,
)

PEOPLE_MODULES = (blocks, consents, contacts, gauges, mailboxes, suppressions)

WHOLE = {
    # Small tables, or asked by people.
    "accounts._ALL",
    "accounts._ALL_NEXT",
    "carriers._ACTIVE",
    "carriers._REMOVED_AT_WORK",
    "reports._ANY_PARKED",
    "reports._PARKED",
    "special_services._ACTIVE",
    "callbacks._ALL",
    "callbacks._ALL_OF_ACCOUNT",
    "callbacks._ENDED",
    "mailboxes._ALL",
    # A row an account, an endpoint, a doubt; asked every few seconds at most.
    "gauges._HELD",
    "gauges._DISABLED",
    "gauges._UNSURE",
    # When a process starts: work that nobody ended.
    "jobs._RELEASE",
    # Once, and asked by people.
    "endpoints._SEALED",
}
"""Statements that may read a table whole, and why that is no harm."""


def statements() -> Iterator[tuple[str, Sql]]:
    for module in MODULES + PARCEL_MODULES + PEOPLE_MODULES:
        for name, value in vars(module).items():
            if isinstance(value, Sql) and not name.endswith("_POSTGRES"):
                yield f"{module.__name__.rsplit('.', 1)[1]}.{name}", value


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    folder: Path = tmp_path_factory.mktemp("plans")
    database = Database(folder, None, lambda: 0)
    schema.prepare(database)
    connection = sqlite3.connect(database.path)
    yield connection
    connection.close()


TABLES = (
    "account|credential|balance|posting|sms_order|order_text|message|odd_number"
    "|fingerprint|reference|stray_report|unsure|consignment|parent|label|label_file|sighting|paper|paper_file"
    "|saved_party|special_service|reply|booking_key|job|event|endpoint|callback|attempt|block|consent|mailbox|incoming"
    "|contact|contact_group|group_member|contact_field|contact_value"
    "|past_order|past_message|past_walk|posting_sum|suppression|purchase|referral|memory_invoice"
)


def plan(db: sqlite3.Connection, sql: Sql) -> list[str]:
    """The steps in which SQLite would carry it out."""
    names = set(re.findall(r":([a-z_]+)", sql.sqlite))
    return [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql.sqlite, dict.fromkeys(names, "[]"))]


@pytest.mark.parametrize(("name", "sql"), list(statements()))
def test_no_table_is_scanned(db: sqlite3.Connection, name: str, sql: Sql) -> None:
    steps = plan(db, sql)
    partial = "sms_order|unsure_to|callback|booking_key"
    scanned = re.compile(rf"SCAN ({TABLES}|waiting)\b(?!.*INDEX ix_({partial})_)")
    scans = [step for step in steps if scanned.match(step)]
    assert (scans == []) or name in WHOLE, "\n".join(steps)


def test_the_exceptions_exist() -> None:
    assert {name for name, _ in statements()} >= WHOLE


CONSENT_KEY = "PRIMARY KEY (account_id=? AND brand=? AND channel=? AND audience=? AND recipient=?)"

# One row, or the few that belong together: (statement, table, what is compared in which index).
FOUND_BY = [
    (consignments._BY_TRACKING, "label", "INDEX ix_label_tracking (tracking_key=? AND account_id=?)"),
    (consignments._BY_TRACKING, "consignment", "INTEGER PRIMARY KEY (rowid=?)"),
    (consignments._BY_BARCODE, "consignment", "(barcode=?)"),
    (consignments._BY_REFERENCE, "consignment", "ix_consignment_reference (account_id=? AND reference=?)"),
    (consignments._BY_ID, "consignment", "ix_consignment_account (account_id=? AND id>? AND id<?)"),
    (consignments._BY_UUID, "consignment", "(uuid=?)"),
    (consignments._PARTS, "label", "(consignment_id=?)"),
    (consignments._PARTS, "sighting", "(consignment_id=?)"),
    (consignments._PARTS, "paper", "(consignment_id=?)"),
    (consignments._PARTS_OF_MANY, "sighting", "(consignment_id=?)"),
    (consignments._PAGE, "consignment", "ix_consignment_account (account_id=?)"),
    (sightings._PAGE, "sighting", "(consignment_id=?)"),
    (papers._LINK, "paper", "INTEGER PRIMARY KEY (rowid=?)"),
    (replies._LOCKED, "reply", "(account_id=? AND scope=? AND key=?)"),
    (jobs._DUE, "job", "ix_job_due (kind=? AND due<?)"),
    (jobs._CLAIM, "job", "INTEGER PRIMARY KEY (rowid=?)"),
    (callbacks._FIRST_SQLITE, "callback", "ix_callback_due (endpoint_id=? AND due<?)"),
    (callbacks._TAKE, "callback", "INTEGER PRIMARY KEY (rowid=?)"),
    (blocks._FIND, "block", "PRIMARY KEY (account_id=? AND number=?)"),
    (blocks._LIFT, "block", "PRIMARY KEY (account_id=? AND number=?)"),
    (blocks._REMOVE, "block", "PRIMARY KEY (account_id=? AND number=?)"),
    # Whole pages from the index alone, in its order.
    (blocks._PAGE, "block", "COVERING INDEX ix_block_added (account_id=? AND added>? AND added<?)"),
    (blocks._COUNT, "block", "COVERING INDEX ix_block_added (account_id=? AND added>? AND added<?)"),
    (consents._FIND, "consent", CONSENT_KEY),
    (consents._STATES, "consent", CONSENT_KEY),
    (mailboxes._FIND, "mailbox", "INTEGER PRIMARY KEY (rowid=?)"),
    (mailboxes._OF_ACCOUNT, "mailbox", "ix_mailbox_account_id (account_id=?)"),
    (mailboxes._CAME, "incoming", "ix_incoming_number (number=? AND at>?)"),
    (contacts._GROUPS, "contact_group", "ix_contact_group_account_id (account_id=?)"),
    (contacts._GROUPS, "group_member", "PRIMARY KEY (group_id=?)"),
    (contacts._ONE_GROUP, "contact_group", "INTEGER PRIMARY KEY (rowid=?)"),
    (contacts._CHILDREN, "contact_group", "ix_contact_group_account_id (account_id=? AND parent_id=?)"),
    (contacts._OWN_GROUPS, "contact_group", "INTEGER PRIMARY KEY (rowid=?)"),
    (contacts._EMPTY_GROUPS, "group_member", "PRIMARY KEY (group_id=?)"),
    (contacts._REMOVE_GROUPS, "contact_group", "ix_contact_group_account_id (account_id=?)"),
    (contacts._ONE_CONTACT, "contact", "ix_contact_account_id (account_id=? AND id>? AND id<?)"),
    (contacts._SEARCH, "contact", "ix_contact_account_id (account_id=?)"),
    (contacts._MEMBERS, "group_member", "PRIMARY KEY (group_id=?)"),
    (contacts._MEMBERS, "contact", "INTEGER PRIMARY KEY (rowid=?)"),
    (contacts._VALUES, "contact_value", "PRIMARY KEY (contact_id=?)"),
    (contacts._GROUPS_OF, "group_member", "ix_group_member_contact_id (contact_id=?)"),
    (contacts._LEAVE_GROUPS, "group_member", "ix_group_member_contact_id (contact_id=?)"),
    (contacts._CLEAR_VALUES, "contact_value", "PRIMARY KEY (contact_id=?)"),
    (contacts._FIELDS, "contact_field", "uq_contact_field_name (account_id=?)"),
]


@pytest.mark.parametrize(("sql", "table", "key"), FOUND_BY)
def test_what_is_asked_most_is_found_by_its_whole_key(
    db: sqlite3.Connection, sql: Sql, table: str, key: str
) -> None:
    searches = [step for step in plan(db, sql) if step.startswith(f"SEARCH {table} ")]
    assert searches
    assert [step for step in searches if not step.endswith(key)] == []


@pytest.mark.parametrize("sql", [blocks._PAGE, mailboxes._CAME])
def test_rows_come_in_the_order_of_the_index(db: sqlite3.Connection, sql: Sql) -> None:
    assert not [step for step in plan(db, sql) if "TEMP B-TREE" in step]
