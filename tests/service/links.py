"""Links, the operators behind them, and what a worker would keep in its memory about them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from ulak.core.doubts import OnUncertain
from ulak.core.messages import QueuedMessage
from ulak.core.ports import Accepted, Outcome, Report
from ulak.service.dispatch import Sent
from ulak.store.engine import Connection, Sql, Tx


@dataclass
class Flight:
    """A message with a link. `answer` is what the operator says, once it has it; None: still in the link."""

    sent: Sent
    answer: Outcome | None
    doubted: bool = False


@dataclass
class Run:
    """An order in turn, as the worker keeps it."""

    order: int
    last_id: int
    covered: int
    opened: int
    rows: deque[QueuedMessage]
    again: deque[QueuedMessage]
    out: set[int] = field(default_factory=set)

    def settled(self) -> int:
        return min([*self.out, *(row.id for row in self.again)], default=self.opened + 1) - 1


@dataclass
class Link:
    """A carrier's link, and the operator behind it with the reports it still has to send or has sent."""

    carrier: int
    name: str
    prefix: str
    policy: OnUncertain
    up: bool = True
    runs: dict[int, Run] = field(default_factory=dict)
    flights: dict[int, Flight] = field(default_factory=dict)
    pending: list[Report] = field(default_factory=list)
    told: list[Report] = field(default_factory=list)


_BLOCK = Sql("INSERT INTO block (account_id, number, origin, added) VALUES (:account, :number, 2, :now)")
_UNBLOCK = Sql("DELETE FROM block WHERE account_id = :account AND number = :number")


def block(connection: Connection, account_id: int, number: int, *, off: bool) -> None:
    """Block a number, or lift its block."""

    def change(tx: Tx) -> None:
        if off:
            tx.run(_UNBLOCK, account=account_id, number=number)
        else:
            tx.run(_BLOCK, account=account_id, number=number, now=tx.now)

    connection.writing(change)


def spelled(outcome: Outcome, rng: Random) -> Outcome:
    if isinstance(outcome, Accepted):
        return Accepted(tuple(_spelling(reference, rng) for reference in outcome.references))
    return outcome


def respelled(report: Report, rng: Random) -> Report:
    return Report(_spelling(report.reference, rng), report.number, report.state, report.raw)


def _spelling(reference: str, rng: Random) -> str:
    return rng.choice([reference, reference.upper(), f"00{reference}"])
