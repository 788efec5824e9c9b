"""The SMPP listener under floods: `ulak smsc` in a process of its own, attacked beside an honest session.

After every attack the honest session's messages are taken and reported, and the process has not grown.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults.smpp_attacks import ATTACKS, Attacker, Heard, attackers
from tests.peers.desk import RecordingDesk, outgoing, until
from tests.peers.links import linked, simulated

from ulak.core.ports import Accepted
from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.listen import BINDS_MAX

ROOT = Path(__file__).parents[2]
GROWS_MAX = 16 * 1024 * 1024
"""Bytes by which the process may grow, over all attacks."""


@dataclass
class Smsc:
    """The process, and what it had when it had served somebody."""

    port: int
    pid: int
    memory: int = 0

    @property
    def resident(self) -> int:
        """Bytes of memory that it has."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")


@pytest.fixture(scope="module")
def smsc() -> Iterator[Smsc]:
    command = [sys.executable, "-m", "ulak", "smsc", "--port", "0", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            yield Smsc(port, process.pid)
        finally:
            process.terminate()
            assert process.wait(20) == 0


async def honest(port: int, first: int, count: int = 30) -> None:
    """Somebody who means it: binds, and every message is taken and reported."""
    async with linked(port, system_id="honest", window=10) as (link, desk):
        link.submit(outgoing(*range(first, first + count)))
        await until(lambda: len(desk.reported) >= count, "the honest messages are reported", 30.0)
        assert len(desk.accepted) == count


@pytest.mark.fault("F21", "16 attacks on the SMPP listener: floods, lies about lengths, garbage")
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack(smsc: Smsc, name: str, record_property: Callable[[str, object], None]) -> None:
    if not smsc.memory:
        await honest(smsc.port, 1, 3000)
        smsc.memory = smsc.resident
    async with linked(smsc.port, system_id="beside", window=10) as (link, desk):
        link.submit(outgoing(*range(10)))
        tried = await ATTACKS[name](smsc.port)
        link.submit(outgoing(*range(10, 30)))
        await until(lambda: len(desk.reported) >= 30, "who was there before is served", 30.0)
        assert [up for up, _ in desk.states] == [True]
    await honest(smsc.port, 1000)
    assert smsc.resident - smsc.memory <= GROWS_MAX, name
    record_property("runs", tried)


async def test_guesses_at_a_password_end_with_the_connection() -> None:
    async with simulated(password="right") as simulator, attackers(simulator.port) as (one,):
        for _ in range(BINDS_MAX):
            answer = await one.bind("ulak")
            assert answer == Heard(codes.BIND_TRANSMITTER | codes.RESPONSE, codes.ESME_RINVPASWD, 1)
        assert await one.hear() is None


async def test_a_full_simulator_says_so_and_goes_on() -> None:
    """Receipts that a session is behind with are bounded by turning its messages away, not by forgetting."""
    deaf = RecordingDesk(store=None)
    async with simulated(delay=0.0, keep=5) as simulator, linked(simulator.port, deaf) as (link, _):
        async with attackers(simulator.port) as (one,):
            await one.bind("ulak")
            statuses = await _submitted(one, 2000)
            assert statuses.count(codes.ESME_RMSGQFUL) > 100
            taken = statuses.count(0)
        assert taken < 2000
        deaf.store = True
        for stored in deaf.pending:
            stored(True)
        await until(lambda: len(deaf.reported) == taken, "nothing that was taken is forgotten")
        link.submit(outgoing(1))
        await until(lambda: isinstance(deaf.outcome.get(1), Accepted), "and there is room again")


async def _submitted(one: Attacker, count: int) -> list[int]:
    statuses = []
    body = b"\0\5\0ACME\0\1\1905321234567\0\0\0\0\0\0\1\0\0\0\5hello"
    for sequence in range(2, count + 2):
        one.say(wire.frame(codes.SUBMIT_SM, 0, sequence, body))
        answer = await one.hear()
        assert answer is not None
        statuses.append(answer.status)
        if sequence % 100 == 0:
            await asyncio.sleep(0.002)
    return statuses
