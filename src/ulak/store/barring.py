"""Whom an account must not write to: asked for whole groups of messages, when orders are accepted and again
before messages leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ulak.core.consents import Channel, Decision
from ulak.core.orders import ConsentNeeded
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
_CONSENT_OF = (
    " consent.brand = {brand} AND consent.channel = :channel AND consent.audience = {audience}"
    " AND consent.recipient = CAST({number} AS text) AND consent.decision = :decision"
)
_DECIDED = Sql(
    "SELECT wanted.number FROM {wanted} AS wanted JOIN consent ON consent.account_id = :account AND"
    + _CONSENT_OF.replace("{brand}", ":brand")
    .replace("{audience}", ":audience")
    .replace("{number}", "wanted.number"),
    wanted=("number int8",),
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
    " AND consent.changed >= sms_order.submitted AND"
    + _CONSENT_OF.replace("{brand}", "sms_order.brand")
    .replace("{audience}", "sms_order.audience")
    .replace("{number}", "message.number"),
    ranges=("order_id int8", "after int8", "upto int8"),
)


def with_blocks(tx: Tx, accounts: Collection[int]) -> set[int]:
    """Those of the accounts that have blocked anybody."""
    return {row[0] for row in tx.all(_WITH_BLOCKS, accounts=sorted(accounts))}


def blocked(tx: Tx, wanted: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of these (account, number) pairs are blocked."""
    return {(row[0], row[1]) for row in tx.all(_BLOCKED, wanted=list(wanted))}


def decided(
    tx: Tx, account_id: int, needed: ConsentNeeded, decision: Decision, numbers: Collection[int]
) -> set[int]:
    """Those of the numbers whose newest entry about messages of a brand says so."""
    rows = tx.all(
        _DECIDED,
        account=account_id,
        brand=needed.brand,
        audience=int(needed.audience),
        channel=int(Channel.MESAJ),
        decision=int(decision),
        wanted=list(numbers),
    )
    return {row[0] for row in rows}


def any_news(tx: Tx, orders: Collection[int]) -> bool:
    """Whether anybody was blocked, or said anything about consent, in an account of one of these orders since
    it was accepted."""
    return tx.one(_NEWS, orders=sorted(orders)) is not None


def barred_since(tx: Tx, ranges: Sequence[tuple[int, int, int]]) -> dict[int, int]:
    """Queued messages in (order, after, up to and with) to numbers that were blocked, or whose consent was
    withdrawn, since their order was accepted: message -> order."""
    values = {"channel": int(Channel.MESAJ), "decision": int(Decision.RET)}
    return dict(row[:2] for row in tx.all(_BARRED_SINCE, ranges=ranges, **values))
