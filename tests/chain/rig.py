"""A server in a process of its own, and its customers: everything here goes through sockets and commands."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
from tests import launch
from tests.conftest import CLEANER

from ulak.service import accounts, carriers, credits
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import CARRIER_KINDS, now_ms

HOST = "127.0.0.1"
CREDITS = 10_000_000
SENDER = "ULAK"
IDLE = 2.0
"""Seconds after which a connection is not used again. A server hangs up after five, and whoever was held up
for so long would send a request that nobody reads, and could not tell that from one that was cut off."""

START = 30.0
"""Seconds in which a server has to answer, on a machine however busy."""


def free_port() -> int:
    """A port nobody listens on, below those that the kernel gives to outgoing connections: a server may be
    stopped and started on it again, and nobody gets it meanwhile."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


async def until(
    done: Callable[[], Any] | Callable[[], Awaitable[Any]], seconds: float, what: str, pause: float = 0.02
) -> float:
    """Wait for something to be true; how long that took. `what` is said if it never is. There is a `pause`
    between looks, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        found = done()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return loop.time() - began
        assert loop.time() - began < seconds, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(pause)


class Gone(ConnectionError):
    """The connection ended before the whole answer was there: nobody knows what became of the request."""


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP. Names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What the body holds."""
        return json.loads(self.body)


class Http:
    """One kept connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        """A whole answer.

        Raises:
            ConnectionRefusedError: nobody listens, so nothing was asked.
            Gone: there was no whole answer.
        """
        clock = asyncio.get_running_loop().time
        if self._streams is not None and (self._streams[0].at_eof() or clock() - self._used > IDLE):
            await self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port)
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}:{self._port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in head[1:] if line)
            found = {name.lower(): value.strip() for name, _, value in pairs}
            status = int(head[0].split(" ", 2)[1])
            content = b"" if status == 204 else await reader.readexactly(int(found["content-length"]))
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise Gone(str(error)) from error
        self._used = clock()
        return Answer(status, found, content)

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """The status and the JSON of an answer; raises what `ask` raises."""
        answer = await self.ask(method, path, body)
        return answer.status, answer.json

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                return


@dataclass(frozen=True)
class Keys:
    """Who a customer is."""

    account: str
    key: str
    hash: str


class Customer:
    """A program written for iletiMerkezi, with one connection."""

    def __init__(self, port: int, keys: Keys) -> None:
        self.http = Http(port)
        self._authentication = {"key": keys.key, "hash": keys.hash}

    async def ask(self, door: str, **request: Any) -> tuple[int, Any]:
        """The status and the response of a door."""
        body = {"request": {"authentication": self._authentication, **request}}
        status, answer = await self.http.call("POST", f"/v1/{door}/json", json.dumps(body).encode())
        response = answer["response"]
        assert response["status"]["code"] == status
        return status, response

    async def send(
        self, text: str, numbers: Sequence[int], *, when: str = "", sender: str = SENDER
    ) -> tuple[int, str]:
        """Place an order: the status, and the order's id if it was taken."""
        message = {"text": text, "receipents": {"number": [str(number) for number in numbers]}}
        order = {"sender": sender, "sendDateTime": when, "iys": "0", "message": message}
        status, response = await self.ask("send-sms", order=order)
        return status, response["order"]["id"] if status == 200 else ""

    async def order(self, text: str, numbers: Sequence[int], **rest: Any) -> str:
        """Place an order that is taken; its id."""
        status, order = await self.send(text, numbers, **rest)
        assert status == 200, status
        return order

    async def cancel(self, order: str) -> int:
        """Cancel an order; the status."""
        return (await self.ask("cancel-order", order={"id": order}))[0]

    async def report(self, order: str, page: int = 1, rows: int = 1000) -> dict[str, Any]:
        """An order, with one page of its recipients."""
        status, response = await self.ask(
            "get-report", order={"id": order, "page": str(page), "rowCount": str(rows)}
        )
        assert status == 200, (order, status)
        found: dict[str, Any] = response["order"]
        return found

    async def whole_report(self, order: str) -> dict[str, Any]:
        """An order with all of its recipients."""
        found = await self.report(order)
        for page in range(2, -(-found["total"] // 1000) + 1):
            found["message"] += (await self.report(order, page))["message"]
        return found

    async def final(self, order: str, seconds: float = 15.0) -> dict[str, Any]:
        """An order once nothing of it waits any more."""

        async def none_waits() -> bool:
            return bool((await self.report(order, rows=1))["waiting"] == 0)

        await until(none_waits, seconds, f"order {order} is final")
        return await self.whole_report(order)

    async def balance(self) -> int:
        """The credits that are left."""
        status, response = await self.ask("get-balance")
        assert status == 200
        left: int = response["balance"]["sms"]
        return left

    async def close(self) -> None:
        """Hang up."""
        await self.http.close()


class Server:
    """`ulak serve` on these data, as often as it is started. `armed` is what the next process does at which
    point in the code (`ulak.cli.points`)."""

    def __init__(
        self,
        directory: Path,
        url: str | None,
        role: str = "all",
        source: Path | None = None,
        options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`source` is a folder with another version of the program; `options` stand in its environment."""
        self.database = Database(directory, url, now_ms)
        self.port = free_port()
        self._role = role
        self._source = source
        self._log = directory / ("serve.log" if role == "all" else f"{role}-{self.port}.log")
        self.armed = ""
        self.options = dict(options)
        self._process: launch.Process | subprocess.Popen[bytes] | None = None
        self._open: list[Customer | Http] = []

    # What is set up before, straight in the database

    def account(self, name: str = "acme", credit: int = CREDITS) -> Keys:
        """A new account with credit and an approved sender."""

        def create(tx: Tx) -> Keys:
            made = accounts.create(tx, name)
            accounts.approve_sender(tx, name, SENDER)
            credits.grant(tx, name, credit)
            return Keys(name, made.iletimerkezi_key, made.iletimerkezi_hash)

        keys: Keys = self.write(create)
        return keys

    def carrier(self, name: str, port: int, **settings: Any) -> None:
        """A link to an operator at this port."""
        words = {"host": HOST, "port": str(port), "system_id": name, "password": "secret"}
        words |= {key: str(value) for key, value in settings.items()}
        vault = Vault(self.database.directory)
        self.write(lambda tx: carriers.add(tx, name, "smpp", words, CARRIER_KINDS["smpp"].check, vault))

    def write(self, change: Callable[[Tx], Any]) -> Any:
        """A transaction beside the server."""
        return sync_write(self.database, change)

    def read(self, question: Callable[[Tx], Any]) -> Any:
        """A question beside the server."""
        return sync_read(self.database, question)

    def sql(self, statement: str) -> list[Any]:
        """Rows, for a look that the program itself never takes."""
        rows: list[Any] = self.read(lambda tx: tx.all(Sql(statement)))
        return rows

    # Its life

    def spawn(self, command: str = "serve") -> None:
        """Start the process, and do not wait for it."""
        assert self._process is None
        self.database.directory.mkdir(exist_ok=True)
        role = [] if self._role == "all" else ["--role", self._role]
        words = [command, *self._place(), *role, "--port", str(self.port)]
        with open(self._log, "ab") as log:
            if self._source is None:
                environment = _environment() | self.options | {"ULAK_TEST_POINT": self.armed}
                self._process = launch.start(words, environment, log.fileno(), log.fileno())
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ulak", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment() | self.options | {"PYTHONPATH": str(self._source)},
            )

    async def start(self, command: str = "serve") -> float:
        """Start it; returns the seconds until it answered."""
        self.spawn(command)
        return await self.answers()

    async def answers(self) -> float:
        """Wait until it answers."""
        return await until(self._alive, START, "the server answers")

    async def _alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended: {self.log()[-2000:]}"
        http = Http(self.port)
        try:
            return (await http.call("GET", "/healthz"))[0] == 200
        except OSError:
            return False
        finally:
            await http.close()

    async def ready(self) -> tuple[int, Any]:
        """What `/readyz` says."""
        http = Http(self.port)
        try:
            return await http.call("GET", "/readyz")
        finally:
            await http.close()

    def freeze(self) -> None:
        """SIGSTOP: it does nothing more, and its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: it goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """Its process, which runs."""
        assert self._process is not None
        return self._process.pid

    async def ended(self, seconds: float = 20.0) -> None:
        """Wait until it has ended in order, having been asked to."""
        process, self._process = self._process, None
        assert process is not None
        await until(lambda: process.poll() is not None, seconds, "the server ends")
        assert process.returncode == 0, (process.returncode, self.log()[-2000:])

    async def stop(self, seconds: float = 20.0) -> float:
        """SIGTERM; returns the seconds until it had ended in order."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGTERM)
        try:
            took = await until(lambda: process.poll() is not None, seconds, "the server ends")
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, (process.returncode, self.log()[-2000:])
        return took

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text()

    def customer(self, keys: Keys) -> Customer:
        """A new customer's program."""
        customer = Customer(self.port, keys)
        self.closes(customer)
        return customer

    def closes(self, connection: Customer | Http) -> None:
        """Hang up here when this is closed."""
        self._open.append(connection)

    async def close(self) -> None:
        """End everything that was begun here."""
        for connection in self._open:
            await connection.close()
        if self._process is not None:
            self.kill()

    # The command line

    def _place(self) -> list[str]:
        place = ["--data", str(self.database.directory)]
        return place if self.database.url is None else [*place, "--database", self.database.url]

    async def cli(self, *words: str, code: int = 0) -> Any:
        """Run a command on these data; the JSON it printed."""
        ended, out, err = await launch.run([*words, *self._place(), "--json"], _environment())
        assert ended == code, (words, ended, out, err)
        return json.loads(out) if out else None


def _environment() -> dict[str, str]:
    """The environment without options for Ulak."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ULAK_")}


def sessions(url: str) -> int:
    """How many other clients a PostgreSQL database has."""
    with psycopg.connect(url) as server:
        row = server.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> %s",
            [CLEANER],
        ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def spread(values: Iterable[float]) -> str:
    """A line about times: how many, and which."""
    found = sorted(values)
    if not found:
        return "none"
    middle, late = found[len(found) // 2], found[min(len(found) - 1, round(0.95 * len(found)))]
    return f"{len(found)} times, {found[0]:.2f} to {found[-1]:.2f} s, half {middle:.2f}, 95 % {late:.2f}"
