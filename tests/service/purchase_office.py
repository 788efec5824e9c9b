"""Processes with a shop, and what they do: tasks that stop at gates, which somebody opens one by one.

Gates stand before and after each transaction, and on the way to and from the node and the sources. A process
dies with its tasks wherever they stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from random import Random
from typing import Any, TypeVar

from tests.conftest import FakeClock
from tests.service.purchase_clerk import OP, Clerk, Op
from tests.service.purchase_model import SECOND
from tests.service.purchase_world import ANSWERS, LOOKED

from ulak.core.errors import StoreUnavailable
from ulak.core.jobs import OF_PURCHASES, Job, JobKind
from ulak.core.purchases import Tariff
from ulak.service.fleet import SourceFleet
from ulak.service.prices import Prices
from ulak.service.referrals import Payouts
from ulak.service.shop import Shop
from ulak.store import purchases as store
from ulak.store.engine import Connection
from ulak.store.vault import Vault
from ulak.wiring.queue import Queue

Result = TypeVar("Result")

PRICES = {Tariff.RECEIVE: 1500, Tariff.SEND: 3000, Tariff.RENT: 15_000, Tariff.HANDSET: 4000}
ROUND = 6
"""Turns of the event loop after which whatever can go on has come to a gate."""


class Died(BaseException):
    """The process is no more."""


PROCESS: ContextVar[Process] = ContextVar("PROCESS")


class Process:
    """A process with a shop, and the books that the shop reaches the store through."""

    def __init__(self, days: Yard, name: str) -> None:
        self.name, self.days, self.dead = name, days, False
        self.tasks: dict[asyncio.Task[None], Op] = {}
        self.quotes: dict[tuple[str, Tariff, int | None, str], tuple[int, int]] = {}
        self.prices = Prices(PRICES)
        self.queue = Queue(name, OF_PURCHASES)
        self.shop = Shop(
            self,
            funding=days.node,
            sources=SourceFleet(lambda row: days.sources.get(row.id)),
            prices=self.prices,
            vault=days.vault,
            random=days.rng.randbytes,
            monotonic=lambda: days.clock.now / SECOND,
        )
        self.payouts = Payouts(self, days.node, days.addresses)

    async def read(self, question: Callable[[Any], Result]) -> Result:
        await self.days.pause()
        return self.days.connection.reading(question)

    async def write(self, change: Callable[[Any], Result]) -> Result:
        await self.days.pause()
        if self.days.trouble(0.01):
            raise StoreUnavailable("nothing was changed")
        try:
            result = self.days.commit(OP.get(), change)
        except Exception as error:
            # Whoever asks may log it and go on.
            self.days.broken.append(error)
            raise
        if self.days.trouble(0.005):
            raise StoreUnavailable("nobody knows what became of it")
        await self.days.pause()
        return result

    async def do(self, job: Job) -> None:
        """Carry a claimed job out."""
        if job.kind is JobKind.REFER:
            await self.payouts.carry_out([job])
        else:
            doers = {
                JobKind.BUY: self.shop.supply.buy,
                JobKind.RESOLVE: self.shop.cashier.resolve,
                JobKind.CLOSE: self.shop.cashier.resolve,
                JobKind.FINISH: self.shop.supply.finish,
            }
            await doers[job.kind](job)


class Yard(Clerk):
    """The processes, and the gates that they stand at."""

    def __init__(self, connection: Connection, clock: FakeClock, rng: Random, vault: Vault) -> None:
        super().__init__(connection, clock, rng)
        self.vault = vault
        self.names = 0
        self.hurry = 0.5
        self.gates: list[tuple[Process, asyncio.Future[None]]] = []
        self.processes: list[Process] = []

    def took_answer(self, op: Op) -> None:
        """Somebody hears what became of his wish."""

    # Gates.

    async def pause(self) -> None:
        """Stop until somebody opens the gate, perhaps."""
        process = PROCESS.get()
        if process.dead:
            raise Died
        if self.rng.random() < self.hurry:
            return
        gate = asyncio.get_running_loop().create_future()
        self.gates.append((process, gate))
        await gate

    async def settle(self, rounds: int = ROUND) -> None:
        """Let everybody come to a gate."""
        for _ in range(rounds):
            await asyncio.sleep(0)
        if self.broken:
            raise self.broken[0]

    def open_gate(self) -> None:
        _, gate = self.gates.pop(self.rng.randrange(len(self.gates)))
        if not gate.done():
            gate.set_result(None)

    async def let(self) -> None:
        """Open some gates."""
        for _ in range(self.rng.randint(1, 6)):
            if self.gates:
                self.open_gate()
                await self.settle()

    async def finish(self) -> None:
        """Everything that was begun comes to its end."""
        hurry, self.hurry = self.hurry, 1.0
        while self.gates or any(process.tasks for process in self.processes):
            while self.gates:
                self.open_gate()
            await self.settle()
        self.hurry = hurry

    # Processes.

    def a_process(self) -> Process:
        """One that lives."""
        living = [process for process in self.processes if not process.dead]
        return self.rng.choice(living) if living else self.start_process()

    def start_process(self) -> Process:
        """It knows that it is alone, unless another one is there."""
        self.names += 1
        alone = all(process.dead for process in self.processes)
        process = Process(self, f"process {self.names}")
        self.processes = [*[one for one in self.processes if not one.dead], process]
        if alone:
            self.connection.writing(process.queue.release)
            self.connection.writing(store.verify_all)
        return process

    async def more_processes(self) -> None:
        if len([one for one in self.processes if not one.dead]) < 2:
            self.start_process()

    async def kill(self) -> None:
        """A process dies, and its tasks with it, at once."""
        process = self.a_process()
        process.dead = True
        for owner, gate in self.gates:
            if owner is process and not gate.done():
                gate.set_exception(Died())
        self.gates = [(owner, gate) for owner, gate in self.gates if owner is not process]
        while process.tasks:
            await self.settle()

    async def begin(self, op: Op, work: Coroutine[Any, Any, Any]) -> None:
        """Somebody wants something, a moment after the one before."""
        self.clock.advance(1)
        process = op.process
        assert isinstance(process, Process)

        async def carry_out() -> None:
            OP.set(op)
            PROCESS.set(process)
            ANSWERS.set([])
            LOOKED.set({})
            try:
                op.answer = await work
                self.took_answer(op)
                await process.shop.settle()
            except StoreUnavailable:
                self.log.append(f"{process.name} {op.kind} was not carried out")
            except Died:
                pass
            except Exception as error:
                self.broken.append(error)
            finally:
                del process.tasks[task]

        task = asyncio.create_task(carry_out())
        process.tasks[task] = op
        await self.settle()

    def took_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody waited for went wrong."""
        del loop
        error = context.get("exception")
        if error is not None and not isinstance(error, Died | StoreUnavailable):
            self.broken.append(error)
