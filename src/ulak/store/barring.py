"""Whom an account must not write to: asked for whole groups of messages, when orders are accepted and again
before messages leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ulak.core.consents import Channel, Decision
from ulak.store.engine import Sql, Tx

_WITH_BLOCKS = Sql(
    "SELECT id FROM {accounts} AS wanted"
    " WHERE EXISTS (SELECT 1 FROM block WHERE block.account_id = wanted.id)",
    accounts=("id int8",),
)
_BLOCKED = Sql(
    "SELECT block.account_id, block.number FROM {wanted} AS wanted"
    " JOIN block ON block.account_id = wanted.account_id AND block.number = wanted.number",
    wanted=("account_id int8", "number int8"),
)
_DECIDED = Sql(
    "SELECT wanted.place, wanted.number FROM {wanted} AS wanted JOIN consent"
    " ON consent.account_id = wanted.account_id AND consent.brand = wanted.brand"
    " AND consent.channel = :channel AND consent.audience = wanted.audience"
    " AND consent.recipient = CAST(wanted.number AS text) AND consent.decision = wanted.decision",
    wanted=(
        "place int4",
        "account_id int8",
        "brand int8",
        "audience int2",
        "decision int2",
        "number int8",
    ),
)

# Whether anybody has said anything since the orders were accepted. Mostly nobody has.
_NEWS = Sql(
    "SELECT 1 FROM {orders} AS wanted JOIN sms_order ON sms_order.id = wanted.id"
    " JOIN block ON block.account_id = sms_order.account_id AND block.added >= sms_order.submitted"
    " UNION ALL"
    " SELECT 1 FROM {orders} AS wanted JOIN sms_order ON sms_order.id = wanted.id AND sms_order.audience > 0"
    " JOIN consent ON consent.account_id = sms_order.account_id AND consent.changed >= sms_order.submitted"
    " LIMIT 1",
    orders=("id int8",),
)
_QUEUED_OF_ORDER = (
    " FROM {ranges} AS wanted JOIN sms_order ON sms_order.id = wanted.order_id"
    " JOIN message ON message.id > wanted.after AND message.id <= wanted.upto AND message.state = 20"
)
_BARRED_SINCE = Sql(
    "SELECT message.id, sms_order.id" + _QUEUED_OF_ORDER + " JOIN block ON"
    " block.account_id = sms_order.account_id AND block.number = message.number"
    " AND block.added >= sms_order.submitted"
    " UNION SELECT message.id, sms_order.id" + _QUEUED_OF_ORDER + " AND sms_order.audience > 0"
    " JOIN consent ON consent.account_id = sms_order.account_id"
    " AND consent.changed >= sms_order.submitted AND consent.brand = sms_order.brand"
    " AND consent.channel = :channel AND consent.audience = sms_order.audience"
    " AND consent.recipient = CAST(message.number AS text) AND consent.decision = :decision",
    ranges=("order_id int8", "after int8", "upto int8"),
)


def with_blocks(tx: Tx, accounts: Collection[int]) -> set[int]:
    """Those of the accounts that have blocked anybody."""
    return {row[0] for row in tx.all(_WITH_BLOCKS, accounts=sorted(accounts))}


def blocked(tx: Tx, wanted: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of these (account, number) pairs are blocked."""
    return {(row[0], row[1]) for row in tx.all(_BLOCKED, wanted=list(wanted))}


def decided(tx: Tx, wanted: Sequence[tuple[int, int, int, int, int, int]]) -> set[tuple[int, int]]:
    """(place, number) of those whose newest entry about messages is the decision that is asked for, of
    (place, account, brand, audience, decision, number)."""
    rows = tx.all(_DECIDED, wanted=wanted, channel=int(Channel.MESAJ))
    return {(row[0], row[1]) for row in rows}


def any_news(tx: Tx, orders: Collection[int]) -> bool:
    """Whether anybody was blocked, or said anything about consent, in an account of one of these orders since
    it was accepted."""
    return tx.one(_NEWS, orders=sorted(orders)) is not None


def barred_since(tx: Tx, ranges: Sequence[tuple[int, int, int]]) -> dict[int, int]:
    """Queued messages in (order, after, up to and with) to numbers that were blocked, or whose consent was
    withdrawn, since their order was accepted: message -> order."""
    values = {"channel": int(Channel.MESAJ), "decision": int(Decision.RET)}
    return dict(row[:2] for row in tx.all(_BARRED_SINCE, ranges=ranges, **values))
