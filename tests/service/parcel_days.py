"""Random days of a parcel desk: callers, carriers, processes and the clock do whatever they like.

Every request is a task that stops at gates: before and after each of its transactions, and on the way to and
from a carrier. One gate is opened after the other, at random, so requests mix in every order; a process dies
with its requests wherever they stand. Each commit is told to a second, simple model, which has to agree.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

import msgspec
from tests import parcel_cast
from tests.conftest import FakeClock
from tests.service import parcel_model
from tests.service.parcel_model import DAY, FINAL, MINUTE, UNPAID, Key, Model, Parcel, Wish
from tests.service.parcel_world import SAID, WorldCarrier

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Preference, Route, Shape, Shipment
from ulak.core.errors import Refusal, StoreUnavailable
from ulak.core.jobs import JobKind
from ulak.core.ledger import TRY
from ulak.core.once import CLAIM, KEPT, Once
from ulak.core.pricing import Rates
from ulak.core.shipping import Booked, Sighting
from ulak.core.states import UNDER_WAY_PARCELS, ParcelState
from ulak.service import accounts, audit, credits, drafts
from ulak.service.desk import Denied, Desk, Done, Order, Who
from ulak.service.fleet import Fleet
from ulak.service.marks import Marks
from ulak.store import consignments, jobs, ledger
from ulak.store.engine import Connection, Database, Sql, Tx

Result = TypeVar("Result")

CREDIT = 9_000
SECOND = 1000
ROUND = 8
"""Turns of the event loop after which whatever can go on has come to a gate."""

_PARCELS = Sql("SELECT id, state, held, posted, carrier_id FROM consignment ORDER BY id")
_LABELS = Sql("SELECT consignment_id, id, state, state_at FROM label ORDER BY id")
_OWN_LABELS = Sql("SELECT id, tracking FROM label WHERE consignment_id = :id ORDER BY place")
_DONE = Sql("SELECT account.name, scope, key, consignment_id FROM reply JOIN account ON account.id = account_id"
            " WHERE reply.state = 3")
_BEGUN = Sql("SELECT at FROM reply WHERE account_id = :account AND scope = :scope AND key = :key")
_EVENTS = Sql("SELECT subject, kind, data FROM event WHERE id > :after ORDER BY id")
_LAST_EVENT = Sql("SELECT COALESCE(max(id), 0) FROM event")
_TRACKED = Sql("SELECT subject FROM job WHERE kind = 2")


@dataclass(eq=False)
class Op:
    """A request of somebody's, or a piece of a process' own work."""

    kind: str
    owner: str
    process: Process
    once: Once | None = None
    wish: Wish | None = None
    target: int | None = None
    answer: Any = None
    heard: tuple[int, str, tuple[Sighting, ...]] | None = None

    @property
    def key(self) -> Key | None:
        return (self.owner, self.once.scope, self.once.key) if self.once else None


OP: ContextVar[Op] = ContextVar("OP")


class _Undone(Exception):
    """Ends a transaction that must not count."""


class Process:
    """A process with a desk, and the books that the desk reaches the store through."""

    def __init__(self, days: Days, name: str) -> None:
        self.name, self.days, self.dead = name, days, False
        self.tasks: dict[asyncio.Task[None], Op] = {}
        fleet = Fleet(lambda row: days.world.get(row.id))
        self.desk = Desk(self, fleet, Rates(), process=name, rng=Random(days.rng.random()))

    async def read(self, question: Callable[[Any], Result]) -> Result:
        await self.days.pause()
        return self.days.connection.reading(question)

    async def write(self, change: Callable[[Any], Result]) -> Result:
        await self.days.pause()
        assert not self.dead
        if self.days.trouble(0.01):
            raise StoreUnavailable("nothing was changed")
        result = self.days.commit(OP.get(), change)
        if self.days.trouble(0.005):
            raise StoreUnavailable("nobody knows what became of it")
        await self.days.pause()
        return result
