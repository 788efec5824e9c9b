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
    bookings,
    callbacks,
    carriers,
    consignments,
    endpoints,
    events,
    ids,
    jobs,
    labels,
    ledger,
    messages,
    orders,
    papers,
    parcel_rows,
    parties,
    replies,
    reports,
    schema,
    settings,
    sightings,
    special_services,
    sweep,
)
from ulak.store.engine import Database, Sql

MODULES = (accounts, carriers, ids, ledger, messages, orders, reports, settings, sweep)
PARCEL_MODULES = (
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

WHOLE = {
    # Small tables, or asked by people.
    "accounts._ALL",
    "carriers._ACTIVE",
    "carriers._REMOVED_AT_WORK",
    "reports._ANY_PARKED",
    "reports._PARKED",
    "special_services._ACTIVE",
    # When a process starts: work that nobody ended.
    "jobs._RELEASE",
}
"""Statements that may read a table whole, and why that is no harm."""


def statements() -> Iterator[tuple[str, Sql]]:
    for module in MODULES + PARCEL_MODULES:
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
    "|saved_party|special_service|reply|job|event|endpoint|callback|attempt"
)


@pytest.mark.parametrize(("name", "sql"), list(statements()))
def test_no_table_is_scanned(db: sqlite3.Connection, name: str, sql: Sql) -> None:
    names = set(re.findall(r":([a-z_]+)", sql.sqlite))
    plan = db.execute("EXPLAIN QUERY PLAN " + sql.sqlite, dict.fromkeys(names, "[]")).fetchall()
    scans = [
        row[3]
        for row in plan
        if re.match(rf"SCAN ({TABLES}|waiting)\b(?!.*INDEX ix_(sms_order|unsure_to)_)", row[3])
    ]
    assert (scans == []) or name in WHOLE, "\n".join(row[3] for row in plan)


def test_the_exceptions_exist() -> None:
    assert {name for name, _ in statements()} >= WHOLE
