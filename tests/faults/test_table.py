"""The table of faults says what the tests say, and every test of a fault is in it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.faults.table import Line, page, read

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"


def marked(*, long: bool) -> set[tuple[str, str]]:
    """The words of every marker of a fault in the tests; `long`: of those that only a soak does."""
    texts = (path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    return {words for text in texts if "mark.fault(" in text for words in _marks(ast.parse(text), long)}


def _marks(tree: ast.Module, long: bool) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        decorators = getattr(node, "decorator_list", [])
        is_long = any(ast.unparse(each).startswith("pytest.mark.skipif(not SOAK") for each in decorators)
        for call in ast.walk(node) if is_long == long else ():
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
                name, text = (ast.literal_eval(word) for word in call.args)
                yield name, text


def test_every_fault_is_in_the_table() -> None:
    """Where this fails: `make faults`, and commit what it wrote."""
    lines = read(PAGE.read_text())
    assert marked(long=False) <= set(lines) <= marked(long=False) | marked(long=True)
    assert [key for key, line in lines.items() if not line.passed or not (line.runs or line.long)] == []
    gone = [path for line in lines.values() for path in line.where if not (ROOT / path).exists()]
    assert gone == []


def test_every_long_form_is_in_the_soak() -> None:
    makefile = (ROOT / "Makefile").read_text()
    listed = makefile[makefile.index("SOAK ?=") :].split("\n\n")[0].replace("\\\n", " ").split()[2:]
    assert [path for path in listed if not (ROOT / path).exists()] == []
    long = re.compile(r"\bSOAK\b|\bturns\(")
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if long.search(path.read_text())]
    places = [path.relative_to(ROOT).as_posix() for path in files]
    assert [place for place in places if not any(place.startswith(path) for path in listed)] == []


LINK = ("link", "it is cut")
KILL = ("kill -9", "at every point")


def test_each_form_writes_its_own_column() -> None:
    both = Counter({"SQLite": 1_500, "PostgreSQL": 500})
    first = {
        LINK: Line(2_000, "", True, both, {"tests/a.py"}),
        KILL: Line(3, "", True, Counter(), {"tests/b.py"}),
    }
    once = page(first, "", ["7"], soak=False)
    assert read(once) == first
    assert "| link | it is cut | 2,000 |  | passed | SQLite 1,500, PostgreSQL 500 | `a.py` |" in once

    again = page(
        {KILL: Line(5_000, "", True, Counter(SQLite=5_000), {"tests/b.py"})}, once, ["11"], soak=True
    )
    assert read(again) == first | {KILL: Line(3, "5,000", True, Counter(SQLite=0), {"tests/b.py"})}
    assert again.endswith("Seeds of `make faults`: 7\nSeeds of `make soak`: 11\n")

    last = page({KILL: Line(4, "", False, Counter(), {"tests/c.py"})}, again, ["8"], soak=False)
    assert read(last) == {KILL: Line(4, "5,000", False, Counter(), {"tests/c.py"})}
    assert "| **failed** |" in last
    assert last.endswith("Seeds of `make faults`: 8\nSeeds of `make soak`: 11\n")
