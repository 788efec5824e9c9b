"""An order as the wire shows it: which fields there are in which state (specification, section 3.6)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from ulak.core.pools import ANY, POOLS, SERVICES
from ulak.core.purchases import Incoming, Shown
from ulak.core.states import PurchaseKind, PurchaseState
from ulak.dialects.sms4sats import texts, wire

AUTO_SELECT = "Auto-Select"
"""The name of the country that means: any."""

NUMERIC_MAX = 15
"""Digits of a code that is shown as a number; every reader of JSON keeps so many."""


class View(NamedTuple):
    """What a state shows: the time, a number (and the time), its code, how sending goes, what went wrong."""

    timed: bool = False
    number: bool = False
    code: bool = False
    sms: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


_S = PurchaseState
_BARE = View()
_TIMED = View(timed=True)
_NUMBER = View(timed=True, number=True)
_ALL = View(timed=True, number=True, code=True)
_OVER = View(timed=True, error=texts.TIMED_OUT)

_EVERY = {
    _S.UNPAID: _BARE,
    _S.EXPIRED: View(error=texts.EXPIRED),
    _S.WITHDRAWN: View(error=texts.WITHDRAWN),
    _S.PAID: _TIMED,
    _S.NO_NUMBER: View(error=texts.NO_NUMBER),
    _S.WAITING: _NUMBER,
    _S.SETTLING: _TIMED,
    _S.DONE: _TIMED,
    _S.CANCELLED: View(timed=True, error=texts.CANCELLED),
    _S.TIMED_OUT: _OVER,
    _S.LOST: _OVER,
    _S.ACTIVE: _ALL,
    _S.ENDED: _ALL,
    _S.SENT: View(timed=True, sms="sent"),
    _S.DELIVERED: View(timed=True, sms="delivered"),
    _S.FAILED: View(timed=True, sms="failed", error=texts.NOT_SENT),
}
_DIFFERENT = {
    # The number is in use until the code is paid for, and the code is not shown before.
    (PurchaseKind.CODE, _S.SETTLING): _NUMBER,
    (PurchaseKind.CODE, _S.DONE): _ALL,
    (PurchaseKind.MESSAGE, _S.PAID): View(timed=True, sms="created"),
}
VIEWS: dict[tuple[PurchaseKind, PurchaseState], View] = {
    (kind, state): _DIFFERENT.get((kind, state), view)
    for kind in PurchaseKind
    for state, view in _EVERY.items()
}
"""What is shown of every kind in every state."""


def status_of(shown: Shown) -> wire.Status:
    """An order, as `/orderstatus` and callbacks tell of it."""
    view = VIEWS[shown.kind, shown.state]
    status = wire.Status(wire.OK, shown.paid, error=view.error, smsStatus=view.sms)
    if view.timed:
        status.timestamp = shown.changed
    if view.sms is not UNSET:
        status.id = sms_id(shown.public_id)
        if shown.kept:
            status.error = texts.NOT_DELIVERED
    if view.number and shown.number is not None and shown.number_id is not None:
        status.id = shown.number_id
        status.number = shown.number
        status.country = country_name(shown.pool)
        status.service = service_name(shown.service)
        if view.code:
            status.code = code_of(shown.code)
        if shown.kind is PurchaseKind.RENTAL:
            _add_rental(status, shown)
    return status


def _add_rental(status: wire.Status, shown: Shown) -> None:
    status.rental = True
    if shown.ends is not None:
        status.expiresAt = shown.ends
    if shown.state is _S.ENDED:
        status.expired = True
    status.messages = [wire.Message(one.sender, one.text, code_of(one.code), one.at) for one in shown.texts]
    newest = newest_code(shown.texts)
    if newest is not UNSET:
        status.code = newest


def newest_code(messages: Sequence[Incoming]) -> int | str | UnsetType:
    """The code of the newest message that has one."""
    return next((code_of(one.code) for one in reversed(messages) if one.code), UNSET)


def code_of(code: str | None) -> int | str | UnsetType:
    """A code: a number where that says the same, otherwise a text."""
    if not code:
        return UNSET
    if len(code) <= NUMERIC_MAX and code[0] != "0" and code.isascii() and code.isdigit():
        return int(code)
    return code


def sms_id(public_id: str) -> str:
    """What a message is called: made of the order's id, and nobody can make that of it."""
    return "SM" + hashlib.sha256(b"sms4sats message " + public_id.encode()).hexdigest()[:32]


def country_name(pool: int) -> str:
    """The name of a country."""
    known = POOLS.get(pool)
    return AUTO_SELECT if known is None else known.name


def service_name(code: str) -> str:
    """The name of a service."""
    return SERVICES.get(code, code)


def memo(pool: int, service: str) -> str:
    """What an invoice for a number is for. `service` is what the customer calls it."""
    return " ".join((texts.MEMO, service) if pool == ANY else (texts.MEMO, POOLS[pool].iso, service))
