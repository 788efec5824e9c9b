"""Several processes on one PostgreSQL: `ulak serve --role api` takes orders, `--role worker` sends them.

Bulk orders end to end with one worker and one link, then with two of each; then single orders, first with
nobody who sends them. With `--role all` one process does both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import postgres
from benchmarks.bulk import order_of, until_delivered
from benchmarks.machine import Meter, Usage
from benchmarks.postgres import Postgres
from benchmarks.rig import Bench, Figure, Helper, Home, Together, Ulak, until_acked
from benchmarks.single import CONNECTIONS, request_of, until_all_delivered
from ulak.store import leases
from ulak.store.engine import Sql, Tx
from ulak.store.writer import sync_read

SIZE = 1_000
"""Recipients of an order."""

CALLERS = 64
"""Who wait for an answer at a time, where only that is measured. What is decided together costs about as much
for sixty orders as for twenty, and all who wait for one commit ask again at once."""

_STORED = Sql("SELECT count(*) FROM sms_order")

_SHARED = 60.0
"""Seconds in which as many processes as there are links have one each."""


@dataclass(frozen=True, slots=True)
class Team:
    """The processes on one database, and the operators behind their links."""

    postgres: Postgres
    home: Home
    api: Ulak
    workers: list[Ulak]
    smscs: list[Helper]

    @property
    def ours(self) -> dict[str, int]:
        """Ulak's own processes by name."""
        names = {f"worker{place}": worker.pid for place, worker in enumerate(self.workers, 1)}
        return {self.api.role: self.api.pid, **names}

    @property
    def operators(self) -> Together:
        """All of them."""
        return Together(self.smscs)

    def meter(self, **others: int) -> Meter:
        """What all of this costs from now on."""
        smscs = {f"smsc{place}": smsc.pid for place, smsc in enumerate(self.smscs, 1)}
        return Meter({"postgres": self.postgres.pid}, **self.ours, **smscs, **others)

    def costs(self, name: str, usage: Usage, count: int) -> list[Figure]:
        """CPU seconds by role for 1,000 of `count` messages."""
        parts = {
            "the api process": usage.cpu[self.api.role],
            "the workers": sum(usage.cpu[each] for each in self.ours if each != self.api.role),
            "PostgreSQL": usage.cpu["postgres"],
        }
        return [
            Figure(f"{name}: CPU in {part}", cpu * 1000 / count, "CPU s/1,000") for part, cpu in parts.items()
        ]


@contextmanager
def team(bench: Bench, server: Postgres, links: int = 1) -> Iterator[Team]:
    """As many workers as links, each of which has one, and one process that takes requests."""
    with ExitStack() as at_end:
        pairs = [bench.smsc() for _ in range(links)]
        smscs = [at_end.enter_context(smsc) for smsc, _ in pairs]
        home = bench.home("roles", *(link for _, link in pairs), url=server.database())
        together = bench.options.role == "all"
        workers = [] if together else [at_end.enter_context(Ulak(home, "worker")) for _ in range(links)]
        api = at_end.enter_context(Ulak(home, "all" if together else "api"))
        api.wait_for_links()
        if not together:
            _until_shared(home, links)
        yield Team(server, home, api, workers, smscs)


def _until_shared(home: Home, links: int) -> None:
    """Links move on to workers that have none; wait until every worker has one."""

    def holders(tx: Tx) -> set[int]:
        return {lease.holder for lease in leases.tenures(tx).values() if lease.id > 0 and lease.up}

    until = time.monotonic() + _SHARED
    while len(held := sync_read(home.database, holders)) < links:
        if time.monotonic() > until:
            raise SystemExit(f"{links} links are held by {held}")
        time.sleep(0.05)


def run(bench: Bench) -> None:
    """Both ceilings, bulk with one pair and with two, and single orders taken, and sent."""
    messages = 20_000 if bench.quick else 200_000
    with postgres.server(bench) as server:
        _ceilings(bench, server, messages)
        one = _bulk(bench, server, messages, 1)
        if bench.options.role != "all":
            two = _bulk(bench, server, messages, 2)
            bench.add(Figure("roles: bulk over two links beside one", two / one, "x", at_least=1))
            _accepting(bench, server)
        _single(bench, server)


def _accepting(bench: Bench, server: Postgres) -> None:
    """How fast the api process alone takes orders; no link is there, so they wait."""
    seconds, name = 3 if bench.quick else 10, "roles: accepting"
    home = bench.home("accepting", url=server.database())
    with Ulak(home, "api") as api, Helper("load") as load:
        task = {
            "port": api.port,
            "path": "/v1/send-sms/json",
            "body": request_of(api),
            "connections": CALLERS,
        }
        load.ask(**task, count=200)
        meter = Meter({"postgres": server.pid}, api=api.pid, load=load.pid)
        sent = load.ask(**task, seconds=seconds, first=1_000)
        usage, count = meter.read(), sent["accepted"]
        bench.note(f"{name}: {usage.shown(count)}; p50 {sent['p50_ms']:.1f} ms")
        [(stored,)] = sync_read(home.database, lambda tx: tx.all(_STORED))
        if stored != 200 + count:
            raise SystemExit(f"{stored} orders are stored of {200 + count}")
    rate = count / sent["seconds"]
    bench.add(Figure(f"{name} orders, durable when answered", rate, "orders/s", at_least=2_000))
    bench.add(Figure(f"{name}: answer after, p99", sent["p99_ms"], "ms"))
    for part, cpu in (("the api process", usage.cpu["api"]), ("PostgreSQL", usage.cpu["postgres"])):
        bench.add(Figure(f"{name}: CPU in {part}", cpu * 1000 / count, "CPU s/1,000"))


def _bulk(bench: Bench, server: Postgres, messages: int, links: int) -> float:
    name = f"roles: bulk over {links} link{'s' if links > 1 else ''}"
    count = messages // SIZE
    with team(bench, server, links) as all_of:
        bodies = [order_of(all_of.api, order, SIZE) for order in range(count)]
        assert all_of.home.url is not None
        log, meter, began = postgres.wal(all_of.home.url), all_of.meter(), time.perf_counter()
        placed = [all_of.api.post("send-sms", body)["order"]["id"] for body in bodies]
        accepted = time.perf_counter() - began
        until_acked(all_of.operators, messages)
        for order in placed:
            until_delivered(all_of.api, order, SIZE)
        seconds, usage = time.perf_counter() - began, meter.read()
        log, size = postgres.wal(all_of.home.url) - log, postgres.size(all_of.home.url)
        sessions = postgres.sessions(all_of.home.url) / len(all_of.ours)
        bench.note(f"{name}: all accepted after {accepted:.2f} s, all final after {seconds:.2f} s")
        bench.note(f"{name}: {usage.shown(messages)}")
        bench.add(Figure(name, messages / seconds, "messages/s", at_least=6_000))
        for figure in all_of.costs(name, usage, messages):
            bench.add(figure)
        bench.add(Figure(f"{name}: log in front of the tables", log / messages, "bytes/message"))
        bench.add(Figure(f"{name}: on disk, unvacuumed, with traces", size / messages, "bytes/message"))
        bench.add(Figure(f"{name}: connections to PostgreSQL", sessions, "a process"))
    return messages / seconds


def _single(bench: Bench, server: Postgres) -> None:
    seconds, name = 3 if bench.quick else 10, "roles: single"
    with team(bench, server) as all_of, Helper("load") as load:
        api, body = all_of.api, request_of(all_of.api)
        task = {"port": api.port, "path": "/v1/send-sms/json", "body": body, "connections": CONNECTIONS}
        load.ask(**task, count=200)
        until_acked(all_of.operators, 200)
        assert all_of.home.url is not None
        log, size = postgres.wal(all_of.home.url), postgres.size(all_of.home.url)
        meter, began = all_of.meter(load=load.pid), time.perf_counter()
        sent = load.ask(**task, seconds=seconds, first=1_000)
        count = sent["accepted"]
        until_acked(all_of.operators, 200 + count)
        until_all_delivered(api, 200 + count, sent)
        through, usage = time.perf_counter() - began, meter.read()
        log, size = postgres.wal(all_of.home.url) - log, postgres.size(all_of.home.url) - size
        bench.note(
            f"{name}: {count:,} orders in {sent['seconds']:.1f} s, the last receipt"
            f" {through - sent['seconds']:.2f} s later; p50 {sent['p50_ms']:.1f} ms"
        )
        bench.note(f"{name}: {usage.shown(count)}")
        rate = count / sent["seconds"]
        bench.add(Figure(f"{name} orders, durable when answered, while sending", rate, "orders/s"))
        bench.add(Figure(f"{name}: to the final receipt", count / through, "orders/s"))
        bench.add(Figure(f"{name}: answer after, p99", sent["p99_ms"], "ms"))
        for figure in all_of.costs(name, usage, count):
            bench.add(figure)
        bench.add(Figure(f"{name}: log in front of the tables", log / count, "bytes/order"))
        bench.add(Figure(f"{name}: on disk, unvacuumed, with traces", size / count, "bytes/order"))


def _ceilings(bench: Bench, server: Postgres, messages: int) -> None:
    url = server.database()
    with Helper("pg_ceilings") as rows:
        for name, unit, task in (
            (
                "bare group commit",
                "orders/s",
                {"seconds": 3 if bench.quick else 10, "producers": CONNECTIONS},
            ),
            ("bare rows, changed twice", "messages/s", {"messages": messages, "group": bench.options.window}),
        ):
            meter = Meter({"postgres": server.pid}, rows=rows.pid)
            done = rows.ask(url=url, **task)
            usage = meter.read()
            bench.note(f"{name}: {usage.shown(done['done'])}")
            bench.add(Figure(f"roles: ceiling, {name}", done["done"] / done["seconds"], unit))
