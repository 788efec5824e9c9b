"""The sliding window: exactly so many requests in any span, for each key by itself."""

from __future__ import annotations

from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from ulak.service.limits import Rate, Window

MINUTE = 60_000


def test_so_many_and_no_more() -> None:
    window = Window(3, MINUTE)
    assert [window.ask("a", 1000 + n) for n in range(3)] == [Rate(True, 3, left, 0) for left in (2, 1, 0)]
    assert window.ask("a", 1003) == Rate(False, 3, 0, 60)
    assert window.ask("b", 1003) == Rate(True, 3, 2, 0)
    assert window.unasked == Rate(True, 3, 3, 0)


def test_the_wait_is_whole_seconds_rounded_up() -> None:
    window = Window(1, MINUTE)
    window.ask("a", 0)
    waits = {now: window.ask("a", now).wait for now in (1, 999, 1000, 1001, 58_999, 59_000, 59_001, 59_999)}
    assert waits == {1: 60, 999: 60, 1000: 59, 1001: 59, 58_999: 2, 59_000: 1, 59_001: 1, 59_999: 1}
    assert window.ask("a", MINUTE) == Rate(True, 1, 0, 0)


def test_what_is_refused_does_not_count() -> None:
    window = Window(2, MINUTE)
    window.ask("a", 0)
    window.ask("a", 30_000)
    assert not any(window.ask("a", now).allowed for now in range(30_001, 60_000, 100))
    assert window.ask("a", 60_000).allowed
    assert not window.ask("a", 60_001).allowed
    assert window.ask("a", 90_000).allowed


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=60),
    st.integers(1, 5),
    st.integers(1, 60),
)
def test_any_span_holds_no_more_than_the_limit(asked: list[tuple[str, int]], limit: int, span: int) -> None:
    window = Window(limit, span)
    now = 0
    taken: dict[str, list[int]] = {"a": [], "b": []}
    for key, later in asked:
        now += later
        before = taken[key]
        inside = len(before) - bisect_right(before, now - span)
        rate = window.ask(key, now)
        assert rate.allowed is (inside < limit)
        assert rate.remaining == (limit - inside - 1 if rate.allowed else 0)
        if rate.allowed:
            assert rate.wait == 0
            before.append(now)
        else:
            oldest = before[-inside]
            assert rate.wait == -(-(oldest + span - now) // 1000)


def test_threads_that_ask_at_once_get_the_limit_between_them() -> None:
    window = Window(300, MINUTE)
    with ThreadPoolExecutor(16) as threads:
        rates = list(threads.map(lambda n: window.ask("a", 1_000 + n % 7), range(301)))
    assert sum(not rate.allowed for rate in rates) == 1
    assert sorted(rate.remaining for rate in rates if rate.allowed) == list(range(300))


def test_keys_are_forgotten() -> None:
    window = Window(2, MINUTE)
    for n in range(1000):
        window.ask(f"key {n}", n)
    assert len(window) == 1000
    for n in range(600):
        window.ask("late", 2 * MINUTE + n * MINUTE)
    assert len(window) == 1


def test_a_clock_that_was_set_back_begins_anew() -> None:
    window = Window(1, MINUTE)
    window.ask("a", 10 * MINUTE)
    assert window.ask("a", 1).allowed
    assert not window.ask("a", 2).allowed
