"""Whatever the server does: every message has its end, and only what is marked goes twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
from tests.dialects.iletimerkezi_client.conftest import FIRST, Desk, Linked
from tests.dialects.iletimerkezi_client.upstream import BALANCE, LIST, REPORT, SEND, Server, good, no
from tests.dialects.sms4sats_client.upstream import GARBAGE, HTML, Asked, Cut, Raw, What

from ulak.core.ports import Accepted, Outcome, Outgoing, Refused, ReportState, Unknown

pytestmark = pytest.mark.fault(
    "F29 carrier API", "an account elsewhere that fails, lies, loses answers and is slow"
)

Link: TypeAlias = Callable[..., Linked]

MESSAGES, NUMBERS = 150, 40
BAD = "kötü"


class Engine(Desk):
    """A desk that has messages in doubt sent again, together, and remembers which these were."""

    def __init__(self) -> None:
        super().__init__()
        self.unsure: set[int] = set()
        self.sent: dict[int, Outgoing] = {}
        self.submit: Callable[[Sequence[Outgoing]], None] = lambda _batch: None

    def outcomes(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        doubtful = [each for each, said in batch if isinstance(said, Unknown)]
        super().outcomes([(each, said) for each, said in batch if not isinstance(said, Unknown)])
        self.unsure.update(doubtful)
        if doubtful:
            again = [self.sent[each] for each in doubtful]
            asyncio.get_running_loop().call_soon(self.submit, again)


class Weather:
    """A server that is as it should be for some time, and then is not."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        server.on(SEND, self._send)
        for call, usual in ((REPORT, server.report), (LIST, server.listing)):
            server.on(call, self._perhaps(usual))
        server.on(BALANCE, self._perhaps(lambda _asked: good(balance={"sms": self._random.randint(1, 9)})))

    def _perhaps(self, usual: Callable[[Asked], What]) -> Callable[[Asked], What]:
        def answer(asked: Asked) -> What:
            bad: tuple[What, ...] = (Cut(), HTML, GARBAGE, no(429), no(503), no(500), Raw(404))
            return self._random.choice(bad) if self._random.random() < 0.2 else usual(asked)

        return answer

    def _send(self, asked: Asked) -> What:
        if self._random.random() < 0.5:
            return self._taken(asked)
        kept: tuple[What, ...] = (Cut(), HTML, GARBAGE, no(402), no(429), no(503), Raw(403), no(401))
        if self._random.random() < 0.5:
            return self._random.choice(kept)
        self._taken(asked)
        return self._random.choice((Cut(), HTML, GARBAGE, good()))

    def _taken(self, asked: Asked) -> What:
        if any(BAD in each["text"] for each in asked.json["request"]["order"]["message"]):
            return no(454)
        return self._server.take(asked)


@pytest.mark.parametrize("seed", range(12))
async def test_any_weather(upstream: Server, linked: Link, seed: int) -> None:
    chance = random.Random(seed)
    desk = Engine()
    link = linked(desk, rate=chance.choice(("0", "30", "200")))
    desk.submit = link.link.submit
    Weather(upstream, seed)
    await link.start()
    while len(desk.sent) < MESSAGES:
        batch = []
        for _ in range(chance.choice((1, 1, 3, 20))):
            name = len(desk.sent)
            text = (
                f"{BAD if chance.random() < 0.03 else 'Kod'} {name // 3 if chance.random() < 0.5 else name}"
            )
            batch.append(Outgoing(name, FIRST + chance.randrange(NUMBERS), chance.choice("AAB"), text))
            desk.sent[name] = batch[-1]
        link.link.submit(batch)
        await link.hours.pass_by(chance.choice((0.01, 0.5, 5)))
    await link.told(len(desk.sent))

    owners: Counter[str] = Counter()
    for name, said in desk.outcome.items():
        message = desk.sent[name]
        assert isinstance(said, Refused if BAD in message.text else Accepted), (message.text, said)
        if isinstance(said, Accepted):
            (reference,) = said.references
            owners[reference] += 1
            order = upstream.orders[int(reference.partition(":")[0]) - 300_000_001]
            # It is the order in which exactly this text goes to exactly this number.
            assert message.number in order.texts[message.text]
            assert (order.sender, reference) == (message.sender, f"{order.id}:{message.number}")
    assert max(owners.values()) == 1
    wanted = Counter((desk.sent[name].text, desk.sent[name].number) for name in desk.outcome)
    doubtful = {(desk.sent[name].text, desk.sent[name].number) for name in desk.unsure}
    twice = {pair for pair, times in Counter(upstream.got()).items() if times > wanted[pair]}
    assert twice <= doubtful
    await everything_is_reported(upstream, link)


async def everything_is_reported(upstream: Server, link: Linked) -> None:
    """All that was accepted is reported, each once, and then nobody asks any more."""
    accepted = [said for said in link.desk.outcome.values() if isinstance(said, Accepted)]
    for order in upstream.orders:
        order.states = dict.fromkeys(order.states, 111)
    await link.hours.until(lambda: len(link.desk.reported) >= len(accepted))
    await link.hours.pass_by(3 * 3600)
    asked = upstream.times(REPORT)
    await link.hours.pass_by(24 * 3600)
    assert upstream.times(REPORT) == asked
    assert Counter(report.reference for report in link.desk.reported) == Counter(
        reference for said in accepted for reference in said.references
    )
    assert {report.state for report in link.desk.reported} == {ReportState.DELIVERED}
