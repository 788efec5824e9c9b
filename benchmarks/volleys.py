"""What finding one of many costs, beside finding one of few: volleys of requests to two servers, in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.machine import Meter, rss_of
from benchmarks.rig import Bench, Figure, Helper, Home, Ulak, http_ceiling

CONNECTIONS = 16
FEW, MANY = 10_000, 1_000_000
VOLLEY = 30_000
"""Requests of one volley."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and how its figures are called."""

    group: str
    name: str
    noun: str
    path: str
    """With a place for the serial of a row, as `benchmarks.load` fills it in."""

    fill: Callable[[Home, int], object]
    options: dict[str, str]
    keyed: bool = False
    """Who asks says his `APIKEY`."""

    p99_at_most: float | None = None


def compare(bench: Bench, question: Question) -> None:
    """Ask a server with few rows and one with many, in turn, and add the figures."""
    many = MANY // 20 if bench.quick else MANY
    few_home, many_home = bench.home("few"), bench.home("many")
    question.fill(few_home, FEW)
    question.fill(many_home, many)
    bench.note(f"stored: {FEW:,} and {many:,} rows; {CONNECTIONS} connections")
    with (
        Helper("load") as load,
        Ulak(few_home, **question.options) as few,
        Ulak(many_home, **question.options) as lots,
    ):
        for ulak, spread in ((few, FEW), (lots, many)):
            _volley(load, ulak, question, spread, 5_000)
        costs: tuple[list[float], list[float]] = [], []
        slowest: list[float] = []
        rounds = 2 if bench.quick else 4
        grown_from = rss_of(lots.pid)
        with bench.spied(lots, f"{question.group}-{question.noun}"):
            for turn in range(rounds):
                sides = ((0, few, FEW), (1, lots, many))
                for which, ulak, spread in sides if turn % 2 else reversed(sides):
                    cost, answer = _volley(load, ulak, question, spread, VOLLEY, first=turn * VOLLEY)
                    costs[which].append(cost)
                    if which:
                        slowest.append(answer["p99_ms"])
        grown = rss_of(lots.pid) - grown_from
    among_few, among_many = map(statistics.median, costs)
    bench.note(
        f"CPU µs a {question.noun}: {among_few * 1e6:.0f} among {FEW:,},"
        f" {among_many * 1e6:.0f} among {many:,} (medians of {rounds} volleys of {VOLLEY:,})"
    )
    group, asked = question.group, f"{rounds * VOLLEY:,} {question.noun}s"
    bench.add(Figure(f"{group}: {question.name}", 1 / among_many, "requests/s a core", at_least=3_000))
    bench.add(Figure(f"{group}: answer after, p99", max(slowest), "ms", at_most=question.p99_at_most))
    bench.add(Figure(f"{group}: cost among many beside few", among_many / among_few, "x", at_most=1.5))
    bench.add(Figure(f"{group}: grown over {asked}", grown, "MiB", at_most=16))
    http_ceiling(bench, group, CONNECTIONS)


def _volley(
    load: Helper, ulak: Ulak, question: Question, spread: int, count: int, first: int = 0
) -> tuple[float, dict[str, Any]]:
    """CPU seconds of the server for one request, and what the client saw."""
    meter = Meter(ulak=ulak.pid)
    answer = load.ask(
        port=ulak.port,
        path=question.path,
        spread=spread,
        headers={"APIKEY": ulak.home.apikey} if question.keyed else {},
        connections=CONNECTIONS,
        count=count,
        first=first,
    )
    usage = meter.read()
    if answer["refused"]:
        raise SystemExit(f"{question.name}: {answer['first_refusal']}")
    return usage.cpu["ulak"] / count, answer
