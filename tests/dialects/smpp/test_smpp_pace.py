"""The speed of a link against operators that are drawn, in drawn time: nothing here waits."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

import pytest

from ulak.dialects.smpp.pace import PAUSE_FIRST, PAUSE_MAX, Pace

ROUND_TRIP = 0.005
WINDOW = 10


@dataclass
class Run:
    """What an operator saw."""

    offered: int
    accepted: int
    seconds: float


def drive(pace: Pace, allows: Callable[[float], bool], seconds: float, start: float = 1000.0) -> Run:
    """A link that always has something to send, and an operator that answers each part after a round trip."""
    now, outstanding, offered, accepted = start, 0, 0, 0
    answers: list[tuple[float, int, bool]] = []
    end = now + seconds
    while now < end:
        count = min(WINDOW - outstanding, pace.room(now))
        if count > 0:
            pace.spent(count, now)
            for _ in range(count):
                offered += 1
                heappush(answers, (now + ROUND_TRIP, offered, allows(now)))
            outstanding += count
        wake = pace.ready_at(now) if outstanding < WINDOW else end
        now = min(max(now + 1e-6, wake), answers[0][0] if answers else end, end)
        good = bad = 0
        while answers and answers[0][0] <= now:
            outstanding -= 1
            if heappop(answers)[2]:
                good += 1
            else:
                bad += 1
        if good or bad:
            pace.heard(good, bad, now)
        accepted += good
    return Run(offered, accepted, seconds)


def per_second(limit: int) -> Callable[[float], bool]:
    """An operator that counts whole seconds."""
    counted = {"second": 0, "parts": 0}

    def allows(now: float) -> bool:
        if int(now) != counted["second"]:
            counted.update(second=int(now), parts=0)
        counted["parts"] += 1
        return counted["parts"] <= limit

    return allows


def bucket(limit: int, burst: int) -> Callable[[float], bool]:
    """An operator that counts smoothly."""
    state = {"tokens": float(burst), "at": 1000.0}

    def allows(now: float) -> bool:
        state["tokens"] = min(burst, state["tokens"] + (now - state["at"]) * limit)
        state["at"] = now
        if state["tokens"] < 1:
            return False
        state["tokens"] -= 1
        return True

    return allows


@pytest.mark.parametrize("rate", [1, 7, 100, 1500])
def test_a_limit_of_ours_is_kept_and_used(rate: int) -> None:
    run = drive(Pace(rate, random.Random(1).random), lambda _: True, 20)
    assert 0.97 * rate * 20 - 1 <= run.offered <= 1.03 * rate * 20 + 1


def test_without_a_limit_only_the_window_counts() -> None:
    run = drive(Pace(0, random.Random(1).random), lambda _: True, 2)
    assert run.offered >= 0.95 * WINDOW / ROUND_TRIP * 2


@pytest.mark.parametrize("limit", [5, 20, 100, 500, 1500])
@pytest.mark.parametrize("operator", ["per second", "smooth", "smooth, bursts"])
def test_the_limit_of_an_operator_is_found(limit: int, operator: str) -> None:
    bursts = {"smooth": max(2, limit // 20), "smooth, bursts": limit}
    allows = bucket(limit, bursts[operator]) if operator in bursts else per_second(limit)
    pace = Pace(0, random.Random(limit).random)
    drive(pace, allows, 30)  # it learns
    run = drive(pace, allows, 60, start=1030.0)
    assert run.accepted >= 0.9 * limit * run.seconds
    assert run.offered <= 1.2 * limit * run.seconds


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_an_operator_that_throttles_by_chance(share: float) -> None:
    chance = random.Random(5)
    run = drive(Pace(0, random.Random(5).random), lambda _: chance.random() >= share, 30)
    assert run.offered < 2.2 * run.accepted + 2 * WINDOW
    assert run.accepted >= {0.01: 10_000, 0.5: 30}[share]


def test_an_operator_that_takes_nothing_is_asked_ever_less() -> None:
    run = drive(Pace(0, random.Random(5).random), lambda _: False, 120)
    assert run.accepted == 0
    assert run.offered <= WINDOW + 7 + 120 / (PAUSE_MAX * 0.8)


def test_an_operator_that_recovers_is_used_at_once() -> None:
    pace = Pace(0, random.Random(5).random)
    drive(pace, lambda now: now < 1005, 30)
    run = drive(pace, lambda _: True, 10, start=1030.0)
    assert run.accepted > 1000


def test_the_pause_is_one_tenth_of_a_second_at_first_and_doubles_with_failed_probes() -> None:
    pace = Pace(0, lambda: 0.5)  # no jitter
    now, pauses = 10.0, []
    for _ in range(8):
        pace.spent(1, now)
        pace.heard(0, 1, now)
        assert pace.room(now) == 0
        pauses.append(round(pace.ready_at(now) - now, 6))
        now = pace.ready_at(now)
        assert pace.room(now) == 1
    assert pauses == [PAUSE_FIRST, 0.2, 0.4, 0.8, 1.6, 3.2, PAUSE_MAX, PAUSE_MAX]


def test_the_jitter_is_a_fifth() -> None:
    for chance, pause in ((0.0, 0.08), (1.0, 0.12)):
        pace = Pace(0, lambda chance=chance: chance)  # type: ignore[misc]
        pace.heard(0, 1, 10.0)
        assert pace.ready_at(10.0) == pytest.approx(10.0 + pause)


def test_answers_to_what_was_sent_before_the_pause_do_not_lengthen_it() -> None:
    pace = Pace(0, lambda: 0.5)
    pace.heard(0, 1, 10.0)
    pace.heard(0, 9, 10.05)
    pace.heard(5, 0, 10.06)
    assert pace.ready_at(10.06) == pytest.approx(10.1)
    assert pace.room(10.1) == 1


def test_a_probe_that_is_never_answered_does_not_stop_the_link() -> None:
    pace = Pace(0, lambda: 0.5)
    pace.heard(0, 1, 10.0)
    assert pace.room(10.2) == 1
    pace.spent(1, 10.2)
    assert pace.room(10.3) == 0
    assert pace.ready_at(10.3) == pytest.approx(10.2 + PAUSE_MAX)
    assert pace.room(10.2 + PAUSE_MAX) == 1
