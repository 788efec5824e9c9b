"""Messages in doubt, as an operator looks at them."""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.doubts import Doubt
from ulak.core.states import MessageState
from ulak.store.engine import Sql, Tx

_LISTING = Sql(
    "SELECT unsure.message_id, account.name, sms_order.number, message.number, carrier.name, message.state,"
    " unsure.doubt, unsure.why, unsure.at FROM unsure"
    " JOIN message ON message.id = unsure.message_id"
    " JOIN sms_order ON sms_order.id = unsure.order_id"
    " JOIN account ON account.id = sms_order.account_id"
    " JOIN carrier ON carrier.id = unsure.carrier_id"
    " WHERE unsure.message_id > :after AND unsure.doubt <> :unsent ORDER BY unsure.message_id LIMIT :limit"
)
_HELD = Sql(
    "SELECT unsure.message_id, unsure.order_id, unsure.carrier_id FROM unsure"
    " JOIN message ON message.id = unsure.message_id"
    " WHERE unsure.doubt = :held AND message.state = :unsure ORDER BY unsure.message_id"
)


class UnsureMessage(NamedTuple):
    """A message that may have gone twice, and what was done about it. `order` is the customer's number."""

    id: int
    account: str
    order: int
    number: int
    carrier: str
    state: MessageState
    doubt: Doubt
    why: str
    at: int


def listing(tx: Tx, after: int, limit: int) -> list[UnsureMessage]:
    """Messages in doubt by id, from `after` (exclusive) on."""
    rows = tx.all(_LISTING, after=after, limit=limit, unsent=int(Doubt.UNSENT))
    return [
        UnsureMessage(
            row[0], row[1], row[2], row[3], row[4], MessageState(row[5]), Doubt(row[6]), row[7], row[8]
        )
        for row in rows
    ]


def held(tx: Tx) -> list[tuple[int, int, int]]:
    """(message, order, carrier) of those that wait for an operator."""
    rows = tx.all(_HELD, held=int(Doubt.HELD), unsure=int(MessageState.UNSURE))
    return [(row[0], row[1], row[2]) for row in rows]
