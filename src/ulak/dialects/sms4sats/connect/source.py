"""Numbers of an sms4sats account: `ulak.core.numbers.NumberSource`.

A number is bought from the prepaid balance, and the order it is bought with is waited for until it names the
number. What was ordered for a key is remembered while this process lives, so the same purchase, tried again,
goes on with the same order. An order that was made and of which we never heard is no loss: the server gives
its price back when no code comes. Only that of a rental it keeps; so those orders are written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ulak.core.errors import StoreUnavailable
from ulak.core.journal import Journal
from ulak.core.numbers import RENTAL_WEEKS, Activation, Gone, Got, News, NoneLeft, Text, Unreached, Want
from ulak.core.pools import ANY
from ulak.core.times import Clock
from ulak.dialects.sms4sats.connect.line import (
    FAULTS,
    TOO_LATE,
    Later,
    Line,
    Lost,
    Rand,
    Refusal,
    Said,
    Silence,
    Sleep,
)
from ulak.dialects.sms4sats.connect.reading import (
    Status,
    affordable,
    read_countries,
    read_prices,
    read_rentals,
    read_status,
    read_stock,
    read_texts,
)
from ulak.dialects.sms4sats.connect.settings import Upstream, check_settings
from ulak.outbound import Outbound

PATIENCE = 25_000
"""How long one purchase may take, ms. Then its order is cancelled, so that another source can be asked."""

GIVING_BACK = 10_000
"""How long cancelling it may take, ms."""

LOOKING = 10_000
"""How long a question about what is on offer may take, ms."""

NEWS = 5_000
"""How long all news that are asked for at once may take, ms; who is not asked by then is the next time."""

EVERY = 1_000
"""How often to be asked for news, ms; not every number is looked at every time."""

FRESH = 15_000
YOUNG = 22 * 60_000
LATER_EVERY, OLD_EVERY = 3_000, 30_000
"""A number is looked at every second while it is fresh, then every 3 s; a rental that is no longer young less
often. All are ms."""

IN_FLIGHT = 8
"""Looks at a time."""

REMEMBERED = 60 * 60_000
"""How long what was bought is remembered, ms; a purchase is not tried for longer than a minute."""

LOST = "whether the number was bought is not known, and it must not be bought twice"

_NEWS_KEPT = 2 * 60_000
_ALARMING = (401, 402, 403)

log = structlog.get_logger("ulak.sms4sats")


@dataclass(slots=True)
class _Bought:
    """What was done for a key. `reference` is None until it is known; `tries` counts the orders before it."""

    at: int
    tries: int = 0
    reference: str | None = None
    lost: bool = False


@dataclass(slots=True)
class _Looked:
    """When a number was looked at last, and what had come to it."""

    at: int
    texts: Sequence[Text] = ()


class Sms4satsSource:
    """Rents numbers with an account at an sms4sats server."""

    def __init__(
        self,
        settings: Mapping[str, str],
        outbound: Outbound,
        clock: Clock,
        journal: Journal,
        sleep: Sleep = asyncio.sleep,
        rand: Rand = random.random,
    ) -> None:
        """Of the clock only differences count. `outbound` is not closed here. `journal` keeps the names under
        which rentals were ordered.

        Raises:
            ValueError: the settings are none.
        """
        self._to: Upstream = check_settings(settings)
        self._line = Line(self._to, outbound, clock, sleep, rand)
        self._clock = clock
        self._journal = journal
        self._sleep = sleep
        self._bought: dict[int, _Bought] = {}
        self._buying: set[int] = set()
        self._looked: dict[str, _Looked] = {}

    def unlisted(self, service: str) -> bool:
        """Never: the server lists what it has."""
        del service
        return False

    @property
    def every(self) -> int:
        """Every second."""
        return EVERY

    async def pools(self) -> Collection[int] | Unreached:
        """The countries that the server shows."""
        said = await self._line.look("/getCountries", until=self._clock() + LOOKING)
        found = read_countries(_data(said))
        return Unreached(said.why) if found is None else found

    async def rentals(self, service: str) -> Collection[int] | Unreached:
        """Where rentals are long enough, and not too dear."""
        until = self._clock() + LOOKING
        said = await self._line.look("/getRentalCountries", {"service": service}, until)
        if isinstance(said, Said) and said.status == 400 and said.stated:
            return []
        found = read_rentals(_data(said), RENTAL_WEEKS, self._to.max_price)
        return Unreached(said.why) if found is None else found

    async def stock(self, pool: int) -> Mapping[str, int] | Unreached:
        """What the server counts; a country that it does not know has nothing."""
        until = self._clock() + LOOKING
        said = await self._line.look("/getnumbersstatus", {"country": pool}, until)
        if isinstance(said, Said) and said.status == 400 and said.stated:
            return {}
        found = read_stock(_data(said))
        return Unreached(said.why) if found is None else found

    # Buying

    async def buy(self, want: Want) -> Got | NoneLeft | Unreached:
        """Order a number and wait for it; an order that brings none in time is cancelled."""
        if want.key in self._buying:
            return Unreached("the number is being bought already")
        self._forget(self._clock())
        self._buying.add(want.key)
        try:
            until = self._clock() + PATIENCE
            bought = self._bought.setdefault(want.key, _Bought(self._clock()))
            outcome: Got | NoneLeft | Unreached | None = None
            if bought.reference is None:
                outcome = await self._order(want, bought, until)
            if bought.reference is not None:
                outcome = await self._await_number(want, bought.reference, until)
            assert outcome is not None, "there is an order, or a reason why there is none"
            if isinstance(outcome, NoneLeft):
                bought.tries, bought.reference = bought.tries + 1, None
            return outcome
        finally:
            self._buying.discard(want.key)

    def _forget(self, now: int) -> None:
        old = [key for key, bought in self._bought.items() if now - bought.at > REMEMBERED]
        for key in old:
            del self._bought[key]

    async def _order(self, want: Want, bought: _Bought, until: int) -> NoneLeft | Unreached | None:
        """Create the order, once; None when it is there."""
        if bought.lost and not self._to.order_prefix:
            return Unreached(LOST)
        dear = await self._too_dear(want, until)
        if dear is not None:
            return dear
        if not await self._line.wait_turn(until):
            return Unreached(TOO_LATE)
        return await (self._create_once if want.weeks else self._create)(want, bought, until)

    async def _create_once(self, want: Want, bought: _Bought, until: int) -> NoneLeft | Unreached | None:
        """Create the order of a rental, unless another process has, or may have."""
        name = _name(want, bought)
        try:
            known = await self._journal.begin(name)
        except StoreUnavailable as error:
            return Unreached(f"what is ordered cannot be written down: {error}")
        if known is not None and known.answer is not None:
            bought.reference = known.answer.decode()
            return None
        if known is not None and not self._to.order_prefix:
            bought.lost = True
            return Unreached(LOST)
        outcome = await self._create(want, bought, until)
        # What is not written down now is not known to others, who then order none.
        with contextlib.suppress(StoreUnavailable):
            if bought.reference is not None:
                await self._journal.finish(name, bought.reference.encode())
            elif not bought.lost:
                await self._journal.forget(name)
        return outcome

    async def _create(self, want: Want, bought: _Bought, until: int) -> NoneLeft | Unreached | None:
        lost, bought.lost = bought.lost, True  # also when we are stopped in the middle
        made = await self._line.create("/createorder", _body(want), _name(want, bought), until)
        if isinstance(made, Lost):
            log.warning("numbers.answer_lost", purchase=want.key, why=made.why)
            return Unreached(f"whether the number was bought is not known: {made.why}")
        if isinstance(made, Later) and made.status not in _ALARMING:
            bought.lost = lost
            return Unreached(made.why)
        bought.lost = False
        if isinstance(made, Later | Refusal):
            if made.status in _ALARMING:
                log.warning("numbers.refused", status=made.status, why=made.why)
            return NoneLeft(made.why)
        if not made.paid:
            log.warning("numbers.not_prepaid", purchase=want.key)
            await self._cancel(made.reference)
            return NoneLeft("the server wants an invoice to be paid, and does not take the balance")
        bought.reference = made.reference
        return None

    async def _too_dear(self, want: Want, until: int) -> NoneLeft | Unreached | None:
        """A reason against buying at today's price."""
        most = self._to.max_price
        if not most:
            return None
        if want.weeks:
            pools = await self.rentals(want.service)
            if isinstance(pools, Unreached):
                return pools
            return None if want.pool in pools else NoneLeft("there is no such rental at this price")
        query = {"country": want.pool, "service": want.service}
        said = await self._line.look("/price", query, until, read=read_prices)
        data = _data(said)
        if not isinstance(data, dict):
            return Unreached(said.why)
        computed = data.get("computed")
        price = computed.get("price") if isinstance(computed, dict) else None
        good = affordable(price, most) and (not want.handset or affordable(data.get("s4s"), most))
        return None if good else NoneLeft("the price is above max_price")

    async def _await_number(self, want: Want, reference: str, until: int) -> Got | NoneLeft | Unreached:
        """Ask for the order until it names a number, or says why there is none."""
        began = self._clock()
        while True:
            outcome = _outcome(want, reference, await self._status(reference, until))
            if outcome is not None:
                return outcome
            pause = EVERY if self._clock() - began < FRESH else LATER_EVERY
            if self._clock() + pause >= until:
                return await self._give_back(want, reference)
            await self._sleep(pause / 1000)

    async def _give_back(self, want: Want, reference: str) -> Got | NoneLeft | Unreached:
        """Cancel an order without a number; if it has got one meanwhile, that is refused, and here it is."""
        until = self._clock() + GIVING_BACK
        said = await self._cancel(reference)
        if isinstance(said, Said) and (said.good is not None or _unknown(said)):
            return NoneLeft("there was no number in time")
        outcome = _outcome(want, reference, await self._status(reference, until))
        return outcome or Unreached(f"there was no number in time, and the order stays: {said.why}")

    # What came

    async def news(self, held: Sequence[Activation], now: int) -> Sequence[News]:
        """What came to each. Those that waited longest are looked at first, as far as the rate allows."""
        self._forget_news(now)
        until = self._clock() + NEWS
        turns = asyncio.Semaphore(IN_FLIGHT)
        found: dict[str, News] = {}

        async def look(one: Activation) -> None:
            async with turns:
                news = await self._look(one, now, until)
            if news is not None:
                found[one.reference] = news

        due = sorted((one for one in held if self._is_due(one, now)), key=self._last)
        await asyncio.gather(*map(look, due))
        return [found.get(one.reference, self._known(one)) for one in held]

    async def _look(self, one: Activation, now: int, until: int) -> News | None:
        """What the order says; None if there was no time to ask."""
        said = await self._line.look("/orderstatus", {"orderId": one.reference}, until, once=True)
        if isinstance(said, Silence) and said.why == TOO_LATE:
            return None
        known = self._looked.setdefault(one.reference, _Looked(now))
        known.at = now
        data = _data(said)
        if not isinstance(data, dict):
            return Gone(said.why) if _unknown(said) else Unreached(said.why)
        status = read_status(data)
        texts = read_texts(status, one.reference, one.since, now)
        if texts:
            known.texts = texts
            return texts
        if status.error or status.expired:
            return Gone(status.error or "the rental is over")
        return known.texts

    def _is_due(self, one: Activation, now: int) -> bool:
        looked = self._looked.get(one.reference)
        if looked is None or looked.at > now:
            return True
        age = now - one.since
        pause = EVERY if age < FRESH else LATER_EVERY if age < YOUNG or not one.rental else OLD_EVERY
        # A look that comes a little early is still one.
        return now - looked.at >= pause - EVERY // 10

    def _last(self, one: Activation) -> int:
        looked = self._looked.get(one.reference)
        return -1 if looked is None else looked.at

    def _known(self, one: Activation) -> Sequence[Text]:
        looked = self._looked.get(one.reference)
        return () if looked is None else looked.texts

    def _forget_news(self, now: int) -> None:
        old = [reference for reference, looked in self._looked.items() if now - looked.at > _NEWS_KEPT]
        for reference in old:
            del self._looked[reference]

    # Giving back

    async def finish(self, activation: Activation, used: bool) -> Unreached | None:
        """Cancel a number that brought nothing; one that was used is over by itself."""
        if used:
            return None
        said = await self._cancel(activation.reference)
        if isinstance(said, Silence):
            return Unreached(said.why)
        if said.good is not None or _unknown(said):
            return None
        if activation.rental and said.stated and said.why not in FAULTS:
            return None  # it is too late for that, and will not get earlier
        status = await self._status(activation.reference, self._clock() + GIVING_BACK)
        if isinstance(status, Status) and (status.code or status.error or status.expired):
            return None
        return Unreached(said.why)

    async def close(self) -> None:
        """Nothing is held open here."""

    async def _cancel(self, reference: str) -> Said | Silence:
        """Cancel an order. It changes something, so it is not repeated here."""
        until = self._clock() + GIVING_BACK
        return await self._line.look("/cancelorder", {"orderId": reference}, until, once=True)

    async def _status(self, reference: str, until: int) -> Status | Unreached:
        said = await self._line.look("/orderstatus", {"orderId": reference}, until, once=True)
        data = _data(said)
        return read_status(data) if isinstance(data, dict) else Unreached(said.why)


def _outcome(want: Want, reference: str, status: Status | Unreached) -> Got | NoneLeft | None:
    """What came of an order, if its status says so."""
    if isinstance(status, Unreached):
        return None
    if status.error:
        return NoneLeft(status.error)
    if status.number is None:
        return None
    told = status.pool if status.pool is not None else ANY
    return Got(reference, status.number, told if want.pool == ANY else want.pool)


def _body(want: Want) -> dict[str, object]:
    """The order for a number, from the prepaid balance."""
    body: dict[str, object] = {"country": want.pool, "service": want.service, "immediate": True}
    if want.weeks:
        body["isRental"] = True
    if want.handset:
        body["realphone"] = True
    return body


def _name(want: Want, bought: _Bought) -> str:
    """What makes an order the same when it is asked for again; one after a failed one is another."""
    return f"n{want.key}" + (f".{bought.tries}" if bought.tries else "")


def _data(said: Said | Silence) -> Any:
    """What was asked for; None if it was not told."""
    return said.good.data if isinstance(said, Said) and said.good is not None else None


def _unknown(said: Said | Silence) -> bool:
    """Whether the server itself says that there is no such order."""
    return isinstance(said, Said) and said.status == 404 and said.stated
