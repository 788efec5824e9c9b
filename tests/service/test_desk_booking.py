"""Booking at the parcel desk: carriers, prices, money, and what is left of a booking that failed."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import replace
from functools import partial

import pytest
from tests import parcel_cast
from tests.conftest import ClockedBooks, FakeClock
from tests.service.parcel_carriers import ToldCarrier
from tests.service.parcel_desk import (
    CREDIT,
    DECLINED,
    PRICE,
    Rig,
    once,
    refusal,
    render,
    rig_of,
    state_of,
)

from ulak.core.accounts import Account
from ulak.core.consignments import (
    LabelFormat,
    Original,
    PaperKind,
    PaperState,
    Preference,
    Route,
    Service,
    Shape,
    Shipment,
)
from ulak.core.errors import Refusal
from ulak.core.jobs import JobKind
from ulak.core.once import BOOKING
from ulak.core.shipping import Abilities, Declined, File, Quote, Unreached
from ulak.core.states import ParcelState
from ulak.core.tracking import MINUTE
from ulak.service import accounts, carriers, drafts, parcel_papers
from ulak.service.desk import BROKEN, Denied, Done
from ulak.service.marks import Marks
from ulak.store import carriers as carrier_store
from ulak.store import labels, special_services
from ulak.store.engine import Database

S = ParcelState
PDF = File(b"%PDF-1.7 demo", "application/pdf")


@pytest.fixture
def rig(database: Database, books: ClockedBooks) -> Rig:
    return rig_of(database, books)


# A booking that works.


async def test_a_booking_holds_posts_and_tells(rig: Rig, clock: FakeClock) -> None:
    done = await rig.create(render=render)
    assert isinstance(done, Done)
    found = done.consignment
    assert not done.replayed
    assert (found.state, found.state_at, found.created) == (S.BOOKED, clock.now, clock.now)
    assert (found.held, found.posted, found.costs.total) == (0, PRICE, PRICE)
    assert rig.money == (CREDIT - PRICE, 0, PRICE)
    assert found.carrier is not None
    assert found.carrier.name == "Demo Kargo"
    assert found.carrier_reference == "ref-1"
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", found.uuid)
    assert re.fullmatch("C2H[0-9]{11}", found.barcode)
    assert [(seen.state, seen.text, seen.at) for seen in found.seen] == [(S.BOOKED, "", clock.now)]
    assert done.body == render(account_of(rig), found)
    assert rig.stored(found.id) == found


def account_of(rig: Rig) -> Account:
    return rig.read(lambda tx: accounts.named(tx, "alice"))


async def test_the_carrier_hears_who_it_is_and_what_is_sent(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    (booking,) = rig.first.bookings
    assert (booking.key, booking.barcode, booking.at) == (found.uuid, found.barcode, clock.now)
    assert booking.shipment == found.shipment
    ids = [package.id for package in found.shipment.packages]
    ids += [item.id for package in found.shipment.packages for item in package.items]
    assert all(ids)
    assert len(set(ids)) == len(ids)


async def test_every_package_gets_a_label(rig: Rig, clock: FakeClock) -> None:
    rig.first.file = PDF
    packages = tuple(parcel_cast.package(id=0, items=(parcel_cast.item(id=0),)) for _ in range(3))
    shipment = parcel_cast.shipment(packages=packages)
    found = await rig.booked(rig.order(shape=Shape.MULTI_PACKAGE, shipment=shipment))
    assert [label.place for label in found.labels] == [0, 1, 2]
    assert len({label.tracking for label in found.labels}) == 3
    assert len({label.nonce for label in found.labels}) == 3
    for label in found.labels:
        assert re.fullmatch(r"label_[A-Za-z0-9]{6}\.pdf", label.file_name)
        assert (label.state, label.state_at, label.revoked) == (S.BOOKED, clock.now, None)
        assert rig.read(partial(labels.file, label_id=label.id)) == PDF
    ids = [item.id for package in found.shipment.packages for item in package.items]
    ids += [package.id for package in found.shipment.packages]
    assert len(set(ids)) == 6


@pytest.mark.parametrize(
    ("mime", "form", "ending"),
    [("image/png", LabelFormat.PNG, "png"), ("application/zpl", LabelFormat.ZPL, "zpl")],
)
async def test_a_label_of_the_carrier_keeps_its_format(
    rig: Rig, mime: str, form: LabelFormat, ending: str
) -> None:
    rig.first.file = File(b"x", mime)
    (label,) = (await rig.booked()).labels
    assert label.format == form
    assert label.file_name.endswith(f".{ending}")


async def test_a_booking_is_told_and_looked_after(rig: Rig, clock: FakeClock) -> None:
    found = await rig.booked()
    assert rig.kinds() == ["consignment.created", "consignment.label_ready"]
    for _, news in rig.events():
        assert (news.id, news.uuid, news.barcode) == (found.id, found.uuid, found.barcode)
        assert (news.state, news.text, news.at, news.stored) == (S.BOOKED, "", clock.now, clock.now)
        assert (news.tracking, news.reference) == (found.tracking, "SO-1001")
        assert (news.carrier_id, news.carrier_name) == (rig.first_id, "Demo Kargo")
    assert rig.jobs(JobKind.BOOK) == []
    assert rig.jobs(JobKind.TRACK) == [(found.id, clock.now + 5 * MINUTE, 0, "")]


async def test_nobody_looks_after_what_cannot_be_asked_about(rig: Rig) -> None:
    rig.first.abilities = Abilities(tracking=False)
    await rig.booked()
    assert rig.jobs(JobKind.TRACK) == []


async def test_while_the_carrier_thinks_the_price_is_held(rig: Rig, clock: FakeClock) -> None:
    rig.first.open.clear()
    task = asyncio.create_task(rig.create())
    await rig.first.arrived.wait()
    (waiting,) = rig.all()
    assert (waiting.state, waiting.held, waiting.posted) == (S.WAITING, PRICE, 0)
    assert rig.money == (CREDIT - PRICE, PRICE, 0)
    assert rig.jobs(JobKind.BOOK) == [(waiting.id, clock.now + BOOKING, 0, rig.process)]
    assert refusal(await rig.cancel(waiting.id)) is Refusal.IN_PROGRESS
    assert refusal(await rig.desk.resend(rig.who, waiting.id)) is Refusal.WRONG_STATE
    rig.first.open.set()
    assert isinstance(await task, Done)


async def test_barcodes_are_never_given_twice(database: Database, books: ClockedBooks) -> None:
    rig = rig_of(database, books)
    found = [await rig.booked() for _ in range(2)]

    class Repeating(random.Random):
        """Throws the barcodes that are taken before others."""

        def randrange(self, start: int, *_: object, **__: object) -> int:
            assert start == 10**11
            return thrown.pop(0)

    thrown = [int(consignment.barcode[3:]) for consignment in found] + [42]
    names = rig.write(Marks(Repeating(1), "C2H").names)
    assert names.barcode == "C2H00000000042"


# Which carrier, and what it costs.


async def test_the_cheapest_is_chosen(rig: Rig) -> None:
    rig.second.price = Quote(1000)
    found = await rig.booked(rig.order(preference=Preference.CHEAPEST, carrier_id=None))
    assert found.carrier is not None
    assert found.carrier.id == rig.second_id
    assert found.costs.total == 1440


async def test_of_equally_cheap_ones_the_older(rig: Rig) -> None:
    found = await rig.booked(rig.order(preference=Preference.CHEAPEST, carrier_id=None))
    assert found.carrier is not None
    assert found.carrier.id == rig.first_id


async def test_one_that_gives_no_price_is_passed_over(rig: Rig) -> None:
    rig.first.price = RuntimeError("no such thing")
    found = await rig.booked(rig.order(preference=Preference.CHEAPEST, carrier_id=None))
    assert found.carrier is not None
    assert found.carrier.id == rig.second_id
    rig.second.price = Unreached("away")
    denied = await rig.create(rig.order(preference=Preference.CHEAPEST, carrier_id=None))
    assert denied == Denied(Refusal.NO_CARRIER, f"Demo Kargo: {BROKEN}; Kuzey Kargo: away")


@pytest.mark.parametrize(
    ("price", "why"),
    [
        (Declined("too heavy"), Denied(Refusal.CARRIER_DECLINED, "too heavy")),
        (Unreached("away"), Denied(Refusal.CARRIER_UNREACHED, "away")),
        (RuntimeError("oh"), Denied(Refusal.CARRIER_UNREACHED, BROKEN)),
    ],
)
async def test_without_a_price_nothing_is_stored(
    rig: Rig, price: Declined | Unreached | Exception, why: Denied
) -> None:
    rig.first.price = price
    assert await rig.create() == why
    assert rig.all() == []
    assert rig.money == (CREDIT, 0, 0)


async def test_a_carrier_must_be_there_and_able(rig: Rig) -> None:
    assert refusal(await rig.create(rig.order(carrier_id=99))) is Refusal.NO_CARRIER
    assert refusal(await rig.create(rig.order(carrier_id=None))) is Refusal.NO_CARRIER
    rig.first.abilities = Abilities(international=False)
    abroad = rig.order(route=Route.INTERNATIONAL)
    assert refusal(await rig.create(abroad)) is Refusal.NO_CARRIER
    rig.second.abilities = Abilities(domestic=False)
    assert (await rig.booked(rig.order(preference=Preference.CHEAPEST))).carrier == (
        rig.first_id,
        "Demo Kargo",
    )
    cheapest = rig.order(preference=Preference.CHEAPEST, route=Route.INTERNATIONAL)
    assert (await rig.booked(cheapest)).carrier == (rig.second_id, "Kuzey Kargo")
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    assert refusal(await rig.create()) is Refusal.NO_CARRIER


async def test_extras_and_the_size_are_in_the_price(rig: Rig) -> None:
    service_id = rig.write(lambda tx: special_services.insert(tx, "Sigorta", 1000))
    rig.first.price, rig.first.abilities = Quote(10_000, 2_500), Abilities(desi_divisor=5000)
    found = await rig.booked(rig.order(service_ids=(service_id,)))
    assert found.costs.total == 19_200
    assert found.shipment.services == (Service(service_id, "Sigorta", 1000),)
    assert str(found.measures.desi) == "0.68"
    denied = await rig.create(rig.order(service_ids=(service_id, 99)))
    assert denied == Denied(Refusal.NOT_FOUND, "special_services.1")


async def test_quotes_are_shown_cheapest_first(rig: Rig) -> None:
    rows = rig.read(carriers.active)
    rig.second.price, rig.second.abilities = Quote(500), Abilities(desi_divisor=5000)
    priced = await rig.desk.quotes(rows, rig.order())
    assert [(one.carrier.id, one.costs.total, str(one.measures.desi)) for one in priced] == [
        (rig.second_id, 720, "0.68"),
        (rig.first_id, PRICE, "1.13"),
    ]
    rig.first.price = Declined("no")
    assert [one.carrier.id for one in await rig.desk.quotes(rows, rig.order())] == [rig.second_id]
    assert rig.all() == []


# Who may, who can pay, and what belongs to whom.


async def test_credit_that_does_not_suffice_stores_nothing(rig: Rig) -> None:
    rig.first.price = Quote(CREDIT)
    assert await rig.create() == Denied(Refusal.NO_CREDIT)
    assert rig.all() == []
    assert rig.jobs(JobKind.BOOK) == []
    assert not rig.first.booked
    rig.first.price = Quote(0)
    free = await rig.booked()
    assert (free.posted, rig.money) == (0, (CREDIT, 0, 0))


async def test_a_stranger_is_not_served(rig: Rig) -> None:
    stranger = replace(rig.who, key="other")
    assert refusal(await rig.desk.create(stranger, rig.order())) is Refusal.UNAUTHENTICATED
    assert refusal(await rig.desk.resend(stranger, 1)) is Refusal.UNAUTHENTICATED
    assert refusal(await rig.desk.recheck(stranger, 1)) is Refusal.UNAUTHENTICATED
    assert refusal(await rig.desk.cancel(stranger, lambda _tx, _id: None)) is Refusal.UNAUTHENTICATED


async def test_access_that_was_taken_while_the_price_was_asked_counts(rig: Rig) -> None:
    class Locks(ToldCarrier):
        async def quote(self, shipment: Shipment) -> Quote:
            assert shipment.packages
            rig.write(lambda tx: accounts.set_access(tx, "alice", False))
            return Quote(1)

    rig.first = Locks()
    rig.desk = rig.another_desk()
    assert refusal(await rig.create()) is Refusal.UNAUTHENTICATED
    assert rig.all() == []


async def test_documents_are_linked_if_they_are_free(rig: Rig, database: Database) -> None:
    parcel_cast.shipper(database, "bob", 0)
    mine, other = paper(rig, "alice"), paper(rig, "bob")
    assert await rig.create(rig.order(paper_ids=(mine, other))) == Denied(Refusal.NOT_FOUND, "documents.1")
    found = await rig.booked(rig.order(paper_ids=(mine,)))
    assert [kept.id for kept in found.papers] == [mine]
    assert rig.stored(found.id).papers == found.papers
    assert refusal(await rig.create(rig.order(paper_ids=(mine,)))) is Refusal.NOT_FOUND
    await rig.cancel(found.id)
    again = await rig.booked(rig.order(paper_ids=(mine,)))
    assert [kept.id for kept in again.papers] == [mine]
    assert rig.stored(found.id).papers == []


def paper(rig: Rig, name: str) -> int:
    """A document that belongs to no consignment yet."""
    account = rig.read(lambda tx: accounts.named(tx, name))
    made = rig.write(
        lambda tx: parcel_papers.upload(
            tx,
            account,
            kind=PaperKind.INVOICE,
            state=PaperState.IN_REVIEW,
            file_name="fatura.pdf",
            file=PDF,
        )
    )
    assert not isinstance(made, Denied)
    return made.id


async def test_a_return_names_what_it_returns(rig: Rig) -> None:
    original = await rig.booked()
    back = await rig.booked(rig.order(shape=Shape.RETURN, parent_id=original.id))
    assert back.parent == Original(original.id, original.uuid, original.barcode)
    assert rig.stored(back.id).parent == back.parent
    assert await rig.create(rig.order(parent_id=99)) == Denied(Refusal.NOT_FOUND, "parent")


# Bookings that fail, and what is tried again.


@pytest.mark.parametrize(
    ("booking", "why", "text"),
    [
        (DECLINED, Refusal.CARRIER_DECLINED, "adres bulunamadı"),
        (Unreached("timeout"), Refusal.CARRIER_UNREACHED, "timeout"),
        (RuntimeError("oh"), Refusal.CARRIER_UNREACHED, BROKEN),
    ],
)
async def test_a_failed_booking_is_kept_and_costs_nothing(
    rig: Rig, booking: Declined | Unreached | Exception, why: Refusal, text: str
) -> None:
    rig.first.booking = booking
    denied = await rig.create(once=once(), render=render)
    (kept,) = rig.all()
    assert denied == Denied(why, text, kept.id)
    kept = rig.stored(kept.id)
    assert (kept.state, kept.held, kept.posted, kept.labels) == (S.REJECTED, 0, 0, [])
    assert [(seen.state, seen.text) for seen in kept.seen] == [(S.REJECTED, text)]
    assert rig.money == (CREDIT, 0, 0)
    assert rig.jobs(JobKind.BOOK) == rig.jobs(JobKind.TRACK) == []
    assert rig.kinds() == []


async def test_a_rejected_consignment_is_tried_again_as_it_is(rig: Rig, clock: FakeClock) -> None:
    rejected = await rig.rejected()
    clock.advance(1000)
    done = await rig.desk.resend(rig.who, rejected, render=render)
    assert isinstance(done, Done)
    assert done.consignment.id == rejected
    assert done.body == render(account_of(rig), done.consignment)
    assert [seen.state for seen in done.consignment.seen] == [S.REJECTED, S.BOOKED]
    assert rig.money == (CREDIT - PRICE, 0, PRICE)
    assert rig.first.booked == {done.consignment.uuid: 2}
    assert refusal(await rig.desk.resend(rig.who, rejected)) is Refusal.WRONG_STATE
    assert refusal(await rig.desk.resend(rig.who, 99)) is Refusal.NOT_FOUND


async def test_trying_again_needs_credit_and_a_carrier(rig: Rig) -> None:
    rejected = await rig.rejected()
    rig.write(lambda tx: carrier_store.remove(tx, "Demo Kargo"))
    denied = await rig.desk.resend(rig.who, rejected)
    assert refusal(denied) is Refusal.CARRIER_UNREACHED
    assert state_of(rig, rejected) is S.REJECTED
    rig.second.price = Quote(69_000)
    await rig.booked(rig.order(carrier_id=rig.second_id))
    assert refusal(await rig.desk.resend(rig.who, rejected)) is Refusal.NO_CREDIT


# Drafts.


async def test_a_draft_is_started(rig: Rig, clock: FakeClock) -> None:
    account = account_of(rig)
    draft = rig.write(
        lambda tx: drafts.create(tx, account, "{}", parcel_cast.shipment(), Shape.NORMAL, Route.DOMESTIC)
    )
    assert isinstance(draft, Done)
    before = draft.consignment
    created = clock.now
    clock.advance(5000)
    done = await rig.desk.start(rig.who, before.id, rig.order(), draft='{"a":1}', render=render)
    assert isinstance(done, Done)
    after = done.consignment
    assert (after.id, after.uuid, after.barcode, after.created) == (
        before.id,
        before.uuid,
        before.barcode,
        created,
    )
    assert (after.state, after.draft, after.updated) == (S.BOOKED, '{"a":1}', clock.now)
    assert [seen.state for seen in after.seen] == [S.DRAFT, S.BOOKED]
    assert rig.stored(after.id) == after
    assert rig.money == (CREDIT - PRICE, 0, PRICE)
    again = await rig.desk.start(rig.who, before.id, rig.order(), draft="{}")
    assert refusal(again) is Refusal.WRONG_STATE
    assert refusal(await rig.desk.start(rig.who, 99, rig.order(), draft="{}")) is Refusal.NOT_FOUND
    assert len(rig.all()) == 1


async def test_a_draft_whose_start_failed_is_started_again_with_its_key(rig: Rig) -> None:
    account = account_of(rig)
    draft = rig.write(
        lambda tx: drafts.create(tx, account, "{}", parcel_cast.shipment(), Shape.NORMAL, Route.DOMESTIC)
    )
    assert isinstance(draft, Done)
    draft_id = draft.consignment.id
    rig.first.price = Quote(CREDIT)
    key = once(scope="start")
    assert (
        refusal(await rig.desk.start(rig.who, draft_id, rig.order(), draft="{}", once=key))
        is Refusal.NO_CREDIT
    )
    assert state_of(rig, draft_id) is S.DRAFT
    rig.first.price, rig.first.booking = Quote(2000, 6400), DECLINED
    denied = await rig.desk.start(rig.who, draft_id, rig.order(), draft="{}", once=key)
    assert denied == Denied(Refusal.CARRIER_DECLINED, DECLINED.why, draft_id)
    rig.first.booking = None
    assert refusal(await rig.desk.start(rig.who, draft_id, rig.order(), draft="{}")) is Refusal.WRONG_STATE
    done = await rig.desk.start(rig.who, draft_id, rig.order(), draft="{}", once=key)
    assert isinstance(done, Done)
    assert done.consignment.id == draft_id
    assert rig.money == (CREDIT - PRICE, 0, PRICE)
