"""What carriers saw, from their call or ours: kept once, merged, told, and asked for again in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import parcel_cast
from tests.conftest import ClockedBooks, FakeClock
from tests.parcel_cast import Shipper
from tests.service.parcel_desk import Rig, refusal, rig_of, state_of

from ulak.core.consignments import Consignment
from ulak.core.errors import Refusal
from ulak.core.jobs import JobKind
from ulak.core.shipping import Abilities, Sighting, Unreached, Watched
from ulak.core.states import SEEN_PARCELS, ParcelState
from ulak.core.tracking import DAY, HOUR, MINUTE, merge
from ulak.service import sightings
from ulak.service.desk import Denied
from ulak.store import carriers as carrier_store
from ulak.store import consignments
from ulak.store.engine import Database
from ulak.store.writer import sync_write

S = ParcelState


@pytest.fixture
def rig(database: Database, books: ClockedBooks) -> Rig:
    return rig_of(database, books)


def saw(state: ParcelState, after: int, text: str = "", **rest: bool) -> Sighting:
    """So many ms after the clock's beginning."""
    return Sighting(parcel_cast.NOW + after, state, text or state.name, "Adana", f"raw {state}", **rest)


async def pair(rig: Rig) -> Consignment:
    """A consignment of two packages."""
    packages = (parcel_cast.package(), parcel_cast.package())
    return await rig.booked(rig.order(shipment=parcel_cast.shipment(packages=packages)))


async def look(rig: Rig) -> None:
    """The worker comes by."""
    await rig.desk.look(rig.claim(JobKind.TRACK))


# Kept, merged, told.


async def test_what_is_seen_moves_the_parcel_and_is_told_in_order(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    rig.books.clock.advance(HOUR)
    news = [saw(S.OUT_FOR_DELIVERY, 30), saw(S.PICKED_UP, 10), saw(S.IN_TRANSIT, 20)]
    assert await rig.desk.told(rig.first_id, found.tracking or "", news)
    after = rig.stored(found.id)
    assert (after.state, after.state_at) == (S.OUT_FOR_DELIVERY, parcel_cast.NOW + 30)
    assert (after.labels[0].state, after.labels[0].state_at) == (after.state, after.state_at)
    assert [seen.state for seen in after.seen] == [S.BOOKED, S.PICKED_UP, S.IN_TRANSIT, S.OUT_FOR_DELIVERY]
    assert after.updated == clock.now
    told = [news for kind, news in rig.events() if kind == "consignment.status_changed"]
    assert [(one.state, one.text, one.at - parcel_cast.NOW, one.stored) for one in told] == [
        (S.PICKED_UP, "PICKED_UP", 10, clock.now),
        (S.IN_TRANSIT, "IN_TRANSIT", 20, clock.now),
        (S.OUT_FOR_DELIVERY, "OUT_FOR_DELIVERY", 30, clock.now),
    ]
    assert {(one.tracking, one.location) for one in told} == {(found.tracking, "Adana")}


async def test_told_again_nothing_changes(rig: Rig) -> None:
    found = await rig.booked()
    news = [saw(S.PICKED_UP, 10), saw(S.IN_TRANSIT, 20)]
    await rig.desk.told(rig.first_id, found.tracking or "", news)
    before, events = rig.stored(found.id), rig.events()
    rig.books.clock.advance(HOUR)
    for again in (news, news[::-1], news[:1], news * 2):
        assert await rig.desk.told(rig.first_id, (found.tracking or "").lower(), again)
    assert rig.stored(found.id) == before
    assert rig.events() == events


async def test_late_and_unreadable_news_are_kept_and_move_nothing(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    await rig.desk.told(rig.first_id, found.tracking or "", [saw(S.IN_TRANSIT, 20)])
    rig.books.clock.advance(HOUR)
    late = [saw(S.PICKED_UP, 10), saw(S.UNKNOWN, 30)]
    await rig.desk.told(rig.first_id, found.tracking or "", late)
    after = rig.stored(found.id)
    assert (after.state, len(after.seen), after.updated) == (S.IN_TRANSIT, 4, clock.now)
    assert rig.kinds().count("consignment.status_changed") == 1


async def test_a_final_state_is_left_by_a_correction_only(rig: Rig) -> None:
    found = await rig.booked()
    code = found.tracking or ""
    await rig.desk.told(rig.first_id, code, [saw(S.DELIVERED, 10)])
    assert rig.jobs(JobKind.TRACK) == []
    await rig.desk.told(rig.first_id, code, [saw(S.IN_TRANSIT, 20)])
    assert state_of(rig, found.id) is S.DELIVERED
    await rig.desk.told(rig.first_id, code, [saw(S.RETURNING, 30, correction=True)])
    assert state_of(rig, found.id) is S.RETURNING
    assert rig.kinds().count("consignment.status_changed") == 2


async def test_the_whole_is_over_when_every_package_is(rig: Rig) -> None:
    found = await pair(rig)
    one, two = (label.tracking or "" for label in found.labels)
    await rig.desk.told(rig.first_id, one, [saw(S.IN_TRANSIT, 10), saw(S.DELIVERED, 50)])
    assert state_of(rig, found.id) is S.IN_TRANSIT
    assert [label.state for label in rig.stored(found.id).labels] == [S.DELIVERED, S.BOOKED]
    await rig.desk.told(rig.first_id, two, [saw(S.ON_HOLD, 40)])
    assert state_of(rig, found.id) is S.ON_HOLD
    assert rig.jobs(JobKind.TRACK)
    await rig.desk.told(rig.first_id, two, [saw(S.DELIVERED, 45)])
    after = rig.stored(found.id)
    assert (after.state, after.state_at) == (S.DELIVERED, parcel_cast.NOW + 50)
    told = [news for kind, news in rig.events() if kind == "consignment.status_changed"]
    assert [(news.state, news.tracking) for news in told] == [
        (S.IN_TRANSIT, one),
        (S.ON_HOLD, two),
        (S.DELIVERED, two),
    ]
    assert rig.jobs(JobKind.TRACK) == []


async def test_one_package_seen_once_more_does_not_change_how_the_whole_ended(rig: Rig) -> None:
    found = await pair(rig)
    one, two = (label.tracking or "" for label in found.labels)
    await rig.desk.told(rig.first_id, one, [saw(S.DELIVERED, 10)])
    await rig.desk.told(rig.first_id, two, [saw(S.RETURNED, 20)])
    await rig.desk.told(rig.first_id, one, [saw(S.DELIVERED, 30)])
    after = rig.stored(found.id)
    assert (after.state, after.state_at) == (S.RETURNED, parcel_cast.NOW + 20)
    assert rig.kinds().count("consignment.status_changed") == 2
    await rig.desk.told(rig.first_id, one, [saw(S.LOST, 40, correction=True)])
    assert state_of(rig, found.id) is S.LOST


async def test_many_parcels_at_once(rig: Rig) -> None:
    found = [await pair(rig) for _ in range(3)]
    heard = [(label, [saw(S.PICKED_UP, label.id)]) for one in found for label in one.labels]
    after = rig.write(lambda tx: sightings.record(tx, heard))
    assert after == {one.id: rig.stored(one.id) for one in found}
    assert {one.state for one in after.values()} == {S.PICKED_UP}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(SEEN_PARCELS | {S.UNKNOWN})), st.integers(1, 1000)),
        max_size=8,
        unique_by=lambda entry: entry[1],
    ),
    st.data(),
)
def test_the_store_merges_as_the_rules_say(
    sqlite_database: Database, found: list[tuple[ParcelState, int]], data: st.DataObject
) -> None:
    """In pieces of any size and order, some of them twice."""
    account = Shipper(1, "alice", "")
    made = parcel_cast.consignment(account.id, posted=0, labels=[parcel_cast.label()])
    stored = sync_write(sqlite_database, lambda tx: consignments.load(tx, [consignments.insert(tx, made)]))
    ((consignment_id, consignment),) = stored.items()
    (label,) = consignment.labels
    news = [Sighting(parcel_cast.NOW + at, state, "") for state, at in found]
    pieces = data.draw(st.lists(st.lists(st.sampled_from(news)), max_size=4)) if news else []
    expected = label.state, label.state_at
    known: set[Sighting] = set()
    for piece in [*pieces, news]:
        fresh = [one for one in dict.fromkeys(piece) if one not in known]
        known.update(fresh)
        expected = merge(*expected, fresh)
        after = sync_write(sqlite_database, partial(sightings.record, heard=[(label, piece)]))
    found_state = after[consignment_id]
    assert (found_state.state, found_state.state_at) == expected
    assert len(found_state.seen) == len(news)


# A carrier calls us.


async def test_a_code_that_nobody_has_is_not_known(rig: Rig) -> None:
    found = await rig.booked()
    assert not await rig.desk.told(rig.first_id, "RR999999999TR", [saw(S.DELIVERED, 1)])
    assert not await rig.desk.told(rig.second_id, found.tracking or "", [saw(S.DELIVERED, 1)])
    assert state_of(rig, found.id) is S.BOOKED


async def test_of_a_code_that_was_used_before_the_newest_is_meant(rig: Rig) -> None:
    rig.first.code = lambda _n: "RR123456785TR"
    found = [await rig.booked() for _ in range(2)]
    assert await rig.desk.told(rig.first_id, "RR123456785TR", [saw(S.PICKED_UP, 1)])
    assert [state_of(rig, one.id) for one in found] == [S.BOOKED, S.PICKED_UP]


async def test_a_hint_makes_a_look_due(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    assert await rig.desk.told(rig.first_id, found.tracking or "", [])
    assert rig.jobs(JobKind.TRACK) == [(found.id, clock.now, 0, "")]
    await rig.cancel(found.id)
    assert await rig.desk.told(rig.first_id, found.tracking or "", [])
    assert rig.jobs(JobKind.TRACK) == []


# We ask the carrier.


async def test_a_look_asks_once_a_carrier_and_plans_the_next(rig: Rig, clock: FakeClock) -> None:
    found = [await rig.booked(rig.order(carrier_id=id)) for id in (rig.first_id, rig.first_id, rig.second_id)]
    assert rig.claim(JobKind.TRACK) == []
    rig.books.clock.advance(5 * MINUTE)
    rig.first.news = {found[0].tracking or "": [saw(S.PICKED_UP, 100)]}
    await look(rig)
    assert [[watched.tracking for watched in call] for call in rig.first.asked] == [
        [found[0].tracking, found[1].tracking]
    ]
    (watched, _) = rig.first.asked[0]
    assert (watched.reference, watched.booked, watched.country) == ("ref-1", parcel_cast.NOW, "TR")
    assert len(rig.second.asked) == 1
    assert [state_of(rig, one.id) for one in found] == [S.PICKED_UP, S.BOOKED, S.BOOKED]
    assert {rig.stored(one.id).looked for one in found} == {clock.now}
    assert {(due, claim) for _, due, _, claim in rig.jobs(JobKind.TRACK)} == {(clock.now + 5 * MINUTE, "")}
    assert rig.stored(found[1].id).updated == found[1].updated


async def test_looks_become_rarer_and_end(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    for age, delay in ((2 * HOUR, 30 * MINUTE), (4 * DAY, 2 * HOUR), (20 * DAY, DAY)):
        clock.now = parcel_cast.NOW + age
        await look(rig)
        assert rig.jobs(JobKind.TRACK) == [(found.id, clock.now + delay, 0, "")]
    clock.now = parcel_cast.NOW + 90 * DAY
    await look(rig)
    assert rig.jobs(JobKind.TRACK) == []
    assert len(rig.first.asked) == 4


async def test_what_is_over_is_not_asked_about(rig: Rig) -> None:
    found = await pair(rig)
    one, two = (label.tracking or "" for label in found.labels)
    rig.books.clock.advance(HOUR)
    rig.first.news = {one: [saw(S.DELIVERED, 100)]}
    await look(rig)
    rig.books.clock.advance(DAY)
    rig.first.news = {two: [saw(S.LOST, 200)]}
    await look(rig)
    assert [[watched.tracking for watched in call] for call in rig.first.asked] == [[one, two], [two]]
    assert state_of(rig, found.id) is S.LOST
    assert rig.jobs(JobKind.TRACK) == []


@pytest.mark.parametrize(("broken", "waits"), [(False, (1, 2, 4, 8, 16, 32, 60, 60)), (True, (1, 2))])
async def test_a_carrier_that_is_away_is_asked_sooner_and_it_does_not_count(
    rig: Rig, clock: FakeClock, broken: bool, waits: tuple[int, ...]
) -> None:
    found = await rig.booked()
    code = found.tracking or ""
    rig.first.tracking = RuntimeError("oh") if broken else None
    rig.first.news = {code: Unreached("away")}
    rig.books.clock.advance(HOUR)
    for minutes in waits:
        await look(rig)
        ((_, due, _, _),) = rig.jobs(JobKind.TRACK)
        assert due == clock.now + minutes * MINUTE
        clock.now = due
    assert rig.stored(found.id).looked is None
    rig.first.tracking, rig.first.news = None, {}
    await look(rig)
    assert rig.stored(found.id).looked == clock.now
    assert rig.jobs(JobKind.TRACK) == [(found.id, clock.now + 30 * MINUTE, 0, "")]


async def test_what_came_of_some_labels_counts_though_others_were_missed(rig: Rig, clock: FakeClock) -> None:
    found = await pair(rig)
    one, two = (label.tracking or "" for label in found.labels)
    rig.books.clock.advance(HOUR)
    rig.first.news = {one: [saw(S.PICKED_UP, 100)], two: Unreached("away")}
    await look(rig)
    after = rig.stored(found.id)
    assert (after.state, after.looked) == (S.PICKED_UP, None)
    assert [due for _, due, _, _ in rig.jobs(JobKind.TRACK)] == [clock.now + MINUTE]


async def test_a_carrier_that_was_removed_may_come_back(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    rig.books.clock.advance(HOUR)
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    await look(rig)
    assert rig.jobs(JobKind.TRACK) == [(found.id, clock.now + 6 * HOUR, 0, "")]
    assert not rig.first.asked


async def test_one_that_did_not_come_back_is_not_waited_for_for_ever(rig: Rig) -> None:
    await rig.booked()
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    rig.books.clock.advance(90 * DAY)
    await look(rig)
    assert rig.jobs(JobKind.TRACK) == []


async def test_a_clock_that_is_moved_during_a_look_skips_none(
    rig: Rig, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The carrier was asked before: what has happened since by the new time is asked for at once."""
    found = await rig.booked()
    clock.advance(HOUR)
    jobs = rig.claim(JobKind.TRACK)
    asked, track = clock.now, rig.first.track

    async def slow(labels: Sequence[Watched], now: int) -> Sequence[Sequence[Sighting] | Unreached]:
        clock.advance(30 * HOUR)
        return await track(labels, now)

    monkeypatch.setattr(rig.first, "track", slow)
    await rig.desk.look(jobs)
    assert rig.jobs(JobKind.TRACK) == [(found.id, asked + 30 * MINUTE, 0, "")]
    assert asked + 30 * MINUTE < clock.now


async def test_half_a_character_is_no_reason_not_to_keep_news(rig: Rig) -> None:
    found = await rig.booked()
    await rig.desk.told(1, found.tracking or "", [saw(S.IN_TRANSIT, 1, "Da\ud800\0")])
    assert [seen.text for seen in rig.stored(found.id).seen][-1] == "Da\ufffd\ufffd"


async def test_news_that_cannot_be_written_keep_those_of_no_other(rig: Rig, clock: FakeClock) -> None:
    broken, fine = await rig.booked(), await rig.booked()
    bad = Sighting(2**70, S.IN_TRANSIT, "later than any number that a database holds")
    rig.first.news = {broken.tracking or "": [bad], fine.tracking or "": [saw(S.PICKED_UP, 10)]}
    rig.books.clock.advance(HOUR)
    await look(rig)
    assert (state_of(rig, broken.id), state_of(rig, fine.id)) == (S.BOOKED, S.PICKED_UP)
    assert rig.stored(broken.id).looked is None
    assert rig.jobs(JobKind.TRACK) == [
        (broken.id, clock.now + MINUTE, 1, ""),
        (fine.id, clock.now + 30 * MINUTE, 0, ""),
    ]


async def test_a_carrier_that_cannot_be_asked_any_more_is_not(rig: Rig) -> None:
    await rig.booked()
    rig.books.clock.advance(HOUR)
    rig.first.abilities = Abilities(tracking=False)
    await look(rig)
    assert rig.jobs(JobKind.TRACK) == []
    assert not rig.first.asked


async def test_a_cancel_during_a_look_wins(rig: Rig) -> None:
    found = await rig.booked()
    rig.books.clock.advance(HOUR)
    jobs = rig.claim(JobKind.TRACK)
    rig.first.news = {found.tracking or "": [saw(S.PICKED_UP, 100)]}
    await asyncio.gather(rig.cancel(found.id), rig.desk.look(jobs))
    after = rig.stored(found.id)
    assert (after.state, after.posted) == (S.CANCELLED, 0)
    assert rig.jobs(JobKind.TRACK) == []


async def test_that_a_cancelled_parcel_is_cancelled_is_no_news(rig: Rig) -> None:
    """A carrier that is a server like ours tells our own cancelling back, at its own time."""
    found = await rig.booked()
    await rig.cancel(found.id)
    before = rig.stored(found.id)
    told = [saw(S.CANCELLED, 1), saw(S.CANCELLED, -1), saw(S.IN_TRANSIT, 2)]
    assert await rig.desk.told(1, found.tracking or "", told)
    after = rig.stored(found.id)
    assert [seen.state for seen in after.seen].count(S.CANCELLED) == 1
    assert len(after.seen) == len(before.seen) + 1
    assert after.state is S.CANCELLED


async def test_a_parcel_that_is_not_over_after_all_is_asked_about_again(rig: Rig) -> None:
    found = await rig.booked()
    await rig.desk.told(1, found.tracking or "", [saw(S.DELIVERED, 10)])
    assert rig.jobs(JobKind.TRACK) == []
    await rig.desk.told(1, found.tracking or "", [saw(S.IN_TRANSIT, 20)._replace(correction=True)])
    assert rig.stored(found.id).state is S.IN_TRANSIT
    assert len(rig.jobs(JobKind.TRACK)) == 1


# A customer asks.


async def test_a_recheck_asks_at_once(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    planned = rig.jobs(JobKind.TRACK)
    rig.first.news = {found.tracking or "": [saw(S.IN_TRANSIT, 10)]}
    rig.books.clock.advance(MINUTE)
    after = await rig.desk.recheck(rig.who, found.id)
    assert after == rig.stored(found.id)
    assert isinstance(after, Consignment)
    assert (after.state, after.looked) == (S.IN_TRANSIT, clock.now)
    assert rig.jobs(JobKind.TRACK) == planned
    rig.first.news = {found.tracking or "": Unreached("away")}
    assert await rig.desk.recheck(rig.who, found.id) == Denied(Refusal.CARRIER_UNREACHED, "away", found.id)


async def test_a_recheck_needs_somebody_to_ask(rig: Rig) -> None:
    rejected = await rig.rejected()
    assert refusal(await rig.desk.recheck(rig.who, rejected)) is Refusal.WRONG_STATE
    assert refusal(await rig.desk.recheck(rig.who, 99)) is Refusal.NOT_FOUND
    found = await rig.booked()
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    assert refusal(await rig.desk.recheck(rig.who, found.id)) is Refusal.CARRIER_UNREACHED
