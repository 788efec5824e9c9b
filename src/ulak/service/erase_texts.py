"""What becomes of a row in whose texts an erased number stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ulak.core.consignments import Party, Shipment
from ulak.core.errors import UlakError
from ulak.core.once import ReplyState
from ulak.core.referrals import ReferralState
from ulak.core.spellings import Spellings
from ulak.core.states import ParcelState
from ulak.store import callbacks, endpoints
from ulak.store import erasing as store
from ulak.store.engine import Tx
from ulak.store.erasing import Found

_decode = msgspec.json.Decoder(Shipment).decode


class Done(NamedTuple):
    """How many rows were changed, and of which parcel the papers are gone with that."""

    rows: int
    barcode: str | None = None


def erase(tx: Tx, found: Found, spellings: Spellings) -> Done:
    """Take the number out of a row.

    Raises:
        UlakError: it is a parcel that is being booked.
    """
    if found.table in store.OF_OPERATORS:
        return Done(0)
    special = _SPECIAL.get(found.table)
    return special(tx, found, spellings) if special else Done(store.hide(tx, found, spellings))


def _delete(tx: Tx, found: Found, _spellings: Spellings) -> Done:
    """The row is about nobody else."""
    return Done(store.delete(tx, found.table, found.key))


def _incoming(tx: Tx, found: Found, spellings: Spellings) -> Done:
    """What the person wrote goes; what others wrote of the number stays without it."""
    if "sender" in found.texts:
        store.erase_sender(tx, found.key["id"])
        return Done(1)
    return Done(store.hide(tx, found, spellings))


def _reply(tx: Tx, found: Found, spellings: Spellings) -> Done:
    """An answer that was given stays, so that a repetition is not carried out again. A key with the number in
    it cannot; while its request is under way it has to."""
    if {"key", "scope"} & found.texts.keys():
        if store.state_of(tx, "reply", found.key) == ReplyState.RUNNING:
            return Done(0)
        return _delete(tx, found, spellings)
    return Done(store.hide(tx, found, spellings))


def _referral(tx: Tx, found: Found, spellings: Spellings) -> Done:
    """What is not paid yet needs its address."""
    if store.state_of(tx, "referral", found.key) != ReferralState.PAID:
        return Done(0)
    return Done(store.hide(tx, found, spellings))


def _order(tx: Tx, found: Found, spellings: Spellings) -> Done:
    """A sender like the number: what is under way needs it."""
    final = store.state_of(tx, "sms_order", found.key) in (13, 14, 15)
    return Done(store.hide(tx, found, spellings) if final else 0)


def _endpoint(tx: Tx, found: Found, spellings: Spellings) -> Done:
    """An account's own address is its own to change. One that was named in an order is told nothing more."""
    endpoint_id = found.key["id"]
    if store.is_own_endpoint(tx, endpoint_id):
        return Done(0)
    endpoints.locked(tx, [endpoint_id])
    callbacks.give_up(tx, [endpoint_id])
    store.remove_endpoint(tx, endpoint_id)
    return Done(store.hide(tx, found, spellings))


def _paper(tx: Tx, found: Found, _spellings: Spellings) -> Done:
    store.delete(tx, "paper", {"id": found.key["paper_id"]})
    return Done(store.delete(tx, "paper_file", found.key))


def _consignment(tx: Tx, found: Found, spellings: Spellings) -> Done:
    """Whoever has the number is taken out of the parcel, and papers on which he stands are dropped."""
    consignment_id = found.key["id"]
    held = store.shipment(tx, consignment_id)
    if held is None:
        return Done(0)
    state, text, barcode = held
    if state == ParcelState.WAITING:
        raise UlakError(f"parcel {barcode} is being booked with this number: erase it again in a minute")
    gone: str | None = None
    if "shipment" in found.texts:
        shipment = _decode(text)
        without = msgspec.structs.replace(
            shipment,
            sender=_without(shipment.sender, spellings),
            recipient=_without(shipment.recipient, spellings),
        )
        store.save_shipment(tx, consignment_id, spellings.hidden_json(msgspec.json.encode(without).decode()))
        gone = barcode
    rest = {name: value for name, value in found.texts.items() if name != "shipment"}
    if rest:
        store.hide(tx, found._replace(texts=rest), spellings)
    return Done(1, gone)


def _without(party: Party, spellings: Spellings) -> Party:
    """Of a person with that number only the town is left."""
    if not spellings.is_phone(party.phone, party.country):
        return party
    return Party("", "", party.country, party.state, party.city, "", "", "")


_SPECIAL: dict[str, Callable[[Tx, Found, Spellings], Done]] = {
    "consent": _delete,
    "consignment": _consignment,
    "endpoint": _endpoint,
    "incoming": _incoming,
    "incoming_part": _delete,
    "label_file": _delete,
    "paper_file": _paper,
    "referral": _referral,
    "reply": _reply,
    "saved_party": _delete,
    "sms_order": _order,
    "stray_report": _delete,
}
