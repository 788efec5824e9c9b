"""What news make of a parcel, and how often its carrier is asked for them.

A carrier's news come late, twice and in any order. What was seen is all kept; this decides what a parcel's
state becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ulak.core.shipping import Sighting
from ulak.core.states import FINAL_PARCELS, SEEN_PARCELS, ParcelState

MINUTE = 60 * 1000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EARLY = DAY
"""How long before a booking its first sighting may lie (ms): carriers tell days without an hour, and their
clocks differ. What is older belongs to a parcel that had the same code before."""

GIVEN_UP = 90 * DAY
"""How long after its booking a carrier is asked about a parcel, ms."""

_PACES = ((HOUR, 5 * MINUTE), (3 * DAY, 30 * MINUTE), (14 * DAY, 2 * HOUR), (GIVEN_UP, DAY))

State = tuple[ParcelState, int]
"""A state, and when what it says happened (ms UTC)."""


def merge(state: ParcelState, at: int, sightings: Iterable[Sighting]) -> State:
    """What a label becomes when these sightings come, in the order of their arrival.

    The newest by its own time decides, of several at the same time the one that came last. What we cannot
    place moves nothing; nothing but a correction leads out of a final state. That a label was made is no news
    of a carrier's, so the first of those counts even if it seems to lie before that.
    """
    for seen in sorted(sightings, key=lambda sighting: sighting.at):
        if moves(state, at, seen):
            state, at = seen.state, seen.at
    return state, at


def moves(state: ParcelState, at: int, seen: Sighting) -> bool:
    """Whether a sighting decides what becomes of a label in this state since this time."""
    if seen.state not in SEEN_PARCELS:
        return False
    if state is ParcelState.BOOKED:
        return seen.at >= at - EARLY
    if state in FINAL_PARCELS and seen.state is not state and not seen.correction:
        return False
    return seen.at >= at


def whole(labels: Sequence[State]) -> State:
    """What a consignment with these labels (at least one) is.

    It is over when all of them are; until then the newest of those still under way decides. Where one has
    arrived and nothing was seen of the others, the whole is in transit rather than not picked up yet.
    """
    open_ones = [label for label in labels if label[0] not in FINAL_PARCELS]
    seen = [label for label in open_ones if label[0] is not ParcelState.BOOKED]
    newest = max(seen or open_ones or labels, key=_at)
    if newest[0] is ParcelState.BOOKED and len(open_ones) < len(labels):
        return ParcelState.IN_TRANSIT, max(label[1] for label in labels if label[0] in FINAL_PARCELS)
    return newest


def next_look(age: int, tries: int = 0) -> int | None:
    """How long to wait before the carrier is asked again about a parcel that was booked `age` ms ago.

    `tries` counts the times it was not reached since it last was: then it is asked again sooner. None: no
    more.
    """
    if age >= GIVEN_UP:
        return None
    if tries > 0:
        return min(MINUTE << min(tries - 1, 6), HOUR)
    return next(delay for until, delay in _PACES if age < until)


def _at(label: State) -> int:
    return label[1]
