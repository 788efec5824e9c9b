"""Finding consignments: one by each of its keys, all of them in pages, and what was seen of one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment
from ulak.core.states import UNDER_WAY_PARCELS
from ulak.dialects.comtohome import shown, wire
from ulak.dialects.comtohome.fields import identifier
from ulak.dialects.comtohome.serve.visit import Gate, Refused, Visit
from ulak.dialects.comtohome.shown import Show
from ulak.dialects.comtohome.texts import DONE_EVENTS, Text
from ulak.dialects.door import Reply
from ulak.store import consignments

STALE = 10 * 60 * 1000
"""The carrier of a parcel under way that was not asked for so long is worth asking again, ms."""

NUDGE = 60 * 1000
"""The same parcel is reported as stale once in this time, ms."""

_NUDGES_MAX = 10_000

Pick = Callable[[Any, int], Consignment | None]
"""Finds a consignment of an account, in a transaction."""


class _Found(NamedTuple):
    """A document, which consignment should be asked about, and when that was found out."""

    body: bytes
    stale: int | None
    now: int


class Finding:
    """The doors that only look."""

    def __init__(self, gate: Gate, show: Show, nudge: Callable[[int], None] | None) -> None:
        self._gate = gate
        self._show = show
        self._nudge = nudge
        self._nudged: OrderedDict[int, int] = OrderedDict()

    async def by_tracking(self, visit: Visit, code: str) -> Reply:
        """GET /consignments/find/trackingCode/{tracking_code}"""
        return await self._document(visit, lambda tx, owner: consignments.by_tracking(tx, owner, code))

    async def by_barcode(self, visit: Visit, barcode: str) -> Reply:
        """GET /consignments/find/barcode/{barcode}"""
        return await self._document(visit, lambda tx, owner: consignments.by_barcode(tx, owner, barcode))

    async def by_reference(self, visit: Visit, reference: str) -> Reply:
        """GET /consignments/find/reference_no/{reference_no}"""
        return await self._document(visit, lambda tx, owner: consignments.by_reference(tx, owner, reference))

    async def by_uuid(self, visit: Visit, uuid: str) -> Reply:
        """GET /consignments/find/uuid/{uuid}"""
        return await self._document(visit, lambda tx, owner: consignments.by_uuid(tx, owner, uuid.strip()))

    async def details(self, visit: Visit, text: str) -> Reply:
        """GET /consignments/{consignment_id}/details"""
        return await self._document(visit, by_id(text))

    async def listing(self, visit: Visit, _text: str) -> Reply:
        """GET /consignments"""
        return await self._gate.ask(visit, partial(self._rows, meta=visit.page()))

    def _rows(self, tx: Any, account: Account, *, meta: wire.Meta | Refused) -> Reply | Refused:
        if isinstance(meta, Refused):
            return meta
        skip = (meta.page - 1) * meta.limit
        meta.total, found = consignments.page(tx, account.id, skip, meta.limit)
        # What a row says of its status is what was seen last.
        whole = consignments.load(tx, [each.id for each in found])
        return Reply(200, wire.page([self._show.row(account, whole[each.id]) for each in found], meta))

    async def events(self, visit: Visit, text: str) -> Reply:
        """GET /consignments/{consignment_id}/events"""
        meta, pick, missing = visit.page(), by_id(text), visit.refused(404, Text.NOT_FOUND)

        def question(tx: Any, account: Account) -> Reply | Refused:
            if isinstance(meta, Refused):
                return meta
            found = pick(tx, account.id)
            if found is None:
                return missing
            skip = (meta.page - 1) * meta.limit
            meta.total, seen = consignments.seen_page(tx, found.id, skip, meta.limit)
            return Reply(200, wire.page([shown.movement(found, each) for each in seen], meta, DONE_EVENTS))

        return await self._gate.ask(visit, question)

    async def _document(self, visit: Visit, pick: Pick) -> Reply:
        """The whole of a consignment."""
        found = await self._gate.ask(visit, partial(self._find, pick=pick))
        if found is None:
            raise visit.refused(404, Text.NOT_FOUND)
        if found.stale is not None and self._nudge is not None:
            self._tell(found.stale, found.now)
        return Reply(200, found.body)

    def _find(self, tx: Any, account: Account, *, pick: Pick) -> _Found | None:
        found = pick(tx, account.id)
        if found is None:
            return None
        body = wire.success(self._show.consignment(account, found))
        asked = found.created if found.looked is None else found.looked
        # A clock that was set back leaves looks in the future.
        unasked = abs(tx.now - asked) > STALE
        return _Found(body, found.id if unasked and found.state in UNDER_WAY_PARCELS else None, tx.now)

    def _tell(self, consignment_id: int, now: int) -> None:
        """Say that a consignment is stale, unless that was said a moment ago."""
        nudged, nudge = self._nudged, self._nudge
        while nudged and (len(nudged) > _NUDGES_MAX or abs(now - next(iter(nudged.values()))) >= NUDGE):
            nudged.popitem(last=False)
        if consignment_id not in nudged and nudge is not None:
            nudged[consignment_id] = now
            nudge(consignment_id)


def by_id(text: str) -> Pick:
    """Finds the consignment with the id that a path has; none if that is no id."""
    number = identifier(text)
    return lambda tx, owner: None if number is None else consignments.by_id(tx, owner, number)
