"""Two Ulaks, one of which is the other's parcel carrier, over sockets; behind both a carrier that is made up.

`shop` is the server that a customer's program talks to. It has an account at `hub`, whose carrier is the
simulator and which calls `shop` about its parcels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.chain import rig
from tests.chain.parcel_rig import account, add_carrier, order
from tests.chain.rig import HOST, Server, until
from tests.conftest import Postgres
from tests.parcel_cast import consignment, item, package, shipment

from ulak.core.consignments import Consignment, Label
from ulak.core.ledger import TRY
from ulak.core.shipping import Booked, Booking, Declined, File, Quote, Sighting, Unreached, Watched
from ulak.core.states import ParcelState
from ulak.dialects.comtohome.callbacks import RENDERER
from ulak.dialects.comtohome.connect import ComToHomeCarrier, probe
from ulak.outbound import Answer, Outbound
from ulak.service import accounts, audit, endpoints, sandbox
from ulak.store import ledger, schema, settings
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.wiring import now_ms

HOUR = 60 * 60 * 1000
NAME = "hub of ours"
SECRET = "chain-secret-of-the-hook"


@dataclass(frozen=True)
class Reached:
    """A server as a program with a key of it sees it."""

    server: Server
    account: str
    key: str
    outbound: Outbound

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server.port}"

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The JSON of an answer with this status."""
        sent = {"APIKEY": self.key, "Content-Type": "application/json", "Accept-Language": "en"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        content = msgspec.json.encode(body) if body is not None else None
        answer = await self.get(f"{self.url}/api/v1{path}", method, sent, content)
        assert answer.status == status, (answer.status, answer.body)
        return msgspec.json.decode(answer.body)

    async def get(
        self, url: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """An answer as it comes."""
        return await self.outbound.request(method, url, headers=headers, body=body, limit=2**22, guard=False)

    async def find(self, code: str) -> dict[str, Any]:
        """The consignment with this tracking code."""
        found: dict[str, Any] = (await self.ask("GET", f"/consignments/find/trackingCode/{code}"))["data"]
        return found

    async def create(self, key: str, **over: Any) -> dict[str, Any]:
        """A consignment of one box, booked."""
        made = await self.ask("POST", "/consignments", order(**over), X_Idempotency_Key=key)
        found: dict[str, Any] = made["data"]
        return found

    def money(self) -> tuple[int, int, int]:
        """Available, held and spent, in kuruş."""

        def look(tx: Tx) -> tuple[int, int, int]:
            found = ledger.of_account(tx, accounts.named(tx, self.account).id)[TRY]
            return found.available, found.held, found.spent

        found: tuple[int, int, int] = self.server.read(look)
        return found


@pytest.fixture(autouse=True)
def callbacks_may_come_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests may call each other."""
    plain = rig._environment

    def allowing() -> dict[str, str]:
        return plain() | {"ULAK_CALLBACK_ALLOW": HOST}

    monkeypatch.setattr(rig, "_environment", allowing)


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[Outbound]:
    async with Outbound() as opened:
        yield opened


@pytest_asyncio.fixture
async def hub(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path, outbound: Outbound
) -> AsyncIterator[Reached]:
    """A sandbox with the simulator as its carrier; on the same kind of database as `shop`."""
    url = None
    if database.url is not None:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create()
    data = tmp_path / "hub"
    data.mkdir()
    schema.prepare(Database(data, url, now_ms))
    server = Server(data, url)
    server.write(lambda tx: settings.put(tx, settings.SANDBOX, "on"))
    found = Reached(server, "shop", account(server, "shop"), outbound)
    add_carrier(server, "Demo Kargo", "simulator", carries="parcels")
    yield found
    await server.close()
    assert server.read(audit.check) == []


@pytest_asyncio.fixture
async def shop(server: Server, hub: Reached, outbound: Outbound) -> Reached:
    """A server whose carrier is the hub, which calls it."""
    address = f"http://{HOST}:{server.port}/hooks/{NAME.replace(' ', '%20')}/{SECRET}"
    vault = Vault(hub.server.database.directory)

    def subscribe(tx: Tx) -> str:
        owner = accounts.named(tx, hub.account)
        made = endpoints.set_endpoint(tx, owner.id, "comtohome", RENDERER.families, address, vault)
        return made.secret

    words = {
        "url": hub.url,
        "apikey": hub.key,
        "hook_secret": SECRET,
        "hook_key": hub.server.write(subscribe),
    }
    found = Reached(server, "customer", account(server, "customer"), outbound)
    add_carrier(server, NAME, "comtohome", **words)
    return found


async def test_parcels_go_through_two_servers(shop: Reached, hub: Reached) -> None:
    await asyncio.gather(shop.server.start(), hub.server.start())
    await understood(hub)
    await booked_labelled_and_delivered(shop, hub)
    await cancelled(shop, hub)
    await looked_after_without_being_called(shop, hub)


async def booked_labelled_and_delivered(shop: Reached, hub: Reached) -> None:
    made = await shop.create("order-1")
    code = made["providerTrackingCode"]
    assert await shop.create("order-1") == made

    mine, theirs = await asyncio.gather(shop.find(code), hub.find(code))
    assert theirs["reference_no"] == mine["barcode"] == made["barcode"]
    assert mine["reference_no"] == "SO-1001"
    assert mine["provider_base_cost"] == theirs["total_cost"]
    assert mine["status"] == theirs["status"] == 1
    assert mine["consignee"] == theirs["consignee"]
    assert len(mine["details"]) == 1

    label = await shop.get(mine["labels"][0]["file_url"])
    assert label.status == 200
    assert label.body.startswith(b"%PDF-")
    assert label.body == (await hub.get(theirs["labels"][0]["file_url"])).body

    # Only the hub's time moves, so the shop does not ask by itself.
    hub.server.write(lambda tx: sandbox.advance(tx, 30 * HOUR))
    await delivered(shop, code)
    mine, theirs = await asyncio.gather(shop.find(code), hub.find(code))
    assert mine["details"][1:] == theirs["details"][1:]
    assert [seen["status"] for seen in mine["details"]] == [1, 110, 111, 114, 120]

    checked = await shop.ask("POST", f"/consignments/{mine['id']}/recheck")
    assert checked["data"]["details"] == mine["details"]
    refused = await shop.ask("POST", f"/consignments/{mine['id']}/cancel", status=409)
    assert refused["errors"] == [{"message": "Consignment cancel failed: Shipment already delivered"}]


async def cancelled(shop: Reached, hub: Reached) -> None:
    before = shop.money(), hub.money()
    code = (await shop.create("order-2", reference_no="SO-2"))["providerTrackingCode"]
    mine = await shop.find(code)
    assert shop.money() != before[0]

    done = await shop.ask("POST", "/consignments/SO-2/cancel")
    assert (done["message"], done["data"]) == ("Cancelled by customer", {"consignment": mine["id"]})
    assert (await shop.find(code))["status"] == (await hub.find(code))["status"] == 130
    assert (shop.money()[:2], hub.money()[:2]) == (before[0][:2], before[1][:2])
    assert (await shop.get(mine["labels"][0]["file_url"])).status == 410
    again = await shop.ask("POST", "/consignments/SO-2/cancel", status=409)
    assert again["errors"] == [{"message": "Consignment cancel failed: Shipment already cancelled"}]

    code = (await shop.create("order-3", reference_no="SO-3"))["providerTrackingCode"]
    theirs = await hub.find(code)
    await hub.ask("POST", f"/consignments/{theirs['id']}/cancel")
    await shop.ask("POST", "/consignments/SO-3/cancel")
    assert (await shop.find(code))["status"] == 130


async def looked_after_without_being_called(shop: Reached, hub: Reached) -> None:
    hub.server.write(lambda tx: endpoints.remove(tx, accounts.named(tx, hub.account).id, "comtohome"))
    shop.server.write(lambda tx: settings.put(tx, settings.SANDBOX, "on"))
    shop.server.write(lambda tx: sandbox.advance(tx, 30 * HOUR))
    code = (await shop.create("order-4"))["providerTrackingCode"]
    hub.server.write(lambda tx: sandbox.advance(tx, 30 * HOUR))
    await delivered(hub, code)
    assert (await shop.find(code))["status"] == 1
    shop.server.write(lambda tx: sandbox.advance(tx, 30 * HOUR))
    await delivered(shop, code)


async def delivered(where: Reached, code: str) -> None:
    """Wait for it."""

    async def shown() -> bool:
        return bool((await where.find(code))["status"] == 120)

    await until(shown, 15, f"{where.account} is told that {code} was delivered", pause=0.1)


# The mirror: our client against our server


BARCODE = "C2H00000000007"


def booking(key: str = "k-1", barcode: str = BARCODE, **over: Any) -> Booking:
    return Booking(key, barcode, shipment(**over), now_ms())


def boxes(*codes: str | None) -> tuple[Any, ...]:
    return tuple(package(barcode=code, items=(item(), item(description="Tabak"))) for code in codes)


def kept(booked: Booked, barcode: str = BARCODE) -> Consignment:
    """What was booked, as it would be stored."""
    labels = [
        Label(place, 1, 1, place, "x.pdf", ticket.tracking, 2, 0, "n", ParcelState.BOOKED, 0)
        for place, ticket in enumerate(booked.tickets)
    ]
    return consignment(1, carrier_reference=booked.reference, barcode=barcode, labels=labels)


def watched(booked: Booked) -> list[Watched]:
    return [
        Watched(place, ticket.tracking or "", booked.reference, now_ms(), "TR")
        for place, ticket in enumerate(booked.tickets)
    ]


async def understood(hub: Reached) -> None:
    words = {"url": hub.url, "apikey": hub.key}
    carrier = ComToHomeCarrier(words, hub.outbound, now_ms)

    price = await carrier.quote(shipment())
    assert isinstance(price, Quote)
    found = await asyncio.gather(*(carrier.book(booking()) for _ in range(4)))
    booked = found[0]
    assert isinstance(booked, Booked)
    assert found == [booked] * 4
    assert await probe(words, hub.outbound) == "the account answers; it has 1 consignments"
    document = await hub.find(str(booked.tickets[0].tracking))
    assert str(document["id"]) == booked.reference
    assert document["total_cost"] * 100 == price.base
    assert document["packages"][0]["items"][0]["unit_price"] == 150.5

    mine = kept(booked)
    file = await carrier.label(mine, mine.labels[0])
    assert isinstance(file, File)
    assert file.mime == "application/pdf"
    assert await carrier.track(watched(booked), now_ms()) == [[]]
    assert await carrier.cancel(mine) is None
    assert await carrier.cancel(mine) is None
    assert isinstance(await carrier.label(mine, mine.labels[0]), Unreached)

    several = await carrier.book(booking("k-2", "C2H00000000008", packages=boxes(None, None)))
    assert isinstance(several, Booked)
    assert len({ticket.tracking for ticket in several.tickets}) == 2

    once = await carrier.book(booking("k-3", "C2H00000000009", packages=boxes("RR1239103")))
    assert isinstance(once, Booked)
    assert once.tickets[0].tracking == "RR1239103"
    await hub.ask("POST", f"/consignments/{once.reference}/recheck")
    ((seen,),) = await carrier.track(watched(once), now_ms())  # type: ignore[misc]
    assert isinstance(seen, Sighting)
    assert seen.state is ParcelState.DELIVERED
    assert await carrier.cancel(kept(once)) == Declined("Shipment already delivered")

    refused = await carrier.book(booking("k-4", "C2H00000000010", packages=boxes("RR1239109")))
    assert refused == Declined("This parcel is outside our service area")
    invalid = await carrier.book(booking("k-5", "C2H00000000011", packages=(package(items=()),)))
    assert isinstance(invalid, Declined)
    assert "packages.0.items" in invalid.why
    stranger = ComToHomeCarrier(words | {"apikey": "wrong"}, hub.outbound, now_ms)
    assert await stranger.book(booking("k-6")) == Declined("Unauthenticated.")
    with pytest.raises(OSError, match="Unauthenticated"):
        await probe(words | {"apikey": "wrong"}, hub.outbound)
