"""A new machine: clone, `make demo`, paste what it printed.

What is cloned is the last commit. The lines are executed as they are printed, by `sh`; only those that ask
how something stands are repeated until it has had time to come about.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
COLD = 90.0
"""Seconds from `make demo` in a new clone to the lines that can be pasted."""

WARM = 5.0
"""The same when everything is installed."""

LAST = "its label, from"
"""What stands above the last line to paste."""


def _allowed(seconds: float) -> float:
    """The limit on a machine with nothing else to do, stretched by as much as it is overbooked."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _environment() -> dict[str, str]:
    """What a person's shell has: nothing of the virtual environment that runs these tests."""
    foreign = ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    own = str(ROOT / ".venv")
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(own))
    kept = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith("ULAK_")}
    return kept | {"PATH": path}


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """The last commit in a folder of its own."""
    folder = tmp_path / "ulak"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


@asynccontextmanager
async def _demo(clone: Path, port: int) -> AsyncIterator[tuple[dict[str, str], float]]:
    """`make demo` in the foreground: the lines it printed, by what stands above each, and the seconds until
    then. Ends it by the process id that the sandbox wrote down."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        "make",
        "demo",
        f"PORT={port}",
        "DATA=data/fresh",
        cwd=clone,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(5 * COLD):
            lines = await _lines_to_paste(process)
        took = time.monotonic() - began
        document = json.loads((clone / "data/fresh/sandbox.json").read_text())
        assert document["url"] == f"http://127.0.0.1:{port}"
        yield lines, took
        os.kill(document["pid"], signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def _lines_to_paste(process: asyncio.subprocess.Process) -> dict[str, str]:
    """Read what is printed up to the last line to paste."""
    assert process.stdout is not None
    lines: dict[str, str] = {}
    printed: list[str] = []
    while not any(LAST in what for what in lines):
        line = (await process.stdout.readline()).decode()
        assert line, f"make demo ended: {''.join(printed)}"
        printed.append(line)
        if line.startswith("curl "):
            lines[printed[-2].strip().removeprefix("# ")] = line.rstrip("\n")
    return lines


async def _printed(line: str, folder: Path) -> bytes:
    """Let a shell carry out a line; what it printed."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", line, cwd=folder, env=_environment(), stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, line
    return out


async def _paste(line: str, folder: Path) -> dict[str, Any]:
    """The response to a line about messages."""
    response: dict[str, Any] = json.loads(await _printed(line, folder))["response"]
    return response


async def _paste_all(lines: dict[str, str], folder: Path) -> None:
    """What is there to try with messages, with rented numbers, then with parcels."""
    *messages, rent, pay, number, code, create, find, label = lines.values()
    await _paste_messages(messages, folder)
    await _paste_numbers([rent, pay, number, code], folder)
    made = json.loads(await _printed(create, folder))
    assert made["status"] is True, made
    parcel = json.loads(await _printed(find, folder))["data"]
    assert parcel["id"] == made["data"]["consignment"]
    assert (parcel["status"], parcel["total_cost"]) == (1, 120.96)
    await _printed(label, folder)
    assert (folder / "label.pdf").read_bytes().startswith(b"%PDF-")


async def _paste_messages(lines: list[str], folder: Path) -> None:
    """Send, report, list, schedule, cancel, report."""
    send, report, listing, schedule, cancel, cancelled = lines
    sent = await _paste(send, folder)
    assert sent["status"]["code"] == 200
    deadline = time.monotonic() + 10
    while True:
        order = (await _paste(report, folder))["order"]
        assert order["id"] == sent["order"]["id"]
        if order["message"][0]["status"] == 111:
            break
        assert time.monotonic() < deadline, order
        await asyncio.sleep(0.2)
    assert order["status"] == 114
    assert int(order["id"]) in [each["id"] for each in (await _paste(listing, folder))["orders"]]
    scheduled = await _paste(schedule, folder)
    assert scheduled["status"]["code"] == 200
    assert (await _paste(cancel, folder))["status"]["code"] == 200
    order = (await _paste(cancelled, folder))["order"]
    assert (order["id"], order["status"]) == (scheduled["order"]["id"], 115)
    assert order["message"][0]["status"] == 112


async def _paste_numbers(lines: list[str], folder: Path) -> None:
    """Rent a number, pay for it, see the number, see the code."""
    rent, pay, number, code = lines
    order = json.loads(await _printed(rent, folder))
    assert list(order) == ["status", "orderId", "payreq"]
    assert json.loads(await _printed(pay, folder)) == {"state": "held"}
    seen = await _until(number, folder, "number")
    assert (seen["paid"], seen["country"], seen["service"]) == (True, "Germany", "Telegram")
    done = await _until(code, folder, "code")
    assert (done["number"], done["id"]) == (seen["number"], seen["id"])


async def _until(line: str, folder: Path, field: str) -> dict[str, Any]:
    """What a line prints once there is this field in it."""
    deadline = time.monotonic() + 15
    while True:
        found: dict[str, Any] = json.loads(await _printed(line, folder))
        if field in found:
            return found
        assert "error" not in found, found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


async def test_two_commands_on_a_new_machine(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = _free_port()
    async with _demo(clone, port) as (lines, cold):
        await _paste_all(lines, tmp_path)
    async with _demo(clone, port) as (lines, warm):
        await _paste_all(lines, tmp_path)
    with capsys.disabled():
        print(f"\nmake demo: {cold:.1f} s in a new clone, {warm:.1f} s the second time")
    assert cold < _allowed(COLD)
    assert warm < _allowed(WARM)
