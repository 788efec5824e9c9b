"""Fills in the tables of docs/capacity.md from figures that were measured.

    .venv/bin/python -m benchmarks --out FILE bulk single memory told roles
    .venv/bin/python -m benchmarks --out FILE growth soak
    .venv/bin/python -m benchmarks.capacity FILE

The newest figure of each name counts. What was not measured is shown as such, and so is all that follows
from it. `--print` shows the tables and leaves the page alone.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.rig import ROOT

PAGE = ROOT / "docs" / "capacity.md"

# What is assumed; the page says so.
HOURS = 10
"""A day's messages come within so many hours."""

USED = 0.5
"""The share of a core, or of a process, that the busiest hour may use."""

SINGLES = 0.2
"""The share of messages that are orders of one; the others come in orders of 1,000."""

TOLD = 1.0
"""Callbacks for each message."""

KEPT = 30
"""Days until `ulak prune`."""

STORED = 1_000_000_000
"""Messages that one database may hold: a hundred partitions, and a hundred times what was measured."""

PER_LINK = 200
"""Messages/s that an operator lets through one link."""

DAYS = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)

NOT_MEASURED = "not measured yet"
BULK, SINGLE = "roles: bulk over 1 link", "roles: single"


class Missing(Exception):
    """A figure that nobody has measured."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, by name."""

    found: dict[str, dict[str, Any]]

    def value(self, name: str) -> float:
        """Raises Missing where there is none."""
        if name not in self.found:
            raise Missing(name)
        return float(self.found[name]["value"])

    def row(self, label: str, name: str) -> str:
        """A line of the first table: what, how much, by which command."""
        if name not in self.found:
            return f"| {label} | {NOT_MEASURED} | `{name}` | |"
        figure = self.found[name]
        value, goal = f"{_number(figure['value'])} {figure['unit']}".rstrip(), _goal(figure)
        words = " ".join(_plain(figure["command"]))
        return f"| {label} | **{value}**{goal} | `python -m benchmarks {words}` | {figure['at'][:16]} |"


def read(path: Path) -> Figures:
    """The newest figure of each name."""
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    return Figures({line["name"]: line for line in sorted(lines, key=lambda line: str(line["at"]))})


def _plain(command: Iterable[str]) -> list[str]:
    """The command without the file that its figures went to."""
    words = list(command)
    if "--out" in words:
        at = words.index("--out")
        del words[at : at + 2]
    return words


def _goal(figure: dict[str, Any]) -> str:
    sign, goal = ("≥", figure["at_least"]) if figure["at_least"] is not None else ("≤", figure["at_most"])
    return "" if goal is None else f" (goal {sign} {goal:,g}: {'met' if figure['met'] else 'missed'})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# The first table: one machine.

MEASURED = (
    ("SQLite, orders of 1,000", "bulk, 1,000 an order"),
    ("… CPU", "bulk, 1,000 an order: CPU in Ulak"),
    ("SQLite, orders of one, to the receipt", "single, sustained to the final receipt"),
    ("… CPU", "single, sustained: CPU in Ulak"),
    ("SQLite, orders of 1,000, on disk after a day", "memory, 1,000 an order: on disk after it"),
    ("SQLite, orders of one, on disk after a day", "memory, single orders: on disk after it"),
    ("SQLite, CPU with 10,000,000 stored beside 100,000, bulk", "growth: SQLite, bulk: … beside 100,000"),
    ("… single", "growth: SQLite, single: … beside 100,000"),
    ("PostgreSQL, orders of 1,000, one api and one worker process", BULK),
    ("… CPU in the api process", f"{BULK}: CPU in the api process"),
    ("… CPU in the worker", f"{BULK}: CPU in the workers"),
    ("… CPU in PostgreSQL", f"{BULK}: CPU in PostgreSQL"),
    ("… log in front of the tables", f"{BULK}: log in front of the tables"),
    ("… two workers and two links", "roles: bulk over 2 links"),
    ("… connections", f"{BULK}: connections to PostgreSQL"),
    ("PostgreSQL, orders of one, durable when answered", "roles: accepting orders, durable when answered"),
    ("… while they are sent and reported", f"{SINGLE} orders, durable when answered, while sending"),
    ("… CPU in the api process", f"{SINGLE}: CPU in the api process"),
    ("… CPU in the worker", f"{SINGLE}: CPU in the workers"),
    ("… CPU in PostgreSQL", f"{SINGLE}: CPU in PostgreSQL"),
    ("… log in front of the tables", f"{SINGLE}: log in front of the tables"),
    ("… on disk, with a day's traces", f"{SINGLE}: on disk, unvacuumed, with traces"),
    ("PostgreSQL, 10,000,000 stored in orders of 1,000", "growth: PostgreSQL, 10,000,000 stored, on disk"),
    (
        "PostgreSQL, CPU with 10,000,000 stored beside 100,000, bulk",
        "growth: PostgreSQL, bulk: … beside 100,000",
    ),
    ("… single", "growth: PostgreSQL, single: … beside 100,000"),
    ("Half an hour at half of the peak: api, grown", "soak: api, grown after 180 s"),
    ("… worker, grown", "soak: worker1, grown after 180 s"),
    ("… findings of the checker", "soak: findings of the checker"),
    ("An order of one whose account is told twice, CPU", "single, each told twice: CPU in Ulak"),
)


# The second table: what follows.


@dataclass(frozen=True, slots=True)
class Load:
    """The busiest second of a day with so many messages, and what it takes."""

    figures: Figures
    day: int

    @property
    def peak(self) -> float:
        """Messages/s."""
        return self.day / (HOURS * 3600)

    def mixed(self, bulk: str, single: str) -> float:
        """A figure of both kinds of orders, in the share that they have."""
        return (1 - SINGLES) * self.figures.value(bulk) + SINGLES * self.figures.value(single)

    def cores(self, part: str) -> float:
        """Cores that a part keeps busy."""
        return self.peak * self.mixed(f"{BULK}: CPU in {part}", f"{SINGLE}: CPU in {part}") / 1000

    @property
    def telling(self) -> float:
        """Cores that callbacks keep busy, in the workers: half of what two callbacks add to an order.

        It is the CPU of Ulak's own process on SQLite. What PostgreSQL has to do for them nobody measured, and
        the page says so.
        """
        told = self.figures.value("single, each told twice: CPU in Ulak")
        untold = told / self.figures.value("single, each told twice: beside not told")
        return self.peak * TOLD * (told - untold) / 2 / 1000

    @property
    def busy(self) -> float:
        """All of them."""
        return sum(map(self.cores, ("the api process", "the workers", "PostgreSQL"))) + self.telling

    @property
    def stored(self) -> int:
        """Messages that are kept."""
        return self.day * KEPT

    @property
    def shards(self) -> int:
        """Databases that hold what is kept, as installations of their own."""
        return math.ceil(self.stored / STORED)

    @property
    def disk(self) -> float:
        """Bytes a day in tables and indexes."""
        bulk = "growth: PostgreSQL, 10,000,000 stored, on disk"
        return self.day * self.mixed(bulk, f"{SINGLE}: on disk, unvacuumed, with traces")

    @property
    def log(self) -> float:
        """Bytes a day in front of the tables."""
        name = "log in front of the tables"
        return self.day * self.mixed(f"{BULK}: {name}", f"{SINGLE}: {name}")

    @property
    def machines(self) -> int:
        """Machines of two cores for a shard, of which each is used by half."""
        return math.ceil(self.busy / self.shards / USED / 2)

    def processes(self, part: str, more: float = 0.0) -> int:
        """Processes of one interpreter each, used by half."""
        return math.ceil((self.cores(part) + more) / USED / self.shards) * self.shards


ROWS: tuple[tuple[str, Callable[[Load], str]], ...] = (
    ("messages/s in the busy hours", lambda load: f"{load.peak:,.0f}"),
    ("api processes", lambda load: f"{load.processes('the api process'):,}"),
    ("worker processes", lambda load: f"{load.processes('the workers', load.telling):,}"),
    ("cores busy: Ulak's processes", lambda load: f"{load.busy - load.cores('PostgreSQL'):.2g}"),
    ("cores busy: PostgreSQL", lambda load: f"{load.cores('PostgreSQL'):.2g}"),
    ("databases (shards)", lambda load: f"{load.shards:,}"),
    ("machines of 2 cores, half used", lambda load: f"{load.shards * load.machines:,}"),
    ("messages a day and shard", lambda load: f"{load.day / load.shards:,.0f}"),
    (f"partitions a shard, {KEPT} days kept", lambda load: f"{load.stored / load.shards / 10_000_000:,.0f}"),
    ("tables and indexes, GB a day", lambda load: f"{load.disk / 1e9:,.2f}"),
    (f"… {KEPT} days, GB a shard", lambda load: f"{load.disk * KEPT / load.shards / 1e9:,.0f}"),
    ("log in front of the tables, GB a day", lambda load: f"{load.log / 1e9:,.1f}"),
    ("… MB/s a shard in the busy hours", lambda load: f"{load.log / load.shards / HOURS / 3600 / 1e6:,.1f}"),
    ("callbacks/s", lambda load: f"{load.peak * TOLD:,.0f}"),
    (f"links at {PER_LINK} messages/s each", lambda load: f"{math.ceil(load.peak / PER_LINK):,}"),
)


def tables(figures: Figures) -> tuple[str, str]:
    """Both tables, as the page has them."""
    first = ["| what | measured | command | at |", "|---|---|---|---|"]
    first += [figures.row(label, name) for label, name in MEASURED]
    second = ["| messages a day | " + " | ".join(f"{day:,}" for day in DAYS) + " |", "|---" * 5 + "|"]
    for label, value in ROWS:
        cells = [_cell(value, Load(figures, day)) for day in DAYS]
        second.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(first), "\n".join(second)


def _cell(value: Callable[[Load], str], load: Load) -> str:
    try:
        return value(load)
    except Missing:
        return "…"


def _between(page: str, begin: str, end: str, table: str) -> str:
    """The page with this table between its two marks."""
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def main() -> int:
    """Write the page, or show what would be written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("figures", type=Path, help="what --out wrote")
    parser.add_argument("--print", action="store_true", dest="show", help="leave the page alone")
    options = parser.parse_args()
    page = PAGE.read_text("utf-8")
    for name, table in zip(("measured", "follows"), tables(read(options.figures)), strict=True):
        page = _between(page, f"<!-- {name} -->", f"<!-- end of {name} -->", table)
        if options.show:
            print(table)
    if not options.show:
        PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
