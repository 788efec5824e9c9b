"""A link that is watched: what goes over it and comes back is counted on its way.

Nothing is changed, but that the engine takes it for down while dispatch is paused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ulak.core.figures import LinkFigures
from ulak.core.ports import Accepted, Inbound, LinkDesk, MessageLink, Outcome, Outgoing, Refused, Report

PAUSED = "dispatch is paused"

Seconds = Callable[[], float]
"""A clock that only goes forward."""


class MeasuredLink:
    """`ulak.core.ports.MessageLink`, around another one."""

    def __init__(self, link: MessageLink, figures: LinkFigures, clock: Seconds) -> None:
        """`figures` go on where they are: a link that is made anew is the same to whoever looks at it."""
        self._link = link
        self._figures = figures
        self._clock = clock
        self._left: dict[int, float] = {}
        self._desk: _Desk | None = None
        self._paused = False

    @property
    def up(self) -> bool:
        """Whether the link itself can take messages."""
        return self._desk is not None and self._desk.state[0]

    def pause(self, paused: bool) -> None:
        """While paused the engine is told that the link is down: it hands over nothing more, and what comes
        from the operator is taken as ever."""
        if paused != self._paused:
            self._paused = paused
            if self._desk is not None:
                self._desk.pause(paused)

    @property
    def window(self) -> int:
        """How many parts may be with the carrier and unanswered."""
        return self._link.window

    @property
    def counts(self) -> Mapping[str, int]:
        """What the link alone knows."""
        return self._link.counts

    @property
    def in_flight(self) -> int:
        """Messages with the link and unanswered; some may wait in it."""
        return len(self._left)

    def submit(self, batch: Sequence[Outgoing]) -> None:
        """Take these messages, in this order."""
        self._figures.sent += len(batch)
        self._left.update(dict.fromkeys([message.id for message in batch], self._clock()))
        self._link.submit(batch)

    async def start(self, desk: LinkDesk) -> None:
        """Begin to connect, and keep connecting until stopped."""
        self._desk = _Desk(desk, self._figures, self._left, self._clock, self._paused)
        await self._link.start(self._desk)

    async def stop(self) -> None:
        """Take no more, wait shortly for answers that are due, unbind, close."""
        await self._link.stop()


class _Desk:
    """`ulak.core.ports.LinkDesk`, in front of another one."""

    def __init__(
        self,
        desk: LinkDesk,
        figures: LinkFigures,
        left: dict[int, float],
        clock: Seconds,
        paused: bool,
    ) -> None:
        self._desk = desk
        self._figures = figures
        self._left = left
        self._clock = clock
        self._paused = paused
        self.state = (False, "")
        """What the link said last of itself, and why."""
        # Nothing is counted of these.
        self.reports: Callable[[Sequence[Report], Callable[[bool], None]], None] = desk.reports
        self.inbound: Callable[[Sequence[Inbound], Callable[[bool], None]], None] = desk.inbound

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        """See `LinkDesk`."""
        figures, now = self._figures, self._clock()
        accepted = refused = answered = 0
        first = now
        for message_id, outcome in batch:
            left = self._left.pop(message_id, now)
            if isinstance(outcome, Accepted):
                accepted += 1
            elif isinstance(outcome, Refused):
                refused += 1
            else:
                continue
            answered += 1
            first = min(first, left)
        if answered:
            # Those that came together waited nearly the same; the longest of them counts.
            figures.answered.observe(now - first, answered)
        figures.accepted += accepted
        figures.refused += refused
        figures.unknown += len(batch) - answered
        self._desk.outcomes(batch)

    def link_state(self, up: bool, why: str) -> None:
        """See `LinkDesk`."""
        was_up = self.state[0]
        self._figures.connects += up and not was_up
        self._figures.losses += was_up and not up
        self.state = (up, why)
        self._tell()

    def pause(self, paused: bool) -> None:
        """Let the engine know of the link, or believe that it is down."""
        self._paused = paused
        self._tell()

    def _tell(self) -> None:
        up, why = self.state
        self._desk.link_state(up and not self._paused, PAUSED if up and self._paused else why)

    async def awaited(self, among: Sequence[str] | None = None) -> Mapping[str, bool]:
        """See `LinkDesk`."""
        return await self._desk.awaited(among)
