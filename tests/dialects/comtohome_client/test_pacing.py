"""Requests stay within what the server allows: by our own count, and by what it says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ulak.dialects.comtohome.pacing import Pacer

WINDOW = 60_000


def limits(limit: int, left: int, reset: int = 0) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(left),
        "x-ratelimit-reset": str(reset),
    }


def test_the_window_slides() -> None:
    pacer = Pacer(3)
    assert [pacer.wait(now) for now in (0, 10, 20)] == [0, 0, 0]
    assert pacer.wait(30) == WINDOW - 30
    assert pacer.wait(WINDOW - 1) == 1
    assert pacer.wait(WINDOW) == 0
    assert pacer.wait(WINDOW) == 10


def test_300_go_at_once_before_anything_is_known() -> None:
    pacer = Pacer()
    assert sum(pacer.wait(5) == 0 for _ in range(400)) == 300


def test_what_is_not_urgent_leaves_a_part_to_the_rest() -> None:
    pacer = Pacer(10)
    assert sum(pacer.wait(0, urgent=False) == 0 for _ in range(20)) == 8
    assert pacer.wait(1, urgent=False) == WINDOW - 1
    assert sum(pacer.wait(1) == 0 for _ in range(20)) == 2
    assert pacer.wait(WINDOW - 1, urgent=False) == 1
    assert Pacer(1).wait(0, urgent=False) == 0


def test_a_larger_limit_is_used() -> None:
    pacer = Pacer(1)
    assert pacer.wait(0) == 0
    pacer.learn(limits(1000, 999), 1)
    assert sum(pacer.wait(2) == 0 for _ in range(2000)) == 999


def test_what_others_use_is_left_to_them() -> None:
    pacer = Pacer(10)
    assert pacer.wait(0) == 0
    pacer.learn(limits(10, 4), 1)
    assert sum(pacer.wait(2) == 0 for _ in range(10)) == 4
    assert pacer.wait(2) == 1000
    pacer.learn(limits(10, 2), 3)
    assert sum(pacer.wait(4) == 0 for _ in range(10)) == 2


def test_what_others_used_is_forgotten_after_a_minute() -> None:
    pacer = Pacer(10)
    pacer.learn(limits(10, 1), 0)
    assert [pacer.wait(1), pacer.wait(WINDOW - 1)] == [0, 1]
    assert pacer.wait(WINDOW) == 0


def test_with_nothing_left_it_waits_for_the_reset() -> None:
    pacer = Pacer(10)
    assert pacer.wait(0) == 0
    pacer.learn(limits(10, 0, reset=7), 1000)
    assert pacer.wait(1000) == 7000
    assert pacer.wait(8000) == 0


def test_after_a_refusal_it_waits_as_told() -> None:
    for headers, wait in (
        ({"x-ratelimit-reset": "7", "retry-after": "9"}, 7_000),
        ({"x-ratelimit-reset": "0", "retry-after": "9"}, 9_000),
        ({"retry-after": "Wed, 20 May 2026 11:00:00 GMT"}, 5_000),
        ({}, 5_000),
        ({"retry-after": "999999999"}, 600_000),
    ):
        pacer = Pacer()
        pacer.refused(headers, 0)
        assert pacer.wait(0) == wait
        assert pacer.wait(wait) == 0


def test_headers_that_are_none_change_nothing() -> None:
    pacer = Pacer(2)
    for value in ("", "-1", "many", "²", "1e9", "9" * 30):
        pacer.learn({"x-ratelimit-limit": value, "x-ratelimit-remaining": value}, 0)
    assert [pacer.wait(0), pacer.wait(0), pacer.wait(0)] == [0, 0, WINDOW]


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 30_000), st.none() | st.integers(0, 25)), max_size=200),
)
def test_no_window_ever_holds_more_than_the_limit(limit: int, steps: list[tuple[int, int | None]]) -> None:
    pacer, now, went = Pacer(limit), 0, []
    for pause, left in steps:
        now += pause
        wait = pacer.wait(now)
        assert wait >= 0
        if wait == 0:
            went.append(now)
        if left is not None:
            pacer.learn(limits(limit, left), now)
    for first in went:
        assert sum(first <= at < first + WINDOW for at in went) <= limit
