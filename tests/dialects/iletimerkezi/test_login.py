"""The old log-in: how a username is spelled, what a new password ends, and what stands beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.dialects.iletimerkezi.office import Customer, Office

from ulak.core.errors import UlakError
from ulak.service import accounts
from ulak.store.accounts import credentials
from ulak.store.engine import Tx

ON = {"legacy_login": "on"}


async def status(office: Office, customer: Customer, **more: str) -> int:
    """What get-balance says to a customer."""
    body = json.dumps({"request": {"authentication": customer.credentials | more}})
    return (await office.call("/v1/get-balance/json", body.encode())).status


@pytest.mark.parametrize(
    ("username", "also", "never"),
    [
        (
            "05321234567",
            ["5321234567", "905321234567", "+90 532 123 45 67", " 905321234567"],
            ["5321234568", "x"],
        ),
        ("+905321234567", ["05321234567"], [""]),
        ("ornekas", [" ornekas "], ["Ornekas", "ornek", "ornek as"]),
        ("Örnek A.Ş.", [], ["örnek a.ş."]),
        ("ali5321234567", [], ["5321234567", "ali 5321234567"]),
        ("123", [], ["0123"]),
    ],
)
async def test_spellings_of_a_username(books: Any, username: str, also: list[str], never: list[str]) -> None:
    office = Office(books)
    await office.customer("owner", settings=ON)
    login = await office.login("owner", username)
    for spelled in (username, *also):
        assert await status(office, replace(login, key=spelled)) == 200, spelled
    for spelled in never:
        assert await status(office, replace(login, key=spelled)) == 401, spelled


async def test_a_number_may_come_as_a_number(books: Any) -> None:
    office = Office(books)
    await office.customer("owner", settings=ON)
    login = await office.login("owner", "05321234567")
    authentication = f'{{"username": 5321234567, "password": "{login.hash}"}}'
    body = f'{{"request": {{"authentication": {authentication}}}}}'
    assert (await office.call("/v1/get-balance/json", body.encode())).status == 200


async def test_a_new_one_ends_the_old(books: Any) -> None:
    office = Office(books)
    await office.customer("owner", settings=ON)
    first = await office.login("owner", "first")
    second = await office.login("owner", "second")
    third = await office.login("owner", "second")
    assert [await status(office, login) for login in (first, second, third)] == [401, 401, 200]


async def test_key_and_hash_win(books: Any) -> None:
    office = Office(books)
    one = await office.customer("one", settings=ON)
    login = await office.login("one", "one")
    assert await status(office, one, username="one", password="x") == 200
    assert await status(office, login, key=one.key, hash="x") == 401
    assert await status(office, login, key=one.key, hash="") == 200
    assert await status(office, login, key="", hash=one.hash) == 200


async def test_a_key_is_no_username_and_the_other_way_round(books: Any) -> None:
    office = Office(books)
    owner = await office.customer("owner", settings=ON)
    login = await office.login("owner", "owner")
    names = ("username", "password")
    assert await status(office, replace(owner, names=names)) == 401
    assert await status(office, replace(login, names=owner.names)) == 401


async def test_the_switch_counts_when_the_order_is_decided(books: Any) -> None:
    """Nobody asks before the writer does, so the writer must look itself."""
    office = Office(books)
    await office.customer("owner", credit=5, senders=["ORNEKAS"], settings=ON)
    login = await office.login("owner", "owner")

    def order(text: str) -> bytes:
        message = {"text": text, "receipents": {"number": "5301234567"}}
        request = {"authentication": login.credentials, "order": {"sender": "ORNEKAS", "message": message}}
        return json.dumps({"request": request}).encode()

    assert (await office.call("/v1/send-sms/json", order("A"))).status == 200
    await books.write(lambda tx: accounts.configure(tx, "owner", {"legacy_login": "off"}))
    assert (await office.call("/v1/send-sms/json", order("B"))).status == 401
    await books.write(lambda tx: accounts.configure(tx, "owner", {"legacy_login": "on"}))
    assert (await office.call("/v1/send-sms/json", order("B"))).status == 200


async def test_a_username_is_one_accounts(books: Any) -> None:
    office = Office(books)
    await office.customer("one", settings=ON)
    await office.customer("two", settings=ON)
    one = await office.login("one", "05321234567")
    before = await office.login("two", "two")
    with pytest.raises(UlakError, match="another account") as refused:
        await office.login("two", "+905321234567")
    assert "532" not in str(refused.value)
    assert [await status(office, login) for login in (one, before)] == [200, 200]


@pytest.mark.parametrize("username", ["", " ", "a\nb", "a" * 101])
async def test_what_is_no_username(books: Any, username: str) -> None:
    office = Office(books)
    await office.customer("one")
    with pytest.raises(UlakError, match="username"):
        await office.login("one", username)


async def test_only_digests_are_kept(books: Any) -> None:
    office = Office(books)
    await office.customer("owner")
    login = await office.login("owner", "05321234567")

    def kept(tx: Tx) -> Any:
        name = (accounts.LOGIN, accounts.digest("905321234567"))
        return credentials(tx, [name])[name].secret_digest

    assert await books.read(kept) == accounts.digest(login.hash)
