"""Asking carriers what they saw: which labels, what becomes of the answers, and when to ask again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ulak.core.consignments import Consignment, Label
from ulak.core.errors import Refusal
from ulak.core.jobs import Job
from ulak.core.shipping import Sighting, Unreached, Watched
from ulak.core.states import FINAL_PARCELS, UNDER_WAY_PARCELS, ParcelState
from ulak.core.tracking import HOUR, next_look
from ulak.service import carriers, sightings
from ulak.service.carriers import Carrier
from ulak.service.parcels import Denied
from ulak.store import bookings, consignments, jobs
from ulak.store.engine import Tx

NO_CARRIER = 6 * HOUR
"""How long to wait when a parcel's carrier is not in use, ms: it may come back."""

Answer = tuple[Label, Sequence[Sighting] | Unreached]
"""What a carrier said when it was asked about a label."""

PutOff = tuple[int, int | None]
"""A job, and when it is due again; None: it is done."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A consignment to ask about, and its labels as the carrier is to be asked."""

    consignment: Consignment
    labels: tuple[tuple[Label, Watched], ...]
    job_id: int = 0
    tries: int = 0

    @property
    def booked(self) -> int:
        """When the carrier took it."""
        return _booked(self.consignment)


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to ask about what, and which jobs need not be done now."""

    now: int
    carriers: Sequence[Carrier]
    by_carrier: Mapping[int, Sequence[Subject]]
    put_off: Sequence[PutOff]


def plan(tx: Tx, wanted: Sequence[Job]) -> Plan:
    """What is to be asked for these jobs."""
    found = consignments.load(tx, [job.subject for job in wanted])
    by_carrier: dict[int, list[Subject]] = {}
    idle: list[PutOff] = []
    for job in wanted:
        consignment = found.get(job.subject)
        labels = _labels(consignment, tx.now, over=False) if consignment else ()
        if consignment is None or consignment.carrier is None or not labels:
            idle.append((job.id, None))
        else:
            subject = Subject(consignment, labels, job.id, job.tries)
            by_carrier.setdefault(consignment.carrier.id, []).append(subject)
    return Plan(tx.now, carriers.active(tx), by_carrier, idle)


def one(tx: Tx, account_id: int, consignment_id: int) -> Subject | Denied:
    """A customer wants the carrier to be asked about this consignment."""
    consignment = consignments.by_id(tx, account_id, consignment_id)
    if consignment is None:
        return Denied(Refusal.NOT_FOUND)
    if consignment.carrier is None or not consignment.labels:
        return Denied(Refusal.WRONG_STATE, consignment_id=consignment.id)
    return Subject(consignment, _labels(consignment, tx.now, over=True))


def _labels(consignment: Consignment, now: int, *, over: bool) -> tuple[tuple[Label, Watched], ...]:
    """The labels to ask about: those with a code, and without `over` only those that may still move."""
    if not over and consignment.state not in UNDER_WAY_PARCELS:
        return ()
    # No carrier is asked about what is to come, even if the clock was set back since.
    booked, country = min(_booked(consignment), now), consignment.shipment.recipient.country
    return tuple(
        (label, Watched(label.id, label.tracking, consignment.carrier_reference, booked, country))
        for label in consignment.labels
        if label.tracking and (over or label.state not in FINAL_PARCELS)
    )


def _booked(consignment: Consignment) -> int:
    booked = [seen.at for seen in consignment.seen if seen.state is ParcelState.BOOKED and not seen.label_id]
    return max(booked, default=consignment.created)


def checked(tx: Tx, subject: Subject, heard: Sequence[Answer]) -> Consignment:
    """A carrier answered for a customer; the consignment as it is now. The next look stays as planned."""
    after = sightings.record(tx, _said(heard))
    bookings.looked(tx, [subject.consignment.id])
    found = after.get(subject.consignment.id) or subject.consignment
    found.looked = tx.now
    return found


def looked(tx: Tx, subjects: Sequence[Subject], heard: Sequence[Answer], asked: int) -> None:
    """Merge what a carrier that was asked at `asked` (ms) answered, and plan the next looks.

    They are counted from then: a clock that was moved meanwhile must not skip one. A consignment of which a
    label was missed is asked about again soon, and does not count as looked at.
    """
    after = sightings.record(tx, _said(heard))
    missed = {label.consignment_id for label, news in heard if isinstance(news, Unreached)}
    planned: list[PutOff] = []
    failed: list[PutOff] = []
    for subject in subjects:
        consignment_id, age = subject.consignment.id, asked - subject.booked
        if consignment_id in missed:
            failed.append((subject.job_id, _later(asked, next_look(age, subject.tries + 1))))
        elif after[consignment_id].state in UNDER_WAY_PARCELS:
            planned.append((subject.job_id, _later(asked, next_look(age))))
        else:
            planned.append((subject.job_id, None))
    bookings.looked(
        tx, [subject.consignment.id for subject in subjects if subject.consignment.id not in missed]
    )
    put_off(tx, planned)
    put_off(tx, failed, failed=True)


def put_off(tx: Tx, planned: Sequence[PutOff], *, failed: bool = False) -> None:
    """Put claimed jobs back for later, or end them."""
    jobs.done(tx, [job_id for job_id, due in planned if due is None])
    jobs.again(tx, [(job_id, due) for job_id, due in planned if due is not None], failed=failed)


def without_carrier(subject: Subject, now: int) -> int | None:
    """When to look again at a parcel whose carrier is not in use; None: nobody would ask about it then."""
    return None if next_look(now - subject.booked) is None else now + NO_CARRIER


def _said(heard: Sequence[Answer]) -> list[sightings.Heard]:
    return [(label, news) for label, news in heard if not isinstance(news, Unreached)]


def _later(asked: int, delay: int | None) -> int | None:
    return None if delay is None else asked + delay
