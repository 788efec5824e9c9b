"""SMSCs of others, started for the length of a `with`: npm `smpp` and PyPI `smpp34`.

async with node_smsc() as smsc:
    … a link to 127.0.0.1, smsc.port …
    await smsc.got(7)
    assert smsc.texts() == {"905321234567": ["…"]}
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PeerSubmit:
    """One submit_sm as the peer read it. `udh` are the elements of its header in hexadecimal."""

    id: str
    source: str
    destination: str
    data_coding: int
    esm_class: int
    text: str
    udh: list[str]

    @property
    def chain(self) -> tuple[str, int, int]:
        """Reference, total and part of the concatenation element; one of one when there is none."""
        for element in self.udh:
            if element.startswith(("0003", "0804")):
                octets = bytes.fromhex(element)
                return octets[2:-2].hex(), octets[-2], octets[-1]
        return "", 1, 1


class PeerProcess:
    """A program of somebody else that tells its port, and then what happens, a line of JSON each."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.port = 0
        self._process = process

    async def started(self) -> None:
        """Wait for its port."""
        while not self.port:
            assert await self._read_line(), "the SMSC did not start"
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        while await self._read_line():
            pass

    async def _read_line(self) -> bool:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            return False
        told: dict[str, Any] = json.loads(line)
        if "port" in told:
            self.port = told["port"]
        else:
            self.hear(told)
        return True

    def hear(self, told: dict[str, Any]) -> None:
        """Something happened there."""
        raise AssertionError(told)


class PeerSmsc(PeerProcess):
    """A running SMSC: what it took, and the ids of the receipts that were acknowledged and refused."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__(process)
        self.submits: list[PeerSubmit] = []
        self.acknowledged: list[str] = []
        self.refused: list[str] = []

    async def got(self, submits: int, acknowledged: int | None = None, seconds: float = 20.0) -> None:
        """Wait until it has so many submits, and so many acknowledged receipts (as many, if not said)."""
        wanted = submits if acknowledged is None else acknowledged
        async with asyncio.timeout(seconds):
            while len(self.submits) < submits or len(self.acknowledged) < wanted:
                assert not self._reading.done(), "the SMSC has ended"
                await asyncio.sleep(0.01)

    def texts(self) -> dict[str, list[str]]:
        """The texts by destination, each joined from its parts; one that lacks a part is not among them."""
        chains: dict[tuple[str, str, str], dict[int, PeerSubmit]] = {}
        for number, submit in enumerate(self.submits):
            reference, total, part = submit.chain
            key = (submit.source, submit.destination, reference if total > 1 else f"alone {number}")
            chains.setdefault(key, {})[part] = submit
        found: dict[str, list[str]] = {}
        for (_, destination, _), parts in chains.items():
            if len(parts) == next(iter(parts.values())).chain[1]:
                found.setdefault(destination, []).append("".join(parts[n].text for n in sorted(parts)))
        return found

    def hear(self, told: dict[str, Any]) -> None:
        """A submit, or what became of a receipt."""
        if "submit" in told:
            self.submits.append(PeerSubmit(**told["submit"]))
        elif "acknowledged" in told:
            self.acknowledged.append(told["acknowledged"])
        else:
            self.refused.append(told["refused"])


def install_node_packages() -> None:
    """Install what package.json names, if it is not there. Fails with a sentence when npm is missing."""
    if (FOLDER / "node_modules" / "smpp").is_dir():
        return
    npm = shutil.which("npm")
    assert npm is not None, (
        "npm is not installed; `make test` as root does it, or: apt-get install nodejs npm"
    )
    command = [npm, "ci", "--omit=dev", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"npm ci failed: {done.stderr[-2000:]}"


Peer = TypeVar("Peer", bound=PeerProcess)


@asynccontextmanager
async def node_peer(make: Callable[[asyncio.subprocess.Process], Peer], *command: str) -> AsyncIterator[Peer]:
    """A program for node in this folder, with the packages that it needs."""
    await asyncio.to_thread(install_node_packages)
    node = shutil.which("node")
    assert node is not None, "node is missing; `make test` as root installs it, or: apt-get install nodejs"
    async with _running(make, node, *command) as peer:
        yield peer


@asynccontextmanager
async def node_smsc(first_id: int = 1) -> AsyncIterator[PeerSmsc]:
    """The npm package `smpp` 0.5.1. Ids are upper-case hexadecimal from `first_id` on."""
    async with node_peer(PeerSmsc, "smsc_node.js", str(first_id)) as smsc:
        yield smsc


@asynccontextmanager
async def smpp34_smsc(first_id: int = 1) -> AsyncIterator[PeerSmsc]:
    """The PyPI package `smpp34`. Ids are lower-case hexadecimal from `first_id` on."""
    async with _running(PeerSmsc, sys.executable, "smsc_smpp34.py", str(first_id)) as smsc:
        yield smsc


@asynccontextmanager
async def _running(make: Callable[[asyncio.subprocess.Process], Peer], *command: str) -> AsyncIterator[Peer]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=FOLDER,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    peer = make(process)
    try:
        async with asyncio.timeout(30):
            await peer.started()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    try:
        yield peer
    finally:
        await peer.stop()
