"""A database that is away: nobody waits for it in vain, and it is found again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from ulak.core.errors import StoreUnavailable
from ulak.store import absence, settings, writer
from ulak.store.absence import Absence
from ulak.store.books import Books
from ulak.store.engine import Database, Tx
from ulak.store.ids import Ids
from ulak.store.writer import GroupKind


class Server:
    """A server that may be away. Each probe waits until it is let through."""

    def __init__(self) -> None:
        self.is_away = True
        self.probes = 0
        self.probed = threading.Semaphore(0)

    def probe(self) -> None:
        self.probed.acquire()
        self.probes += 1
        if self.is_away:
            raise StoreUnavailable("still away")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "PROBE", 0.001)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.probed.release(1000)


def test_who_serves_remembers_it_and_looks_until_it_is_back(server: Server) -> None:
    told: list[str] = []
    found = Absence(server.probe)
    with found.remembered(lambda error: told.append(str(error))):
        found.check()
        found.noticed("gone")
        found.noticed("gone again")
        with pytest.raises(StoreUnavailable, match="gone"):
            found.check()
        assert told == ["gone"]
        server.probed.release()
        _until(lambda: "still away" in _said(found))
        server.is_away = False
        server.probed.release()
        _until(lambda: not _said(found))
        assert server.probes == 2
        found.noticed("gone once more")
        assert told == ["gone", "gone once more"]
        server.probed.release()


def test_who_only_asks_once_remembers_nothing(server: Server) -> None:
    found = Absence(server.probe)
    found.noticed("gone")
    found.check()
    assert server.probes == 0


def test_nobody_looks_for_it_any_more_when_nobody_serves(server: Server) -> None:
    found = Absence(server.probe)
    server.probed.release(1000)
    with found.remembered(lambda _error: None):
        found.noticed("gone")
    found.check()
    assert not [thread for thread in threading.enumerate() if thread.name == "ulak-prober"]


def _said(found: Absence) -> str:
    try:
        found.check()
    except StoreUnavailable as error:
        return str(error)
    return ""


def _until(done: object) -> None:
    pause = threading.Event()
    for _ in range(5_000):
        if done():  # type: ignore[operator]
            return
        pause.wait(0.002)
    raise AssertionError("it never came to that")


# What waits in the books.


def _note(tx: Tx, items: object, _ids: Ids) -> list[str]:
    settings.put(tx, "a", "noted")
    return ["noted"] * len(items)  # type: ignore[arg-type]


async def test_what_waits_is_refused_at_once_and_so_is_what_comes(
    sqlite_database: Database, server: Server
) -> None:
    """The writer itself may be kept by a server that does not answer."""
    sqlite_database.absence = Absence(server.probe)
    books = Books(sqlite_database, {"note": GroupKind(_note)})
    held, release = threading.Event(), threading.Event()

    def hold(_tx: Tx) -> str:
        held.set()
        release.wait(30)
        return "done"

    holding = asyncio.create_task(books.write(hold))
    await asyncio.to_thread(held.wait, 30)
    waiting = [books.gather("note", "x"), asyncio.create_task(books.write(settings.clock_offset))]
    await asyncio.sleep(0)
    sqlite_database.absence.noticed("gone")
    assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [
        StoreUnavailable
    ] * 2
    for wish in (books.read(settings.clock_offset), books.write(settings.clock_offset)):
        with pytest.raises(StoreUnavailable, match="gone"):
            await wish
    with pytest.raises(StoreUnavailable, match="gone"):
        books.gather("note", "x")
    server.is_away = False
    server.probed.release()
    while _said(sqlite_database.absence):
        await asyncio.sleep(0.002)
    release.set()
    assert await holding == "done"
    assert await books.gather("note", "x") == "noted"
    await books.close()


async def test_large_orders_that_wait_are_bounded_by_their_messages(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PENDING_IDS_MAX", 1_000)
    kinds = {"large": GroupKind(_note, lambda item: int(str(item))), "small": GroupKind(_note)}
    books = Books(sqlite_database, kinds)
    held, release = threading.Event(), threading.Event()

    def hold(_tx: Tx) -> None:
        held.set()
        release.wait(30)

    holding = asyncio.create_task(books.write(hold))
    await asyncio.to_thread(held.wait, 30)
    waiting = [books.gather("large", 600), books.gather("large", 600)]
    with pytest.raises(StoreUnavailable, match="too much"):
        books.gather("large", 1)
    waiting.append(books.gather("small", 0))
    release.set()
    assert await asyncio.gather(*waiting) == ["noted"] * 3
    assert await books.gather("large", 600) == "noted"
    await holding
    await books.close()
