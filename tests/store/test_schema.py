"""The migrations make exactly the tables of tables.py, on both databases."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import psycopg
import pytest
from tests.conftest import FakeClock, Postgres

from ulak.core.errors import StoreUnavailable, UlakError
from ulak.store import schema, settings
from ulak.store.engine import Database, Sql
from ulak.store.tables import metadata
from ulak.store.writer import sync_read, sync_write

VERSIONS = Path(schema.__file__).parent / "migrations" / "versions"

# NOT NULL stands beside the column; newer versions also give it a name of their own choice.
# Partitions are not in tables.py: they come and go (tests/store/test_partitions.py).
_OURS = "c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
_POSTGRES_CATALOGUE = f"""
SELECT 'table', c.relname, coalesce(array_to_string(c.reloptions, ','), '')
 || coalesce(pg_get_partkeydef(c.oid), '') FROM pg_class c WHERE {_OURS}
UNION ALL
SELECT 'column', c.relname || '.' || a.attname,
 format_type(a.atttypid, a.atttypmod) || a.attnotnull || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE {_OURS} AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', c.relname || '.' || conname, pg_get_constraintdef(n.oid) FROM pg_constraint n
 JOIN pg_class c ON c.oid = conrelid WHERE {_OURS} AND contype <> 'n'
UNION ALL
SELECT 'index', i.relname, pg_get_indexdef(i.oid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
 JOIN pg_class c ON c.oid = x.indrelid WHERE {_OURS}
"""


def empty(request: pytest.FixtureRequest, kind: str, directory: Path) -> Database:
    """A database without anything in it."""
    if kind == "sqlite":
        return Database(directory, None, FakeClock())
    server: Postgres = request.getfixturevalue("postgres")
    return Database(directory, server.create(), FakeClock())


@pytest.fixture(params=["sqlite", "postgresql"])
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return empty(request, request.param, tmp_path / "blank")


def described(database: Database) -> dict[tuple[str, str], str]:
    """Every table, column, constraint and index, without Alembic's own."""
    if database.url is None:
        return _described_sqlite(database.path)
    with psycopg.connect(database.url) as server:
        rows = server.execute(_POSTGRES_CATALOGUE.encode()).fetchall()
    return {(kind, name): text for kind, name, text in rows if "alembic" not in name}


def _described_sqlite(path: Path) -> dict[tuple[str, str], str]:
    db = sqlite3.connect(path)
    rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%'").fetchall()
    db.close()
    return {(kind, name): _in_any_order(sql or "") for kind, name, sql in rows}


def _in_any_order(statement: str) -> str:
    """A CREATE TABLE with its constraints sorted: their order means nothing, that of the columns is kept."""
    head, _, rest = statement.partition("(")
    body, _, tail = rest.rpartition(")")
    # A comma ends a part unless it stands in brackets.
    parts = [" ".join(part.split()) for part in re.split(r",(?![^()]*\))", body)]
    columns = [part for part in parts if not part.startswith("CONSTRAINT")]
    constraints = sorted(part for part in parts if part.startswith("CONSTRAINT"))
    return " ".join(head.split()) + "(" + ", ".join(columns + constraints) + ")" + " ".join(tail.split())


def test_migrations_make_the_tables_of_tables_py(
    request: pytest.FixtureRequest, blank: Database, tmp_path: Path
) -> None:
    schema.prepare(blank)
    direct = empty(request, "postgresql" if blank.postgres else "sqlite", tmp_path / "direct")
    direct.directory.mkdir()
    engine = schema.engine(direct)
    metadata.create_all(engine)
    engine.dispose()
    migrated, wanted = described(blank), described(direct)
    assert migrated == wanted
    assert len(wanted) > len(metadata.tables) > 10


def test_rows_are_stored_as_the_design_counts_on(blank: Database) -> None:
    schema.prepare(blank)
    found = described(blank)
    if blank.postgres:
        assert found["table", "message"] == "RANGE (id)"
        assert found["table", "sms_order"] == "fillfactor=80"
    else:
        assert found["table", "reference"].endswith("WITHOUT ROWID")
        assert "id INTEGER NOT NULL" in found["table", "message"], "the row id itself"


def test_head_is_the_newest_migration() -> None:
    versions = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
    assert versions[-1] == schema.HEAD
    assert versions == [f"{i:04}" for i in range(1, len(versions) + 1)]


def test_preparing_again_changes_nothing(blank: Database) -> None:
    schema.prepare(blank)
    sync_write(blank, lambda tx: settings.put(tx, "a", "1"))
    schema.prepare(blank)
    assert sync_read(blank, lambda tx: settings.get(tx, "a")) == "1"


def test_several_processes_prepare_at_once(blank: Database, tmp_path: Path) -> None:
    """On one machine, and on PostgreSQL also on several: the second database has its own directory."""
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path; from ulak.store import schema; from ulak.store.engine import"
        " Database; schema.prepare(Database(Path(sys.argv[1]), sys.argv[2] or None, lambda: 0))"
    )
    blank.directory.mkdir()
    directories = [blank.directory, blank.directory, tmp_path / "c" if blank.postgres else blank.directory]
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(directory), blank.url or ""])
        for directory in directories
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert sync_read(blank, settings.clock_offset) == 0


def test_a_database_of_a_newer_version_says_which_older_ones_work_with_it(
    blank: Database,
) -> None:
    """Those go on, and are started, beside newer ones; all others are refused."""
    schema.prepare(blank)
    sync_write(blank, lambda tx: tx.run(Sql("UPDATE alembic_version SET version_num = '9999'")))
    sync_write(blank, lambda tx: settings.put(tx, schema.WORKS_WITH, schema.HEAD))
    schema.prepare(blank)
    sync_write(blank, lambda tx: settings.put(tx, schema.WORKS_WITH, "9998"))
    with pytest.raises(UlakError, match="use a newer ulak"):
        schema.prepare(blank)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        schema.prepare(Database(tmp_path, f"postgresql://ulak@/ulak?host={tmp_path}", FakeClock()))


def test_a_migration_that_fails_leaves_nothing_behind(
    blank: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start begins where this one did."""
    before = described(blank) if blank.postgres else {}
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    for path in (VERSIONS.parent / "env.py", *VERSIONS.glob("[0-9]*.py")):
        (folder / path.relative_to(VERSIONS.parent)).write_text(path.read_text())
    last = folder / "versions" / sorted(VERSIONS.glob("[0-9]*.py"))[-1].name
    last.write_text(last.read_text() + "\n    raise RuntimeError('a mistake in a migration')\n")
    with monkeypatch.context() as patched:
        patched.setattr(schema, "__file__", str(tmp_path / "schema.py"))
        with pytest.raises(RuntimeError):
            schema.prepare(blank)
    if schema.HEAD == "0001":
        assert described(blank) == before
    schema.prepare(blank)
    assert sync_read(blank, settings.clock_offset) == 0
