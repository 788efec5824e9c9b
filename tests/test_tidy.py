"""The code keeps its shape: who may import whom, how long things get, and what must not be left about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ulak"
MODULES = sorted(SOURCE.rglob("*.py"))

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# What a part may import of the others (ARCHITECTURE.md, direction of imports). A part may always import
# itself; `own` is the dialect's own folder. What is not listed may import everything.
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "store": {"core"},
    "service": {"core", "store"},
    "dialects.door": {"core", "store", "service"},
    "dialects.hooks": {"core", "store", "service", "dialects.door"},
    "dialects.sandbox": {"core", "store", "service", "dialects.door"},
    "dialects.serve": {"core", "store", "service", "dialects.door", "own"},
    "dialects.connect": {"core", "outbound", "own"},
    "dialects.wire": {"core", "own"},
    "carriers": {"core", "outbound"},
    "funding": {"core", "outbound"},
    "papers": {"core"},
    "outbound": {"core"},
    "logs": {"core"},
    "shared": {"core", "service"},
    "workers": {"core", "service", "outbound"},
    "cli": {"core", "store", "service", "outbound", "config", "wiring", "funding", "logs"},
    "config": {"core"},
}

# Libraries that must be met in one place only.
ONLY_IN = {
    "alembic": {"store"},
    "cyclopts": {"cli"},
    "httptools": {"web", "outbound", "wiring"},
    "prometheus_client": {"wiring"},
    "psycopg": {"store"},
    "rich": {"cli"},
    "sqlalchemy": {"store"},
    "sqlite3": {"store"},
    "starlette": {"web", "panel"},
    "uvicorn": {"web", "wiring"},
    "valkey": {"shared"},
}


def part_of(module: str) -> tuple[str, str]:
    """The part a module of ours belongs to, and the dialect if it is of one: 'dialects.serve', 'smpp'."""
    names = module.split(".")[1:] or [""]
    if names[0] != "dialects" or len(names) < 2:
        return names[0], ""
    if names[1] in ("door", "hooks", "sandbox"):
        return f"dialects.{names[1]}", ""
    role = names[2] if len(names) > 2 and names[2] in ("serve", "connect") else "wire"
    return f"dialects.{role}", names[1]


def name_of(path: Path) -> str:
    names = ("ulak", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a module stands"
            module = node.module or ""
            below = SOURCE.parent / Path(*module.split("."))
            for alias in node.names:
                is_module = (below / alias.name).is_dir() or (below / f"{alias.name}.py").exists()
                yield f"{module}.{alias.name}" if is_module else module


def allowed(importer: str, imported: str) -> bool:
    part, dialect = part_of(importer)
    other, other_dialect = part_of(imported)
    may = MAY_IMPORT.get(part)
    if may is None or other == "":
        return True
    if other_dialect:
        return other_dialect == dialect and "own" in may
    return other == part or other in may


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    ours = [module for module in imports_of(path) if module.split(".")[0] == "ulak"]
    wrong = [module for module in ours if not allowed(name_of(path), module)]
    assert not wrong, f"{name_of(path)} may not import {', '.join(wrong)}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_library_is_met_in_one_place(path: Path) -> None:
    part = part_of(name_of(path))[0]
    libraries = {module.split(".")[0] for module in imports_of(path)}
    wrong = [library for library in libraries & ONLY_IN.keys() if part not in ONLY_IN[library]]
    assert not wrong, f"{name_of(path)} may not import {', '.join(wrong)}"


def test_every_part_that_has_a_rule_is_known() -> None:
    parts = {part_of(name_of(path))[0] for path in MODULES}
    assert parts - MAY_IMPORT.keys() <= {"", "__main__", "dialects", "wiring", "web"}, (
        "a new part needs a rule"
    )


# Sizes.


def python_files() -> list[Path]:
    return [path for path in texts() if path.suffix == ".py"]


def texts() -> list[Path]:
    """Every file that people write here."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.name != "LICENSE"]
    for folder in ("src", "tests", "benchmarks", "docs", "deploy", "requirements", ".ci"):
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(path for path in found if not _SKIPPED.search(str(path.relative_to(ROOT))))


_SKIPPED = re.compile(
    r"__pycache__|node_modules|\.egg-info|\.(pyc|lock|png|db)$|package-lock\.json$|^\.coverage"
)


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert not [f"{path}: {lines}" for path, lines in lengths.items() if lines > FILE_LINES_MAX]


@pytest.mark.parametrize("path", [path for path in MODULES if "versions" not in path.parts], ids=name_of)
def test_no_function_is_too_long(path: Path) -> None:
    """Migrations are lists of tables, so they may be."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= FUNCTION_LINES_MAX]
    assert not long


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


# Leftovers.

# Written so that this file does not contain them itself.
_LEFT = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "NOCOM" + "MIT", "breakpoint" + r"\(\)"]))
_PRIVATE = re.compile("|".join(f"/{folder}/[a-z.]" for folder in ("work", "root", "home", "Users", "mnt")))


def _lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_nothing_is_left_to_do_in_a_comment() -> None:
    assert not _lines_with(_LEFT)


def test_no_path_of_somebodys_machine() -> None:
    assert not _lines_with(_PRIVATE)


def test_every_file_of_the_tests_is_a_test_or_used() -> None:
    tests = [path for path in (ROOT / "tests").rglob("*.py") if not _SKIPPED.search(str(path))]
    imported = {module for path in tests for module in imports_of(path)}
    unused = [
        path
        for path in tests
        if not path.name.startswith(("test_", "conftest"))
        and ".".join(path.relative_to(ROOT).with_suffix("").parts) not in imported
        and not any(path.stem in text.read_text() for text in tests if text != path)
    ]
    assert not unused
