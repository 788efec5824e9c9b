"""PostgreSQL: finding the server, transactions on it, and what became of a COMMIT that was not answered."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from ulak.core.errors import OutcomeUnknown, StoreUnavailable
from ulak.core.points import point
from ulak.core.times import Clock
from ulak.store.absence import Absence
from ulak.store.engine import OFFSET, Conflict, Row, Tx

Result = TypeVar("Result")

READ_BACK = 60.0
"""Seconds to wait for PostgreSQL after it went away during a COMMIT."""

STALLED = 15.0
"""Seconds without an answer to a statement after which a server that is being served from counts as gone."""

PROBED = 2.0
"""Seconds that a server may take to commit nothing before it counts as back."""

# What is answered with success is on disk, also where the database, the role or the whole server says that a
# commit need not wait for it. Where it waits for standbys too, that stays, and may still be changed there.
_SYNCED = (
    "CASE WHEN current_setting('synchronous_commit') = 'off'"
    " THEN set_config('synchronous_commit', 'on', false) END"
)

_NEAR = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "application_name": "ulak",
}
"""How soon a silent server is noticed, where the address does not say otherwise: by a connection that waits
for an answer or is not used, after 10 to 14 seconds."""

# The same in the other direction: the locks of a client that is gone must not hold up the others for hours,
# nor those of one that was stopped in the middle.
_OTHER_END = (
    "SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '3', false),"
    " set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '10000', false),"
    f" set_config('idle_in_transaction_session_timeout', '10000', false), {_SYNCED}"
)

# A server can be told to wait no longer while we are connected.
_OPENING = f"SELECT ({OFFSET}), pg_current_xact_id()::text, {_SYNCED}"
_MARK = "INSERT INTO commit_mark (session, number, at) VALUES (%s, %s, extract(epoch FROM now())::int8)"
_MARKED = "SELECT pg_is_in_recovery(), EXISTS (SELECT 1 FROM commit_mark WHERE session = %s AND number = %s)"
_UNMARK = (
    "DELETE FROM commit_mark WHERE session = %s AND number <= %s"
    " OR at < extract(epoch FROM now())::int8 - 86400"
)
_UNMARK_EVERY = 256
"""Commits of a connection after which its old marks, and its plans, go."""

# A commit waits for the standbys that it is to wait for; one that was found done by reading back has to, too.
_REPLICATED = "SELECT pg_logical_emit_message(true, 'ulak', '')"

_STATUS = "SELECT pg_xact_status(%s::xid8)"
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_xid = %s::xid8::xid"
_IN_PROGRESS = "in progress"

# Nothing is wrong with what was asked, but it cannot be done now: too much of something, an operator's
# command, the system around the server; and the connection itself.
_NOT_NOW = ("08", "53", "57", "58", "25P03")
_CUT = ("08", "57P")
_LOST = ("40001", "40P01", "55P03")
_READ_ONLY = "25006"


def dial(url: str, *, autocommit: bool = True) -> psycopg.Connection[Row]:
    """A connection to the server, of several the one that can be written to.

    Raises:
        StoreUnavailable: it cannot be reached.
    """
    try:
        wanted = psycopg.conninfo.conninfo_to_dict(url)
        if "," in str(wanted.get("host", wanted.get("hostaddr", ""))):
            wanted.setdefault("target_session_attrs", "read-write")
        options: dict[str, Any] = _NEAR | wanted
        with contextlib.ExitStack() as failing:
            server = failing.enter_context(
                contextlib.closing(psycopg.connect(**options, autocommit=True, prepare_threshold=2))
            )
            server.execute(_OTHER_END)
            server.autocommit = autocommit
            failing.pop_all()
    except psycopg.Error as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
    return server


def probe(url: str) -> None:
    """Commit something that leaves no trace.

    Raises:
        StoreUnavailable: the server cannot be reached, takes no changes, or waits for its standbys in vain.
    """
    warnings: list[str] = []
    with contextlib.closing(dial(url)) as server:
        server.add_notice_handler(lambda notice: warnings.append(notice.message_primary or "a warning"))
        # The server's own timeouts end before a commit waits for its standbys. One that is told to wait no
        # longer is done all the same, with a warning.
        over = threading.Event()
        patience = threading.Timer(PROBED, _hurry, (server, over))
        patience.start()
        try:
            server.execute(_REPLICATED)
        except psycopg.Error as error:
            raise StoreUnavailable(f"PostgreSQL: {error}") from error
        finally:
            over.set()
            patience.cancel()
            patience.join()
    if warnings:
        raise StoreUnavailable(f"PostgreSQL: {warnings[0]}")


def _hang_up(server: psycopg.Connection[Row]) -> None:
    """Cut a connection on which another thread waits."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(server.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _hurry(server: psycopg.Connection[Row], over: threading.Event) -> None:
    """Ask for the end of what a server is at; where that does not help, hang up."""
    with contextlib.suppress(psycopg.Error, OSError):
        server.cancel_safe(timeout=PROBED)
    if not over.wait(PROBED):
        _hang_up(server)


class PostgresConnection:
    """READ COMMITTED. Connects on first use, and again after the connection was lost."""

    def __init__(self, url: str, clock: Clock, absence: Absence) -> None:
        self._url = url
        self._clock = clock
        self._absence = absence
        self._db: psycopg.Connection[Row] | None = None
        self._cursor: psycopg.Cursor[Row] | None = None
        self._backend = 0
        self._session = ""
        self._number = 0
        self._asked: float | None = None

    def _connect(self) -> psycopg.Connection[Row]:
        if self._db is None or self._db.closed:
            self._absence.check()
            try:
                self._db = dial(self._url)
            except StoreUnavailable as error:
                self._absence.noticed(str(error))
                raise
            self._cursor = self._db.cursor()
            self._backend, self._session = self._db.info.backend_pid, ""
        return self._db

    def reading(self, question: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", question, writes=False)

    def writing(self, change: Callable[[Tx], Result]) -> Result:
        return self._transaction("BEGIN", change, writes=True)

    def execute(self, text: str, values: Any = None) -> psycopg.Cursor[Row]:
        """A statement within the transaction that is open; its answer is there until the next one."""
        assert self._cursor is not None
        self._asked = time.monotonic()
        try:
            return self._cursor.execute(text, values)
        finally:
            self._asked = None

    def look_after(self) -> None:
        asked, db = self._asked, self._db
        if asked is None or db is None or time.monotonic() - asked < STALLED:
            return
        self._asked = None
        self._absence.noticed(f"PostgreSQL has not answered for {STALLED:g} s")
        _hang_up(db)

    def _begin(self, begin: str) -> psycopg.Connection[Row]:
        """A connection with a transaction begun.

        A connection may have been cut while nobody used it, by a restart of the server for example. Nothing
        is lost then, and another one does.
        """
        for last in (False, True):
            db = self._connect()
            try:
                self.execute(begin)
            except psycopg.Error as error:
                if last or not db.closed:
                    _tell(error)
                    raise
            else:
                return db
        raise AssertionError("unreachable")

    def _transaction(self, begin: str, work: Callable[[Tx], Result], *, writes: bool) -> Result:
        db = self._begin(begin)
        try:
            return self._written(db, work) if writes else self._read(work)
        except psycopg.Error as error:
            if (writes and error.sqlstate == _READ_ONLY) or (error.sqlstate or "").startswith(_CUT):
                # A server that was demoted, or is going down: the next transaction looks for another one.
                db.close()
            _tell(error, writes=writes)
            raise
        finally:
            self._clean_up(db)

    def _read(self, work: Callable[[Tx], Result]) -> Result:
        row = self.execute(OFFSET).fetchone()
        ahead = int(row[0] if row else 0)
        result = work(Tx(self, self._clock() + ahead, postgres=True, writes=False, ahead=ahead))
        self.execute("COMMIT")
        return result

    def _written(self, db: psycopg.Connection[Row], work: Callable[[Tx], Result]) -> Result:
        opening = self.execute(_OPENING).fetchone()
        assert opening is not None
        offset, xid, _ = opening
        ahead = int(offset or 0)
        tx = Tx(self, self._clock() + ahead, postgres=True, ahead=ahead)
        result = work(tx)
        if tx.changed:
            self._mark()
        point("transaction.written")
        try:
            self.execute("COMMIT")
        except psycopg.OperationalError as error:
            if not (db.closed or (error.sqlstate or "").startswith(_CUT)):
                raise
            db.close()
            if not tx.changed or not self._was_committed(xid, self._backend, self._session, self._number):
                raise StoreUnavailable(f"PostgreSQL: cut off before a COMMIT was done: {error}") from error
        point("transaction.committed")
        return result

    # What became of a COMMIT.

    def _mark(self) -> None:
        """Leave a row by which this transaction is known again, wherever its data are then."""
        if not self._session:
            row = self.execute("SELECT gen_random_uuid()::text").fetchone()
            assert row is not None
            self._session = row[0]
        self._number += 1
        if self._number % _UNMARK_EVERY == 0:
            self.execute(_UNMARK, (self._session, self._number))
            # Plans that were made while tables were small are kept until somebody analyzes them.
            self.execute("DISCARD PLANS")
        self.execute(_MARK, (self._session, self._number))

    def _was_committed(self, xid: str, backend: int, session: str, number: int) -> bool:
        """After the connection was lost during COMMIT: read back what became of it, never repeat blindly.

        Waits for a server that is still at it, on its way up again, or being replaced by its standby. The
        transaction's mark is there if its data are. Its number alone says too little: after a crash, and on
        a standby that took over, another transaction may have it.

        Raises:
            OutcomeUnknown: it stayed away.
        """
        patience = time.monotonic() + READ_BACK
        while True:
            try:
                found = self._found(xid, backend, session, number)
            except (psycopg.Error, StoreUnavailable) as error:
                if time.monotonic() > patience:
                    raise OutcomeUnknown(f"nobody knows what became of a COMMIT: {error}") from error
            else:
                if found is not None:
                    return found
                if time.monotonic() > patience:
                    raise OutcomeUnknown("nobody knows what became of a COMMIT: it is still under way")
            time.sleep(0.05)

    def _found(self, xid: str, backend: int, session: str, number: int) -> bool | None:
        """Whether a transaction was committed, and is where it is to be. None: it is still under way."""
        db = self._connect()
        try:
            row = self.execute(_STATUS, (xid,)).fetchone()
            under_way = row is not None and row[0] == _IN_PROGRESS
        except psycopg.DataError:
            under_way = False  # "in the future": nothing of it was on disk when the server crashed
        if under_way:
            # The server does not know yet that it was cut off. Without its client it can only end.
            self.execute(_END, (backend, xid))
            return None
        answer = self.execute(_MARKED, (session, number)).fetchone()
        assert answer is not None
        is_standby, is_marked = answer
        if is_standby:
            # What it has not heard of yet may still come.
            db.close()
            return None
        if is_marked:
            self.execute(_REPLICATED)
        return bool(is_marked)

    def _clean_up(self, db: psycopg.Connection[Row]) -> None:
        if not db.closed and db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            try:
                db.execute("ROLLBACK")
            except psycopg.Error:
                db.close()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()


def _tell(error: psycopg.Error, *, writes: bool = True) -> None:
    """Say in words of ours what an error means to who asked, if it is one of those we have words for."""
    state = error.sqlstate or ""
    if state in _LOST:
        raise Conflict(str(error)) from error
    if state == _READ_ONLY and writes:
        raise StoreUnavailable(f"PostgreSQL: this server is a standby: {error}") from error
    if state.startswith(_NOT_NOW) or (not state and isinstance(error, psycopg.OperationalError)):
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
