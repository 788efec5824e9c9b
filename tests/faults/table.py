"""The table of faults (docs/faults.md), written from what a run of the tests has shown.

A test that carries `@pytest.mark.fault(name, text)` is a line of it, with all others that carry the same
words. `record_property("runs", n)` says how often it did what the text says, `record_property("seed", n)`
with which seed. The long forms of a soak have a column of their own: each run writes its own column and
leaves the other one as it is.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HEAD = ("fault", "what is done", "runs", "in the long form", "result", "databases", "where")

INTRODUCTION = """\
# Faults

What was done to Ulak, how often, and what came of it. After each of these the one invariant checker
(`service/audit.py`, also `ulak doctor`) finds nothing, everybody who was answered with success has got what
it was about, nothing was sent twice that is not listed as unsure, and nobody paid twice.

`make faults` does all of it in the form that `make test` has, and writes this page. `make soak` does the long
forms and writes their column; where that is empty, it was not done with this version. `make soak` prints its
seed, and both are written below: the same comes again with `ULAK_TEST_SEED=…`.
"""


@dataclass
class Line:
    """A line of the table: what several tests have shown together."""

    runs: int = 0
    long: str = ""
    passed: bool = True
    databases: Counter[str] = field(default_factory=Counter)
    """How many of the runs were on which; the long form does not count here."""
    where: set[str] = field(default_factory=set)


Lines = dict[tuple[str, str], Line]


def describe(items: Iterable[pytest.Item]) -> None:
    """Write to each test's properties what the table says of it; so it gets out of worker processes."""
    for item in items:
        marker = item.get_closest_marker("fault")
        if marker is not None:
            name, text = marker.args
            item.user_properties.append(("fault", [name, text, *_databases(item)]))


def _databases(item: pytest.Item) -> list[str]:
    """The databases of a test, as its fixtures say."""
    callspec = getattr(item, "callspec", None)
    params = callspec.params.values() if callspec else ()
    names = {*getattr(item, "fixturenames", ()), *(word for word in params if isinstance(word, str))}
    return [database for database, words in _FIXTURES.items() if words & names]


_FIXTURES = {
    "PostgreSQL": {"postgresql", "postgres_database", "postgres"},
    "SQLite": {"sqlite", "sqlite_database", "sqlite_template"},
}


class FaultTable:
    """A plugin that gathers what a run has shown, and writes it down in the end."""

    def __init__(self, path: Path, soak: bool) -> None:
        self._path = path
        self._soak = soak
        self._lines: Lines = {}
        self._seeds: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a test to its line."""
        told = dict(report.user_properties)
        if "fault" not in told or (report.when != "call" and not report.failed):
            return
        name, text, *databases = map(str, told["fault"])  # type: ignore[call-overload]
        line = self._lines.setdefault((name, text), Line())
        line.passed = line.passed and report.passed
        line.where.add(report.nodeid.partition("::")[0])
        runs = int(str(told.get("runs", 1))) if report.when == "call" else 0
        line.runs += runs
        line.databases.update(dict.fromkeys(databases, runs))
        if report.when == "call":
            self._seeds.update([str(told["seed"])] if "seed" in told else [])

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        old = self._path.read_text() if self._path.exists() else ""
        self._path.write_text(page(self._lines, old, self._seeds, soak=self._soak))


def page(lines: Mapping[tuple[str, str], Line], old: str, seeds: Iterable[str], *, soak: bool) -> str:
    """The page after a run, of which `old` is how it was before."""
    before = read(old)
    merged: Lines = dict(before) if soak else {}
    for key, line in lines.items():
        known = before.get(key, Line())
        if soak:
            merged[key] = Line(known.runs, _count(line.runs), line.passed, _of(known, line), line.where)
        else:
            merged[key] = Line(line.runs, known.long, line.passed, line.databases, line.where)
    said = dict(_seeds_in(old)) | {("make soak" if soak else "make faults"): ", ".join(sorted(seeds))}
    rows = [
        HEAD,
        tuple("---" for _ in HEAD),
        *(_cells(key, merged[key]) for key in sorted(merged, key=_place)),
    ]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    ends = "\n".join(f"{_SEEDS.format(form)}{said[form]}" for form in sorted(said) if said[form])
    return f"{INTRODUCTION}\n{table}\n\n{ends}\n"


def _of(known: Line, line: Line) -> Counter[str]:
    """The databases of a line that a soak has shown: as they were known, and those that it alone is on."""
    return Counter({database: known.databases[database] for database in (*known.databases, *line.databases)})


def _place(key: tuple[str, str]) -> list[tuple[int, str]]:
    """In the order of the faults' numbers: F2 before F11."""
    words = re.findall(r"\d+|\D+", "|".join(key))
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words]


_SEEDS = "Seeds of `{}`: "


def _cells(key: tuple[str, str], line: Line) -> tuple[str, ...]:
    assert "|" not in "".join(key), f"{key} cannot stand in a table"
    result = "passed" if line.passed else "**failed**"
    runs = _count(line.runs) if line.runs else ""
    where = ", ".join(f"`{path.removeprefix('tests/')}`" for path in sorted(line.where))
    databases = sorted(line.databases.items(), reverse=True)
    shown = ", ".join(f"{database} {_count(count)}" if count else database for database, count in databases)
    return (*key, runs, line.long, result, shown, where)


def _count(runs: int) -> str:
    return f"{runs:,}"


def read(text: str) -> Lines:
    """The lines of a page."""
    rows = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found: Lines = {}
    for name, said, runs, long, result, databases, where in rows[2:]:
        found[name.strip(), said.strip()] = Line(
            int(runs.strip().replace(",", "") or 0),
            long.strip(),
            result.strip() == "passed",
            Counter(dict(map(_database, filter(None, databases.strip().split(", "))))),
            {f"tests/{one.strip('`')}" for one in where.strip().split(", ") if one},
        )
    return found


def _database(words: str) -> tuple[str, int]:
    """A name, and how many runs, if it says so."""
    name, _, count = words.partition(" ")
    return name, int(count.replace(",", "") or 0)


def _seeds_in(text: str) -> Iterable[tuple[str, str]]:
    for form in ("make faults", "make soak"):
        for line in text.splitlines():
            if line.startswith(_SEEDS.format(form)):
                yield form, line.removeprefix(_SEEDS.format(form))


def plugin(path: str) -> FaultTable:
    """The plugin that writes this page."""
    return FaultTable(Path(path), bool(os.environ.get("ULAK_TEST_SOAK")))
