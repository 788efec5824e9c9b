"""What carriers saw: kept once, and what labels and consignments become of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ulak.core.consignments import Consignment, Label, Seen
from ulak.core.events import ConsignmentNews, Event, EventKind
from ulak.core.jobs import JobKind
from ulak.core.shipping import Sighting
from ulak.core.states import FINAL_PARCELS, UNDER_WAY_PARCELS, ParcelState
from ulak.core.tracking import moves, whole
from ulak.service import events
from ulak.store import consignments, jobs, labels
from ulak.store import sightings as store
from ulak.store.engine import Tx

Heard = tuple[Label, Sequence[Sighting]]
"""What a carrier said of a label."""


def record(tx: Tx, heard: Iterable[Heard]) -> dict[int, Consignment]:
    """Keep what is new of this, move what it moves, and tell of it.

    Returns the consignments that these labels belong to as they are now. What was known already changes
    nothing, so it may be told again in any order.
    """
    by_consignment: dict[int, dict[int, Sequence[Sighting]]] = {}
    for label, sightings in heard:
        by_consignment.setdefault(label.consignment_id, {})[label.id] = sightings
    consignments.lock(tx, sorted(by_consignment))
    found = consignments.load(tx, sorted(by_consignment))
    happened: list[Event] = []
    over = []
    for consignment_id, consignment in found.items():
        was_over = consignment.state in FINAL_PARCELS
        happened += _merge(tx, consignment, by_consignment[consignment_id])
        if consignment.state in FINAL_PARCELS:
            over.append(consignment_id)
        elif was_over:
            jobs.put(tx, JobKind.TRACK, consignment_id, tx.now)
    jobs.remove(tx, JobKind.TRACK, over)
    if happened:
        events.record(tx, happened)
    return found


def _merge(tx: Tx, consignment: Consignment, heard: Mapping[int, Sequence[Sighting]]) -> list[Event]:
    """Merge what was heard of each of a consignment's labels; the events that come of it.

    That what we have cancelled is cancelled is no news, though its carrier may tell it at a time of its own.
    """
    if consignment.state is ParcelState.CANCELLED:
        heard = {
            label_id: [sighting for sighting in sightings if sighting.state is not ParcelState.CANCELLED]
            for label_id, sightings in heard.items()
        }
    new = [
        (label_id, seen, correction)
        for label_id, sightings in heard.items()
        for seen, correction in _keep(tx, consignment.id, label_id, sightings)
    ]
    if not new:
        return []
    new.sort(key=lambda entry: entry[1].at)
    consignment.seen = sorted([*consignment.seen, *(seen for _, seen, _ in new)], key=_when)
    places = {label.id: place for place, label in enumerate(consignment.labels)}
    moved: set[int] = set()
    happened = []
    for label_id, seen, correction in new:
        place = places[label_id]
        label = consignment.labels[place]
        if not moves(label.state, label.state_at, _sighting(seen, correction)):
            continue
        moved.add(place)
        consignment.labels[place] = label._replace(state=seen.state, state_at=seen.at)
        before = consignment.state
        state, at = whole([(label.state, label.state_at) for label in consignment.labels])
        if before in FINAL_PARCELS and state is not before and not correction:
            continue  # One of several packages, all of which are over, was seen once more.
        consignment.state, consignment.state_at = state, at
        if state is not before:
            happened.append(event(EventKind.CONSIGNMENT_STATUS, consignment, seen, label.tracking))
    if moved:
        labels.save(tx, [consignment.labels[place] for place in sorted(moved)])
    consignments.save(tx, consignment)
    consignment.updated = tx.now
    return happened


def _keep(
    tx: Tx, consignment_id: int, label_id: int, sightings: Sequence[Sighting]
) -> list[tuple[Seen, bool]]:
    """What of this was new, in the order it was told, and whether it is a correction."""
    corrections = {_key(sighting) for sighting in sightings if sighting.correction}
    return [
        (seen, _key(seen) in corrections) for seen in store.insert(tx, consignment_id, label_id, sightings)
    ]


def _key(told: Sighting | Seen) -> tuple[int, ParcelState, str, str | None, str]:
    return told.at, told.state, told.text, told.location, told.raw


def _sighting(seen: Seen, correction: bool) -> Sighting:
    return Sighting(seen.at, seen.state, seen.text, seen.location, seen.raw, correction)


def _when(seen: Seen) -> tuple[int, int]:
    return seen.at, seen.id


def note(tx: Tx, consignment: Consignment, state: ParcelState, text: str = "", raw: str = "") -> Seen | None:
    """Keep what we did ourselves as a sighting of the whole consignment, which is in this state since now.

    None if the very same was noted in this moment already.
    """
    own = Sighting(tx.now, state, text, raw=raw or state.name.lower())
    for seen in store.insert(tx, consignment.id, None, [own]):
        consignment.seen.append(seen)
        return seen
    return None


def event(
    kind: EventKind,
    consignment: Consignment,
    seen: Seen | None,
    tracking: str | None = None,
    paper_id: int | None = None,
) -> Event:
    """Something that happened to a consignment; `seen` is what tells of it.

    What was seen of one package is not said of the whole: of three, one may have arrived.
    """
    carrier = consignment.carrier
    text = seen.text if seen and seen.state is consignment.state else ""
    news = ConsignmentNews(
        consignment.id,
        consignment.uuid,
        consignment.barcode,
        consignment.state,
        text,
        seen.at if seen else consignment.state_at,
        seen.stored if seen else consignment.updated,
        consignment.shipment.reference,
        tracking or consignment.tracking,
        seen.location if seen else None,
        carrier.id if carrier else None,
        carrier.name if carrier else None,
        paper_id,
    )
    return Event(consignment.account_id, kind, consignment.id, msgspec.json.encode(news))


def told(tx: Tx, carrier_id: int, tracking: str, sightings: Sequence[Sighting]) -> bool:
    """A carrier spoke of a code; whether we know it. Codes are used again: the newest label is meant.

    If it only hints that there is something, it is asked at once.
    """
    known = labels.by_carrier_code(tx, carrier_id, tracking)
    if not known:
        return False
    label = known[0]
    if sightings:
        record(tx, [(label, sightings)])
    elif label.state in UNDER_WAY_PARCELS:
        jobs.put(tx, JobKind.TRACK, label.consignment_id, tx.now)
    return True
