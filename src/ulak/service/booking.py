"""Booking a consignment: what is written before its carrier is asked, and what after.

Between the two the consignment is WAITING, its price is held, and a job of kind BOOK says whose it is and
until when. Whoever finds that claim over may take the booking and go on: the carrier is asked with the same
key. Only one conclusion counts, the first that finds the attempt still waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from ulak.core.accounts import Account
from ulak.core.consignments import (
    CarrierName,
    Consignment,
    Costs,
    Label,
    LabelFormat,
    Measures,
    Original,
    Seen,
    Service,
    TrackingKind,
)
from ulak.core.errors import Refusal
from ulak.core.events import Event, EventKind
from ulak.core.jobs import JobKind
from ulak.core.ledger import Move
from ulak.core.once import BOOKING, CLAIM, Earlier, Once, ReplyState
from ulak.core.points import point
from ulak.core.shipping import Booked, Declined, File, Ticket, Unreached
from ulak.core.states import ParcelState
from ulak.core.tracking import next_look
from ulak.service import carriers, events, parcel_papers, sightings
from ulak.service.carriers import Carrier
from ulak.service.marks import Marks, numbered
from ulak.service.parcels import STRANGER, Denied, Done, Order, Render, Who
from ulak.service.payments import Purse, can_pay, move, purse
from ulak.store import booking_keys, bookings, consignments, jobs, labels, replies, special_services
from ulak.store.engine import Tx

DECLINED, UNREACHED = "declined", "unreached"
"""How a sighting of ours tells why a consignment was rejected."""

_AGAIN = (ParcelState.DRAFT, ParcelState.REJECTED)
"""A request that names one of these (or failed with it before) is about the same consignment."""

_FREE = (*_AGAIN, ParcelState.CANCELLED)
"""In these nobody is booking it, and it is not booked."""

_FORMATS = {
    "application/pdf": (LabelFormat.PDF, "pdf"),
    "image/png": (LabelFormat.PNG, "png"),
    "application/zpl": (LabelFormat.ZPL, "zpl"),
    "x-application/zpl": (LabelFormat.ZPL, "zpl"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants a consignment to be booked: a new one, or the draft with this id."""

    who: Who
    order: Order
    once: Once | None = None
    render: Render | None = None
    draft_id: int | None = None
    draft: str | None = None


class Basis(NamedTuple):
    """What a price is worked out from."""

    carriers: list[Carrier]
    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """The carrier that was chosen, and what it costs to send it that way."""

    carrier: CarrierName
    services: tuple[Service, ...]
    measures: Measures
    costs: Costs


@dataclass(frozen=True, slots=True)
class Attempt:
    """A consignment that waits for its carrier, and the caller's to carry out.

    Nobody is to be answered (`account` is None) where it is gone on with after a crash. `resumed` tells that
    somebody else began it.
    """

    consignment: Consignment
    account: Account | None = None
    once: Once | None = None
    render: Render | None = None
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """Somebody began this request already: see what became of it."""


def basis(tx: Tx, request: Request) -> Basis | Begun | Done | Denied:
    """What has to be known before carriers are asked for their price, or why they need not be asked."""
    account = request.who.account(tx)
    if account is None:
        return STRANGER
    once = request.once
    earlier = replies.find(tx, account.id, once.scope, once.key) if once else None
    if earlier is not None and _is_begun(tx, earlier):
        return _replayed(tx, account, request, earlier) or Begun()
    known = earlier.consignment_id if earlier else None
    subject = request.draft_id if known is None else known
    stored = consignments.by_id(tx, account.id, subject) if subject is not None else None
    if known is not None and stored is not None and stored.state not in _FREE:
        return Begun()
    refusal = _no_draft(request, stored) if known is None else None
    if refusal is not None:
        return refusal
    wanted = services(tx, request.order.service_ids)
    if isinstance(wanted, Denied):
        return wanted
    refusal = parcel_papers.foreign(tx, account.id, request.order.paper_ids, stored.id if stored else None)
    same = earlier is not None and once is not None and earlier.digest == once.digest
    return refusal or Basis(_to_ask(tx, stored if same else None), wanted)


def _to_ask(tx: Tx, stored: Consignment | None) -> list[Carrier]:
    """The carriers in use. Where one of them may have booked it already, only that one: it says so when it is
    asked again, and any other would book it a second time."""
    found = carriers.active(tx)
    if stored is None or stored.state is not ParcelState.REJECTED or not _is_unclear(stored):
        return found
    return [row for row in found if stored.carrier and row.id == stored.carrier.id] or found


def _is_begun(tx: Tx, earlier: Earlier) -> bool:
    """Whether a request with this key is on its way, or was carried out."""
    if earlier.state is ReplyState.FAILED:
        return False
    return earlier.consignment_id is not None or earlier.is_claimed(tx.now)


def _no_draft(request: Request, stored: Consignment | None) -> Denied | None:
    """Only a draft can be started."""
    if request.draft_id is None or (stored is not None and stored.state is ParcelState.DRAFT):
        return None
    return Denied(Refusal.NOT_FOUND if stored is None else Refusal.WRONG_STATE)


def services(tx: Tx, service_ids: Sequence[int]) -> tuple[Service, ...] | Denied:
    """The extras with these ids."""
    if not service_ids:
        return ()
    offered = {service.id: service for service in special_services.active(tx)}
    for place, service_id in enumerate(service_ids):
        if service_id not in offered:
            return Denied(Refusal.NOT_FOUND, f"special_services.{place}")
    return tuple(offered[service_id] for service_id in service_ids)


def _replayed(tx: Tx, account: Account, request: Request, earlier: Earlier) -> Done | Denied | None:
    """The answer that was given before, if it is kept."""
    assert request.once is not None
    if earlier.digest != request.once.digest:
        return Denied(Refusal.KEY_REUSED)
    if earlier.state is not ReplyState.DONE or earlier.consignment_id is None:
        return None
    if earlier.body is None and request.render is not None:
        return None
    stored = consignments.by_id(tx, account.id, earlier.consignment_id)
    return Done(stored, earlier.body or b"", replayed=True) if stored else None


# The first transaction.


def begin(
    tx: Tx, request: Request, offer: Offer, marks: Marks, process: str
) -> Attempt | Begun | Done | Denied:
    """Write down that a consignment is to be booked, and hold its price.

    With a key that failed before it is the same consignment as then, with what is wanted now.
    """
    account = request.who.account(tx)
    if account is None:
        return STRANGER
    once, stored = request.once, None
    if once is not None:
        # Looked at without a lock first: whoever concludes it locks the consignment, and the key after it.
        earlier = replies.find(tx, account.id, once.scope, once.key)
        if earlier is not None and _is_begun(tx, earlier):
            return Begun()
        known = earlier.consignment_id if earlier else None
        stored = _locked(tx, account, known)
        if stored is not None and stored.state not in _FREE:
            return Begun()
        won, earlier = replies.claim(tx, account.id, once, until=tx.now + CLAIM)
        if not won:
            return Begun()
        if earlier is not None and earlier.consignment_id != known:
            # It was begun, and failed, since it was looked at.
            replies.fail(tx, account.id, once, earlier.consignment_id)
            return Begun()
        if stored is not None and earlier is not None and _is_unclear(stored):
            # The carrier may have booked what was wanted then, and would answer with that.
            if earlier.digest != once.digest:
                stored = None
            elif all(row.id != offer.carrier.id for row in _to_ask(tx, stored)):
                replies.fail(tx, account.id, once, stored.id)
                return Begun()
    result = _begin(tx, request, account, stored, offer, marks, process)
    if once is not None and isinstance(result, Denied):
        replies.fail(tx, account.id, once, stored.id if stored else None)
    return result


def _begin(
    tx: Tx,
    request: Request,
    account: Account,
    stored: Consignment | None,
    offer: Offer,
    marks: Marks,
    process: str,
) -> Attempt | Denied:
    again = stored if stored is not None and stored.state in _AGAIN else None
    if request.draft_id is not None and again is None:
        again = _locked(tx, account, request.draft_id)
        refusal = _no_draft(request, again)
        if refusal is not None:
            return refusal
    parent = None
    if request.order.parent_id is not None:
        original = consignments.by_id(tx, account.id, request.order.parent_id)
        if original is None:
            return Denied(Refusal.NOT_FOUND, "parent")
        parent = Original(original.id, original.uuid, original.barcode)
    wanted, own_id = request.order.paper_ids, again.id if again else None
    refusal = parcel_papers.foreign(tx, account.id, wanted, own_id)
    if refusal is not None:
        return refusal
    money = purse(tx, account.id)
    if not can_pay(money, offer.costs.total):
        return Denied(Refusal.NO_CREDIT)
    consignment = _waiting(tx, request, account, again, offer, parent, marks)
    parcel_papers.link(tx, consignment, wanted)
    if request.once is not None:
        replies.attach(tx, account.id, request.once, consignment.id)
    _hold(tx, consignment, money, process)
    return Attempt(consignment, account, request.once, request.render)


def _waiting(
    tx: Tx,
    request: Request,
    account: Account,
    again: Consignment | None,
    offer: Offer,
    parent: Original | None,
    marks: Marks,
) -> Consignment:
    """The consignment as it waits for its carrier, written: a new one, or one that is tried again."""
    order = request.order
    shipment = msgspec.structs.replace(
        order.shipment, packages=numbered(tx, order.shipment.packages), services=offer.services
    )
    names = (again.uuid, again.barcode) if again else marks.names(tx)
    consignment = Consignment(
        again.id if again else 0,
        account.id,
        *names,
        order.shape,
        order.route,
        ParcelState.WAITING,
        tx.now,
        shipment,
        offer.costs,
        offer.measures,
        created=again.created if again else tx.now,
        updated=tx.now,
        carrier=offer.carrier,
        parent=parent,
        draft=request.draft if request.draft is not None else again.draft if again else None,
        held=offer.costs.total,
        seen=again.seen if again else [],
        papers=again.papers if again else [],
    )
    if again:
        consignments.save(tx, consignment)
    else:
        consignment.id = consignments.insert(tx, consignment)
    return consignment


def _hold(tx: Tx, consignment: Consignment, money: Purse, process: str) -> None:
    """Reserve the price, and say whose the booking is."""
    move(tx, consignment, Move.HOLD, consignment.held, money)
    bookings.take(tx, consignment.id, tx.now + BOOKING, process)


def again(tx: Tx, who: Who, consignment_id: int, render: Render | None, process: str) -> Attempt | Denied:
    """Try a rejected consignment again as it is, or go on with one that nobody works on any more."""
    account = who.account(tx)
    if account is None:
        return STRANGER
    stored = _locked(tx, account, consignment_id)
    if stored is None:
        return Denied(Refusal.NOT_FOUND)
    if stored.state is ParcelState.WAITING and bookings.take(tx, stored.id, tx.now + BOOKING, process):
        return Attempt(stored, account, render=render, resumed=True)
    if stored.state is not ParcelState.REJECTED:
        return Denied(Refusal.WRONG_STATE)
    money = purse(tx, account.id)
    if not can_pay(money, stored.costs.total):
        return Denied(Refusal.NO_CREDIT)
    stored.state, stored.state_at, stored.held = ParcelState.WAITING, tx.now, stored.costs.total
    consignments.save(tx, stored)
    _hold(tx, stored, money, process)
    return Attempt(stored, account, render=render)


# Somebody began it already.


def going(tx: Tx, request: Request, process: str) -> Attempt | Done | Denied | None:
    """What became of a request that somebody began; None: it failed, so it may be begun again.

    If its process is gone, the caller goes on with it.
    """
    account = request.who.account(tx)
    return STRANGER if account is None else _going(tx, request, account, process)


def _going(tx: Tx, request: Request, account: Account, process: str) -> Attempt | Done | Denied | None:
    once = request.once
    assert once is not None
    earlier = replies.find(tx, account.id, once.scope, once.key)
    if earlier is None:
        return None
    stored = _locked(tx, account, earlier.consignment_id)
    if earlier.state is ReplyState.FAILED and (stored is None or stored.state in _FREE):
        return None
    if earlier.digest != once.digest:
        return Denied(Refusal.KEY_REUSED)
    if stored is None:
        return Denied(Refusal.IN_PROGRESS) if earlier.is_claimed(tx.now) else None
    return _went_on(tx, request, account, stored, process)


def _went_on(
    tx: Tx, request: Request, account: Account, stored: Consignment, process: str
) -> Attempt | Done | Denied:
    """A consignment that was begun with this key, and is not as it was before it."""
    attempt = Attempt(stored, account, request.once, request.render, resumed=True)
    if stored.state is ParcelState.WAITING and bookings.take(tx, stored.id, tx.now + BOOKING, process):
        return attempt
    return _standing(tx, attempt, stored)


def _standing(tx: Tx, attempt: Attempt, stored: Consignment) -> Done | Denied:
    """What is answered about a booking that somebody else concluded, or is at."""
    if stored.state is ParcelState.WAITING:
        return Denied(Refusal.IN_PROGRESS, consignment_id=stored.id)
    last = _last_rejection(stored)
    if stored.state is ParcelState.REJECTED or (stored.state is ParcelState.CANCELLED and not stored.labels):
        why = Refusal.CARRIER_UNREACHED if _is_unclear(stored) else Refusal.CARRIER_DECLINED
        return Denied(why, last.text if last else "", stored.id)
    return _answer(tx, attempt, stored, replayed=True)


def _answer(tx: Tx, attempt: Attempt, stored: Consignment, *, replayed: bool) -> Done:
    """It was done. The first answer that is rendered is kept with the key."""
    account, once = attempt.account, attempt.once
    if once is not None and replayed:
        earlier = replies.find(tx, stored.account_id, once.scope, once.key)
        if earlier is not None and earlier.consignment_id != stored.id:
            once = None  # Meanwhile the key is about another one.
        elif earlier is not None and earlier.body is not None:
            return Done(stored, earlier.body, replayed=True)
    body = attempt.render(account, stored) if attempt.render and account else None
    if once is not None:
        replies.finish(tx, stored.account_id, once, stored.id, body)
    return Done(stored, body or b"", replayed)


def _last_rejection(consignment: Consignment) -> Seen | None:
    """What was noted when it was rejected last."""
    return next((seen for seen in reversed(consignment.seen) if seen.state is ParcelState.REJECTED), None)


def _is_unclear(consignment: Consignment) -> bool:
    """Whether it was rejected because its carrier did not answer, which may have booked it all the same."""
    last = _last_rejection(consignment)
    return last is not None and last.raw == UNREACHED


def _locked(tx: Tx, account: Account, consignment_id: int | None) -> Consignment | None:
    if consignment_id is None:
        return None
    consignments.lock(tx, [consignment_id])
    return consignments.by_id(tx, account.id, consignment_id)


# The second transaction.


def conclude(
    tx: Tx, attempt: Attempt, outcome: Booked | Declined | Unreached, marks: Marks, *, tracked: bool
) -> Done | Denied:
    """Write down what the carrier said, and answer.

    Whoever comes second answers what the first wrote. `tracked`: the carrier can be asked about it later.
    """
    tried = attempt.consignment
    carrier = tried.carrier
    mark = (int(tried.state), tried.state_at, carrier.id if carrier else None)
    if bookings.standing(tx, tried.id) != mark:
        found = consignments.load(tx, [tried.id])
        return _standing(tx, attempt, found[tried.id]) if found else Denied(Refusal.NOT_FOUND)
    # Nobody else changes what waits. A copy: a transaction that loses against another one is done again.
    stored = msgspec.structs.replace(tried, labels=[], seen=[*tried.seen])
    jobs.remove(tx, JobKind.BOOK, [stored.id])
    others = [] if not attempt.resumed else replies.running(tx, stored.account_id, stored.id)
    if isinstance(outcome, Booked):
        happened = _book(tx, stored, outcome, marks)
        if tracked and any(label.tracking for label in stored.labels):
            delay = next_look(0)
            assert delay is not None
            jobs.put(tx, JobKind.TRACK, stored.id, tx.now + delay)
        for once in others:
            replies.finish(tx, stored.account_id, once, stored.id, None)
        answer = _answer(tx, attempt, stored, replayed=False)
        events.record(tx, happened)
        point("booking.decided")
        return answer
    why = _reject(tx, stored, outcome)
    for once in others if attempt.once is None else [*others, attempt.once]:
        replies.fail(tx, stored.account_id, once, stored.id)
    return Denied(why, outcome.why, stored.id)


def _book(tx: Tx, consignment: Consignment, booked: Booked, marks: Marks) -> list[Event]:
    """It is booked: labels, money, what was seen. Returns what is told of it."""
    consignment.state, consignment.state_at = ParcelState.BOOKED, tx.now
    consignment.carrier_reference = booked.reference
    _make_labels(tx, consignment, booked.tickets, marks)
    move(tx, consignment, Move.POST, consignment.held)
    consignment.held, consignment.posted = 0, consignment.posted + consignment.held
    consignments.save(tx, consignment)
    assert consignment.carrier is not None
    booking_keys.keep(tx, consignment.carrier.id, consignment.uuid)
    seen = sightings.note(tx, consignment, ParcelState.BOOKED)
    kinds = (EventKind.CONSIGNMENT_CREATED, EventKind.CONSIGNMENT_LABEL)
    return [sightings.event(kind, consignment, seen) for kind in kinds]


def _make_labels(tx: Tx, consignment: Consignment, given: Sequence[Ticket], marks: Marks) -> None:
    """A label for each package; one that got no ticket has no code yet."""
    assert consignment.carrier is not None
    lacking = len(consignment.shipment.packages) - len(given)
    tickets = [*given, *[Ticket(None, TrackingKind.NONE)] * lacking]
    fresh = []
    for place, ticket in enumerate(tickets):
        form, ending = _format(ticket.file, consignment.shipment.label_format)
        label = Label(
            0,
            consignment.id,
            consignment.carrier.id,
            place,
            marks.file_name(ending),
            ticket.tracking,
            int(ticket.kind),
            int(form),
            marks.nonce(),
            ParcelState.BOOKED,
            tx.now,
        )
        fresh.append(label)
    consignment.labels = labels.insert(tx, fresh)
    for label, ticket in zip(consignment.labels, tickets, strict=True):
        if ticket.file is not None:
            labels.keep_file(tx, label.id, ticket.file)


def _format(file: File | None, wanted: LabelFormat) -> tuple[LabelFormat, str]:
    """What a label's file is, and the ending of its name: the carrier's own is what it is."""
    if file is None:
        return wanted, wanted.name.lower()
    mime = file.mime.partition(";")[0].strip().lower()
    return _FORMATS.get(mime, (LabelFormat.PDF, "pdf"))


def _reject(tx: Tx, consignment: Consignment, outcome: Declined | Unreached) -> Refusal:
    """It is not booked: the price is given back."""
    move(tx, consignment, Move.VOID, consignment.held)
    consignment.state, consignment.state_at, consignment.held = ParcelState.REJECTED, tx.now, 0
    consignments.save(tx, consignment)
    declined = isinstance(outcome, Declined)
    sightings.note(
        tx, consignment, ParcelState.REJECTED, outcome.why, raw=DECLINED if declined else UNREACHED
    )
    return Refusal.CARRIER_DECLINED if declined else Refusal.CARRIER_UNREACHED
