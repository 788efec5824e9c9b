"""What is on its way, or due, in the whole installation: asked when a backup was restored."""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.doubts import Doubt
from ulak.store.engine import Sql, Tx

_HALF_SENT = Sql(
    "SELECT id, carrier_id, settled, opened FROM sms_order WHERE state = 12 AND settled < opened"
    " AND id > :after ORDER BY id LIMIT :limit"
)
_ASKED = Sql(
    "SELECT unsure.message_id, unsure.order_id, unsure.carrier_id FROM unsure"
    " WHERE doubt IN (4, 5) AND doubt IN (:asked, :unsent) ORDER BY unsure.message_id"
)
_DUE = Sql(
    "SELECT id, settled, id + total - 1 FROM sms_order WHERE id > :after"
    " AND (state = 12 OR state IN (10, 11) AND due <= :now) ORDER BY id LIMIT :limit"
)


class HalfSent(NamedTuple):
    """An order of which messages are with a link: those after `settled`, up to `opened`."""

    id: int
    carrier_id: int
    settled: int
    opened: int


def half_sent(tx: Tx, after: int, limit: int) -> list[HalfSent]:
    """Orders by id, from `after` (exclusive) on."""
    return [HalfSent(*row) for row in tx.all(_HALF_SENT, after=after, limit=limit)]


def asked(tx: Tx) -> list[tuple[int, int, int]]:
    """(message, order, carrier) of those that a link is to send again, or for the first time after all."""
    rows = tx.all(_ASKED, asked=int(Doubt.ASKED), unsent=int(Doubt.UNSENT))
    return [(row[0], row[1], row[2]) for row in rows]


class DueOrder(NamedTuple):
    """An order of which messages after `settled`, up to `last`, may still be to be sent."""

    id: int
    settled: int
    last: int


def due(tx: Tx, after: int, limit: int) -> list[DueOrder]:
    """Orders that are due or being sent, by id, from `after` (exclusive) on."""
    return [DueOrder(*row) for row in tx.all(_DUE, after=after, now=tx.now, limit=limit)]
