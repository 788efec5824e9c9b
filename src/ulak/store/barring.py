"""Whom an account must not write to: asked for whole groups of messages, when orders are accepted and again
before messages leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ulak.core.consents import Channel, Decision
from ulak.store.engine import Sql, Tx

_WITH_BLOCKS = Sql(
    "SELECT id, 0 FROM {accounts} AS wanted"
    " WHERE EXISTS (SELECT 1 FROM block WHERE block.account_id = wanted.id)"
    " UNION ALL SELECT id, 1 FROM {accounts} AS wanted"
    " WHERE EXISTS (SELECT 1 FROM suppression WHERE suppression.account_id = wanted.id)",
    accounts=("id int8",),
)
# What is looked up row by row is asked as a value: PostgreSQL would rather read a whole table than join a
# list of which it does not know how much of it is found.
_BLOCKED = Sql(
    "SELECT account_id, number FROM {wanted} AS wanted WHERE (SELECT 1 FROM block"
    " WHERE block.account_id = wanted.account_id AND block.number = wanted.number) = 1",
    wanted=("account_id int8", "number int8"),
)
_CONSENT = (
    "FROM consent WHERE consent.account_id = {rows}.account_id AND consent.brand = {rows}.brand"
    " AND consent.channel = :channel AND consent.audience = {rows}.audience"
    " AND consent.recipient = CAST({number} AS text) AND consent.decision = {decision}"
)
_DECIDED = Sql(
    "SELECT place, number FROM {wanted} AS wanted WHERE (SELECT 1 "
    + _CONSENT.replace("{rows}", "wanted")
    .replace("{number}", "wanted.number")
    .replace("{decision}", "wanted.decision")
    + ") = 1",
    wanted=(
        "place int4",
        "account_id int8",
        "brand int8",
        "audience int2",
        "decision int2",
        "number int8",
    ),
)

# Whether anybody has said anything, or was erased, since the orders were accepted. Mostly nobody.
_NEWS = Sql(
    "SELECT 1 FROM (SELECT account_id, min(submitted) AS since, max(audience) AS audience"
    " FROM {orders} AS wanted JOIN sms_order ON sms_order.id = wanted.id GROUP BY account_id) AS mine"
    " WHERE (SELECT max(added) FROM block WHERE block.account_id = mine.account_id) >= mine.since - :overlap"
    " OR (mine.audience > 0 AND (SELECT max(changed) FROM consent"
    " WHERE consent.account_id = mine.account_id) >= mine.since - :overlap)"
    " OR (SELECT began FROM erasure ORDER BY id DESC LIMIT 1) >= mine.since - :overlap LIMIT 1",
    orders=("id int8",),
)
_BARRED_SINCE = Sql(
    "WITH mine AS MATERIALIZED (SELECT wanted.after, wanted.upto, sms_order.id AS order_id, account_id,"
    " submitted - :overlap AS since, audience, brand FROM {ranges} AS wanted"
    " JOIN sms_order ON sms_order.id = wanted.order_id)"
    " SELECT message.id, mine.order_id FROM mine"
    " JOIN message ON message.id > mine.after AND message.id <= mine.upto AND message.state = 20{message.id}"
    " WHERE (SELECT added FROM block WHERE block.account_id = mine.account_id"
    " AND block.number = message.number) >= mine.since"
    " OR (mine.audience > 0 AND (SELECT changed "
    + _CONSENT.replace("{rows}", "mine")
    .replace("{number}", "message.number")
    .replace("{decision}", ":decision")
    + ") >= mine.since)",
    span=("ranges", 1, 2),
    ranges=("order_id int8", "after int8", "upto int8"),
)

# On PostgreSQL a word that another process writes down must not come between the question and the commit that
# lets messages go. Advisory locks cost no row. SQLite has one writer.
_KEY = "(CAST(7955819 AS bigint) << 40) + "
_ASKING_POSTGRES = Sql(
    f"SELECT pg_advisory_xact_lock_shared({_KEY} account_id) FROM (SELECT DISTINCT account_id"
    " FROM {orders} AS wanted JOIN sms_order ON sms_order.id = wanted.id ORDER BY account_id) AS mine",
    orders=("id int8",),
)
_SPEAKING_POSTGRES = Sql(f"SELECT pg_advisory_xact_lock({_KEY} CAST(:account AS bigint))")

OVERLAP = 60 * 1000
"""How long before an order was accepted a word may have been said that it was decided without, ms: a change
has the time at which it began, and on PostgreSQL another process may be at it meanwhile. What the order was
decided with does no harm: whom that is about is not queued."""


def with_blocks(tx: Tx, accounts: Collection[int]) -> tuple[set[int], set[int]]:
    """Those of the accounts that have blocked anybody, and those of which it is kept that somebody who was
    erased had said no."""
    found: tuple[set[int], set[int]] = (set(), set())
    for account_id, kind in tx.all(_WITH_BLOCKS, accounts=sorted(accounts)) if accounts else ():
        found[kind].add(account_id)
    return found


def blocked(tx: Tx, wanted: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of these (account, number) pairs are blocked."""
    return {(row[0], row[1]) for row in tx.all(_BLOCKED, wanted=list(wanted))}


def decided(tx: Tx, wanted: Sequence[tuple[int, int, int, int, int, int]]) -> set[tuple[int, int]]:
    """(place, number) of those whose newest entry about messages is the decision that is asked for, of
    (place, account, brand, audience, decision, number)."""
    rows = tx.all(_DECIDED, wanted=wanted, channel=int(Channel.MESAJ))
    return {(row[0], row[1]) for row in rows}


def speak(tx: Tx, account_id: int) -> None:
    """Somebody is about to say whom an account must not write to: what is leaving just now goes first, and
    what is opened after this transaction sees it."""
    if tx.postgres:
        tx.one(_SPEAKING_POSTGRES, account=account_id)


def any_news(tx: Tx, orders: Collection[int]) -> bool:
    """Whether anybody was blocked, or said anything about consent, in an account of one of these orders since
    it was accepted, or was erased since then. Nobody says anything more of these accounts until the
    transaction ends."""
    if tx.postgres:
        tx.all(_ASKING_POSTGRES, orders=sorted(orders))
    return tx.one(_NEWS, orders=sorted(orders), overlap=OVERLAP) is not None


def barred_since(tx: Tx, ranges: Sequence[tuple[int, int, int]]) -> dict[int, int]:
    """Queued messages in (order, after, up to and with) to numbers that were blocked, or whose consent was
    withdrawn, since their order was accepted: message -> order."""
    values = {"channel": int(Channel.MESAJ), "decision": int(Decision.RET), "overlap": OVERLAP}
    return dict(row[:2] for row in tx.all(_BARRED_SINCE, ranges=ranges, **values))
