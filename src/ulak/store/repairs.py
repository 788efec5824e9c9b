"""Statements that put right what can only be meant in one way. Each returns the rows that it changed.

Nothing here touches money, or a message: those are only told of (`service.audit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ulak.store.engine import Row, Sql, Tx

FAR = 60 * 60 * 1000
"""Claims end minutes after they were made. One that ends later than this was made by another clock, ms."""

SPARE = 100_000
"""Ids that somebody may still hold who leased them before ids were found to be used already."""

# The order that a message's id lies in, where there is one.
_OWNER = "(SELECT max(sms_order.id) FROM sms_order WHERE sms_order.id <= {0}.message_id)"
_HAS = (
    "EXISTS (SELECT 1 FROM sms_order JOIN message ON message.id = {0}.message_id WHERE sms_order.id = {1}"
    " AND message.id >= sms_order.id AND message.id < sms_order.id + sms_order.total)"
)


def _moved(table: str, returning: str) -> Sql:
    """Rows about a message that name another order than its own."""
    return Sql(
        f"UPDATE {table} SET order_id = {_OWNER.format(table)}"
        f" WHERE NOT {_HAS.format(table, f'{table}.order_id')} AND {_HAS.format(table, _OWNER.format(table))}"
        f" RETURNING {returning}"
    )


def _dropped(table: str, returning: str) -> Sql:
    """Rows about a message that is not there."""
    return Sql(
        f"DELETE FROM {table} WHERE NOT {_HAS.format(table, f'{table}.order_id')} RETURNING {returning}"
    )


class Statement(NamedTuple):
    """`sentence` is filled in with the columns of each row that `sql` returns. It may ask for `:now`, `:far`
    and `:spare`."""

    sentence: str
    sql: Sql


STATEMENTS = (
    Statement(
        "reference {1} of carrier {0}: it names order {2} now, whose message {3} is",
        _moved("reference", "carrier_id, key, order_id, message_id"),
    ),
    Statement(
        "reference {1} of carrier {0}: dropped, there is no message {2}",
        _dropped("reference", "carrier_id, key, message_id"),
    ),
    Statement(
        "message {0}: what is in doubt about it names its order {1} now",
        _moved("unsure", "message_id, order_id"),
    ),
    Statement(
        "message {0}: what was in doubt about it was dropped, there is none", _dropped("unsure", "message_id")
    ),
    Statement(
        "message {0}: it waits for an operator, and is on the list of those in doubt now",
        Sql(
            "INSERT INTO unsure (message_id, order_id, carrier_id, doubt, why, at)"
            " SELECT message.id, sms_order.id, sms_order.carrier_id, 1, 'nobody knows any more', :now"
            " FROM message JOIN sms_order"
            " ON sms_order.id = (SELECT max(id) FROM sms_order WHERE sms_order.id <= message.id)"
            " AND message.id < sms_order.id + sms_order.total"
            " LEFT JOIN unsure ON unsure.message_id = message.id"
            " WHERE message.state = 22 AND sms_order.carrier_id IS NOT NULL"
            " AND (unsure.doubt IS NULL OR unsure.doubt <> 1)"
            " ON CONFLICT (message_id) DO UPDATE SET doubt = 1 RETURNING message_id"
        ),
    ),
    Statement(
        "message {0}: an unreadable number was kept for it, and dropped",
        Sql(
            "DELETE FROM odd_number WHERE NOT EXISTS (SELECT 1 FROM message"
            " WHERE message.id = odd_number.message_id AND message.number = 0) RETURNING message_id"
        ),
    ),
    Statement(
        "order {0}: a text of it was dropped, there is no such order",
        Sql(
            "DELETE FROM order_text WHERE NOT EXISTS (SELECT 1 FROM sms_order"
            " WHERE sms_order.id = order_text.order_id) RETURNING order_id"
        ),
    ),
    Statement(
        "account {0}: its next order gets number {1} now, which no order has",
        Sql(
            "UPDATE account SET next_number ="
            " (SELECT max(number) + 1 FROM sms_order WHERE sms_order.account_id = account.id)"
            " WHERE next_number <="
            " (SELECT max(number) FROM sms_order WHERE sms_order.account_id = account.id)"
            " RETURNING id, next_number"
        ),
    ),
    Statement(
        "ids of messages: the next to be leased is {0} now, behind all that are used",
        Sql(
            "UPDATE id_block SET next = (SELECT max(id) FROM message) + :spare WHERE name = 'message'"
            " AND next <= (SELECT max(id) FROM message) RETURNING next"
        ),
    ),
    Statement(
        "job {0}: dropped, there is nothing that it is about (kind {1}, subject {2})",
        Sql(
            "DELETE FROM job WHERE CASE WHEN kind IN (1, 2)"
            " THEN NOT EXISTS (SELECT 1 FROM consignment WHERE consignment.id = job.subject)"
            " ELSE NOT EXISTS (SELECT 1 FROM purchase WHERE purchase.id = job.subject) END"
            " RETURNING id, kind, subject"
        ),
    ),
    Statement(
        "job {0}: its claim would have ended far in the future, and is over",
        Sql("UPDATE job SET due = :now, claim = '' WHERE claim <> '' AND due > :far RETURNING id"),
    ),
    Statement(
        "callback {0}: its claim would have ended far in the future, and is over",
        Sql("UPDATE callback SET due = :now, state = 2 WHERE state = 3 AND due > :far RETURNING id"),
    ),
    Statement(
        "consignment {0}: a job goes on with it now",
        Sql(
            "INSERT INTO job (kind, subject, due, tries, claim) SELECT 1, id, :now, 0, '' FROM consignment"
            " WHERE (state = 31 OR EXISTS (SELECT 1 FROM reply WHERE reply.state = 2"
            " AND reply.consignment_id = consignment.id)) AND NOT EXISTS (SELECT 1 FROM job"
            " WHERE job.kind = 1 AND job.subject = consignment.id) RETURNING subject"
        ),
    ),
    Statement(
        "purchase {0}: a job carries out what is decided about its money now",
        Sql(
            "INSERT INTO job (kind, subject, due, tries, claim)"
            " SELECT CASE WHEN paid IS NULL THEN 7 ELSE 4 END, id, :now, 0, '' FROM purchase"
            " WHERE resolve <> 2 AND resolved IS NULL AND prepaid = 0 AND payment_hash IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind IN (4, 7) AND job.subject = purchase.id)"
            " RETURNING subject"
        ),
    ),
    Statement(
        "purchase {0}: a job buys its number now",
        Sql(
            "INSERT INTO job (kind, subject, due, tries, claim) SELECT 3, id, :now, 0, '' FROM purchase"
            " WHERE state = 63 AND kind IN (2, 3) AND number IS NULL AND coalesce(due, look, verify, 0) = 0"
            " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind = 3 AND job.subject = purchase.id)"
            " RETURNING subject"
        ),
    ),
    Statement(
        "purchase {0}: it is looked after now",
        Sql(
            "UPDATE purchase SET verify = CASE state WHEN 60 THEN :now ELSE verify END,"
            " look = CASE state WHEN 60 THEN look ELSE :now END"
            " WHERE (state IN (60, 65) OR state = 63 AND kind = 4 OR state = 73 AND resolve = 2)"
            " AND coalesce(due, look, verify, 0) = 0"
            " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind = 3 AND job.subject = purchase.id)"
            " RETURNING id"
        ),
    ),
    Statement(
        "sighting {0}: dropped, there is no consignment {1}",
        Sql(
            "DELETE FROM sighting WHERE NOT EXISTS (SELECT 1 FROM consignment"
            " WHERE consignment.id = sighting.consignment_id) RETURNING id, consignment_id"
        ),
    ),
    Statement(
        "attempt {0}: dropped, there is no callback {1}, or nothing that it could tell",
        Sql(
            "DELETE FROM attempt WHERE NOT EXISTS (SELECT 1 FROM callback"
            " JOIN event ON event.id = callback.event_id JOIN endpoint ON endpoint.id = callback.endpoint_id"
            " WHERE callback.id = attempt.callback_id) RETURNING id, callback_id"
        ),
    ),
    Statement(
        "callback {0}: dropped, event {1} or endpoint {2} is not there",
        Sql(
            "DELETE FROM callback WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.id = callback.event_id)"
            " OR NOT EXISTS (SELECT 1 FROM endpoint WHERE endpoint.id = callback.endpoint_id)"
            " RETURNING id, event_id, endpoint_id"
        ),
    ),
    Statement(
        "callback {0}: when it ended agrees with its state {1} now",
        Sql(
            "UPDATE callback SET ended = CASE WHEN state IN (5, 6) THEN :now END"
            " WHERE state IN (2, 3, 4, 5, 6) AND (state IN (5, 6)) <> (ended IS NOT NULL)"
            " RETURNING id, state"
        ),
    ),
    Statement(
        "group {0}: contact {1} is not in it any more, as one of them is not there",
        Sql(
            "DELETE FROM group_member WHERE NOT EXISTS (SELECT 1 FROM contact"
            " JOIN contact_group ON contact_group.account_id = contact.account_id"
            " WHERE contact.id = group_member.contact_id AND contact_group.id = group_member.group_id)"
            " RETURNING group_id, contact_id"
        ),
    ),
    Statement(
        "contact {0}: what was kept in field {1} was dropped, as one of them is not there",
        Sql(
            "DELETE FROM contact_value WHERE NOT EXISTS (SELECT 1 FROM contact"
            " JOIN contact_field ON contact_field.account_id = contact.account_id"
            " WHERE contact.id = contact_value.contact_id AND contact_field.id = contact_value.field_id)"
            " RETURNING contact_id, field_id"
        ),
    ),
    Statement(
        "group {0}: it stands at the top now",
        Sql(
            "UPDATE contact_group SET parent_id = 0 WHERE parent_id <> 0 AND NOT EXISTS (SELECT 1"
            " FROM contact_group AS above WHERE above.id = contact_group.parent_id AND above.parent_id = 0"
            " AND above.account_id = contact_group.account_id) RETURNING id"
        ),
    ),
)
"""In an order in which none undoes what another did."""


def changed(tx: Tx, statement: Statement) -> list[Row]:
    """Carry one out."""
    return sorted(tx.all(statement.sql, now=tx.now, far=tx.now + FAR, spare=SPARE))


# Callbacks about one thing to one endpoint: exactly one is to be told, the others wait behind it (state 4).
_LINES = Sql(
    "SELECT endpoint_id, subject FROM callback WHERE state IN (2, 3, 4) GROUP BY endpoint_id, subject"
    " HAVING sum(CASE state WHEN 4 THEN 0 ELSE 1 END) <> 1 ORDER BY endpoint_id, subject"
)
_LINE = Sql(
    "SELECT id, state FROM callback WHERE endpoint_id = :endpoint AND subject = :subject"
    " AND state IN (2, 3, 4) ORDER BY id",
    lock="FOR UPDATE",
)
_STAND = Sql(
    "UPDATE callback SET state = fresh.state, due = CASE fresh.state WHEN 2 THEN :now ELSE due END"
    " FROM {fresh} AS fresh WHERE callback.id = fresh.id",
    fresh=("id int8", "state int2"),
)


def broken_lines(tx: Tx) -> list[tuple[int, int]]:
    """(endpoint, subject) of which not exactly one callback is to be told."""
    return [(row[0], row[1]) for row in tx.all(_LINES)]


def line(tx: Tx, endpoint_id: int, subject: int) -> list[tuple[int, int]]:
    """(callback, state) of those that have not ended, the oldest first; locked."""
    return [(row[0], row[1]) for row in tx.all(_LINE, endpoint=endpoint_id, subject=subject)]


def stand(tx: Tx, rows: Sequence[tuple[int, int]]) -> None:
    """Give callbacks a state."""
    if rows:
        tx.run(_STAND, fresh=rows, now=tx.now)


# An order beside its message rows and its postings.
_MISCOUNTED = Sql(
    "SELECT id FROM (SELECT sms_order.id, sms_order.state, total, delivered, undelivered, held, posted,"
    " count(message.id) AS counted,"
    " sum(CASE message.state WHEN 23 THEN 1 ELSE 0 END) AS counted_delivered,"
    " sum(CASE message.state WHEN 24 THEN 1 ELSE 0 END) AS counted_undelivered,"
    " sum(CASE WHEN message.state IN (20, 21, 22) THEN message.parts ELSE 0 END) AS parts_open,"
    " sum(CASE message.state WHEN 23 THEN message.parts ELSE 0 END) AS parts_delivered"
    " FROM sms_order LEFT JOIN message"
    " ON message.id >= sms_order.id AND message.id < sms_order.id + sms_order.total"
    " GROUP BY sms_order.id, sms_order.state, total, delivered, undelivered, held, posted) AS told"
    " WHERE counted_delivered <> delivered OR counted_undelivered <> undelivered"
    " OR parts_open <> held OR parts_delivered <> posted"
    " OR (state IN (13, 14, 15)) <> (total = delivered + undelivered) ORDER BY id"
)
_TALLY = Sql(
    "SELECT count(*), coalesce(sum(CASE state WHEN 23 THEN 1 ELSE 0 END), 0),"
    " coalesce(sum(CASE state WHEN 24 THEN 1 ELSE 0 END), 0),"
    " coalesce(sum(CASE WHEN state IN (20, 21, 22) THEN parts ELSE 0 END), 0),"
    " coalesce(sum(CASE state WHEN 23 THEN parts ELSE 0 END), 0),"
    " coalesce(sum(CASE WHEN state IN (21, 23) OR state = 24 AND open_parts = 0 THEN 1 ELSE 0 END), 0),"
    " coalesce(sum(CASE WHEN state IN (20, 21, 22, 23, 24) THEN 0 ELSE 1 END), 0)"
    " FROM message WHERE id >= :first AND id <= :last"
)
_LEDGER = Sql(
    "SELECT coalesce(sum(CASE WHEN move = 2 THEN amount WHEN move IN (3, 4) THEN -amount ELSE 0 END), 0),"
    " coalesce(sum(CASE move WHEN 3 THEN amount WHEN 5 THEN -amount ELSE 0 END), 0)"
    " FROM posting WHERE order_id = :order AND asset = 'SMS'"
)


class Tally(NamedTuple):
    """What the message rows of an order say: how many there are, in which states, what they cost, how many
    reached a carrier, and how many have a state that there is not."""

    messages: int
    delivered: int
    undelivered: int
    held: int
    posted: int
    reached: int
    odd: int


def miscounted(tx: Tx) -> list[int]:
    """Orders whose counters are not those of their messages."""
    return [row[0] for row in tx.all(_MISCOUNTED)]


def tally(tx: Tx, first: int, last: int) -> Tally:
    """Count the messages of an order."""
    return Tally(*map(int, tx.all(_TALLY, first=first, last=last)[0]))


def in_ledger(tx: Tx, order_id: int) -> tuple[int, int]:
    """What the postings of an order say is held and posted."""
    held, posted = tx.all(_LEDGER, order=order_id)[0]
    return int(held), int(posted)
