"""The order engine's links in random days of a shop: they take messages, refuse or lose them, and report."""

from __future__ import annotations

from random import Random

from tests.conftest import FakeClock

from ulak.core.doubts import OnUncertain
from ulak.core.ports import Accepted, Outcome, Refused, Report, ReportState, Unknown
from ulak.core.references import IdForm
from ulak.core.routing import Route
from ulak.service import dispatch, doubts
from ulak.service.dispatch import Claim, Sent, Step
from ulak.service.reports import ReportBatch, report_group
from ulak.store import carriers
from ulak.store.engine import Connection
from ulak.store.ids import Ids


class Post:
    """One link. `policy` is what it does with messages that may have gone."""

    def __init__(self, connection: Connection, clock: FakeClock, rng: Random) -> None:
        self.connection, self.clock, self.rng = connection, clock, rng
        self.policy = rng.choice(list(OnUncertain))
        document = f'{{"plain":{{"on_uncertain":"{self.policy.value}"}},"sealed":{{}}}}'
        carrier = connection.writing(lambda tx: carriers.insert(tx, "link", "smpp", document))
        assert carrier
        self.carrier = carrier
        self.lost = rng.choice([0.0, 0.3])
        self.flights: dict[int, Sent] = {}
        self.pending: list[Report] = []
        self.names = 0

    async def work(self) -> None:
        """Something happens on the link."""
        self.rng.choice([self.claim, self.answer, self.answer, self.report, self.decide])()

    def claim(self) -> None:
        item = Claim([Route(self.carrier, "", 0, up=True)], {self.carrier: 1000}, 100, 100, 0)
        (claimed,) = self.connection.writing(lambda tx: dispatch.claim_group(tx, [item], Ids()))
        for order in claimed:
            for row in order.rows:
                self.flights[row.id] = Sent(row.id, order.id, row.number, self.clock.now)

    def answer(self, lost: float | None = None) -> None:
        """The operator takes a message or refuses it, or its answer does not come."""
        if not self.flights:
            return
        sent = self.rng.choice(list(self.flights.values()))
        outcome = self._outcome(self.lost if lost is None else lost)
        advance = (sent.order_id, sent.id, sent.id)
        item = Step(self.carrier, IdForm.TEXT, self.policy, [(sent, outcome)], [advance], [])
        self.connection.writing(lambda tx: dispatch.step_group(tx, [item], Ids()))
        if not isinstance(outcome, Unknown) or self.policy is not OnUncertain.RESEND:
            del self.flights[sent.id]

    def _outcome(self, lost: float) -> Outcome:
        if self.rng.random() < lost:
            return Unknown("lost")
        if self.rng.random() < 0.2:
            return Refused("11")
        self.names += 1
        reference = f"x{self.names}"
        state = self.rng.choice([ReportState.DELIVERED, ReportState.DELIVERED, ReportState.UNDELIVERED])
        self.pending.append(Report(reference, 0, state, "raw"))
        return Accepted((reference,))

    def report(self) -> None:
        if self.pending:
            report = self.pending[self.rng.randrange(len(self.pending))]
            batch = ReportBatch(self.carrier, IdForm.TEXT, [report])
            self.connection.writing(lambda tx: report_group(tx, [batch], Ids()))

    def decide(self) -> None:
        """An operator gives up what may have gone."""
        if self.rng.random() < 0.3:
            self.connection.writing(lambda tx: doubts.fail(tx, None))

    def end(self) -> None:
        """Everything is sent, and reported."""
        self.claim()
        while self.flights:
            self.answer(lost=0.0)
        self.connection.writing(lambda tx: doubts.fail(tx, None))
        batch = ReportBatch(self.carrier, IdForm.TEXT, self.pending)
        self.connection.writing(lambda tx: report_group(tx, [batch], Ids()))
