"""Consignments: found by every key that customers know them by, each with all that is shown of it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ulak.core.consignments import (
    CarrierName,
    Consignment,
    Costs,
    Label,
    Measures,
    Original,
    Route,
    Seen,
    Shape,
    Shipment,
)
from ulak.store import papers, sightings
from ulak.store.engine import Row, Sql, Tx
from ulak.store.parcel_rows import (
    PARCEL_STATES,
    insert_labels,
    pass_ids,
    possible,
    storable,
    tracking_key,
)

_COLUMNS = (
    "consignment.id, consignment.account_id, consignment.uuid, consignment.barcode, consignment.shape,"
    " consignment.route, consignment.state, consignment.state_at, consignment.shipment, consignment.costs,"
    " consignment.measures, consignment.created, consignment.updated, consignment.carrier_id,"
    " (SELECT carrier.name FROM carrier WHERE carrier.id = consignment.carrier_id), consignment.parent_id,"
    " (SELECT parent.uuid FROM consignment AS parent WHERE parent.id = consignment.parent_id),"
    " (SELECT parent.barcode FROM consignment AS parent WHERE parent.id = consignment.parent_id),"
    " consignment.carrier_reference, consignment.draft, consignment.held, consignment.posted,"
    " consignment.looked"
)
_SELECT = f"SELECT {_COLUMNS} FROM consignment"
_NEWEST = "ORDER BY consignment.created DESC, consignment.id DESC LIMIT 1"

_BY_TRACKING = Sql(
    f"SELECT {_COLUMNS} FROM label JOIN consignment ON consignment.id = label.consignment_id"
    f" WHERE label.tracking_key = :key AND label.account_id = :account {_NEWEST}"
)
_BY_BARCODE = Sql(f"{_SELECT} WHERE consignment.barcode = :barcode AND consignment.account_id = :account")
_BY_REFERENCE = Sql(
    f"{_SELECT} WHERE consignment.account_id = :account AND consignment.reference = :reference {_NEWEST}"
)
# By the index of the account, so that no row of another's is touched: it would take longer than none.
_BY_ID = Sql(f"{_SELECT} WHERE consignment.account_id = :account AND consignment.id BETWEEN :id AND :id")
_BY_UUID = Sql(f"{_SELECT} WHERE consignment.uuid = :uuid AND consignment.account_id = :account")
_LOAD = Sql(
    f"SELECT {_COLUMNS} FROM {{wanted}} AS wanted JOIN consignment ON consignment.id = wanted.id",
    wanted=("id int8",),
)

# Labels, sightings and documents in one question, as nothing is asked more often than a whole consignment:
# (what, consignment, place in its order, id, numbers, texts), each kind in the order in which it is shown.
_LABELS, _SEEN, _PAPERS = 1, 2, 3


def _parts(source: str, which: str) -> str:
    """`source` comes before, `which` behind the name of each table."""
    return (
        f"SELECT {_LABELS}, consignment_id, place, label.id, carrier_id, tracking_kind, format, state,"
        f" state_at, revoked, file_name, tracking, nonce FROM {source}label {which}"
        f" UNION ALL SELECT {_SEEN}, consignment_id, at, sighting.id, label_id, NULL, NULL, state,"
        f" stored, NULL, text, location, raw FROM {source}sighting {which}"
        f" UNION ALL SELECT {_PAPERS}, consignment_id, 0, paper.id, account_id, kind, size, state,"
        f" created, NULL, file_name, mime, NULL FROM {source}paper {which}"
        " ORDER BY 1, 3, 4"
    )


_PARTS = Sql(_parts("", "WHERE consignment_id = :consignment"))
_PARTS_OF_MANY = Sql(
    _parts("{wanted} AS wanted JOIN ", "ON consignment_id = wanted.consignment"), wanted=("consignment int8",)
)
_COUNT = Sql("SELECT count(*) FROM consignment WHERE account_id = :account")
_PAGE = Sql(
    f"{_SELECT} WHERE consignment.account_id = :account ORDER BY consignment.id DESC LIMIT :rows OFFSET :skip"
)
_LOCK = Sql(
    "SELECT consignment.id FROM {wanted} AS wanted JOIN consignment ON consignment.id = wanted.id"
    " ORDER BY consignment.id",
    lock="FOR UPDATE OF consignment",
    wanted=("id int8",),
)

_FIELDS = (
    "parent_id, shape, route, state, state_at, carrier_id, carrier_reference, reference, shipment, costs,"
    " measures, draft, held, posted, looked"
)
_VALUES = ", ".join(f":{name}" for name in _FIELDS.split(", "))
_OWN_FIELDS, _OWN_VALUES = "account_id, uuid, barcode, created, updated", ":account_id, :uuid, :barcode"
_INSERT = Sql(
    f"INSERT INTO consignment ({_OWN_FIELDS}, {_FIELDS})"
    f" VALUES ({_OWN_VALUES}, :created, :updated, {_VALUES}) RETURNING id"
)
_INSERT_AS = Sql(
    f"INSERT INTO consignment (id, {_OWN_FIELDS}, {_FIELDS})"
    f" VALUES (:id, {_OWN_VALUES}, :created, :updated, {_VALUES}) RETURNING id"
)
_SAVE = Sql(
    "UPDATE consignment SET updated = :updated, "
    + ", ".join(f"{name} = :{name}" for name in _FIELDS.split(", "))
    + " WHERE id = :id"
)

_encode = msgspec.json.Encoder().encode
_shipment = msgspec.json.Decoder(Shipment).decode
_costs = msgspec.json.Decoder(Costs).decode
_measures = msgspec.json.Decoder(Measures).decode
_SHAPES = {int(shape): shape for shape in Shape}
_ROUTES = {int(route): route for route in Route}


def by_tracking(tx: Tx, account_id: int, code: str) -> Consignment | None:
    """The consignment with a label of this tracking code: blanks around it and the case of ASCII letters do
    not count. Carriers use codes again, so of several the one that was created last."""
    return _whole(tx, tx.one(_BY_TRACKING, account=account_id, key=tracking_key(code)))


def by_barcode(tx: Tx, account_id: int, barcode: str) -> Consignment | None:
    """The consignment with this barcode of ours, in capitals or not."""
    return _whole(tx, tx.one(_BY_BARCODE, account=account_id, barcode=tracking_key(barcode)))


def by_reference(tx: Tx, account_id: int, reference: str) -> Consignment | None:
    """The consignment that was created last of those the customer calls exactly this."""
    return _whole(tx, tx.one(_BY_REFERENCE, account=account_id, reference=storable(reference)))


def by_id(tx: Tx, account_id: int, consignment_id: int) -> Consignment | None:
    """The consignment with this id."""
    if not possible(consignment_id):
        return None
    return _whole(tx, tx.one(_BY_ID, account=account_id, id=consignment_id))


def by_uuid(tx: Tx, account_id: int, uuid: str) -> Consignment | None:
    """The consignment with this UUID, as it is written with small letters and hyphens."""
    return _whole(tx, tx.one(_BY_UUID, account=account_id, uuid=storable(uuid).lower()))


def load(tx: Tx, ids: Iterable[int]) -> dict[int, Consignment]:
    """Whole consignments of any account, by id; those that do not exist are left out."""
    wanted = sorted(filter(possible, set(ids)))
    found = {row[0]: _bare(row) for row in tx.all(_LOAD, wanted=wanted)}
    if found:
        for part in tx.all(_PARTS_OF_MANY, wanted=list(found)):
            _add(found[part[1]], part)
    return found


def page(tx: Tx, account_id: int, skip: int, rows: int) -> tuple[int, list[Consignment]]:
    """How many consignments an account has, and one page of them without labels, sightings and documents;
    the newest id first."""
    count = tx.one(_COUNT, account=account_id)
    assert count is not None
    if skip >= count[0]:
        return count[0], []
    found = tx.all(_PAGE, account=account_id, skip=skip, rows=rows)
    return count[0], [_bare(row) for row in found]


def seen_page(tx: Tx, consignment_id: int, skip: int, rows: int) -> tuple[int, list[Seen]]:
    """How much was seen of a consignment, and one page of it, the oldest first."""
    return sightings.page(tx, consignment_id, skip, rows)


def insert(tx: Tx, consignment: Consignment) -> int:
    """Write a new consignment with its labels and sightings; returns its id.

    Ids that are 0 are chosen by the database, others are kept: a whole consignment can be loaded as it is.
    """
    values = _values(consignment) | {
        "account_id": consignment.account_id,
        "uuid": consignment.uuid,
        "barcode": consignment.barcode,
        "created": consignment.created,
        "updated": consignment.updated,
    }
    if consignment.id:
        row = tx.one(_INSERT_AS, id=consignment.id, **values)
        pass_ids(tx, "consignment", consignment.id)
    else:
        row = tx.one(_INSERT, **values)
    assert row is not None
    made: int = row[0]
    if consignment.labels:
        insert_labels(tx, [label._replace(consignment_id=made) for label in consignment.labels])
    if consignment.seen:
        sightings.load(tx, made, consignment.seen)
    return made


def save(tx: Tx, consignment: Consignment) -> None:
    """Write what may change of a consignment's own row (not labels, sightings, documents).

    `updated` becomes the time of the transaction, in the object as well.
    """
    consignment.updated = tx.now
    tx.run(_SAVE, id=consignment.id, updated=tx.now, **_values(consignment))


def lock(tx: Tx, ids: Iterable[int]) -> None:
    """Let nobody else change these consignments until the transaction ends. Taken in the order of ids."""
    if tx.postgres:
        tx.all(_LOCK, wanted=sorted(set(ids)))


def _values(consignment: Consignment) -> dict[str, object]:
    """The columns that may change."""
    carrier, parent, reference = consignment.carrier, consignment.parent, consignment.shipment.reference
    return {
        "parent_id": parent.id if parent else None,
        "shape": int(consignment.shape),
        "route": int(consignment.route),
        "state": int(consignment.state),
        "state_at": consignment.state_at,
        "carrier_id": carrier.id if carrier else None,
        "carrier_reference": storable(consignment.carrier_reference),
        "reference": None if reference is None else storable(reference),
        "shipment": _encode(consignment.shipment).decode(),
        "costs": _encode(consignment.costs).decode(),
        "measures": _encode(consignment.measures).decode(),
        "draft": None if consignment.draft is None else storable(consignment.draft),
        "held": consignment.held,
        "posted": consignment.posted,
        "looked": consignment.looked,
    }


def _bare(row: Row) -> Consignment:
    return Consignment(
        id=row[0],
        account_id=row[1],
        uuid=row[2],
        barcode=row[3],
        shape=_SHAPES[row[4]],
        route=_ROUTES[row[5]],
        state=PARCEL_STATES[row[6]],
        state_at=row[7],
        shipment=_shipment(row[8]),
        costs=_costs(row[9]),
        measures=_measures(row[10]),
        created=row[11],
        updated=row[12],
        carrier=None if row[13] is None else CarrierName(row[13], row[14] or ""),
        parent=None if row[16] is None else Original(row[15], row[16], row[17]),
        carrier_reference=row[18],
        draft=row[19],
        held=row[20],
        posted=row[21],
        looked=row[22],
    )


def _whole(tx: Tx, row: Row | None) -> Consignment | None:
    if row is None:
        return None
    consignment = _bare(row)
    for part in tx.all(_PARTS, consignment=consignment.id):
        _add(consignment, part)
    return consignment


def _add(consignment: Consignment, part: Row) -> None:
    """Add a label, sighting or document from its columns in `_PARTS`."""
    what, _, order, part_id, a, b, c, state, at, d, text, more, last = part
    if what == _LABELS:
        label = Label(part_id, consignment.id, a, order, text, more, b, c, last, PARCEL_STATES[state], at, d)
        consignment.labels.append(label)
    elif what == _SEEN:
        seen = Seen(part_id, a, order, at, PARCEL_STATES[state], text, more, last)
        consignment.seen.append(seen)
    else:
        paper = papers.paper((part_id, a, consignment.id, b, state, text, more, c, at))
        consignment.papers.append(paper)
