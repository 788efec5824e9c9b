"""A request with a shipment in it: read, checked, and turned into an order for the desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from ulak.core.accounts import Account
from ulak.dialects.comtohome import forms
from ulak.dialects.comtohome.forms import Invalid, Saved, Wanted
from ulak.dialects.comtohome.jsonbody import Fields
from ulak.dialects.comtohome.serve.visit import Gate, Refused, Visit
from ulak.service.parcels import Order
from ulak.store import parties

Result = TypeVar("Result")

_BIG_BODY = 64 * 1024


async def read_body(visit: Visit, *, optional: bool = False) -> Fields:
    """The object in the body; a big one is read on another thread, so that the event loop stays free."""
    if len(visit.call.body) > _BIG_BODY:
        return await asyncio.to_thread(visit.body, optional=optional)
    return visit.body(optional=optional)


def order_of(wanted: Wanted) -> Order:
    """What the desk is to book."""
    return Order(
        wanted.shape,
        wanted.route,
        wanted.preference,
        wanted.shipment,
        wanted.carrier_id,
        wanted.service_ids,
        wanted.paper_ids,
    )


async def checked(visit: Visit, check: Callable[[], Result]) -> Result:
    """What a request means, or everything that is wrong with it."""
    try:
        if len(visit.call.body) > _BIG_BODY:
            return await asyncio.to_thread(check)
        return check()
    except Invalid as invalid:
        raise Refused(422, *invalid.problems) from None


async def saved_parties(gate: Gate, account: Account, body: Fields) -> Saved:
    """The parties that a request refers to by their ids."""
    if not forms.saved_ids(body):
        return {}
    return await gate.look(lambda tx: parties_in(tx, account.id, body))


def parties_in(tx: Any, account_id: int, body: Fields) -> Saved:
    """The same, within a transaction."""
    ids = forms.saved_ids(body)
    return {saved_as: parties.by_id(tx, account_id, saved_as, number) for saved_as, number in ids.items()}
