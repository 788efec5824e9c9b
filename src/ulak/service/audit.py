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


# What a posting did to what is held and to what is spent, turned round.
_UNHELD = "CASE WHEN move IN (2, 6) THEN -amount WHEN move IN (3, 4, 7, 8) THEN amount ELSE 0 END"
_UNSPENT = "CASE move WHEN 3 THEN -amount WHEN 5 THEN amount ELSE 0 END"

# The same for what was taken for a purchase: credit is spendable when it is taken.
_UNTAKEN = "CASE WHEN move IN (3, 8) THEN -amount WHEN move = 5 THEN amount ELSE 0 END"

# Postings, and what was added up of those for what was pruned.
_EVERY_POSTING = (
    "(SELECT account_id, asset, move, amount FROM posting UNION ALL"
    " SELECT account_id, asset, move, amount FROM posting_sum) AS every_posting"
)

# Accounts of the house that have money because of purchases which are not theirs (service.house).
_HOUSES = "(SELECT CAST(value AS BIGINT) FROM setting WHERE name IN ('house_parked', 'house_referrals'))"

# What the postings of an account and asset add up to, subtracted from its balance: nothing must be left.
_BALANCES = Sql(
    "SELECT account_id, asset, sum(issued), sum(available), sum(held), sum(spent) FROM ("
    " SELECT account_id, asset, issued, available, held, spent FROM balance UNION ALL"
    " SELECT account_id, asset,"
    "  CASE WHEN move IN (1, 6) THEN amount WHEN move = 7 THEN -amount ELSE 0 END,"
    "  CASE WHEN move = 2 THEN amount WHEN move IN (1, 4, 5, 8) THEN -amount ELSE 0 END,"
    f"  {_UNHELD}, {_UNSPENT} FROM {_EVERY_POSTING}"
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
    " SELECT account_id, -held, -posted FROM sms_order UNION ALL"
    " SELECT account_id, 0, -posted FROM pruned WHERE asset = 'SMS'"
    ") AS entry GROUP BY account_id HAVING sum(held) <> 0 OR sum(spent) <> 0 ORDER BY account_id"
)


def _upto(asset: str) -> str:
    """The greatest id of what was pruned of a posting's account: no thing above it may be missing."""
    return (
        "coalesce((SELECT upto FROM pruned WHERE pruned.account_id = posting.account_id"
        f" AND pruned.asset = '{asset}'), 0)"
    )


def _postings_of(table: str, column: str, asset: str, untaken: str, but: str = "") -> Sql:
    """What a thing holds and has taken, beside its postings."""
    return Sql(
        "SELECT thing, sum(held), sum(posted) FROM ("
        f" SELECT id AS thing, held, posted FROM {table} UNION ALL"
        f" SELECT {column}, {_UNHELD}, {untaken} FROM posting WHERE asset = '{asset}'{but}"
        f" AND (EXISTS (SELECT 1 FROM {table} WHERE {table}.id = posting.{column})"
        f" OR posting.{column} > {_upto(asset)})"
        ") AS entry GROUP BY thing HAVING sum(held) <> 0 OR sum(posted) <> 0 ORDER BY thing"
    )


def _postings_of_pruned(table: str, column: str, asset: str, untaken: str, but: str = "") -> Sql:
    """What pruned things of an account had taken, beside their postings and the sums of those."""
    return Sql(
        "SELECT account_id, sum(held), sum(posted) FROM ("
        f" SELECT account_id, 0 AS held, posted FROM pruned WHERE asset = '{asset}' UNION ALL"
        f" SELECT account_id, {_UNHELD}, {untaken} FROM posting_sum WHERE asset = '{asset}'{but} UNION ALL"
        f" SELECT account_id, {_UNHELD}, {untaken} FROM posting WHERE asset = '{asset}'{but}"
        f" AND NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.id = posting.{column})"
        f" AND posting.{column} <= {_upto(asset)}"
        ") AS entry GROUP BY account_id HAVING sum(held) <> 0 OR sum(posted) <> 0 ORDER BY account_id"
    )


def _foreign_postings(table: str, column: str, asset: str) -> Sql:
    """Postings for things of others, and for things that are not there and were not pruned."""
    return Sql(
        f"SELECT posting.id, posting.{column}, posting.account_id FROM posting"
        f" LEFT JOIN {table} ON {table}.id = posting.{column}"
        f" WHERE posting.{column} IS NOT NULL AND ({table}.account_id <> posting.account_id"
        f" OR {table}.id IS NULL AND posting.{column} > {_upto(asset)}) ORDER BY posting.id"
    )


_POSTINGS_OF_ORDERS = _postings_of("sms_order", "order_id", "SMS", _UNSPENT)
_POSTINGS_OF_PRUNED_ORDERS = _postings_of_pruned("sms_order", "order_id", "SMS", _UNSPENT)
_FOREIGN_POSTINGS = _foreign_postings("sms_order", "order_id", "SMS")
# A share that is owed to a referrer is granted for a purchase; money from outside is always for one.
_AIMLESS_POSTINGS = Sql(
    "SELECT id, move, order_id, consignment_id, purchase_id FROM posting"
    " WHERE CASE WHEN order_id IS NULL THEN 0 ELSE 1 END + CASE WHEN consignment_id IS NULL THEN 0 ELSE 1 END"
    " + CASE WHEN purchase_id IS NULL OR move = 1 THEN 0 ELSE 1 END <> CASE move WHEN 1 THEN 0 ELSE 1 END"
    " OR move NOT BETWEEN 1 AND 8 OR move IN (6, 7, 8) AND purchase_id IS NULL ORDER BY id"
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
    " WHERE NOT (id - 1 <= settled AND settled <= opened AND opened <= id + total - 1"
    " AND id - 1 <= announced AND announced <= id + total - 1) ORDER BY id"
)
_OVERLAPS = Sql(
    "SELECT id, before FROM ("
    " SELECT id, lag(id) OVER (ORDER BY id) AS before, lag(id + total) OVER (ORDER BY id) AS free"
    " FROM sms_order) AS ranges WHERE id < free ORDER BY id"
)
# Messages and orders by id, and with each message how far the orders up to it reach: one pass over both. A
# question for each of ten million messages takes hours. While a partition is dropped its orders go first.
_STRAY_MESSAGES = Sql(
    "SELECT id FROM ("
    " SELECT id, sent, max(reach) OVER (ORDER BY id, sent ROWS UNBOUNDED PRECEDING) AS reach FROM ("
    "  SELECT id, id + total AS reach, 0 AS sent FROM sms_order UNION ALL SELECT id, 0, 1 FROM message"
    " ) AS entry) AS told WHERE sent = 1 AND id >= reach AND NOT EXISTS (SELECT 1 FROM dropped_range"
    " WHERE dropped_range.first <= told.id AND dropped_range.last >= told.id) ORDER BY id"
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

# Consignments: what they cost, what belongs to them, and that somebody goes on with what was begun.
_MONEY_IN_CONSIGNMENTS = Sql(
    "SELECT account_id, sum(held), sum(spent) FROM ("
    " SELECT account_id, held, spent FROM balance WHERE asset = 'TRY' UNION ALL"
    " SELECT account_id, -held, -posted FROM consignment UNION ALL"
    " SELECT account_id, 0, -posted FROM pruned WHERE asset = 'TRY'"
    ") AS entry GROUP BY account_id HAVING sum(held) <> 0 OR sum(spent) <> 0 ORDER BY account_id"
)
_POSTINGS_OF_CONSIGNMENTS = _postings_of("consignment", "consignment_id", "TRY", _UNSPENT)
_POSTINGS_OF_PRUNED_CONSIGNMENTS = _postings_of_pruned("consignment", "consignment_id", "TRY", _UNSPENT)
_FOREIGN_CONSIGNMENT_POSTINGS = _foreign_postings("consignment", "consignment_id", "TRY")
# Only a waiting one holds money; before it is booked, and after it was cancelled, none is taken.
_MONEY_AND_STATE = Sql(
    "SELECT id, state, held, posted FROM consignment WHERE state NOT BETWEEN 30 AND 47"
    " OR held < 0 OR posted < 0 OR held > 0 AND state <> 31 OR posted > 0 AND state IN (30, 31, 32, 43)"
    " ORDER BY id"
)
_UNLABELLED = Sql(
    "SELECT id, state FROM consignment WHERE state >= 33 AND state <> 43"
    " AND NOT EXISTS (SELECT 1 FROM label WHERE label.consignment_id = consignment.id) ORDER BY id"
)
_FOREIGN_LABELS = Sql(
    "SELECT label.id, label.consignment_id, label.account_id FROM label"
    " LEFT JOIN consignment ON consignment.id = label.consignment_id"
    " WHERE consignment.id IS NULL OR consignment.account_id <> label.account_id ORDER BY label.id"
)
_FOREIGN_SIGHTINGS = Sql(
    "SELECT sighting.id, sighting.consignment_id FROM sighting"
    " LEFT JOIN consignment ON consignment.id = sighting.consignment_id"
    " WHERE consignment.id IS NULL ORDER BY sighting.id"
)
_FOREIGN_PAPERS = Sql(
    "SELECT paper.id, paper.consignment_id, paper.account_id FROM paper"
    " LEFT JOIN consignment ON consignment.id = paper.consignment_id"
    " WHERE paper.consignment_id IS NOT NULL"
    " AND (consignment.id IS NULL OR consignment.account_id <> paper.account_id) ORDER BY paper.id"
)
_ABANDONED = Sql(
    "SELECT id FROM consignment WHERE state = 31"
    " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind = 1 AND job.subject = consignment.id) ORDER BY id"
)
# A request to cancel names no consignment while it is under way: whoever repeats it goes on with it.
_ABANDONED_REQUESTS = Sql(
    "SELECT account_id, scope, key, consignment_id FROM reply WHERE state = 2 AND consignment_id IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind = 1 AND job.subject = reply.consignment_id)"
    " ORDER BY account_id, scope, key"
)

# Purchases: what they cost, what is decided about it, and that somebody goes on with what was begun.
_MONEY_IN_PURCHASES = Sql(
    "SELECT account_id, sum(held) FROM ("
    " SELECT account_id, held FROM balance WHERE asset = 'SAT' UNION ALL"
    " SELECT account_id, -held FROM purchase UNION ALL"
    " SELECT CAST(value AS BIGINT), -amount FROM setting CROSS JOIN referral"
    "  WHERE name = 'house_referrals' AND referral.state = 3"
    ") AS entry GROUP BY account_id HAVING sum(held) <> 0 ORDER BY account_id"
)
_POSTINGS_OF_PURCHASES = _postings_of(
    "purchase", "purchase_id", "SAT", _UNTAKEN, f" AND account_id NOT IN {_HOUSES}"
)
_POSTINGS_OF_PRUNED_PURCHASES = _postings_of_pruned(
    "purchase", "purchase_id", "SAT", _UNTAKEN, f" AND account_id NOT IN {_HOUSES}"
)
_FOREIGN_PURCHASE_POSTINGS = Sql(
    "SELECT posting.id, posting.purchase_id, posting.account_id FROM posting"
    " LEFT JOIN purchase ON purchase.id = posting.purchase_id"
    " WHERE posting.purchase_id IS NOT NULL AND (purchase.id IS NULL AND posting.purchase_id >"
    "  (SELECT coalesce(max(upto), 0) FROM pruned WHERE pruned.asset = 'SAT'"
    f"  AND (pruned.account_id = posting.account_id OR posting.account_id IN {_HOUSES}))"
    f" OR purchase.account_id <> posting.account_id AND posting.account_id NOT IN {_HOUSES})"
    " ORDER BY posting.id"
)
# Unpaid there is none; until it is decided all of it is held, and what is shown or given is paid for.
_MONEY_OF_PURCHASES = Sql(
    "SELECT id, state, held, posted FROM purchase WHERE held < 0 OR posted < 0"
    " OR resolved IS NOT NULL AND held > 0 OR resolve = 4 AND posted > 0"
    " OR state = 60 AND held + posted > 0 OR state IN (63, 65, 66) AND held < price"
    " OR state = 73 AND resolve = 2 AND held < price"
    " OR state IN (67, 71, 72) AND posted < price ORDER BY id"
)
# What a state decides about money (core.states.RESOLVES): 2 is open, 3 taken, 4 given back. A rental that was
# given back had been paid for, and a message that failed may have.
_DECISIONS = Sql(
    "SELECT id, state, resolve FROM purchase WHERE NOT CASE"
    " WHEN state IN (60, 63, 65) THEN resolve = 2 AND resolved IS NULL"
    " WHEN state IN (61, 62, 64, 69) THEN resolve = 4"
    " WHEN state IN (66, 67, 70, 71, 72, 74) THEN resolve = 3"
    " WHEN state = 73 THEN resolve = 3 OR resolve = 2 AND resolved IS NULL"
    " WHEN state = 68 THEN resolve = 4 OR resolve = 3 AND kind = 3"
    " WHEN state = 75 THEN resolve IN (3, 4) ELSE 1 = 0 END ORDER BY id"
)
_UNRESOLVED = Sql(
    "SELECT id, resolve FROM purchase WHERE resolve <> 2 AND resolved IS NULL"
    " AND (prepaid = 1 OR payment_hash IS NULL"
    " OR NOT EXISTS (SELECT 1 FROM job WHERE job.kind IN (4, 7) AND job.subject = purchase.id)) ORDER BY id"
)
_FORGOTTEN = Sql(
    "SELECT id, state FROM purchase WHERE (state IN (60, 63, 65) OR state = 73 AND resolve = 2)"
    " AND coalesce(due, look, verify, 0) = 0"
    " AND NOT EXISTS (SELECT 1 FROM job WHERE job.kind = 3 AND job.subject = purchase.id) ORDER BY id"
)
# A message for which there was no room when it was paid (75: it failed) never was one.
_UNSENT = Sql(
    "SELECT purchase.id, purchase.message_id FROM purchase"
    " LEFT JOIN message ON message.id = purchase.message_id AND message.number = purchase.number"
    " WHERE kind = 4 AND paid IS NOT NULL AND message.id IS NULL"
    " AND (message_id IS NOT NULL OR purchase.state <> 75) ORDER BY purchase.id"
)
_FOREIGN_INCOMING = Sql(
    "SELECT incoming.id, incoming.purchase_id FROM incoming"
    " LEFT JOIN purchase ON purchase.id = incoming.purchase_id AND purchase.number = incoming.number"
    " AND purchase.carrier_id = incoming.carrier_id"
    " WHERE incoming.purchase_id IS NOT NULL AND purchase.id IS NULL ORDER BY incoming.id"
)

# Callbacks: of the open ones about one thing (states 2, 3, 4) all but one are behind another (4).
_CALLBACK_ORDER = Sql(
    "SELECT endpoint_id, subject, count(*), sum(CASE state WHEN 4 THEN 0 ELSE 1 END) FROM callback"
    " WHERE state IN (2, 3, 4) GROUP BY endpoint_id, subject"
    " HAVING sum(CASE state WHEN 4 THEN 0 ELSE 1 END) <> 1 ORDER BY endpoint_id, subject"
)
_CALLBACK_ENDS = Sql(
    "SELECT id, state, ended FROM callback WHERE state NOT IN (2, 3, 4, 5, 6)"
    " OR (state IN (5, 6)) <> (ended IS NOT NULL) ORDER BY id"
)
_FOREIGN_CALLBACKS = Sql(
    "SELECT callback.id, callback.event_id, callback.endpoint_id FROM callback"
    " LEFT JOIN event ON event.id = callback.event_id"
    " LEFT JOIN endpoint ON endpoint.id = callback.endpoint_id"
    " WHERE event.id IS NULL OR endpoint.id IS NULL OR event.account_id <> endpoint.account_id"
    " ORDER BY callback.id"
)

# Address books: what belongs together is one account's.
_FOREIGN_MEMBERS = Sql(
    "SELECT group_id, contact_id FROM group_member"
    " LEFT JOIN contact_group ON contact_group.id = group_id LEFT JOIN contact ON contact.id = contact_id"
    " WHERE contact_group.id IS NULL OR contact.id IS NULL"
    " OR contact_group.account_id <> contact.account_id ORDER BY group_id, contact_id"
)
_FOREIGN_VALUES = Sql(
    "SELECT contact_id, field_id FROM contact_value"
    " LEFT JOIN contact_field ON contact_field.id = field_id LEFT JOIN contact ON contact.id = contact_id"
    " WHERE contact_field.id IS NULL OR contact.id IS NULL"
    " OR contact_field.account_id <> contact.account_id ORDER BY contact_id, field_id"
)
_FOREIGN_GROUPS = Sql(
    "SELECT below.id, below.parent_id FROM contact_group AS below"
    " LEFT JOIN contact_group AS above ON above.id = below.parent_id AND above.parent_id = 0"
    " AND above.account_id = below.account_id WHERE below.parent_id <> 0 AND above.id IS NULL"
    " ORDER BY below.id"
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
    _Check(
        "account {0}: its pruned orders have {1} more held and {2} more posted than their postings say",
        _POSTINGS_OF_PRUNED_ORDERS,
    ),
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
    _Check(
        "posting {0}, move {1}: it is for order {2}, consignment {3} and purchase {4}, but a posting is for"
        " one of the three, and a grant for none",
        _AIMLESS_POSTINGS,
    ),
    _Check(
        "account {0}: the balance has {1} more held and {2} more spent than its consignments say",
        _MONEY_IN_CONSIGNMENTS,
    ),
    _Check(
        "consignment {0}: it has {1} more held and {2} more posted than its postings say",
        _POSTINGS_OF_CONSIGNMENTS,
    ),
    _Check(
        "account {0}: its pruned consignments have {1} more held and {2} more posted than their postings say",
        _POSTINGS_OF_PRUNED_CONSIGNMENTS,
    ),
    _Check("posting {0}: consignment {1} is not one of account {2}", _FOREIGN_CONSIGNMENT_POSTINGS),
    _Check("consignment {0}: in state {1} it cannot have {2} held and {3} posted", _MONEY_AND_STATE),
    _Check("consignment {0}: in state {1} it must have a label", _UNLABELLED),
    _Check("label {0}: consignment {1} is not one of account {2}", _FOREIGN_LABELS),
    _Check("sighting {0}: there is no consignment {1}", _FOREIGN_SIGHTINGS),
    _Check("document {0}: consignment {1} is not one of account {2}", _FOREIGN_PAPERS),
    _Check("consignment {0}: it waits to be booked, but no job goes on with it", _ABANDONED),
    _Check(
        "account {0}: request {2!r} to {1} is under way, but no job goes on with consignment {3}",
        _ABANDONED_REQUESTS,
    ),
    _Check("account {0}, SAT: the balance has {1} more held than its purchases say", _MONEY_IN_PURCHASES),
    _Check(
        "purchase {0}: it has {1} more held and {2} more posted than its postings say", _POSTINGS_OF_PURCHASES
    ),
    _Check(
        "account {0}: its pruned purchases have {1} more held and {2} more posted than their postings say",
        _POSTINGS_OF_PRUNED_PURCHASES,
    ),
    _Check("posting {0}: purchase {1} is not one of account {2}", _FOREIGN_PURCHASE_POSTINGS),
    _Check("purchase {0}: in state {1} it cannot have {2} held and {3} posted", _MONEY_OF_PURCHASES),
    _Check("purchase {0}: in state {1} its money cannot be decided as {2}", _DECISIONS),
    _Check("purchase {0}: its money is decided as {1}, but no job carries that out", _UNRESOLVED),
    _Check("purchase {0}: in state {1} nothing goes on with it", _FORGOTTEN),
    _Check("purchase {0}: its message {1} is not there", _UNSENT),
    _Check("incoming SMS {0}: purchase {1} has no such number", _FOREIGN_INCOMING),
    _Check(
        "endpoint {0}: of the {2} callbacks about {1} that have not ended one must be told now, not {3}",
        _CALLBACK_ORDER,
    ),
    _Check("callback {0}: in state {1} it cannot have ended at {2}", _CALLBACK_ENDS),
    _Check(
        "callback {0}: event {1} and endpoint {2} are not there, or not one account's", _FOREIGN_CALLBACKS
    ),
    _Check("group {0}: contact {1} is not there, or not one of its account", _FOREIGN_MEMBERS),
    _Check("contact {0}: field {1} is not there, or not one of its account", _FOREIGN_VALUES),
    _Check("group {0}: it cannot stand under {1}, which is no group at the top", _FOREIGN_GROUPS),
)
