"""`kill -9` at every point in the code that has a name (`ulak.core.points`).

A server dies at one point after the other, and each of its lives finds what the one before has left. After
each death everything that must be true is true; in the last life everything comes to its end, and whoever was
answered with success has got what it was about, once.

In `make test` each point is met once on SQLite, and some on PostgreSQL. In a soak each is met fifty times on
both, in any order, not always the first time that the code comes there, and after delays at others.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from tests.faults import messages, parcels, purchases
from tests.faults.lives import points
from tests.soak import SOAK, seed, turns

from ulak.store.engine import Database

TESTS = Path(__file__).parents[1]
FIFTH = 5
"""The writing transaction of a life at whose commit it dies in `make test`: one of an order."""

LATER = 4
"""At which time a point is deadly in a soak, at most."""

AROUND_COMMITS = ("decided", "committed", "written")
"""Where the databases differ: these points are met on both, and of the others every fifth."""


class World(Protocol):
    """Customers, carriers and a server that dies."""

    async def visit(self, point: str, nth: int = 1, *more: str) -> None:
        """Die at a point."""

    async def end(self) -> None:
        """Let everything end, and look at it."""


class Area(NamedTuple):
    """Some points, those of them that are come to `often`, and the world in which they are."""

    points: list[str]
    often: frozenset[str]
    world: Callable[[Database, random.Random], AbstractAsyncContextManager[World]]


AREAS = {
    "messages": Area(list(messages.VISITS), messages.OFTEN, messages.messages),
    "parcels": Area(list(parcels.VISITS), parcels.OFTEN, parcels.parcels),
    "purchases": Area(list(purchases.VISITS), purchases.OFTEN, purchases.purchases),
}


ELSEWHERE = {
    "faults/test_erase_dies.py": ("erase.written", "erase.committed", "erase.scrubbed"),
    "faults/test_journal_dies.py": ("journal.begun", "journal.answered", "journal.finished"),
    "faults/test_prune_dies.py": ("prune.written", "prune.committed", "prune.dropped", "partition.detached"),
    "faults/test_restore_dies.py": ("restore.before_commit", "restore.before_swap"),
}
"""Points that a server does not come to by itself, and the tests that do."""


def test_every_point_is_met() -> None:
    """A point that was added has a way to it."""
    here = [point for area in AREAS.values() for point in area.points]
    assert len(here) == len(set(here)) >= 40
    there = [(file, point) for file, named in ELSEWHERE.items() for point in named]
    assert {*here, *(point for _, point in there)} == points()
    assert [each for each in there if f'"{each[1]}"' not in (TESTS / each[0]).read_text()] == []


@pytest.mark.fault("F1 kill -9 at a point", "at each named point of the server, then started again")
@pytest.mark.parametrize("turn", turns(50))
@pytest.mark.parametrize("area", AREAS)
async def test_death_at_every_point(
    either_database: Database, area: str, turn: int, record_property: Callable[[str, object], None]
) -> None:
    begins = seed(20261122)
    chance = random.Random(f"{begins} {area} {turn}")
    chosen, deaths = _chosen(AREAS[area].points, either_database, chance), 0
    async with AREAS[area].world(either_database, chance) as world:
        for point in chosen:
            nth, more = _how(point, AREAS[area], chance)
            try:
                await world.visit(point, nth, *more)
            except BaseException as error:
                error.add_note(f"on the way to {point}:{nth} {more}, after {chosen[:deaths]}")
                raise
            deaths += 1
        await world.end()
    record_property("runs", deaths)
    record_property("seed", begins)


def _chosen(every: list[str], database: Database, chance: random.Random) -> list[str]:
    """The points of one turn."""
    if SOAK:
        return chance.sample(every, len(every))
    if not database.postgres:
        return every
    around = {point for point in every if point.endswith(AROUND_COMMITS)}
    return [point for place, point in enumerate(every) if point in around or place % 5 == 0]


def _how(point: str, area: Area, chance: random.Random) -> tuple[int, list[str]]:
    """The how manieth time is deadly, and which others are slow."""
    every = point.startswith("transaction")
    if not SOAK or point not in area.often:
        return (FIFTH if every else 1), []
    slow = chance.sample([one for one in area.points if one != point], 3)
    delays = [f"{one}:{chance.randint(1, LATER)}=delay:{chance.uniform(0.001, 0.1):.3f}" for one in slow]
    return chance.randint(1, 10 * LATER if every else LATER), delays
