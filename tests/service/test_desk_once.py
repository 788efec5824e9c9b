"""Requests with a key, and bookings whose process ended in the middle: one consignment, paid for once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import ClockedBooks, FakeClock
from tests.service.parcel_desk import (
    CREDIT,
    DECLINED,
    PRICE,
    Rig,
    once,
    refusal,
    render,
    rig_of,
    state_of,
)

from ulak.core.consignments import Preference
from ulak.core.errors import Refusal, StoreUnavailable
from ulak.core.jobs import JobKind
from ulak.core.once import BOOKING, KEPT, Once, ReplyState
from ulak.core.shipping import Declined, Quote, Unreached
from ulak.core.states import ParcelState
from ulak.service import accounts
from ulak.service.desk import Denied, Done
from ulak.store import carriers as carrier_store
from ulak.store import replies
from ulak.store.engine import Database

pytestmark = pytest.mark.fault(
    "F12 idempotency key", "of parcels: 200 callers, two processes, other content, crashes in between"
)

S = ParcelState
PAID = (CREDIT - PRICE, 0, PRICE)


@pytest.fixture
def rig(database: Database, books: ClockedBooks) -> Rig:
    return rig_of(database, books)


class Torn:
    """Books of a process that dies: from the first change that `last` is true of, nothing is written."""

    def __init__(self, books: ClockedBooks, last: int) -> None:
        self._books = books
        self._left = last

    async def read(self, question: Callable[[Any], Any]) -> Any:
        return await self._books.read(question)

    async def write(self, change: Callable[[Any], Any]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("the process is dead")
        return await self._books.write(change)


async def died(rig: Rig, key: Once | None = None) -> int:
    """A process writes that it will book, asks the carrier, and dies. The consignment that it leaves."""
    desk = rig.another_desk(Torn(rig.books, 1))
    with pytest.raises(StoreUnavailable):
        await desk.create(rig.who, rig.order(), once=key, render=render)
    (left,) = rig.all()
    assert (left.state, left.held, left.posted) == (S.WAITING, PRICE, 0)
    assert rig.money == (CREDIT - PRICE, PRICE, 0)
    rig.desk = rig.another_desk()
    return left.id


def assert_booked_once(rig: Rig, consignment_id: int) -> None:
    (found,) = rig.all()
    assert (found.id, found.state, found.held, found.posted) == (consignment_id, S.BOOKED, 0, PRICE)
    assert rig.money == PAID
    assert rig.first.kept.keys() == {found.uuid}
    assert rig.kinds() == ["consignment.created", "consignment.label_ready"]
    assert rig.jobs(JobKind.BOOK) == []
    assert len(rig.stored(found.id).labels) == 1


# The same key again.


async def test_the_same_key_gets_the_same_answer(rig: Rig, clock: FakeClock) -> None:
    first = await rig.create(once=once(), render=render)
    assert isinstance(first, Done)
    clock.advance(KEPT - 1)
    await rig.desk.told(rig.first_id, first.consignment.tracking or "", [])
    again = await rig.create(once=once(), render=render)
    assert isinstance(again, Done)
    assert (again.body, again.replayed, again.consignment.id) == (first.body, True, first.consignment.id)
    assert_booked_once(rig, first.consignment.id)
    assert rig.first.booked == {first.consignment.uuid: 1}


async def test_even_after_it_changed(rig: Rig) -> None:
    first = await rig.create(once=once(), render=render)
    assert isinstance(first, Done)
    await rig.cancel(first.consignment.id)
    again = await rig.create(once=once(), render=render)
    assert isinstance(again, Done)
    assert (again.body, again.consignment.state) == (first.body, S.CANCELLED)


async def test_after_a_day_it_is_a_new_request(rig: Rig, clock: FakeClock) -> None:
    await rig.create(once=once(), render=render)
    clock.advance(KEPT)
    again = await rig.create(once=once(), render=render)
    assert isinstance(again, Done)
    assert not again.replayed
    assert len(rig.all()) == 2


async def test_keys_differ_by_operation_and_key(rig: Rig) -> None:
    for key in (once("a"), once("b"), once("a", scope="other")):
        assert isinstance(await rig.create(once=key), Done)
    assert len(rig.all()) == 3


async def test_the_key_cannot_be_used_for_something_else(rig: Rig) -> None:
    await rig.create(once=once(), render=render)
    assert await rig.create(once=once(digest="other")) == Denied(Refusal.KEY_REUSED)
    assert len(rig.all()) == 1


async def test_200_callers_with_one_key_get_one_consignment(rig: Rig) -> None:
    rig.first.open.clear()
    calls = [asyncio.create_task(rig.create(once=once(), render=render)) for _ in range(200)]
    await rig.first.arrived.wait()
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    rig.first.open.set()
    answers = await asyncio.gather(*calls)
    done = [answer for answer in answers if isinstance(answer, Done)]
    assert {refusal(answer) for answer in answers} <= {None, Refusal.IN_PROGRESS}
    assert len({answer.body for answer in done}) == 1
    assert sum(not answer.replayed for answer in done) == 1
    assert len(done) < 200
    assert_booked_once(rig, done[0].consignment.id)
    assert list(rig.first.booked.values()) == [1]


async def test_200_callers_with_keys_of_their_own_get_one_each(rig: Rig) -> None:
    rig.first.price = Quote(100)
    answers = await asyncio.gather(*(rig.create(once=once(f"{n}"), render=render) for n in range(200)))
    done = [answer.consignment.id for answer in answers if isinstance(answer, Done)]
    assert len(set(done)) == 200
    assert rig.money == (CREDIT - 200 * 144, 0, 200 * 144)


async def test_callers_of_two_processes_get_one_consignment(rig: Rig, clock: FakeClock) -> None:
    """Two servers over one database, each with its own writer."""
    others = ClockedBooks(rig.database, {})
    others.clock = clock
    desks = [rig.desk, rig.another_desk(others)] * 10
    for n in range(3):
        key = once(f"{n}")
        calls = [desk.create(rig.who, rig.order(), once=key, render=render) for desk in desks]
        answers = await asyncio.gather(*calls)
        done = [answer for answer in answers if isinstance(answer, Done)]
        assert {refusal(answer) for answer in answers} <= {None, Refusal.IN_PROGRESS}
        assert len({(answer.consignment.id, answer.body) for answer in done}) == 1
        assert len(rig.all()) == n + 1
    await others.close()
    assert set(rig.first.booked.values()) == {1}
    assert rig.money == (CREDIT - 3 * PRICE, 0, 3 * PRICE)


# A key whose request failed.


async def test_a_key_that_failed_tries_the_same_consignment_as_it_is_wanted_now(rig: Rig) -> None:
    rejected = await rig.rejected(once=once(), render=render)
    rig.second.price = Quote(1000)
    other = rig.order(carrier_id=rig.second_id)
    done = await rig.create(other, once=once(digest="other"), render=render)
    assert isinstance(done, Done)
    found = done.consignment
    assert (found.id, found.state, found.carrier) == (rejected, S.BOOKED, (rig.second_id, "Kuzey Kargo"))
    assert rig.money == (CREDIT - 1440, 0, 1440)
    assert [seen.state for seen in found.seen] == [S.REJECTED, S.BOOKED]
    assert len(rig.all()) == 1
    again = await rig.create(other, once=once(digest="other"), render=render)
    assert isinstance(again, Done)
    assert (again.body, again.replayed) == (done.body, True)


async def test_it_may_fail_again_and_again(rig: Rig) -> None:
    rejected = {await rig.rejected(once=once(digest=f"{n}")) for n in range(3)}
    assert len(rejected) == 1
    assert rig.money == (CREDIT, 0, 0)


async def test_a_key_that_failed_for_money_is_free_again(rig: Rig) -> None:
    rig.first.price = Quote(CREDIT)
    assert refusal(await rig.create(once=once())) is Refusal.NO_CREDIT
    rig.first.price = Quote(2000, 6400)
    done = await rig.create(once=once(digest="other"))
    assert isinstance(done, Done)
    assert_booked_once(rig, done.consignment.id)


async def test_a_consignment_that_was_booked_by_hand_meanwhile_answers_its_key(rig: Rig) -> None:
    rejected = await rig.rejected(once=once(), render=render)
    await rig.desk.resend(rig.who, rejected)
    assert refusal(await rig.create(once=once(digest="other"))) is Refusal.KEY_REUSED
    done = await rig.create(once=once(), render=render)
    assert isinstance(done, Done)
    assert (done.consignment.id, done.replayed) == (rejected, True)
    again = await rig.create(once=once(), render=render)
    assert isinstance(again, Done)
    assert again.body == done.body != b""
    assert rig.money == PAID


async def test_one_that_was_cancelled_meanwhile_is_left_alone(rig: Rig) -> None:
    rejected = await rig.rejected(once=once())
    await rig.cancel(rejected)
    done = await rig.create(once=once())
    assert isinstance(done, Done)
    assert done.consignment.id != rejected
    assert state_of(rig, rejected) is S.CANCELLED


# A process that died in the middle.


async def test_the_worker_of_the_next_process_goes_on(rig: Rig) -> None:
    left = await died(rig, once())
    assert rig.claim(JobKind.BOOK) == []
    rig.release()
    jobs = rig.claim(JobKind.BOOK)
    assert [job.subject for job in jobs] == [left]
    await rig.desk.go_on(jobs)
    assert_booked_once(rig, left)
    assert list(rig.first.booked.values()) == [2]
    earlier = rig.read(lambda tx: replies.find(tx, rig.alice.id, "create", "k"))
    assert earlier is not None
    assert (earlier.state, earlier.body) == (ReplyState.DONE, None)
    done = await rig.create(once=once(), render=render)
    assert isinstance(done, Done)
    assert (done.consignment.id, done.replayed, done.body != b"") == (left, True, True)
    again = await rig.create(once=once(), render=render)
    assert isinstance(again, Done)
    assert again.body == done.body


async def test_or_the_next_caller_with_the_key(rig: Rig) -> None:
    left = await died(rig, once())
    assert await rig.create(once=once(), render=render) == Denied(Refusal.IN_PROGRESS, consignment_id=left)
    rig.release()
    assert refusal(await rig.create(once=once(digest="other"))) is Refusal.KEY_REUSED
    done = await rig.create(once=once(), render=render)
    assert isinstance(done, Done)
    assert done.body
    assert_booked_once(rig, left)
    assert rig.claim(JobKind.BOOK) == []


async def test_or_anybody_when_the_claim_is_over(rig: Rig, clock: FakeClock) -> None:
    left = await died(rig, once())
    clock.advance(BOOKING - 1)
    assert refusal(await rig.create(once=once())) is Refusal.IN_PROGRESS
    clock.advance(1)
    assert isinstance(await rig.create(once=once(), render=render), Done)
    assert_booked_once(rig, left)


async def test_or_its_owner_by_hand(rig: Rig) -> None:
    left = await died(rig)
    assert refusal(await rig.desk.resend(rig.who, left)) is Refusal.WRONG_STATE
    rig.release()
    done = await rig.desk.resend(rig.who, left, render=render)
    assert isinstance(done, Done)
    assert_booked_once(rig, left)


async def test_a_resumed_booking_can_fail_as_well(rig: Rig) -> None:
    left = await died(rig, once())
    rig.release()
    rig.first.booking = Unreached("down")
    await rig.desk.go_on(rig.claim(JobKind.BOOK))
    assert state_of(rig, left) is S.REJECTED
    assert rig.money == (CREDIT, 0, 0)
    rig.first.booking = None
    done = await rig.create(once=once(), render=render)
    assert isinstance(done, Done)
    assert_booked_once(rig, left)


async def test_what_may_have_been_booked_is_asked_for_where_that_was(rig: Rig) -> None:
    """Its carrier gives no price now. Another one would, and it would be booked twice."""
    rig.second.price = Quote(9000, 6400)
    cheapest = rig.order(preference=Preference.CHEAPEST, carrier_id=None)
    rig.first.booking = Unreached("no answer")
    assert refusal(await rig.create(cheapest, once=once())) is Refusal.CARRIER_UNREACHED
    rig.first.price = Unreached("down")
    assert refusal(await rig.create(cheapest, once=once())) is Refusal.NO_CARRIER
    assert not rig.second.bookings
    rig.first.price, rig.first.booking = Quote(2000, 6400), None
    done = await rig.create(cheapest, once=once())
    assert isinstance(done, Done)
    assert_booked_once(rig, done.consignment.id)
    assert not rig.second.bookings


async def test_unless_its_carrier_is_gone(rig: Rig) -> None:
    cheapest = rig.order(preference=Preference.CHEAPEST, carrier_id=None)
    rig.first.booking = Unreached("no answer")
    await rig.create(cheapest, once=once())
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    done = await rig.create(cheapest, once=once())
    assert isinstance(done, Done)
    assert done.consignment.carrier is not None
    assert done.consignment.carrier.id == rig.second_id


async def test_what_may_have_been_booked_is_not_changed(rig: Rig) -> None:
    """Its carrier would answer with what it booked then: other content makes another consignment."""
    rig.first.booking = Unreached("down")
    assert refusal(await rig.create(once=once())) is Refusal.CARRIER_UNREACHED
    (unclear,) = rig.all()
    rig.first.booking = None
    done = await rig.create(once=once(digest="other"), render=render)
    assert isinstance(done, Done)
    assert done.consignment.uuid != unclear.uuid
    assert state_of(rig, unclear.id) is S.REJECTED
    assert rig.money == PAID
    again = await rig.create(once=once(digest="other"), render=render)
    assert isinstance(again, Done)
    assert (again.consignment.id, again.body) == (done.consignment.id, done.body)


async def test_a_resumed_booking_whose_carrier_is_gone_is_rejected(rig: Rig) -> None:
    left = await died(rig)
    rig.release()
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    await rig.desk.go_on(rig.claim(JobKind.BOOK))
    assert state_of(rig, left) is S.REJECTED
    assert rig.money == (CREDIT, 0, 0)


async def test_a_job_that_is_no_longer_needed_ends(rig: Rig) -> None:
    left = await died(rig)
    rig.release()
    jobs = rig.claim(JobKind.BOOK)
    await asyncio.gather(rig.desk.go_on(jobs), rig.desk.go_on(jobs))
    await rig.desk.go_on(jobs)
    assert_booked_once(rig, left)


async def test_a_failure_of_one_does_not_keep_the_others(rig: Rig) -> None:
    """The database is away for one of two bookings that are gone on with; its job comes back later."""
    left = [await died(rig)]
    rig.first.open.clear()
    desk = rig.another_desk()
    task = asyncio.create_task(desk.create(rig.who, rig.order()))
    while len(rig.all()) < 2:
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    rig.first.open.set()
    rig.process = "the last"
    rig.desk = rig.another_desk(Torn(rig.books, 1))
    rig.release()
    jobs = rig.claim(JobKind.BOOK)
    assert len(jobs) == 2
    await rig.desk.go_on(jobs)
    assert sorted(found.state for found in rig.all()) == [S.WAITING, S.BOOKED]
    assert len(rig.jobs(JobKind.BOOK)) == 1
    assert left


# Two at once.


@pytest_asyncio.fixture
async def two(rig: Rig) -> AsyncIterator[tuple[asyncio.Task[Any], int]]:
    """A caller that waits for the carrier so long that its claim is over."""
    rig.first.open.clear()
    task = asyncio.create_task(rig.create(once=once(), render=render))
    await rig.first.arrived.wait()
    (waiting,) = rig.all()
    rig.books.clock.advance(BOOKING)
    yield task, waiting.id


async def test_two_at_once_conclude_once(rig: Rig, two: tuple[asyncio.Task[Any], int]) -> None:
    slow, waiting = two
    other = asyncio.create_task(rig.create(once=once(), render=render))
    worker = rig.claim(JobKind.BOOK)
    while sum(rig.first.booked.values()) < 2 and not worker:
        await asyncio.sleep(0)
    resumed = asyncio.create_task(rig.desk.go_on(worker))
    rig.first.open.set()
    answers = [answer for answer in await asyncio.gather(slow, other) if isinstance(answer, Done)]
    await resumed
    assert answers
    assert {answer.consignment.id for answer in answers} == {waiting}
    assert len({answer.body for answer in answers}) == 1
    assert_booked_once(rig, waiting)


@pytest.mark.parametrize(
    ("booking", "why"),
    [(DECLINED, Refusal.CARRIER_DECLINED), (Unreached("down"), Refusal.CARRIER_UNREACHED)],
)
async def test_the_second_answers_what_the_first_wrote(
    rig: Rig, two: tuple[asyncio.Task[Any], int], booking: Declined | Unreached, why: Refusal
) -> None:
    slow, waiting = two
    rig.first.booking = booking
    rig.first.open.set()
    await rig.desk.go_on(rig.claim(JobKind.BOOK))
    denied = await slow
    assert denied == Denied(why, booking.why, waiting)
    assert rig.money == (CREDIT, 0, 0)
    earlier = rig.read(lambda tx: replies.find(tx, rig.alice.id, "create", "k"))
    assert earlier is not None
    assert earlier.consignment_id == waiting


async def test_and_the_same_bytes_whatever_happened_meanwhile(
    rig: Rig, two: tuple[asyncio.Task[Any], int]
) -> None:
    slow, waiting = two
    slow_way, rig.first.open = rig.first.open, asyncio.Event()
    rig.first.open.set()
    first = await rig.create(once=once(), render=render)
    assert isinstance(first, Done)
    await rig.cancel(waiting)
    slow_way.set()
    second = await slow
    assert isinstance(second, Done)
    assert (second.body, second.consignment.state) == (first.body, S.CANCELLED)
    assert second.body != render_now(rig, waiting)


def render_now(rig: Rig, consignment_id: int) -> bytes:
    account = rig.read(lambda tx: accounts.named(tx, "alice"))
    return render(account, rig.stored(consignment_id))


async def test_an_old_attempt_concludes_no_newer_one(rig: Rig, two: tuple[asyncio.Task[Any], int]) -> None:
    """The slow caller's carrier books it at last, when it has long been given to another carrier."""
    slow, waiting = two
    rig.first.booking = DECLINED
    slow_way, rig.first.open = rig.first.open, asyncio.Event()
    rig.first.open.set()
    await rig.desk.go_on(rig.claim(JobKind.BOOK))
    assert state_of(rig, waiting) is S.REJECTED
    rig.second.open.clear()
    newer = asyncio.create_task(
        rig.create(rig.order(carrier_id=rig.second_id), once=once(digest="other"), render=render)
    )
    await rig.second.arrived.wait()
    rig.first.booking = None
    slow_way.set()
    assert refusal(await slow) is Refusal.IN_PROGRESS
    assert state_of(rig, waiting) is S.WAITING
    rig.second.open.set()
    done = await newer
    assert isinstance(done, Done)
    assert done.consignment.carrier == (rig.second_id, "Kuzey Kargo")
    assert rig.money == PAID
