"""A server with two customers, called through the dialect's doors as `web` calls them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any
from urllib.parse import urlencode

from ulak.core.ports import Inbound, ReportState
from ulak.dialects.door import Call, Reply
from ulak.dialects.iletimerkezi.serve import Doors
from ulak.service import accounts, credits, inbound
from ulak.service.settlement import Settlement
from ulak.store import mailboxes, orders
from ulak.store.engine import Tx

ADDRESS = "192.0.2.7"
SHORT_CODE = 4930

references = count()

_STRING_OR_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \n]+')


def compact(text: str) -> str:
    """A JSON text without the white space between its tokens; nothing else is changed."""
    return _STRING_OR_SPACE.sub(lambda found: found[1] or "", text)


@dataclass(frozen=True)
class Customer:
    """An account, and how it introduces itself."""

    id: int
    key: str
    hash: str
    names: tuple[str, str] = ("key", "hash")

    @property
    def credentials(self) -> dict[str, str]:
        """What it says of itself."""
        return dict(zip(self.names, (self.key, self.hash), strict=True))

    @property
    def authentication(self) -> str:
        """The member `authentication` of a request."""
        return f'"authentication": {json.dumps(self.credentials)}'

    @property
    def element(self) -> str:
        """The element `authentication` of an XML request."""
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in self.credentials.items())
        return f"<authentication>{inner}</authentication>"

    @property
    def query(self) -> str:
        """The parameters of a GET request."""
        return urlencode(self.credentials)


class Office:
    """The doors, the store behind them, and what a carrier would tell it."""

    def __init__(self, books: Any, **options: Any) -> None:
        self.books = books
        self.doors = Doors(books, **options)

    async def customer(
        self,
        name: str,
        *,
        credit: int = 0,
        senders: Iterable[str] = (),
        settings: dict[str, str] | None = None,
    ) -> Customer:
        """A new account."""

        def create(tx: Tx) -> Customer:
            created = accounts.create(tx, name)
            accounts.configure(tx, name, settings or {})
            for sender in senders:
                accounts.approve_sender(tx, name, sender)
            if credit:
                credits.grant(tx, name, credit)
            return Customer(created.account.id, created.iletimerkezi_key, created.iletimerkezi_hash)

        customer: Customer = await self.books.write(create)
        return customer

    async def login(self, account: str, username: str) -> Customer:
        """An account in the old way, whose clients know a username and a password."""
        found, password = await self.books.write(lambda tx: accounts.set_login(tx, account, username))
        return Customer(found.id, username, password, ("username", "password"))

    async def call(
        self,
        path: str,
        body: bytes = b"",
        *,
        method: str = "POST",
        query: bytes = b"",
        address: str = ADDRESS,
    ) -> Reply:
        """One HTTP request."""
        return await self.doors.answer(Call(method, path, query, (), body, address))

    async def ask(self, customer: Customer, operation: str, **request: Any) -> Any:
        """What an operation answers, read, below `response`."""
        authentication = {"key": customer.key, "hash": customer.hash}
        body = json.dumps({"request": {"authentication": authentication} | request}).encode()
        reply = await self.call(f"/v1/{operation}/json", body)
        response = json.loads(reply.body)["response"]
        assert response["status"]["code"] == reply.status
        return response

    async def texted(self, customer: Customer, sender: str, text: str) -> None:
        """Somebody writes to the customer's number, the short code 4930."""

        def receive(tx: Tx) -> None:
            before = mailboxes.find(tx, SHORT_CODE)
            if before is not None and before.account_id != customer.id:
                mailboxes.remove(tx, SHORT_CODE)
            mailboxes.add(tx, SHORT_CODE, customer.id)
            inbound.take(tx, 1, [Inbound(SHORT_CODE, sender, text, f"r{next(references)}")])

        await self.books.write(receive)

    async def report(self, customer: Customer, number: int, news: dict[int, ReportState]) -> None:
        """A carrier reports all parts of some messages of an order, by their place in it."""

        def apply(tx: Tx) -> None:
            found = orders.find(tx, customer.id, number)
            assert found is not None
            first, _ = found
            settlement = Settlement(tx, [(first + place, first) for place in news])
            for place, state in news.items():
                for part in range(7):
                    settlement.messages[first + place].report(part, state)
            settlement.save()

        await self.books.write(apply)
