"""Looks after the child process in which Karrio runs: one for each carrier, one question at a time.

It is started when it is first asked, started again when it has ended, and killed by its process id when an
answer takes too long: the library waits in a blocking call and cannot be told to stop. Secrets go to it over
its standard input only, and it gets none of the server's own environment (`ULAK_…`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from ulak.carriers.karrio.settings import KarrioSettings

CHILD = Path(__file__).with_name("child.py")

OPENING = 30.0
"""Seconds that the library may take to load."""

LINE_MAX = 96 * 1024 * 1024
"""Bytes of an answer of the child's."""

_LAST = 2.0  # seconds for a child to end, and to say that it is there
_SECRET_MIN = 4  # shorter ones are in every other word
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

log = structlog.get_logger("ulak.karrio")
_encoder = msgspec.json.Encoder(decimal_format="number")


class NotAsked(Exception):
    """The carrier was not asked; the text says why."""


class Lost(Exception):
    """The carrier may have been asked, and its answer did not come; the text says why."""


class Exchange(msgspec.Struct, frozen=True):
    """A request to the carrier: the status and body of its answer, or the error if none came."""

    method: str = ""
    url: str = ""
    status: int | None = None
    error: str | None = None
    body: str = ""


class Message(msgspec.Struct, frozen=True):
    """What the carrier, or Karrio, says is wrong."""

    code: str = ""
    message: str = ""
    level: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What came of a question: Karrio's result and messages, label files (base64), and what went over the
    wire."""

    result: Any = None
    messages: list[Message] = []
    labels: list[str] = []
    exchanges: list[Exchange] = []


class About(msgspec.Struct, frozen=True):
    """The version of Karrio, and what it can do with this carrier, in Karrio's words."""

    version: str
    abilities: list[str]


class _Reply(msgspec.Struct, frozen=True):
    id: int
    ok: msgspec.Raw = msgspec.Raw()
    error: str | None = None


class Worker:
    """The child process of one carrier."""

    def __init__(
        self, settings: KarrioSettings, *, command: Sequence[str] = (), limit: float | None = None
    ) -> None:
        """`command` is run instead of the child; `limit` are the seconds for one answer."""
        # -P: the child's own folder must not be searched for modules, it has the library's name.
        self._command = tuple(command) or (settings.python, "-P", str(CHILD))
        self._limit = limit if limit is not None else 3.0 * settings.timeout
        self._settings = settings
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._count = 0

    async def about(self) -> About:
        """What can be done. Raises NotAsked."""
        async with self._next_turn():
            await self._end()
            return await self._open()

    async def ask(self, verb: str, body: object, pieces: int = 1) -> Answer:
        """Let the carrier be asked. Raises NotAsked and Lost."""
        async with self._next_turn():
            if not await self._is_there():
                await self._open()
            ok = await self._answer({"do": verb, "body": body, "pieces": pieces}, self._limit)
            try:
                return msgspec.json.decode(ok, type=Answer)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise Lost(f"what Karrio said makes no sense: {error}") from None

    async def close(self) -> None:
        """End the child, kindly at first."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST):
                await process.wait()
        await self._end()

    @contextlib.asynccontextmanager
    async def _next_turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limit):
                await self._turn.acquire()
        except TimeoutError:
            raise NotAsked(f"other questions to the carrier took more than {self._limit:g} s") from None
        try:
            yield
        finally:
            self._turn.release()

    async def _is_there(self) -> bool:
        """Whether the child is able to answer. It is asked, so that a question is lost with a child that has
        just ended only if it ends in that very moment."""
        if self._process is None:
            return False
        if self._process.returncode is None:
            with contextlib.suppress(Lost):
                await self._answer({"do": "here"}, _LAST)
                return True
        await self._end()
        return False

    async def _open(self) -> About:
        """A new child that has opened the account. Raises NotAsked."""
        try:
            await self._start()
            settings = self._settings
            opening = {
                "do": "open",
                "carrier": settings.carrier,
                "options": settings.options,
                "timeout": settings.timeout,
                "url": settings.url,
            }
            ok = await self._answer(opening, OPENING)
            return msgspec.json.decode(ok, type=About)
        except (Lost, OSError, msgspec.MsgspecError) as error:
            await self._end()
            raise NotAsked(f"Karrio did not start: {error}") from None
        except NotAsked:
            await self._end()
            raise

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={key: value for key, value in os.environ.items() if not key.startswith("ULAK_")},
            limit=LINE_MAX,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._listening = asyncio.create_task(self._listen(self._process.stderr))

    async def _answer(self, ask: dict[str, object], limit: float) -> msgspec.Raw:
        """Write a line, read a line. Raises NotAsked for a question that was refused, and Lost."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        self._count += 1
        try:
            async with asyncio.timeout(limit):
                process.stdin.write(_encoder.encode({"id": self._count, **ask}) + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
            if not line:
                raise Lost("the process in which Karrio runs has ended")
            reply = msgspec.json.decode(line, type=_Reply)
            if reply.id != self._count:
                raise Lost("the process in which Karrio runs answered something else")
        except TimeoutError:
            await self._end()
            raise Lost(f"no answer within {limit:g} s") from None
        except (OSError, ValueError, RecursionError) as error:
            await self._end()
            raise Lost(f"the process in which Karrio runs is out of step: {error}") from None
        except BaseException:
            # Its answer would be taken for that of the next question.
            await self._end()
            raise
        if not bytes(reply.ok):
            raise NotAsked(reply.error or "Karrio refused without a reason")
        return reply.ok

    async def _end(self) -> None:
        """Kill the child, if there is one, and wait until it is gone."""
        process, self._process = self._process, None
        listening, self._listening = self._listening, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        if listening is not None:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _listen(self, lines: asyncio.StreamReader) -> None:
        """What the library prints, in our log, without the account's secrets."""
        with contextlib.suppress(ValueError, OSError):
            async for line in lines:
                text = _COLOURS.sub("", line.decode("utf-8", "replace")).strip()
                for secret in self._settings.secrets:
                    if len(secret) >= _SECRET_MIN:
                        text = text.replace(secret, "***")
                if text:
                    log.debug("karrio says", carrier=self._settings.carrier, text=text[:300])
