"""Whoever asks while nothing can be taken is refused in the words of his dialect, and told to come again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.dialects.comtohome.bodies import DOMESTIC
from tests.dialects.comtohome.office import Office as ParcelOffice
from tests.dialects.sms4sats.office import Office as NumberOffice
from tests.faults.shop import Record

from ulak import web
from ulak.core.errors import OutcomeUnknown, StoreUnavailable
from ulak.dialects.door import Dialect
from ulak.dialects.hooks import HookDoors
from ulak.dialects.iletimerkezi.serve import Doors as MessageDoors
from ulak.dialects.sandbox import SandboxDoors
from ulak.store.vault import Vault
from ulak.web import Web

NOW = 1_779_274_991_000

ORDER = {
    "request": {
        "authentication": {"key": "k", "hash": "h"},
        "order": {
            "sender": "ULAK",
            "sendDateTime": "",
            "iys": "0",
            "message": {"text": "a", "receipents": {"number": ["5301234567"]}},
        },
    }
}
ORDER_XML = (
    b"<request><authentication><key>k</key><hash>h</hash></authentication><order><sender>ULAK</sender>"
    b"<sendDateTime></sendDateTime><iys>0</iys><message><text>a</text><receipents><number>5301234567</number>"
    b"</receipents></message></order></request>"
)
WHOLE_URL = "key=k&hash=h&text=a&receipents=5301234567&sender=ULAK&iys=0"

CASES: dict[str, tuple[str, str, bytes, str, str]] = {
    "iletimerkezi, JSON": (
        "POST",
        "/v1/send-sms/json",
        json.dumps(ORDER).encode(),
        '{"response":{"status":{"code":503,"message":"Sunucu geçici olarak servis dışı"}}}',
        '{"response":{"status":{"code":500,"message":"Beklenmeyen bir sunucu hatası oluştu"}}}',
    ),
    "iletimerkezi, XML": (
        "POST",
        "/v1/send-sms",
        ORDER_XML,
        "<code>503</code>\n    <message>Sunucu geçici olarak servis dışı</message>",
        "<code>500</code>\n    <message>Beklenmeyen bir sunucu hatası oluştu</message>",
    ),
    "iletimerkezi, GET": (
        "GET",
        f"/v1/send-sms/get?{WHOLE_URL}",
        b"",
        "<code>503</code>\n    <message>Sunucu geçici olarak servis dışı</message>",
        "<code>500</code>\n    <message>Beklenmeyen bir sunucu hatası oluştu</message>",
    ),
    "sms4sats": (
        "POST",
        "/createorder",
        b'{"country": 22, "service": "tg", "immediate": true}',
        '{"status":"error","reason":"unable to save data"}',
        '{"status":"error","reason":"backend error"}',
    ),
    "comtohome": (
        "POST",
        "/api/v1/consignments",
        json.dumps(DOMESTIC).encode(),
        '{"status":false,"errors":[{"message":"The service is not available now, please try again"}]}',
        '{"status":false,"errors":[{"message":"Something went wrong"}]}',
    ),
    "comtohome, a label": (
        "GET",
        "/api/v1/public-download/consignment-label/1?_hash=a",
        b"",
        '{"status":false,"errors":[{"message":"The service is not available now, please try again"}]}',
        '{"status":false,"errors":[{"message":"Something went wrong"}]}',
    ),
    "a carrier that calls": (
        "POST",
        "/hooks/op/secret",
        b"{}",
        '{"error":"try again"}',
        '{"error":"try again"}',
    ),
    "the sandbox": (
        "POST",
        "/ulak/v1/lightning/pay",
        b'{"payreq": "lnbcrt1"}',
        '{"error":"try again"}',
        '{"error":"try again"}',
    ),
}
"""Method, address, body; what is answered when nothing was done, and when nobody knows. What carriers tell us
and what is paid in a sandbox may come twice."""

HEADERS = [(b"apikey", b"k"), (b"x-api-key", b"k"), (b"accept-language", b"en"), (b"content-length", b"1")]


class Failing:
    """Books in which everything fails, but for what is asked on the way in."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def clock(self) -> int:
        return NOW

    async def read(self, _question: Any) -> Any:
        raise self.error

    async def write(self, _change: Any) -> Any:
        raise self.error

    def gather(self, _kind: str, _item: Any) -> Any:
        raise self.error


def application(error: Exception, directory: Path) -> Web:
    """All doors, as a server has them."""
    books: Any = Failing(error)
    parcels = ParcelOffice(books).doors

    async def told(*_news: object) -> None:
        raise AssertionError("nobody is told anything")

    async def hash_in(_payreq: str) -> bytes:
        return bytes(32)

    async def ready() -> dict[str, object]:
        return {"ready": False}

    doors: list[tuple[str, Dialect]] = [
        ("/hooks/", HookDoors(books, {}, told, Vault(directory), lambda: NOW)),
        ("/v1/", MessageDoors(books)),
        ("/api/", parcels),
        ("/ulak/v1/", SandboxDoors(books, hash_in)),
        ("/", NumberOffice(books).doors),
    ]
    return Web(doors, ready)


async def asked(app: Web, method: str, address: str, body: bytes) -> tuple[int, dict[bytes, bytes], str]:
    """The status, the headers and the body of an answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    path, _, query = address.partition("?")
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    await app(scope | {"headers": HEADERS, "client": ("192.0.2.7", 4711)}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


@pytest.mark.fault("F10 nothing can be taken", "disk full, database away or queue too long, at every door")
@pytest.mark.parametrize("name", CASES)
async def test_what_cannot_be_taken_is_refused(name: str, tmp_path: Path, record_property: Record) -> None:
    method, address, body, refused, _ = CASES[name]
    app = application(StoreUnavailable("database or disk is full"), tmp_path)
    status, headers, text = await asked(app, method, address, body)
    assert status == 503
    assert int(headers[b"retry-after"]) >= 1
    assert refused in text
    record_property("runs", 1)


@pytest.mark.parametrize("name", CASES)
async def test_who_comes_when_too_many_are_there_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "REQUESTS_MAX", 0)
    method, address, body, refused, _ = CASES[name]
    status, headers, text = await asked(application(AssertionError("asked"), tmp_path), method, address, body)
    assert (status, headers[b"retry-after"].isdigit()) == (503, True)
    assert refused in text


@pytest.mark.parametrize("name", CASES)
async def test_what_may_have_been_done_is_not_called_refused(name: str, tmp_path: Path) -> None:
    """Whoever reads that nothing was done may do it again."""
    method, address, body, refused, unknown = CASES[name]
    app = application(OutcomeUnknown("nobody knows"), tmp_path)
    status, headers, text = await asked(app, method, address, body)
    assert unknown in text
    assert (status, b"retry-after" in headers) == ((503, True) if unknown == refused else (500, False))
