"""A person whose telephone number is all over a database: written to, parcelled to and bought for, in the
words of all three dialects, and in every spelling."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests import cast
from tests.conftest import ClockedBooks
from tests.dialects.comtohome.bodies import CONSIGNEE, DOMESTIC
from tests.dialects.comtohome.office import Customer as Shipper
from tests.dialects.comtohome.office import Office as ParcelOffice
from tests.dialects.comtohome.office import TestPrinter, form
from tests.dialects.iletimerkezi.office import Customer
from tests.dialects.iletimerkezi.office import Office as MessageOffice
from tests.dialects.sms4sats.test_with_shop import Trade

from ulak.core.callbacks import Outcome
from ulak.core.consignments import Consignment, Label, SavedAs
from ulak.core.history import PastMessage, PastOrder
from ulak.core.ports import Accepted, Inbound, Report, ReportState
from ulak.core.shipping import File
from ulak.service import blacklist, callbacks, contacts, endpoints, inbound
from ulak.service.callbacks import Room
from ulak.store import history, parties
from ulak.store.engine import Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_write

NUMBER = 905301234567
OTHER = 905301234568
"""Somebody else, of whom nothing may be lost."""

SPELLINGS = (
    "5301234567",
    "05301234567",
    "905301234567",
    "+905301234567",
    "00905301234567",
    "+90 530 123 45 67",
    "0 (530) 123-45-67",
    "0530.123.4567",
)

_DOUBT = Sql(
    "INSERT INTO unsure (message_id, order_id, carrier_id, doubt, why, at)"
    " VALUES (:id, :order, 1, 2, 'no answer for 905301234567', 1)"
)
_VALUE = Sql(
    "INSERT INTO contact_value (contact_id, field_id, value)"
    " SELECT max(id), :field, 'ev: 0530-123-45-67' FROM contact"
)


class PhonePrinter(TestPrinter):
    """Labels with the recipient's telephone number on them."""

    def label(self, consignment: Consignment, label: Label) -> File:
        super().label(consignment, label)
        return File(f"^XA^FD{consignment.shipment.recipient.phone}^FS^XZ".encode(), "application/zpl")


@dataclass
class Everywhere:
    """The three offices over one database. `orders` are those of messages, by their numbers."""

    books: ClockedBooks
    messages: MessageOffice
    parcels: ParcelOffice
    trade: Trade
    owner: Customer
    shipper: Shipper
    orders: list[int] = field(default_factory=list)
    parcel: int = 0
    label: str = ""


async def everywhere(books: ClockedBooks) -> Everywhere:
    """The number in all tables that can hold it."""
    messages, parcels = MessageOffice(books), ParcelOffice(books, printer=PhonePrinter())
    settings = {"iys_brand": "123456", "iys_subscription": "on", "contacts": "on", "inbox": "on"}
    owner = await messages.customer("owner", credit=1000, senders=["ORNEKAS"], settings=settings)
    shipper = await parcels.customer("shipper")
    world = Everywhere(books, messages, parcels, Trade(books), owner, shipper)
    vault, url = Vault(books.database.directory), "https://a.example/h"
    await books.write(
        lambda tx: endpoints.set_endpoint(tx, owner.id, "iletimerkezi", ["message"], url, vault)
    )
    await _write_to(world)
    await _people(world)
    await _sell(world)
    await _ship(world)
    return world


async def order(world: Everywhere, *texts: dict[str, Any], **rest: Any) -> int:
    """An order, by the number its customer knows."""
    wanted = {"sender": "ORNEKAS", "iys": "0", "message": list(texts) if len(texts) > 1 else texts[0]} | rest
    answer = await world.messages.ask(world.owner, "send-sms", order=wanted)
    assert answer["status"]["code"] == 200, answer
    world.orders.append(int(answer["order"]["id"]))
    return world.orders[-1]


def text(body: str, *numbers: str) -> dict[str, Any]:
    """A text and whom it goes to."""
    return {"text": body, "receipents": {"number": list(numbers)}}


async def _write_to(world: Everywhere) -> None:
    """Messages: delivered, with a carrier, in doubt, to be sent, scheduled, and to numbers that are none."""
    for nth, spelled in enumerate(SPELLINGS):
        await order(world, text(f"Sayın abone {nth}", spelled, f"+{OTHER}", f"{spelled} dahili 5"))
    await order(world, text(f"Merhaba, {SPELLINGS[5]} no'dan arayacağız", f"+{OTHER}"))
    await order(
        world, text("Herkese", f"+{OTHER}", f"+{OTHER + 1}"), text("Size özel, Ayşe Hanım", "5301234567")
    )
    _carry(world)
    await order(world, text("Bekliyor", "5301234567"))
    await order(world, text("Sonra", "5301234567", f"+{OTHER}"), sendDateTime="15/06/2026 09:30")


def _carry(world: Everywhere) -> None:
    """A link takes what is due, and hears of half of it; so does an endpoint, which fails."""
    database, told = world.books.database, []
    for one in cast.claim(database):
        names = {row.id: f"{one.id}-{row.number}" for row in one.rows}
        cast.step(
            database,
            [(cast.sent(database, one, row), Accepted((names[row.id],))) for row in one.rows],
            [(one.id, one.covered, one.covered)],
        )
        told += [Report(names[row.id], row.number, ReportState.DELIVERED, "ok") for row in one.rows[::2]]
    told.append(Report("unknown", NUMBER, ReportState.DELIVERED, "id:unknown to:05301234567"))
    told.append(Report("other", OTHER, ReportState.DELIVERED, "id:other text:+90 530 123 45 67"))
    cast.report(database, *told)
    sync_write(database, _fail)
    sync_write(database, lambda tx: tx.run(_DOUBT, id=1, order=1))


def _fail(tx: Tx) -> None:
    claimed = callbacks.claim(tx, Room(each=50, whole=50, doubtful=50, failing=50), 60_000, lambda: 0.5)
    assert claimed
    outcomes = [Outcome(one.id, tx.now, 500, 3, "500: no user +905301234567") for one in claimed]
    callbacks.finish(tx, outcomes, lambda: 0.5)


async def _people(world: Everywhere) -> None:
    """Blocks, consent, contacts, what people write, and what was sent elsewhere before."""
    ask, owner, write = world.messages.ask, world.owner, world.books.write
    word = {
        "recipientType": "TACIR",
        "status": "ONAY",
        "source": "HS_2015",
        "consentDate": "2015-05-01 00:00:00",
    }
    said = [("MESAJ", "+905301234567"), ("MESAJ", f"+{OTHER}"), ("ARAMA", "05301234567")]
    words = [word | {"type": channel, "recipient": recipient} for channel, recipient in said]
    taken = await ask(owner, "consent/create", consent={"brandCode": "123456", "list": words})
    assert taken["status"]["code"] == 200, taken
    for contact in (
        {"name": "Ayşe", "surname": "0530 123 4567", "gsm": "5301234567"},
        {"name": "Ali (eşi +90 530 123 45 67)", "gsm": f"{OTHER}"},
    ):
        assert (await ask(owner, "add-contact", contact=contact))["status"]["code"] == 200
    other = await write(lambda tx: contacts.add_field(tx, "owner", "Diğer"))
    await write(lambda tx: tx.run(_VALUE, field=other))
    for sender, words_ in (
        ("905301234567", "Merhaba"),
        (f"{OTHER}", "Ayşe'nin no 05301234567"),
        ("+90 530 1234567", "RET"),
    ):
        await world.messages.texted(owner, sender, words_)
    part = Inbound(4930, "05301234567", "parça", "p1", part=1, parts=2)
    await write(partial(inbound.take, carrier_id=1, batch=[part]))
    await write(lambda tx: blacklist.block_all(tx, "owner", [OTHER]))
    past = PastOrder(7, 114, 2, 2, 0, 1, 1, "ORNEKAS", "2")
    sent = [PastMessage("+905301234567", 111), PastMessage(f"+{OTHER}", 111)]
    await write(lambda tx: history.put(tx, owner.id, "iletimerkezi", past))
    await write(lambda tx: history.put_messages(tx, owner.id, "iletimerkezi", 7, 0, sent))


async def _sell(world: Everywhere) -> None:
    """Messages bought for the number, paid and not, and an SMS that it sent to a rented one."""
    trade = world.trade
    for said in ("Your code is 1", "Ayşe, 0530 123 45 67"):
        sold = await trade.create("/createsendorder", {"phone": "+905301234567", "message": said})
        if "code" in said:
            assert await trade.rig.pay(sold)
    hook = {"country": 22, "service": "tg", "webhookUrl": "https://example.org/hook?tel=905301234567"}
    rented = await trade.create(body=hook)
    assert await trade.rig.pay(rented)
    await trade.rig.work()
    trade.rig.source.send(trade.rig.of(rented).id, "05301234567: code 48010", code="48010")
    await trade.rig.after(5000, step=1000)


async def _ship(world: Everywhere) -> None:
    """Parcels to the number: booked with a key and labelled, a draft, a document, a saved address."""
    office, who = world.parcels, world.shipper
    await office.has_carrier()
    to = CONSIGNEE | {"phone_number": "0530 123 45 67"}
    headers = {"X-Idempotency-Key": "one"}
    made = await office.ask(who, "/consignments", DOMESTIC | {"consignee": to}, headers=headers)
    world.parcel = made["data"]["consignment"]
    world.label = made["data"]["labels"][0]["file_url"].removeprefix("http://localhost")
    assert b"5301234567" in (await office.call(world.label, whole=True)).body
    told = to | {"address": "Tel: +90 530 123 45 67"}
    await office.ask(who, "/consignments/draft", {"consignor": CONSIGNEE, "consignee": told})
    kind, body = form(
        {
            "document_file:tel 05301234567.jpg": "\xff\xd8\xff\xe0\0 Tel 0530 123 45 67",
            "document_type": "2",
            "status": "1",
            "document_reference": "GSM 5301234567",
        }
    )
    reply = await office.call("/consignment-documents", body, key=who.key, headers={"content-type": kind})
    assert reply.status == 200, reply.body
    party = (await office.stored(world.parcel)).shipment.recipient
    await world.books.write(lambda tx: parties.insert(tx, who.id, SavedAs.RECIPIENT, party))
