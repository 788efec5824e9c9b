"""A link that is watched: everything passes, and is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ulak.core.figures import LinkFigures
from ulak.core.ports import Accepted, Inbound, LinkDesk, Outcome, Outgoing, Refused, Report, Unknown
from ulak.workers.measured import MeasuredLink


class Link:
    """Remembers what it was given."""

    window = 7
    counts: Mapping[str, int] = {"throttled": 3}
    desk: LinkDesk

    def __init__(self) -> None:
        self.got: list[int] = []

    def submit(self, batch: Sequence[Outgoing]) -> None:
        self.got += [message.id for message in batch]

    async def start(self, desk: LinkDesk) -> None:
        self.desk = desk

    async def stop(self) -> None:
        self.got.clear()


class Desk:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        self.told.append(batch)

    def reports(self, batch: Sequence[Report], stored: Callable[[bool], None]) -> None:
        self.told.append(batch)
        stored(True)

    def inbound(self, batch: Sequence[Inbound], stored: Callable[[bool], None]) -> None:
        self.told.append(batch)
        stored(False)

    def link_state(self, up: bool, why: str) -> None:
        self.told.append((up, why))

    async def awaited(self, among: Sequence[str] | None = None) -> Mapping[str, bool]:
        return dict.fromkeys(among or ("all",), True)


def messages(*ids: int) -> list[Outgoing]:
    return [Outgoing(one, 905301234567, "ULAK", "x") for one in ids]


async def test_everything_passes_and_is_counted() -> None:
    now = [10.0]
    link, desk, figures = Link(), Desk(), LinkFigures()
    measured = MeasuredLink(link, figures, lambda: now[0])
    assert (measured.window, measured.counts["throttled"]) == (7, 3)
    await measured.start(desk)
    for up, why in ((False, "no"), (True, "bound"), (True, "bound"), (False, "gone"), (True, "bound")):
        link.desk.link_state(up, why)
    measured.submit(messages(1, 2))
    now[0] = 10.5
    measured.submit(messages(3, 4))
    assert (link.got, measured.in_flight) == ([1, 2, 3, 4], 4)

    now[0] = 11.0
    answers: list[tuple[int, Outcome]] = [(2, Accepted(("r",))), (3, Refused("8")), (4, Unknown("lost"))]
    link.desk.outcomes(answers)
    heard: list[bool] = []
    link.desk.reports([], heard.append)
    link.desk.inbound([], heard.append)

    assert measured.in_flight == 1
    assert (figures.sent, figures.accepted, figures.refused, figures.unknown) == (4, 1, 1, 1)
    assert (figures.connects, figures.losses) == (2, 1)
    # Two were answered together; the one that waited longest did so for a second.
    assert (sum(figures.answered.buckets), figures.answered.total) == (2, 2.0)
    assert desk.told[5:] == [answers, [], []]
    assert heard == [True, False]
    assert await link.desk.awaited(["x"]) == {"x": True}
    await measured.stop()
    assert not link.got
