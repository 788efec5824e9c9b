"""Servers as real processes: started, used, stopped."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests import launch
from tests.cli.conftest import Command

from ulak.store.engine import Database

PATIENCE = 20.0


class Process:
    """A process whose standard output is read here: a fork of one that has loaded the program, unless the
    interpreter itself matters."""

    def __init__(self, arguments: Sequence[str], log: int, *, loaded: bool) -> None:
        reading, writing = os.pipe()
        self.stdout = open(reading, encoding="utf-8")  # noqa: SIM115
        self._process = (
            launch.start(arguments, os.environ, writing, log)
            if loaded
            else subprocess.Popen([sys.executable, "-m", "ulak", *arguments], stdout=writing, stderr=log)
        )
        self.pid = self._process.pid
        os.close(writing)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()

    def end(self, sign: signal.Signals) -> tuple[int, str]:
        """Send a signal; the exit code, and the rest of what it printed."""
        self._process.send_signal(sign)
        return self._process.wait(), self.stdout.read()

    def close(self) -> None:
        """Nothing is left of it."""
        self.kill()
        self._process.wait()
        self.stdout.close()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `ulak` with these arguments; what still runs in the end is killed."""
    begun: list[Process] = []

    def go(*arguments: str, loaded: bool = True) -> Process:
        with (tmp_path / f"log-{len(begun)}").open("w") as log:
            begun.append(Process(arguments, log.fileno(), loaded=loaded))
        return begun[-1]

    yield go
    for process in begun:
        process.close()


def first_value(process: Process) -> Any:
    """The JSON value that a server prints when it is ready."""
    return json.loads(process.stdout.readline())


def stop(process: Process, sign: signal.Signals = signal.SIGTERM) -> str:
    """Ask it to end; the rest of what it printed."""
    code, rest = process.end(sign)
    assert code == 0
    return rest


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A process that ends by itself."""
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)


def refused(*arguments: str) -> str:
    """What `ulak` says that fails."""
    code, out, err = asyncio.run(launch.run(arguments, os.environ))
    assert (code, out) == (1, b"")
    return err.decode()


def call(url: str, body: str) -> Any:
    """POST a body; the answer's `response`, whatever the status."""
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["response"]


def paste(line: str) -> Any:
    """Do what a printed curl line does."""
    words = shlex.split(line)
    assert words[0] == "curl"
    given = list(pairwise(words))
    headers = dict(value.split(": ", 1) for word, value in given if word == "-H")
    body = next((value.encode() for word, value in given if word == "-d"), None)
    with urllib.request.urlopen(urllib.request.Request(words[-1], body, headers), timeout=PATIENCE) as answer:
        found = json.load(answer)
    return found.get("response", found)


def eventually(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_serves_a_directory_alone_until_it_is_stopped(
    sqlite_database: Database, start: Start
) -> None:
    where = ["--data", str(sqlite_database.directory), "--json"]
    server = start("serve", "--port", "0", *where, loaded=False)
    ready = first_value(server)
    assert ready == {"url": f"http://127.0.0.1:{ready['port']}", "port": ready["port"], "pid": server.pid}
    with urllib.request.urlopen(f"{ready['url']}/healthz", timeout=PATIENCE) as answer:
        assert answer.status == 200

    assert "another ulak serves the data in" in refused("serve", "--port", "0", *where)

    assert stop(server) == ""
    third = start("serve", "--port", "0", *where, loaded=False)
    first_value(third)
    stop(third, signal.SIGINT)


def test_after_a_kill_the_data_can_be_served_again(tmp_path: Path, start: Start) -> None:
    where = ["--data", str(tmp_path / "data"), "--json", "--port", "0"]
    server = start("serve", *where)
    first_value(server)
    server.kill()
    assert first_value(start("serve", *where))["port"]


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused("serve", "--data", str(tmp_path), "--port", port, "--json")
        assert f"cannot listen on 127.0.0.1:{port}" in said
        assert f"cannot listen on 127.0.0.1:{port}" in refused("smsc", "--port", port)


def test_commands_hold_for_a_running_server(tmp_path: Path, start: Start, command: Command) -> None:
    where = ["--data", str(tmp_path), "--json"]
    url = first_value(start("serve", "--port", "0", *where))["url"]
    made = command("account", "create", "alice", *where).value
    body = json.dumps({"request": {"authentication": made["iletimerkezi"]}})
    assert call(f"{url}/v1/get-balance/json", body)["balance"]["sms"] == 0
    command("credit", "grant", "alice", "7", *where)
    assert call(f"{url}/v1/get-balance/json", body)["balance"]["sms"] == 7
    command("carrier", "add", "sim", "--kind", "simulator", *where)

    def can_send() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=PATIENCE) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False

    eventually(can_send)
    command("sender", "approve", "alice", "ALICE", *where)
    message = {"text": "Merhaba", "receipents": {"number": ["905301234567", "905301239001"]}}
    order = {"order": {"sender": "ALICE", "iys": "0", "message": message}}
    request = json.loads(body)["request"]
    placed = call(f"{url}/v1/send-sms/json", json.dumps({"request": request | order}))["order"]
    report = json.dumps({"request": request | {"order": placed}})
    eventually(lambda: call(f"{url}/v1/get-report/json", report)["order"]["status"] == 114)
    assert [row["status"] for row in call(f"{url}/v1/get-report/json", report)["order"]["message"]] == [
        111,
        112,
    ]
    command("account", "api-access", "off", "alice", *where)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        call(f"{url}/v1/get-balance/json", body)


def test_the_printed_lines_of_a_sandbox_work(tmp_path: Path, start: Start) -> None:
    sandbox = start("sandbox", "--data", str(tmp_path / "box"), "--port", "0")
    told, lines = "", list[str]()
    for line in sandbox.stdout:
        told += line
        if line.startswith("curl "):
            lines.append(line)
            if len(lines) == 12:
                break
    assert "…9001  undelivered" in told
    assert "…9103  delivered at once" in told
    assert "  never   " in told
    send, report, listing, schedule, cancel, cancelled, *numbers, parcel, find = lines
    # Those are tried by a shell, in the test of a new machine.
    assert [line.split()[-1] for line in numbers[:1]] == ["order.json"]
    assert paste(send)["order"]["id"] == "300000001"
    eventually(lambda: paste(report)["order"]["message"] == [{"number": "+905301234567", "status": 111}])
    assert paste(report)["order"]["status"] == 114
    assert paste(listing)["count"] == 1
    assert paste(schedule)["order"]["id"] == "300000002"
    assert paste(cancel)["status"]["code"] == 200
    assert paste(cancelled)["order"]["status"] == 115
    number = paste(parcel)["data"]["consignment"]
    assert (paste(find)["data"]["id"], paste(find)["data"]["status"]) == (number, 1)
    stop(sandbox)


def test_a_sandbox_stays_the_same_when_it_is_started_again(
    tmp_path: Path, start: Start, command: Command
) -> None:
    folder = tmp_path / "box"
    where = ["--data", str(folder), "--json"]
    sandbox = start("sandbox", "--port", "0", *where)
    first = first_value(sandbox)
    names = ["url", "account", "key", "hash", "apikey", "api_key", "sender"]
    names += ["pid", "port", "smsc_port", "data"]
    assert list(first) == names
    assert first["pid"] == sandbox.pid
    written = folder / "sandbox.json"
    assert json.loads(written.read_text()) == first
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert command("clock", "advance", "25h", *where).value["ahead_ms"] == 90_000_000
    stop(sandbox)

    again = start("sandbox", "--port", "0", *where)
    second = first_value(again)
    secrets = ("key", "hash", "apikey", "api_key")
    assert [second[name] for name in secrets] == [first[name] for name in secrets]
    stop(again)

    written.unlink()
    third = first_value(start("sandbox", "--port", "0", *where))
    assert third["key"] != first["key"]
    for known in (first, third):
        body = json.dumps({"request": {"authentication": {"key": known["key"], "hash": known["hash"]}}})
        assert call(f"{third['url']}/v1/get-balance/json", body)["balance"]["sms"] == 10_000
    carriers = command("carrier", "list", *where).value
    assert [(carrier["name"], carrier["settings"].get("port")) for carrier in carriers] == [
        ("sandbox", str(third["smsc_port"])),
        ("sandbox parcels", None),
        ("sandbox numbers", None),
    ]


def test_real_data_do_not_become_a_sandbox(tmp_path: Path, command: Command) -> None:
    where = ["--data", str(tmp_path), "--json"]
    command("carrier", "add", "op", "--kind", "smpp", "--set", "host=h", "system_id=u", *where)
    assert "are no sandbox" in refused("sandbox", "--port", "0", *where)
    assert command("clock", "advance", "1h", *where).code == 1


def test_the_simulated_operator_alone(start: Start) -> None:
    smsc = start("smsc", "--port", "0", "--json")
    shown = first_value(smsc)
    assert list(shown) == ["port", "endings"]
    assert shown["endings"]["9001"] == "undelivered"
    socket.create_connection(("127.0.0.1", shown["port"]), timeout=PATIENCE).close()
    assert stop(smsc) == ""


def test_help_is_shown_without_what_only_servers_need() -> None:
    script = """
import sys
from ulak.cli.app import main
main(["--help"])
heavy = {"sqlalchemy", "alembic", "psycopg", "uvicorn", "structlog", "cryptography"}
print(heavy & set(sys.modules), file=sys.stderr)
"""
    assert run(sys.executable, "-c", script).stderr == "set()\n"


def test_the_installed_command_is_this_one(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("ulak")
    if not os.access(script, os.X_OK):
        pytest.skip("the package is not installed")
    ended = run(script, "account", "list", "--json", "--data", tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "[]\n")
