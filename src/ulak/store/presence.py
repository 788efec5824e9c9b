"""This process among those that work on the same data: it shows that it is there, and sees who is gone.

On PostgreSQL each process holds an advisory lock in a session of its own, and moves its beat every few
seconds. Whose lock is free at two looks has ended; whose beat stands still for `LEASE` hangs, or was paused.
Both are taken for gone, and what they were at is free. No clock is asked but one's own monotonic one, so none
has to agree with another. A process that was taken for gone and is not comes back under another id, and finds
what it had with others.

A server that stands still holds up all of them. The first to go on saw nothing of the others meanwhile, and
their next beats are still to come: it observes them anew, as if it had just begun.

The same session hears what others ring: that there is something to do. It saves waiting for the next look and
is never needed.

A SQLite file has one process, which knows that those before it are gone.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
import structlog

import ulak
from ulak.core.errors import StoreUnavailable
from ulak.core.leases import Peer, Role
from ulak.store import processes
from ulak.store.engine import Database, Row, Tx
from ulak.store.postgres import dial
from ulak.store.writer import sync_write

BEAT = 3.0
"""Seconds between signs of life."""

LEASE = 10.0
"""Seconds without a sign of life after which a process is taken for gone."""

LOOK = 1.0
"""Seconds between looks at the others."""

SOON = 0.5
"""Seconds for which a lock has to be free, when we start, until its process is taken for gone."""

WHILE = 1.5
"""The same later on: a session that was cut is soon made anew."""

PATIENCE = 3.0
"""The same after our own session was lost or held up: the server may have been away for all."""

HELD_UP = 2.0
"""Seconds between two looks from which on we were held up ourselves, and saw nothing of the others."""

BELL = 0.02
"""Seconds between two rings at least."""

CHANNEL = "ulak"

_CLASS = 0x756C616B  # "ulak": the first half of the key of our locks; the other half is the process's id

_PEERS = f"""
SELECT id, role, beat, EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
 AND classid = {_CLASS} AND objid::bigint = process.id AND granted
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
FROM process ORDER BY id"""

_AT_WORK = f"""
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = {_CLASS} AND granted
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

Session = psycopg.Connection[Row]

log = structlog.get_logger("ulak.presence")


@dataclass(slots=True)
class _Watched:
    """Another process: its last beat, when that was first seen, and since when its lock is free (seconds)."""

    beat: int
    moved: float
    missing: float | None


def at_work(session: Session) -> int:
    """How many processes work on a database."""
    row = session.execute(_AT_WORK.encode()).fetchone()
    assert row is not None
    count: int = row[0]
    return count


class Presence:
    """This process as the others see it, and the others as it sees them."""

    def __init__(
        self, database: Database, role: Role, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is a monotonic one, in seconds."""
        self.name = secrets.token_hex(8)
        self.role = role
        self.on_news: Callable[[str], None] = lambda _what: None
        """Called from a thread with what a process rang."""
        self._database = database
        self._clock = clock
        self._id = 0
        self._peers: tuple[Peer, ...] = ()
        self._alive = clock()
        self._watched: dict[int, _Watched] = {}
        self._looked = self._anew = clock()
        self._patience = SOON
        self._stopping = threading.Event()
        self._wanted: set[str] = set()
        self._rung = threading.Condition()
        self._threads: list[threading.Thread] = []

    @property
    def id(self) -> int:
        """Our id. It is another one after we were taken for gone."""
        return self._id

    @property
    def peers(self) -> Sequence[Peer]:
        """The processes that were there at the last look, we among them."""
        return self._peers

    def start(self) -> None:
        """Show that we are there, and bury who is gone.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        if self._database.url is None:
            sync_write(self._database, self._begin_alone)
            return
        session = self._opened(self._database.url)
        self._patience = SOON
        try:
            while self._look(session):
                time.sleep(SOON)
        except psycopg.Error as error:
            raise StoreUnavailable(f"PostgreSQL: {error}") from error
        self._patience = WHILE
        self._threads = [
            threading.Thread(target=self._attend, args=(session,), name="ulak-presence", daemon=True),
            threading.Thread(target=self._ring_on, name="ulak-bell", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Leave: what we still had is free at once."""
        try:
            sync_write(self._database, lambda tx: processes.bury(tx, self._id))
        except StoreUnavailable as error:
            log.warning("presence.not_ended", error=str(error))
        self._stopping.set()
        # What is rung wakes our own session too.
        self._ring("left")
        for thread in self._threads:
            thread.join(LEASE)

    def alive(self) -> None:
        """The event loop moves. When it has not for long, we show no sign of life either."""
        self._alive = self._clock()

    def ring(self, what: str) -> None:
        """Tell the other processes, if there are any, that there is something to do."""
        if len(self._peers) > 1:
            self._ring(what)

    def _ring(self, what: str) -> None:
        with self._rung:
            self._wanted.add(what)
            self._rung.notify()

    def _begin_alone(self, tx: Tx) -> None:
        for peer in processes.peers(tx):
            processes.bury(tx, peer.id)
        self._id = self._registered(tx)
        self._peers = (Peer(self._id, self.role),)

    def _registered(self, tx: Tx) -> int:
        return processes.register(tx, self.name, self.role, socket.gethostname(), ulak.__version__)

    # What the thread with the session does.

    def _opened(self, url: str) -> Session:
        """A session that shows that we are there."""
        try:
            session = dial(url)
            session.execute(f"LISTEN {CHANNEL}".encode())
            if not self._beat(session):
                session.execute("SELECT pg_advisory_lock(%s, %s)", (_CLASS, self._id))
        except psycopg.Error as error:
            raise StoreUnavailable(f"PostgreSQL: {error}") from error
        self._observe_anew()
        return session

    def _observe_anew(self) -> None:
        """What was seen of the others until now says nothing about them."""
        self._watched = {}
        self._patience = PATIENCE
        self._looked = self._anew = self._clock()

    def _beat(self, session: Session) -> bool:
        """Show a sign of life. Who was buried comes back under another id; whether that was so."""
        if self._clock() - self._alive >= LEASE:
            return False
        moved = session.execute("UPDATE process SET beat = beat + 1 WHERE id = %s", (self._id,)).rowcount
        if moved:
            return False
        if self._id:
            log.warning("presence.was_buried", process=self._id)
        self._id = sync_write(self._database, self._registered)
        session.execute("SELECT pg_advisory_unlock_all()")
        session.execute("SELECT pg_advisory_lock(%s, %s)", (_CLASS, self._id))
        return True

    def _look(self, session: Session) -> bool:
        """Look at the others, and bury who is gone. Whether somebody seems to be, and is not sure to be."""
        found = session.execute(_PEERS).fetchall()
        now = self._clock()
        if now - self._looked >= HELD_UP:
            log.warning("presence.held_up", seconds=round(now - self._looked, 1))
            self._observe_anew()
        self._looked = now
        watched, missing, peers = {}, False, []
        for row in found:
            process_id, role, beat, is_locked = row
            if process_id != self._id:
                other = self._watched.get(process_id) or _Watched(beat, now, None)
                if other.beat != beat:
                    other.beat, other.moved = beat, now
                other.missing = None if is_locked else other.missing or now
                if self._is_gone(other, now):
                    self._bury(process_id)
                    continue
                watched[process_id] = other
                missing = missing or not is_locked
            peers.append(Peer(process_id, Role(role)))
        self._watched, self._peers = watched, tuple(peers)
        if self._patience == PATIENCE and now - self._anew >= PATIENCE:
            self._patience = WHILE  # Whoever was away for the same reason has come back.
        return missing

    def _is_gone(self, other: _Watched, now: float) -> bool:
        ended = other.missing is not None and now - other.missing >= self._patience
        return ended or now - other.moved >= LEASE

    def _bury(self, process_id: int) -> None:
        if sync_write(self._database, lambda tx: processes.bury(tx, process_id)):
            log.warning("process.gone", process=process_id)
            self.on_news("left")

    def _attend(self, session: Session) -> None:
        while not self._stopping.is_set():
            try:
                self._watch(session)
            except (psycopg.Error, StoreUnavailable) as error:
                log.warning("presence.lost", error=str(error))
                with contextlib.suppress(psycopg.Error):
                    session.close()
                session = self._opened_again() or session
        with contextlib.suppress(psycopg.Error):
            session.close()

    def _watch(self, session: Session) -> None:
        beaten = -BEAT
        while not self._stopping.is_set():
            now = self._clock()
            if now - beaten >= BEAT:
                self._beat(session)
                beaten = now
            pause = SOON if self._look(session) else LOOK
            for notify in session.notifies(timeout=pause):
                if self._stopping.is_set():
                    return
                self.on_news(notify.payload)

    def _opened_again(self) -> Session | None:
        assert self._database.url is not None
        while not self._stopping.wait(SOON):
            with contextlib.suppress(StoreUnavailable):
                return self._opened(self._database.url)
        return None

    # What the thread of the bell does.

    def _ring_on(self) -> None:
        assert self._database.url is not None
        session: Session | None = None
        while not self._stopping.is_set() or self._wanted:
            with self._rung:
                while not self._wanted:
                    self._rung.wait()
                wanted, self._wanted = sorted(self._wanted), set()
            try:
                session = session or dial(self._database.url)
                session.execute(
                    "SELECT pg_notify(%s, what) FROM unnest(%s::text[]) AS what", (CHANNEL, wanted)
                )
            except (psycopg.Error, StoreUnavailable):
                # Nobody has to hear it: what there is to do is found at the next look.
                session = None
            self._stopping.wait(BELL)
        if session is not None:
            session.close()
