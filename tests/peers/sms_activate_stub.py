"""A supplier of numbers that speaks the protocol of sms-activate, with stock, money and weather.

Written from the protocol's documentation (`src/ulak/carriers/sms_activate/README.md`), not from our client;
a client of somebody else's is run against it as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

KEY = "stub-key-1"
CANCEL_AFTER = 120_000
"""Within so many ms a number that was sold cannot be given back."""

Query: TypeAlias = Mapping[str, str]

WEATHER: dict[str, tuple[int, str]] = {
    "500": (500, "Internal Server Error"),
    "garbage": (200, "\x00\x01\x02 ok?"),
    "html": (200, "<!DOCTYPE html><html><body>Checking your browser</body></html>"),
    "empty": (200, ""),
    "json": (200, '{"hello": ["world"]}'),
    "redirect": (302, ""),
    "deep": (200, "[" * 5000),
}
"""What is answered in bad weather, whatever was asked. `slow` is no answer at all; any other text is answered
as it is, and an empty one stands for fair weather."""


@dataclass
class Taken:
    """A number that was sold. `state` is that of the protocol's setStatus, 0 at first."""

    reference: str
    number: str
    country: str
    service: str
    since: int
    order: str = ""
    state: int = 0
    rental: bool = False
    came: list[tuple[str, str, str]] = field(default_factory=list)
    """Sender, text and code of each SMS."""


class Refused(Exception):
    """The word that is answered."""


class SmsActivateStub:
    """The supplier. Its stock is `left`; everything that was asked is in `asked`."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.balance = 100.0
        self.left: dict[tuple[str, str], int] = {}
        self.rentable = ["2", "62"]
        self.taken: dict[str, Taken] = {}
        self.asked: list[dict[str, str]] = []
        self.weather: list[str] = []
        self.unknown: set[str] = set()
        self.statuses = False
        self.most_at_once = 0
        self._at_once = 0
        self._next = 635468021
        self._end = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> SmsActivateStub:
        app = web.Application()
        app.router.add_route("*", "/stubs/handler_api.php", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/stubs/handler_api.php"
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._end.set()
        assert self._runner is not None
        await self._runner.cleanup()

    def times(self, action: str) -> int:
        """How often this was asked."""
        return sum(query.get("action") == action for query in self.asked)

    def receive(self, reference: str, text: str, code: str = "", sender: str = "Service") -> None:
        """An SMS comes."""
        self.taken[reference].came.append((sender, text, code))

    async def _serve(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            return await self._answer(query)
        finally:
            self._at_once -= 1

    async def _answer(self, query: Query) -> web.Response:
        weather = self.weather.pop(0) if self.weather else ""
        if weather == "slow":
            await self._end.wait()
        if weather:
            status, body = WEATHER.get(weather, (200, weather))
            headers = {"Location": "/elsewhere"} if status == 302 else {}
            return web.Response(status=status, text=body, headers=headers)
        try:
            said = self._do(query)
        except Refused as refused:
            status = 400 if self.statuses else 200
            return web.Response(status=status, text=str(refused), content_type="text/html")
        return web.Response(
            text=said if isinstance(said, str) else json.dumps(said), content_type="text/html"
        )

    def _do(self, query: Query) -> Any:
        actions: dict[str, Callable[[Query], Any]] = {
            "getBalance": lambda _query: f"ACCESS_BALANCE:{self.balance:.2f}",
            "getNumbersStatus": self._stock,
            "getPrices": self._prices,
            "getCountries": lambda _query: self._countries(),
            "getNumber": self._number,
            "getNumberV2": self._number_v2,
            "getStatus": self._status,
            "getStatusV2": self._status_v2,
            "setStatus": self._set_status,
            "getActiveActivations": lambda _query: self._active(),
            "getRentServicesAndCountries": self._rentals,
            "getRentNumber": self._rent,
            "getRentStatus": self._rent_status,
            "setRentStatus": self._set_rent_status,
        }
        action = query.get("action", "")
        if action not in actions or action in self.unknown:
            raise Refused("BAD_ACTION")
        if query.get("api_key") != KEY:
            raise Refused("BAD_KEY" if query.get("api_key") else "NO_KEY")
        return actions[action](query)

    # The shop.

    def _stock(self, query: Query) -> dict[str, str]:
        country = query.get("country", "2")
        return {
            f"{service}_0": str(count) for (where, service), count in self.left.items() if where == country
        }

    def _prices(self, query: Query) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for (country, service), count in self.left.items():
            if query.get("service", service) == service and query.get("country", country) == country:
                row = {"cost": _cost(country), "count": count, "physicalCount": count}
                found.setdefault(country, {})[service] = row
        return found

    def _countries(self) -> dict[str, dict[str, Any]]:
        shown = {country for country, _ in self.left}
        return {
            country: {
                "id": int(country),
                "eng": f"Country {country}",
                "visible": int(country in shown),
                "retry": 1,
                "rent": int(country in self.rentable),
                "multiService": 0,
            }
            for country in sorted({*shown, "0", "1", "9999"})
        }

    def _number(self, query: Query) -> str:
        taken = self._take(query)
        return f"ACCESS_NUMBER:{taken.reference}:{taken.number}"

    def _number_v2(self, query: Query) -> dict[str, Any]:
        order = query.get("orderId", "")
        if order and any(taken.order == order for taken in self.taken.values()):
            raise Refused("ORDER_ALREADY_EXISTS")
        taken = self._take(query, order)
        return {
            "activationId": int(taken.reference),
            "phoneNumber": taken.number,
            "activationCost": _cost(taken.country),
            "currency": 840,
            "countryCode": taken.country,
            "canGetAnotherSms": "1",
            "activationTime": "2022-06-01 17:30:57",
            "activationOperator": query.get("operator", "any"),
        }

    def _take(self, query: Query, order: str = "") -> Taken:
        country, service = query.get("country", "2"), query.get("service", "")
        if not service.isalnum():
            raise Refused("BAD_SERVICE")
        if "maxPrice" in query and float(query["maxPrice"]) < _cost(country):
            raise Refused(f"WRONG_MAX_PRICE:{_cost(country)}")
        if self.balance < _cost(country):
            raise Refused("NO_BALANCE")
        if not self.left.get((country, service)):
            raise Refused("NO_NUMBERS")
        self.left[country, service] -= 1
        self.balance -= _cost(country)
        return self._new(country, service, order=order)

    def _new(self, country: str, service: str, order: str = "", rental: bool = False) -> Taken:
        self._next += 1
        reference = str(self._next)
        number = f"7958{self._next % 10**7:07}"
        taken = Taken(reference, number, country, service, self.clock(), order, rental=rental)
        self.taken[reference] = taken
        return taken

    # Activations.

    def _one(self, query: Query, rental: bool = False) -> Taken:
        taken = self.taken.get(query.get("id", ""))
        if taken is None or taken.rental != rental:
            raise Refused("INVALID_PHONE" if rental else "NO_ACTIVATION")
        return taken

    def _status(self, query: Query) -> str:
        taken = self._one(query)
        if taken.state in (6, 8):
            return "STATUS_CANCEL"
        codes = [code for _, _, code in taken.came]
        if taken.state == 3:
            return f"STATUS_WAIT_RETRY:{codes[-1]}"
        return f"STATUS_OK:{codes[-1]}" if codes else "STATUS_WAIT_CODE"

    def _status_v2(self, query: Query) -> Any:
        taken = self._one(query)
        if taken.state in (6, 8):
            return "STATUS_CANCEL"
        sms = None
        if taken.came:
            _, text, code = taken.came[-1]
            sms = {"dateTime": "2022-06-01 17:31:20", "code": code, "text": text}
        return {"verificationType": 0, "sms": sms, "call": None}

    def _set_status(self, query: Query) -> str:
        taken, state = self._one(query), query.get("status")
        if state not in ("1", "3", "6", "8") or taken.state in (6, 8):
            raise Refused("BAD_STATUS")
        if state == "8" and self.clock() - taken.since < CANCEL_AFTER:
            raise Refused("EARLY_CANCEL_DENIED")
        if state in ("3", "6") and not taken.came:
            raise Refused("BAD_STATUS")
        taken.state = int(state)
        return {
            "1": "ACCESS_READY",
            "3": "ACCESS_RETRY_GET",
            "6": "ACCESS_ACTIVATION",
            "8": "ACCESS_CANCEL",
        }[state]

    def _active(self) -> dict[str, Any]:
        rows = [taken for taken in self.taken.values() if not taken.rental and taken.state not in (6, 8)]
        if not rows:
            raise Refused("NO_ACTIVATIONS")
        return {"status": "success", "activeActivations": [_row(taken) for taken in rows]}

    # Rentals.

    def _rentals(self, query: Query) -> dict[str, Any]:
        if not self.rentable:
            raise Refused("OUT_OF_STOCK")
        return {
            "countries": {str(place): int(country) for place, country in enumerate(self.rentable)},
            "operators": {"0": "any"},
            "services": {"full": {"cost": 42.93, "quant": 20}, "tg": {"cost": 21.95, "quant": 20}},
            "currency": int(query.get("currency", "840")),
        }

    def _rent(self, query: Query) -> dict[str, Any]:
        country = query.get("country", "2")
        if country not in self.rentable:
            return {"status": "error", "message": "NO_NUMBERS"}
        taken = self._new(country, query.get("service", ""), rental=True)
        phone = {"id": int(taken.reference), "endDate": "2022-06-15T17:30:57", "number": taken.number}
        return {"status": "success", "phone": phone}

    def _rent_status(self, query: Query) -> dict[str, Any]:
        try:
            taken = self._one(query, rental=True)
        except Refused as refused:
            return {"status": "error", "message": str(refused)}
        if taken.state or not taken.came:
            words = {0: "STATUS_WAIT_CODE", 1: "STATUS_FINISH", 2: "STATUS_CANCEL"}
            return {"status": "error", "message": words[taken.state]}
        newest_first = [
            {"phoneFrom": sender, "text": text, "service": "ot", "date": f"2020-01-30 14:{place:02}:58"}
            for place, (sender, text, _) in enumerate(taken.came)
        ][::-1]
        values = {str(place): row for place, row in enumerate(newest_first)}
        return {"status": "success", "quantity": str(len(values)), "values": values}

    def _set_rent_status(self, query: Query) -> dict[str, str]:
        taken, state = self._one(query, rental=True), query.get("status", "")
        said = ""
        if state not in ("1", "2"):
            said = "INCORECT_STATUS"
        elif taken.state:
            said = "ALREADY_FINISH" if taken.state == 1 else "ALREADY_CANCEL"
        elif state == "2" and self.clock() - taken.since > 20 * 60_000:
            said = "CANT_CANCEL"
        if said:
            return {"status": "error", "message": said}
        taken.state = int(state)
        return {"status": "success"}


def _cost(country: str) -> float:
    """Every country has its price."""
    return 10.0 + int(country) / 10


def _row(taken: Taken) -> dict[str, Any]:
    _, text, _ = taken.came[-1] if taken.came else ("", None, "")
    return {
        "activationId": taken.reference,
        "serviceCode": taken.service,
        "phoneNumber": taken.number,
        "activationCost": _cost(taken.country),
        "activationStatus": "2" if taken.came else "4",
        "smsCode": [code for _, _, code in taken.came] or None,
        "smsText": text,
        "activationTime": "2022-06-01 16:59:16",
        "discount": "0.00",
        "repeated": "0",
        "countryCode": taken.country,
        "countryName": f"Country {taken.country}",
        "canGetAnotherSms": "1",
        "currency": 840,
    }
