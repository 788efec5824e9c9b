"""What the benchmarks share: the programs they start, and how a figure is shown.

Everything listens on 127.0.0.1 and on free ports. Only processes started here are ended, and the data is in a
temporary directory on a disk.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from benchmarks.machine import Meter
from ulak.dialects.smpp.settings import parse_settings
from ulak.service import accounts, carriers, credits
from ulak.store import schema
from ulak.store.engine import Database
from ulak.store.vault import Vault
from ulak.store.writer import sync_write

ROOT = Path(__file__).resolve().parent.parent
SENDER = "ULAK"
CREDIT = 10**9
START = 60.0
"""Seconds that a program may take until it answers."""


# Programs.


class Helper:
    """A program of this folder that is told tasks and gives answers, a line each."""

    def __init__(self, name: str, *arguments: str) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{name}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def answer(self) -> dict[str, Any]:
        """Its next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks.{self._name} ended with {self._process.wait()}")
        answer: dict[str, Any] = msgspec.json.decode(line)
        return answer

    def ask(self, **task: Any) -> dict[str, Any]:
        """Give it a task and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(task) + b"\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        _end(self._process)

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _end(process: subprocess.Popen[bytes], seconds: float = 20.0) -> None:
    """Wait until a program of ours has ended; the last resort is a signal to its own process."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Link:
    """The settings of the link to the SMSC, as they are printed with the figures."""

    port: int
    window: int
    id_form: str

    def words(self) -> dict[str, str]:
        """As `carrier add --set` takes them."""
        return {
            "host": "127.0.0.1",
            "port": str(self.port),
            "system_id": "bench",
            "password": "bench",
            "window": str(self.window),
            "id_form": self.id_form,
        }


@dataclass(frozen=True, slots=True)
class Home:
    """A directory with data: an account with credit and a sender, and its links. `url` is the PostgreSQL
    database, None for the embedded one."""

    directory: Path
    key: str
    hash: str
    apikey: str
    linked: bool
    url: str | None = None

    @property
    def database(self) -> Database:
        """The data."""
        return Database(self.directory, self.url, lambda: time.time_ns() // 1_000_000)


def prepare(directory: Path, links: Sequence[Link] = (), url: str | None = None) -> Home:
    """New data in a directory, as the command line would make them."""
    home = Home(directory, "", "", "", bool(links), url)
    schema.prepare(home.database)
    account = sync_write(home.database, lambda tx: accounts.create(tx, "bench"))
    sync_write(home.database, lambda tx: credits.grant(tx, "bench", CREDIT))
    sync_write(home.database, lambda tx: accounts.approve_sender(tx, "bench", SENDER))
    for place, link in enumerate(links):
        name, words, vault = f"lean{place}", link.words(), Vault(directory)
        sync_write(
            home.database,
            partial(carriers.add, name=name, kind="smpp", settings=words, check=parse_settings, vault=vault),
        )
    return replace(
        home,
        key=account.iletimerkezi_key,
        hash=account.iletimerkezi_hash,
        apikey=account.comtohome_key,
    )


class Ulak:
    """`ulak serve` as a process of its own; ready once made."""

    def __init__(self, home: Home, role: str = "all", *, python: Sequence[str] = (), **options: str) -> None:
        """`python` are options of the interpreter, `options` those of Ulak that have no flag."""
        self.home = home
        self.role = role
        self.port = _free_port()
        self.log = home.directory / f"{role}-{self.port}.log"
        self._output = self.log.open("wb")
        serve = ["-m", "ulak", "serve", "--data", str(home.directory), "--port", str(self.port)]
        if home.url is not None:
            serve += ["--database", home.url, "--role", role]
        self._process = subprocess.Popen(
            [sys.executable, *python, *serve],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=os.environ | {f"ULAK_{name.upper()}": text for name, text in options.items()},
        )
        self._http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._wait("/readyz" if home.linked and role == "all" else "/healthz")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def wait_for_links(self) -> None:
        """Wait until a link is up, in whichever process."""
        self._wait("/readyz")

    def _wait(self, path: str) -> None:
        until = time.monotonic() + START
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self._http.request("GET", path)
                response = self._http.getresponse()
                response.read()
                self._http.close()
                if response.status == 200:
                    return
            except OSError:
                self._http.close()
            time.sleep(0.005)
        self.close()
        raise SystemExit(f"the server is not ready:\n{self.log.read_text()}")

    def body(self, **request: Any) -> str:
        """The JSON of a request, with who asks."""
        who = {"authentication": {"key": self.home.key, "hash": self.home.hash}}
        return msgspec.json.encode({"request": who | request}).decode()

    def post(self, operation: str, body: str) -> dict[str, Any]:
        """Ask, and get what is inside of `response`."""
        self._http.request("POST", f"/v1/{operation}/json", body)
        answer = self._http.getresponse()
        content = answer.read()
        self._http.close()  # the server hangs up on idle connections, and this one is idle most of the time
        if answer.status != 200:
            raise SystemExit(f"{operation}: {answer.status} {content.decode()}")
        response: dict[str, Any] = msgspec.json.decode(content)["response"]
        return response

    def order_body(self, text: str, numbers: Iterable[str]) -> str:
        """The request that places an order."""
        message = {"text": text, "receipents": {"number": list(numbers)}}
        return self.body(
            order={"sender": SENDER, "sendDateTime": "", "iys": "0", "iysList": "", "message": message}
        )

    def report(self, order: str, page: int = 1, rows: int = 1) -> dict[str, Any]:
        """One page of an order's report."""
        wanted = {"id": order, "page": str(page), "rowCount": str(rows)}
        report: dict[str, Any] = self.post("get-report", self.body(order=wanted))["order"]
        return report

    def close(self) -> None:
        """Stop it in order."""
        self._http.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        _end(self._process)
        self._output.close()

    def __enter__(self) -> Ulak:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.close()
        if error is not None:
            sys.stderr.write(self.log.read_text()[-4_000:])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Asked(Protocol):
    """Something that gives counters when it is asked."""

    def ask(self) -> dict[str, Any]: ...


class Together:
    """Several SMSCs as one: their counters are added up."""

    def __init__(self, smscs: Sequence[Helper]) -> None:
        self._smscs = smscs

    def ask(self) -> dict[str, Any]:
        """The sums."""
        answers = [smsc.ask() for smsc in self._smscs]
        return {name: sum(answer[name] for answer in answers) for name in answers[0]}


def until_acked(smsc: Asked, count: int, patience: float = 30.0) -> None:
    """Wait until the SMSC has `count` receipts acknowledged: Ulak does that when they are on disk.

    The SMSC is asked, so that waiting costs Ulak nothing. It is an error when nothing comes for `patience`
    seconds.
    """
    most, until = -1, 0.0
    while (counters := smsc.ask())["acked"] < count:
        if counters["acked"] > most:
            most, until = counters["acked"], time.monotonic() + patience
        if counters["refused"] or time.monotonic() > until:
            raise SystemExit(f"the SMSC has seen {counters}, {count} were expected")
        time.sleep(0.02)


@contextmanager
def workspace(parent: str | None) -> Iterator[Path]:
    """A temporary directory on a disk, gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="ulak-bench-", dir=parent or "/var/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


# What comes out.


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, and what it should be: at least or at most `goal`."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached, None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def line(self) -> str:
        """For people."""
        goal = "" if self.at_least is None else f"goal >= {self.at_least:,g}"
        goal = goal if self.at_most is None else f"goal <= {self.at_most:,g}"
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        return f"  {self.name:<58} {number(self.value):>10} {self.unit:<18} {goal:<16} {verdict}".rstrip()


def number(value: float) -> str:
    """Three or more digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


@dataclass(slots=True)
class Bench:
    """One run: its options, where it works, and the figures so far."""

    options: argparse.Namespace
    directory: Path
    figures: list[Figure] = field(default_factory=list)

    @property
    def quick(self) -> bool:
        """Whether a look is enough: less of everything, and nothing to be quoted."""
        quick: bool = self.options.quick
        return quick

    def fresh(self, name: str) -> Path:
        """A new directory for somebody's data."""
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))
        path.chmod(0o700)
        return path

    def home(self, name: str, *links: Link, url: str | None = None) -> Home:
        """New data for one server, or for all processes on one database."""
        return prepare(self.fresh(name), links, url)

    def add(self, figure: Figure) -> None:
        """A figure is known."""
        self.figures.append(figure)
        print(figure.line(), flush=True)

    def note(self, text: str) -> None:
        """Something to know about the figures around it."""
        print(f"  {text}", flush=True)

    def smsc(self) -> tuple[Helper, Link]:
        """A new SMSC, and the link to it."""
        smsc = Helper("smsc", "--receipt-ms", str(self.options.receipt_ms))
        return smsc, Link(smsc.answer()["port"], self.options.window, self.options.id_form)

    @contextmanager
    def spied(self, ulak: Ulak, name: str) -> Iterator[None]:
        """Sample the server meanwhile, if profiles are wanted."""
        folder: Path | None = self.options.profile
        if folder is None:
            yield
            return
        folder.mkdir(parents=True, exist_ok=True)
        command = ["py-spy", "record", "--format", "raw", "--threads", "--gil", "--nonblocking"]
        command += ["--rate", "200"]
        command += ["--pid", str(ulak.pid), "--output", str(folder / f"{name}.raw"), "--duration", "3600"]
        spy = subprocess.Popen(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.0)
        try:
            yield
        finally:
            spy.send_signal(signal.SIGINT)
            _end(spy)


def options_of(parser: argparse.ArgumentParser) -> None:
    """The options that all benchmarks have."""
    parser.add_argument("--quick", action="store_true", help="less of everything; not to be quoted")
    parser.add_argument("--window", type=int, default=500, help="window of the link")
    parser.add_argument("--id-form", default="dec", help="how the carrier's ids are compared")
    parser.add_argument("--receipt-ms", type=float, default=0, help="receipts come so long after the answer")
    parser.add_argument("--ahead", type=int, help="memory: orders of 1,000 under way at once [no limit]")
    parser.add_argument("--role", choices=("apart", "all"), default="apart", help="roles, soak: one process")
    parser.add_argument("--minutes", type=float, default=30, help="soak: how long [30]")
    parser.add_argument("--directory", help="where the data goes [/var/tmp]; it should be a disk")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="sample the server, see benchmarks.spy")


def http_ceiling(bench: Bench, name: str, connections: int) -> None:
    """The same HTTP server, and nothing done behind it."""
    with Helper("ceilings", "http") as door, Helper("load") as load:
        port = door.answer()["port"]
        meter = Meter(door=door.pid)
        body = '{"serial":"%08d","number":"%010d"}'
        seconds = 3 if bench.quick else 10
        sent = load.ask(port=port, path="/", body=body, connections=connections, seconds=seconds)
        usage = meter.read()
    rate = sent["accepted"] / usage.cpu["door"]
    bench.add(Figure(f"{name}: ceiling, bare HTTP door", rate, "requests/s a core"))
