"""Repairs: what can only be meant in one way is put right, and the rest is left alone."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from tests import cast
from tests.conftest import FakeClock
from tests.service import test_audit, test_audit_purchases

from ulak.core.contacts import ContactDraft
from ulak.service import audit, contacts
from ulak.service.repair import REPAIRS
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write


class Undo(Exception):
    """The damage is undone."""


class Case(NamedTuple):
    """What is done to the data, how many things are broken by it, and what is said of its repair."""

    damage: str
    broken: int
    repaired: Sequence[str] = ()
    left: int = 0


def mended(database: Database, case: Case) -> tuple[int, list[str], list[str], list[str]]:
    """How many things are broken, what is repaired, what a second time, and what is broken then."""
    found: list[tuple[int, list[str], list[str], list[str]]] = []

    def change(tx: Tx) -> None:
        for statement in case.damage.split(";"):
            tx.run(Sql(statement))
        broken = len(audit.check(tx))
        first, second = ([done for repair in REPAIRS for done in repair(tx)] for _ in range(2))
        found.append((broken, list(first), list(second), audit.check(tx)))
        raise Undo

    with contextlib.suppress(Undo):
        sync_write(database, change)
    return found[0]


def try_all(database: Database, cases: Sequence[Case]) -> None:
    """Each on the same data."""
    assert mended(database, Case("SELECT 1", 0)) == (0, [], [], [])
    for case in cases:
        broken, first, second, left = mended(database, case)
        assert (broken, first, second, len(left)) == (case.broken, list(case.repaired), [], case.left), case


def recounted(order: int, before: str, after: str) -> str:
    """What is said of an order."""
    return f"order {order}: counted anew; it said {before}, and says {after}"


FIRST = "1 delivered, 1 undelivered, 1 held, 1 posted, sending"
THIRD = "0 delivered, 0 undelivered, 1 held, 0 posted, ready"

OF_ORDERS = [
    Case(
        "UPDATE sms_order SET delivered = 2, held = 7 WHERE id = 1",
        3,
        [recounted(1, "2 delivered, 1 undelivered, 7 held, 1 posted, sending", FIRST)],
    ),
    Case(
        "UPDATE sms_order SET delivered = 0, undelivered = 1 WHERE id = 6",
        1,
        [recounted(6, "0 delivered, 1 undelivered, 1 held, 0 posted, ready", THIRD)],
    ),
    # An order that is over, and a message that waits: nobody knows whether it is to be sent.
    Case("UPDATE sms_order SET state = 14 WHERE id = 6", 1, left=1),
    # A message that was changed, and the ledger says otherwise: which of them is right is money.
    Case("UPDATE message SET state = 23 WHERE id = 3", 1, left=1),
    Case("UPDATE message SET parts = 2 WHERE id = 3", 1, left=1),
    Case("UPDATE message SET state = 19 WHERE id = 3", 2, left=2),
    Case("DELETE FROM message WHERE id = 6", 1, left=1),
    Case("UPDATE balance SET available = available + 1, spent = spent - 1", 2, left=2),
    Case("DELETE FROM posting WHERE move = 3", 2, left=2),
    Case("UPDATE sms_order SET settled = 3, opened = 2 WHERE id = 1", 1, left=1),
    Case("DELETE FROM order_text WHERE order_id = 4", 1, left=1),
    Case(
        "UPDATE reference SET order_id = 6 WHERE message_id = 2;"
        " UPDATE reference SET message_id = 99, key = 5 WHERE message_id = 3",
        2,
        [
            "reference {key} of carrier 1: it names order 1 now, whose message 2 is",
            "reference 5 of carrier 1: dropped, there is no message 99",
        ],
    ),
    Case("UPDATE unsure SET order_id = 1", 1, ["message 4: what is in doubt about it names its order 4 now"]),
    Case(
        "UPDATE unsure SET message_id = 99, order_id = 99",
        2,
        [
            "message 99: what was in doubt about it was dropped, there is none",
            "message 4: it waits for an operator, and is on the list of those in doubt now",
        ],
    ),
    Case(
        "INSERT INTO odd_number VALUES (3, 'x')",
        1,
        ["message 3: an unreadable number was kept for it, and dropped"],
    ),
    Case("DELETE FROM odd_number", 1, left=1),
    Case(
        "INSERT INTO order_text VALUES (99, 99, 'x')",
        1,
        ["order 99: a text of it was dropped, there is no such order"],
    ),
    Case(
        "UPDATE account SET next_number = 300000002",
        1,
        ["account 1: its next order gets number 300000004 now, which no order has"],
    ),
    Case(
        "UPDATE id_block SET next = 3",
        1,
        ["ids of messages: the next to be leased is 100006 now, behind all that are used"],
    ),
]


def test_orders(either_database: Database) -> None:
    test_audit.a_day(either_database)
    sync_write(either_database, lambda tx: tx.run(Sql("UPDATE id_block SET next = 100")))
    (row,) = sync_read(
        either_database, lambda tx: tx.all(Sql("SELECT key FROM reference WHERE message_id = 2"))
    )
    cases = [
        case._replace(repaired=[sentence.format(key=row[0]) for sentence in case.repaired])
        for case in OF_ORDERS
    ]
    try_all(either_database, cases)


NEXT = "endpoint 1: callback {} is told next about 1"

OF_PARCELS = [
    Case(
        "DELETE FROM job",
        2,
        ["consignment 2: a job goes on with it now"],
    ),
    Case(
        "UPDATE job SET subject = 99",
        2,
        [
            "job 1: dropped, there is nothing that it is about (kind 1, subject 99)",
            "consignment 2: a job goes on with it now",
        ],
    ),
    Case(
        "UPDATE job SET claim = 'gone', due = 9999999999999",
        0,
        ["job 1: its claim would have ended far in the future, and is over"],
    ),
    Case(
        "UPDATE callback SET state = 3, due = 9999999999999 WHERE id = 1",
        0,
        ["callback 1: its claim would have ended far in the future, and is over"],
    ),
    Case("UPDATE callback SET state = 2", 1, [NEXT.format(1)]),
    Case("UPDATE callback SET state = 4", 1, [NEXT.format(1)]),
    Case(
        "UPDATE callback SET state = 2; UPDATE callback SET state = 3, due = 1 WHERE id = 2",
        1,
        [NEXT.format(2)],
    ),
    Case("UPDATE callback SET state = 5, ended = 1 WHERE id = 1", 1, [NEXT.format(2)]),
    Case(
        "UPDATE callback SET ended = 7 WHERE id = 2; UPDATE callback SET state = 6 WHERE id = 1",
        3,
        [
            f"callback {one}: when it ended agrees with its state {state} now"
            for one, state in ((1, 6), (2, 4))
        ]
        + [NEXT.format(2)],
    ),
    Case(
        "INSERT INTO attempt (callback_id, at, status, took, note) VALUES (1, 1, 500, 1, '');"
        " DELETE FROM event WHERE id = 1",
        1,
        [
            "attempt 1: dropped, there is no callback 1, or nothing that it could tell",
            "callback 1: dropped, event 1 or endpoint 1 is not there",
            NEXT.format(2),
        ],
    ),
    Case("UPDATE event SET account_id = 2 WHERE id = 1", 1, left=1),
    Case("UPDATE sighting SET consignment_id = 99", 1, ["sighting 1: dropped, there is no consignment 99"]),
    Case("DELETE FROM label WHERE id = 1", 1, left=1),
    Case("UPDATE consignment SET held = 501 WHERE id = 2", 2, left=2),
]


def test_parcels_and_callbacks(either_database: Database) -> None:
    test_audit.parcels(either_database)
    try_all(either_database, OF_PARCELS)


async def test_purchases(sqlite_database: Database, clock: FakeClock) -> None:
    await test_audit_purchases.a_day(sqlite_database, clock)
    forgotten = "UPDATE purchase SET due = NULL, look = NULL, verify = NULL WHERE id = {}"
    cases = [
        Case(forgotten.format(one), 1, [f"purchase {one}: it is looked after now"]) for one in (2, 3, 4, 6)
    ]
    cases += [
        Case(
            "DELETE FROM job WHERE kind = 4",
            1,
            ["purchase 5: a job carries out what is decided about its money now"],
        ),
        Case(
            "UPDATE purchase SET state = 63, number = NULL, due = NULL, look = NULL, verify = NULL"
            " WHERE id = 2",
            1,
            ["purchase 2: a job buys its number now"],
        ),
        Case("UPDATE purchase SET resolve = 3 WHERE id = 5", 1, left=1),
    ]
    try_all(sqlite_database, cases)


def test_address_books(either_database: Database) -> None:
    alice, bob = cast.alice(either_database, credit=0), cast.bob(either_database, credit=0)

    def fill(tx: Tx) -> None:
        top = contacts.add_group(tx, alice.id, "a", None)
        assert isinstance(top, int)
        below = contacts.add_group(tx, alice.id, "b", top)
        assert isinstance(below, int)
        field = contacts.add_field(tx, "alice", "Şehir")
        contacts.add_group(tx, bob.id, "c", None)
        contacts.add(tx, alice.id, ContactDraft(name="Ayşe", groups=(below,), values={field: "Ankara"}))

    sync_write(either_database, fill)
    gone = "contact 1 is not in it any more, as one of them is not there"
    no_value = "contact 1: what was kept in field 1 was dropped, as one of them is not there"
    try_all(
        either_database,
        [
            Case("DELETE FROM contact", 2, [f"group 2: {gone}", no_value]),
            Case("DELETE FROM contact_group WHERE id = 2", 1, [f"group 2: {gone}"]),
            Case("UPDATE group_member SET group_id = 3", 1, [f"group 3: {gone}"]),
            Case("DELETE FROM contact_field", 1, [no_value]),
            Case("DELETE FROM contact_group WHERE id = 1", 1, ["group 2: it stands at the top now"]),
            Case(
                "UPDATE contact_group SET parent_id = 3 WHERE id = 2",
                1,
                ["group 2: it stands at the top now"],
            ),
            Case(
                "UPDATE contact_group SET parent_id = 2 WHERE id = 2",
                1,
                ["group 2: it stands at the top now"],
            ),
        ],
    )
