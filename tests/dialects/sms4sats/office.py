"""A server with a scripted shop, called through the dialect's doors as `web` calls them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ulak.core.errors import StoreUnavailable
from ulak.core.ledger import SAT
from ulak.core.purchases import Denied, Incoming, Purchase, Sold, Tariff, Wish
from ulak.core.states import PurchaseKind, PurchaseState
from ulak.dialects.door import Call, Reply
from ulak.dialects.sms4sats.serve import Doors
from ulak.service import accounts, credits
from ulak.service.accounts import digest
from ulak.service.prices import Prices
from ulak.store import accounts as account_store
from ulak.store import prices, purchases
from ulak.store.engine import Tx

ADDRESS = "192.0.2.7"
ORDER = "5d1e" * 16
"""The order that the shop sells, and the one that tests put into the store."""

PAYREQ = "lnbcrt15u1invoice"
PREIMAGE = "00ff" * 16

SENT = 1666613406969
"""When the last thing happened to the order: the time in the seed."""

SAMPLE_PRICES = {Tariff.RECEIVE: 1500, Tariff.SEND: 3000, Tariff.RENT: 15000, Tariff.HANDSET: 4000}
"""Those of the documents."""

_STRING_OR_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \n]+')


def compact(text: str) -> str:
    """A JSON text without the white space between its tokens; nothing else is changed."""
    return _STRING_OR_SPACE.sub(lambda found: found[1] or "", text)


class ScriptedShop:
    """Sells everything that it is not told to refuse, and remembers it."""

    def __init__(self) -> None:
        self.wishes: list[tuple[Wish, int | None, str]] = []
        self.cancelled: list[str] = []
        self.denied: Denied | None = None
        self.stocks: dict[int, dict[str, int]] = {
            22: {"dr": 7, "tg": 120, "zz": 3},
            187: {"ot": 5},
            999: {"dr": 7, "tg": 120, "ot": 5, "zz": 3},
        }
        self.where = frozenset({187, 22, 12, 300})
        self.rented: dict[str, frozenset[int]] = {"full": frozenset({12, 43, 300}), "fb": frozenset({43})}
        self.tried = {"none"}

    async def buy(self, wish: Wish, account_id: int | None, caller: str) -> Sold | Denied:
        if self.denied is not None:
            return self.denied
        self.wishes.append((wish, account_id, caller))
        return Sold(ORDER, None if wish.prepaid else PAYREQ)

    async def cancel(self, public_id: str) -> Denied | None:
        if self.denied is None:
            self.cancelled.append(public_id)
        return self.denied

    async def stock(self, pool: int) -> Mapping[str, int]:
        return self.stocks.get(pool, {})

    async def unlisted(self, service: str) -> bool:
        return service in self.tried

    async def pools(self) -> frozenset[int]:
        return self.where

    async def rentals(self, service: str) -> frozenset[int]:
        return self.rented.get(service, frozenset())

    def preimage(self, purchase: Purchase) -> str:
        return PREIMAGE if purchase.preimage else ""


def bought(
    kind: PurchaseKind = PurchaseKind.CODE, state: PurchaseState = PurchaseState.DONE, **other: Any
) -> Purchase:
    """A purchase as it is stored: by default the order of the seed."""
    unpaid = state in (PurchaseState.UNPAID, PurchaseState.EXPIRED, PurchaseState.WITHDRAWN)
    has_number = kind in (PurchaseKind.CODE, PurchaseKind.RENTAL) and not unpaid
    has_number = has_number and state not in (PurchaseState.PAID, PurchaseState.NO_NUMBER)
    row = Purchase(
        id=0,
        public_id=ORDER,
        account_id=1,
        dialect="sms4sats",
        kind=kind,
        state=state,
        price=1500,
        created=SENT - 60_000,
        changed=SENT,
        payreq=PAYREQ,
        service="dr" if kind in (PurchaseKind.CODE, PurchaseKind.RENTAL) else "",
        pool=22,
        weeks=2 if kind is PurchaseKind.RENTAL else 0,
        carrier_id=1 if has_number else None,
        reference="1125699791" if has_number else None,
        number=12345678901 if has_number else None,
        code="48010" if has_number and kind is PurchaseKind.CODE else None,
        paid=None if unpaid else SENT - 30_000,
        assigned=SENT - 20_000 if has_number else None,
    )
    return replace(row, **other)


@dataclass(frozen=True)
class Customer:
    """An account and its key."""

    id: int
    key: str


class Office:
    """The doors, the shop and the store behind them."""

    def __init__(self, books: Any, *, shop: Any = None, prices: Prices | None = None, **options: Any) -> None:
        self.books = books
        self.shop = ScriptedShop()
        self.refused_urls: set[str] = {"https://10.0.0.1/hook"}
        self.prices = prices or Prices(SAMPLE_PRICES)
        settings: dict[str, Any] = {"clock": books.clock, "limit": 1000} | options
        self.doors = Doors(books, shop or self.shop, self.prices, check_url=self._check_url, **settings)

    def _check_url(self, url: str) -> None:
        if url in self.refused_urls:
            raise ValueError("a private address")

    async def call(
        self,
        path: str,
        body: bytes | Any = b"",
        *,
        method: str = "",
        key: str = "",
        query: Mapping[str, str] | bytes = b"",
        address: str = ADDRESS,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> Reply:
        """One HTTP request; POST if there is a body. Something else than bytes is sent as JSON."""
        plain, _, behind = path.partition("?")
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = query if isinstance(query, bytes) else urlencode(query).encode()
        keys = ((b"x-api-key", key.encode()),) if key else ()
        call = Call(
            method or ("POST" if sent else "GET"),
            plain,
            asked or behind.encode(),
            keys + headers,
            sent,
            address,
        )
        reply = await self.doors.answer(call)
        assert (b"access-control-allow-origin", b"*") in reply.headers
        return reply

    async def ask(self, path: str, body: Any = b"", **other: Any) -> Any:
        """What is answered, read; it has to be a success."""
        reply = await self.call(path, body, **other)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    async def customer(self, name: str = "Alice", credit: int = 0, **settings: str) -> Customer:
        """A new account with a key for this dialect."""
        key = f"key-of-{name}"

        def create(tx: Tx) -> Customer:
            made = accounts.create(tx, name)
            accounts.configure(tx, name, settings)
            account_store.add_credential(tx, made.account.id, "sms4sats", digest(key), digest(""))
            if credit:
                credits.grant(tx, name, credit, SAT)
            return Customer(made.account.id, key)

        customer: Customer = await self.books.write(create)
        return customer

    async def load(self, purchase: Purchase, texts: tuple[Incoming, ...] = ()) -> int:
        """Put an order into the store, and the messages that came to its number."""

        def keep(tx: Tx) -> int:
            purchase_id = purchases.insert(tx, purchase)
            for place, one in enumerate(texts):
                assert purchases.add_incoming(tx, purchase_id, 1, purchase.number or 0, place, one)
            return purchase_id

        purchase_id: int = await self.books.write(keep)
        return purchase_id

    async def move(self, before: Purchase, after: Purchase) -> None:
        """Change an order that was put there."""
        assert await self.books.write(lambda tx: purchases.save(tx, after, before.state))

    async def set_price(
        self, tariff: Tariff, amount: int, pool: int | None = None, service: str = ""
    ) -> None:
        """The operator sets a price."""
        row = prices.Price(tariff, pool, service, amount)
        await self.books.write(lambda tx: prices.put(tx, row))

    async def status(self, order_id: str = ORDER) -> Any:
        """What /orderstatus answers."""
        return await self.ask("/orderstatus", query={"orderId": order_id})


class Away:
    """Books whose database does not answer."""

    def clock(self) -> int:
        return SENT

    async def read(self, _question: Any) -> Any:
        raise StoreUnavailable("away")

    async def write(self, _change: Any) -> Any:
        raise StoreUnavailable("away")
