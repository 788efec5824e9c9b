"""`ulak parcel`: consignments of all accounts, and what can be ordered and used with them.

A consignment in a list is {"id", "account", "uuid", "barcode", "reference", "carrier", "tracking", "state",
"state_at", "created"}. States are words such as `booked`, `in-transit`, `delivered`; times are RFC 3339, UTC.
Alone it also has {"from", "to": {"name", "city", "country"}, "total", "held", "posted" (TRY), "labels":
[{"id", "tracking", "looks_like", "state", "state_at", "revoked"}], "seen": [{"at", "stored", "state", "text",
"location", "label", "raw"}] oldest first, "papers": [{"id", "kind", "state", "file_name", "size"}]}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common, check_limit, pairs, stamp
from ulak.cli.errors import UsageError
from ulak.core.consignments import Consignment, Label, Party, SavedAs
from ulak.core.countries import find_country
from ulak.core.errors import UlakError
from ulak.core.journal import KeyState
from ulak.core.ledger import TRY
from ulak.core.money import main_units, parse_amount
from ulak.core.shipping import Sighting
from ulak.core.states import FINAL_PARCELS, SEEN_PARCELS, ParcelState
from ulak.core.tracking import EARLY
from ulak.core.tracking_codes import look_alike
from ulak.service import accounts, journal, sightings
from ulak.store import accounts as account_store
from ulak.store import consignments, parties, special_services
from ulak.store.engine import Tx

app = App(name="parcel", help="Parcels of all accounts.")
service = App(name="service", help="Extras that can be ordered with a parcel.")
address = App(name="address", help="Warehouses and recipients that accounts keep.")
unsure = App(name="unsure", help="Parcels that a carrier may have booked, and did not say so in time.")
app.command(unsure)
app.command(service)
app.command(address)

PAGE = 500
"""Consignments that are read at a time."""

SavedAsWord = Literal["warehouse", "recipient"]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def word(state: ParcelState) -> str:
    """A state as it is written here: `out-for-delivery`."""
    return state.name.lower().replace("_", "-")


STATES = {word(state): state for state in ParcelState}
MOVES = {word(state): state for state in ParcelState if state in SEEN_PARCELS}


# Parcels.


class _Found(NamedTuple):
    """A consignment, and those of its labels that were meant."""

    consignment: Consignment
    labels: list[Label]


@app.command
def move(
    code: str,
    state: str,
    /,
    *,
    text: Annotated[str | None, Parameter(help="what happened, in words for people")] = None,
    location: Annotated[str | None, Parameter(help="where it happened")] = None,
    at: Annotated[str | None, Parameter(help="when it happened (RFC 3339); now, if not given")] = None,
    correct: Annotated[
        bool, Parameter(negative="", help="also out of a state that is final", show_default=False)
    ] = False,
    common: Common = DEFAULTS,
) -> None:
    """Say what happened to a parcel, as its carrier would; those who asked to be told are told.

    CODE is its barcode, UUID, tracking code or id; a tracking code means that one package, anything else all.
    STATE is one of picked-up, in-transit, in-customs, on-hold, out-for-delivery, ready-for-pickup,
    delivery-failed, delayed, delivered, returning, returned, lost, damaged. Shows the parcel, with "moved":
    older news than the newest is kept and moves nothing.
    """
    if state not in MOVES:
        raise UsageError(f"{state!r} is nothing that a carrier says; it says {', '.join(MOVES)}")
    when = None if at is None else _moment(at)
    target = MOVES[state]

    def change(tx: Tx) -> dict[str, Any]:
        found = _found(tx, code)
        labels = _movable(found, correct)
        then = _plausible(tx, found.consignment, when)
        words = state.replace("-", " ").capitalize() if text is None else text
        sighting = Sighting(then, target, words, location or None, f"operator: {state}", correct)
        now = sightings.record(tx, [(label, [sighting]) for label in labels])[found.consignment.id]
        return _whole(tx, now) | {"moved": now.labels != found.consignment.labels}

    common.show(common.write(change))


@app.command(name="list")
def list_(
    *,
    account: Annotated[str | None, Parameter(help="of this account only")] = None,
    state: Annotated[str | None, Parameter(help="in this state only")] = None,
    limit: Annotated[int, Parameter(help="at most so many")] = 100,
    common: Common = DEFAULTS,
) -> None:
    """List parcels, the newest first: an array of consignments."""
    if state is not None and state not in STATES:
        raise UsageError(f"{state!r} is no state; there are {', '.join(STATES)}")
    check_limit(limit)

    def question(tx: Tx) -> list[dict[str, Any]]:
        owners = account_store.every(tx) if account is None else [accounts.named(tx, account)]
        newest = merge(*(_pages(tx, owner.id) for owner in owners), key=_newest_first)
        wanted = (found.id for found in newest if state is None or found.state is STATES[state])
        ids = list(islice(wanted, limit))
        whole = consignments.load(tx, ids)
        names = {owner.id: owner.name for owner in owners}
        return [_row(whole[found], names[whole[found].account_id]) for found in ids]

    common.show(common.read(question))


@app.command
def show(code: str, /, *, common: Common = DEFAULTS) -> None:
    """Show a parcel, named by its barcode, UUID, tracking code or id."""
    common.show(common.read(lambda tx: _whole(tx, _found(tx, code).consignment)))


def _found(tx: Tx, code: str) -> _Found:
    """The consignment of any account that a code names."""
    owners = account_store.every(tx)
    for look in (consignments.by_barcode, consignments.by_uuid, consignments.by_tracking):
        hits = [hit for owner in owners if (hit := look(tx, owner.id, code))]
        if len(hits) > 1:
            ids = ", ".join(str(hit.id) for hit in hits)
            raise UlakError(f"{code!r} is the tracking code of several parcels; their ids are {ids}")
        if hits and look is consignments.by_tracking:
            return _Found(hits[0], [label for label in hits[0].labels if _same_code(label, code)])
        if hits:
            return _Found(hits[0], hits[0].labels)
    if code.isascii() and code.isdigit() and len(code) <= 18:
        for hit in consignments.load(tx, [int(code)]).values():
            return _Found(hit, hit.labels)
    raise UlakError(f"no parcel {code!r}")


def _same_code(label: Label, code: str) -> bool:
    return label.tracking is not None and label.tracking.strip().upper() == code.strip().upper()


def _movable(found: _Found, correct: bool) -> list[Label]:
    """Those of the labels meant that news can move."""
    consignment = found.consignment
    if not consignment.labels:
        raise UlakError(
            f"{consignment.barcode} was not booked with a carrier: it is {word(consignment.state)}"
        )
    if consignment.state is ParcelState.CANCELLED:
        raise UlakError(f"{consignment.barcode} was cancelled and paid back")
    labels = [label for label in found.labels if correct or label.state not in FINAL_PARCELS]
    if not labels:
        state = word(found.labels[0].state)
        raise UlakError(f"{consignment.barcode} is {state}, which is final; --correct moves it all the same")
    return labels


def _plausible(tx: Tx, consignment: Consignment, at: int | None) -> int:
    """When it happened, now if nobody says otherwise."""
    if at is None:
        return tx.now
    if not consignment.created - EARLY <= at <= tx.now:
        raise UlakError(
            f"{stamp(at)} is not between the making of the parcel ({stamp(consignment.created)}) and now"
        )
    return at


def _moment(text: str) -> int:
    """The moment of an RFC 3339 text."""
    try:
        if not _MOMENT.fullmatch(text.upper()):
            raise ValueError(text)
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise UsageError(f"{text[:40]!r} is not a time such as 2026-05-20T14:03:11+03:00") from None


def _pages(tx: Tx, account_id: int) -> Iterator[Consignment]:
    """An account's consignments, the newest first, read as far as they are needed."""
    skip = 0
    while True:
        count, found = consignments.page(tx, account_id, skip, PAGE)
        yield from found
        skip += PAGE
        if skip >= count:
            return


def _newest_first(consignment: Consignment) -> int:
    return -consignment.id


def _row(consignment: Consignment, account: str) -> dict[str, Any]:
    return {
        "id": consignment.id,
        "account": account,
        "uuid": consignment.uuid,
        "barcode": consignment.barcode,
        "reference": consignment.shipment.reference,
        "carrier": consignment.carrier.name if consignment.carrier else None,
        "tracking": consignment.tracking,
        "state": word(consignment.state),
        "state_at": stamp(consignment.state_at),
        "created": stamp(consignment.created),
    }


def _whole(tx: Tx, consignment: Consignment) -> dict[str, Any]:
    owner = next(one.name for one in account_store.every(tx) if one.id == consignment.account_id)
    codes = {label.id: label.tracking for label in consignment.labels}
    return _row(consignment, owner) | {
        "from": _place(consignment.shipment.sender),
        "to": _place(consignment.shipment.recipient),
        "total": main_units(consignment.costs.total, TRY),
        "held": main_units(consignment.held, TRY),
        "posted": main_units(consignment.posted, TRY),
        "labels": [_label(label) for label in consignment.labels],
        "seen": [
            {
                "at": stamp(seen.at),
                "stored": stamp(seen.stored),
                "state": word(seen.state),
                "text": seen.text,
                "location": seen.location,
                "label": None if seen.label_id is None else codes.get(seen.label_id),
                "raw": seen.raw,
            }
            for seen in consignment.seen
        ],
        "papers": [
            {
                "id": paper.id,
                "kind": paper.kind.name.lower(),
                "state": paper.state.name.lower(),
                "file_name": paper.file_name,
                "size": paper.size,
            }
            for paper in consignment.papers
        ],
    }


def _label(label: Label) -> dict[str, Any]:
    return {
        "id": label.id,
        "tracking": label.tracking,
        "looks_like": look_alike(label.tracking or ""),
        "state": word(label.state),
        "state_at": stamp(label.state_at),
        "revoked": None if label.revoked is None else stamp(label.revoked),
    }


def _place(party: Party) -> dict[str, str]:
    return {"name": party.name, "city": party.city, "country": party.country}


# Parcels in doubt.


@unsure.command(name="list")
def list_unsure(*, common: Common = DEFAULTS) -> None:
    """List parcels of which the carrier did not say in time whether it booked them.

    Shows consignments, each with "asked" (when its carrier was) and "answered": true where the carrier booked
    it, and said so when the parcel had been given up; who orders it again with the same key gets that.
    """

    def question(tx: Tx) -> list[dict[str, Any]]:
        doubts = journal.unsure(tx)
        found = consignments.load(tx, [doubt.consignment_id for doubt in doubts])
        names = {owner.id: owner.name for owner in account_store.every(tx)}
        whole = [(found[doubt.consignment_id], doubt) for doubt in doubts]
        return [
            _row(one, names[one.account_id])
            | {"asked": stamp(doubt.asked), "answered": doubt.state is KeyState.ANSWERED}
            for one, doubt in whole
        ]

    common.show(common.read(question))


@unsure.command
def clear(code: str, /, *, common: Common = DEFAULTS) -> None:
    """Say that nothing is booked of a parcel, so that its carrier may be asked again.

    Look for its barcode in the account with the carrier before, and void what is there. Shows the parcel.
    """

    def change(tx: Tx) -> dict[str, Any]:
        consignment = _found(tx, code).consignment
        journal.clear(tx, consignment)
        return _whole(tx, consignment)

    common.show(common.write(change))


# Extras.


@service.command(name="add")
def add_service(name: str, fee: str, /, *, common: Common = DEFAULTS) -> None:
    """Offer an extra for a fee in TRY, without VAT. Shows {"id", "name", "fee"}."""
    try:
        kurus = parse_amount(fee, TRY)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not name.strip() or len(name) > 255 or not name.isprintable():
        raise UlakError("the name of an extra is 1 to 255 printable characters")
    made = common.write(lambda tx: special_services.insert(tx, name, kurus))
    common.show({"id": made, "name": name, "fee": main_units(kurus, TRY)})


@service.command(name="list")
def list_services(*, common: Common = DEFAULTS) -> None:
    """List what can be ordered: an array of {"id", "name", "fee"}."""
    offered = common.read(special_services.active)
    common.show([{"id": one.id, "name": one.name, "fee": main_units(one.fee, TRY)} for one in offered])


@service.command(name="remove")
def remove_service(service_id: int, /, *, common: Common = DEFAULTS) -> None:
    """Offer an extra no longer; parcels that have it keep it. Shows {"id", "removed": true}."""
    if not common.write(lambda tx: special_services.remove(tx, service_id)):
        raise UlakError(f"no extra {service_id}")
    common.show({"id": service_id, "removed": True})


# Addresses.


@address.command(name="add")
def add_address(account: str, saved_as: SavedAsWord, /, *fields: str, common: Common = DEFAULTS) -> None:
    """Keep a warehouse or a recipient for an account, given as key=value.

    Needed are name, country (ISO 3166-1), state, city, address, postal_code and phone (with its country
    code); attention, email and tax_number may follow. Shows {"id", "account", "saved_as", and the keys}.
    """
    party = _party(pairs(fields))
    kind = SavedAs[saved_as.upper()]

    def change(tx: Tx) -> dict[str, Any]:
        owner = accounts.named(tx, account)
        made = parties.insert(tx, owner.id, kind, party)
        return _kept(made, owner.name, kind, party)

    common.show(common.write(change))


@address.command(name="list")
def list_addresses(account: str, /, *, common: Common = DEFAULTS) -> None:
    """List what an account keeps: an array as `add` shows it."""

    def question(tx: Tx) -> list[dict[str, Any]]:
        owner = accounts.named(tx, account)
        return [_kept(one, owner.name, kind, party) for one, kind, party in parties.of_account(tx, owner.id)]

    common.show(common.read(question))


@address.command(name="remove")
def remove_address(party_id: int, /, *, common: Common = DEFAULTS) -> None:
    """Keep an address no longer; parcels have copies of their own. Shows {"id", "removed": true}."""

    def change(tx: Tx) -> bool:
        return any(
            parties.remove(tx, owner.id, kind, party_id)
            for owner in account_store.every(tx)
            for kind in SavedAs
        )

    if not common.write(change):
        raise UlakError(f"no address {party_id}")
    common.show({"id": party_id, "removed": True})


_LONGEST = {
    "name": 255,
    "attention": 255,
    "country": 3,
    "state": 100,
    "city": 100,
    "address": 1000,
    "postal_code": 30,
    "phone": 20,
    "email": 255,
    "tax_number": 50,
}
"""The fields of an address, and how many characters each may have."""

_NEEDED = ("name", "country", "state", "city", "address", "postal_code", "phone")
_PHONE = re.compile(r"[1-9][0-9]{6,14}")
_IN_PHONES = str.maketrans("", "", " -()")


def _party(given: dict[str, str]) -> Party:
    fields = {key: value.strip() for key, value in given.items() if value.strip()}
    unknown = [key for key in given if key not in _LONGEST]
    if unknown:
        raise UsageError(f"an address has no {unknown[0]!r}; it has {', '.join(_LONGEST)}")
    missing = [key for key in _NEEDED if key not in fields]
    if missing:
        raise UsageError(f"an address needs {', '.join(missing)}")
    for key, value in fields.items():
        if len(value) > _LONGEST[key]:
            raise UsageError(f"{key} has more than {_LONGEST[key]} characters")
    return Party(
        name=fields["name"],
        attention=fields.get("attention", fields["name"]),
        country=_country(fields["country"]),
        state=fields["state"],
        city=fields["city"],
        address=fields["address"],
        postal_code=fields["postal_code"],
        phone=_phone(fields["phone"]),
        email=fields.get("email"),
        tax_number=fields.get("tax_number"),
    )


def _country(code: str) -> str:
    found = find_country(code)
    if found is None:
        raise UsageError(f"{code!r} is not an ISO 3166-1 country code")
    return found.alpha2


def _phone(written: str) -> str:
    """The digits of a number with its country code."""
    digits = written.translate(_IN_PHONES).removeprefix("+").removeprefix("00")
    if not _PHONE.fullmatch(digits):
        raise UsageError("phone must be a number with its country code, such as +90 555 000 00 00")
    return digits


def _kept(party_id: int, account: str, saved_as: SavedAs, party: Party) -> dict[str, Any]:
    fields = {key: getattr(party, key) for key in _LONGEST}
    return {"id": party_id, "account": account, "saved_as": saved_as.name.lower()} | fields
