"""An SMSC of others (npm `smpp`) whose subscribers write to us, started for the length of a `with`.

async with texting_smsc() as smsc:
    … a link to 127.0.0.1, smsc.port …
    assert await smsc.write("Bank", 905301234561, "code 1234") == [0]
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from tests.peers.smsc import PeerProcess, node_peer


class TextingSmsc(PeerProcess):
    """A running SMSC. It waits for somebody to bind, and then sends one part after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__(process)
        self.bound: list[str] = []
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[list[int]]] = {}

    async def write(
        self,
        source: str,
        destination: int | str,
        text: str,
        *,
        form: str = "udh",
        size: int = 60,
        tons: tuple[int, int] = (5, 1),
    ) -> list[int]:
        """Somebody writes; the status that each part was answered with.

        `tons` are the types of number of the source and the destination (SMPP 3.4 §5.2.5): from an
        alphanumeric sender to an international number, if nothing else is said.
        """
        number = next(self._ids)
        wish: dict[str, Any] = {"id": number, "source": source, "destination": str(destination), "text": text}
        wish |= {"form": form, "size": size, "tons": tons}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        return await asyncio.wait_for(answer, 20)

    def hear(self, told: dict[str, Any]) -> None:
        """Somebody bound, or the parts of a text were answered."""
        if "bound" in told:
            self.bound.append(told["bound"])
        else:
            self._waiting.pop(told["id"]).set_result(told["statuses"])


@asynccontextmanager
async def texting_smsc() -> AsyncIterator[TextingSmsc]:
    """The npm package `smpp` 0.5.1."""
    async with node_peer(TextingSmsc, "texting_node.js") as smsc:
        yield smsc
