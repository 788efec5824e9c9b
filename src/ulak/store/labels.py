"""Labels, and the files that were made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ulak.core.consignments import Consignment, Label
from ulak.core.shipping import File
from ulak.store import consignments
from ulak.store.engine import Row, Sql, Tx
from ulak.store.parcel_rows import PARCEL_STATES, insert_labels, possible, tracking_key

_SAVE = Sql(
    "UPDATE label SET state = fresh.state, state_at = fresh.state_at, revoked = fresh.revoked,"
    " tracking = fresh.tracking, tracking_key = fresh.tracking_key, tracking_kind = fresh.tracking_kind"
    " FROM {fresh} AS fresh WHERE label.id = fresh.id",
    fresh=(
        "id int8",
        "state int2",
        "state_at int8",
        "revoked int8",
        "tracking text",
        "tracking_key text",
        "tracking_kind int2",
    ),
)
_COLUMNS = (
    "id, consignment_id, carrier_id, place, file_name, tracking, tracking_kind, format, nonce, state,"
    " state_at, revoked"
)
# Of a label that there is not another's row is read, which takes as long (decision 0016).
_BY_ID = Sql(
    f"SELECT {', '.join(f'label.{name}' for name in _COLUMNS.split(', '))}"
    " FROM (SELECT id FROM label WHERE id > 0 ORDER BY id LIMIT 1) AS other JOIN label"
    " ON label.id = COALESCE((SELECT own.id FROM label AS own WHERE own.id = :id), other.id)"
)
_BY_CODE = Sql(
    f"SELECT {_COLUMNS} FROM label WHERE tracking_key = :key AND carrier_id = :carrier ORDER BY id DESC"
)
_FILE = Sql("SELECT content, mime FROM label_file WHERE label_id = :label")
_KEEP_FILE = Sql(
    "INSERT INTO label_file (label_id, mime, content) VALUES (:label, :mime, :content) ON CONFLICT DO NOTHING"
)


def insert(tx: Tx, labels: Sequence[Label]) -> list[Label]:
    """Write labels of consignments that exist; with the id 0 they get one. Returned in the same order."""
    return insert_labels(tx, labels)


def save(tx: Tx, labels: Sequence[Label]) -> None:
    """Write what changes of labels: where they stand, whether they were revoked, their tracking codes."""
    rows = [
        (
            label.id,
            int(label.state),
            label.state_at,
            label.revoked,
            label.tracking,
            tracking_key(label.tracking) if label.tracking else None,
            int(label.tracking_kind),
        )
        for label in labels
    ]
    if rows:
        tx.run(_SAVE, fresh=rows)


def public(tx: Tx, label_id: int, is_sealed: Callable[[Label], bool]) -> tuple[Consignment, Label] | None:
    """A label and its whole consignment, whoever owns them: its address, with its seal, is the permission to
    see it. What is sealed otherwise takes as long as what there is not."""
    row = tx.one(_BY_ID, id=label_id if possible(label_id) else 0)
    if row is None:
        return None
    found = _label(row)
    if not is_sealed(found) or found.id != label_id:
        return None
    return consignments.load(tx, [found.consignment_id])[found.consignment_id], found


def file(tx: Tx, label_id: int) -> File | None:
    """The file that was kept of a label; None before its first download."""
    row = tx.one(_FILE, label=label_id)
    return File(row[0], row[1]) if row else None


def keep_file(tx: Tx, label_id: int, made: File) -> File:
    """Keep a label's file. If one was kept before, that one stays; returns the one that is kept."""
    if tx.run(_KEEP_FILE, label=label_id, mime=made.mime, content=made.content):
        return made
    kept = file(tx, label_id)
    assert kept is not None
    return kept


def by_carrier_code(tx: Tx, carrier_id: int, tracking: str) -> list[Label]:
    """A carrier's labels with this tracking code, of any account, the newest first."""
    return [_label(row) for row in tx.all(_BY_CODE, key=tracking_key(tracking), carrier=carrier_id)]


def _label(row: Row) -> Label:
    return Label._make((*row[:9], PARCEL_STATES[row[9]], *row[10:]))
