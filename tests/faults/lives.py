"""A server with many lives: each ends at a place in the code that a test has chosen.

What its customers know is remembered by whoever tests; here is only that the process really came to the
place, died there as by `kill -9`, and left data in which everything that must be true is true.
"""

from __future__ import annotations

import ast
import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests import launch
from tests.chain.number_rig import NumberServer
from tests.chain.rig import sessions, until

from ulak.service import audit
from ulak.store.engine import Database
from ulak.store.writer import sync_read
from ulak.wiring import GROUP_KINDS, now_ms

SOURCE = Path(__file__).parents[2] / "src" / "ulak"

DIES = 20.0
"""Seconds in which a process has to come to a point, on a machine however busy."""


def points() -> set[str]:
    """The names of all points in the source. Those of gathered changes are made of the name of their kind."""
    texts = (path.read_text() for path in SOURCE.rglob("*.py"))
    return {name for text in texts if "point(" in text for name in _points_in(ast.parse(text))}


def _points_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "point"):
            continue
        [name] = node.args
        if isinstance(name, ast.Constant):
            yield str(name.value)
        else:
            assert isinstance(name, ast.JoinedStr)
            _, rest = name.values
            assert isinstance(rest, ast.Constant)
            assert isinstance(rest.value, str)
            yield from (kind + rest.value for kind in GROUP_KINDS)


class Mortal(NumberServer):
    """A server that dies where it is told to, with a clock that tests move. `deaths` counts."""

    def __init__(self, database: Database, **options: str) -> None:
        super().__init__(database, **options)
        self.sandbox()
        self.deaths = 0
        self._said = 0

    def spawn(self, command: str = "serve") -> None:
        log = self.database.directory / "serve.log"
        self._said = log.stat().st_size if log.exists() else 0
        super().spawn(command)

    async def life(self, *acts: str) -> None:
        """Begin one that does these things where it comes to their points; wait until it answers, or died."""
        self.armed = ",".join(acts)
        self.spawn()
        self.armed = ""
        await until(self._answers_or_dead, DIES, "it answers")

    async def _answers_or_dead(self) -> bool:
        return self.dead or await self._alive()

    def asked_to_stop(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    @property
    def dead(self) -> bool:
        """Whether the process has ended by itself."""
        return self._process is None or self._process.poll() is not None

    async def living(self) -> AsyncIterator[None]:
        """Again and again, a little later each time, until it is dead."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + DIES
        while not self.dead:
            assert loop.time() < patience, "it does not die"
            yield
            await asyncio.sleep(0.03)

    def said(self, point: str, what: str = "kill") -> bool:
        """Whether this life came to a point and did there what it was to do."""
        log = self.database.directory / "serve.log"
        with open(log, "rb") as file:
            file.seek(self._said)
            return f"point {point}: {what}\n".encode() in file.read()

    async def dies(self, point: str) -> None:
        """It dies at this point; what it leaves is in order."""
        process = self._process
        assert process is not None
        await until(lambda: self.dead, DIES, f"it dies at {point}")
        self._process = None
        assert process.poll() == -signal.SIGKILL, (process.poll(), self.log()[-2000:])
        assert self.said(point), f"it was killed elsewhere than at {point}"
        self.deaths += 1
        self.in_order()

    def in_order(self) -> None:
        """Look at what a dead process left; on SQLite at a copy, so that the next one recovers the file."""
        with tempfile.TemporaryDirectory(dir=self.database.directory) as folder:
            findings = sync_read(self._left(Path(folder)), audit.check)
        assert not findings, "\n".join(findings)

    def _left(self, folder: Path) -> Database:
        here = self.database
        if here.url is None:
            for file in here.directory.glob(here.path.name + "*"):
                shutil.copy(file, folder)
            return Database(folder, None, now_ms)
        while sessions(here.url):  # What was being committed may still become true.
            time.sleep(0.005)
        return here

    async def command(self, *words: str, point: str = "") -> int:
        """Run a command that is to die at a point, or not; its exit code."""
        environment = {name: text for name, text in os.environ.items() if not name.startswith("ULAK_")}
        environment["ULAK_TEST_POINT"] = f"{point}=kill" if point else ""
        with tempfile.TemporaryFile() as out:
            words = (*words, *self._place())
            code = await launch.start(words, environment, out.fileno(), out.fileno()).ended()
            out.seek(0)
            said = out.read().decode()
        if point:
            assert code == -signal.SIGKILL, (code, said)
            assert f"point {point}: kill\n" in said
            self.deaths += 1
        return code
