"""A whole server with two tenants who each have one of everything, asked through its ASGI application.

Everything a tenant has carries its `mark`, so that what leaks can be seen wherever it comes out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.dialects.comtohome.bodies import CONSIGNEE, CONSIGNOR, PACKAGE

from ulak import config
from ulak.core.consignments import SavedAs
from ulak.core.ledger import SAT, SMS, TRY
from ulak.core.ports import Inbound
from ulak.dialects.door import Route
from ulak.service import accounts, carriers, contacts, credits, inbound
from ulak.store import mailboxes, parties, settings
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_write
from ulak.web import OWN, Web
from ulak.wiring import CARRIER_KINDS, now_ms, open_database, run_server, watch

FOLDER = "/api/v1/consignments"
_addresses = count(1)

OWN_PAGES = tuple(Route("GET", path) for path in sorted(OWN))


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    body: bytes = b""
    query: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


class Answer(NamedTuple):
    """What came back. Names of headers are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


async def asked(web: Web, request: Request) -> Answer:
    """What the application answers to somebody whom it has never seen before."""
    number = next(_addresses)
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    sent: list[dict[str, Any]] = []
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    scope = {
        "type": "http",
        "method": request.method,
        "path": request.path,
        "query_string": request.query,
        "headers": [*headers, (b"content-length", b"%d" % len(request.body))],
        "client": (address, 50_000),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await web(scope, receive, send)
    start, body = sent
    named = tuple((name.decode(), value.decode("latin-1")) for name, value in start["headers"])
    return Answer(start["status"], named, body["body"].decode("utf-8", "replace"))


@dataclass
class Tenant:
    """An account, how it introduces itself, and what it has: by kind, the ids of each thing in turn, and the
    ids of what it had."""

    mark: str
    id: int
    key: str
    hash: str
    apikey: str
    number_key: str
    things: dict[str, list[str]] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)

    @property
    def authentication(self) -> dict[str, str]:
        """What it says of itself to the messages' API."""
        return {"key": self.key, "hash": self.hash}

    def has(self, kind: str, *ids: object) -> None:
        """Note what it has."""
        self.things.setdefault(kind, []).extend(map(str, ids))


class House:
    """The application, the store, and the two tenants: Alice asks for what Bob has."""

    def __init__(self, web: Web, database: Database) -> None:
        self.web = web
        self.database = database
        self.alice = self._tenant("alice")
        self.bob = self._tenant("bob")

    @property
    def routes(self) -> set[Route]:
        """Every route of every dialect that is mounted, and Ulak's own pages."""
        mounted: list[Any] = [dialect for _, dialect in self.web._dialects]
        return {*OWN_PAGES, *(route for dialect in mounted for route in dialect.routes)}

    async def ask(self, request: Request) -> Answer:
        """What the server answers."""
        return await asked(self.web, request)

    # Who they are

    def _tenant(self, mark: str) -> Tenant:
        """A new account with everything switched on."""

        def create(tx: Tx) -> Tenant:
            made = accounts.create(tx, mark)
            brand = str(100_000 + made.account.id)
            switches = {"contacts": "on", "inbox": "on", "iys_subscription": "on", "iys_brand": brand}
            accounts.configure(tx, mark, switches)
            accounts.approve_sender(tx, mark, mark.upper())
            for asset in (SMS, TRY, SAT):
                credits.grant(tx, mark, 1_000_000, asset)
            tenant = Tenant(
                mark,
                made.account.id,
                made.iletimerkezi_key,
                made.iletimerkezi_hash,
                made.comtohome_key,
                made.sms4sats_key,
            )
            tenant.has("sender", mark.upper())
            tenant.has("brand", brand)
            tenant.has("field", contacts.add_field(tx, mark, f"Alan {mark}"))
            for saved_as in SavedAs:
                party = carrier_party(mark)
                tenant.has(saved_as.name.lower(), parties.insert(tx, made.account.id, saved_as, party))
            short_code = 4930 + made.account.id
            mailboxes.add(tx, short_code, made.account.id)
            inbound.take(tx, 1, [Inbound(short_code, "BANKA", f"Kod {mark}", f"ref-{mark}")])
            return tenant

        return sync_write(self.database, create)

    def further_key(self, tenant: Tenant) -> tuple[str, str]:
        """Another key of a tenant, with its hash: one that nobody has guessed at."""
        return sync_write(self.database, lambda tx: accounts.issue(tx, tenant.id))

    # What they have

    async def furnish(self, tenant: Tenant, first: int, orders: int) -> None:
        """Some of everything, and one of what can be deleted is; telephone numbers are from `first` on."""
        await self._messages(tenant, first, orders)
        await self._people(tenant, first)
        await self._parcels(tenant)
        await self._numbers(tenant)
        await self._delete(tenant)

    async def told(self, tenant: Tenant, operation: str, **request: Any) -> Any:
        """What an operation of the messages' API answers; it must be a success."""
        body = json.dumps({"request": {"authentication": tenant.authentication, **request}}).encode()
        answer = await self.ask(Request("POST", f"/v1/{operation}/json", body))
        assert answer.status == 200, (operation, answer)
        return answer.json["response"]

    async def _messages(self, tenant: Tenant, first: int, orders: int) -> None:
        for place in range(orders):
            scheduled = place % 2 == 1
            order: dict[str, Any] = {"sender": tenant.mark.upper(), "iys": "0"}
            numbers = [str(first + place)]
            order["message"] = {"text": f"{tenant.mark} {place}", "receipents": {"number": numbers}}
            if scheduled:
                order["sendDateTime"] = "01/01/2027 10:00"
            made = (await self.told(tenant, "send-sms", order=order))["order"]["id"]
            tenant.has("scheduled" if scheduled else "order", made)

    async def _people(self, tenant: Tenant, first: int) -> None:
        for place in range(6):
            group = {"name": f"Grup {tenant.mark} {place}", "parent": ""}
            tenant.has("group", (await self.told(tenant, "add-group", group=group))["group"]["id"])
            contact: dict[str, Any] = {"name": f"{tenant.mark}{place}", "gsm": str(first + 100 + place)}
            contact |= {"groups": {"group": {"id": [int(tenant.things["group"][0])]}}}
            made = await self.told(tenant, "add-contact", contact=contact)
            tenant.has("contact", made["contact"]["id"])
            tenant.has("blocked", first + 200 + place)
            await self.told(tenant, "add-blacklist", blacklist={"number": str(first + 200 + place)})
            tenant.has("person", first + 300 + place)
        tenant.has("key word", f"{tenant.mark}1")
        said = {"recipientType": "BIREYSEL", "type": "MESAJ", "status": "ONAY", "source": "HS_2015"}
        words = [
            said | {"recipient": number, "consentDate": "2015-05-01 00:00:00"}
            for number in tenant.things["person"]
        ]
        brand = tenant.things["brand"][0]
        await self.told(tenant, "consent/create", consent={"brandCode": brand, "list": words})

    async def parcel(
        self, tenant: Tenant, method: str, path: str, body: Any = None, headers: Iterable[str] = ()
    ) -> Any:
        """What the parcels' API answers; it must be a success."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        more = dict(zip(*[iter(headers)] * 2, strict=True))
        answer = await self.ask(Request(method, path, content, headers={"apikey": tenant.apikey, **more}))
        assert answer.status == 200, (path, answer)
        return answer.json["data"]

    async def _parcels(self, tenant: Tenant) -> None:
        for place in range(3):
            made = await self.parcel(tenant, "POST", FOLDER, parcel_of(tenant, place))
            found = await self.parcel(tenant, "GET", f"{FOLDER}/{made['consignment']}/details")
            tenant.has("parcel", found["id"])
            tenant.has("barcode", found["barcode"])
            tenant.has("uuid", found["uuid"])
            tenant.has("reference", found["reference_no"])
            tenant.has("tracking", found["labels"][0]["tracking_code"])
            url = found["labels"][0]["file_url"]
            number, _, seal = url.rpartition("/")[2].partition("?_hash=")
            tenant.has("label", number)
            tenant.has("seal", seal)
        cancelled = tenant.things["parcel"][2]
        key = f"key-of-{tenant.mark}"
        path = f"{FOLDER}/{cancelled}/cancel"
        await self.parcel(tenant, "POST", path, headers=("x-idempotency-key", key))
        tenant.has("once", f"{cancelled} {key}")
        for place in range(8):
            body = parcel_of(tenant, 10 + place)
            made = await self.parcel(tenant, "POST", f"{FOLDER}/draft", body)
            tenant.has("draft", made["id"])
            form = {"document_file:a.pdf": f"%PDF-1.7 {tenant.mark}", "document_type": "1", "status": "1"}
            content_type, content = upload_of(form)
            made = await self.parcel(
                tenant,
                "POST",
                "/api/v1/consignment-documents",
                content,
                ("content-type", content_type),
            )
            tenant.has("document", made["id"])

    async def _numbers(self, tenant: Tenant) -> None:
        headers = {"x-api-key": tenant.number_key}
        for place in range(3):
            body = json.dumps({"country": "22", "service": "tg"}).encode()
            once = {"idempotency-key": f"once-{tenant.mark}-{place}"}
            made = await self.ask(Request("POST", "/createorder", body, headers=headers | once))
            assert made.status == 200, made
            tenant.has("purchase", made.json["orderId"])
            tenant.has(f"bought once {place}", f"once-{tenant.mark}-{place}")
        body = json.dumps({"amount": 1500}).encode()
        made = await self.ask(Request("POST", "/fund", body, headers=headers))
        assert made.status == 200, made

    async def _delete(self, tenant: Tenant) -> None:
        """The last of each kind that can be deleted."""
        gone = {kind: tenant.things[kind].pop() for kind in ("group", "contact", "blocked", "draft")}
        await self.told(tenant, "delete-group", group={"id": gone["group"]})
        await self.told(tenant, "delete-contact", contact={"id": gone["contact"]})
        await self.told(tenant, "delete-blacklist", blacklist={"number": gone["blocked"]})
        await self.parcel(tenant, "DELETE", f"{FOLDER}/draft/{gone['draft']}")
        for saved_as in SavedAs:
            gone[saved_as.name.lower()] = str(sync_write(self.database, self._party_gone(tenant, saved_as)))
        tenant.gone = gone

    def _party_gone(self, tenant: Tenant, saved_as: SavedAs) -> Callable[[Tx], int]:
        def keep_and_remove(tx: Tx) -> int:
            made = parties.insert(tx, tenant.id, saved_as, carrier_party(tenant.mark))
            assert parties.remove(tx, tenant.id, saved_as, made)
            return made

        return keep_and_remove


def carrier_party(mark: str) -> Any:
    """A party that somebody keeps."""
    from tests.parcel_cast import party

    return party(name=f"Depo {mark}")


def parcel_of(tenant: Tenant, place: int) -> dict[str, Any]:
    """A parcel that a tenant sends by the simulated carrier."""
    return {
        "preference": 1,
        "reference_no": f"REF-{tenant.mark}-{place}",
        "consignor": CONSIGNOR | {"name": f"Depo {tenant.mark}"},
        "consignee": CONSIGNEE,
        "packages": [PACKAGE],
    }


def upload_of(parts: dict[str, str]) -> tuple[str, bytes]:
    """A form with a document."""
    from tests.dialects.comtohome.office import form

    return form(parts)


HOOKS = {"kargo": "0123456789abcdef-kargo", "kurye": "0123456789abcdef-kurye"}
"""Two carriers that call us, and their secrets."""


@asynccontextmanager
async def opened(options: Mapping[str, str], monkeypatch: Any) -> AsyncIterator[House]:
    """The server that `ulak sandbox` runs, with two tenants."""
    given = {"port": "0", "funding": "memory", "parcel_rate": "1000000", "number_rate": "1000000"}
    chosen = config.load({**given, **options}, {})
    database = open_database(chosen)
    vault = Vault(chosen.data, chosen.key)

    def carry(tx: Tx) -> None:
        settings.put(tx, settings.SANDBOX, "on")
        configured: tuple[tuple[str, str, dict[str, str]], ...] = (
            ("mesaj", "simulator", {}),
            ("parsel", "simulator", {"carries": "parcels"}),
            ("numara", "simulator", {"carries": "numbers"}),
            *(
                (name, "comtohome", {"url": "http://127.0.0.1:9", "apikey": "k", "hook_secret": secret})
                for name, secret in HOOKS.items()
            ),
        )
        for name, kind, words in configured:
            carriers.add(tx, name, kind, words, CARRIER_KINDS[kind].check, vault)

    sync_write(database, carry)
    webs: list[Web] = []

    class Seen(Web):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            webs.append(self)

    monkeypatch.setattr(watch, "Web", Seen)
    stop, listening = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(run_server(chosen, stop, lambda _running: listening.set()))
    waiting = asyncio.create_task(listening.wait())
    try:
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        house = House(webs[0], Database(chosen.data, chosen.database, now_ms))
        # Orders are counted for each account: the first of Bob's have the numbers of Alice's.
        await house.furnish(house.alice, 5301110000, 10)
        await house.furnish(house.bob, 5302220000, 14)
        yield house
    finally:
        waiting.cancel()
        stop.set()
        await serving
