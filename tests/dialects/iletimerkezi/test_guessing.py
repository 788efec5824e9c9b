"""Keys, hashes and passwords that are guessed, in every format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.dialects.iletimerkezi.office import Customer, Office

from ulak.dialects.door import Reply
from ulak.service import accounts
from ulak.service.guard import SPARE, Guard
from ulak.service.limits import Penalty

ELSEWHERE = "198.51.100.9"

# Nothing here is about the database.
pytestmark = pytest.mark.parametrize("either_database", ["sqlite"], indirect=True)


@pytest.fixture
def office(books: Any) -> Office:
    return Office(books, guard=Guard(Penalty(), books.clock))


async def ask(office: Office, who: Customer, operation: str = "get-balance", **rest: Any) -> Reply:
    """One call of an operation, in JSON."""
    order = {"sender": "ORNEKAS", "message": {"text": "x", "receipents": {"number": ["5301234567"]}}}
    body = json.dumps({"request": {"authentication": who.credentials, "order": order | {"id": "1"}}})
    return await office.call(f"/v1/{operation}/json", body.encode(), **rest)


async def test_wrong_hashes(office: Office, books: Any) -> None:
    owner = await office.customer("owner", credit=5)
    guesses = [await ask(office, replace(owner, hash=f"guess {n}")) for n in range(6)]
    assert [reply.status for reply in guesses] == [401] * 4 + [429] * 2
    status = json.loads(guesses[-1].body)["response"]["status"]
    assert status == {"code": 429, "message": "Çok fazla istek gönderildi, daha sonra tekrar deneyin"}
    assert (b"retry-after", b"60") in guesses[-1].headers
    assert (await ask(office, owner)).status == 200
    books.clock.advance(60_000)
    assert (await ask(office, replace(owner, hash="guess"))).status == 401


async def test_all_operations_count_together(office: Office) -> None:
    owner = await office.customer("owner", credit=5, senders=["ORNEKAS"])
    wrong = replace(owner, hash="guess")
    operations = ("get-report", "send-sms", "cancel-order", "add-blacklist", "send-sms", "get-sender")
    assert [(await ask(office, wrong, name)).status for name in operations] == [401] * 4 + [429] * 2
    assert (await ask(office, owner, "send-sms")).status == 200
    nothing = replace(owner, key="", hash="")
    assert (await ask(office, nothing)).status == 401, "who says nothing does not guess"


async def test_the_other_formats(office: Office) -> None:
    owner = await office.customer("owner")
    wrong = replace(owner, hash="guess")
    for _ in range(4):
        await ask(office, wrong)
    xml = await office.call("/v1/get-balance", f"<request>{wrong.element}</request>".encode())
    assert xml.status == 429
    assert b"<code>429</code>" in xml.body
    query = await office.call("/v1/send-sms/get/", method="GET", query=f"{wrong.query}&text=x".encode())
    assert query.status == 429


async def test_passwords_of_the_old_log_in(office: Office) -> None:
    await office.customer("owner", settings={"legacy_login": "on"})
    login = await office.login("owner", "05321234567")
    spellings = ["05321234567", "5321234567", "905321234567", "+90 532 123 45 67", "05321234567"]
    # Each from another address: it is the name that is guessed at.
    hosts = [f"203.0.113.{n}" for n in range(5)]
    guesses = [
        (await ask(office, replace(login, key=spelled, hash=f"guess {n}"), address=hosts[n])).status
        for n, spelled in enumerate(spellings)
    ]
    assert guesses == [401] * 4 + [429]
    assert (await ask(office, replace(login, hash="guess"), address=ELSEWHERE)).status == 429
    assert (await ask(office, login, address="198.51.100.10")).status == 200


async def test_a_flood_does_not_reach_the_store(
    office: Office, books: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guesses at send-sms are handed to the writer, at the other operations to a reader: five, and then one a
    second. Who was in before at that address does not notice."""
    owner = await office.customer("owner", credit=5, senders=["ORNEKAS"])
    assert (await ask(office, owner)).status == 200
    asked: list[str] = []
    read, gather = books.read, books.gather

    def counted_read(question: Any) -> Any:
        asked.append("read")
        return read(question)

    def counted_gather(kind: str, item: Any) -> Any:
        asked.append("gather")
        return gather(kind, item)

    monkeypatch.setattr(books, "read", counted_read)
    monkeypatch.setattr(books, "gather", counted_gather)
    for n in range(150):
        wrong = replace(owner, key=f"key {n}", hash=f"guess {n}")
        await ask(office, wrong, "send-sms" if n % 2 else "get-balance")
    assert len(asked) == 5 + SPARE
    assert (await ask(office, owner, "send-sms")).status == 200


async def test_access_that_was_taken_is_no_way_around(office: Office, books: Any) -> None:
    """What was right before is looked at, and not right any more."""
    owner = await office.customer("owner")
    assert (await ask(office, owner)).status == 200
    for n in range(100):
        await ask(office, replace(owner, hash=f"guess {n}"))
    await books.write(lambda tx: accounts.set_access(tx, "owner", False))
    assert (await ask(office, owner)).status == 429
