"""A desk that writes down what a link tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ulak.core.ports import Accepted, Inbound, Outcome, Outgoing, Report, Unknown


class RecordingDesk:
    """`outcome` by message, `seen` in the order of arrival, `reported`, `came_in`, `states`.

    `store` decides about each batch of reports and of SMS: True or False at once; None keeps the question in
    `pending`.
    """

    def __init__(self, store: bool | None = True) -> None:
        self.store = store
        self.outcome: dict[int, Outcome] = {}
        self.seen: list[int] = []
        self.reported: list[Report] = []
        self.came_in: list[Inbound] = []
        self.pending: list[Callable[[bool], None]] = []
        self.states: list[tuple[bool, str]] = []
        self.batches = 0

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        self.batches += 1
        for id, outcome in batch:
            assert id not in self.outcome, f"a second outcome for {id}: {outcome} after {self.outcome[id]}"
            self.outcome[id] = outcome
            self.seen.append(id)

    def reports(self, batch: Sequence[Report], stored: Callable[[bool], None]) -> None:
        self.reported.extend(batch)
        self._decide(stored)

    def inbound(self, batch: Sequence[Inbound], stored: Callable[[bool], None]) -> None:
        self.came_in.extend(batch)
        self._decide(stored)

    def _decide(self, stored: Callable[[bool], None]) -> None:
        if self.store is None:
            self.pending.append(stored)
        else:
            stored(self.store)

    def link_state(self, up: bool, why: str) -> None:
        self.states.append((up, why))

    async def awaited(self, among: Sequence[str] | None = None) -> dict[str, bool]:
        """Nothing is known from before."""
        del among
        return {}

    @property
    def accepted(self) -> list[int]:
        """The messages that the operator has, in the order of their outcomes."""
        return [id for id in self.seen if isinstance(self.outcome[id], Accepted)]

    @property
    def unknown(self) -> list[int]:
        """The messages that the operator may have, in the order of their outcomes."""
        return [id for id in self.seen if isinstance(self.outcome[id], Unknown)]

    @property
    def up(self) -> bool:
        """The last word about the link."""
        return bool(self.states) and self.states[-1][0]


async def until(done: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until something is so, and say what it was when it never is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not done():
        assert loop.time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.005)


def outgoing(
    *ids: int, text: str = "Merhaba", sender: str = "ACME", ending: int | None = None
) -> list[Outgoing]:
    """Messages with these ids, each to a number of its own, or to numbers that end alike."""
    last = 0 if ending is None else ending
    return [Outgoing(id, 905_300_000_000 + id % 10_000 * 10_000 + last, sender, text) for id in ids]
