"""One TCP connection that speaks SMPP, at either end: an `asyncio.Protocol` around a `Session`.

Everything that came in one read is handled as one batch, and everything to be said leaves in one write. At
thousands of messages a second this is what decides about the speed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Generic, cast

from ulak.dialects.smpp.session import Event, Role, Session, State, Token

TALK_MAX = 1_000
"""What a peer may say beside messages, their answers and binds, until its owner looks again: within a second.
Whoever says more is hung up on."""


class Line(asyncio.Protocol, Generic[Token]):
    """A connection and its session.

    `heard(line, events)` is called for each read that brought events, `lost(line, why)` once, when the
    connection is gone, and `made(line)` when it is there. A session that has ended closes its
    connection by itself.
    """

    def __init__(
        self,
        role: Role,
        heard: Callable[[Line[Token], list[Event[Token]]], None],
        lost: Callable[[Line[Token], str], None],
        now: Callable[[], float],
        made: Callable[[Line[Token]], None] | None = None,
    ) -> None:
        self.session: Session[Token] = Session(role)
        self.heard_at = now()
        self.address = ""
        self.heard = heard
        self.lost = lost
        self._now = now
        self._made = made
        self._reading = False
        self._flushing = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self.address = (transport.get_extra_info("peername") or ("",))[0]
        peer = transport.get_extra_info("socket")
        if peer is not None:
            # A held-back segment would wait for the acknowledgement of the one before: 40 ms each.
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._made is not None:
            self._made(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.heard_at = self._now()
        events = self.session.receive(data)
        self._reading = True
        if events:
            self.heard(self, events)
        self._reading = False
        if self.session.talk > TALK_MAX:
            self.abort()
            return
        self._write()
        if self.session.state in (State.BROKEN, State.UNBOUND):
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self._transport = None
        self.lost(self, f"the connection broke: {error}" if error else "the peer closed the connection")

    def pause_writing(self) -> None:
        """Called by asyncio: the peer does not read. Then it is not listened to either, or else it could fill
        the memory with answers that it never fetches."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def flush(self) -> None:
        """Write what the session has to say, at the end of this turn of the loop: all of it in one piece."""
        if not self._reading and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._flushing = False
        data = self.session.take()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close when everything is written."""
        self._write()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()
