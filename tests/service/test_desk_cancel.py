"""Cancelling at the parcel desk: what may be cancelled, who decides, and that the money comes back once."""

from __future__ import annotations

import asyncio

import pytest
from tests import parcel_cast
from tests.conftest import ClockedBooks, FakeClock
from tests.service.parcel_desk import CREDIT, PRICE, Rig, once, refusal, render, rig_of, state_of

from ulak.core.consignments import Consignment, Route, Shape
from ulak.core.errors import Refusal
from ulak.core.jobs import JobKind
from ulak.core.once import CLAIM
from ulak.core.shipping import Declined, Quote, Sighting, Unreached
from ulak.core.states import SEEN_PARCELS, ParcelState
from ulak.service import accounts, drafts
from ulak.service.desk import ALREADY_CANCELLED, ALREADY_DELIVERED, IN_TRANSIT, Denied, Done, Who
from ulak.store import carriers as carrier_store
from ulak.store import consignments
from ulak.store.engine import Database

S = ParcelState


@pytest.fixture
def rig(database: Database, books: ClockedBooks) -> Rig:
    return rig_of(database, books)


async def seen(rig: Rig, found: Consignment, *states: ParcelState) -> None:
    """The carrier tells of these, a second apart."""
    now = rig.books.clock.now
    news = [Sighting(now + 1000 * n, state, state.name) for n, state in enumerate(states, start=1)]
    assert found.tracking is not None
    assert await rig.desk.told(rig.first_id, found.tracking, news)


def assert_refunded(rig: Rig, consignment_id: int) -> None:
    found = rig.stored(consignment_id)
    assert (found.state, found.held, found.posted) == (S.CANCELLED, 0, 0)
    assert rig.money == (CREDIT, 0, 0)
    assert [kind for kind, news in rig.events() if kind == "consignment.cancelled"] == [
        "consignment.cancelled"
    ]


async def test_a_cancelled_consignment_is_refunded_and_its_labels_end(rig: Rig, clock: FakeClock) -> None:
    packages = tuple(parcel_cast.package() for _ in range(2))
    found = await rig.booked(rig.order(shipment=parcel_cast.shipment(packages=packages)))
    clock.advance(1000)
    done = await rig.cancel(found.id, render=render)
    assert isinstance(done, Done)
    assert done.body
    assert done.consignment == rig.stored(found.id)
    assert_refunded(rig, found.id)
    after = done.consignment
    assert (after.state_at, after.updated) == (clock.now, clock.now)
    assert [(label.state, label.revoked) for label in after.labels] == [(S.CANCELLED, clock.now)] * 2
    assert [entry.state for entry in after.seen] == [S.BOOKED, S.CANCELLED]
    assert rig.jobs(JobKind.TRACK) == []
    _, news = rig.events()[-1]
    assert (news.id, news.state, news.at) == (found.id, S.CANCELLED, clock.now)
    assert rig.first.cancelled == {found.uuid: 1}


async def test_from_the_first_scan_on_the_carrier_decides_until_it_is_over(rig: Rig) -> None:
    over = {S.DELIVERED: ALREADY_DELIVERED, S.RETURNED: IN_TRANSIT, S.LOST: IN_TRANSIT}
    rig.first.price = Quote(100)
    for state in sorted(SEEN_PARCELS):
        found = await rig.booked()
        await seen(rig, found, state)
        rig.first.cancelling = Declined("yolda")
        denied = await rig.cancel(found.id)
        if state in over:
            assert denied == Denied(Refusal.WRONG_STATE, over[state], found.id)
            assert found.uuid not in rig.first.cancelled
            continue
        assert denied == Denied(Refusal.CARRIER_DECLINED, "yolda", found.id)
        assert state_of(rig, found.id) is state
        rig.first.cancelling = None
        assert isinstance(await rig.cancel(found.id), Done)
        assert (state_of(rig, found.id), rig.stored(found.id).posted) == (S.CANCELLED, 0)
    assert rig.money == (CREDIT - len(over) * 144, 0, len(over) * 144)


@pytest.mark.parametrize("trouble", [Unreached("away"), RuntimeError("oh")])
async def test_a_carrier_that_is_not_reached_changes_nothing(
    rig: Rig, trouble: Unreached | Exception
) -> None:
    found = await rig.booked()
    rig.first.cancelling = trouble
    assert refusal(await rig.cancel(found.id)) is Refusal.CARRIER_UNREACHED
    assert rig.stored(found.id) == found
    assert rig.money == (CREDIT - PRICE, 0, PRICE)


async def test_a_carrier_that_is_gone_cannot_be_asked(rig: Rig) -> None:
    found = await rig.booked()
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    denied = await rig.cancel(found.id)
    assert refusal(denied) is Refusal.CARRIER_UNREACHED
    assert state_of(rig, found.id) is S.BOOKED


async def test_what_no_carrier_knows_is_simply_cancelled(rig: Rig) -> None:
    rejected = await rig.rejected()
    assert isinstance(await rig.cancel(rejected), Done)
    account = rig.read(lambda tx: accounts.named(tx, "alice"))
    draft = rig.write(
        lambda tx: drafts.create(tx, account, "{}", parcel_cast.shipment(), Shape.NORMAL, Route.DOMESTIC)
    )
    assert isinstance(draft, Done)
    assert isinstance(await rig.cancel(draft.consignment.id), Done)
    assert [state_of(rig, one) for one in (rejected, draft.consignment.id)] == [S.CANCELLED] * 2
    assert not rig.first.cancelled
    assert rig.money == (CREDIT, 0, 0)
    started = await rig.desk.start(rig.who, draft.consignment.id, rig.order(), draft="{}")
    assert refusal(started) is Refusal.WRONG_STATE


async def test_twice_is_refused(rig: Rig) -> None:
    found = await rig.booked()
    await rig.cancel(found.id)
    assert await rig.cancel(found.id) == Denied(Refusal.WRONG_STATE, ALREADY_CANCELLED, found.id)
    assert rig.first.cancelled == {found.uuid: 1}
    assert_refunded(rig, found.id)


async def test_nobody_elses(rig: Rig, database: Database) -> None:
    bob = parcel_cast.shipper(database, "bob", 0)
    found = await rig.booked()
    denied = await rig.desk.cancel(
        Who("comtohome", bob.apikey, "", "192.0.2.1"),
        lambda tx, account_id: consignments.by_id(tx, account_id, found.id),
    )
    assert denied == Denied(Refusal.NOT_FOUND)
    assert refusal(await rig.cancel(99)) is Refusal.NOT_FOUND


async def test_parallel_cancels_refund_once(rig: Rig) -> None:
    found = await rig.booked()
    answers = await asyncio.gather(*(rig.cancel(found.id) for _ in range(20)))
    assert sum(isinstance(answer, Done) for answer in answers) == 1
    denied = [answer for answer in answers if isinstance(answer, Denied)]
    assert {(answer.why, answer.text) for answer in denied} == {(Refusal.WRONG_STATE, ALREADY_CANCELLED)}
    assert_refunded(rig, found.id)


async def test_parallel_cancels_with_one_key_get_one_answer(rig: Rig) -> None:
    found = await rig.booked()
    key = once(scope="cancel")
    answers = await asyncio.gather(*(rig.cancel(found.id, once=key, render=render) for _ in range(20)))
    done = [answer for answer in answers if isinstance(answer, Done)]
    assert {refusal(answer) for answer in answers} <= {None, Refusal.IN_PROGRESS}
    assert rig.first.cancelled == {found.uuid: 1}
    again = await rig.cancel(found.id, once=key, render=render)
    assert isinstance(again, Done)
    assert again.replayed
    assert {answer.body for answer in (*done, again)} == {again.body}
    assert refusal(await rig.cancel(found.id, once=once(scope="cancel", digest="e"))) is Refusal.KEY_REUSED
    assert_refunded(rig, found.id)


async def test_a_cancel_that_failed_may_be_repeated_with_its_key(rig: Rig) -> None:
    found = await rig.booked()
    rig.first.cancelling = Unreached("away")
    assert refusal(await rig.cancel(found.id, once=once())) is Refusal.CARRIER_UNREACHED
    rig.first.cancelling = None
    assert isinstance(await rig.cancel(found.id, once=once()), Done)
    assert_refunded(rig, found.id)


async def test_a_cancel_whose_process_died_is_gone_on_with(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    rig.first.open.clear()
    rig.first.arrived.clear()
    task = asyncio.create_task(rig.cancel(found.id, once=once()))
    await rig.first.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rig.first.open.set()
    assert refusal(await rig.cancel(found.id, once=once())) is Refusal.IN_PROGRESS
    clock.advance(CLAIM)
    assert isinstance(await rig.cancel(found.id, once=once()), Done)
    assert_refunded(rig, found.id)


async def test_a_slow_cancel_answers_what_was_answered_meanwhile(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    rig.first.open.clear()
    rig.first.arrived.clear()
    slow = asyncio.create_task(rig.cancel(found.id, once=once(), render=render))
    await rig.first.arrived.wait()
    slow_way, rig.first.open = rig.first.open, asyncio.Event()
    rig.first.open.set()
    clock.advance(CLAIM)
    first = await rig.cancel(found.id, once=once(), render=render)
    slow_way.set()
    assert isinstance(first, Done)
    for late in (await slow, await rig.cancel(found.id, once=once(), render=render)):
        assert isinstance(late, Done)
        assert (late.body, late.replayed) == (first.body, True)
    assert_refunded(rig, found.id)


async def test_what_was_delivered_while_the_carrier_thought_is_not_cancelled(rig: Rig) -> None:
    found = await rig.booked()
    rig.first.open.clear()
    rig.first.arrived.clear()
    task = asyncio.create_task(rig.cancel(found.id))
    await rig.first.arrived.wait()
    await seen(rig, found, S.DELIVERED)
    rig.first.open.set()
    assert await task == Denied(Refusal.WRONG_STATE, ALREADY_DELIVERED, found.id)
    assert rig.money == (CREDIT - PRICE, 0, PRICE)


async def test_a_carrier_that_declines_too_late_is_not_heard(rig: Rig) -> None:
    found = await rig.booked()
    rig.first.open.clear()
    rig.first.arrived.clear()
    slow = asyncio.create_task(rig.cancel(found.id))
    await rig.first.arrived.wait()
    slow_way, rig.first.open = rig.first.open, asyncio.Event()
    rig.first.open.set()
    assert isinstance(await rig.cancel(found.id), Done)
    rig.first.cancelling = Declined("not any more")
    slow_way.set()
    assert await slow == Denied(Refusal.WRONG_STATE, ALREADY_CANCELLED, found.id)
    assert_refunded(rig, found.id)


async def test_news_of_a_cancelled_parcel_are_kept_and_move_nothing(rig: Rig) -> None:
    found = await rig.booked()
    await rig.cancel(found.id)
    await seen(rig, found, S.IN_TRANSIT, S.DELIVERED)
    after = rig.stored(found.id)
    assert after.state is S.CANCELLED
    assert [entry.state for entry in after.seen][-2:] == [S.IN_TRANSIT, S.DELIVERED]
    assert rig.kinds()[-1] == "consignment.cancelled"
    assert_refunded(rig, found.id)
