"""Mutated requests against a server in this process: `python -m tests.dialects.iletimerkezi.fuzz SEED COUNT`.

Prints one JSON object: how often which code was answered, how many requests authenticated, what was answered
outside the envelope, what did not end, and how the memory of the process grew. It runs in a process of its
own so that nothing else is in those figures. `SEED PLACE --turn` makes one turn again.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.conftest import FakeClock
from tests.dialects.iletimerkezi.examples import (
    BRAND,
    CONTACTS,
    EVERYWHERE,
    FIELDS,
    FIRST,
    GROUPS,
    KNOWN,
    PLACED,
    WANTED,
    Turn,
)
from tests.dialects.iletimerkezi.mutations import call_of
from tests.dialects.iletimerkezi.office import Customer, Office

from ulak.core.errors import StoreUnavailable
from ulak.dialects.door import Call, Reply
from ulak.dialects.iletimerkezi.codes import TEXTS, Code
from ulak.dialects.iletimerkezi.serve import Doors
from ulak.service import blacklist, contacts
from ulak.store import schema
from ulak.store.books import Books
from ulak.store.engine import Database, SqliteConnection
from ulak.wiring import GROUP_KINDS

TOGETHER = 20
"""Requests that are under way at a time."""

DEADLINE = 30.0
"""Seconds after which an answer is not awaited any more."""

NOT_LET_IN = {400, 401, 404, 503}
"""Codes that are answered before anybody is let in."""

FULL = {
    "legacy_login": "on",
    "iys_brand": BRAND,
    "iys_subscription": "on",
    "test_number": "5301234567",
    "contacts": "on",
    "inbox": "on",
}

ACCOUNTS: list[tuple[int, dict[str, str]]] = [
    (10**12, FULL),
    (0, FULL | {"iys_subscription": "off"}),
    (10**12, FULL | {"iys_brand": "", "strict_iys": "on", "strict_schedule": "off"}),
    (10**12, {"report_order_id": "int"}),
]
"""Credit and settings of each account. The first has no fault."""

_LINE = re.compile(r" *</?[A-Za-z0-9_.-]+>(?:[^<>\n]*</[A-Za-z0-9_.-]+>)?")


class Unsynced(Database):
    """Whether a disk keeps its word is tested elsewhere, and what SQLite keeps in memory is a setting of it.

    Each connection's cache of pages fills with the database, up to 16 MB; a small one is full at once.
    """

    def connect(self) -> SqliteConnection:
        connection = SqliteConnection(self.path, self.clock)
        connection._db.execute("PRAGMA synchronous = OFF")
        connection._db.execute("PRAGMA cache_size = -1000")
        return connection


class ClosedBooks:
    """A store that cannot answer."""

    async def _closed(self, *_given: Any, **_named: Any) -> Any:
        raise StoreUnavailable("closed")

    read = write = gather = _closed


async def callers(office: Office) -> list[tuple[Customer, ...]]:
    """The accounts in their log-ins, each with orders and blocks; the first with all else there can be."""
    found: list[tuple[Customer, ...]] = []
    for place, (credit, settings) in enumerate(ACCOUNTS):
        name = f"account {place}"
        senders = ["ORNEKAS", "Örnek & A"]
        owner = await office.customer(name, credit=credit or PLACED, senders=senders, settings=settings)
        found.append((owner, await office.login(name, f"user {place}")))
        await _place(office, owner)
        await office.books.write(lambda tx, name=name: blacklist.block_all(tx, name, [int(f"90{KNOWN[0]}")]))
        await _fine(office, owner, "add-blacklist", blacklist={"number": KNOWN[1]})
    owner = found[0][0]
    await _list(office, owner, "account 0")
    for sender, text in ((f"90{KNOWN[2]}", "RET"), (f"90{KNOWN[3]}", "Merhaba <1> & 2"), ("BANKA", "Kod 1")):
        await office.texted(owner, sender, text)
    person = {"recipientType": "BIREYSEL", "type": "MESAJ", "status": "ONAY"}
    said = person | {"source": "HS_2015", "consentDate": "2015-05-01 00:00:00"}
    words = [said | {"recipient": number} for number in KNOWN[:10]]
    await _fine(office, owner, "consent/create", consent={"brandCode": BRAND, "list": words})
    return found


async def _place(office: Office, owner: Customer) -> None:
    for place in range(PLACED):
        message = {"text": f"Önce {place}", "receipents": {"number": ["5301234567"]}}
        order: dict[str, Any] = {"sender": "ORNEKAS", "iys": "0", "message": message}
        if place % 2:
            order["sendDateTime"] = "15/05/2027 09:30"
        answer = await _fine(office, owner, "send-sms", order=order)
        assert answer["order"]["id"] == str(FIRST + place)


async def _list(office: Office, owner: Customer, name: str) -> None:
    for field in range(FIELDS):
        await office.books.write(lambda tx, field=field: contacts.add_field(tx, name, f"Alan {field}"))
    for place in range(GROUPS):
        parent = "" if place < GROUPS // 2 else 1 + place - GROUPS // 2
        await _fine(office, owner, "add-group", group={"name": f"Grup {place}", "parent": parent})
    for place in range(CONTACTS):
        said = {"name": "Ali", "gsm": KNOWN[place % len(KNOWN)], "groups": {"id": [1 + place % (GROUPS - 2)]}}
        await _fine(office, owner, "add-contact", contact=said)


async def _fine(office: Office, owner: Customer, operation: str, **request: Any) -> Any:
    answer = await office.ask(owner, operation, **request)
    assert answer["status"]["code"] == 200, (operation, answer)
    return answer


def fault(call: Call, reply: Reply) -> str:
    """What is wrong with an answer, or ''."""
    try:
        if call.path.rstrip("/").endswith("/json"):
            code, message, others = _read_json(reply)
        else:
            code, message, others = _read_xml(reply)
    except (AssertionError, KeyError, TypeError, ValueError, ElementTree.ParseError) as error:
        return f"no envelope: {type(error).__name__} {error}"
    if code != reply.status or code not in set(Code) or code < 200:
        return f"code {code} with status {reply.status}"
    if message != TEXTS[Code(code)]:
        return f"text {message!r} of {code}"
    expected = {"errors"} if code == Code.BAD_VALUES else set()
    if code != Code.OK and others != expected:
        return f"{others} beside the status of {code}"
    if code >= 500 and (code != Code.UNAVAILABLE or not reply.headers):
        return f"code {code}"
    return ""


def _read_json(reply: Reply) -> tuple[int, str, set[str]]:
    assert reply.content_type == b"application/json"
    whole = json.loads(reply.body)
    assert list(whole) == ["response"]
    response = whole["response"]
    assert list(response["status"]) == ["code", "message"]
    assert type(response["status"]["code"]) is int
    errors = response.get("errors", {"": ""})
    assert errors, "no errors"
    assert all(type(text) is str for text in errors.values()), "an error that is no text"
    return response["status"]["code"], response["status"]["message"], set(response) - {"status"}


def _read_xml(reply: Reply) -> tuple[int, str, set[str]]:
    assert reply.content_type == b"text/xml; charset=utf-8"
    declaration, *lines = reply.body.decode().removesuffix("\n").split("\n")
    assert declaration == '<?xml version="1.0" encoding="UTF-8"?>'
    assert all(map(_LINE.fullmatch, lines)), "a line that is not one element"
    root = ElementTree.fromstring(reply.body)
    assert root.tag == "response"
    status, *others = root
    assert [status.tag, *(each.tag for each in status)] == ["status", "code", "message"]
    return int(status[0].text or ""), status[1].text or "", {each.tag for each in others}


class Run:
    """The turns of one seed."""

    def __init__(
        self, seed: int, office: Office, clock: FakeClock, accounts: list[tuple[Customer, ...]]
    ) -> None:
        self.codes: Counter[int] = Counter()
        self.of: dict[str, Counter[int]] = {operation: Counter() for operation in WANTED}
        self.faults: list[str] = []
        self._seed, self._office, self._clock, self._accounts = seed, office, clock, accounts
        self._closed = Doors(ClosedBooks())
        self._begun = clock.now

    def made(self, place: int) -> tuple[str, Call, Doors]:
        """The request of a turn, and who is to answer it."""
        operation, call = call_of(Turn(self._seed, place, self._begun), self._accounts)
        return operation, call, self._closed if place % 500 == 499 else self._office.doors

    async def turns(self, first: int, end: int) -> None:
        """Play some turns, a few at a time."""
        for start in range(first, end, TOGETHER):
            self._clock.now = Turn(self._seed, start, self._begun).now
            await asyncio.gather(*(self._turn(place) for place in range(start, min(end, start + TOGETHER))))

    async def _turn(self, place: int) -> None:
        operation, call, doors = self.made(place)
        try:
            async with asyncio.timeout(DEADLINE):
                reply = await doors.answer(call)
        except TimeoutError:
            self.faults.append(f"seed {self._seed}, turn {place}: no answer in {DEADLINE} s")
            return
        except Exception as error:
            self.faults.append(f"seed {self._seed}, turn {place}: {type(error).__name__} {error}")
            return
        wrong = fault(call, reply)
        if wrong:
            self.faults.append(f"seed {self._seed}, turn {place}: {wrong}")
        self.codes[reply.status] += 1
        self.of[operation][reply.status] += 1

    def missing(self) -> dict[str, list[int]]:
        """Codes that nothing led to."""
        found = {operation: sorted(codes - self.of[operation].keys()) for operation, codes in WANTED.items()}
        found["all"] = sorted(EVERYWHERE - self.codes.keys())
        return {operation: codes for operation, codes in found.items() if codes}


def resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def run(seed: int, count: int, folder: Path) -> dict[str, Any]:
    """Play turns 0 to `count` and say what came of it."""
    clock = FakeClock()
    database = Unsynced(folder, None, clock)
    schema.prepare(database)
    books = Books(database, GROUP_KINDS)
    office = Office(books)
    turns = Run(seed, office, clock, await callers(office))
    await turns.turns(0, count // 10)
    early = resident()
    await turns.turns(count // 10, count)
    grown = resident() - early
    await books.close()
    return {
        "seed": seed,
        "turns": sum(turns.codes.values()),
        "let_in": sum(times for code, times in turns.codes.items() if code not in NOT_LET_IN),
        "codes": dict(sorted(turns.codes.items())),
        "missing": turns.missing(),
        "faults": turns.faults[:20],
        "memory": early,
        "grown": grown,
    }


async def shown(seed: int, place: int, folder: Path) -> dict[str, Any]:
    """One turn by itself."""
    clock = FakeClock()
    database = Unsynced(folder, None, clock)
    schema.prepare(database)
    books = Books(database, GROUP_KINDS)
    office = Office(books)
    operation, call, doors = Run(seed, office, clock, await callers(office)).made(place)
    reply = await doors.answer(call)
    await books.close()
    return {"operation": operation, "call": repr(call), "reply": repr(reply), "fault": fault(call, reply)}


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:] if word != "--turn"]
    play = shown if "--turn" in sys.argv else run
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(asyncio.run(play(words[0], words[1], Path(scratch))), indent=1))
