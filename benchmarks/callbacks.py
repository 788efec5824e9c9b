"""Callbacks: how many a second arrive at a sink, and how long a live endpoint waits beside dead ones.

`run` starts this file as programs of their own: the sink that is told, the sender at work on a database, and
bare posts of the same bodies with the same library, which are the ceiling.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.machine import Meter
from benchmarks.rig import Bench, Figure, Helper, Home
from ulak.core.callbacks import EventRow, RenderedCallback, Renderer, signed
from ulak.core.events import Event, EventKind
from ulak.outbound import Outbound
from ulak.service import accounts, endpoints, events
from ulak.store.books import Books
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_write
from ulak.workers.callback import ABREAST, CallbackSender

HOST = "127.0.0.1"
DIALECT = "comtohome"
FAMILIES = frozenset({"consignment"})
ENDPOINTS = 10
"""Endpoints that share the callbacks of the rate."""

DEAD, BACKLOG = 1_000, 3
"""Endpoints that take a request and never answer, and what each of them has to be told."""

EVERY = 0.05
"""Seconds between two events of the live endpoint."""

_FILL = "Gonderi dagitima cikti " * 15
"""So that a body has about 400 bytes."""

Tasks = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def run(bench: Bench) -> None:
    """A burst to ten endpoints and to one, then a trickle to a live one beside the dead."""
    with Helper("callbacks", "sink") as sink:
        ports = sink.answer()
        ceiling = _ceiling(bench, sink, ports["live"])
        for count in (ENDPOINTS, 1):
            _burst(bench, sink, ports["live"], count, ceiling)
        _beside_dead(bench, sink, ports)


def _ceiling(bench: Bench, sink: Helper, port: int) -> float:
    total = 2_000 if bench.quick else 20_000
    with Helper("callbacks", "posts", str(port)) as posts:
        posts.answer()
        meter = Meter(posts=posts.pid, sink=sink.pid)
        sink.ask(task="begin")
        posts.ask(total=total, abreast=ENDPOINTS * ABREAST)
        rate = _rate(sink, total, meter, bench, "bare posts", "posts")
    bench.add(Figure("callbacks: ceiling, posts of the same bodies", rate, "callbacks/s"))
    return rate


def _burst(bench: Bench, sink: Helper, port: int, count: int, ceiling: float) -> None:
    total = 2_000 if bench.quick else 20_000
    home = bench.home("callbacks")
    owners = _listen(home, f"http://{HOST}:{port}/hook", count, "live")
    with Helper("callbacks", "tell", str(home.directory)) as tell:
        tell.answer()
        meter = Meter(tell=tell.pid, sink=sink.pid)
        sink.ask(task="begin")
        tell.ask(task="burst", accounts=owners, each=total // count)
        where = f"{count} endpoint{'s' if count > 1 else ''}"
        rate = _rate(sink, total, meter, bench, where, "tell")
    bench.add(Figure(f"callbacks: to {where}", rate, "callbacks/s", at_least=2_000))
    bench.add(Figure(f"callbacks: to {where}, beside the ceiling", rate / ceiling, "x"))


def _rate(sink: Helper, total: int, meter: Meter, bench: Bench, what: str, who: str) -> float:
    found = sink.ask(task="wait", count=total)
    usage = meter.read()
    seconds = found["last"] - found["begun"]
    bench.note(
        f"{what}: {total:,} in {seconds:.2f} s; CPU {usage.cpu[who] / total * 1e6:,.0f} µs each,"
        f" the sink's {usage.cpu['sink'] / total * 1e6:,.0f}"
    )
    return float(total / seconds)


def _beside_dead(bench: Bench, sink: Helper, ports: dict[str, int]) -> None:
    dead = DEAD // 10 if bench.quick else DEAD
    count = 100 if bench.quick else 600
    home = bench.home("callbacks-dead")
    live = _listen(home, f"http://{HOST}:{ports['live']}/hook", 1, "live")
    owners = _listen(home, f"http://{HOST}:{ports['dead']}/hook", dead, "dead")
    with Helper("callbacks", "tell", str(home.directory)) as tell:
        tell.answer()
        for name, silent in (("alone", []), (f"beside {dead:,} dead", owners)):
            if silent:
                tell.ask(task="burst", accounts=silent, each=BACKLOG)
            sink.ask(task="begin")
            tell.ask(task="trickle", account=live[0], count=count)
            delays = sink.ask(task="wait", count=count)["delays"]
            median, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
            bench.note(f"live endpoint {name}: {count} events, median {median * 1000:.0f} ms")
            goal = {"at_most": 1.0} if silent else {}
            bench.add(Figure(f"callbacks: delay {name}, p99", p99, "s", **goal))
        taken = sink.ask(task="begin")["dead"]
        bench.note(f"the dead ones hold {taken:,} requests")


def _listen(home: Home, url: str, count: int, name: str) -> list[int]:
    """New accounts with an endpoint each."""
    vault = Vault(home.directory)

    def make(tx: Tx) -> list[int]:
        owners = [accounts.create(tx, f"{name}-{n}").account.id for n in range(count)]
        for owner in owners:
            endpoints.set_endpoint(tx, owner, DIALECT, FAMILIES, url, vault)
        return owners

    return sync_write(home.database, make)


# The programs.


async def _serve(tasks: Tasks, **ready: Any) -> None:
    """Say that we are ready, then answer a line for each line."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say(ready)
    while line := await reader.readline():
        _say(await tasks(msgspec.json.decode(line)))


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def _render(event: EventRow) -> RenderedCallback:
    return RenderedCallback(event.data)


def _news(account_id: int, subject: int) -> Event:
    data = msgspec.json.encode({"at": time.monotonic(), "subject": subject, "text": _FILL})
    return Event(account_id, EventKind.CONSIGNMENT_STATUS, subject, data)


async def tell(directory: str) -> None:
    """The sender on the data in a directory; events are written as told."""
    home, stop = Path(directory), asyncio.Event()
    vault = Vault(home)
    books = Books(Database(home, None, _now), {})
    async with Outbound({HOST}) as outbound:
        sender = CallbackSender(
            books,
            outbound,
            {DIALECT: Renderer(FAMILIES, _render)},
            partial(endpoints.signing_key, vault),
            random.random,
            _now,
        )
        running = asyncio.create_task(sender.run(stop))

        async def write(news: list[Event]) -> None:
            await books.write(lambda tx: events.record(tx, news))
            sender.wake()

        async def work(task: dict[str, Any]) -> dict[str, Any]:
            if task["task"] == "burst":
                owners = task["accounts"]
                await write([_news(owner, n) for n in range(task["each"]) for owner in owners])
            else:
                for n in range(task["count"]):
                    await write([_news(task["account"], n)])
                    await asyncio.sleep(EVERY)
            return {}

        await _serve(work)
        stop.set()
        await running
    await books.close()


def _now() -> int:
    return time.time_ns() // 1_000_000


async def posts(port: str) -> None:
    """Nothing but the library: signed bodies, so many at a time."""
    import aiohttp

    url, key = f"http://{HOST}:{port}/hook", bytes(32)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work(task: dict[str, Any]) -> dict[str, Any]:
            left = iter(range(task["total"]))

            async def lane() -> None:
                for n in left:
                    body = _news(1, n).data
                    headers = {"content-type": "application/json"} | signed(n, n, body, key)
                    async with session.post(url, data=body, headers=headers) as answer:
                        await answer.read()

            await asyncio.gather(*(lane() for _ in range(task["abreast"])))
            return {}

        await _serve(work)


@dataclass(slots=True)
class _Tally:
    """What a sink was sent: when it last was, how late it came, and how much nobody answered."""

    begun: float = 0.0
    last: float = 0.0
    delays: list[float] = field(default_factory=list)
    dead: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class _Sink(asyncio.Protocol):
    """Takes posts and answers 200, or never; bodies come with a length."""

    def __init__(self, tally: _Tally, answers: bool) -> None:
        self._tally = tally
        self._answers = answers
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            self._take(body)

    def _take(self, body: bytes) -> None:
        tally = self._tally
        if not self._answers:
            tally.dead += 1
            return
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        tally.last = time.monotonic()
        tally.delays.append(tally.last - msgspec.json.decode(body).get("at", tally.last))
        tally.arrived.set()


async def sink() -> None:
    """Two ports: one that answers, one that is dead."""
    loop = asyncio.get_running_loop()
    tally = _Tally()
    servers = [
        await loop.create_server(partial(_Sink, tally, answers), HOST, 0, backlog=4096)
        for answers in (True, False)
    ]
    live, dead = (server.sockets[0].getsockname()[1] for server in servers)

    async def work(task: dict[str, Any]) -> dict[str, Any]:
        if task["task"] == "begin":
            tally.delays.clear()
            tally.begun = time.monotonic()
            return {"dead": tally.dead}
        while len(tally.delays) < task["count"]:
            tally.arrived.clear()
            await asyncio.wait_for(tally.arrived.wait(), 60)
        return {"begun": tally.begun, "last": tally.last, "delays": sorted(tally.delays)}

    await _serve(work, live=live, dead=dead)


PROGRAMS: dict[str, Callable[..., Awaitable[None]]] = {"sink": sink, "tell": tell, "posts": posts}


def main() -> None:
    """One of the programs."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def program() -> None:
        await PROGRAMS[sys.argv[1]](*sys.argv[2:])

    asyncio.run(program())


if __name__ == "__main__":
    main()
