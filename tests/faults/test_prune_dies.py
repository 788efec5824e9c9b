"""Pruning that dies at every point, and pruning beside those who write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from tests import cast
from tests.cast import HOUR
from tests.conftest import FakeClock
from tests.mortal import dies_at
from tests.partition_rig import names, partitions_of
from tests.service.test_prune import KEEP, go, money, rows, settled

from ulak.service import audit, prune
from ulak.store.engine import Database
from ulak.store.writer import sync_read

VISITS = [
    ("prune.written", 1),
    ("prune.committed", 1),
    ("prune.written", 3),
    ("prune.committed", 3),
    ("partition.detached", 1),
    ("prune.dropped", 1),
    ("prune.written", 2),
    ("prune.committed", 4),
    ("partition.detached", 1),
]
"""Where it dies, and at which time that it comes there; then ever later until it is done."""


@pytest.fixture
def split(either_database: Database) -> Iterator[Database]:
    """Where there are partitions, small ones."""
    small = partitions_of(either_database, 100, 3) if either_database.postgres else nullcontext()
    with small:
        yield either_database
        assert sync_read(either_database, audit.check) == []


@pytest.mark.fault(
    "prune dies", "kill -9 at every point of `ulak prune`, each run going on where the last one died"
)
def test_death_at_every_point(
    split: Database,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setattr(prune, "ROWS", 2)
    monkeypatch.setattr(prune, "TRACES", 100)
    alice = cast.alice(split)
    for size in (40, 30, 60, 1, 50):  # two partitions, and a part of the third
        settled(split, alice, size)
    scheduled = cast.place(split, alice, 10, due=clock.now + 2 * KEEP)
    clock.advance(KEEP + HOUR)
    before, runs, visit = money(split), 0, 0
    while visit < len(VISITS) or dies_at("prune.committed", visit, lambda: go(split)):
        if visit < len(VISITS):
            point, nth = VISITS[visit]
            assert dies_at(point, nth, lambda: go(split)) or (nth == 1 and not split.postgres), VISITS[visit]
        visit, runs = visit + 1, runs + 1
        assert sync_read(split, audit.check) == []
        assert money(split) == before
    assert (rows(split, "sms_order"), rows(split, "message"), rows(split, "dropped_range")) == (1, 10, 0)
    assert cast.order_id(split, alice, scheduled)
    assert money(split) == before
    if split.postgres:
        assert len(names(split)) == 1
    record_property("runs", runs)


@pytest.mark.fault("prune beside writers", "two processes place and settle orders while a third one prunes")
def test_beside_two_writers(
    split: Database,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setattr(prune, "ROWS", 3)
    alice, bob = cast.alice(split), cast.bob(split)
    for _ in range(5):
        settled(split, alice, 30), settled(split, bob, 7)
    clock.advance(KEEP + HOUR)
    done = threading.Event()
    placed: dict[int, list[int]] = {alice.id: [], bob.id: []}

    def write(who: cast.Tenant) -> None:
        while not done.is_set():
            placed[who.id].append(cast.place(split, who, 3))

    writers = [threading.Thread(target=write, args=(who,)) for who in (alice, bob)]
    for writer in writers:
        writer.start()
    try:
        first = go(split)
        second = go(split)
    finally:
        done.set()
        for writer in writers:
            writer.join(60)
    assert (first["orders"], first["messages"], second) == (10, 185, {})
    for who in (alice, bob):
        assert placed[who.id]
        for number in placed[who.id]:
            assert cast.report_of(split, who, number).order.total == 3
    record_property("runs", sum(map(len, placed.values())))


@pytest.mark.fault("two prunes at once", "both delete what the other has chosen")
def test_two_at_once(
    split: Database,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """What one has deleted the other does not count."""
    monkeypatch.setattr(prune, "ROWS", 2)
    alice = cast.alice(split)
    for _ in range(6):
        settled(split, alice, 30)
    clock.advance(KEEP + HOUR)
    before, found = money(split), list[dict[str, int]]()
    threads = [threading.Thread(target=lambda: found.append(go(split))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(one.get("orders", 0) for one in found) == 6
    assert sum(one.get("messages", 0) for one in found) == 180
    assert money(split) == before
    assert rows(split, "sms_order") == 0
    record_property("runs", 1)
