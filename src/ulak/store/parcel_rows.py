"""Rows of parcels: what the modules about consignments and their labels have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ulak.core.consignments import Label
from ulak.core.states import ParcelState
from ulak.store.engine import Sql, Tx

PARCEL_STATES = {int(state): state for state in ParcelState}
"""By their stored number; a look-up costs a fifth of calling the enumeration."""

_FRESH = (
    "nth int4",
    "id int8",
    "consignment_id int8",
    "carrier_id int8",
    "place int2",
    "file_name text",
    "tracking text",
    "tracking_key text",
    "tracking_kind int2",
    "format int2",
    "nonce text",
    "state int2",
    "state_at int8",
    "revoked int8",
)
_FIELDS = ", ".join(column.split()[0] for column in _FRESH[2:])
_VALUES = ", ".join(f"fresh.{column.split()[0]}" for column in _FRESH[2:])
# The account is the consignment's, so it cannot be another one. Ids are given in the order of the rows.
_OWNER = "(SELECT consignment.account_id FROM consignment WHERE consignment.id = fresh.consignment_id)"
_INSERT = Sql(
    f"INSERT INTO label (account_id, {_FIELDS})"
    f" SELECT {_OWNER}, {_VALUES} FROM {{labels}} AS fresh ORDER BY fresh.nth RETURNING id",
    labels=_FRESH,
)
_INSERT_AS = Sql(
    f"INSERT INTO label (id, account_id, {_FIELDS})"
    f" SELECT fresh.id, {_OWNER}, {_VALUES} FROM {{labels}} AS fresh",
    labels=_FRESH,
)

_ID_MAX = 2**63 - 1
_NUL, _REPLACEMENT = "\0", "\ufffd"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def possible(number: int) -> bool:
    """Whether it can be an id at all: people may ask for numbers that no database can hold."""
    return 0 < number <= _ID_MAX


def storable(text: str) -> str:
    """The text as it is stored and looked for: none holds a NUL, or half of a character."""
    return text.replace(_NUL, _REPLACEMENT) if text.isascii() else _UNSTORABLE.sub(_REPLACEMENT, text)


def tracking_key(code: str) -> str:
    """A tracking code as it is looked for: no blanks around it, ASCII letters as capitals."""
    trimmed = storable(code).strip()
    return trimmed.upper() if trimmed.isascii() else trimmed.translate(_UPPER)


def insert_labels(tx: Tx, labels: Sequence[Label]) -> list[Label]:
    """Write labels of consignments that exist; with the id 0 they get one. Returned in the same order."""
    fresh = [label for label in labels if label.id == 0]
    given = [label for label in labels if label.id != 0]
    if given:
        tx.run(_INSERT_AS, labels=_rows(given))
        pass_ids(tx, "label", max(label.id for label in given))
    ids = iter(sorted(row[0] for row in tx.all(_INSERT, labels=_rows(fresh))) if fresh else ())
    return [label if label.id else label._replace(id=next(ids)) for label in labels]


def _rows(labels: Iterable[Label]) -> list[tuple[object, ...]]:
    return [
        (
            nth,
            label.id,
            label.consignment_id,
            label.carrier_id,
            label.place,
            label.file_name,
            storable(label.tracking) if label.tracking else None,
            tracking_key(label.tracking) if label.tracking else None,
            int(label.tracking_kind),
            int(label.format),
            label.nonce,
            int(label.state),
            label.state_at,
            label.revoked,
        )
        for nth, label in enumerate(labels)
    ]


_PASSED = {
    table: Sql(
        f"SELECT setval('{table}_id_seq', greatest(cast(:id AS bigint), last_value)) FROM {table}_id_seq"
    )
    for table in ("consignment", "label", "sighting")
}
_ALONE = {
    table: Sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
    for table in ("consignment", "label", "sighting")
}


def pass_ids(tx: Tx, table: str, last: int) -> None:
    """Let the database choose no id up to `last`, as rows with ids of their own were written.

    SQLite chooses what comes after the largest. PostgreSQL counts, and the count must not be put back by
    somebody who looked at it earlier: nobody else writes to the table until this transaction ends.
    """
    if tx.postgres:
        tx.run(_ALONE[table])
        tx.all(_PASSED[table], id=last)
