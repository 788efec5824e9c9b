"""What news make of a parcel, and when its carrier is asked again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.shipping import Sighting
from ulak.core.states import FINAL_PARCELS, SEEN_PARCELS, ParcelState
from ulak.core.tracking import DAY, EARLY, GIVEN_UP, HOUR, MINUTE, merge, moves, next_look, whole

S = ParcelState
START = 1_779_274_991_000

states = st.sampled_from(list(ParcelState))
times = st.integers(START, START + 30 * DAY)
news = st.builds(
    Sighting,
    at=times,
    state=states,
    text=st.just(""),
    correction=st.booleans(),
)
several = st.lists(news, max_size=12, unique_by=lambda seen: seen.at)


def saw(state: ParcelState, at: int, correction: bool = False) -> Sighting:
    return Sighting(START + at, state, "", correction=correction)


def merged(*sightings: Sighting, state: ParcelState = S.BOOKED, at: int = 0) -> tuple[ParcelState, int]:
    state, moved = merge(state, START + at, sightings)
    return state, moved - START


# One label.


def test_the_newest_by_its_own_time_decides() -> None:
    assert merged(saw(S.OUT_FOR_DELIVERY, 30), saw(S.PICKED_UP, 10), saw(S.IN_TRANSIT, 20)) == (
        S.OUT_FOR_DELIVERY,
        30,
    )


def test_of_two_at_the_same_time_the_one_that_came_last_decides() -> None:
    assert merged(saw(S.IN_TRANSIT, 10), saw(S.ON_HOLD, 10)) == (S.ON_HOLD, 10)
    assert merged(saw(S.ON_HOLD, 10), saw(S.IN_TRANSIT, 10)) == (S.IN_TRANSIT, 10)


def test_older_news_moves_nothing_back() -> None:
    assert merged(saw(S.IN_TRANSIT, 10), state=S.OUT_FOR_DELIVERY, at=20) == (S.OUT_FOR_DELIVERY, 20)


def test_the_first_news_may_seem_older_than_the_label() -> None:
    """Carriers that tell a day without an hour, or whose clock is slow; but not what came a year before."""
    assert merged(saw(S.PICKED_UP, -HOUR)) == (S.PICKED_UP, -HOUR)
    assert merged(saw(S.PICKED_UP, -EARLY)) == (S.PICKED_UP, -EARLY)
    assert merged(saw(S.DELIVERED, -EARLY - 1)) == (S.BOOKED, 0)
    assert merged(saw(S.DELIVERED, -365 * DAY), saw(S.PICKED_UP, 10)) == (S.PICKED_UP, 10)


@pytest.mark.parametrize("state", sorted(set(ParcelState) - SEEN_PARCELS))
def test_what_is_no_news_of_a_parcel_moves_nothing(state: ParcelState) -> None:
    assert merged(saw(state, 99, correction=True), state=S.IN_TRANSIT, at=5) == (S.IN_TRANSIT, 5)


@pytest.mark.parametrize("final", sorted(FINAL_PARCELS))
def test_only_a_later_correction_leads_out_of_a_final_state(final: ParcelState) -> None:
    assert merged(saw(S.IN_TRANSIT, 20), state=final, at=10) == (final, 10)
    assert merged(saw(S.RETURNING, 9, correction=True), state=final, at=10) == (final, 10)
    assert merged(saw(S.RETURNING, 10, correction=True), state=final, at=10) == (S.RETURNING, 10)
    assert merged(saw(S.RETURNING, 20, correction=True), saw(S.RETURNED, 30), state=final, at=10) == (
        S.RETURNED,
        30,
    )


def test_that_it_was_delivered_may_be_told_again() -> None:
    assert merged(saw(S.DELIVERED, 20), state=S.DELIVERED, at=10) == (S.DELIVERED, 20)


@given(several, st.randoms())
def test_the_order_in_which_news_come_does_not_matter(sightings: list[Sighting], random: object) -> None:
    mixed = list(sightings)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert merge(S.BOOKED, START, sightings) == merge(S.BOOKED, START, mixed)


@given(several.map(lambda found: [s for s in found if s.state not in FINAL_PARCELS]), st.data())
def test_nor_how_they_are_told_in_parts(sightings: list[Sighting], data: st.DataObject) -> None:
    """As long as nothing was final in between: then what comes late may not be heard any more."""
    mixed = data.draw(st.permutations(sightings))
    cut = data.draw(st.integers(0, len(mixed)))
    state, at = merge(S.BOOKED, START, mixed[:cut])
    assert merge(state, at, mixed[cut:]) == merge(S.BOOKED, START, sightings)


@given(st.lists(news, max_size=12))
def test_to_hear_the_same_again_changes_nothing(sightings: list[Sighting]) -> None:
    state, at = merge(S.BOOKED, START, sightings)
    assert merge(state, at, sightings) == (state, at)


@given(states, st.lists(news, max_size=12), st.data())
def test_nothing_ever_moves_back(state: ParcelState, sightings: list[Sighting], data: st.DataObject) -> None:
    """News one by one, in any order: time never runs back, and a final state holds until it is corrected."""
    at = START + 15 * DAY
    for seen in data.draw(st.permutations(sightings)):
        before = state, at
        state, at = merge(state, at, [seen])
        assert ((state, at) != before) <= moves(*before, seen)
        if (state, at) != before:
            assert (state, at) == (seen.state, seen.at)
            assert at >= before[1] or (before[0] is S.BOOKED and at >= before[1] - EARLY)
            assert before[0] not in FINAL_PARCELS or seen.correction or state is before[0]


# All labels of a consignment.


def test_a_consignment_is_over_when_all_its_labels_are() -> None:
    assert whole([(S.DELIVERED, 10), (S.DELIVERED, 20)]) == (S.DELIVERED, 20)
    assert whole([(S.DELIVERED, 10), (S.LOST, 5)]) == (S.DELIVERED, 10)
    assert whole([(S.DELIVERED, 30), (S.OUT_FOR_DELIVERY, 20), (S.IN_TRANSIT, 10)]) == (
        S.OUT_FOR_DELIVERY,
        20,
    )


def test_a_label_that_was_not_seen_yet_does_not_hide_the_others() -> None:
    assert whole([(S.BOOKED, 10)]) == (S.BOOKED, 10)
    assert whole([(S.BOOKED, 10), (S.PICKED_UP, 5)]) == (S.PICKED_UP, 5)
    assert whole([(S.BOOKED, 10), (S.DELIVERED, 20)]) == (S.IN_TRANSIT, 20)


@given(st.lists(st.tuples(states, times), min_size=1, max_size=5))
def test_a_consignment_is_final_exactly_when_all_labels_are(labels: list[tuple[ParcelState, int]]) -> None:
    state, _ = whole(labels)
    assert (state in FINAL_PARCELS) == all(label[0] in FINAL_PARCELS for label in labels)


# When to ask again.


@pytest.mark.parametrize(
    ("age", "delay"),
    [
        (0, 5 * MINUTE),
        (HOUR - 1, 5 * MINUTE),
        (HOUR, 30 * MINUTE),
        (3 * DAY - 1, 30 * MINUTE),
        (3 * DAY, 2 * HOUR),
        (14 * DAY, DAY),
        (GIVEN_UP - 1, DAY),
        (GIVEN_UP, None),
    ],
)
def test_the_pace_slows_down_with_age(age: int, delay: int | None) -> None:
    assert next_look(age) == delay


def test_a_carrier_that_was_not_reached_is_asked_again_soon_and_then_less_often() -> None:
    delays = [next_look(DAY, tries) for tries in range(1, 100)]
    assert delays[:7] == [1 * MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE, 16 * MINUTE, 32 * MINUTE, HOUR]
    assert delays[-1] == HOUR
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(delays))
    assert next_look(GIVEN_UP, 3) is None
