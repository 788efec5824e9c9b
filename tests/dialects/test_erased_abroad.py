"""A number of another country that was written to, parcelled to, and wrote; erased, it is nowhere."""

from __future__ import annotations

import re

from tests import cast
from tests.conftest import ClockedBooks
from tests.dialects.comtohome.bodies import ABROAD, CONSIGNEE, CONSIGNOR
from tests.dialects.comtohome.office import Office as ParcelOffice
from tests.dialects.iletimerkezi.office import Office as MessageOffice
from tests.dialects.sms4sats.test_with_shop import Trade
from tests.dialects.spoken_to import PhonePrinter
from tests.dialects.test_erased_everywhere import LEDGER, dump, erase

from ulak.core.consignments import SavedAs
from ulak.core.phone import ERASED
from ulak.service import audit
from ulak.store import parties
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read

NUMBER = 4915112345678
OTHER = 4915112345679
PHONES = ("+49 151 12345678", "0049 151 1234-5678", "0151 12345678", "15112345678", "4915112345678")
"""How customers spell a consignee's."""

TEXTS = (
    "Arayın: +49 (0)151 12345678",
    "(0151) 1234-5678 numarası",
    "0049 151/12345678",
    "+49\u00a0151\u00a01234\u00a05678",
    "015112345678, +4915112345679",
)


def hits(database: Database) -> list[str]:
    """Where its digits stand in a dump, whatever is between them, and as SQLite stores an integer."""
    whole, found = dump(database), []
    for pattern in (rb"[\W_]{0,6}".join(b"%d" % int(n) for n in "15112345678"), NUMBER.to_bytes(6, "big")):
        found += [repr(whole[max(0, m.start() - 60) : m.end() + 60]) for m in re.finditer(pattern, whole)]
    return found


async def _sell(trade: Trade) -> None:
    """Messages to it: sent, to be sent, and not paid; and an SMS from it to a rented number."""
    for place, spelled in enumerate(("+4915112345678", "49 151 1234-5678", "+49(151)12345678")):
        body = {"phone": spelled, "message": f"{place}: {TEXTS[place]}"}
        sold = await trade.create("/createsendorder", body)
        if place < 2:
            assert await trade.rig.pay(sold)
            await trade.rig.work()
        if place == 0:
            cast.send_all(trade.rig.books.database)
    rented = await trade.create(body={"country": 22, "service": "tg"})
    assert await trade.rig.pay(rented)
    await trade.rig.work()
    trade.rig.source.send(trade.rig.of(rented).id, f"{TEXTS[3]}: code 48010", code="48010")
    await trade.rig.after(5000, step=1000)


async def _ship(office: ParcelOffice) -> list[int]:
    """Parcels to it, a draft, and a saved address."""
    who = await office.customer("shipper")
    await office.has_carrier()
    made = []
    for place, phone in enumerate(PHONES):
        to = ABROAD["consignee"] | {"phone_number": phone, "address": f"Hof 9, Tel. {PHONES[2]}"}
        headers = {"X-Idempotency-Key": f"{place}-to-{PHONES[place % 3].replace(' ', '-')}"}
        answer = await office.ask(who, "/consignments", ABROAD | {"consignee": to}, headers=headers)
        made.append(answer["data"]["consignment"])
    draft = {"consignor": CONSIGNOR, "consignee": CONSIGNEE | {"address": TEXTS[0]}}
    await office.ask(who, "/consignments/draft", draft)
    party = (await office.stored(made[2])).shipment.recipient
    await office.books.write(lambda tx: parties.insert(tx, who.id, SavedAs.RECIPIENT, party))
    return made


async def test_no_spelling_of_it_is_left(books: ClockedBooks) -> None:
    messages, parcels = MessageOffice(books), ParcelOffice(books, printer=PhonePrinter())
    settings = {"contacts": "on", "inbox": "on"}
    owner = await messages.customer("owner", credit=1000, senders=["ORNEKAS"], settings=settings)
    database, trade = books.database, Trade(books)
    await _sell(trade)
    made = await _ship(parcels)
    for sender, said in (("+4915112345678", "Hallo"), ("4915112345678", "RET"), (f"+{OTHER}", TEXTS[4])):
        await messages.texted(owner, sender, said)
    for body in TEXTS:
        wanted = {"text": body, "receipents": {"number": ["+905301234567"]}}
        order = {"sender": "ORNEKAS", "iys": "0", "message": wanted}
        assert (await messages.ask(owner, "send-sms", order=order))["status"]["code"] == 200
    assert len(hits(database)) > 30
    before = sync_read(database, lambda tx: tx.all(LEDGER))
    done = erase(database, NUMBER)
    assert (dict(done.left), done.scrubbed) == ({}, True)
    assert hits(database) == []
    assert sync_read(database, audit.check) == []
    assert sync_read(database, lambda tx: tx.all(LEDGER)) == before
    for consignment in made:
        recipient = (await parcels.stored(consignment)).shipment.recipient
        assert (recipient.phone, recipient.name, recipient.address) == ("", "", "")
        assert recipient.city
    numbers = sync_read(database, lambda tx: tx.all(Sql("SELECT number, count(*) FROM message GROUP BY 1")))
    assert dict(numbers) == {ERASED: done.rows["message"], 905301234567: len(TEXTS)}
    kept = sync_read(database, lambda tx: tx.all(Sql("SELECT sender FROM incoming WHERE sender <> ''")))
    assert f"+{OTHER}" in [row[0] for row in kept]
    again = erase(database, NUMBER)
    assert (dict(again.rows), dict(again.left)) == ({}, {})
