"""What was booked under which key, because carriers behind Karrio do not know keys.

A key is written down before the carrier is asked, and what it answered afterwards. A key that is found
without an answer may have been booked, and is not asked again until an operator has looked.

Versions before kept a file for each key, in a folder of one machine. What is left of those is taken over when
its key is asked for, and deleted when it is 30 days old.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from pathlib import Path

import msgspec

from ulak.core.consignments import TrackingKind
from ulak.core.journal import Journal, KeyState, Known
from ulak.core.shipping import Booked, File, Ticket

KEPT = 30 * 24 * 60 * 60
"""Seconds after which a file is deleted."""


class _KeptTicket(msgspec.Struct):
    tracking: str | None
    content: bytes | None = None
    mime: str = ""


class _Answer(msgspec.Struct):
    """What the carrier answered. In a file `tickets` is None as long as it did not."""

    tickets: list[_KeptTicket] | None = None
    reference: str = ""


class Keys:
    """The keys of one carrier."""

    def __init__(self, journal: Journal, folder: Path | None = None) -> None:
        """`folder` is where versions before kept them."""
        self._journal = journal
        self._folder = folder

    async def begin(self, key: str) -> Known | None:
        """Write down that this key is being asked; or what is known of it.

        Raises:
            StoreUnavailable, OSError: it cannot be written or read.
        """
        older = await asyncio.to_thread(self._older, key) if self._folder is not None else None
        known = await self._journal.begin(key)
        if older is None:
            return known
        path, answer = older
        if answer is not None and (known is None or known.state is KeyState.ASKED):
            await self._journal.finish(key, answer)
            known = Known(KeyState.ANSWERED, answer)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return known or Known(KeyState.ASKED)

    async def finish(self, key: str, booked: Booked) -> None:
        """Write down the answer. Raises StoreUnavailable."""
        tickets = [
            _KeptTicket(ticket.tracking, ticket.file.content, ticket.file.mime)
            if ticket.file is not None
            else _KeptTicket(ticket.tracking)
            for ticket in booked.tickets
        ]
        await self._journal.finish(key, msgspec.json.encode(_Answer(tickets, booked.reference)))

    async def forget(self, key: str) -> None:
        """Nothing was booked under this key. Raises StoreUnavailable."""
        await self._journal.forget(key)

    def _older(self, key: str) -> tuple[Path, bytes | None] | None:
        """The file of a key, if there is one, and the answer in it.

        One without an answer, or that a crash cut off, says that the carrier was about to be asked.
        """
        assert self._folder is not None
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > KEPT:
                    path.unlink()
        path = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return path, content if read_booked(content) is not None else None


def read_booked(answer: bytes | None) -> Booked | None:
    """What the carrier answered; None if it is not known, or was written by a version that this one cannot
    read."""
    if answer is None:
        return None
    try:
        kept = msgspec.json.decode(answer, type=_Answer)
    except msgspec.MsgspecError:
        return None
    if kept.tickets is None:
        return None
    tickets = tuple(
        Ticket(
            ticket.tracking,
            TrackingKind.CARRIER,
            File(ticket.content, ticket.mime) if ticket.content is not None else None,
        )
        for ticket in kept.tickets
    )
    return Booked(tickets, kept.reference)
