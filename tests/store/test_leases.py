"""Leases and their fences, on both databases."""

from __future__ import annotations

import threading

from tests import cast

from ulak.core.doubts import OnUncertain
from ulak.core.jobs import JobKind
from ulak.core.leases import Duty, Role, Tenure
from ulak.core.ports import Accepted
from ulak.core.references import IdForm
from ulak.service import dispatch
from ulak.service.dispatch import Step, Stepped
from ulak.store import callbacks, jobs, leases, orders, processes
from ulak.store.engine import Database, Tx
from ulak.store.ids import Ids
from ulak.store.writer import sync_read, sync_write

LINK = 7


def registered(database: Database, name: str, role: Role = Role.WORKER) -> int:
    return sync_write(database, lambda tx: processes.register(tx, name, role, "here", "1"))


def taken(database: Database, holder: int, lease: int = LINK) -> int | None:
    return sync_write(database, lambda tx: leases.acquire(tx, lease, holder))


def test_one_process_has_a_lease(either_database: Database) -> None:
    database = either_database
    one, two = registered(database, "one"), registered(database, "two")
    assert taken(database, one) == 1
    assert taken(database, two) is None
    assert taken(database, one) is None, "who has it takes nothing anew"
    sync_write(database, lambda tx: leases.tell(tx, LINK, 1, True, "bound"))
    assert sync_read(database, leases.tenures) == {LINK: Tenure(LINK, 1, one, True, "bound")}
    sync_write(database, lambda tx: leases.release(tx, LINK, 1))
    assert taken(database, two) == 2
    sync_write(database, lambda tx: leases.release(tx, LINK, 1))
    sync_write(database, lambda tx: leases.tell(tx, LINK, 1, True, "late"))
    assert sync_read(database, leases.tenures) == {LINK: Tenure(LINK, 2, two, False, "")}


def test_who_is_buried_has_nothing_and_gets_nothing(either_database: Database) -> None:
    database = either_database
    one, two = registered(database, "one"), registered(database, "two")
    taken(database, one)
    taken(database, one, Duty.UPKEEP)
    assert not sync_read(database, lambda tx: leases.is_free(tx, LINK))
    assert sync_read(database, lambda tx: leases.is_ours(tx, Duty.UPKEEP, 1, one))
    assert sync_write(database, lambda tx: processes.bury(tx, one))
    assert not sync_write(database, lambda tx: processes.bury(tx, one))
    assert sync_read(database, lambda tx: leases.is_free(tx, LINK))
    assert not sync_read(database, lambda tx: leases.is_ours(tx, Duty.UPKEEP, 1, one))
    assert taken(database, one) is None
    assert taken(database, two) == 2
    assert [peer.id for peer in sync_read(database, processes.peers)] == [two]


def test_what_somebody_has_cannot_be_seized(either_database: Database) -> None:
    one = registered(either_database, "one")
    assert sync_write(either_database, lambda tx: leases.seize(tx, LINK)) == 1
    assert taken(either_database, one) == 2
    assert sync_write(either_database, lambda tx: leases.seize(tx, LINK)) is None


def test_a_step_under_an_old_fence_does_nothing(database: Database) -> None:
    """A paused process wakes: its outcomes and what it wants to send next are not taken."""
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    (order,) = cast.claim(database, slots=1)
    one, two = registered(database, "one"), registered(database, "two")
    fence = taken(database, one, cast.CARRIER)
    assert fence == 1

    def step(fence: int, opened: int) -> Stepped:
        sent = cast.sent(database, order, order.rows[0])
        wanted = Step(
            cast.CARRIER,
            IdForm.TEXT,
            OnUncertain.RESEND,
            [(sent, Accepted(("r0",)))],
            [(order.id, opened, order.id)],
            [(order.id, opened)],
            fence=fence,
        )
        return sync_write(database, lambda tx: dispatch.step_group(tx, [wanted], Ids()))[0]

    assert not step(1, order.id + 1).lost
    sync_write(database, lambda tx: processes.bury(tx, one))
    assert taken(database, two, cast.CARRIER) == 2
    assert step(1, order.id + 2).lost
    rows = sync_read(database, lambda tx: orders.sending(tx, cast.CARRIER, 0, 10))
    assert [(row.opened, row.settled) for row in rows] == [(order.id + 1, order.id)]
    assert sync_write(
        database, lambda tx: dispatch.take_over(tx, cast.CARRIER, OnUncertain.RESEND, 0, 10, fence=1)
    ) == (0, [])
    assert sync_write(database, lambda tx: dispatch.take_asked(tx, cast.CARRIER, 10, 1)) == []


def test_one_step_of_a_group_may_be_lost_and_the_other_not(database: Database) -> None:
    one, two = registered(database, "one"), registered(database, "two")
    taken(database, one, 1)
    taken(database, two, 2)

    def step(carrier: int) -> Step:
        return Step(carrier, IdForm.TEXT, OnUncertain.RESEND, [], [], [], fence=1)

    sync_write(database, lambda tx: processes.bury(tx, two))
    taken(database, one, 2)
    done = sync_write(database, lambda tx: dispatch.step_group(tx, [step(1), step(2), step(1)], Ids()))
    assert [each.lost for each in done] == [False, True, False]


def test_a_new_holder_waits_for_what_was_begun(postgres_database: Database) -> None:
    """Otherwise it would take up orders of which more is about to be opened."""
    one, two = registered(postgres_database, "one"), registered(postgres_database, "two")
    taken(postgres_database, one)
    begun, finish, order = threading.Event(), threading.Event(), []

    def commit(tx: Tx) -> None:
        assert leases.held(tx, [(LINK, 1)]) == {LINK}
        begun.set()
        assert finish.wait(20)
        order.append("old")

    def take() -> None:
        sync_write(postgres_database, lambda tx: processes.bury(tx, one))
        assert taken(postgres_database, two) == 2
        order.append("new")

    old = threading.Thread(target=sync_write, args=(postgres_database, commit))
    old.start()
    assert begun.wait(20)
    new = threading.Thread(target=take)
    new.start()
    new.join(0.3)
    assert order == []
    finish.set()
    old.join()
    new.join()
    assert order == ["old", "new"]


def test_what_a_gone_process_had_claimed_is_due(either_database: Database) -> None:
    database = either_database
    one, _ = registered(database, "one"), registered(database, "two")
    kind = JobKind.TRACK
    sync_write(database, lambda tx: jobs.put(tx, kind, 1, tx.now))
    sync_write(database, lambda tx: jobs.put(tx, kind, 2, tx.now))
    assert [j.subject for j in sync_write(database, lambda tx: jobs.claim(tx, kind, 1, 9_000, "one"))] == [1]
    assert [j.subject for j in sync_write(database, lambda tx: jobs.claim(tx, kind, 1, 9_000, "two"))] == [2]
    assert sync_write(database, callbacks.release) == 0
    sync_write(database, lambda tx: processes.bury(tx, one))
    assert [j.subject for j in sync_write(database, lambda tx: jobs.claim(tx, kind, 9, 9_000, "two"))] == [1]
