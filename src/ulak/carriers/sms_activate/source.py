"""A source of numbers at a supplier that speaks the protocol of sms-activate.

It keeps nothing but what it has learned of the supplier: which of the newer requests that does not know. All
requests are looked at again, or repeated by whoever asked; here nothing is sent twice, because a purchase
whose answer never came may have been made. For whom a number was rented is written down, so that nobody who
goes on with it rents another one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlencode, urlsplit

import msgspec
import structlog

from ulak.carriers.sms_activate.reading import (
    Data,
    Row,
    Said,
    Word,
    read_active,
    read_answer,
    read_balance,
    read_countries,
    read_full,
    read_prices,
    read_rentals,
    read_rented,
    read_sold,
    read_stock,
    text_of,
)
from ulak.carriers.sms_activate.settings import Supplier
from ulak.carriers.sms_activate.settings import check_settings as check_settings
from ulak.core.errors import StoreUnavailable
from ulak.core.journal import Journal
from ulak.core.numbers import RENTAL_WEEKS, Activation, Gone, Got, News, NoneLeft, Text, Unreached, Want
from ulak.core.pools import ANY
from ulak.outbound import Answer, Outbound, OutboundError

PATIENCE = 25.0
"""Seconds for all news that are asked for at once."""

FEW = 3
"""Up to so many numbers are asked for one by one."""

IN_FLIGHT = 8
"""Requests at a time."""

COUNTRIES_TRIED = 3
"""Of so many countries a number is tried to be had if any will do."""

HOURS = 7 * 24
"""Hours of a week, in which rentals are counted."""

ANSWER_MAX = 16 * 1024 * 1024
"""Bytes that are read of an answer: a large supplier's prices of everything."""

LOST = "whether the number was rented is not known, and it must not be rented twice"
"""A rental is charged at once and for weeks; a number for a code costs nothing until one comes."""

DONE, CANCELLED = "6", "8"
RENTAL_DONE, RENTAL_CANCELLED = "1", "2"
"""What a number's state can be set to."""

_UNKNOWN = ("BAD_ACTION", "NO_ACTION", "WRONG_ACTION", "INVALID_ACTION")
_OPTIONAL = ("getNumberV2", "getStatusV2", "getActiveActivations", "getCountries")
_ILL = ("ERROR_SQL", "SQL_ERROR", "SERVER_ERROR", "NO_CONNECTION", "ERROR")
_ALARMING = ("NO_BALANCE", "BAD_KEY", "NO_KEY", "BANNED", "ACCOUNT_INACTIVE", "CHANNELS_LIMIT")
_OVER = ("STATUS_CANCEL", "NO_ACTIVATION", "WRONG_ACTIVATION_ID")
_SETTLED = ("BAD_STATUS", "ALREADY_CANCEL", *_OVER)
_RENTAL_OVER = ("STATUS_FINISH", "STATUS_CANCEL", "STATUS_REVOKE", "INVALID_PHONE", "NO_ID_RENT")
_RENTAL_DONE = ("ALREADY_FINISH", "ALREADY_CANCEL", *_RENTAL_OVER)

_read_got = msgspec.json.Decoder(tuple[str, int, int]).decode

log = structlog.get_logger("ulak.sms_activate")


class SmsActivateSource:
    """`ulak.core.numbers.NumberSource` at a supplier."""

    def __init__(self, settings: Mapping[str, str], outbound: Outbound, journal: Journal) -> None:
        """`outbound` is not closed here. `journal` keeps the purchases for which numbers were rented.

        Raises:
            ValueError: the settings are none.
        """
        self._to = check_settings(settings)
        self._line = _Line(self._to, outbound)
        self._journal = journal

    def unlisted(self, service: str) -> bool:
        """Never: the supplier knows what it has."""
        del service
        return False

    @property
    def every(self) -> int:
        """As the settings say."""
        return int(self._to.every * 1000)

    async def pools(self) -> Collection[int] | Unreached:
        """The countries that the supplier shows; without such a list, those that it has prices for."""
        said = await self._line.ask("getCountries")
        if isinstance(said, Data):
            return read_countries(said, "visible")
        if isinstance(said, Word) and said.name in _UNKNOWN:
            prices = await self._prices()
            return prices if isinstance(prices, Unreached) else [pool for pool in prices if prices[pool]]
        return _silence(said)

    async def rentals(self, service: str) -> Collection[int] | Unreached:
        """The countries with rentals. For which services is told by country only, so it is not looked at."""
        del service
        said = await self._line.ask("getRentServicesAndCountries", rent_time=RENTAL_WEEKS * HOURS)
        if isinstance(said, Data):
            return read_rentals(said)
        if isinstance(said, Word) and said.name in (*_UNKNOWN, "OUT_OF_STOCK", "NO_NUMBERS"):
            return []
        return _silence(said)

    async def stock(self, pool: int) -> Mapping[str, int] | Unreached:
        """What the supplier counts; with `ANY`, all that it has prices for."""
        if pool == ANY:
            return await self._stock_everywhere()
        said = await self._line.ask("getNumbersStatus", country=pool, operator=self._to.operator)
        if isinstance(said, Data):
            return read_stock(said)
        return {} if isinstance(said, Word) and said.name == "NO_NUMBERS" else _silence(said)

    async def _stock_everywhere(self) -> Mapping[str, int] | Unreached:
        prices = await self._prices()
        if isinstance(prices, Unreached):
            return prices
        left: dict[str, int] = {}
        for services in prices.values():
            for service, count in services.items():
                left[service] = left.get(service, 0) + count
        return left

    async def _prices(self, service: str = "") -> dict[int, dict[str, int]] | Unreached:
        """What is left at a price that may be paid, by country and service."""
        said = await self._line.ask("getPrices", service=service)
        return read_prices(said, self._to.max_price) if isinstance(said, Data) else _silence(said)

    async def buy(self, want: Want) -> Got | NoneLeft | Unreached:
        """Take a number; where any country will do, one of those with the most."""
        if want.handset and not self._to.handsets:
            return NoneLeft("the supplier does not promise a number in a handset")
        pools = [want.pool] if want.pool != ANY else await self._likely(want)
        if isinstance(pools, Unreached):
            return pools
        return await (self._rent_once(want, pools) if want.weeks else self._buy_in(want, pools))

    async def _rent_once(self, want: Want, pools: Sequence[int]) -> Got | NoneLeft | Unreached:
        """Rent a number, unless another process has, or may have."""
        key = f"rental {want.key}"
        try:
            known = await self._journal.begin(key)
        except StoreUnavailable as error:
            return Unreached(f"what is rented cannot be written down: {error}")
        if known is not None:
            return NoneLeft(LOST) if known.answer is None else Got(*_read_got(known.answer))
        answer = await self._buy_in(want, pools)
        # What is not written down now is not known to others, who then rent none.
        with contextlib.suppress(StoreUnavailable):
            if isinstance(answer, Got):
                got = (answer.reference, answer.number, answer.pool)
                await self._journal.finish(key, msgspec.json.encode(got))
            elif answer.why != LOST:
                await self._journal.forget(key)
        return answer

    async def _buy_in(self, want: Want, pools: Sequence[int]) -> Got | NoneLeft | Unreached:
        answer: Got | NoneLeft | Unreached = NoneLeft("NO_NUMBERS")
        for pool in pools:
            answer = await self._buy(want, pool)
            if not isinstance(answer, NoneLeft) or answer.why in (*_ALARMING, LOST):
                break
        return answer

    async def _likely(self, want: Want) -> list[int] | Unreached:
        """The countries in which a number is most likely to be had, the best first."""
        if want.weeks:
            found = await self.rentals(want.service)
            return found if isinstance(found, Unreached) else list(found)[:COUNTRIES_TRIED]
        prices = await self._prices(want.service)
        if isinstance(prices, Unreached):
            return prices
        counts = {pool: services.get(want.service, 0) for pool, services in prices.items()}
        best = sorted(counts, key=lambda pool: -counts[pool])[:COUNTRIES_TRIED]
        return [pool for pool in best if counts[pool]]

    async def _buy(self, want: Want, pool: int) -> Got | NoneLeft | Unreached:
        said = await (self._rent(want, pool) if want.weeks else self._take(want, pool))
        sold = None if isinstance(said, Unreached) else read_sold(said)
        if sold is not None:
            return Got(sold.reference, sold.number, pool if sold.pool is None else sold.pool)
        if not isinstance(said, Word) or said.name == "ACCESS_NUMBER":
            return self._lost(want, said)
        if said.name in _ALARMING:
            log.warning("numbers.refused", supplier=self._line.host, said=said.name)
        return Unreached(said.name) if said.name in _ILL else NoneLeft(said.name)

    def _lost(self, want: Want, said: Said | Unreached) -> NoneLeft | Unreached:
        """There is no answer to a purchase, or one without the number."""
        if want.weeks and not isinstance(said, _Unsent):
            log.warning("numbers.answer_lost", supplier=self._line.host, purchase=want.key)
            return NoneLeft(LOST)
        return said if isinstance(said, Unreached) else Unreached("the answer lacks the number")

    async def _take(self, want: Want, pool: int) -> Said | Unreached:
        to = self._to
        asked: dict[str, object] = {"service": want.service, "country": pool, "operator": to.operator}
        asked |= {"ref": to.ref, "maxPrice": to.max_price}
        order = f"{to.order_prefix}{want.key}" if to.order_prefix else ""
        said = await self._line.ask("getNumberV2", **asked, orderId=order)
        if isinstance(said, Word) and said.name in _UNKNOWN:
            return await self._line.ask("getNumber", **asked)
        return said

    async def _rent(self, want: Want, pool: int) -> Said | Unreached:
        return await self._line.ask(
            "getRentNumber",
            service=want.service,
            country=pool,
            rent_time=want.weeks * HOURS,
            operator=self._to.operator,
        )

    async def news(self, held: Sequence[Activation], now: int) -> Sequence[News]:
        """What came, by one request for all if the supplier knows it; who is missing in that is asked for."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        turns = asyncio.Semaphore(IN_FLIGHT)
        rows = await self._active([one for one in held if not one.rental])
        if isinstance(rows, Unreached):
            return [rows for _ in held]

        async def news_of(one: Activation) -> News:
            row = rows.get(one.reference)
            if row is not None and not one.rental:
                return _listed(one, row, now)
            async with turns:
                left = until - loop.time()
                if left <= 0:
                    return Unreached("there was no time left to ask")
                look = self._look_rental if one.rental else self._look
                return await look(one, now, min(left, self._to.timeout))

        return await asyncio.gather(*map(news_of, held))

    async def _active(self, held: Sequence[Activation]) -> Mapping[str, Row] | Unreached:
        """What the list of all numbers in use says of them; nothing where it is not worth asking for."""
        if len(held) <= FEW:
            return {}
        said = await self._line.ask("getActiveActivations")
        if isinstance(said, Data):
            return read_active(said)
        unwell = isinstance(said, Unreached) or said.name in (*_ILL, *_ALARMING)
        return _silence(said) if unwell else {}

    async def _look(self, one: Activation, now: int, timeout: float) -> News:
        said = await self._line.ask("getStatus", timeout, id=one.reference)
        if not isinstance(said, Word):
            return _silence(said)
        if said.name == "STATUS_OK":
            return await self._received(one, said.rest, now, timeout)
        if said.name.startswith("STATUS_WAIT"):
            return [text_of(one.reference, said.rest, "", now)] if said.rest else []
        return Gone(said.name) if said.name in _OVER else Unreached(said.name)

    async def _received(self, one: Activation, code: str, now: int, timeout: float) -> list[Text]:
        """The SMS with this code, as a whole if the supplier tells it."""
        full = await self._line.ask("getStatusV2", timeout, id=one.reference)
        told, text = ("", "") if isinstance(full, Unreached) else read_full(full)
        if not (code or told):
            return [text_of(one.reference, text, "", now)] if text else []
        return [text_of(one.reference, code or told, text, now)]

    async def _look_rental(self, one: Activation, now: int, timeout: float) -> News:
        said = await self._line.ask("getRentStatus", timeout, id=one.reference, size=100)
        if isinstance(said, Data):
            return read_rented(said, one.reference, now)
        if isinstance(said, Word) and said.name == "STATUS_WAIT_CODE":
            return []
        if isinstance(said, Word) and said.name in _RENTAL_OVER:
            return Gone(said.name)
        return _silence(said)

    async def finish(self, activation: Activation, used: bool) -> Unreached | None:
        """Suppliers take a number back only some minutes after they sold it: that is tried again later."""
        if activation.rental:
            return await self._finish_rental(activation.reference, used)
        state = DONE if used else CANCELLED
        said = await self._line.ask("setStatus", id=activation.reference, status=state)
        if isinstance(said, Word) and (said.name.startswith("ACCESS_") or said.name in _SETTLED):
            return None
        return None if _is_success(said) else _silence(said)

    async def _finish_rental(self, reference: str, used: bool) -> Unreached | None:
        state = RENTAL_DONE if used else RENTAL_CANCELLED
        said = await self._line.ask("setRentStatus", id=reference, status=state)
        if isinstance(said, Word) and said.name == "CANT_CANCEL":
            # It is too late for the money. What is left to do is to end it.
            said = await self._line.ask("setRentStatus", id=reference, status=RENTAL_DONE)
        if isinstance(said, Word) and said.name in (*_RENTAL_DONE, "CANT_CANCEL"):
            return None
        return None if _is_success(said) else _silence(said)

    async def close(self) -> None:
        """Nothing of its own is open."""


class _Unsent(Unreached):
    """The request did not leave, so nothing was done."""


class _Line:
    """Asks, and remembers which of the newer requests the supplier does not know."""

    def __init__(self, to: Supplier, outbound: Outbound) -> None:
        self._to = to
        self._outbound = outbound
        self._unknown: set[str] = set()
        self.host = urlsplit(to.url).hostname or ""

    async def ask(self, action: str, timeout: float | None = None, /, **params: object) -> Said | Unreached:
        """One request. Parameters that are empty are left out."""
        if action in self._unknown:
            return Word(_UNKNOWN[0])
        given = {name: value for name, value in params.items() if value != ""}
        query = urlencode({"api_key": self._to.apikey, "action": action, **given})
        try:
            answer = await self._outbound.request(
                "GET",
                f"{self._to.url}?{query}",
                timeout=timeout or self._to.timeout,
                limit=ANSWER_MAX,
                guard=False,
            )
        except OutboundError as error:
            return Unreached(str(error)) if error.sent else _Unsent(str(error))
        said = _said(answer)
        if isinstance(said, Word) and said.name in _UNKNOWN and action in _OPTIONAL:
            self._unknown.add(action)
        return said


def _said(answer: Answer) -> Said | Unreached:
    """What an answer says, if it is one of the protocol's. A refusal may have a status of its own."""
    said = read_answer(answer.body)
    served = 200 <= answer.status < 300
    if said is None or not (served or (isinstance(said, Word) and 400 <= answer.status < 500)):
        return Unreached(
            "the answer makes no sense" if served else f"the answer has the status {answer.status}"
        )
    return said


def _is_success(said: Said | Unreached) -> bool:
    return isinstance(said, Data) and isinstance(said.value, dict) and said.value.get("status") == "success"


def _silence(said: Said | Unreached) -> Unreached:
    """An answer that does not answer what was asked."""
    if isinstance(said, Unreached):
        return said
    return Unreached(said.name if isinstance(said, Word) else "the answer is not what was asked for")


def _listed(one: Activation, row: Row, now: int) -> list[Text]:
    """What the list of all numbers says of one."""
    if not row.codes:
        return [text_of(one.reference, row.text, "", now)] if row.text else []
    return [text_of(one.reference, code, row.text, now) for code in row.codes]


async def probe(settings: Mapping[str, str], outbound: Outbound | None = None) -> str:
    """Ask for the balance, as `ulak carrier test` does; a sentence about the account.

    Raises:
        OSError: the supplier does not answer, or not to this key.
    """
    to = check_settings(settings)
    way = outbound or Outbound()
    try:
        said = await _Line(to, way).ask("getBalance")
    finally:
        if outbound is None:
            await way.close()
    if isinstance(said, Unreached):
        raise ConnectionError(said.why)
    balance = read_balance(said)
    if balance is None:
        raise ConnectionError(f"the supplier says: {_silence(said).why}")
    return f"there are {balance} in the account"
