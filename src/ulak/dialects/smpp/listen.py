"""The SMSC's end: a listening socket, its peers, and a handler that decides what they are told.

The handler is the application (the simulator in `serve`). What came in one read reaches it as one batch.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Generic, Protocol

from ulak.dialects.smpp import codes
from ulak.dialects.smpp.line import Line
from ulak.dialects.smpp.session import Answer, BindAsked, Event, Incoming, Role, Session, State, Token

BINDS_MAX = 3
"""Binds of one connection that are refused; with the last of them it is closed."""

_SWEEP_MAX = 1.0
_MAY_RECEIVE = frozenset({State.BOUND_RX, State.BOUND_TRX})


class Peer(Generic[Token]):
    """A client that is connected. `system_id` is empty until it is bound."""

    __slots__ = ("arrived_at", "line", "refused", "session", "system_id", "was_bound")

    def __init__(self, line: Line[Token]) -> None:
        self.line = line
        self.session: Session[Token] = line.session
        self.arrived_at = line.heard_at
        self.system_id = ""
        self.refused = 0
        self.was_bound = False

    @property
    def receives(self) -> bool:
        """Whether deliver_sm may be sent to it."""
        return self.session.state in _MAY_RECEIVE


class Handler(Protocol[Token]):
    """What a server does with its peers. None of the calls may block."""

    def may_bind(self, peer: Peer[Token], asked: BindAsked) -> int:
        """The status of the answer to a bind: 0 to let the peer in."""

    def bound(self, peer: Peer[Token]) -> None:
        """A peer is in; the answer to its bind is the next to be written."""

    def submitted(self, peer: Peer[Token], batch: Sequence[Incoming]) -> None:
        """Messages came. Each is to be answered with `peer.session.answer`, now or later; what is answered
        later has to be followed by `peer.line.flush`."""

    def acknowledged(self, peer: Peer[Token], batch: Sequence[Answer[Token]]) -> None:
        """The peer answered messages that were sent to it."""

    def gone(self, peer: Peer[Token], unanswered: list[Token]) -> None:
        """The peer's connection is closed; these messages to it have no answer."""


class Listener(Generic[Token]):
    """A server for many peers. A connection that does not bind, or falls silent, or talks without end, is
    closed; and where there is no room for one more, the oldest that is not bound."""

    def __init__(
        self,
        handler: Handler[Token],
        *,
        name: str = "ULAK",
        peers_max: int = 1000,
        sessions_max: int = 4,
        bind_within: float = 10.0,
        enquire_link: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is the system_id in answers to binds. There are at most `peers_max` connections, and
        `sessions_max` sessions of one system_id. Times are seconds; a peer that was silent for
        `enquire_link` is asked, and after the same time again given up."""
        self._handler = handler
        self._name = name
        self._peers_max = peers_max
        self._sessions_max = sessions_max
        self._bind_within = bind_within
        self._enquire_link = enquire_link
        self._sweep_every = min(_SWEEP_MAX, bind_within / 4, enquire_link / 4)
        self._now = now
        self._peers: dict[Line[Token], Peer[Token]] = {}
        self._unbound: dict[Line[Token], None] = {}  # in the order of coming
        self._sessions: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.port = 0

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen; port 0 takes a free one, and `port` says which. Raises OSError."""
        loop = asyncio.get_running_loop()
        patience = None if tls is None else self._bind_within
        self._server = await loop.create_server(
            self._accept, host, port, ssl=tls, backlog=1024, ssl_handshake_timeout=patience
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._timer = loop.call_later(self._sweep_every, self._sweep)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for line in list(self._peers):
            line.abort()
        while self._peers:
            await asyncio.sleep(0)
        if self._server is not None:
            await self._server.wait_closed()

    @property
    def peers(self) -> list[Peer[Token]]:
        """Everybody who is connected, bound or not."""
        return list(self._peers.values())

    def _accept(self) -> Line[Token]:
        line: Line[Token] = Line(Role.SMSC, self._heard, self._lost, self._now, made=self._made)
        return line

    def _made(self, line: Line[Token]) -> None:
        self._peers[line] = Peer(line)
        self._unbound[line] = None
        if len(self._peers) > self._peers_max:
            # The longest wait ends, so that who binds at once finds room among any number of silent ones.
            oldest = next(iter(self._unbound))
            del self._unbound[oldest]
            oldest.abort()

    def _heard(self, line: Line[Token], events: list[Event[Token]]) -> None:
        peer = self._peers[line]
        submitted: list[Incoming] = []
        acknowledged: list[Answer[Token]] = []
        for event in events:
            if isinstance(event, Incoming):
                submitted.append(event)
            elif isinstance(event, Answer):
                acknowledged.append(event)
            elif isinstance(event, BindAsked):
                self._bind(peer, event)
        if submitted:
            self._handler.submitted(peer, submitted)
        if acknowledged:
            self._handler.acknowledged(peer, acknowledged)

    def _bind(self, peer: Peer[Token], asked: BindAsked) -> None:
        already = peer.session.bound
        system_id = asked.bind.system_id
        status = self._handler.may_bind(peer, asked)
        if not status and self._sessions[system_id] >= self._sessions_max:
            status = codes.ESME_RBINDFAIL
        peer.session.answer_bind(asked, status, self._name)
        if peer.session.bound and not already:
            peer.system_id, peer.was_bound = system_id, True
            self._unbound.pop(peer.line, None)
            self._sessions[system_id] += 1
            self._handler.bound(peer)
        elif status:
            peer.refused += 1
            if peer.refused >= BINDS_MAX:
                peer.line.close()

    def _lost(self, line: Line[Token], _: str) -> None:
        peer = self._peers.pop(line)
        self._unbound.pop(line, None)
        unanswered = line.session.abandon()
        if peer.was_bound:
            self._sessions[peer.system_id] -= 1
            if not self._sessions[peer.system_id]:
                del self._sessions[peer.system_id]
            self._handler.gone(peer, unanswered)

    def _sweep(self) -> None:
        now = self._now()
        for line, peer in list(self._peers.items()):
            silent, line.session.talk = now - line.heard_at, 0
            if not line.session.bound:
                if now - peer.arrived_at > self._bind_within:
                    line.abort()
            elif silent > 2 * self._enquire_link:
                line.abort()
            elif silent > self._enquire_link and not line.session.enquiring:
                line.session.enquire()
                line.flush()
        self._timer = asyncio.get_running_loop().call_later(self._sweep_every, self._sweep)
