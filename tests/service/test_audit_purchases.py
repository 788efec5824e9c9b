"""The checker finds each thing that can be wrong with purchases, and says which row it is."""

from __future__ import annotations

import contextlib

from tests.conftest import ClockedBooks, FakeClock
from tests.service.shop_rig import Rig, code, message

from ulak.service import audit
from ulak.service.house import House
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import GROUP_KINDS


async def a_day(database: Database, clock: FakeClock) -> None:
    """Purchases, all of the walk-in account (1) but for the third: one done, with a share that is owed (the
    account of shares is 2), one that waits, one from Alice's balance (3), a message on its way, one that is
    to be given back, and an unpaid one."""
    books = ClockedBooks(database, GROUP_KINDS)
    books.clock = clock
    rig = Rig(books, database.directory)
    done = await rig.waiting(code(referrer="bob@example.com"))
    rig.source.send(done.id, "Your code is 12345")
    await rig.after(1000)
    alice = rig.account(sats=5000)
    await rig.waiting()
    await rig.order(code(prepaid=True), alice)
    await rig.work()
    await rig.paid(message())
    await rig.cancel(await rig.paid())
    await rig.order()
    assert rig.read(lambda tx: tx.all(Sql("SELECT id, state FROM purchase ORDER BY id"))) == [
        (1, 67),
        (2, 65),
        (3, 65),
        (4, 63),
        (5, 68),
        (6, 60),
    ]
    assert rig.house(House.REFERRALS).available == 150
    await books.close()


class Undo(Exception):
    """The damage is undone."""


def findings(database: Database, damage: str) -> list[str]:
    """What is found after this statement, which is undone again."""
    found: list[str] = []

    def harm(tx: Tx) -> None:
        tx.run(Sql(damage))
        found.extend(audit.check(tx))
        raise Undo

    with contextlib.suppress(Undo):
        sync_write(database, harm)
    return found


def money(purchase: int, state: int, held: int, posted: int) -> str:
    return f"purchase {purchase}: in state {state} it cannot have {held} held and {posted} posted"


def more(purchase: int, held: int, posted: int) -> str:
    return f"purchase {purchase}: it has {held} more held and {posted} more posted than its postings say"


DAMAGE: list[tuple[str, list[str]]] = [
    ("UPDATE purchase SET code = '1' WHERE id = 1", []),
    (
        "UPDATE posting SET amount = 1499 WHERE move = 6 AND purchase_id = 1",
        [
            "account 1, SAT: the balance is off its postings by issued -1, available 0, held 1, spent 0",
            more(1, 1, 0),
        ],
    ),
    (
        "UPDATE purchase SET held = 1600 WHERE id = 2",
        ["account 1, SAT: the balance has -100 more held than its purchases say", more(2, 100, 0)],
    ),
    (
        "UPDATE purchase SET held = 1400 WHERE id = 2",
        [
            "account 1, SAT: the balance has 100 more held than its purchases say",
            more(2, -100, 0),
            money(2, 65, 1400, 0),
        ],
    ),
    ("UPDATE purchase SET posted = 0 WHERE id = 1", [more(1, 0, -1500), money(1, 67, 0, 0)]),
    (
        "UPDATE posting SET purchase_id = 99 WHERE purchase_id = 1 AND move = 3",
        [more(1, -1500, 1500), more(99, 1500, -1500), "posting 2: purchase 99 is not one of account 1"],
    ),
    (
        "UPDATE posting SET purchase_id = NULL WHERE purchase_id = 2",
        [
            "posting 5, move 6: it is for order None, consignment None and purchase None, but a posting"
            " is for one of the three, and a grant for none",
            more(2, 1500, 0),
        ],
    ),
    (
        "UPDATE posting SET order_id = 77 WHERE purchase_id = 2",
        [
            "posting 5: order 77 is not one of account 1",
            "posting 5, move 6: it is for order 77, consignment None and purchase 2, but a posting is for"
            " one of the three, and a grant for none",
        ],
    ),
    (
        "UPDATE purchase SET state = 65 WHERE id = 1",
        [
            money(1, 65, 0, 1500),
            "purchase 1: in state 65 its money cannot be decided as 3",
            "purchase 1: in state 65 nothing goes on with it",
        ],
    ),
    (
        "UPDATE purchase SET resolve = 4 WHERE id = 1",
        [money(1, 67, 0, 1500), "purchase 1: in state 67 its money cannot be decided as 4"],
    ),
    (
        "UPDATE purchase SET state = 99 WHERE id = 6",
        ["purchase 6: in state 99 its money cannot be decided as 2"],
    ),
    (
        "UPDATE purchase SET resolved = 5 WHERE id = 5",
        [money(5, 68, 1500, 0)],
    ),
    (
        "DELETE FROM job",
        ["purchase 5: its money is decided as 4, but no job carries that out"],
    ),
    ("UPDATE purchase SET due = NULL, look = NULL WHERE id = 2", []),
    (
        "UPDATE purchase SET due = NULL, look = NULL, verify = NULL WHERE id IN (2, 3, 6)",
        [
            f"purchase {n}: in state {state} nothing goes on with it"
            for n, state in ((2, 65), (3, 65), (6, 60))
        ],
    ),
    ("UPDATE purchase SET message_id = 77 WHERE id = 4", ["purchase 4: its message 77 is not there"]),
    ("UPDATE purchase SET message_id = NULL WHERE id = 4", ["purchase 4: its message None is not there"]),
    ("UPDATE incoming SET purchase_id = NULL", []),
    ("UPDATE incoming SET purchase_id = 2", ["incoming SMS 1: purchase 2 has no such number"]),
    (
        "UPDATE referral SET state = 3",
        ["account 2, SAT: the balance has -150 more held than its purchases say"],
    ),
]


async def test_what_is_wrong_with_purchases_is_found(either_database: Database, clock: FakeClock) -> None:
    await a_day(either_database, clock)
    assert sync_read(either_database, audit.check) == []
    for damage, found in DAMAGE:
        assert findings(either_database, damage) == found, damage
