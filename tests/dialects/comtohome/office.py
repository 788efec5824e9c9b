"""A server with customers and one carrier, called through the dialect's doors as `web` calls them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.dialects.comtohome.samples import of_the_page
from tests.service.parcel_carriers import ToldCarrier, fleet_of

from ulak.core.consignments import Consignment, Label, PaperKind
from ulak.core.errors import StoreUnavailable
from ulak.core.ledger import TRY
from ulak.core.pricing import Rates
from ulak.core.shipping import File
from ulak.dialects.comtohome.serve import Doors
from ulak.dialects.door import Call, Reply
from ulak.service import accounts, credits
from ulak.service.desk import Desk
from ulak.store import carriers, consignments
from ulak.store.engine import Tx

ADDRESS = "192.0.2.7"
URL = "http://localhost"
LINK_KEY = bytes(range(32))
BASE = "/api/v1"

PDF = b"%PDF-1.7 a label"
PNG = b"\x89PNG\r\n\x1a\n"

_STRING_OR_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \n]+')


def compact(text: str) -> str:
    """A JSON text without the white space between its tokens; nothing else is changed."""
    return _STRING_OR_SPACE.sub(lambda found: found[1] or "", text)


@dataclass(frozen=True)
class Customer:
    """An account, and how it introduces itself."""

    id: int
    name: str
    key: str


class TestPrinter:
    """Papers that say what they are."""

    __test__ = False

    def __init__(self) -> None:
        self.labels = 0
        self.trouble = ""

    def label(self, consignment: Consignment, label: Label) -> File:
        assert label in consignment.labels
        self.labels += 1
        return File(PDF + str(label.id).encode(), "application/pdf")

    def paper(self, consignment: Consignment, kind: PaperKind) -> File:
        if self.trouble:
            raise ValueError(self.trouble)
        return File(f"%PDF-1.7 {kind.name} {consignment.barcode}".encode(), "application/pdf")


class Office:
    """The doors, the store behind them, and the carrier behind the desk."""

    def __init__(self, books: Any, **options: Any) -> None:
        self.books = books
        self.carrier = ToldCarrier()
        self.ways: dict[int, ToldCarrier] = {}
        self.printer = TestPrinter()
        self.nudged: list[int] = []
        self.drawn: list[str] = []
        self.desk = Desk(books, fleet_of(self.ways), Rates(), process="test")
        plain: dict[str, Any] = {
            "printer": self.printer,
            "public_url": lambda: URL,
            "link_key": LINK_KEY,
            "logo": self._logo,
            "nudge": self.nudged.append,
        }
        self.doors = Doors(books, self.desk, **(plain | options))

    def _logo(self, name: str) -> bytes:
        self.drawn.append(name)
        return PNG + name.encode()

    async def customer(
        self, name: str, *, credit: int = 100_000, settings: dict[str, str] | None = None
    ) -> Customer:
        """A new account with so many kuruş."""

        def create(tx: Tx) -> Customer:
            made = accounts.create(tx, name)
            accounts.configure(tx, name, settings or {})
            if credit:
                credits.grant(tx, name, credit, TRY)
            return Customer(made.account.id, name, made.comtohome_key)

        customer: Customer = await self.books.write(create)
        return customer

    async def has_carrier(self, name: str = "Ptt", way: ToldCarrier | None = None) -> int:
        """A configured carrier, by default the one that is always there; its id."""
        made: int | None = await self.books.write(lambda tx: carriers.insert(tx, name, "test", PLAIN))
        assert made is not None
        self.ways[made] = way or self.carrier
        return made

    async def load(self, consignment: Consignment) -> int:
        """Store a consignment as it is."""
        made: int = await self.books.write(lambda tx: consignments.insert(tx, consignment))
        return made

    async def stored(self, consignment_id: int) -> Consignment:
        """A consignment as the store has it."""
        found: dict[int, Consignment] = await self.books.read(
            lambda tx: consignments.load(tx, [consignment_id])
        )
        return found[consignment_id]

    async def call(
        self,
        path: str,
        body: bytes = b"",
        *,
        method: str | None = None,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        address: str = ADDRESS,
        whole: bool = False,
    ) -> Reply:
        """One HTTP request to a path below the base (or a `whole` path); POST where there is a body."""
        path, _, query = path.partition("?")
        sent = {"apikey": key} if key is not None else {}
        sent |= headers or {}
        return await self.doors.answer(
            Call(
                method or ("POST" if body else "GET"),
                path if whole else BASE + path,
                query.encode(),
                tuple((name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()),
                body,
                address,
            )
        )

    async def ask(
        self,
        customer: Customer,
        path: str,
        content: Any = None,
        *,
        method: str | None = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """What is answered, read; it must have this HTTP status, and the envelope that goes with it."""
        body = json.dumps(content).encode() if content is not None else b""
        reply = await self.call(
            path, body, method=method, key=customer.key, headers={"accept-language": "en"} | (headers or {})
        )
        assert reply.status == status, (reply.status, reply.body.decode())
        return envelope(reply)


async def opened(books: Any, **options: Any) -> tuple[Office, Customer]:
    """An office with a customer, a carrier and the consignment of the vendor's page."""
    office = Office(books, **options)
    customer = await office.customer("owner")
    await office.has_carrier()
    await office.load(of_the_page(customer.id))
    return office, customer


def rates(reply: Reply) -> list[str | None]:
    """The three headers."""
    return [header(reply, f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]


class Away:
    """Books that cannot be opened."""

    def __getattr__(self, name: str) -> Any:
        async def away(_work: Any) -> Any:
            raise StoreUnavailable("away")

        return away


PLAIN = '{"plain":{},"sealed":{}}'
"""The settings of a carrier that was told nothing."""


def envelope(reply: Reply) -> Any:
    """The answer, read; it has the envelope that its status says."""
    assert reply.content_type == b"application/json"
    answer = json.loads(reply.body, parse_float=Decimal)
    if reply.status == 200:
        assert answer["status"] is True
        assert list(answer)[:3] == ["status", "message", "data"]
    else:
        assert list(answer) == ["status", "errors"]
        assert answer["status"] is False
        assert answer["errors"]
        assert all(list(problem) == ["message"] for problem in answer["errors"])
    names = [name for name, _ in reply.headers]
    for name in (b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"):
        assert names.count(name) == 1
    return answer


def messages(answer: Any) -> list[str]:
    """What a failure says."""
    return [problem["message"] for problem in answer["errors"]]


def header(reply: Reply, name: str) -> str | None:
    """A header of an answer."""
    return next((value.decode() for key, value in reply.headers if key.decode() == name.lower()), None)


BOUNDARY = "----ours7MA4YWxkTrZu0gW"


def form(parts: dict[str, str]) -> tuple[str, bytes]:
    """A form as multipart/form-data: its content type and its body.

    A part is a text; one whose name has a file name behind a colon is a file, written in latin-1.
    """
    body = b""
    for name, value in parts.items():
        field, _, file_name = name.partition(":")
        disposition = f'Content-Disposition: form-data; name="{field}"'
        if file_name:
            disposition += f'; filename="{file_name}"\r\nContent-Type: application/octet-stream'
        content = value.encode("latin-1") if file_name else value.encode()
        body += f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode() + content + b"\r\n"
    return f"multipart/form-data; boundary={BOUNDARY}", body + f"--{BOUNDARY}--\r\n".encode()
