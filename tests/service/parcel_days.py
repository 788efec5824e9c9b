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
from tests.service.parcel_world import SAID, SILENCE, WorldCarrier

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
from ulak.service.booking import Begun
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

_LASTING = (None, Refusal.NO_CREDIT, Refusal.KEY_REUSED, Refusal.WRONG_STATE, Refusal.NOT_FOUND)
"""What may stand against a booking when nobody is at work and every carrier is well."""

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


class Days:
    """One seed."""

    def __init__(self, database: Database, clock: FakeClock, connection: Connection, seed: int) -> None:
        self.rng = Random(seed)
        self.clock, self.connection = clock, connection
        self.keys = {name: parcel_cast.shipper(database, name, CREDIT).apikey for name in ("alice", "bob")}
        self.model = Model(dict.fromkeys(self.keys, CREDIT))
        self.world: dict[int, WorldCarrier] = {}
        for name, net, whims in (("R", 1000, 0.0), ("F", 900, 0.3), ("M", 1100, 0.0)):
            carrier = WorldCarrier(name, net, self.rng, self.pause, whims)
            carrier.id = parcel_cast.carrier(database, name).id
            carrier.tracked, carrier.codes = name != "M", 30 if name == "F" else 10**6
            self.world[carrier.id] = carrier
        self.marks = Marks(Random(seed))
        self.names = 0
        self.gates: list[asyncio.Future[None]] = []
        self.hurry, self.luck = 0.5, 1.0
        self.reach, self.repeats = self.rng.choice([1, 3, 12]), self.rng.choice([0.2, 0.4, 0.7])
        self.sizes = self.rng.choice([(1,), (1, 1, 2, 3), (2,)])
        self.ends, self.corrects = self.rng.choice([0.1, 0.6]), self.rng.choice([0.0, 0.2])
        self.processes: list[Process] = []
        self.asked: dict[Key, Op] = {}
        self.digests: defaultdict[Key, set[str]] = defaultdict(set)
        self.bodies: dict[tuple[Key, int], bytes] = {}
        self.begun: dict[Key, int] = {}
        self.told_of = 0
        self.last_event: int = connection.reading(lambda tx: tx.all(_LAST_EVENT))[0][0]
        self.checked: Counter[int] = Counter()
        self.log: list[str] = []
        self.broken: list[Exception] = []

    # Time, gates and trouble.

    async def pause(self) -> None:
        """Stop until somebody opens the gate, perhaps."""
        if self.rng.random() < self.hurry:
            return
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate

    def trouble(self, often: float) -> bool:
        """Whether something goes wrong now."""
        return self.rng.random() < often * self.luck

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
        """Somebody wants something."""

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
        claimed = self.connection.writing(lambda tx: jobs.claim(tx, kind, limit, CLAIM, process.name))
        if not claimed:
            return
        if kind is JobKind.TRACK:
            await self.begin(Op("look", "", process), process.desk.look(claimed))
            return
        for job in claimed:
            self.model.go_on(self.model.parcels[job.subject], self.claim_of(process), self.clock.now)
        await self.begin(Op("go on", "", process), process.desk.go_on(claimed))

    def claim_of(self, process: Process) -> tuple[str, int]:
        return process.name, self.clock.now + CLAIM

    # Callers.

    def owner(self) -> str:
        return self.rng.choice(list(self.keys))

    def who(self, owner: str) -> Who:
        return Who("comtohome", self.keys[owner], "", "192.0.2.1")

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
        carrier = self.rng.choice([0, *self.world, *self.world])
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
        owner, amount = self.owner(), self.rng.randint(1, 4000)
        self.connection.writing(lambda tx: credits.grant(tx, owner, amount, TRY))
        self.model.credit[owner] += amount

    # Drafts: a transaction each.

    def account(self, tx: Tx, owner: str) -> Account:
        found = accounts.authenticate(tx, "comtohome", self.keys[owner], "", "192.0.2.1")
        assert found is not None
        return found

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
        dropped = self.connection.writing(
            lambda tx: drafts.delete(tx, self.account(tx, owner), parcel.id)
        )
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
        seen = sorted(FINAL) if self.rng.random() < self.ends else range(ParcelState.BOOKED, max(ParcelState) + 1)
        state = ParcelState(self.rng.choice(seen))
        at = self.clock.now - self.rng.choice([0, 0, 1, 5 * MINUTE, DAY, 3 * DAY])
        at += self.rng.choice([0, 0, 1, 10 * SECOND])
        self.told_of += 1
        raw = f"{state.name} {self.told_of}"
        return Sighting(at, state, state.name, self.rng.choice([None, "Adana"]), raw, self.rng.random() < self.corrects)

    async def happens(self) -> None:
        """A carrier sees parcels, and may call us about it: late, twice, in any order."""
        carrier = self.rng.choice([carrier for carrier in self.world.values() if carrier.tracked])
        codes = [
            tag.code
            for parcel in self.model.parcels.values()
            if parcel.carrier == carrier.id
            for tag in parcel.tags.values()
            if tag.code
        ]
        code = self.rng.choice(codes[-2 * self.reach :]) if codes else "nobody's"
        seen = carrier.seen.setdefault(code, [])
        seen += [self.a_sighting() for _ in range(self.rng.choice([0, 1, 1, 2]))]
        if self.rng.random() < 0.3:
            return
        told = tuple(self.rng.choices(seen[-5:], k=self.rng.randint(0, 3))) if seen else ()
        code = "nobody's" if self.rng.random() < 0.05 else code.lower() if self.rng.random() < 0.2 else code
        op = Op("told", "", self.a_process(), heard=(carrier.id, code, told))
        await self.begin(op, op.process.desk.told(carrier.id, code, told))

    # What is committed.

    def commit(self, op: Op, change: Callable[[Any], Result]) -> Result:
        """One transaction; it may have to be done twice, because it lost against another one."""

        def undone(tx: Tx) -> None:
            change(tx)
            raise _Undone

        if self.rng.random() < 0.1:
            try:
                self.connection.writing(undone)
            except _Undone:
                pass
        result = self.connection.writing(change)
        said, key = SAID.get(), op.key
        self.log.append(f"{op.process.name} {op.kind} {op.target} {op.once} {said}: {_short(result)}")
        if key and self.begun.get(key, 0) <= self.clock.now - KEPT:
            self.model.forget(key)
        try:
            self.took(op, said, result)
        except AssertionError as error:
            # Who asks for this may take an exception for a database that is away.
            self.broken.append(error)
        if op.once:
            self.note_begun(op)
        return result

    def note_begun(self, op: Op) -> None:
        """Since when the engine remembers the key: what is older than a day it has forgotten."""
        assert op.once and op.key
        once, owner = op.once, op.owner
        rows = self.connection.reading(
            lambda tx: tx.all(_BEGUN, account=self.account(tx, owner).id, scope=once.scope, key=once.key)
        )
        if rows:
            self.begun[op.key] = rows[0][0]

    def took(self, op: Op, said: tuple[Any, ...] | None, result: Any) -> None:
        """Tell the model what was committed."""
        model, now = self.model, self.clock.now
        if said is None:
            if op.kind in ("create", "start", "resend"):
                self.took_begin(op, result)
            elif op.kind == "cancel" and isinstance(result, Done):
                self.took_cancel(op, result)
            elif op.kind == "draft" and isinstance(result, Done) and not result.replayed:
                model.draft(result.consignment.id, op.owner, result.consignment.uuid, now)
            elif op.kind == "told" and op.heard:
                self.took_told(*op.heard, known=result)
            if op.kind == "draft" and isinstance(result, Done) and op.key:
                model.end(op.key, result.consignment.id)
        elif said[0] == "book":
            self.took_conclusion(op, model.of_uuid(said[1]), said[2], said[3], result)
        elif said[0] == "cancel":
            if isinstance(result, Done):
                assert said[2] is None or result.replayed
                self.took_cancel(op, result)
        else:
            model.hear({label_id: seen for label_id, seen in said[1] if seen is not None})

    def took_begin(self, op: Op, result: Any) -> None:
        model, now, claim = self.model, self.clock.now, self.claim_of(op.process)
        if isinstance(result, Done):
            assert op.key
            model.end(op.key, result.consignment.id)
        elif isinstance(result, Denied):
            if result.why is Refusal.NO_CREDIT:
                price = self.price(op.wish, 0) if op.wish else model.parcels[op.target or 0].price
                assert model.available(op.owner) < price
        elif result is None or isinstance(result, Begun):
            return
        elif result.resumed:
            model.go_on(model.parcels[result.consignment.id], claim, now)
        else:
            made = result.consignment
            assert op.kind == "create" or op.target == made.id
            fresh = Parcel(made.id, op.owner, made.uuid, ParcelState.WAITING, now)
            wish = None
            if op.wish:
                assert op.wish.carrier in (0, made.carrier.id)
                carrier = made.carrier.id
                wish = op.wish._replace(carrier=carrier, price=self.price(op.wish, carrier))
                assert made.costs.total == wish.price
            model.begin(model.parcels.get(made.id, fresh), wish, op.key, claim, now)

    def price(self, wish: Wish, carrier: int) -> int:
        """The carrier's, a fee of a fifth, and VAT of a fifth; with carrier 0 the dearest that may be meant."""
        net = {one.id: one.net for one in self.world.values()}
        return (net.get(carrier or wish.carrier) or max(net.values())) * wish.packages * 144 // 100

    def took_conclusion(self, op: Op, parcel: Parcel, since: int, outcome: Any, result: Any) -> None:
        model, now = self.model, self.clock.now
        if model.concludes(parcel, since):
            if isinstance(outcome, Booked):
                assert isinstance(result, Done)
                rows = self.connection.reading(lambda tx: tx.all(_OWN_LABELS, id=parcel.id))
                model.book(parcel, [(row[0], row[1]) for row in rows], now)
            else:
                assert isinstance(result, Denied)
                model.reject(parcel, outcome is SILENCE, now)
        elif isinstance(result, Done):
            assert parcel.tags
        if isinstance(result, Done) and op.key and model.about.get(op.key, parcel.id) == parcel.id:
            model.end(op.key, parcel.id)

    def took_cancel(self, op: Op, result: Done) -> None:
        parcel = self.model.parcels[result.consignment.id]
        assert op.target == parcel.id
        if not result.replayed:
            self.model.cancel(parcel, self.clock.now)
        if op.key:
            self.model.end(op.key, parcel.id)

    def took_told(self, carrier: int, code: str, told: tuple[Sighting, ...], known: bool) -> None:
        """Codes are used again: the newest label is meant."""
        meant = [
            label_id
            for parcel in self.model.parcels.values()
            if parcel.carrier == carrier
            for label_id, tag in parcel.tags.items()
            if tag.code and tag.code.upper() == code.upper()
        ]
        assert known is bool(meant)
        if meant:
            self.model.hear({max(meant): told})

    # What is answered.

    def judge(self, op: Op) -> None:
        """Whether an answer may be given."""
        answer, parcels = op.answer, self.model.parcels
        self.log.append(f"{op.process.name} {op.kind} {op.target} {op.once} is answered {_short(answer)}")
        if op.kind in ("told", "look", "go on"):
            return
        foreign = op.target in parcels and parcels[op.target].owner != op.owner
        if isinstance(answer, Denied):
            if foreign:
                assert answer.why in (Refusal.NOT_FOUND, Refusal.CARRIER_DECLINED, Refusal.CARRIER_UNREACHED)
            if answer.why is Refusal.KEY_REUSED:
                assert op.key
                assert len(self.digests[op.key]) > 1
            return
        assert not foreign
        if isinstance(answer, Done):
            made = parcels.get(answer.consignment.id)
            if op.kind != "draft":
                assert made
                assert made.tags or op.kind == "cancel"
            if op.key and self.model.about[op.key] == answer.consignment.id:
                assert self.model.done[op.key] == answer.consignment.id
                if answer.body:
                    kept = self.bodies.setdefault((op.key, answer.consignment.id), answer.body)
                    assert answer.body == kept

    # Comparing.

    def inspect(self, audited: bool) -> None:
        """Compare everything."""
        self.connection.reading(lambda tx: self._inspect(tx, audited))
        self._inspect_world()

    def _inspect(self, tx: Tx, audited: bool) -> None:
        findings = audit.check(tx) if audited else []
        assert not findings, "\n".join(findings)
        model = self.model
        parcels = sorted(model.parcels.values(), key=lambda parcel: parcel.id)
        stored = tx.all(_PARCELS)
        assert stored == [(p.id, p.state, p.held, p.posted, p.carrier or None) for p in parcels]
        tags = [(p.id, label, tag.state, tag.at) for p in parcels for label, tag in p.tags.items()]
        assert tx.all(_LABELS) == sorted(tags, key=lambda row: row[1])
        for owner in self.keys:
            balance = ledger.of_account(tx, self.account(tx, owner).id)[TRY]
            mine = [parcel for parcel in parcels if parcel.owner == owner]
            held, spent = sum(parcel.held for parcel in mine), sum(parcel.posted for parcel in mine)
            assert (balance.available, balance.held, balance.spent) == (model.available(owner), held, spent)
        recent = self.clock.now - KEPT
        done = {row[:3]: row[3] for row in tx.all(_DONE) if self.begun[row[:3]] > recent}
        expected = {key: about for key, about in model.done.items() if self.begun[key] > recent}
        assert done == expected, f"{done.items() ^ expected.items()}"
        self._inspect_events(tx)
        tracked = {row[0] for row in tx.all(_TRACKED)}
        for parcel in parcels:
            if parcel.state in UNDER_WAY_PARCELS and self.world[parcel.carrier].tracked:
                assert parcel.id in tracked, f"nobody asks about {parcel}"

    def _inspect_events(self, tx: Tx) -> None:
        """Every change was told once, in order per consignment."""
        new: defaultdict[int, list[tuple[str, ParcelState]]] = defaultdict(list)
        for subject, kind, data in tx.all(_EVENTS, after=self.last_event):
            new[subject].append((kind, ParcelState(msgspec.json.decode(data)["state"])))
        (self.last_event,) = tx.all(_LAST_EVENT)[0]
        assert new == {subject: told for subject, told in self.model.events.items() if told}
        self.model.events.clear()

    def _inspect_world(self) -> None:
        """What is paid is booked, and what is booked is paid, but for answers that were lost."""
        for carrier in self.world.values():
            assert not carrier.strangers
        for parcel in self.model.parcels.values():
            for carrier in self.world.values():
                journey = carrier.journeys.get(parcel.uuid)
                if parcel.state not in UNPAID and parcel.carrier == carrier.id:
                    assert parcel.posted == parcel.price or parcel.corrected
                    assert journey
                    assert (journey.packages, journey.reference) == (parcel.packages, parcel.reference)
                    assert len(parcel.tags) == parcel.packages
                elif journey and not journey.cancelled and parcel.uuid not in carrier.unheard:
                    assert parcel.state is ParcelState.WAITING, f"{parcel} is booked for nothing"

    # The course of things.

    async def run(self, steps: int, audited_each: int) -> None:
        """Let so many things happen, then see that everything comes to an end."""
        happenings: dict[Callable[[], Coroutine[Any, Any, None]], float] = {
            self.let: 16,
            self.create: 6,
            self.happens: 5,
            self.pass_time: 4,
            self.work: 4,
            self.cancel: 3,
            self.resend: 3,
            self.start: 2,
            self.keep_draft: 2,
            self.change_draft: 1,
            self.drop_draft: 1,
            self.recheck: 1,
            self.grant: 1,
            self.kill: 1,
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
        self.clock.advance(CLAIM)
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


def _short(answer: Any) -> str:
    """An answer in a line."""
    consignment = getattr(answer, "consignment", None)
    if consignment is not None:
        return f"{type(answer).__name__}({consignment.id}, {consignment.state.name})"
    return repr(answer)[:120]


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
