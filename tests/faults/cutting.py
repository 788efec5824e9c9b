"""Databases that fail at the statement a test chooses: PostgreSQL behind a line that is cut, SQLite on a disk
that has enough.
"""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from tests.conftest import FakeClock

from ulak.core.times import Clock
from ulak.store.engine import Connection, Database, SqliteConnection

HOST = "127.0.0.1"

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: hang up by RST instead of FIN."""

DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)


class How(Enum):
    """What is done at the chosen statement."""

    BEFORE = "before"
    """The line is cut; the server never hears of the statement."""
    AFTER = "after"
    """The server carries the statement out; the line is cut before its answer arrives."""
    CONFLICT = "conflict"
    """The answer is that it lost against another transaction; the server never hears of it."""


class Kept(Database):
    """The same data over connections that stay, one a thread: most of what a look at PostgreSQL costs is the
    connection for it."""

    def __init__(self, plain: Database) -> None:
        super().__init__(plain.directory, plain.url, plain.clock)
        self._kept: dict[int, _Staying] = {}

    def connect(self) -> Connection:
        here = threading.get_ident()
        if here not in self._kept:
            self._kept[here] = _Staying(super().connect())
        return self._kept[here]

    def close(self) -> None:
        """They are not used any more."""
        for kept in self._kept.values():
            kept.inner.close()


class _Staying:
    def __init__(self, inner: Connection) -> None:
        self.inner = inner
        self.reading = inner.reading
        self.writing = inner.writing
        self.look_after = inner.look_after

    def close(self) -> None:
        pass


class Failing(Protocol):
    """A database, and the statement at which it fails."""

    database: Database
    count: int
    """Statements since it was armed."""
    failed: bool
    """Whether the chosen one came."""
    was_commit: bool
    """Whether it was a COMMIT."""

    def arm(self, at: int, how: How = How.BEFORE) -> None:
        """Count statements from now on; the one of this number (from 1) fails. 0: none does."""

    def close(self) -> None:
        """It is not used any more."""


class FailingDisk(Database):
    """SQLite whose statement of a chosen number fails, as on a full or broken disk."""

    def __init__(self, plain: Database) -> None:
        super().__init__(plain.directory, None, plain.clock)
        self.database: Database = self
        self.arm(0)

    def arm(self, at: int, how: How = How.BEFORE) -> None:
        """Count statements from now on; the one of this number fails."""
        assert how is How.BEFORE, "a file does what it was told, or says that it cannot"
        self.at, self.count, self.failed, self.was_commit = at, 0, False, False

    def connect(self) -> Connection:
        return _OnDisk(self.path, self.clock, self)

    def close(self) -> None:
        """It is not used any more."""


class _OnDisk(SqliteConnection):
    def __init__(self, path: Path, clock: Clock, failing: FailingDisk) -> None:
        self._failing = failing
        super().__init__(path, clock)

    def _open(self) -> sqlite3.Connection:
        return cast(sqlite3.Connection, _Disk(super()._open(), self._failing))


class _Disk:
    """What `sqlite3.Connection` is to `SqliteConnection`."""

    def __init__(self, db: sqlite3.Connection, failing: FailingDisk) -> None:
        self._db = db
        self._failing = failing

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        failing = self._failing
        if statement[0] != "ROLLBACK":
            failing.count += 1
            if failing.count == failing.at:
                failing.failed, failing.was_commit = True, statement[0] == "COMMIT"
                error = sqlite3.OperationalError("told so")
                error.sqlite_errorcode = DISK[failing.at % len(DISK)]
                raise error
        return self._db.execute(*statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class FailingLine:
    """PostgreSQL behind a proxy that counts statements, and fails the one of a chosen number."""

    def __init__(self, plain: Database) -> None:
        assert plain.url is not None
        url = urlsplit(plain.url)
        (directory,) = parse_qs(url.query)["host"]
        self._server = f"{directory}/.s.PGSQL.5432"
        self._listener = socket.create_server((HOST, 0))
        port = self._listener.getsockname()[1]
        through = f"postgresql://{url.username}@{HOST}:{port}{url.path}?sslmode=disable&gssencmode=disable"
        self.database = Database(plain.directory, through, plain.clock)
        self._lock = threading.Lock()
        self._lines: list[socket.socket] = []
        self.arm(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, at: int, how: How = How.BEFORE) -> None:
        """Count statements from now on; the one of this number fails."""
        with self._lock:
            self.at, self.how, self.count, self.failed, self.was_commit = at, how, 0, False, False

    def close(self) -> None:
        """Hang up on everybody."""
        with self._lock:
            for line in (self._listener, *self._lines):
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection: what the client says goes to the server, its answer comes back, in turn."""
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError, EOFError):
            server.connect(self._server)
            with self._lock:
                self._lines += (client, server)
            server.sendall(_startup(client))
            client.sendall(_answer(server))
            while True:
                said, statement = _said(client)
                failure = self._failure(b"COMMIT\0" in said) if statement else None
                if failure is How.CONFLICT:
                    client.sendall(_CONFLICT)
                    continue
                if failure is not How.BEFORE:
                    server.sendall(said)
                    answer = _answer(server) if statement else b""
                if failure is not None:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return
                client.sendall(answer)

    def _failure(self, is_commit: bool) -> How | None:
        with self._lock:
            self.count += 1
            if self.count != self.at:
                return None
            self.failed, self.was_commit = True, is_commit
            return self.how


def _message(kind: bytes, *fields: bytes) -> bytes:
    content = b"".join(fields)
    return kind + struct.pack("!i", len(content) + 4) + content


_ERROR = (b"SERROR\0", b"VERROR\0", b"C40001\0", b"Mtold so\0", b"\0")
_CONFLICT = _message(b"E", *_ERROR) + _message(b"Z", b"E")


def _exactly(line: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        more = line.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return bytes(found)


def _startup(client: socket.socket) -> bytes:
    head = _exactly(client, 4)
    return head + _exactly(client, struct.unpack("!i", head)[0] - 4)


def _messages(line: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """(kind, whole message), one after the other."""
    while True:
        head = _exactly(line, 5)
        yield head[:1], head + _exactly(line, struct.unpack("!i", head[1:])[0] - 4)


def _said(client: socket.socket) -> tuple[bytes, bool]:
    """What a client says until it waits for an answer (Query, Sync), or goes (Terminate)."""
    said = bytearray()
    for kind, message in _messages(client):
        said += message
        if kind in b"QSX":
            return bytes(said), kind != b"X"
    raise AssertionError("unreachable")


def _answer(server: socket.socket) -> bytes:
    """What a server says until it waits for more (ReadyForQuery)."""
    said = bytearray()
    for kind, message in _messages(server):
        said += message
        if kind == b"Z":
            return bytes(said)
    raise AssertionError("unreachable")


def failing(plain: Database) -> Failing:
    """The same data on a database that fails when it is told to."""
    assert isinstance(plain.clock, FakeClock)
    return FailingDisk(plain) if plain.url is None else FailingLine(plain)
