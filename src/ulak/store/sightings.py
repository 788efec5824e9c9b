"""What was seen of consignments. The same news told again is known by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from ulak.core.consignments import Seen
from ulak.core.shipping import Sighting
from ulak.store.engine import Row, Sql, Tx
from ulak.store.parcel_rows import PARCEL_STATES, pass_ids, storable

_FRESH = (
    "nth int4",
    "id int8",
    "label_id int8",
    "digest int8",
    "at int8",
    "stored int8",
    "state int2",
    "text text",
    "location text",
    "raw text",
)
_INSERT = Sql(
    "INSERT INTO sighting (consignment_id, label_id, digest, at, stored, state, text, location, raw)"
    " SELECT :consignment, label_id, digest, at, stored, state, text, location, raw FROM {fresh} AS fresh"
    " WHERE true ORDER BY nth ON CONFLICT (consignment_id, digest) DO NOTHING RETURNING id, digest",
    fresh=_FRESH,
)
_INSERT_AS = Sql(
    "INSERT INTO sighting (id, consignment_id, label_id, digest, at, stored, state, text, location, raw)"
    " SELECT id, :consignment, label_id, digest, at, stored, state, text, location, raw FROM {fresh} AS fresh"
    " WHERE true ORDER BY nth ON CONFLICT (consignment_id, digest) DO NOTHING",
    fresh=_FRESH,
)
_COUNT = Sql("SELECT count(*) FROM sighting WHERE consignment_id = :consignment")
_PAGE = Sql(
    "SELECT id, label_id, at, stored, state, text, location, raw FROM sighting"
    " WHERE consignment_id = :consignment"
    " ORDER BY at, id LIMIT :rows OFFSET :skip"
)


def insert(tx: Tx, consignment_id: int, label_id: int | None, sightings: Sequence[Sighting]) -> list[Seen]:
    """Write what a carrier said of a consignment (of one label of it, or of the whole of it).

    Returns what was new, in the order given; what had been told before is left as it is.
    """
    told = [
        Seen(
            0,
            label_id,
            news.at,
            tx.now,
            news.state,
            storable(news.text),
            None if news.location is None else storable(news.location),
            storable(news.raw),
        )
        for news in sightings
    ]
    rows = _rows(told)
    if not rows:
        return []
    found = tx.all(_INSERT, consignment=consignment_id, fresh=rows)
    ids = {digest: seen_id for seen_id, digest in found}
    fresh = []
    for seen, row in zip(told, rows, strict=True):
        seen_id = ids.pop(row[3], None)
        if seen_id is not None:
            fresh.append(seen._replace(id=seen_id))
    return fresh


def load(tx: Tx, consignment_id: int, seen: Sequence[Seen]) -> None:
    """Write sightings as they are, those with the id 0 under a new one."""
    fresh = [entry for entry in seen if entry.id == 0]
    given = [entry for entry in seen if entry.id != 0]
    if given:
        tx.run(_INSERT_AS, consignment=consignment_id, fresh=_rows(given))
        pass_ids(tx, "sighting", max(entry.id for entry in given))
    if fresh:
        tx.all(_INSERT, consignment=consignment_id, fresh=_rows(fresh))


def page(tx: Tx, consignment_id: int, skip: int, rows: int) -> tuple[int, list[Seen]]:
    """How much was seen of a consignment, and one page of it, the oldest first."""
    count = tx.one(_COUNT, consignment=consignment_id)
    assert count is not None
    if skip >= count[0]:
        return count[0], []
    found = tx.all(_PAGE, consignment=consignment_id, skip=skip, rows=rows)
    return count[0], [_seen(row) for row in found]


def _seen(row: Row) -> Seen:
    return Seen(row[0], row[1], row[2], row[3], PARCEL_STATES[row[4]], row[5], row[6], row[7])


def _rows(seen: Sequence[Seen]) -> list[tuple[object, ...]]:
    return [
        (
            nth,
            entry.id,
            entry.label_id,
            _digest(entry),
            entry.at,
            entry.stored,
            int(entry.state),
            entry.text,
            entry.location,
            entry.raw,
        )
        for nth, entry in enumerate(seen)
    ]


def _digest(seen: Seen) -> int:
    """What makes it the same: the label, the carrier's words, when and where. Not how we read them."""
    key = msgspec.json.encode((seen.label_id, seen.raw, seen.at, seen.location, seen.text))
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), signed=True)
