"""Connections, transactions and statements, on SQLite and PostgreSQL alike.

A statement is written once, as SQL both databases understand, with `:name` for a value and `{name}` for a
list of rows given as one parameter: that is `json_each` on SQLite and `unnest` on PostgreSQL. One call then
moves a whole group of rows. On SQLite this also means that the interpreter lock is given away once a
statement instead of once a row, which matters as soon as a second thread is busy.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from ulak.core.errors import StoreUnavailable
from ulak.core.figures import Key
from ulak.core.points import point
from ulak.core.times import Clock
from ulak.store.absence import Absence

Result = TypeVar("Result")
Row = tuple[Any, ...]

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_SOURCE = re.compile(r"\{([a-z_]+)\}")
_SPAN = re.compile(r"\{([a-z_]+\.[a-z_]+)\}")
_ASKS = re.compile(r"\s*(?:SELECT|WITH|LOCK)\b(?!.*\b(?:INSERT INTO|UPDATE|DELETE FROM)\b)", re.DOTALL)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_encode = msgspec.json.Encoder().encode

PATIENCE = 20.0
"""Seconds to wait for another process that writes to a SQLite file."""

# Nothing is wrong with what was asked, but it cannot be done now. Where there was trouble with the file
# itself it is opened again: it may have been away, or been put back by somebody.
_FILE_TROUBLE = frozenset((sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN))
_NOT_NOW = _FILE_TROUBLE | {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_INTERRUPT,
}

# No text of PostgreSQL holds a NUL, and SQLite's JSON functions cut a text there. Nobody means one.
_NUL, _NUL_IN_JSON, _REPLACEMENT = "\0", b"\\u0000", "\ufffd"


class Sql:
    """A statement for both databases.

    `rows` describes each `{name}`: its columns with their PostgreSQL types, e.g. `ids=("id int8",)`. The
    parameter of that name is then a sequence of tuples (of plain values, where there is one column).
    `lock` is appended on PostgreSQL only: SQLite has a single writer.
    `span` names such a list and the first and last of its columns that hold ids. `{table.column}` in the text
    then says that the column lies between the least and the greatest of them. It adds nothing to what the
    statement finds, but lets PostgreSQL leave out partitions before it begins; SQLite is not told.
    A NUL in a text is stored as the replacement character.
    """

    __slots__ = ("_columns", "_span", "changes", "postgresql", "sqlite")

    def __init__(
        self, text: str, *, lock: str = "", span: tuple[str, int, int] | None = None, **rows: Sequence[str]
    ) -> None:
        self.changes = _ASKS.match(text) is None
        self._columns = {name: [column.split()[1] for column in columns] for name, columns in rows.items()}
        self._span = span
        # SQLite cannot guess how many rows a JSON text holds, and would rather scan a table than it. Its
        # CROSS JOIN takes tables in the order they are written: the given rows first.
        ordered = text.replace(" JOIN ", " CROSS JOIN ") if rows else text
        self.sqlite = _SOURCE.sub(lambda m: _json_rows(m[1], rows[m[1]]), _SPAN.sub("", ordered))
        spanned = _SPAN.sub(r" AND \1 BETWEEN :span_least AND :span_most", text.replace("%", "%%"))
        plain = _SOURCE.sub(lambda m: _unnest_rows(m[1], rows[m[1]]), spanned)
        self.postgresql = _PARAMETER.sub(r"%(\1)s", plain) + (f" {lock}" if lock else "")

    def for_sqlite(self, values: dict[str, Any]) -> dict[str, Any]:
        """The parameters as sqlite3 takes them: rows as one JSON text."""
        for name, value in values.items():
            if name not in self._columns and isinstance(value, str) and _NUL in value:
                values[name] = _without_nul(value)
        for name in self._columns:
            encoded = _encode(values[name])
            if _NUL_IN_JSON in encoded:
                encoded = _encode([_without_nul(row) for row in values[name]])
            values[name] = encoded.decode()
        return values

    def for_postgresql(self, values: dict[str, Any]) -> dict[str, Any]:
        """The parameters as psycopg takes them: rows as one array a column, written out as PostgreSQL reads
        it (its manual, 8.15.2), because psycopg's own way costs several times as much for each value."""
        for name, value in values.items():
            if name not in self._columns and isinstance(value, str) and _NUL in value:
                values[name] = _without_nul(value)
        if self._span is not None:
            values |= _bounds(values[self._span[0]], *self._span[1:])
        for name, kinds in self._columns.items():
            given = values.pop(name)
            if len(kinds) == 1:
                columns: Any = (tuple(given),)
            else:
                columns = zip(*given, strict=True) if given else ((),) * len(kinds)
            for letter, kind, column in zip(_LETTERS, kinds, columns, strict=False):
                values[f"{name}_{letter}"] = _ARRAYS[kind](column)
        return values


def _integers(column: tuple[int | None, ...]) -> str:
    if None in column:
        return "{" + ",".join("NULL" if value is None else int.__repr__(value) for value in column) + "}"
    return "{" + ",".join(map(int.__repr__, column)) + "}"


def _texts(column: tuple[str | None, ...]) -> str:
    return "{" + ",".join(map(_quoted, column)) + "}"


def _quoted(text: str | None) -> str:
    if text is None:
        return "NULL"
    if _NUL in text:
        text = _without_nul(text)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_ARRAYS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "int2": _integers,
    "int4": _integers,
    "int8": _integers,
    "text": _texts,
    "bytea": list,
}
"""A column of rows as a parameter, by its type."""


def _bounds(rows: Sequence[Any], first: int, last: int) -> dict[str, int]:
    """The least and the greatest id in the rows' columns `first` and `last`."""
    if not rows:
        return {"span_least": 0, "span_most": 0}
    if not isinstance(rows[0], tuple):
        return {"span_least": min(rows), "span_most": max(rows)}
    return {"span_least": min(row[first] for row in rows), "span_most": max(row[last] for row in rows)}


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT)
    return tuple(map(_without_nul, value)) if isinstance(value, tuple) else value


def _json_rows(name: str, columns: Sequence[str]) -> str:
    names = [column.split()[0] for column in columns]
    if len(names) == 1:
        return f"(SELECT value AS {names[0]} FROM json_each(:{name}))"
    picked = ", ".join(f"json_extract(value, '$[{i}]') AS {column}" for i, column in enumerate(names))
    return f"(SELECT {picked} FROM json_each(:{name}))"


def _unnest_rows(name: str, columns: Sequence[str]) -> str:
    pairs = [column.split() for column in columns]
    arrays = ", ".join(
        f":{name}_{letter}::{kind}[]" for letter, (_, kind) in zip(_LETTERS, pairs, strict=False)
    )
    names = ", ".join(column for column, _ in pairs)
    return f"(SELECT * FROM unnest({arrays}) AS _rows({names}))"


class Tx:
    """An open transaction. `now` is the same for everything it writes (ms UTC); a sandbox's clock is `ahead`
    of the machine's. `changed` is whether it did more than ask.

    `known` is for answers that a transaction which only reads may give again: nothing changes while it lasts.
    In one that writes there is none. `counted` is what metrics will tell of it once it is committed.
    """

    __slots__ = ("_connection", "ahead", "changed", "counted", "known", "now", "postgres")

    def __init__(
        self, connection: Any, now: int, postgres: bool, writes: bool = True, ahead: int = 0
    ) -> None:
        self._connection = connection
        self.now = now
        self.ahead = ahead
        self.postgres = postgres
        self.changed = False
        self.known: dict[Any, Any] | None = None if writes else {}
        self.counted: dict[Key, int] = {}

    def count(self, *key: str, by: int = 1) -> None:
        """Count something that is true once this is committed."""
        self.counted[key] = self.counted.get(key, 0) + by

    def all(self, sql: Sql, **values: Any) -> list[Row]:
        """Every row of the answer."""
        rows: list[Row] = self._execute(sql, values).fetchall()
        return rows

    def one(self, sql: Sql, **values: Any) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._execute(sql, values).fetchone()
        return row

    def run(self, sql: Sql, **values: Any) -> int:
        """Change rows; returns how many."""
        count: int = self._execute(sql, values).rowcount
        return count

    def _execute(self, sql: Sql, values: dict[str, Any]) -> Any:
        self.changed = self.changed or sql.changes
        if self.postgres:
            return self._connection.execute(sql.postgresql, sql.for_postgresql(values))
        return self._connection.execute(sql.sqlite, sql.for_sqlite(values))


CLOCK_OFFSET = "clock_offset"
OFFSET = f"SELECT value FROM setting WHERE name = '{CLOCK_OFFSET}'"


class Connection(Protocol):
    """One connection, used by one thread at a time."""

    def reading(self, question: Callable[[Tx], Result]) -> Result:
        """Ask within one consistent view of the data."""

    def writing(self, change: Callable[[Tx], Result]) -> Result:
        """Change within one transaction: committed and synced on return, undone if `change` raises.

        Raises:
            StoreUnavailable: the database could not take it; nothing was changed.
            OutcomeUnknown: it went away during the COMMIT, and nobody could be asked what became of it.
            Conflict: it lost against another transaction; nothing was changed, and it may be tried again.
        """

    def look_after(self) -> None:
        """Give up a statement that has had no answer for too long. Called from another thread, now and
        then, while the connection is used."""

    def close(self) -> None:
        """Give the connection back."""


class Conflict(Exception):
    """A transaction lost against another one (deadlock, serialization). It may simply be done again."""


class SqliteConnection:
    """SQLite in WAL mode with every commit synced. Opens the file again after trouble with it."""

    def __init__(self, path: Path, clock: Clock, patience: float = PATIENCE) -> None:
        self._path = path
        self._clock = clock
        self._patience = patience
        self._is_open = False
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            # Never a new file: where this one was taken away, an empty one would be no better.
            db = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=rw",
                uri=True,
                timeout=self._patience,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA cache_size = -16000")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error
        self._is_open = True
        return db

    def reading(self, question: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN", question, writes=False)

    def writing(self, change: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN IMMEDIATE", change, writes=True)

    def _transaction(self, begin: str, work: Callable[[Tx], Result], *, writes: bool) -> Result:
        if not self._is_open:
            self._db = self._open()
        try:
            self._db.execute(begin)
            offset = self._db.execute(OFFSET).fetchone()
            ahead = int(offset[0]) if offset else 0
            result = work(Tx(self._db, self._clock() + ahead, postgres=False, writes=writes, ahead=ahead))
            if writes:
                point("transaction.written")
            self._db.execute("COMMIT")
            if writes:
                point("transaction.committed")
            return result
        except (sqlite3.Error, MemoryError) as error:
            self._trouble(error)
            raise
        finally:
            self._roll_back()

    def _trouble(self, error: Exception) -> None:
        """Say in words of ours what an error means to who asked, if it is one of those we have words for."""
        code = (
            sqlite3.SQLITE_NOMEM if isinstance(error, MemoryError) else getattr(error, "sqlite_errorcode", 0)
        ) & 0xFF
        if code in _FILE_TROUBLE:
            self.close()
        if code in _NOT_NOW:
            raise StoreUnavailable(f"{self._path}: {error}") from error

    def _roll_back(self) -> None:
        if self._is_open and self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                self.close()

    def look_after(self) -> None:
        """A file answers, or says that it cannot."""

    def close(self) -> None:
        self._is_open = False
        self._db.close()


class Database:
    """Where the data is. Hands out connections; each thread has its own."""

    def __init__(self, directory: Path, url: str | None, clock: Clock, *, patience: float = PATIENCE) -> None:
        """`patience`: seconds to wait for others that write to a SQLite file."""
        self.directory = directory
        self.url = url
        self.clock = clock
        self.patience = patience
        self.absence = Absence(self._probe)

    @property
    def postgres(self) -> bool:
        """Whether the data is in PostgreSQL; otherwise it is in a SQLite file in the directory."""
        return self.url is not None

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self.directory / "ulak.db"

    def connect(self) -> Connection:
        """A new connection."""
        if self.url is None:
            return SqliteConnection(self.path, self.clock, self.patience)
        from ulak.store.postgres import PostgresConnection

        return PostgresConnection(self.url, self.clock, self.absence)

    def _probe(self) -> None:
        if self.url is not None:
            from ulak.store.postgres import probe

            probe(self.url)
