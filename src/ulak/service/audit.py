"""What must always be true, asked of the database itself (ARCHITECTURE.md, what must always be true).

Every check is one statement that finds nothing when all is well, and a sentence for each row it finds. They
only read, so they may run beside a working server: a reading transaction sees one consistent state.
"""

from __future__ import annotations

from dataclasses import dataclass

from ulak.store.engine import Sql, Tx

SHOWN = 20
"""Findings of one kind that are named; more are only counted."""


@dataclass(frozen=True, slots=True)
class _Check:
    """`sentence` is filled in with the columns of each row that `found` returns."""

    sentence: str
    found: Sql


def check(tx: Tx) -> list[str]:
    """A sentence for everything that is not as it must be; empty when all is well."""
    sentences = []
    for rule in _RULES:
        rows = tx.all(rule.found)
        sentences += [rule.sentence.format(*row) for row in rows[:SHOWN]]
        if len(rows) > SHOWN:
            sentences.append(f"… and {len(rows) - SHOWN} more like the last")
    return sentences


# What the postings of an account and asset add up to, subtracted from its balance: nothing must be left.
_BALANCES = Sql(
    "SELECT account_id, asset, sum(issued), sum(available), sum(held), sum(spent) FROM ("
    " SELECT account_id, asset, issued, available, held, spent FROM balance UNION ALL"
    " SELECT account_id, asset,"
    "  CASE move WHEN 1 THEN amount ELSE 0 END,"
    "  CASE move WHEN 1 THEN -amount WHEN 2 THEN amount WHEN 4 THEN -amount ELSE 0 END,"
    "  CASE move WHEN 1 THEN 0 WHEN 2 THEN -amount ELSE amount END,"
    "  CASE move WHEN 3 THEN -amount ELSE 0 END FROM posting"
    ") AS entry GROUP BY account_id, asset"
    " HAVING sum(issued) <> 0 OR sum(available) <> 0 OR sum(held) <> 0 OR sum(spent) <> 0"
    " ORDER BY account_id, asset"
)
_FLOORS = Sql(
    "SELECT account_id, asset, issued, available, held, spent FROM balance"
    " WHERE issued + available + held + spent <> 0 OR available < 0 OR held < 0 OR spent < 0"
    " ORDER BY account_id, asset"
)
_CREDIT_IN_ORDERS = Sql(
    "SELECT account_id, sum(held), sum(spent) FROM ("
    " SELECT account_id, held, spent FROM balance WHERE asset = 'SMS' UNION ALL"
    " SELECT account_id, -held, -posted FROM sms_order"
    ") AS entry GROUP BY account_id HAVING sum(held) <> 0 OR sum(spent) <> 0 ORDER BY account_id"
)
_POSTINGS_OF_ORDERS = Sql(
    "SELECT order_id, sum(held), sum(posted) FROM ("
    " SELECT id AS order_id, held, posted FROM sms_order UNION ALL"
    " SELECT order_id, CASE move WHEN 2 THEN -amount ELSE amount END,"
    "  CASE move WHEN 3 THEN -amount ELSE 0 END"
    " FROM posting WHERE order_id IS NOT NULL"
    ") AS entry GROUP BY order_id HAVING sum(held) <> 0 OR sum(posted) <> 0 ORDER BY order_id"
)
_FOREIGN_POSTINGS = Sql(
    "SELECT posting.id, posting.order_id, posting.account_id FROM posting"
    " LEFT JOIN sms_order ON sms_order.id = posting.order_id"
    " WHERE (posting.order_id IS NULL) <> (posting.move = 1)"
    " OR posting.order_id IS NOT NULL"
    "  AND (sms_order.id IS NULL OR sms_order.account_id <> posting.account_id)"
    " ORDER BY posting.id"
)

# An order beside what its message rows say: how many there are in each state, and what they cost. It is final
# when nothing waits; `reached` are the messages that a carrier ever took.
_COUNTERS = Sql(
    "SELECT * FROM ("
    "SELECT sms_order.id, sms_order.state, total, delivered, undelivered, held, posted,"
    " count(message.id) AS counted,"
    " sum(CASE message.state WHEN 23 THEN 1 ELSE 0 END) AS counted_delivered,"
    " sum(CASE message.state WHEN 24 THEN 1 ELSE 0 END) AS counted_undelivered,"
    " sum(CASE WHEN message.state IN (20, 21, 22) THEN message.parts ELSE 0 END) AS parts_open,"
    " sum(CASE message.state WHEN 23 THEN message.parts ELSE 0 END) AS parts_delivered,"
    " sum(CASE WHEN message.state IN (21, 23) OR message.state = 24 AND message.open_parts = 0"
    "  THEN 1 ELSE 0 END) AS reached"
    " FROM sms_order LEFT JOIN message"
    " ON message.id >= sms_order.id AND message.id < sms_order.id + sms_order.total"
    " GROUP BY sms_order.id, sms_order.state, total, delivered, undelivered, held, posted"
    ") AS told"
    " WHERE total < 1 OR counted <> total"
    " OR counted_delivered <> delivered OR counted_undelivered <> undelivered"
    " OR parts_open <> held OR parts_delivered <> posted"
    " OR state NOT IN (10, 11, 12, 13, 14, 15)"
    " OR (state IN (13, 14, 15)) <> (total = delivered + undelivered)"
    " OR state = 13 AND reached = 0 OR state IN (14, 15) AND reached > 0 ORDER BY id"
)
_PROGRESS = Sql(
    "SELECT id, settled, opened, id + total - 1 FROM sms_order"
    " WHERE NOT (id - 1 <= settled AND settled <= opened AND opened <= id + total - 1) ORDER BY id"
)
_OVERLAPS = Sql(
    "SELECT id, before FROM ("
    " SELECT id, lag(id) OVER (ORDER BY id) AS before, lag(id + total) OVER (ORDER BY id) AS free"
    " FROM sms_order) AS ranges WHERE id < free ORDER BY id"
)
_STRAY_MESSAGES = Sql(
    "SELECT message.id FROM message WHERE NOT EXISTS (SELECT 1 FROM sms_order"
    " WHERE sms_order.id = (SELECT max(id) FROM sms_order WHERE id <= message.id)"
    " AND message.id < sms_order.id + sms_order.total) ORDER BY message.id"
)
_STATES = Sql("SELECT id, state FROM message WHERE state NOT IN (20, 21, 22, 23, 24) ORDER BY id")
_NUMBERS = Sql(
    "SELECT account.id, account.next_number, max(sms_order.number) FROM account"
    " JOIN sms_order ON sms_order.account_id = account.id"
    " GROUP BY account.id, account.next_number HAVING max(sms_order.number) >= account.next_number"
    " ORDER BY account.id"
)
_LEASES = Sql(
    "SELECT max(message.id), id_block.next FROM message, id_block WHERE id_block.name = 'message'"
    " GROUP BY id_block.next HAVING max(message.id) >= id_block.next"
)
_TEXTS = Sql(
    "SELECT sms_order.id FROM sms_order LEFT JOIN order_text"
    " ON order_text.order_id = sms_order.id AND order_text.first_id = sms_order.id"
    " WHERE order_text.order_id IS NULL ORDER BY sms_order.id"
)
_FOREIGN_TEXTS = Sql(
    "SELECT order_text.order_id, first_id FROM order_text"
    " LEFT JOIN sms_order ON sms_order.id = order_text.order_id AND first_id >= sms_order.id"
    " AND first_id < sms_order.id + sms_order.total WHERE sms_order.id IS NULL ORDER BY 1, 2"
)
_ODD_NUMBERS = Sql(
    "SELECT message.id FROM message LEFT JOIN odd_number ON odd_number.message_id = message.id"
    " WHERE message.number = 0 AND (odd_number.message_id IS NULL OR message.state <> 24 OR parts <> 0)"
    " ORDER BY message.id"
)
_FOREIGN_ODD_NUMBERS = Sql(
    "SELECT message_id FROM odd_number LEFT JOIN message ON message.id = message_id"
    " WHERE message.id IS NULL OR message.number <> 0 ORDER BY message_id"
)
_FOREIGN_DOUBTS = Sql(
    "SELECT unsure.message_id, unsure.order_id FROM unsure"
    " LEFT JOIN message ON message.id = unsure.message_id"
    " LEFT JOIN sms_order ON sms_order.id = unsure.order_id"
    " WHERE message.id IS NULL OR sms_order.id IS NULL OR unsure.message_id < sms_order.id"
    " OR unsure.message_id >= sms_order.id + sms_order.total ORDER BY unsure.message_id"
)
_FORGOTTEN_DOUBTS = Sql(
    "SELECT message.id FROM message LEFT JOIN unsure ON unsure.message_id = message.id"
    " WHERE message.state = 22 AND (unsure.doubt IS NULL OR unsure.doubt <> 1) ORDER BY message.id"
)
_FOREIGN_REFERENCES = Sql(
    "SELECT reference.carrier_id, reference.key, reference.message_id, reference.order_id FROM reference"
    " LEFT JOIN message ON message.id = reference.message_id"
    " LEFT JOIN sms_order ON sms_order.id = reference.order_id"
    " WHERE message.id IS NULL OR sms_order.id IS NULL OR reference.message_id < sms_order.id"
    " OR reference.message_id >= sms_order.id + sms_order.total ORDER BY 1, 2"
)

_RULES = (
    _Check(
        "account {0}, {1}: the balance is off its postings by issued {2}, available {3}, held {4}, spent {5}",
        _BALANCES,
    ),
    _Check(
        "account {0}, {1}: issued {2}, available {3}, held {4} and spent {5} are no balance"
        " (they must add up to zero, and only issued may be negative)",
        _FLOORS,
    ),
    _Check(
        "account {0}: the balance has {1} more held and {2} more spent than its orders say",
        _CREDIT_IN_ORDERS,
    ),
    _Check("order {0}: it has {1} more held and {2} more posted than its postings say", _POSTINGS_OF_ORDERS),
    _Check("posting {0}: order {1} is not one of account {2}", _FOREIGN_POSTINGS),
    _Check(
        "order {0}, state {1}: it says {2} messages, {3} delivered, {4} undelivered, {5} credits held and {6}"
        " posted, but its message rows say {7}, {8}, {9}, {10} and {11}, and {12} reached a carrier",
        _COUNTERS,
    ),
    _Check("order {0}: settled up to {1} and opened up to {2} of {3} is not in order", _PROGRESS),
    _Check("order {0}: its messages begin among those of order {1}", _OVERLAPS),
    _Check("message {0}: it belongs to no order", _STRAY_MESSAGES),
    _Check("message {0}: there is no state {1}", _STATES),
    _Check("account {0}: its next order gets number {1}, but it has order {2} already", _NUMBERS),
    _Check("message {0}: its id was never leased (the next to be leased is {1})", _LEASES),
    _Check("order {0}: it has no text", _TEXTS),
    _Check("order {0}: no message of it has id {1}, from which a text of it is sent", _FOREIGN_TEXTS),
    _Check(
        "message {0}: its number is unreadable, so it must be undelivered, cost nothing, and have what was"
        " submitted beside it",
        _ODD_NUMBERS,
    ),
    _Check(
        "message {0}: an unreadable number is kept for it, but it has a readable one", _FOREIGN_ODD_NUMBERS
    ),
    _Check("message {0}: it is in doubt, but order {1} has no such message", _FOREIGN_DOUBTS),
    _Check(
        "message {0}: it waits for an operator, but is not on the list of those in doubt", _FORGOTTEN_DOUBTS
    ),
    _Check(
        "reference {1} of carrier {0}: it names message {2}, which order {3} does not have",
        _FOREIGN_REFERENCES,
    ),
)
