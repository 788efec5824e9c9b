"""A second, simple set of books of a parcel desk: what must become of each commit, kept in plain dicts.

It is told which request a commit belongs to and what was said before it, and knows the rules once more. It
shares nothing with the engine but its words for states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ulak.core.shipping import Sighting
from ulak.core.states import ParcelState as S

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
FINAL = {S.DELIVERED, S.CANCELLED, S.RETURNED, S.LOST}
UNPLACED = {S.DRAFT, S.WAITING, S.REJECTED, S.BOOKED, S.CANCELLED, S.UNKNOWN}
UNPAID = {S.DRAFT, S.WAITING, S.REJECTED, S.CANCELLED}

Key = tuple[str, str, str]
"""Account, scope, key."""


@dataclass
class Tag:
    """A label."""

    code: str | None
    state: S
    at: int


@dataclass
class Parcel:
    """A consignment."""

    id: int
    owner: str
    uuid: str
    state: S
    since: int
    carrier: int = 0
    price: int = 0
    reference: str | None = None
    packages: int = 0
    held: int = 0
    posted: int = 0
    booked: int = 0
    claim: tuple[str, int] = ("", 0)
    """Who is booking it, and until when nobody else may."""
    tags: dict[int, Tag] = field(default_factory=dict)
    unclear: bool = False
    """It was rejected last because its carrier did not answer."""
    corrected: bool = False


class Wish(NamedTuple):
    """What a booking was to be."""

    price: int
    carrier: int
    reference: str | None
    packages: int


@dataclass
class Model:
    """The books."""

    credit: dict[str, int]
    parcels: dict[int, Parcel] = field(default_factory=dict)
    done: dict[Key, int] = field(default_factory=dict)
    about: dict[Key, int] = field(default_factory=dict)
    running: set[Key] = field(default_factory=set)
    events: defaultdict[int, list[tuple[str, S]]] = field(default_factory=lambda: defaultdict(list))
    known: set[tuple[object, ...]] = field(default_factory=set)

    def available(self, owner: str) -> int:
        """What an account can spend."""
        mine = [parcel for parcel in self.parcels.values() if parcel.owner == owner]
        return self.credit[owner] - sum(parcel.held + parcel.posted for parcel in mine)

    def of_uuid(self, uuid: str) -> Parcel:
        """The consignment that carriers know by this."""
        return next(parcel for parcel in self.parcels.values() if parcel.uuid == uuid)

    # Requests with keys.

    def forget(self, key: Key) -> None:
        """A day went by."""
        self.done.pop(key, None)
        self.about.pop(key, None)
        self.running.discard(key)

    def end(self, key: Key, parcel_id: int) -> None:
        """A request was carried out: it stays with this consignment."""
        assert self.done.get(key, parcel_id) == parcel_id, f"{key} was answered with {self.done[key]}"
        self.done[key] = self.about[key] = parcel_id
        self.running.discard(key)

    # Bookings.

    def draft(self, parcel_id: int, owner: str, uuid: str, now: int) -> None:
        """A draft is kept."""
        self.parcels[parcel_id] = Parcel(parcel_id, owner, uuid, S.DRAFT, now)

    def begin(
        self, parcel: Parcel, wish: Wish | None, key: Key | None, claim: tuple[str, int], now: int
    ) -> None:
        """A booking begins; without a wish it is as it was before."""
        meant = self.parcels.get(self.about.get(key, 0)) if key else None
        if meant and meant is not parcel:
            assert meant.state is S.CANCELLED or (meant.state is S.REJECTED and meant.unclear), meant
        assert key not in self.done, f"{key} was done already"
        assert parcel.id not in self.parcels or parcel.state in (S.REJECTED, S.DRAFT), parcel
        known = self.parcels.setdefault(parcel.id, parcel)
        if wish is not None:
            known.price, known.carrier, known.reference, known.packages = wish
        assert self.available(known.owner) >= known.price, "it cannot be paid"
        known.state, known.since, known.held, known.claim = S.WAITING, now, known.price, claim
        if key:
            self.about[key] = known.id
            self.running.add(key)

    def go_on(self, parcel: Parcel, claim: tuple[str, int], now: int) -> None:
        """Somebody takes over a booking that nobody works on any more."""
        assert parcel.state is S.WAITING
        assert parcel.claim[0] == "" or parcel.claim[1] <= now, f"{parcel} is being booked"
        parcel.claim = claim

    def concludes(self, parcel: Parcel, since: int) -> bool:
        """Whether an answer is about the booking that is waited for."""
        return parcel.state is S.WAITING and parcel.since == since

    def book(self, parcel: Parcel, labels: Sequence[tuple[int, str | None]], now: int) -> None:
        """The carrier took it."""
        parcel.state, parcel.since, parcel.booked = S.BOOKED, now, now
        parcel.held, parcel.posted = 0, parcel.held
        parcel.tags = {label_id: Tag(code, S.BOOKED, now) for label_id, code in labels}
        self.events[parcel.id] += [("consignment.created", S.BOOKED), ("consignment.label_ready", S.BOOKED)]
        for key in [key for key in self.running if self.about[key] == parcel.id]:
            self.end(key, parcel.id)

    def reject(self, parcel: Parcel, unclear: bool, now: int) -> None:
        """The carrier did not take it, or did not say whether it did."""
        parcel.unclear = unclear
        parcel.state, parcel.since, parcel.held = S.REJECTED, now, 0
        self.running = {key for key in self.running if self.about[key] != parcel.id}

    def cancel(self, parcel: Parcel, now: int) -> None:
        """It is taken back."""
        assert parcel.state not in FINAL | {S.WAITING}, parcel
        parcel.state, parcel.since, parcel.posted = S.CANCELLED, now, 0
        for tag in parcel.tags.values():
            if tag.state not in FINAL:
                tag.state, tag.at = S.CANCELLED, now
        self.events[parcel.id].append(("consignment.cancelled", S.CANCELLED))

    # Sightings.

    def hear(self, heard: Mapping[int, Sequence[Sighting]]) -> None:
        """Carriers tell of labels."""
        for parcel in self.parcels.values():
            mine = [label_id for label_id in heard if label_id in parcel.tags]
            fresh = [(label_id, *new) for label_id in mine for new in self._fresh(label_id, heard[label_id])]
            for label_id, seen, correction in sorted(fresh, key=lambda one: one[1].at):
                self._move(parcel, parcel.tags[label_id], seen, correction)

    def _fresh(self, label_id: int, told: Sequence[Sighting]) -> list[tuple[Sighting, bool]]:
        corrections = {seen._replace(correction=False) for seen in told if seen.correction}
        fresh = []
        for seen in told:
            name = (label_id, seen.raw, seen.at, seen.location, seen.text)
            if name not in self.known:
                self.known.add(name)
                fresh.append((seen, seen._replace(correction=False) in corrections))
        return fresh

    def _move(self, parcel: Parcel, tag: Tag, seen: Sighting, correction: bool) -> None:
        earliest = tag.at - DAY if tag.state is S.BOOKED else tag.at
        stuck = tag.state in FINAL and seen.state is not tag.state and not correction
        if seen.state in UNPLACED or stuck or seen.at < earliest:
            return
        tag.state, tag.at = seen.state, seen.at
        before, after = parcel.state, _whole(list(parcel.tags.values()))
        if after is before or (before in FINAL and not correction):
            return
        parcel.state = after
        parcel.corrected = parcel.corrected or before in FINAL
        self.events[parcel.id].append(("consignment.status_changed", after))


def _whole(tags: list[Tag]) -> S:
    """Over when all are; else what is newest of those that move."""
    at_work = [tag for tag in tags if tag.state not in FINAL]
    moving = [tag for tag in at_work if tag.state is not S.BOOKED]
    if at_work and not moving:
        return S.BOOKED if len(at_work) == len(tags) else S.IN_TRANSIT
    return max(moving or tags, key=lambda tag: tag.at).state
