"""What was booked under which key, because carriers behind Karrio do not know keys.

A key is written down before the carrier is asked, and what it answered afterwards. A key that is found
without an answer may have been booked, and is not asked again until somebody has looked and removed it.
Without a folder this holds as long as the process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from pathlib import Path

import msgspec

from ulak.core.consignments import TrackingKind
from ulak.core.shipping import Booked, File, Ticket

KEPT = 30 * 24 * 60 * 60
"""Seconds after which an entry is forgotten."""


class _KeptTicket(msgspec.Struct):
    tracking: str | None
    content: bytes | None = None
    mime: str = ""


class Entry(msgspec.Struct):
    """A key that was asked: `tickets` is None as long as no answer came."""

    key: str
    barcode: str
    tickets: list[_KeptTicket] | None = None
    reference: str = ""

    def booked(self) -> Booked | None:
        """What the carrier answered, if it did."""
        if self.tickets is None:
            return None
        tickets = tuple(
            Ticket(
                kept.tracking,
                TrackingKind.CARRIER,
                File(kept.content, kept.mime) if kept.content is not None else None,
            )
            for kept in self.tickets
        )
        return Booked(tickets, self.reference)


class Journal:
    """The keys of one carrier."""

    def __init__(self, folder: Path | None) -> None:
        """The folder is made when it is first needed."""
        self._folder = folder
        self._entries: dict[str, Entry] = {}

    async def begin(self, key: str, barcode: str) -> Entry | None:
        """Write down that this key is being asked, on disk when this returns; or what is known of it."""
        entry = Entry(key, barcode)
        if self._folder is None:
            known = self._entries.setdefault(key, entry)
            return None if known is entry else known
        return await asyncio.to_thread(self._begin, entry)

    async def finish(self, key: str, barcode: str, booked: Booked) -> None:
        """Write down the answer."""
        tickets = [
            _KeptTicket(ticket.tracking, ticket.file.content, ticket.file.mime)
            if ticket.file is not None
            else _KeptTicket(ticket.tracking)
            for ticket in booked.tickets
        ]
        entry = Entry(key, barcode, tickets, booked.reference)
        if self._folder is None:
            self._entries[key] = entry
        else:
            await asyncio.to_thread(self._replace, entry)

    async def forget(self, key: str) -> None:
        """Nothing was booked under this key."""
        self._entries.pop(key, None)
        if self._folder is not None:
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def how_to_forget(self, key: str) -> str:
        """What an operator does to let a key be asked again."""
        return f"delete {self._path(key)}" if self._folder is not None else "start the server again"

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _begin(self, entry: Entry) -> Entry | None:
        path = self._path(entry.key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clean(path.parent)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._read(path, entry)
        _write(file, entry)
        _sync(path.parent)
        return None

    def _read(self, path: Path, asked: Entry) -> Entry:
        """What is known. A file that a crash cut off says that the key was about to be asked."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Entry)
        except (OSError, msgspec.MsgspecError):
            return asked

    def _replace(self, entry: Entry) -> None:
        path = self._path(entry.key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        _write(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), entry)
        fresh.replace(path)
        _sync(path.parent)

    def _clean(self, folder: Path) -> None:
        """Age is that of the file, by the machine's clock: a moved clock of a sandbox must not lose keys."""
        for path in folder.glob("*.json"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > KEPT:
                    path.unlink()


def _write(file: int, entry: Entry) -> None:
    with os.fdopen(file, "wb") as stream:
        stream.write(msgspec.json.encode(entry))
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
