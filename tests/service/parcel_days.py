"""Random days of a parcel desk: callers, carriers, processes and the clock do whatever they like.

Every request is a task that stops at gates: before and after each of its transactions, and on the way to and
from a carrier. One gate is opened after the other, at random, so requests mix in every order; a process dies
with its requests wherever they stand. Each commit is told to a second, simple model, which has to agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

import msgspec
from tests import parcel_cast
from tests.conftest import FakeClock
from tests.service.parcel_clerk import Clerk, Op
from tests.service.parcel_model import DAY, FINAL, MINUTE, Key, Parcel, Wish
from tests.service.parcel_world import WorldCarrier

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Preference, Route, Shape, Shipment
from ulak.core.errors import Refusal, StoreUnavailable
from ulak.core.jobs import JobKind
from ulak.core.ledger import TRY
from ulak.core.once import BOOKING, Once
from ulak.core.pricing import Rates
from ulak.core.shipping import Sighting
from ulak.core.states import ParcelState
from ulak.service import credits, drafts
from ulak.service.desk import Denied, Desk, Done, Order
from ulak.service.fleet import Fleet
from ulak.service.marks import Marks
from ulak.store import consignments, jobs
from ulak.store.engine import Connection, Database, Tx

Result = TypeVar("Result")

CREDIT = (6_000, 20_000, 60_000)
"""What both accounts may have at first: a parcel costs from 1,296 to 4,752 kuruş."""

SECOND = 1000
ROUND = 8
"""Turns of the event loop after which whatever can go on has come to a gate."""

_LASTING = (None, Refusal.NO_CREDIT, Refusal.KEY_REUSED, Refusal.WRONG_STATE, Refusal.NOT_FOUND)
"""What may stand against a booking when nobody is at work and every carrier is well."""

OP: ContextVar[Op] = ContextVar("OP")


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


class Days(Clerk):
    """One seed."""

    def __init__(self, database: Database, clock: FakeClock, connection: Connection, seed: int) -> None:
        rng = Random(seed)
        credit, self.gifts = rng.choice(CREDIT), rng.choice([500, 30_000])
        keys = {name: parcel_cast.shipper(database, name, credit).apikey for name in ("alice", "bob")}
        super().__init__(connection, clock, rng, keys)
        self.model.credit = dict.fromkeys(keys, credit)
        for name, net, whims in (("R", 1000, 0.0), ("F", 900, 0.3), ("M", 1100, 0.0)):
            carrier = WorldCarrier(name, net, self.rng, self.pause, whims)
            carrier.id = parcel_cast.carrier(database, name).id
            carrier.tracked = name != "M"
            carrier.codes = self.rng.choice([3, 30]) if name == "F" else 10**6
            self.world[carrier.id] = carrier
        self.marks = Marks(Random(seed))
        self.names = 0
        self.gates: list[asyncio.Future[None]] = []
        self.hurry = 0.5
        self.reach, self.repeats = self.rng.choice([1, 3, 12]), self.rng.choice([0.2, 0.4, 0.7])
        self.sizes = self.rng.choice([(1,), (1, 1, 2, 3), (2,)])
        self.ends, self.corrects = self.rng.choice([0.1, 0.6]), self.rng.choice([0.0, 0.2])
        self.processes: list[Process] = []
        self.asked: dict[Key, Op] = {}
        self.told_of = 0

    # Time, gates and trouble.

    async def pause(self) -> None:
        """Stop until somebody opens the gate, perhaps."""
        if self.rng.random() < self.hurry:
            return
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate

    async def settle(self) -> None:
        """Let everybody come to a gate."""
        for _ in range(ROUND):
            await asyncio.sleep(0)
        if self.broken:
            raise self.broken[0]
        self.gates = [gate for gate in self.gates if not gate.done()]

    async def let(self) -> None:
        """Open some gates."""
        for _ in range(self.rng.randint(1, 4)):
            if self.gates:
                self.gates.pop(self.rng.randrange(len(self.gates))).set_result(None)
                await self.settle()

    async def finish(self) -> None:
        """Everything that was begun comes to its end."""
        hurry, self.hurry = self.hurry, 1.0
        while any(process.tasks for process in self.processes):
            while self.gates:
                self.gates.pop(self.rng.randrange(len(self.gates))).set_result(None)
            await self.settle()
        self.hurry = hurry

    async def pass_time(self) -> None:
        roll = self.rng.random()
        if roll > 0.97:
            await self.finish()
        longest = 5 * SECOND if roll < 0.6 else 2 * MINUTE if roll < 0.97 else 2 * DAY
        self.clock.advance(self.rng.randint(0, longest))

    # Processes.

    def a_process(self) -> Process:
        """One that lives."""
        living = [process for process in self.processes if not process.dead]
        return self.rng.choice(living) if living else self.start_process()

    def start_process(self) -> Process:
        """It may know that it is alone."""
        self.names += 1
        alone = all(process.dead for process in self.processes)
        process = Process(self, f"process {self.names}")
        self.processes = [*[one for one in self.processes if not one.dead], process]
        if alone and self.rng.random() < 0.7:
            self.connection.writing(lambda tx: jobs.release(tx, claim_not=process.name))
            for parcel in self.model.parcels.values():
                parcel.claim = ("", 0)
        return process

    async def kill(self) -> None:
        process = self.a_process()
        process.dead = True
        for task in list(process.tasks):
            task.cancel()
        await self.settle()
        assert not process.tasks

    async def more_processes(self) -> None:
        if len(self.processes) < 2:
            self.start_process()

    async def hang_up(self) -> None:
        """One caller does not wait for the answer."""
        tasks = [task for process in self.processes for task in process.tasks]
        if tasks:
            self.rng.choice(tasks).cancel()
            await self.settle()

    async def begin(self, op: Op, work: Coroutine[Any, Any, Any]) -> None:
        """Somebody wants something, a moment after the one before."""
        self.clock.advance(1)

        async def carry_out() -> None:
            OP.set(op)
            try:
                op.answer = await work
                self.judge(op)
            except StoreUnavailable:
                self.log.append(f"{op.process.name} {op.kind} {op.target} {op.once} has no database")
            except Exception as error:
                self.broken.append(error)
            finally:
                del op.process.tasks[task]

        task = asyncio.create_task(carry_out())
        op.process.tasks[task] = op
        if op.key and op.once:
            self.asked[op.key] = op
            self.digests[op.key].add(op.once.digest)
        await self.settle()

    async def work(self) -> None:
        """A process does what is due."""
        process, kind = self.a_process(), self.rng.choice(list(JobKind))
        limit = self.rng.choice([1, 3, 100])
        claimed = self.connection.writing(lambda tx: jobs.claim(tx, kind, limit, BOOKING, process.name))
        if not claimed:
            return
        if kind is JobKind.TRACK:
            await self.begin(Op("look", "", process), process.desk.look(claimed))
            return
        for job in claimed:
            self.model.go_on(self.model.parcels[job.subject], self.claim_of(process.name), self.clock.now)
        await self.begin(Op("go on", "", process), process.desk.go_on(claimed))

    # Callers.

    def owner(self) -> str:
        return self.rng.choice(list(self.keys))

    def a_key(self, owner: str, scope: str, digest: str) -> Once | None:
        """None, a new one, or one that was used before."""
        roll = self.rng.random()
        used = [key for key in self.asked if key[:2] == (owner, scope)]
        if used and roll < self.repeats:
            return Once(scope, self.rng.choice(used[-self.reach :])[2], digest)
        if roll > 0.85:
            return None
        self.names += 1
        return Once(scope, f"key {self.names}", digest)

    def a_wish(self) -> Wish:
        """What is to be sent; the price is worked out when the carrier is known."""
        fickle = [carrier.id for carrier in self.world.values() if carrier.whims]
        carrier = self.rng.choice([0, *self.world, *fickle * 2])
        packages = self.rng.choice(self.sizes)
        return Wish(0, carrier, f"SO-{self.rng.randrange(3)}", packages)

    def shipment(self, wish: Wish) -> Shipment:
        package = parcel_cast.package(id=0, items=(parcel_cast.item(id=0),))
        return parcel_cast.shipment(packages=(package,) * wish.packages, reference=wish.reference)

    def order(self, wish: Wish) -> Order:
        given = Preference.GIVEN if wish.carrier else Preference.CHEAPEST
        shape = Shape.NORMAL if wish.packages == 1 else Shape.MULTI_PACKAGE
        return Order(shape, Route.DOMESTIC, given, self.shipment(wish), wish.carrier or None)

    async def create(self) -> None:
        owner, wish = self.owner(), self.a_wish()
        once = self.a_key(owner, "create", f"{wish}")
        before = self.asked.get((owner, once.scope, once.key)) if once else None
        if once and before and before.wish and before.once and self.rng.random() < 0.7:
            wish, once = before.wish, before.once
        await self.book(Op("create", owner, self.a_process(), once, wish))

    async def book(self, op: Op) -> None:
        assert op.wish
        desk, who, order = op.process.desk, self.who(op.owner), self.order(op.wish)
        render_ = render if self.rng.random() < 0.7 else None
        if op.kind == "create":
            await self.begin(op, desk.create(who, order, once=op.once, render=render_))
        else:
            assert op.target
            started = desk.start(who, op.target, order, draft="started", once=op.once, render=render_)
            await self.begin(op, started)

    def a_parcel(self, *states: ParcelState) -> Parcel | None:
        found = [parcel for parcel in self.model.parcels.values() if not states or parcel.state in states]
        return self.rng.choice(found[-self.reach :]) if found else None

    def owner_of(self, parcel: Parcel) -> str:
        """Its owner, or now and then somebody else."""
        return parcel.owner if self.rng.random() < 0.95 else self.owner()

    async def start(self) -> None:
        parcel = self.a_parcel(ParcelState.DRAFT) if self.rng.random() < 0.8 else self.a_parcel()
        if parcel is None:
            return
        owner, wish = self.owner_of(parcel), self.a_wish()
        once = self.a_key(owner, f"start {parcel.id}", f"{wish}")
        await self.book(Op("start", owner, self.a_process(), once, wish, parcel.id))

    async def resend(self) -> None:
        states = (ParcelState.REJECTED, ParcelState.WAITING)
        parcel = self.a_parcel(*states) if self.rng.random() < 0.9 else self.a_parcel()
        if parcel:
            op = Op("resend", self.owner_of(parcel), self.a_process(), target=parcel.id)
            await self.begin(op, op.process.desk.resend(self.who(op.owner), parcel.id, render=render))

    async def cancel(self) -> None:
        parcel = self.a_parcel()
        if parcel is None:
            return
        wanted, owner = parcel.id, self.owner_of(parcel)
        once = self.a_key(owner, f"cancel {wanted}", "")
        op = Op("cancel", owner, self.a_process(), once, target=wanted)

        def pick(tx: Tx, account_id: int) -> Consignment | None:
            return consignments.by_id(tx, account_id, wanted)

        await self.begin(op, op.process.desk.cancel(self.who(owner), pick, once=once, render=render))

    async def recheck(self) -> None:
        parcel = self.a_parcel()
        if parcel:
            op = Op("recheck", self.owner_of(parcel), self.a_process(), target=parcel.id)
            await self.begin(op, op.process.desk.recheck(self.who(op.owner), parcel.id))

    async def grant(self) -> None:
        owner, amount = self.owner(), self.rng.randint(1, self.gifts)
        self.connection.writing(lambda tx: credits.grant(tx, owner, amount, TRY))
        self.model.credit[owner] += amount

    # Drafts: a transaction each.

    async def keep_draft(self) -> None:
        owner, wish = self.owner(), self.a_wish()
        once = self.a_key(owner, "draft", f"{wish.packages}")
        shipment, op = self.shipment(wish), Op("draft", owner, self.a_process(), once)

        def keep(tx: Tx) -> Done | Denied:
            return drafts.create(
                tx,
                self.account(tx, owner),
                "told",
                shipment,
                Shape.NORMAL,
                Route.DOMESTIC,
                once=once,
                render=render,
                marks=self.marks,
            )

        async def alone() -> Done | Denied:
            return self.commit(op, keep)

        await self.begin(op, alone())

    async def change_draft(self) -> None:
        parcel = self.a_parcel(ParcelState.DRAFT) if self.rng.random() < 0.8 else self.a_parcel()
        if parcel is None:
            return
        owner, shipment = self.owner_of(parcel), self.shipment(self.a_wish())

        def change(tx: Tx) -> Consignment | Denied:
            made = ("told again", shipment, Shape.NORMAL, Route.DOMESTIC)
            return drafts.update(tx, self.account(tx, owner), parcel.id, lambda _: made)

        self.expect_draft(parcel, owner, self.connection.writing(change))

    async def drop_draft(self) -> None:
        parcel = self.a_parcel(ParcelState.DRAFT) if self.rng.random() < 0.5 else self.a_parcel()
        if parcel is None:
            return
        owner = self.owner_of(parcel)
        dropped = self.connection.writing(lambda tx: drafts.delete(tx, self.account(tx, owner), parcel.id))
        if self.expect_draft(parcel, owner, dropped):
            del self.model.parcels[parcel.id]

    def expect_draft(self, parcel: Parcel, owner: str, answer: Any) -> bool:
        """Whether this was its owner's draft, as the answer must say too."""
        why = answer.why if isinstance(answer, Denied) else None
        if owner != parcel.owner:
            assert why is Refusal.NOT_FOUND
        else:
            assert why is (None if parcel.state is ParcelState.DRAFT else Refusal.WRONG_STATE)
        return why is None

    # Carriers.

    def a_sighting(self) -> Sighting:
        """Often one that ends the journey, as the one before it may have done."""
        seen = (
            sorted(FINAL)
            if self.rng.random() < self.ends
            else range(ParcelState.BOOKED, max(ParcelState) + 1)
        )
        state = ParcelState(self.rng.choice(seen))
        at = self.clock.now - self.rng.choice([0, 0, 1, 5 * MINUTE, DAY, 3 * DAY])
        at += self.rng.choice([0, 0, 1, 10 * SECOND])
        self.told_of += 1
        raw = f"{state.name} {self.told_of}"
        where, correction = self.rng.choice([None, "Adana"]), self.rng.random() < self.corrects
        return Sighting(at, state, state.name, where, raw, correction)

    async def happens(self) -> None:
        """A carrier sees parcels, and may call us about it: late, twice, in any order."""
        codes = [
            (parcel.carrier, tag.code)
            for parcel in self.model.parcels.values()
            for tag in parcel.tags.values()
            if tag.code
        ]
        if not codes or self.rng.random() < 0.05:
            codes = [(next(iter(self.world)), "nobody's")]
        at, code = self.rng.choice(codes[-2 * self.reach :])
        carrier = self.world[at]
        seen = carrier.seen.setdefault(code, [])
        seen += [self.a_sighting() for _ in range(self.rng.choice([0, 1, 1, 2]))]
        if self.rng.random() < 0.3:
            return
        told = tuple(self.rng.choices(seen[-5:], k=self.rng.randint(0, 3))) if seen else ()
        code = code.lower() if self.rng.random() < 0.2 else code
        op = Op("told", "", self.a_process(), heard=(carrier.id, code, told))
        await self.begin(op, op.process.desk.told(carrier.id, code, told))

    # The course of things.

    async def run(self, steps: int, audited_each: int) -> None:
        """Let so many things happen, then see that everything comes to an end."""
        happenings: dict[Callable[[], Coroutine[Any, Any, None]], float] = {
            self.let: 12,
            self.create: 8,
            self.happens: 5,
            self.pass_time: 4,
            self.work: 4,
            self.cancel: 3,
            self.resend: 2,
            self.start: 2,
            self.keep_draft: 2,
            self.change_draft: 1,
            self.drop_draft: 1,
            self.recheck: 1,
            self.grant: 2,
            self.kill: 2,
            self.hang_up: 1,
            self.more_processes: 1,
        }
        # Each seed has its own habits: what is rare in one is frequent in another.
        weights = [weight * self.rng.choice([0.1, 0.5, 1, 1, 3, 8]) for weight in happenings.values()]
        for number in range(steps):
            self.hurry = self.rng.choice([0.3, 0.5, 0.8, 0.95]) if number % 20 == 0 else self.hurry
            (happening,) = self.rng.choices(list(happenings), weights)
            self.log.append(f"-- {number} {happening.__name__}")
            await happening()
            self.inspect(number % audited_each == 0)
        await self.close()

    async def close(self) -> None:
        """Carriers answer, nobody dies, and all that was begun comes to an end."""
        self.log.append("-- close")
        self.luck = 0.0
        for carrier in self.world.values():
            carrier.whims = 0.0
        await self.finish()
        self.clock.advance(BOOKING)
        while any(parcel.state is ParcelState.WAITING for parcel in self.model.parcels.values()):
            await self.work()
            await self.finish()
        self.inspect(audited=True)
        for op in list(self.asked.values()):
            if op.kind in ("create", "start"):
                again = replace(op, process=self.a_process(), answer=None)
                await self.book(again)
                await self.finish()
                why = again.answer.why if isinstance(again.answer, Denied) else None
                assert why in _LASTING, again
        self.inspect(audited=True)


def render(account: Account, consignment: Consignment) -> bytes:
    """An answer that differs whenever anything in it does."""
    return msgspec.json.encode((account.name, consignment.id, consignment.state, consignment.tracking))


def run_days(
    database: Database, clock: FakeClock, seed: int, steps: int, audited_each: int = 1, lines: int = 40
) -> None:
    """A whole seed on a database with nothing but the schema."""
    connection = database.connect()
    days = Days(database, clock, connection, seed)
    try:
        asyncio.run(days.run(steps, audited_each))
    except BaseException as error:
        error.add_note("\n".join(days.log[-lines:]))
        raise
    finally:
        connection.close()
