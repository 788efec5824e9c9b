"""Orders, their callbacks and what people write back, on a server that dies at every point on their way."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from tests.chain.rig import CREDITS, Customer, until
from tests.chain.smsc import Smsc
from tests.faults.lives import Mortal
from tests.workers.sinks import Sink, sink

from ulak.core.states import MessageState
from ulak.core.times import ISTANBUL, local_day
from ulak.service import accounts, carriers, doubts, endpoints, mailboxes
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.wiring import RENDERERS

WINDOW = 4
LARGE = 101
"""Messages of an order that are announced after it was taken."""

ENDS = 30.0
"""Seconds until everything is final, on a machine however busy."""

ANYBODY, HELD, SLOW, GONE = 905_300_000_001, 905_360_000_001, 905_370_000_001, 905_380_000_001
"""The first numbers that go by each link: of those in doubt an operator decides, rarely, and soon removed."""

MAILBOX = 4930
NOT_DUE = 113
"""How an order is shown whose messages cannot be asked for yet."""

_OPEN = "SELECT count(*) FROM sms_order WHERE state NOT IN (10, 13, 14, 15)"
_UNTOLD = "SELECT count(*) FROM callback WHERE state IN (2, 3, 4)"
_IN_DOUBT = f"SELECT count(*) FROM message WHERE state = {int(MessageState.UNSURE)}"


@dataclass
class Wish:
    """An order as its customer sent it, under a point. `order` is what was answered, if anything was."""

    point: str
    text: str
    numbers: list[int]
    order: str = ""
    cancelled: bool = False


class Messages:
    """The customer, the operators and the endpoint, who survive; and what they know."""

    def __init__(self, server: Mortal, smsc: Smsc, mute: Smsc, told: Sink, chance: random.Random) -> None:
        self.server = server
        self.wishes: list[Wish] = []
        self._smsc = smsc
        self._mute = mute
        self._told = told
        self._chance = chance
        self._written: list[str] = []
        self._numbers = {first: count(first) for first in (ANYBODY, HELD, SLOW, GONE)}
        self._keys = server.account()
        server.account("here")
        server.carrier("link", smsc.port, window=WINDOW)
        server.carrier("held", mute.port, window=WINDOW, on_uncertain="hold", prefix="90536")
        server.carrier("slow", smsc.port, window=2 * WINDOW, rate=8, prefix="90537")
        server.write(self._prepare)

    def _prepare(self, tx: Tx) -> None:
        owner = accounts.named(tx, self._keys.account)
        vault = Vault(self.server.database.directory)
        endpoints.set_endpoint(
            tx, owner.id, "iletimerkezi", RENDERERS["iletimerkezi"].families, self._told.url(), vault
        )
        mailboxes.add(tx, self._keys.account, MAILBOX)
        accounts.configure(tx, self._keys.account, {"inbox": "on"})

    # What is done on the way to a point

    async def visit(self, point: str, nth: int = 1, *more: str) -> None:
        """Die at a point, the nth time that the code comes there; `more` is what is done at others."""
        await VISITS[point](self, point, [f"{point}:{nth}=kill", *more])

    async def ordering(self, point: str, acts: list[str]) -> None:
        """Orders, one after the other, until the server dies of them."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            await self._place(point, ANYBODY, self._chance.randint(WINDOW + 1, 2 * WINDOW))
        await self.server.dies(point)

    async def resting(self, point: str, acts: list[str]) -> None:
        """Orders for a link that has nothing else to do: they leave with the claim."""
        await self.server.life()
        await self.server.command("message", "unsure", "resend", "--all")
        await until(lambda: self.server.sql(_OPEN) == [(0,)], ENDS, "nothing is left to do")
        self.server.kill()
        await self.ordering(point, acts)

    async def campaign(self, point: str, acts: list[str]) -> None:
        """An order whose messages are announced after it was taken."""
        await self.server.life(*acts)
        await self._place(point, ANYBODY, LARGE)
        await self.server.dies(point)

    async def starting(self, point: str, acts: list[str]) -> None:
        """What every start comes to."""
        await self.server.life(*acts)
        await self.server.dies(point)

    async def cancelling(self, point: str, acts: list[str]) -> None:
        """Scheduled orders, cancelled until the server dies of it."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            wish = await self._place(point, ANYBODY, 2, when=self._tomorrow())
            if wish.order:
                wish.cancelled = True
                await self._answered(lambda customer: customer.cancel(wish.order))  # noqa: B023
        await self.server.dies(point)

    async def stopping(self, point: str, acts: list[str]) -> None:
        """SIGTERM while messages are to be sent that the link may not send so fast."""
        await self.server.life(*acts)
        wish = await self._place(point, SLOW, 2 * WINDOW)
        await until(lambda: wish.numbers[0] in self._smsc.numbers, 10, "the first is sent")
        self.server.asked_to_stop()
        await self.server.dies(point)

    async def in_doubt(self, point: str, acts: list[str]) -> None:
        """An operator vanishes with messages, and a person decides that they go again."""
        await self.server.life(*acts)
        self._mute.answering = False
        before = len(self._mute.submits)
        await self._place(point, HELD, 2)
        await until(lambda: len(self._mute.submits) == before + 2, 10, "they are with the operator")
        self._mute.answering = True
        self._mute.drop()
        await until(lambda: self.server.sql(_IN_DOUBT) != [(0,)], 10, "they are in doubt")
        if point == "unsure.settled":
            await self.server.command("message", "unsure", "resend", "--all", point=point)
            self.server.kill()
            return
        await self.server.command("message", "unsure", "resend", "--all")
        await self.server.dies(point)

    async def removed(self, point: str, acts: list[str]) -> None:
        """A carrier is removed after a crash that left an order with it."""
        server = self.server
        server.carrier("gone", self._mute.port, window=WINDOW, prefix="90538")
        self._mute.answering = False
        before = len(self._mute.submits)
        await server.life()
        await self._place(point, GONE, 2 * WINDOW)
        await until(lambda: len(self._mute.submits) == before + WINDOW, 10, "its window is full")
        server.kill()
        self._mute.answering = True
        server.write(lambda tx: carriers.remove(tx, "gone"))
        await server.life(*acts)
        await server.dies(point)

    async def written_to(self, point: str, acts: list[str]) -> None:
        """People write to the account's number."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            self._written.append(f"Merhaba {len(self._written)}")
            self._smsc.write("link", "905321111101", str(MAILBOX), self._written[-1])
        await self.server.dies(point)

    async def importing(self, point: str, acts: list[str]) -> None:
        """What was sent with this server is taken over into the history of another account."""
        del acts
        await self.server.life()
        await self._place(point, ANYBODY, 3)
        await self._import(point)
        self.server.kill()

    async def _import(self, point: str = "") -> int:
        today = local_day(self.server.read(lambda tx: tx.now)).isoformat()
        words = ("--since", today, "--url", f"http://127.0.0.1:{self.server.port}")
        credentials = ("--key", self._keys.key, "--hash", self._keys.hash)
        return await self.server.command("import", "iletimerkezi", "here", *words, *credentials, point=point)

    async def failing(self, points: Sequence[str], acts: list[str]) -> None:
        """Orders, a large one, and one that is cancelled, until the code has failed at each of these points.
        Nobody dies."""
        await self.server.life(*acts)
        while not all(self.server.said(point, "fail") for point in points):
            large = 3 if self.server.said("announce.decided", "fail") else LARGE
            for size, when in ((WINDOW + 1, ""), (large, ""), (2, self._tomorrow())):
                numbers = [next(self._numbers[ANYBODY]) for _ in range(size)]
                wish = Wish("fail", f"{numbers[0]}", numbers)
                customer = self.server.customer(self._keys)
                status, wish.order = await customer.send(wish.text, numbers, when=when)
                if status == 200:
                    self.wishes.append(wish)
                    wish.cancelled = bool(when)
                if wish.cancelled:
                    await customer.cancel(wish.order)
        self.server.kill()

    # What customers do

    async def _place(self, point: str, first: int, size: int, when: str = "") -> Wish:
        """One order. One that was not answered is not repeated: nobody knows what became of it."""
        numbers = [next(self._numbers[first]) for _ in range(size)]
        wish = Wish(point, f"{numbers[0]}", numbers)
        answer = await self._answered(lambda customer: customer.send(wish.text, numbers, when=when))
        if answer is not None:
            status, wish.order = answer
            assert status == 200, (point, status)
        self.wishes.append(wish)
        return wish

    async def _answered(self, ask: Callable[[Customer], Awaitable[Any]]) -> Any:
        """What a new customer's program is answered; None if the server dies over it."""
        customer = Customer(self.server.port, self._keys)
        try:
            return await ask(customer)
        except OSError:
            return None
        finally:
            await customer.close()

    def _tomorrow(self) -> str:
        at = datetime.fromtimestamp(self.server.read(lambda tx: tx.now) / 1_000, ISTANBUL) + timedelta(days=1)
        return at.strftime("%d/%m/%Y %H:%M")

    # What must be true in the end

    async def end(self) -> None:
        """A last life, in which everything comes to its end; and look at all that was seen."""
        server = self.server
        await server.life()
        await server.command("message", "unsure", "resend", "--all")
        await until(lambda: server.sql(_OPEN) == [(0,)], ENDS, "everything is final")
        await until(lambda: server.sql(_UNTOLD) == [(0,)], ENDS, "everything is told")
        customer = server.customer(self._keys)
        await self._check_cancelled(customer)
        assert await self._import() == 0
        await self._check_orders(customer)
        self._check_submits()
        self._check_told()
        await self._check_inbox(customer)
        self._check_history()
        await self._check_money(customer)

    async def _check_cancelled(self, customer: Customer) -> None:
        """Whoever comes again is told whether it was done; it was done once, and nothing was sent."""
        for wish in self.wishes:
            if wish.cancelled:
                again = await customer.cancel(wish.order)
                report = await customer.report(wish.order)
                assert again in (200, 455), wish
                assert (report["status"], report["price"]) == (115, 0), wish
                assert not self._smsc.numbers & set(wish.numbers), wish

    async def _check_orders(self, customer: Customer) -> None:
        """What was answered with success is there and delivered; of the rest the whole order or nothing."""
        for wish in self.wishes:
            if not wish.order or wish.cancelled:
                continue
            report = await customer.report(wish.order)
            rows = {row["number"]: row["status"] for row in report["message"]}
            assert rows == {f"+{number}": 111 for number in wish.numbers}, wish
            assert (report["delivered"], report["price"]) == (len(rows), len(rows)), wish
        stored = dict(self.server.sql("SELECT body, total FROM order_text JOIN sms_order ON id = order_id"))
        assert stored.items() <= {wish.text: len(wish.numbers) for wish in self.wishes}.items()

    def _check_submits(self) -> None:
        """Nothing went twice that is not listed as unsure, and no more in one life than a window."""
        unsure = {message.number for message in self.server.read(lambda tx: list(doubts.listing(tx)))}
        for smsc in (self._smsc, self._mute):
            repeated = {number for (number, _), times in smsc.counts.items() if times > 1}
            assert repeated <= unsure, repeated - unsure
            seen: set[int] = set()
            again: Counter[int] = Counter()
            for submit in smsc.submits:
                again[submit.session] += submit.number in seen
                seen.add(submit.number)
            assert max(again.values(), default=0) <= 2 * WINDOW

    def _check_told(self) -> None:
        """Of every message its endpoint heard that it was accepted, then that it was delivered."""
        heard: dict[str, list[str]] = defaultdict(list)
        for body in self._told.bodies:
            news = json.loads(body)["report"]
            if news["status"] not in heard[news["to"]]:  # The same may be told twice.
                heard[news["to"]].append(news["status"])
        sent = {f"+{number}" for number in self._smsc.numbers | self._mute.numbers}
        assert {number for number, news in heard.items() if news == ["accepted", "delivered"]} == sent

    async def _check_inbox(self, customer: Customer) -> None:
        """Everything that people wrote is there once."""
        if self._written:
            _, found = await customer.ask("get-inbox")
            assert Counter(mail["content"] for mail in found["inbox"]) == Counter(self._written)

    def _check_history(self) -> None:
        """The history of the other account holds every order once, with all its messages."""
        rows = self.server.sql("SELECT number, total, taken, status FROM past_order ORDER BY number")
        mine = self.server.sql("SELECT number, total FROM sms_order ORDER BY number")
        assert [row[:2] for row in rows] == mine
        assert all(total == taken or status == NOT_DUE for _, total, taken, status in rows)

    async def _check_money(self, customer: Customer) -> None:
        """Nothing is held, and what was spent is the price of what was delivered, once."""
        [(delivered,)] = self.server.sql("SELECT sum(parts) FROM message WHERE state = 23")
        assert await customer.balance() == CREDITS - delivered
        assert self.server.findings() == []


Visit = Callable[[Messages, str, list[str]], Awaitable[None]]

_ORDERING = (
    *("http.read", "order.parsed", "ids.leased", "order.judged", "callback.queued", "place.decided"),
    *("transaction.written", "transaction.committed", "place.committed", "order.placed", "http.answering"),
    *("claim.decided", "claim.committed", "submit.written", "submit.answered"),
    *("step.decided", "step.committed", "step.leaving", "report.read", "reports.decided"),
    *("reports.committed", "deliver.stored", "deliver.acknowledged", "callback.claimed", "callback.posting"),
    *("callback.posted", "callback.noted"),
)

VISITS: dict[str, Visit] = {
    **dict.fromkeys(_ORDERING, Messages.ordering),
    "claim.leaving": Messages.resting,
    **dict.fromkeys(("link.acquired", "link.bound", "link.taken_over", "sweep.committed"), Messages.starting),
    **dict.fromkeys(("announce.decided", "announce.committed"), Messages.campaign),
    **dict.fromkeys(("order.cancelling", "order.cancelled"), Messages.cancelling),
    **dict.fromkeys(("link.stopping", "unsent.marked"), Messages.stopping),
    **dict.fromkeys(("unsure.settled", "unsure.taken"), Messages.in_doubt),
    "carrier.given_back": Messages.removed,
    **dict.fromkeys(("inbound.read", "inbound.stored"), Messages.written_to),
    **dict.fromkeys(("history.read", "history.kept"), Messages.importing),
}
"""How each point is come to."""


OFTEN = frozenset(_ORDERING) - {"ids.leased"}
"""Those that are come to again and again."""


@asynccontextmanager
async def messages(database: Database, chance: random.Random) -> AsyncIterator[Messages]:
    """A customer and its surroundings, and no server yet."""
    server = Mortal(database)
    smsc = await Smsc(answer_delay=(0.0, 0.005), receipt_delay=(0.0, 0.01)).open()
    mute = await Smsc(first=5_000_000).open()
    try:
        async with sink() as told:
            yield Messages(server, smsc, mute, told, chance)
    finally:
        await server.close()
        await smsc.close()
        await mute.close()
