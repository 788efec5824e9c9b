"""References of carriers, the reports that found no message, and messages in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ulak.core.doubts import Doubt
from ulak.core.ports import ReportState
from ulak.core.references import Stray
from ulak.store.engine import Row, Sql, Tx

_REFER = Sql(
    "INSERT INTO reference (carrier_id, key, message_id, order_id, part, spelled)"
    " SELECT :carrier, key, message_id, order_id, part, spelled FROM {fresh} AS fresh WHERE true"
    # Operators reuse references: the newest message owns one.
    " ON CONFLICT (carrier_id, key) DO UPDATE SET message_id = excluded.message_id,"
    " order_id = excluded.order_id, part = excluded.part, spelled = excluded.spelled",
    fresh=("key int8", "message_id int8", "order_id int8", "part int2", "spelled text"),
)
_LOOK_UP = Sql(
    "SELECT reference.key, message_id, order_id, part FROM {keys} AS wanted"
    " JOIN reference ON reference.carrier_id = :carrier AND reference.key = wanted.key",
    keys=("key int8",),
)
_STRETCH = Sql(
    "SELECT reference.key, spelled, state FROM reference JOIN message ON message.id = reference.message_id"
    " WHERE reference.carrier_id = :carrier AND reference.key > :after ORDER BY reference.key LIMIT :limit"
)
_STATES = Sql(
    "SELECT reference.key, spelled, state FROM {keys} AS wanted"
    " JOIN reference ON reference.carrier_id = :carrier AND reference.key = wanted.key"
    " JOIN message ON message.id = reference.message_id",
    keys=("key int8",),
)
_KEEP = Sql(
    "INSERT INTO stray_report (carrier_id, key, spelled, number, state, raw, why, at)"
    " SELECT :carrier, key, spelled, number, state, raw, why, :now FROM {strays} AS fresh",
    strays=("key int8", "spelled text", "number int8", "state int2", "raw text", "why int2"),
)
_ANY_PARKED = Sql("SELECT 1 FROM stray_report WHERE carrier_id = :carrier AND why = 1 LIMIT 1")
_PARKED = Sql(
    "SELECT stray_report.id, stray_report.key, number, state, at FROM {keys} AS wanted"
    " JOIN stray_report ON stray_report.carrier_id = :carrier AND stray_report.key = wanted.key"
    " WHERE why = 1 ORDER BY stray_report.id",
    keys=("key int8",),
)
_STILL_PARKED = Sql(
    "SELECT id, carrier_id, spelled, number, state, at FROM"
    " (SELECT * FROM stray_report WHERE id > :after ORDER BY id LIMIT :limit) AS stretch"
    " WHERE why = 1 AND at <= :until ORDER BY id"
)
# Open slices are short, and most orders that a carrier works on have none.
_UNANSWERED = Sql(
    "SELECT DISTINCT message.number FROM sms_order"
    " JOIN message ON message.id > sms_order.settled AND message.id <= sms_order.opened"
    " WHERE sms_order.state = 12 AND sms_order.carrier_id = :carrier"
    " AND sms_order.settled < sms_order.opened AND message.state = 20"
)
_DUE = Sql(
    "SELECT sms_order.id, due FROM {ids} AS wanted JOIN sms_order ON sms_order.id = wanted.id",
    ids=("id int8",),
)
_UNPARK = Sql("DELETE FROM stray_report WHERE id IN (SELECT id FROM {ids} AS gone)", ids=("id int8",))

_DOUBT = Sql(
    "INSERT INTO unsure (message_id, order_id, carrier_id, doubt, why, at)"
    " SELECT message_id, order_id, :carrier, doubt, why, :now FROM {fresh} AS fresh WHERE true"
    " ON CONFLICT (message_id) DO UPDATE SET carrier_id = excluded.carrier_id,"
    " doubt = excluded.doubt, why = excluded.why, at = excluded.at",
    fresh=("message_id int8", "order_id int8", "doubt int2", "why text"),
)
_DOUBTS_OF = Sql(
    "SELECT message_id, order_id, carrier_id, doubt FROM {ids} AS wanted"
    " JOIN unsure ON unsure.message_id = wanted.id",
    ids=("id int8",),
)
# Asked several times a second, and mostly nothing is marked: then no partition of messages is opened.
_ANY_MARKED = Sql("SELECT 1 FROM unsure WHERE doubt IN (4, 5) LIMIT 1")
# A report may have decided one meanwhile, and its mark stays.
_ANY_ASKED = Sql(
    "SELECT DISTINCT carrier_id FROM unsure JOIN message ON message.id = unsure.message_id"
    " WHERE doubt IN (4, 5) AND message.state = 20"
)
_ASKED = Sql(
    "SELECT unsure.message_id, unsure.order_id, unsure.doubt, message.number, message.parts FROM unsure"
    " JOIN message ON message.id = unsure.message_id"
    " WHERE carrier_id = :carrier AND doubt IN (4, 5) AND message.state = 20"
    " ORDER BY unsure.message_id LIMIT :limit"
)
_SETTLE = Sql(
    "UPDATE unsure SET doubt = :doubt, at = :now WHERE message_id IN (SELECT id FROM {ids} AS wanted)",
    ids=("id int8",),
)
_FORGET = Sql(
    "DELETE FROM unsure WHERE doubt = 5 AND message_id IN (SELECT id FROM {ids} AS gone)", ids=("id int8",)
)

# The first condition is the partial index's own; SQLite uses it only when it is repeated to the letter.
_FORGET_ORDERS = Sql(
    "DELETE FROM unsure WHERE doubt IN (4, 5) AND doubt = 5"
    " AND order_id IN (SELECT id FROM {orders} AS gone)",
    orders=("id int8",),
)
_RESENT_ORDERS = Sql(
    "UPDATE unsure SET doubt = 2, at = :now"
    " WHERE doubt IN (4, 5) AND doubt = 4 AND order_id IN (SELECT id FROM {orders} AS gone)",
    orders=("id int8",),
)


class Referred(NamedTuple):
    """What a reference names."""

    message_id: int
    order_id: int
    part: int


class ParkedReport(NamedTuple):
    """A report that waits for its message."""

    id: int
    key: int
    number: int
    state: ReportState
    at: int


class OldReport(NamedTuple):
    """A parked report that has waited for a while."""

    id: int
    carrier_id: int
    spelled: str
    number: int
    state: ReportState
    at: int


def refer(tx: Tx, carrier_id: int, fresh: Sequence[tuple[int, int, int, int, str]]) -> None:
    """New references: (key, message, order, part, spelled); no key twice."""
    tx.run(_REFER, carrier=carrier_id, fresh=fresh)


def look_up(tx: Tx, carrier_id: int, keys: Iterable[int]) -> dict[int, Referred]:
    """What these keys name."""
    rows = tx.all(_LOOK_UP, carrier=carrier_id, keys=list(keys))
    return {row[0]: Referred(row[1], row[2], row[3]) for row in rows}


def stretch(tx: Tx, carrier_id: int, after: int, limit: int) -> list[Row]:
    """The next references after a key: (key, spelled, state of the message)."""
    return tx.all(_STRETCH, carrier=carrier_id, after=after, limit=limit)


def states(tx: Tx, carrier_id: int, keys: Iterable[int]) -> list[Row]:
    """The references under these keys, as `stretch`."""
    return tx.all(_STATES, carrier=carrier_id, keys=list(keys))


def keep(tx: Tx, carrier_id: int, strays: Sequence[tuple[int, str, int, ReportState, str, Stray]]) -> None:
    """Keep reports beside the messages: (key, spelled, number, state, raw, why)."""
    rows = [
        (key, spelled, number, int(state), raw, int(why)) for key, spelled, number, state, raw, why in strays
    ]
    tx.run(_KEEP, carrier=carrier_id, strays=rows, now=tx.now)


def parked(tx: Tx, carrier_id: int, keys: Sequence[int]) -> list[ParkedReport]:
    """Parked reports under these keys, in the order they came."""
    if tx.one(_ANY_PARKED, carrier=carrier_id) is None:
        return []
    rows = tx.all(_PARKED, carrier=carrier_id, keys=keys)
    return [ParkedReport(row[0], row[1], row[2], ReportState(row[3]), row[4]) for row in rows]


def still_parked(tx: Tx, after: int, until: int, limit: int) -> list[OldReport]:
    """Parked reports that came until then (ms), in the order they came, among the next `limit` of all."""
    rows = tx.all(_STILL_PARKED, after=after, until=until, limit=limit)
    return [OldReport(row[0], row[1], row[2], row[3], ReportState(row[4]), row[5]) for row in rows]


def unanswered(tx: Tx, carrier_id: int) -> set[int]:
    """Numbers to which messages were opened for a carrier that it has not answered."""
    return {row[0] for row in tx.all(_UNANSWERED, carrier=carrier_id)}


def due(tx: Tx, orders: Iterable[int]) -> dict[int, int]:
    """When orders were due, ms."""
    return {row[0]: row[1] for row in tx.all(_DUE, ids=sorted(set(orders)))}


def unpark(tx: Tx, ids: Sequence[int]) -> None:
    """They found their messages."""
    tx.run(_UNPARK, ids=ids)


def doubt(tx: Tx, carrier_id: int, fresh: Sequence[tuple[int, int, Doubt, str]]) -> None:
    """Mark messages as uncertain: (message, order, what is done, why)."""
    rows = [(message, order, int(what), why) for message, order, what, why in fresh]
    tx.run(_DOUBT, carrier=carrier_id, fresh=rows, now=tx.now)


def doubts_of(tx: Tx, ids: Sequence[int]) -> list[Row]:
    """(message, order, carrier, doubt) of those among `ids` that are in doubt."""
    return tx.all(_DOUBTS_OF, ids=ids)


def carriers_asked(tx: Tx) -> list[int]:
    """The carriers for which `asked` may find something."""
    if tx.one(_ANY_MARKED) is None:
        return []
    return [row[0] for row in tx.all(_ANY_ASKED)]


def asked(tx: Tx, carrier_id: int, limit: int) -> list[Row]:
    """(message, order, doubt, number, price) of messages to be sent although their order is past them."""
    return tx.all(_ASKED, carrier=carrier_id, limit=limit)


def settle(tx: Tx, ids: Sequence[int], what: Doubt) -> None:
    """Note what was done about uncertain messages."""
    tx.run(_SETTLE, ids=ids, doubt=int(what), now=tx.now)


def forget_unsent(tx: Tx, ids: Sequence[int]) -> None:
    """Those that never left are with a link again, and were never in doubt."""
    tx.run(_FORGET, ids=ids)


def forget_asked(tx: Tx, orders: Sequence[int]) -> None:
    """These orders are claimed anew, so what was to be sent again of them goes with the rest."""
    tx.run(_FORGET_ORDERS, orders=orders)
    tx.run(_RESENT_ORDERS, orders=orders, now=tx.now)
