"""Erasing a number beside those who work, and what cannot be erased."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from tests import cast, parcel_cast
from tests.conftest import FakeClock

from ulak.core.consents import Audience, Channel, Decision, Origin, Person, Source, Word
from ulak.core.doubts import Doubt, OnUncertain
from ulak.core.errors import UlakError
from ulak.core.journal import KeyState, Known
from ulak.core.orders import ConsentNeeded, TextDraft
from ulak.core.phone import ERASED, display
from ulak.core.ports import Accepted, Unknown
from ulak.core.references import IdForm
from ulak.core.spellings import Spellings
from ulak.core.states import MessageState, OrderState, ParcelState
from ulak.service import audit, barring, blacklist, dispatch, erase_files
from ulak.service.erase import Erase, Erased
from ulak.service.suppressions import NumberDigests, no_key
from ulak.store import blocks, booking_keys, consents, erasing
from ulak.store.engine import Database, Sql
from ulak.store.ids import Ids
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

NUMBER = 905301234567
OTHERS = cast.numbers(3)


def digests(database: Database) -> NumberDigests:
    return NumberDigests(Vault(database.directory))


def erase(database: Database, number: int = NUMBER) -> Erased:
    return Erase(database, number, digests(database), "the test").run()


def shown(database: Database, who: cast.Tenant, number: int) -> list[tuple[str, MessageState]]:
    return [(row.shown, row.state) for row in cast.report_of(database, who, number).messages]


# Messages that are on their way.


def test_what_is_to_be_sent_is_undelivered_and_its_credit_back(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database, credit=10)
    ready = cast.place(database, alice, [cast.text([NUMBER, OTHERS[0]])])
    alone = cast.place(database, alice, [cast.text([NUMBER], parts=2)])
    later = cast.place(database, alice, [cast.text([NUMBER, OTHERS[1]])], due=clock.now + cast.HOUR)
    assert erase(database).rows["cancelled"] == 3
    assert cast.balance(database, alice).held == 2
    gone = (display(ERASED), MessageState.UNDELIVERED)
    assert shown(database, alice, ready) == [gone, (f"+{OTHERS[0]}", MessageState.QUEUED)]
    assert cast.report_of(database, alice, alone).order.state is OrderState.FAILED
    claimed = cast.claim(database)
    assert [[row.number for row in order.rows] for order in claimed] == [[OTHERS[0]]]
    clock.advance(2 * cast.HOUR)
    assert [[row.number for row in order.rows] for order in cast.claim(database)] == [[OTHERS[1]]]
    assert shown(database, alice, later)[0] == gone


def test_what_a_link_has_read_does_not_leave_any_more(database: Database) -> None:
    """It was read ahead, and is in the link's memory when the number is erased."""
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([OTHERS[0], NUMBER, OTHERS[1]])])
    (order,) = cast.claim(database, slots=1)
    assert (order.opened, len(order.rows)) == (order.id, 3)
    erase(database)
    leaving = [(order.id, row.id) for row in order.rows[1:]]
    first = (cast.sent(database, order, order.rows[0]), Accepted(("r1",)))
    item = dispatch.Step(
        1, IdForm.TEXT, OnUncertain.RESEND, [first], [(order.id, order.covered, order.id)], leaving
    )
    (stepped,) = sync_write(database, partial(dispatch.step_group, items=[item], _ids=Ids()))
    assert stepped.withheld == {order.rows[1].id}
    assert sync_read(database, audit.check) == []


def test_what_may_have_left_is_given_up(database: Database) -> None:
    """An answer that comes later changes nothing."""
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([NUMBER])])
    (order,) = cast.claim(database)
    assert erase(database).rows["cancelled"] == 1
    outcome = (cast.sent(database, order, order.rows[0]), Accepted(("r1",)))
    cast.step(database, [outcome], [(order.id, order.covered, order.covered)])
    cast.report(database, cast.delivered("r1", NUMBER))
    assert shown(database, alice, number) == [(display(ERASED), MessageState.UNDELIVERED)]
    assert cast.balance(database, alice).held == 0
    assert sync_read(database, audit.check) == []


def test_what_waits_for_an_operator_is_given_up(database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER])])
    (order,) = cast.claim(database)
    outcome: Any = (cast.sent(database, order, order.rows[0]), Unknown("no answer"))
    cast.step(database, [outcome], [(order.id, order.covered, order.covered)], policy=OnUncertain.HOLD)
    assert erase(database).rows["cancelled"] == 1
    doubt = sync_read(database, lambda tx: tx.one(Sql("SELECT doubt FROM unsure")))
    assert doubt == (Doubt.FAILED,)


def test_what_a_carrier_has_is_reported_on(database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([NUMBER])])
    cast.send_all(database)
    assert erase(database).rows["cancelled"] == 0
    cast.report(database, cast.delivered("r1-0", NUMBER))
    assert shown(database, alice, number) == [(display(ERASED), MessageState.DELIVERED)]
    assert cast.balance(database, alice).spent == 1


# What people had said.


def test_a_block_stays_and_only_the_operator_lifts_it(database: Database) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    sync_write(database, lambda tx: blocks.add(tx, alice.id, NUMBER, Origin.API))
    erase(database)
    assert sync_read(database, lambda tx: blocks.every(tx, alice.id)) == []
    digest, texts = digests(database), [cast.text([NUMBER, OTHERS[0]])]
    asked: list[tuple[int, list[TextDraft]]] = [(alice.id, texts), (bob.id, texts)]
    assert sync_read(database, lambda tx: barring.blocked(tx, asked, digest)) == {alice.id: {NUMBER}}
    assert not sync_write(database, lambda tx: blacklist.lift(tx, alice.id, NUMBER))
    assert sync_write(database, lambda tx: blacklist.lift_all(tx, "alice", [NUMBER], digest)) == []
    assert sync_read(database, lambda tx: barring.blocked(tx, asked, no_key)) == {}
    with pytest.raises(UlakError, match="is not blocked"):
        sync_write(database, lambda tx: blacklist.lift_all(tx, "alice", [NUMBER], digest))


def test_a_refusal_stays_until_the_person_agrees_again(database: Database) -> None:
    alice = cast.alice(database)
    person = Person(Channel.MESAJ, Audience.TACIR, str(NUMBER))
    word = Word(person, Decision.RET, Source.HS_WEB, 1)
    sync_write(database, lambda tx: consents.save(tx, alice.id, 7, [word]))
    erase(database)
    texts, digest = [cast.text([NUMBER, OTHERS[0]])], digests(database)

    def unwilling(brand: int, *, presumed: bool) -> set[int]:
        needed = ConsentNeeded(brand, Audience.TACIR, presumed)
        found = sync_read(database, lambda tx: barring.unwilling(tx, [(alice.id, needed, texts)], digest))
        return set(found[0])

    assert unwilling(7, presumed=True) == {NUMBER}
    assert unwilling(8, presumed=True) == set()
    assert unwilling(7, presumed=False) == {NUMBER, OTHERS[0]}
    again = word._replace(decision=Decision.ONAY)
    sync_write(database, lambda tx: consents.save(tx, alice.id, 7, [again]))
    assert unwilling(7, presumed=True) == set()
    assert unwilling(7, presumed=False) == {OTHERS[0]}


def test_digests_are_the_installations_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    first, second = (NumberDigests(Vault(tmp_path_factory.mktemp(name))) for name in ("a", "b"))
    assert first(NUMBER) == first(NUMBER) != second(NUMBER)
    assert first(NUMBER) != first(NUMBER + 1)
    assert len(first(NUMBER)) == 32


# What is the operator's, and the log.


def test_what_is_the_operators_own_is_told(database: Database) -> None:
    alice = cast.tenant(database, "0530 123 45 67")
    for statement in (
        "INSERT INTO mailbox (number, account_id, created) VALUES (905301234567, 1, 1)",
        "INSERT INTO sender (account_id, name, approved) VALUES (1, '05301234567', 1)",
    ):
        sync_write(database, lambda tx: tx.run(Sql(statement)))  # noqa: B023
    cast.place(database, alice, [cast.text([NUMBER])])
    done = erase(database)
    assert done.left == {"mailbox": 1, "sender": 1, "account": 1}
    assert done.rows["message"] == 1


def test_a_parcel_that_is_being_booked_has_to_wait(database: Database) -> None:
    shipper = parcel_cast.shipper(database)
    to_them = parcel_cast.shipment(recipient=parcel_cast.recipient(phone=str(NUMBER)))
    made = parcel_cast.stored(database, parcel_cast.consignment(shipper.id, shipment=to_them))
    state = Sql("UPDATE consignment SET state = :state WHERE id = :id")
    sync_write(database, lambda tx: tx.run(state, state=int(ParcelState.WAITING), id=made.id))
    with pytest.raises(UlakError, match="being booked with this number"):
        erase(database)
    assert sync_read(database, erasing.log)[0][4] is None, "not ended"
    sync_write(database, lambda tx: tx.run(state, state=int(made.state), id=made.id))
    assert erase(database).barcodes == [made.barcode]
    sync_write(database, lambda tx: tx.run(Sql("DELETE FROM job")))


def test_somebody_in_another_country_with_the_same_digits_stays(database: Database) -> None:
    """0151 12345678 is dialled in Germany, and in Austria for somebody else."""
    shipper = parcel_cast.shipper(database)
    made = {}
    for country, phone in (("DE", "015112345678"), ("AT", "015112345678"), ("AT", "4315112345678")):
        to_them = parcel_cast.shipment(recipient=parcel_cast.recipient(phone=phone, country=country))
        stored = parcel_cast.stored(database, parcel_cast.consignment(shipper.id, shipment=to_them))
        made[country, phone] = stored.barcode
    done = erase(database, 4915112345678)
    assert done.barcodes == [made["DE", "015112345678"]]
    assert (done.rows["consignment"], done.left) == (1, {})
    done = erase(database, 4315112345678)
    assert done.barcodes == [made["AT", "015112345678"], made["AT", "4315112345678"]]
    sync_write(database, lambda tx: tx.run(Sql("DELETE FROM job")))


def test_what_a_carrier_answered_too_late_goes_with_the_parcel(database: Database) -> None:
    """Its label has the person's address. That it was booked is still known."""
    shipper = parcel_cast.shipper(database)
    to_them = parcel_cast.shipment(recipient=parcel_cast.recipient(phone=str(NUMBER)))
    made = parcel_cast.stored(database, parcel_cast.consignment(shipper.id, shipment=to_them))
    for number, key in enumerate((made.uuid, "somebody else's")):
        sync_write(database, partial(booking_keys.begin, carrier_id=number, key=key))
        sync_write(database, partial(booking_keys.finish, carrier_id=number, key=key, answer=b"a label"))
    assert erase(database).barcodes == [made.barcode]
    known = [
        sync_write(database, partial(booking_keys.begin, carrier_id=number, key=key))
        for number, key in enumerate((made.uuid, "somebody else's"))
    ]
    assert known == [Known(KeyState.KEPT), Known(KeyState.ANSWERED, b"a label")]


def test_the_log(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER])])
    erase(database)
    ((digest, who, found, began, ended),) = sync_read(database, erasing.log)
    assert (digest, who) == (digests(database)(NUMBER), "the test")
    assert '"message":1' in found
    assert (began, ended) == (clock.now, clock.now)


def test_files_of_carriers_go_and_others_are_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("data")
    files = {
        "carriers/3/a.json": b'{"barcode":"C2H00000000001"}',
        "carriers/3/b.json": b"x" * (1 << 20) + b" +90 530 123 45 67",
        "carriers/3/c.json": b"{}",
        "serve.log": b"5301234567",
        "ulak.db": b"5301234567",
        "notes.txt": b"nothing",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert erase_files.clean(folder, Spellings(NUMBER), ["C2H00000000001"]) == (2, ["serve.log"])
    assert sorted(path.name for path in folder.rglob("*.json")) == ["c.json"]


def test_a_large_table_is_read_in_stretches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "STRETCH", 3)
    alice = cast.alice(database)
    for place in range(10):
        body = "Ara: 0530 123 45 67" if place % 4 == 1 else "Ara"
        cast.place(database, alice, [cast.text([OTHERS[0]], body=body)])
    assert erase(database).rows == {"order_text": 3}
    texts = sync_read(database, lambda tx: tx.all(Sql("SELECT body FROM order_text ORDER BY order_id")))
    assert [row[0] for row in texts].count("Ara: **** *** ** **") == 3
