"""`ulak doctor` and `ulak clock`."""

from __future__ import annotations

import pytest
from tests import cast
from tests.cli.conftest import Command

from ulak.core.funding import InvoiceNews, InvoiceState
from ulak.core.jobs import JobKind
from ulak.core.purchases import Purchase, Tariff, Wish
from ulak.core.states import PurchaseKind, PurchaseState
from ulak.service import purchases, resolving, sandbox
from ulak.service.prices import Prices
from ulak.service.purchases import Offer
from ulak.service.resolving import Heard
from ulak.service.texting import Sending
from ulak.store import jobs
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_write

HEALTHY = {
    "ok": True,
    "broken": [],
    "dispatch": "on",
    "orders_open": 0,
    "messages_waiting": 0,
    "credits_held": 0,
    "unsure_held": 0,
    "no_carrier": [],
    "stranded_orders": 0,
    "parcels_open": 0,
    "try_held": "0.00",
    "purchases_open": 0,
    "sat_held": 0,
    "sat_parked": 0,
    "referrals": {"owed": 0, "kept": 0},
    "callbacks_open": 0,
    "endpoints_disabled": [],
}


def test_nothing_is_wrong_with_nothing(ulak: Command) -> None:
    assert ulak("doctor").value == HEALTHY


def test_what_stands_open_is_told_and_is_no_failure(ulak: Command, database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    cast.place(database, alice, 1)
    found = ulak("doctor")
    assert found.value == HEALTHY | {
        "orders_open": 2,
        "messages_waiting": 4,
        "credits_held": 4,
        "no_carrier": [{"prefix": "90530100000", "orders": 1}, {"prefix": "905301000001", "orders": 1}],
    }
    assert "wait for a carrier" in found.err
    ulak("carrier", "add", "elsewhere", "--kind", "simulator", "--set", "prefix=90555")
    assert len(ulak("doctor").value["no_carrier"]) == 2
    ulak("carrier", "add", "sim", "--kind", "simulator", "--set", "prefix=9053")
    assert ulak("doctor").value["no_carrier"] == []


def test_a_carrier_of_parcels_takes_no_messages(ulak: Command, database: Database) -> None:
    cast.place(database, cast.alice(database))
    ulak("carrier", "add", "courier", "--kind", "manual")
    ulak("carrier", "add", "parcels", "--kind", "simulator", "--set", "carries=parcels")
    assert len(ulak("doctor").value["no_carrier"]) == 1


def test_orders_of_a_removed_carrier_are_told(ulak: Command, database: Database) -> None:
    carrier = ulak("carrier", "add", "sim", "--kind", "simulator").value["id"]
    cast.place(database, cast.alice(database))
    cast.claim(database, carrier=carrier)
    assert ulak("doctor").value["stranded_orders"] == 0
    ulak("carrier", "remove", "sim")
    assert ulak("doctor").value["stranded_orders"] == 1


def test_money_that_nobody_could_give_back_is_told(
    ulak: Command, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """The node says that it took what was to be cancelled."""

    def change(tx: Tx) -> None:
        offer = Offer("5d1e" * 16, "sealed", "ab" * 32)
        wish = Wish("sms4sats", PurchaseKind.CODE, 43, "tg")
        prices = Prices(dict.fromkeys(Tariff, 1500))
        made = purchases.open_(tx, wish, None, "192.0.2.1", offer, prices)
        assert isinstance(made, Purchase)
        purchases.invoiced(tx, made.id, "lnbcrt1", "ab" * 32)
        assert purchases.cancel(tx, offer.public_id) is None
        (job,) = jobs.claim(tx, JobKind.CLOSE, 1, 1000, "me")
        resolving.concluded(tx, job, resolving.Outcome.KEPT, 1600)

    sync_write(database, change)
    capfd.readouterr()
    found = ulak("doctor")
    assert found.value == HEALTHY | {"sat_parked": 1600}
    assert "Some sats are parked" in found.err


def test_what_is_bought_and_not_done_is_told(ulak: Command, database: Database) -> None:
    def change(tx: Tx) -> None:
        offer = Offer("5d1e" * 16, "sealed", "ab" * 32)
        prices = Prices(dict.fromkeys(Tariff, 1500))
        wish = Wish("sms4sats", PurchaseKind.CODE, 43, "tg")
        made = purchases.open_(tx, wish, None, "192.0.2.1", offer, prices)
        assert isinstance(made, Purchase)
        purchases.invoiced(tx, made.id, "lnbcrt1", "ab" * 32)
        news = InvoiceNews(InvoiceState.HELD, 1500)
        resolving.verified(tx, [Heard(made.id, PurchaseState.UNPAID, news)], Sending("ULAK"))

    sync_write(database, change)
    assert ulak("doctor").value == HEALTHY | {"purchases_open": 1, "sat_held": 1500}


def test_a_broken_invariant_is_a_failure(ulak: Command, database: Database) -> None:
    cast.place(database, cast.alice(database))
    sync_write(database, lambda tx: tx.run(Sql("UPDATE sms_order SET delivered = delivered + 1")))
    ended = ulak("doctor")
    assert ended.code == 1
    assert '"ok":false' in ended.out
    assert '"broken":["' in ended.out
    sync_write(database, lambda tx: tx.run(Sql("UPDATE sms_order SET delivered = delivered - 1")))


def test_there_is_nothing_to_repair_by_itself(ulak: Command) -> None:
    ended = ulak("doctor", "--repair")
    assert ended.value == HEALTHY | {"repaired": []}
    assert "Nothing was repaired" in ended.err


def test_repairs_are_told_and_what_is_left_is_a_failure(ulak: Command, database: Database) -> None:
    cast.place(database, cast.alice(database))
    sync_write(database, lambda tx: tx.run(Sql("UPDATE sms_order SET delivered = delivered + 1")))
    told = ulak("doctor", "--repair").value
    assert [sentence[:23] for sentence in told["repaired"]] == ["order 1: counted anew; "]
    assert told["ok"]
    # What money is about is left to people.
    sync_write(database, lambda tx: tx.run(Sql("UPDATE balance SET available = 0, held = 1000")))
    ended = ulak("doctor", "--repair")
    assert (ended.code, '"repaired":[]' in ended.out) == (1, True)
    sync_write(database, lambda tx: tx.run(Sql("UPDATE balance SET available = 999, held = 1")))


def test_the_clock_of_real_data_stands_fast(ulak: Command) -> None:
    ended = ulak("clock", "advance", "25h")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "ulak: these data are no sandbox: their clock cannot be moved\n"


def test_the_clock_of_a_sandbox_moves(ulak: Command, database: Database) -> None:
    sync_write(database, lambda tx: sandbox.prepare(tx, {}))
    before = sync_write(database, lambda tx: tx.now)
    assert ulak("clock", "advance", "25h").value["ahead_ms"] == 25 * cast.HOUR
    moved = ulak("clock", "advance", "1h30m").value
    assert list(moved) == ["now", "ahead_ms"]
    assert moved["ahead_ms"] == 26 * cast.HOUR + 30 * cast.MINUTE
    assert moved["now"].endswith("Z")
    assert sync_write(database, lambda tx: tx.now) == before + moved["ahead_ms"]


@pytest.mark.parametrize("span", ["", "0.5h", "-1h", "１h"])
def test_spans_that_are_none(ulak: Command, span: str) -> None:
    assert ulak("clock", "advance", span).code == 2
