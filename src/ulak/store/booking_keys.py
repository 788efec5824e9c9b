"""The keys under which carriers that do not know keys were asked to book parcels and rent numbers."""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.journal import KeyState, Known
from ulak.core.states import ParcelState
from ulak.store import settings
from ulak.store.engine import Sql, Tx

_OWN = "key = :key AND carrier_id = :carrier"
_BEGIN = Sql(
    "INSERT INTO booking_key (key, carrier_id, state, created) VALUES (:key, :carrier, :state, :created)"
    " ON CONFLICT DO NOTHING"
)
_FIND = Sql(f"SELECT state, answer FROM booking_key WHERE {_OWN}")
_FINISH = Sql(
    "INSERT INTO booking_key (key, carrier_id, state, answer, created)"
    " VALUES (:key, :carrier, :state, :answer, :created)"
    " ON CONFLICT (key, carrier_id) DO UPDATE SET state = excluded.state, answer = excluded.answer"
    " WHERE booking_key.state <> :kept"
)
_KEEP = Sql(f"UPDATE booking_key SET state = :kept, answer = NULL WHERE {_OWN}")
_FORGET = Sql(f"DELETE FROM booking_key WHERE {_OWN}")
_CLEAR = Sql("DELETE FROM booking_key WHERE key = :key AND state < 3")
_UNSURE = Sql(
    "SELECT consignment.id, booking_key.created, booking_key.state FROM booking_key"
    " JOIN consignment ON consignment.uuid = booking_key.key"
    " WHERE booking_key.state < 3 AND consignment.state <> :waiting"
    " ORDER BY booking_key.created, consignment.id"
)
_SWEEP_END = Sql(
    "SELECT max(created), count(*) FROM (SELECT created FROM booking_key"
    " WHERE created > :after AND created <= :before ORDER BY created LIMIT :limit) AS stretch"
)
_SWEEP = Sql("DELETE FROM booking_key WHERE created > :after AND created <= :last")


class Unsure(NamedTuple):
    """A consignment that its carrier may have booked: when it was asked (ms by the machine's clock).

    ANSWERED: it has, and its answer came when the consignment had been given up.
    """

    consignment_id: int
    asked: int
    state: KeyState


def begin(tx: Tx, carrier_id: int, key: str) -> Known | None:
    """Write down that a carrier is being asked with this key, or what is known of it.

    However many begin it at once, for one of them nothing is known.
    """
    while True:  # Between the two statements it may have been forgotten.
        created = settings.machine_now(tx)
        if tx.run(_BEGIN, key=key, carrier=carrier_id, state=int(KeyState.ASKED), created=created):
            return None
        row = tx.one(_FIND, key=key, carrier=carrier_id)
        if row is not None:
            return Known(KeyState(row[0]), row[1])


def finish(tx: Tx, carrier_id: int, key: str, answer: bytes) -> None:
    """Write down what the carrier answered, unless its answer is with the consignment already."""
    tx.run(
        _FINISH,
        key=key,
        carrier=carrier_id,
        state=int(KeyState.ANSWERED),
        answer=answer,
        created=settings.machine_now(tx),
        kept=int(KeyState.KEPT),
    )


def keep(tx: Tx, carrier_id: int, key: str) -> None:
    """The answer is with the consignment now. The key stays: who comes late with it must not ask again."""
    tx.run(_KEEP, key=key, carrier=carrier_id, kept=int(KeyState.KEPT))


def forget(tx: Tx, carrier_id: int, key: str) -> None:
    """Nothing was done at this carrier under this key."""
    tx.run(_FORGET, key=key, carrier=carrier_id)


def clear(tx: Tx, key: str) -> bool:
    """Nothing is booked under this key anywhere; whether it was not known. What is KEPT stays."""
    return tx.run(_CLEAR, key=key) > 0


def unsure(tx: Tx) -> list[Unsure]:
    """Consignments that a carrier may have booked without our knowing, the longest asked first.

    Not those that somebody is booking just now.
    """
    rows = tx.all(_UNSURE, waiting=int(ParcelState.WAITING))
    return [Unsure(row[0], row[1], KeyState(row[2])) for row in rows]


def sweep(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Forget the keys begun until `before` (ms by the machine's clock), about `limit` of them.

    `after` and the result are the time of a key, ms; None when none is left.
    """
    row = tx.one(_SWEEP_END, after=after, before=before, limit=limit)
    assert row is not None
    last, count = row
    if count:
        tx.run(_SWEEP, after=after, last=last)
    return last if count == limit else None
