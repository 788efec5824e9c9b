"""Connections, transactions and statements, on SQLite and PostgreSQL alike.

A statement is written once, as SQL both databases understand, with `:name` for a value and `{name}` for a
list of rows given as one parameter: that is `json_each` on SQLite and `unnest` on PostgreSQL. One call then
moves a whole group of rows. On SQLite this also means that the interpreter lock is given away once a
statement instead of once a row, which matters as soon as a second thread is busy.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import psycopg

from ulak.core.errors import StoreUnavailable
from ulak.core.times import Clock

Result = TypeVar("Result")
Row = tuple[Any, ...]

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_SOURCE = re.compile(r"\{([a-z_]+)\}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_encode = msgspec.json.Encoder().encode

# No text of PostgreSQL holds a NUL, and SQLite's JSON functions cut a text there. Nobody means one.
_NUL, _NUL_IN_JSON, _REPLACEMENT = "\0", b"\\u0000", "\ufffd"


class Sql:
    """A statement for both databases.

    `rows` describes each `{name}`: its columns with their PostgreSQL types, e.g. `ids=("id int8",)`. The
    parameter of that name is then a sequence of tuples (of plain values, where there is one column).
    `lock` is appended on PostgreSQL only: SQLite has a single writer.
    A NUL in a text is stored as the replacement character.
    """

    __slots__ = ("_columns", "postgresql", "sqlite")

    def __init__(self, text: str, *, lock: str = "", **rows: Sequence[str]) -> None:
        self._columns = {
            name: [column.endswith(" text") for column in columns] for name, columns in rows.items()
        }
        # SQLite cannot guess how many rows a JSON text holds, and would rather scan a table than it. Its
        # CROSS JOIN takes tables in the order they are written: the given rows first.
        ordered = text.replace(" JOIN ", " CROSS JOIN ") if rows else text
        self.sqlite = _SOURCE.sub(lambda m: _json_rows(m[1], rows[m[1]]), ordered)
        plain = _SOURCE.sub(lambda m: _unnest_rows(m[1], rows[m[1]]), text.replace("%", "%%"))
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
        """The parameters as psycopg takes them: rows as one array a column."""
        for name, value in values.items():
            if name not in self._columns and isinstance(value, str) and _NUL in value:
                values[name] = _without_nul(value)
        for name, texts in self._columns.items():
            given = values.pop(name)
            if len(texts) == 1:
                columns: Any = (given,)
            else:
                columns = zip(*given, strict=True) if given else ((),) * len(texts)
            for letter, is_text, column in zip(_LETTERS, texts, columns, strict=False):
                has_nul = is_text and any(text is not None and _NUL in text for text in column)
                values[f"{name}_{letter}"] = (
                    [_without_nul(text) for text in column] if has_nul else list(column)
                )
        return values


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
    of the machine's.

    `known` is for answers that a transaction which only reads may give again: nothing changes while it lasts.
    In one that writes there is none.
    """

    __slots__ = ("_connection", "ahead", "known", "now", "postgres")

    def __init__(
        self, connection: Any, now: int, postgres: bool, writes: bool = True, ahead: int = 0
    ) -> None:
        self._connection = connection
        self.now = now
        self.ahead = ahead
        self.postgres = postgres
        self.known: dict[Any, Any] | None = None if writes else {}

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
        if self.postgres:
            return self._connection.execute(sql.postgresql, sql.for_postgresql(values))
        return self._connection.execute(sql.sqlite, sql.for_sqlite(values))


READ_BACK = 60.0
"""Seconds to wait for PostgreSQL after it went away during a COMMIT."""

CLOCK_OFFSET = "clock_offset"
_OFFSET_SQLITE = f"SELECT value FROM setting WHERE name = '{CLOCK_OFFSET}'"
_OFFSET_POSTGRES = (
    f"SELECT (SELECT value FROM setting WHERE name = '{CLOCK_OFFSET}'), pg_current_xact_id()::text"
)


class Connection(Protocol):
    """One connection, used by one thread at a time."""

    def reading(self, question: Callable[[Tx], Result]) -> Result:
        """Ask within one consistent view of the data."""

    def writing(self, change: Callable[[Tx], Result]) -> Result:
        """Change within one transaction: committed and synced on return, undone if `change` raises.

        Raises:
            StoreUnavailable: the database could not take it; nothing was changed.
            Conflict: it lost against another transaction; nothing was changed, and it may be tried again.
        """

    def close(self) -> None:
        """Give the connection back."""


class Conflict(Exception):
    """A transaction lost against another one (deadlock, serialization). It may simply be done again."""


class SqliteConnection:
    """SQLite in WAL mode with every commit synced."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        try:
            self._db = sqlite3.connect(
                path, timeout=20, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA cache_size = -16000")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error

    def reading(self, question: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN", question, writes=False)

    def writing(self, change: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN IMMEDIATE", change, writes=True)

    def _transaction(self, begin: str, work: Callable[[Tx], Result], *, writes: bool) -> Result:
        try:
            self._db.execute(begin)
            offset = self._db.execute(_OFFSET_SQLITE).fetchone()
            ahead = int(offset[0]) if offset else 0
            result = work(Tx(self._db, self._clock() + ahead, postgres=False, writes=writes, ahead=ahead))
            self._db.execute("COMMIT")
            return result
        except sqlite3.IntegrityError:
            raise
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()


class PostgresConnection:
    """PostgreSQL, READ COMMITTED. Connects on first use, and again after the connection was lost."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._db: psycopg.Connection[Row] | None = None

    def _connect(self) -> psycopg.Connection[Row]:
        if self._db is None or self._db.closed:
            try:
                self._db = psycopg.connect(self._url, autocommit=True, prepare_threshold=2)
            except psycopg.Error as error:
                raise StoreUnavailable(f"PostgreSQL: {error}") from error
        return self._db

    def reading(self, question: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", question, writes=False)

    def writing(self, change: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN", change, writes=True)

    def _begin(self, begin: str) -> psycopg.Connection[Row]:
        """A connection with a transaction begun.

        A connection may have been cut while nobody used it, by a restart of the server for example. Nothing
        is lost then, and another one does.
        """
        for last in (False, True):
            db = self._connect()
            try:
                db.execute(begin)
            except psycopg.OperationalError as error:
                if last or not db.closed:
                    raise StoreUnavailable(str(error)) from error
            else:
                return db
        raise AssertionError("unreachable")

    def _transaction(self, begin: str, work: Callable[[Tx], Result], *, writes: bool) -> Result:
        db = self._begin(begin)
        xid: str | None = None
        committing = False
        try:
            offset, xid = self._opening(db, writes)
            ahead = int(offset or 0)
            result = work(Tx(db, self._clock() + ahead, postgres=True, writes=writes, ahead=ahead))
            committing = True
            db.execute("COMMIT")
            return result
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
            raise Conflict(str(error)) from error
        except psycopg.OperationalError as error:
            if committing and writes and self._was_committed(xid):
                return result
            raise StoreUnavailable(str(error)) from error
        finally:
            self._clean_up(db)

    @staticmethod
    def _opening(db: psycopg.Connection[Row], writes: bool) -> tuple[str | None, str | None]:
        if not writes:
            row = db.execute(_OFFSET_SQLITE).fetchone()
            return (row[0] if row else None), None
        row = db.execute(_OFFSET_POSTGRES).fetchone()
        assert row is not None
        return row[0], row[1]

    def _was_committed(self, xid: str | None) -> bool:
        """After the connection was lost during COMMIT: read back what became of it, never repeat blindly.

        Waits for a server that is still at it, or on its way up again.

        Raises:
            StoreUnavailable: it stayed away; whether it had committed is not known.
        """
        patience = time.monotonic() + READ_BACK
        while True:
            try:
                row = self._connect().execute("SELECT pg_xact_status(%s::xid8)", (xid,)).fetchone()
            except (psycopg.OperationalError, StoreUnavailable) as error:
                if time.monotonic() > patience:
                    raise StoreUnavailable(f"nobody knows what became of a COMMIT: {error}") from error
            else:
                if row is None or row[0] != "in progress":
                    return row is not None and row[0] == "committed"
            time.sleep(0.05)

    @staticmethod
    def _clean_up(db: psycopg.Connection[Row]) -> None:
        if not db.closed and db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            try:
                db.execute("ROLLBACK")
            except psycopg.Error:
                db.close()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()


class Database:
    """Where the data is. Hands out connections; each thread has its own."""

    def __init__(self, directory: Path, url: str | None, clock: Clock) -> None:
        self.directory = directory
        self.url = url
        self.clock = clock

    @property
    def postgres(self) -> bool:
        """Whether the data is in PostgreSQL; otherwise it is in a SQLite file in the directory."""
        return self.url is not None

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self.directory / "ulak.db"

    @property
    def sqlalchemy_url(self) -> str:
        """The address in SQLAlchemy's spelling."""
        if self.url is None:
            return f"sqlite:///{self.path}"
        return "postgresql+psycopg://" + self.url.split("://", 1)[1]

    def connect(self) -> Connection:
        """A new connection."""
        if self.url is None:
            return SqliteConnection(self.path, self.clock)
        return PostgresConnection(self.url, self.clock)
