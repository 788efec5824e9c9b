"""An SMSC of others (npm `smpp`) whose subscribers write to us, started for the length of a `with`.

async with texting_smsc() as smsc:
    … a link to 127.0.0.1, smsc.port …
    assert await smsc.write("Bank", 905301234561, "code 1234") == [0]
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from tests.peers.smsc import FOLDER, install_node_packages


class TextingSmsc:
    """A running SMSC. It waits for somebody to bind, and then sends one part after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.port = 0
        self.bound: list[str] = []
        self._process = process
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[list[int]]] = {}

    async def started(self) -> None:
        """Wait for its port."""
        while not self.port:
            assert await self._read_line(), "the SMSC did not start"
        self._reading = asyncio.create_task(self._read())

    async def write(
        self, source: str, destination: int, text: str, *, form: str = "udh", size: int = 60
    ) -> list[int]:
        """Somebody writes; the status that each part was answered with."""
        wish = {"id": next(self._ids), "source": source, "destination": str(destination), "text": text}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish | {"form": form, "size": size}).encode() + b"\n")
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting[wish["id"]] = answer  # type: ignore[index]
        return await asyncio.wait_for(answer, 20)

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
        elif "bound" in told:
            self.bound.append(told["bound"])
        else:
            self._waiting.pop(told["id"]).set_result(told["statuses"])
        return True


@asynccontextmanager
async def texting_smsc() -> AsyncIterator[TextingSmsc]:
    """The npm package `smpp` 0.5.1."""
    await asyncio.to_thread(install_node_packages)
    node = shutil.which("node")
    assert node is not None, "node is missing; `make test` as root installs it, or: apt-get install nodejs"
    process = await asyncio.create_subprocess_exec(
        node, "texting_node.js", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=FOLDER
    )
    smsc = TextingSmsc(process)
    try:
        async with asyncio.timeout(30):
            await smsc.started()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    try:
        yield smsc
    finally:
        await smsc.stop()
