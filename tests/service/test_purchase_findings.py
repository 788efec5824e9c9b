"""Faults that a stranger found in the sale of numbers, each shown by the shortest way to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ClockedBooks
from tests.peers.journal import Notes
from tests.service.shop_rig import Rig, rental
from tests.service.test_referrals import BILL, Addresses, Node, sell, work

from ulak.carriers.sms_activate.reading import Data, read_active, read_answer
from ulak.carriers.sms_activate.source import SmsActivateSource
from ulak.core.funding import PaymentState
from ulak.core.jobs import JobKind
from ulak.core.ledger import Balance
from ulak.core.numbers import NoneLeft, Unreached, Want
from ulak.core.pools import ANY
from ulak.core.purchases import RENTAL_CANCEL_WITHIN, SECOND
from ulak.core.referrals import NoBill
from ulak.core.states import PurchaseState
from ulak.funding.lnurl import LightningAddresses
from ulak.funding.nostr import Refused
from ulak.funding.nwc import NwcFunding
from ulak.outbound import Answer, Outbound, OutboundError
from ulak.service.house import House
from ulak.service.referrals import Payouts, owe
from ulak.store import jobs

RENT = 15_000
KEY = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
WALLET = f"nostr+walletconnect://{KEY}?relay=wss://relay.invalid&secret={'c' * 64}"


@pytest.fixture
def rig(books: ClockedBooks, tmp_path: Path) -> Rig:
    return Rig(books, tmp_path)


async def test_nobody_earns_by_a_rental_that_he_gives_back(books: ClockedBooks, rig: Rig) -> None:
    alice, node = rig.account(sats=RENT), Node()
    payouts = Payouts(books, node, Addresses())  # type: ignore[arg-type]
    sold = await rig.order(rental(prepaid=True, referrer="alice@example.org"), alice)
    await rig.work()
    await work(books, payouts)
    books.clock.advance(RENTAL_CANCEL_WITHIN)
    await work(books, payouts)
    assert await rig.cancel(rig.of(sold)) is None
    assert rig.balance(alice).available == RENT
    books.clock.advance(SECOND)
    await work(books, payouts)
    assert node.paid == []
    assert rig.house(House.REFERRALS) == Balance()
    assert not rig.read(lambda tx: jobs.any_due(tx, JobKind.REFER))


async def test_the_share_of_a_rental_that_is_kept_is_paid(books: ClockedBooks, rig: Rig) -> None:
    alice, node = rig.account(sats=RENT), Node()
    payouts = Payouts(books, node, Addresses())  # type: ignore[arg-type]
    sold = await rig.order(rental(prepaid=True, referrer="bob@example.org"), alice)
    await rig.work()
    books.clock.advance(RENTAL_CANCEL_WITHIN + SECOND)
    assert await rig.cancel(rig.of(sold)) is not None
    await work(books, payouts)
    assert rig.of(sold).state is PurchaseState.ACTIVE
    assert node.paid == [BILL.payreq]
    assert rig.house(House.REFERRALS) == Balance(-RENT // 10, 0, 0, RENT // 10)


async def test_a_start_without_a_node_forgets_no_payment_under_way(books: ClockedBooks) -> None:
    await books.write(lambda tx: owe(tx, sell(tx)))
    node, addresses = Node(), Addresses()
    node.answers = [PaymentState.UNDER_WAY]
    for funding, looked in (
        (node, PaymentState.UNKNOWN),
        (None, PaymentState.PAID),
        (node, PaymentState.PAID),
    ):
        node.looked = looked
        await work(books, Payouts(books, funding, addresses))  # type: ignore[arg-type]
        books.clock.advance(3_600 * SECOND)
    assert len(node.paid) == len(addresses.asked) == 1


async def test_an_address_that_names_nonsense_gives_no_bill() -> None:
    class Away(Outbound):
        async def request(self, *_args: Any, **_kwargs: Any) -> Answer:
            terms = b'{"tag":"payRequest","callback":"https://[x/","minSendable":1,"maxSendable":1000000}'
            return Answer(200, {}, terms)

    with pytest.raises(NoBill):
        await LightningAddresses(Away()).bill("bob@example.org", 100)


class _Poor(NwcFunding):
    """A wallet that lacks the money for a second payment, because the first one is under way."""

    known: Mapping[str, Any] | None = None

    async def _need(self, what: object) -> None:
        del what

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        return PaymentState.UNKNOWN if self.known is None else await super().look_up_payment(payment_hash)

    async def _known(self, payment_hash: bytes) -> Mapping[str, Any] | None:
        del payment_hash
        return self.known

    async def _ask(self, method: str, params: Mapping[str, object], timeout: float | None = None) -> Any:
        del method, params, timeout
        self.known = {"type": "outgoing", "state": "pending"}
        raise Refused("INSUFFICIENT_BALANCE", "too little")


async def test_too_little_money_may_mean_that_it_is_on_its_way() -> None:
    from ulak.funding.memory import Scribe

    payreq = Scribe(bytes([1]) * 32).write(bytes([2]) * 32, bytes([3]) * 32, 150, "", 600, 1_779_274_991)
    wallet = _Poor(WALLET, lambda: 1_779_274_991_000)
    assert await wallet.pay(payreq, 5, 1.0) is PaymentState.UNDER_WAY


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"whole \ud83d\ude00", "whole \U0001f600"),
        (rb"C:\\ud83d", r"C:\ud83d"),
        (rb"a\u0000b", "ab"),
        (rb"\udc00\ud83d\ude00", "\ufffd\U0001f600"),
    ],
)
def test_an_sms_that_was_cut_spoils_no_other(told: bytes, text: str) -> None:
    other = b'{"activationId":"2","smsCode":["4711"],"smsText":"4711"}'
    body = b'{"data":[{"activationId":"1","smsCode":["12"],"smsText":"%s"},%s]}' % (told, other)
    said = read_answer(body)
    assert isinstance(said, Data)
    rows = read_active(said)
    assert rows["1"].text == text
    assert rows["2"].codes == ["4711"]


class _Deaf(Outbound):
    """A supplier that lists its rentals, and whose other answers get lost."""

    def __init__(self, answer: OutboundError | Answer) -> None:
        super().__init__()
        self.answer = answer
        self.asked = 0

    async def request(self, method: str, url: str, **_kwargs: Any) -> Answer:
        del method
        if "getRentServicesAndCountries" in url:
            return Answer(200, {}, b'{"countries":{"0":22,"1":6},"services":{}}')
        self.asked += 1
        if isinstance(self.answer, OutboundError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "weeks", "known"),
    [
        (OutboundError("no answer within 15 seconds", sent=True), 2, NoneLeft),
        (Answer(502, {}, b"Bad Gateway"), 2, NoneLeft),
        (Answer(200, {}, b'{"status":"success","phone":{"id":7}}'), 2, NoneLeft),
        (OutboundError("no connection"), 2, Unreached),
        (OutboundError("no answer within 15 seconds", sent=True), 0, Unreached),
    ],
)
async def test_a_rental_whose_answer_was_lost_is_not_bought_again(
    answer: OutboundError | Answer, weeks: int, known: type[NoneLeft | Unreached]
) -> None:
    way = _Deaf(answer)
    source = SmsActivateSource({"url": "https://numbers.invalid", "apikey": "k"}, way, Notes())
    found = await source.buy(Want(1, ANY if weeks else 22, "full" if weeks else "tg", weeks))
    assert isinstance(found, known)
    assert way.asked == 1
