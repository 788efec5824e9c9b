"""Whatever comes over a connection, the answer is in the envelope of who owns the path, and never our fault.

A sandbox in a process of its own is sent one bad request after another, each on a connection of its own;
an honest customer stays on another all the while, and is answered after each of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.dialects.iletimerkezi.fuzz import fault
from tests.faults.bad_requests import (
    PATHS,
    REFUSED,
    Case,
    allowed,
    bodies,
    conversations,
    framing,
    head,
    last,
)

from ulak.dialects.door import Call, Reply
from ulak.service import audit
from ulak.store.engine import Database
from ulak.store.writer import sync_read
from ulak.web import BODY_MAX
from ulak.wiring.clock import now_ms
from ulak.wiring.http import PIPELINE_MAX

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds in which everything has to come."""


class Sandbox(NamedTuple):
    """The process, and the credentials of its customer."""

    port: int
    pid: int
    key: str
    hash: str
    apikey: str
    api_key: str

    @property
    def resident(self) -> int:
        """Bytes of memory that it has."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "ulak", "sandbox", "--data", str(folder), "--port", "0", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    environment |= {"ULAK_NUMBER_RATE": "1000000", "ULAK_PARCEL_RATE": "1000000"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=environment)
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            yield Sandbox(told["port"], process.pid, *(told[name] for name in Sandbox._fields[2:]))
        finally:
            process.terminate()
            assert process.wait(30) == 0
            process.stdout.close()
    assert b"crashed" not in (folder / "log").read_bytes()
    assert sync_read(Database(folder, None, now_ms), audit.check) == []


class Answer(NamedTuple):
    """One answer as it came. Names of headers are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection to the sandbox."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def opened(cls, port: int) -> Connection:
        """A new one."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def say(self, data: bytes, *, then: bool = False) -> None:
        """Send it all, whatever comes back meanwhile."""
        self._writer.write(data)
        if then:
            self._writer.write_eof()

    async def hear(self, *, to_head: bool = False) -> Answer | None:
        """The next answer; None at the end."""
        try:
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        status = int(lines[0].split(" ")[1])
        size = 0 if to_head or status in (100, 204) else int(headers["content-length"])
        return Answer(status, headers, await self._reader.readexactly(size))

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()


async def answers(port: int, case: Case) -> list[Answer]:
    """Everything that comes back for a case, until the other side closes or as many came as were expected."""
    connection = await Connection.opened(port)
    try:
        async with asyncio.timeout(PATIENCE):
            await connection.say(case.sent, then=case.then)
            found: list[Answer] = []
            to_head = case.sent.startswith(b"HEAD ")
            while len(found) < case.answers and (answer := await connection.hear(to_head=to_head)):
                found.append(answer)
            return found
    finally:
        connection.close()


def in_envelope(owner: str, answer: Answer) -> None:
    """The answer is in the words of who owns the path."""
    if answer.status in (100, 204) or not answer.body:
        return
    reply = Reply(answer.status, answer.body, answer.headers["content-type"].encode())
    if owner.startswith("iletimerkezi"):
        path = PATHS[owner].decode()
        wrong = fault(Call("POST", path, b"", (), b"", ""), reply)
        other = fault(
            Call("POST", "/v1/x" if path.endswith("/json") else "/v1/x/json", b"", (), b"", ""), reply
        )
        # A path that is not quite that of the operation is one of the other form.
        assert not wrong or not other, (wrong, other)
        return
    told = json.loads(answer.body)
    match owner:
        case "comtohome":
            assert isinstance(told["status"], bool)
            assert told["status"] or all(list(each) == ["message"] for each in told["errors"])
            assert "x-ratelimit-limit" in answer.headers
        case "sms4sats":
            assert told["status"] == ("OK" if answer.status == 200 else "error")
            assert answer.headers["access-control-allow-origin"] == "*"
        case "own":
            # A path that is not quite that is nobody's: it is answered by the dialect at the root.
            assert answer.status == 200 or list(told) in (["error"], ["status", "reason"])
        case _:
            assert answer.status == 200 or list(told) == ["error"]


class Honest:
    """A customer who asks for the balance on one connection, whatever others do."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._connection: Connection | None = None

    async def ask(self) -> None:
        """Be answered. The connection may have been idle for too long; then it is another."""
        who = {"key": self._sandbox.key, "hash": self._sandbox.hash}
        body = json.dumps({"request": {"authentication": who}}).encode()
        request = head(b"/v1/get-balance/json", b"content-length: %d" % len(body), method=b"POST") + body
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):
                if self._connection is None:
                    self._connection = await Connection.opened(self._sandbox.port)
                await self._connection.say(request)
                answer = await self._connection.hear()
                if answer is not None:
                    break
                self.close()
        assert answer is not None
        assert answer.status == 200, answer
        assert json.loads(answer.body)["response"]["balance"]

    def close(self) -> None:
        """Go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def tried(sandbox: Sandbox, cases: list[Case]) -> list[str]:
    """What went wrong with these."""
    wrong: list[str] = []
    honest = Honest(sandbox)
    for place, case in enumerate(cases):
        found = await answers(sandbox.port, case)
        statuses = [answer.status for answer in found]
        if len(found) != case.answers or not set(statuses) <= case.statuses:
            wrong.append(f"{case.owner}, {case.name}: {len(found)} answers, {statuses[:5]}")
            continue
        for answer in found:
            try:
                in_envelope(case.owner, answer)
            except (AssertionError, KeyError, ValueError, TypeError) as error:
                wrong.append(f"{case.owner}, {case.name}: {answer}: {error!r}")
        if place % 5 == 0:
            await honest.ask()
    await honest.ask()
    honest.close()
    return wrong


@pytest.mark.fault("F14", "HTTP that is none: framing, verbs, heads, upgrades, pipelines; at every prefix")
@pytest.mark.parametrize("owner", PATHS)
async def test_requests_that_are_none(
    sandbox: Sandbox, owner: str, record_property: Callable[[str, object], None]
) -> None:
    path = PATHS[owner]
    cases = [*framing(owner, path), *allowed(owner, path), *conversations(owner, path)]
    wrong = await tried(sandbox, cases)
    assert not wrong, "\n".join(wrong)
    record_property("runs", len(cases))


def good_bodies(sandbox: Sandbox) -> dict[str, tuple[bytes, bytes, bytes]]:
    """By owner: a path, a header that lets in, and a body that is fine."""
    who = {"key": sandbox.key, "hash": sandbox.hash}
    order = {"id": "300000001", "page": 1, "text": "Şifre"}
    message = json.dumps({"request": {"authentication": who, "order": order}}, ensure_ascii=False).encode()
    element = f"<key>{sandbox.key}</key><hash>{sandbox.hash}</hash>"
    xml = f"<request><authentication>{element}</authentication><order><id>3</id></order></request>".encode()
    draft = json.dumps({"reference_no": "Ç-1", "packages": [], "preference": 1}).encode()
    order_of_number = json.dumps({"country": "22", "service": "tg", "message": "Ş"}).encode()
    return {
        "iletimerkezi": (b"/v1/get-report/json", b"x-a: b", message),
        "iletimerkezi xml": (b"/v1/get-report", b"x-a: b", xml),
        "comtohome": (b"/api/v1/consignments/draft", b"apikey: " + sandbox.apikey.encode(), draft),
        "sms4sats": (b"/createorder", b"x-api-key: " + sandbox.api_key.encode(), order_of_number),
        "sandbox": (b"/ulak/v1/lightning/pay", b"x-a: b", b'{"payreq":"lnbcrt1"}'),
    }


@pytest.mark.fault("F14", "bodies that are none: shape, depth, size, encodings, cut at every byte")
@pytest.mark.parametrize("owner", ["iletimerkezi", "iletimerkezi xml", "comtohome", "sms4sats", "sandbox"])
async def test_bodies_that_are_none(
    sandbox: Sandbox, owner: str, record_property: Callable[[str, object], None]
) -> None:
    path, header, good = good_bodies(sandbox)[owner]

    def posted(name: str, body: bytes) -> Case:
        sent = last(path, header, b"content-type: application/json", method=b"POST", body=body)
        return Case(name, owner, sent, REFUSED | {200, 422, 452, 455})

    cases = [posted(name, body) for name, body in bodies(good).items()]
    cases += [posted(f"cut at {at}", good[:at]) for at in range(0, len(good), 2)]
    wrong = await tried(sandbox, cases)
    assert not wrong, "\n".join(wrong)
    record_property("runs", len(cases))


@pytest.mark.fault("F14", "bodies that never end, or are larger than 16 MiB: answered while they still come")
async def test_bodies_that_are_too_large(
    sandbox: Sandbox, record_property: Callable[[str, object], None]
) -> None:
    honest = Honest(sandbox)
    await honest.ask()
    before = sandbox.resident
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    chunks = chunk * (2 + BODY_MAX // 65_536)
    for owner, path in PATHS.items():
        if owner == "own":
            continue
        announced = head(path, b"content-length: %d" % (BODY_MAX + 1), method=b"POST") + b"a" * 200_000
        endless = head(path, b"transfer-encoding: chunked", method=b"POST") + chunks
        cut = head(path, b"content-length: 1000", method=b"POST") + b"a" * 10
        for case in (
            Case("announced", owner, announced, frozenset((400, 413))),
            Case("endless", owner, endless, frozenset((400, 413))),
        ):
            (answer,) = await answers(sandbox.port, case)
            assert answer.status in case.statuses, (case.owner, case.name, answer)
            in_envelope(owner, answer)
        # Who hangs up in the middle hears nothing, and nothing is done.
        found = await answers(sandbox.port, Case("cut", owner, cut, NOTHING, answers=1, then=True))
        assert all(answer.status == 400 for answer in found)
        await honest.ask()
    honest.close()
    assert sandbox.resident - before <= 2 * BODY_MAX
    record_property("runs", 3 * (len(PATHS) - 1))


NOTHING: frozenset[int] = frozenset()


async def test_a_pipeline_has_an_end(sandbox: Sandbox) -> None:
    """Requests beyond the limit are not kept: those before are answered, and then the connection ends."""
    connection = await Connection.opened(sandbox.port)
    await connection.say(head(b"/healthz") * (PIPELINE_MAX * 3))
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE):
        while (answer := await connection.hear()) is not None:
            found.append(answer.status)
    assert found[-1] == 400
    assert set(found[:-1]) == {200}
    assert PIPELINE_MAX <= len(found) <= PIPELINE_MAX + 3
    connection.close()
