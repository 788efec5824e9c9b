"""What the benchmarks share: the programs they start, what those cost, and how a figure is shown.

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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ulak.dialects.smpp.settings import parse_settings
from ulak.service import accounts, carriers, credits
from ulak.store import schema
from ulak.store.engine import Database
from ulak.store.vault import Vault
from ulak.store.writer import sync_write

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")
SENDER = "ULAK"
CREDIT = 10**9
START = 60.0
"""Seconds that a program may take until it answers."""


# What a process costs.


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far, user and system, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_of_main_thread(pid: int) -> float:
    """CPU seconds of a process's first thread so far."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_of(pid: int) -> float:
    """Resident memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_of_machine() -> float:
    """CPU seconds that all cores together have worked so far."""
    user, nice, system, _idle, _wait, *interrupts = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(interrupts)) / TICK


class Meter:
    """CPU seconds of our programs since it was made, and of everything else on the machine meanwhile."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids | {"bench": os.getpid()}
        self._before = self._now()
        self._loop_before = self._loop()
        self._began = time.perf_counter()

    def _now(self) -> dict[str, float]:
        return {name: cpu_of(pid) for name, pid in self._pids.items()} | {"all": cpu_of_machine()}

    def _loop(self) -> float:
        return cpu_of_main_thread(self._pids["ulak"]) if "ulak" in self._pids else 0.0

    def read(self) -> Usage:
        """What was used up to now."""
        seconds = time.perf_counter() - self._began
        cpu = {name: after - self._before[name] for name, after in self._now().items()}
        everything = cpu.pop("all")
        others = max(0.0, everything - sum(cpu.values()))
        return Usage(seconds, cpu, others, self._loop() - self._loop_before)


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds by program during `seconds` of wall time. `others` is not ours.

    `main_thread` is the share of Ulak's event loop; the rest of it is nearly all the writer's.
    """

    seconds: float
    cpu: dict[str, float]
    others: float
    main_thread: float

    def shown(self, messages: int) -> str:
        """CPU seconds per 1,000 messages by program, and how busy the machine was with other things."""
        parts = [f"{name} {seconds * 1000 / messages:.3f}" for name, seconds in self.cpu.items()]
        if self.main_thread:
            parts.append(f"of ulak's the main thread {self.main_thread * 1000 / messages:.3f}")
        return f"CPU s/1,000: {', '.join(parts)}; others_cpu {self.others / self.seconds:.2f} cores"


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


class Ulak:
    """`ulak serve` as a process of its own on the embedded database, with an account and at most one link."""

    def __init__(self, directory: Path, link: Link | None = None) -> None:
        self.directory = directory
        self._key, self._hash = _prepare(directory, link)
        self.port = _free_port()
        self._errors = (directory / "serve.log").open("wb")
        self._process = subprocess.Popen(
            [*_serve(), "--data", str(directory), "--port", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
        )
        self._http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._wait("/readyz" if link else "/healthz")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def database(self) -> Database:
        """Its data."""
        return Database(self.directory, None, lambda: time.time_ns() // 1_000_000)

    def _wait(self, path: str) -> None:
        until = time.monotonic() + START
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self._http.request("GET", path)
                response = self._http.getresponse()
                response.read()
                if response.status == 200:
                    return
            except OSError:
                self._http.close()
            time.sleep(0.02)
        self.close()
        raise SystemExit(f"the server is not ready:\n{(self.directory / 'serve.log').read_text()}")

    def body(self, **request: Any) -> str:
        """The JSON of a request, with who asks."""
        who = {"authentication": {"key": self._key, "hash": self._hash}}
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
        self._errors.close()

    def __enter__(self) -> Ulak:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve() -> list[str]:
    return [sys.executable, "-m", "ulak", "serve"]


def _prepare(directory: Path, link: Link | None) -> tuple[str, str]:
    """An account with credit and a sender, and the link; returns the account's credentials."""
    database = Database(directory, None, lambda: time.time_ns() // 1_000_000)
    schema.prepare(database)
    account = sync_write(database, lambda tx: accounts.create(tx, "bench"))
    sync_write(database, lambda tx: credits.grant(tx, "bench", CREDIT))
    sync_write(database, lambda tx: accounts.approve_sender(tx, "bench", SENDER))
    if link is not None:
        words, vault = link.words(), Vault(directory)
        sync_write(database, lambda tx: carriers.add(tx, "lean", "smpp", words, parse_settings, vault))
    return account.iletimerkezi_key, account.iletimerkezi_hash


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def until_acked(smsc: Helper, count: int, seconds: float = 300.0) -> dict[str, Any]:
    """Wait until the SMSC has `count` receipts acknowledged: Ulak does that when they are on disk.

    The SMSC is asked, so that waiting costs Ulak nothing.
    """
    until = time.monotonic() + seconds
    while (counters := smsc.ask())["acked"] < count:
        if counters["refused"] or time.monotonic() > until:
            raise SystemExit(f"the SMSC has seen {counters}, {count} were expected")
        time.sleep(0.02)
    return counters


# The machine.


@contextmanager
def workspace(parent: str | None) -> Iterator[Path]:
    """A temporary directory on a disk, gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="ulak-bench-", dir=parent or "/var/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def file_system(path: Path) -> str:
    """What kind of file system a path is on; figures from a tmpfs say nothing."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [mount for mount in mounts if path.is_relative_to(mount[1])]
    return max(inside, key=lambda mount: len(mount[1]))[2]


def sync_rate(directory: Path, seconds: float = 1.0) -> float:
    """Appends of 8 kB, each synced, that one thread gets through in a second."""
    file = os.open(directory / "syncs", os.O_CREAT | os.O_WRONLY)
    count, page, began = 0, b"\1" * 8192, time.perf_counter()
    while time.perf_counter() - began < seconds:
        os.pwrite(file, page, count % 512 * 8192)
        os.fdatasync(file)
        count += 1
    rate = count / (time.perf_counter() - began)
    os.close(file)
    return rate


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
        """A new directory for one server's data."""
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))
        path.chmod(0o700)
        return path

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
    parser.add_argument("--directory", help="where the data goes [/var/tmp]; it should be a disk")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="sample the server, see benchmarks.spy")
