"""Creating consignments and drafts, and what is done with them: everything that changes something."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Route, Shape, Shipment
from ulak.core.once import Once
from ulak.core.states import ParcelState
from ulak.dialects.comtohome import drafts, forms, wire
from ulak.dialects.comtohome.fields import identifier
from ulak.dialects.comtohome.forms import Invalid
from ulak.dialects.comtohome.serve.denials import not_cancelled, refused
from ulak.dialects.comtohome.serve.finding import by_id
from ulak.dialects.comtohome.serve.requests import (
    checked,
    order_of,
    parties_in,
    read_body,
    saved_parties,
)
from ulak.dialects.comtohome.serve.visit import Gate, Refused, Visit, answered, succeeded
from ulak.dialects.comtohome.shown import Show
from ulak.dialects.comtohome.texts import (
    DONE_CANCELLED,
    DONE_CREATED,
    DONE_DRAFT,
    DONE_DRAFT_DELETED,
    DONE_DRAFT_UPDATED,
    DONE_RESENT,
    DONE_STARTED,
    Text,
)
from ulak.dialects.door import Reply
from ulak.service import drafts as service
from ulak.service.desk import Desk
from ulak.service.parcels import Denied, Done, Render
from ulak.store import consignments

_BARCODE = re.compile(r"C2H[0-9]{11}", re.IGNORECASE)


class Booking:
    """The doors that change something."""

    def __init__(self, gate: Gate, desk: Desk, show: Show) -> None:
        self._gate = gate
        self._desk = desk
        self._show = show

    # Consignments.

    async def create(self, visit: Visit, _value: str) -> Reply:
        """POST /consignments"""
        return await self._create(visit, many=False)

    async def create_many(self, visit: Visit, _value: str) -> Reply:
        """POST /consignments/multi-package"""
        return await self._create(visit, many=True)

    async def _create(self, visit: Visit, *, many: bool) -> Reply:
        account = await self._gate.enter(visit)
        body = await read_body(visit)
        once = visit.once(body)
        saved = await saved_parties(self._gate, account, body)
        wanted = await checked(visit, lambda: forms.order(body, saved, visit.language, many=many))
        done = await self._desk.create(
            visit.who, order_of(wanted), once=once, render=self._started(DONE_CREATED)
        )
        return _done(visit, done, once)

    async def cancel(self, visit: Visit, value: str) -> Reply:
        """POST /consignments/{idBarcodeOrReference}/cancel"""
        await self._gate.enter(visit)
        once, value = visit.once(None), value.strip()
        if len(value) > forms.REFERENCE_MAX:
            raise visit.refused(404, Text.NOT_FOUND)
        done = await self._desk.cancel(visit.who, _by_any_key(value), once=once, render=_cancelled)
        if isinstance(done, Denied):
            raise not_cancelled(visit, done)
        return answered(once, done.body, done.replayed)

    async def resend(self, visit: Visit, text: str) -> Reply:
        """POST /consignments/{consignmentId}/send-to-provider"""
        await self._allowed(visit, "can_send_to_provider_manually")
        found = _number(visit, text)
        done = await self._desk.resend(visit.who, found, render=self._started(DONE_RESENT))
        return _done(visit, done, None, wrong_state=Text.NOT_REJECTED)

    async def recheck(self, visit: Visit, text: str) -> Reply:
        """POST /consignments/{consignmentId}/recheck"""
        account = await self._allowed(visit, "can_recheck_manually")
        found = await self._desk.recheck(visit.who, _number(visit, text))
        if isinstance(found, Denied):
            raise refused(visit, found, wrong_state=Text.NOT_WITH_CARRIER)
        return succeeded(self._show.consignment(account, found))

    # Drafts.

    async def create_draft(self, visit: Visit, _value: str) -> Reply:
        """POST /consignments/draft"""
        account = await self._gate.enter(visit)
        body = await read_body(visit)
        once = visit.once(body)
        fields = drafts.merged({}, body)
        saved = await saved_parties(self._gate, account, fields)
        wanted = await checked(visit, lambda: forms.draft(fields, saved, visit.language))

        def change(tx: Any, account: Account) -> Done | Denied:
            return service.create(
                tx,
                account,
                drafts.dump(fields),
                wanted.shipment,
                wanted.shape,
                wanted.route,
                wanted.paper_ids,
                once=once,
                render=_draft(DONE_DRAFT),
            )

        return _done(visit, await self._gate.change(visit, change), once, missing=Text.DRAFT_NOT_FOUND)

    async def update_draft(self, visit: Visit, text: str) -> Reply:
        """PUT /consignments/draft/{draft_consignment_id}"""
        found = await self._gate.ask(visit, by_account(by_id(text)))
        body, language = await read_body(visit), visit.language
        account, draft = _own_draft(visit, found)
        fields = drafts.merged(drafts.load(draft.draft), body)
        saved = await saved_parties(self._gate, account, fields)
        await checked(visit, lambda: forms.draft(fields, saved, language))

        # Checked once more where it is written: another change may have come in between.
        def change(tx: Any, account: Account) -> Consignment | Denied:
            def read(stored: Consignment) -> tuple[str, Shipment, Shape, Route]:
                fields = drafts.merged(drafts.load(stored.draft), body)
                wanted = forms.draft(fields, parties_in(tx, account.id, fields), language)
                return drafts.dump(fields), wanted.shipment, wanted.shape, wanted.route

            return service.update(tx, account, draft.id, read, forms.paper_ids(body))

        try:
            changed: Consignment | Denied = await self._gate.change(visit, change)
        except Invalid as invalid:
            raise Refused(422, *invalid.problems) from None
        if isinstance(changed, Denied):
            raise refused(visit, changed, missing=Text.DRAFT_NOT_FOUND)
        return succeeded(drafts.document(changed, drafts.load(changed.draft)), DONE_DRAFT_UPDATED)

    async def delete_draft(self, visit: Visit, text: str) -> Reply:
        """DELETE /consignments/draft/{draft_consignment_id}"""
        await self._gate.enter(visit)
        number = _number(visit, text, Text.DRAFT_NOT_FOUND)
        denied = await self._gate.change(visit, lambda tx, account: service.delete(tx, account, number))
        if denied is not None:
            raise refused(visit, denied, missing=Text.DRAFT_NOT_FOUND)
        return succeeded(wire.Touched(number), DONE_DRAFT_DELETED)

    async def start(self, visit: Visit, text: str) -> Reply:
        """POST /consignments/draft/{draft_consignment_id}/start-process"""
        found = await self._gate.ask(visit, by_account(by_id(text)))
        body = await read_body(visit, optional=True)
        once = visit.once(body)
        # A repetition finds no draft any more; the desk knows what was answered.
        account, draft = _own_draft(visit, found, started=once is not None)
        fields = drafts.merged(drafts.load(draft.draft), body)
        saved = await saved_parties(self._gate, account, fields)
        wanted = await checked(
            visit, lambda: forms.order(drafts.complete(fields), saved, visit.language, many=None)
        )
        done = await self._desk.start(
            visit.who,
            draft.id,
            order_of(wanted),
            draft=drafts.dump(fields),
            once=once,
            render=self._started(DONE_STARTED),
        )
        return _done(visit, done, once, missing=Text.DRAFT_NOT_FOUND)

    # What they have in common.

    async def _allowed(self, visit: Visit, right: str) -> Account:
        """Let somebody in who has a right."""
        account = await self._gate.enter(visit)
        if not account.switch(right):
            raise visit.refused(403, Text.NOT_ALLOWED)
        return account

    def _started(self, message: str) -> Render:
        return lambda _account, found: wire.success(self._show.started(found), message)


def _done(
    visit: Visit,
    done: Done | Denied,
    once: Once | None,
    *,
    missing: Text = Text.NOT_FOUND,
    wrong_state: Text = Text.NOT_A_DRAFT,
) -> Reply:
    if isinstance(done, Denied):
        raise refused(visit, done, missing=missing, wrong_state=wrong_state)
    return answered(once, done.body, done.replayed)


def _cancelled(_account: Account, found: Consignment) -> bytes:
    return wire.success(wire.Touched(found.id), DONE_CANCELLED)


def _draft(message: str) -> Render:
    return lambda _account, found: wire.success(drafts.document(found, drafts.load(found.draft)), message)


def by_account(
    pick: Callable[[Any, int], Consignment | None],
) -> Callable[[Any, Account], tuple[Account, Consignment | None]]:
    """The account that asks, and its consignment."""
    return lambda tx, account: (account, pick(tx, account.id))


def _own_draft(
    visit: Visit, found: tuple[Account, Consignment | None], *, started: bool = False
) -> tuple[Account, Consignment]:
    """The draft that was found; with `started` it may have been one."""
    account, draft = found
    if draft is None:
        raise visit.refused(404, Text.DRAFT_NOT_FOUND)
    if draft.state is not ParcelState.DRAFT and not (started and draft.draft is not None):
        raise visit.refused(409, Text.NOT_A_DRAFT)
    return account, draft


def _number(visit: Visit, text: str, missing: Text = Text.NOT_FOUND) -> int:
    number = identifier(text)
    if number is None:
        raise visit.refused(404, missing)
    return number


def _by_any_key(value: str) -> Callable[[Any, int], Consignment | None]:
    """Finds a consignment by its id, its barcode or its owner's reference."""
    number = identifier(value)

    def pick(tx: Any, owner: int) -> Consignment | None:
        found = None
        if number is not None:
            found = consignments.by_id(tx, owner, number)
        elif _BARCODE.fullmatch(value):
            found = consignments.by_barcode(tx, owner, value)
        return found or consignments.by_reference(tx, owner, value)

    return pick
