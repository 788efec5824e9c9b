"""The child process: what happens when it answers, ends, hangs, talks nonsense, or cannot load the library.

The child here is a script of a few lines, except where the real one is run without the library.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from ulak.carriers.karrio.carrier import probe
from ulak.carriers.karrio.settings import parse_settings
from ulak.carriers.karrio.worker import CHILD, Lost, NotAsked, Worker
from ulak.core.errors import UlakError

SCRIPT = """
import json, os, sys, time
for line in sys.stdin:
    ask = json.loads(line)
    def say(**what):
        print(json.dumps({"id": ask["id"], **what}), flush=True)
    if ask["do"] == "open":
        with open(sys.argv[1], "a") as starts:
            print(os.getpid(), file=starts)
        print("opened with", ask["options"]["client_secret"], file=sys.stderr, flush=True)
        say(ok={"version": "7", "abilities": ["get_tracking"]})
        continue
    if ask["do"] == "here":
        say(ok={})
        continue
    what = ask["body"].get("what", "")
    if what == "end":
        sys.exit(3)
    elif what == "hang":
        open(sys.argv[1] + ".hangs", "w").close()
        time.sleep(600)
    elif what == "garbage":
        print("Traceback (most recent call last):", flush=True)
    elif what == "another":
        print(json.dumps({"id": 99, "ok": {}}), flush=True)
    elif what == "shape":
        say(ok={"exchanges": 5})
    elif what == "refuse":
        say(error="no such thing")
    elif what == "environment":
        say(ok={"result": sorted(os.environ)})
    else:
        say(ok={"result": ask["body"], "messages": [], "labels": [], "exchanges": []})
"""

Make = Callable[..., Worker]


class Rig:
    """Workers over the script, and what is known of the processes they started."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "child.py"
        self.script.write_text(SCRIPT)
        self.starts = folder / "starts"
        self.asked = folder / "starts.hangs"
        self.workers: list[Worker] = []

    def worker(self, limit: float = 30) -> Worker:
        """A worker, closed when the test is over."""
        settings = parse_settings({"carrier": "ups", "client_id": "i", "client_secret": "s3cr3t-words"})
        command = (sys.executable, str(self.script), str(self.starts))
        self.workers.append(Worker(settings, command=command, limit=limit))
        return self.workers[-1]

    @property
    def pids(self) -> list[int]:
        """The process of each start so far."""
        return [int(line) for line in self.starts.read_text().split()] if self.starts.exists() else []


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    for worker in rig.workers:
        await worker.close()
    assert not any(alive(pid) for pid in rig.pids)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_one_process_answers_many_questions(rig: Rig) -> None:
    worker = rig.worker()
    assert not rig.starts.exists(), "it is started when it is first asked"
    answers = await asyncio.gather(*(worker.ask("track", {"n": number}) for number in range(5)))
    assert [answer.result for answer in answers] == [{"n": number} for number in range(5)]
    assert len(rig.pids) == 1


@pytest.mark.parametrize("what", ["end", "garbage", "another"])
async def test_it_is_started_again_when_it_is_of_no_use(rig: Rig, what: str) -> None:
    worker = rig.worker()
    with pytest.raises(Lost):
        await worker.ask("ship", {"what": what})
    assert not alive(rig.pids[0])
    assert (await worker.ask("ship", {"n": 1})).result == {"n": 1}
    assert len(rig.pids) == 2


async def test_one_that_hangs_is_killed(rig: Rig) -> None:
    worker = rig.worker(limit=0.5)
    with pytest.raises(Lost, match=r"no answer within 0\.5 s"):
        await worker.ask("ship", {"what": "hang"})
    assert not alive(rig.pids[0])
    worker = rig.worker()
    assert (await worker.ask("ship", {"n": 1})).result == {"n": 1}


async def test_whoever_waits_too_long_for_its_turn_was_not_asked(rig: Rig) -> None:
    worker = rig.worker(limit=1.0)
    first = asyncio.create_task(worker.ask("ship", {"what": "hang"}))
    await asyncio.sleep(0)
    with pytest.raises(NotAsked, match="other questions"):
        await worker.ask("ship", {"n": 2})
    with pytest.raises(Lost):
        await first


async def test_a_question_that_is_given_up_does_not_confuse_the_next(rig: Rig) -> None:
    worker = rig.worker()
    await worker.ask("track", {"n": 1})
    asked = asyncio.create_task(worker.ask("track", {"what": "hang"}))
    while not rig.asked.exists():
        await asyncio.sleep(0.01)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert (await worker.ask("track", {"n": 3})).result == {"n": 3}
    assert len(rig.pids) == 2


async def test_one_that_was_killed_by_somebody_is_started_again(rig: Rig) -> None:
    worker = rig.worker()
    await worker.ask("track", {"n": 1})
    os.kill(rig.pids[0], 9)
    while alive(rig.pids[0]):
        await asyncio.sleep(0.01)
    assert (await worker.ask("track", {"n": 2})).result == {"n": 2}


async def test_a_refusal_asks_nobody(rig: Rig) -> None:
    worker = rig.worker()
    with pytest.raises(NotAsked, match="no such thing"):
        await worker.ask("ship", {"what": "refuse"})
    with pytest.raises(Lost, match="makes no sense"):
        await worker.ask("ship", {"what": "shape"})
    assert len(rig.pids) == 1


async def test_the_child_gets_nothing_of_the_server_s_own(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULAK_KEY", "0" * 64)
    names = (await rig.worker().ask("track", {"what": "environment"})).result
    assert "PATH" in names
    assert not [name for name in names if name.startswith("ULAK_")]


async def test_secrets_are_not_logged(rig: Rig) -> None:
    with structlog.testing.capture_logs() as logs:
        worker = rig.worker()
        await worker.ask("track", {"n": 1})
        while not logs:
            await asyncio.sleep(0.01)
    assert logs == [
        {"event": "karrio says", "carrier": "ups", "text": "opened with ***", "log_level": "debug"}
    ]


async def test_closing_ends_it(rig: Rig) -> None:
    worker = rig.worker()
    await worker.ask("track", {"n": 1})
    await worker.close()
    assert not alive(rig.pids[0])
    await worker.close()


async def test_an_interpreter_that_is_gone(rig: Rig) -> None:
    worker = Worker(parse_settings({"carrier": "ups"}), command=(str(rig.script / "nothing"),))
    with pytest.raises(NotAsked, match="did not start"):
        await worker.ask("track", {})


async def test_without_the_library_there_is_one_sentence(tmp_path: Path) -> None:
    """The real child, with an interpreter that finds no packages."""
    settings = parse_settings({"carrier": "ups"})
    worker = Worker(settings, command=(sys.executable, "-I", "-S", str(CHILD)))
    with pytest.raises(NotAsked) as caught:
        await worker.ask("track", {"tracking_numbers": ["1Z"]})
    await worker.close()
    assert str(caught.value) == (
        f"Karrio is not installed for {sys.executable}:"
        " pip install '.[karrio]' karrio-<carrier> in the source of Ulak"
    )
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o700)
    with pytest.raises(UlakError, match="is not installed"):
        await probe(parse_settings({"carrier": "ups", "python": str(bare)}))
