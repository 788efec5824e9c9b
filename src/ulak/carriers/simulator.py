"""A carrier that carries nothing: an operator of its own, made up, at the other end of a real link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from ulak.core.ports import LinkDesk, MessageLink, Outgoing


class Operator(Protocol):
    """A made-up operator that listens on a port of this machine."""

    @property
    def port(self) -> int:
        """Where it listens."""

    async def close(self) -> None:
        """Be gone."""


class SimulatorLink:
    """`ulak.core.ports.MessageLink` to an operator that lives and dies with it."""

    def __init__(
        self,
        open_operator: Callable[[], Awaitable[Operator]],
        link_to: Callable[[int], MessageLink],
        window: int,
    ) -> None:
        """`link_to` makes the link to an operator at this port, with this window."""
        self._open = open_operator
        self._link_to = link_to
        self._window = window
        self._operator: Operator | None = None
        self._link: MessageLink | None = None

    @property
    def window(self) -> int:
        """How many parts may be with the carrier and unanswered."""
        return self._window

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened so far, by name."""
        return {} if self._link is None else self._link.counts

    def submit(self, batch: Sequence[Outgoing]) -> None:
        """Take these messages, in this order."""
        assert self._link is not None, "a link is started before it is used"
        self._link.submit(batch)

    async def start(self, desk: LinkDesk) -> None:
        """Begin to connect, and keep connecting until stopped."""
        self._operator = await self._open()
        self._link = self._link_to(self._operator.port)
        await self._link.start(desk)

    async def stop(self) -> None:
        """Take no more, wait shortly for answers that are due, unbind, close."""
        if self._link is not None:
            await self._link.stop()
        if self._operator is not None:
            await self._operator.close()
