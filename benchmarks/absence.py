"""PostgreSQL goes away and comes back: how long who asks meanwhile waits for his refusal, and how soon orders
are taken again. First it is stopped at once; then it only stands still, and does not even say so.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from benchmarks import postgres
from benchmarks.rig import Bench, Figure, Ulak

_numbers = count(905_301_000_001)

Asked = tuple[float, int, float]
"""When it was asked, the status, and the seconds until the answer was there."""


def run(bench: Bench) -> None:
    """Both absences, a few times each."""
    rounds, away = (2, 2.0) if bench.quick else (10, 5.0)
    with postgres.server(bench) as server:
        home = bench.home("absence", url=server.database())
        with Ulak(home) as ulak:
            _rounds(bench, ulak, "stopped", rounds, away, server.kill, server.start)
            frozen: list[int] = []

            def freeze() -> None:
                children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
                frozen[:] = [server.pid, *map(int, children)]
                for pid in frozen:
                    os.kill(pid, signal.SIGSTOP)

            def wake() -> None:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)

            _rounds(bench, ulak, "frozen", max(1, rounds // 5), 25.0, freeze, wake)


def _rounds(
    bench: Bench,
    ulak: Ulak,
    name: str,
    rounds: int,
    away: float,
    leave: Callable[[], None],
    come_back: Callable[[], None],
) -> None:
    refused: list[float] = []
    noticed: list[float] = []
    again: list[float] = []
    for _ in range(rounds):
        _until_taken(ulak, time.monotonic())
        leave()
        left = time.monotonic()
        asked = _ask_for(ulak, away)
        wrong = [status for _, status, _ in asked if status != 503]
        if wrong:
            raise SystemExit(f"{name}: answered {wrong}")
        # Who was there when it left waits until that is noticed; nobody waits after that.
        noticed.append(asked[0][0] + asked[0][2] - left)
        refused += [seconds for _, _, seconds in asked[1:]]
        come_back()
        again.append(_until_taken(ulak, time.monotonic()))
    refused.sort()
    bench.note(f"{name}: {len(refused)} refused in {rounds} absences of {away:g} s")
    bench.add(Figure(f"{name}: until it was noticed, longest", max(noticed), "s", at_most=20))
    bench.add(
        Figure(f"{name}: refused after, p99", refused[int(len(refused) * 0.99)] * 1000, "ms", at_most=100)
    )
    bench.add(Figure(f"{name}: taken again after, longest", max(again), "s", at_most=2))


def _ask(ulak: Ulak) -> Asked:
    body = ulak.order_body(f"absence {next(_numbers)}", [str(next(_numbers))])
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", ulak.port, timeout=120)
    connection.request("POST", "/v1/send-sms/json", body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return began, answer.status, time.monotonic() - began


def _ask_for(ulak: Ulak, seconds: float) -> list[Asked]:
    until = time.monotonic() + seconds
    asked = []
    while time.monotonic() < until:
        asked.append(_ask(ulak))
        time.sleep(0.01)
    return asked


def _until_taken(ulak: Ulak, since: float) -> float:
    while _ask(ulak)[1] != 200:
        time.sleep(0.01)
    return time.monotonic() - since
