"""Cancelling a consignment: what is looked at before its carrier is asked, and what is written after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment
from ulak.core.errors import Refusal
from ulak.core.events import EventKind
from ulak.core.jobs import JobKind
from ulak.core.ledger import Move
from ulak.core.once import CLAIM, Earlier, Once, ReplyState
from ulak.core.shipping import Declined, Unreached
from ulak.core.states import FINAL_PARCELS, ParcelState
from ulak.service import events, sightings
from ulak.service.parcels import (
    ALREADY_CANCELLED,
    ALREADY_DELIVERED,
    IN_TRANSIT,
    STRANGER,
    Denied,
    Done,
    Render,
    Who,
)
from ulak.service.payments import move
from ulak.store import consignments, jobs, labels, replies
from ulak.store.engine import Tx

_UNBOOKED = (ParcelState.DRAFT, ParcelState.REJECTED)
"""No carrier has to be asked about these."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants the consignment that `pick(tx, account_id)` finds to be cancelled."""

    who: Who
    pick: Callable[[Tx, int], Consignment | None]
    once: Once | None = None
    render: Render | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """The carrier has to be asked to take back this consignment."""

    consignment: Consignment
    account: Account
    request: Request


def begin(tx: Tx, request: Request) -> Intent | Done | Denied:
    """What can be said without the carrier."""
    account = request.who.account(tx)
    if account is None:
        return STRANGER
    if request.once is not None:
        won, earlier = replies.claim(tx, account.id, request.once, until=tx.now + CLAIM)
        if not won:
            assert earlier is not None
            return _before(tx, account, request.once, earlier)
    found = request.pick(tx, account.id)
    if found is None:
        return _denied(tx, account, request, Denied(Refusal.NOT_FOUND))
    consignments.lock(tx, [found.id])
    stored = consignments.load(tx, [found.id]).get(found.id)
    if stored is None:
        return _denied(tx, account, request, Denied(Refusal.NOT_FOUND))
    refusal = _refusal(stored)
    if refusal is not None:
        return _denied(tx, account, request, refusal)
    intent = Intent(stored, account, request)
    return _cancelled(tx, intent, stored) if stored.state in _UNBOOKED else intent


def conclude(tx: Tx, intent: Intent, outcome: Declined | Unreached | None) -> Done | Denied:
    """What comes of the carrier's answer. Whoever is second finds it cancelled already."""
    request, account = intent.request, intent.account
    consignments.lock(tx, [intent.consignment.id])
    if request.once is not None:
        # Somebody may have gone on with it meanwhile: what was answered with the key stays the answer.
        earlier = replies.find(tx, account.id, request.once.scope, request.once.key)
        if earlier is not None and earlier.state is ReplyState.DONE:
            return _before(tx, account, request.once, earlier)
    stored = consignments.load(tx, [intent.consignment.id])[intent.consignment.id]
    refusal = _refusal(stored)
    if refusal is None and outcome is not None:
        declined = isinstance(outcome, Declined)
        why = Refusal.CARRIER_DECLINED if declined else Refusal.CARRIER_UNREACHED
        refusal = Denied(why, outcome.why, stored.id)
    if refusal is not None:
        return _denied(tx, account, request, refusal)
    return _cancelled(tx, intent, stored)


def _refusal(consignment: Consignment) -> Denied | None:
    """Why it cannot be cancelled, whatever its carrier says."""
    state = consignment.state
    if state is ParcelState.WAITING:
        return Denied(Refusal.IN_PROGRESS, consignment_id=consignment.id)
    if state not in FINAL_PARCELS:
        return None
    text = {ParcelState.CANCELLED: ALREADY_CANCELLED, ParcelState.DELIVERED: ALREADY_DELIVERED}
    return Denied(Refusal.WRONG_STATE, text.get(state, IN_TRANSIT), consignment.id)


def _before(tx: Tx, account: Account, once: Once, earlier: Earlier) -> Done | Denied:
    """The answer to a request that somebody else carries out, or has carried out."""
    if earlier.digest != once.digest:
        return Denied(Refusal.KEY_REUSED)
    known = earlier.consignment_id
    stored = consignments.by_id(tx, account.id, known) if known is not None else None
    if earlier.state is not ReplyState.DONE or stored is None:
        return Denied(Refusal.IN_PROGRESS, consignment_id=known)
    return Done(stored, earlier.body or b"", replayed=True)


def _denied(tx: Tx, account: Account, request: Request, denied: Denied) -> Denied:
    if request.once is not None:
        replies.fail(tx, account.id, request.once, None)
    return denied


def _cancelled(tx: Tx, intent: Intent, consignment: Consignment) -> Done:
    """It is taken back: its labels end, the money is given back, and who wants to know is told."""
    move(tx, consignment, Move.REFUND, consignment.posted)
    consignment.posted = 0
    consignment.state, consignment.state_at = ParcelState.CANCELLED, tx.now
    for place, label in enumerate(consignment.labels):
        if label.state not in FINAL_PARCELS:
            label = label._replace(state=ParcelState.CANCELLED, state_at=tx.now)
        consignment.labels[place] = label._replace(revoked=tx.now)
    labels.save(tx, consignment.labels)
    consignments.save(tx, consignment)
    jobs.remove(tx, JobKind.TRACK, [consignment.id])
    seen = sightings.note(tx, consignment, ParcelState.CANCELLED)
    request, account = intent.request, intent.account
    body = request.render(account, consignment) if request.render else None
    if request.once is not None:
        replies.finish(tx, account.id, request.once, consignment.id, body)
    events.record(tx, [sightings.event(EventKind.CONSIGNMENT_CANCELLED, consignment, seen)])
    return Done(consignment, body or b"")
