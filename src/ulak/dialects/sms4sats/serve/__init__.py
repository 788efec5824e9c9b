"""The doors: every path that no other dialect owns is answered here, in the envelope of sms4sats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from ulak.core.addresses import network_of
from ulak.core.errors import OutcomeUnknown, StoreUnavailable
from ulak.core.times import Clock
from ulak.dialects.door import Books, Call, Reply, Route, Trouble
from ulak.dialects.sms4sats import wire
from ulak.dialects.sms4sats.forms import Invalid
from ulak.dialects.sms4sats.serve.catalogue import Catalogue
from ulak.dialects.sms4sats.serve.orders import CheckUrl, Orders
from ulak.dialects.sms4sats.serve.prepaid import Prepaid
from ulak.dialects.sms4sats.serve.visit import CORS, DIALECT, Gate, Refused, Shop, Voice, answered
from ulak.dialects.sms4sats.texts import Reason
from ulak.service.guard import Guard, no_guard
from ulak.service.limits import Counts, Limit
from ulak.service.prices import Prices

__all__ = ["DIALECT", "Doors"]

SPAN = 1_000
"""The time in which an address may ask so many times, ms."""

Door = Callable[[Call], Awaitable[Reply]]

_PREFLIGHT = Reply(
    204,
    b"",
    headers=(
        CORS,
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", b"Content-Type, X-API-Key"),
        (b"access-control-max-age", b"86400"),
    ),
)
_ALIVE = answered(wire.Done())
_ALIVE_METHODS = ("GET", "HEAD")


class Doors:
    """Answers everything that nobody else does."""

    def __init__(
        self,
        books: Books,
        shop: Shop,
        prices: Prices,
        *,
        check_url: CheckUrl,
        clock: Clock,
        limit: int = 20,
        errors_as_500: bool = False,
        guard: Guard | None = None,
        shared: Counts | None = None,
    ) -> None:
        """`check_url` raises ValueError for a `webhookUrl` that nobody may be told at. An address may ask
        `limit` times a second of `clock`, the machine's, which is counted in `shared` if there is one.
        `errors_as_500`: errors have the one status that is documented. `guard` slows those who guess.
        """
        self._clock = clock
        self._limit = Limit(DIALECT, limit, SPAN, shared)
        self._voice = Voice(errors_as_500)
        gate = Gate(books, guard or no_guard())
        orders = Orders(books, shop, self._voice, gate, check_url)
        catalogue = Catalogue(books, shop, prices)
        prepaid = Prepaid(gate, shop, orders)
        self._doors: dict[str, dict[str, Door]] = {
            "/orderstatus": {"GET": orders.status},
            "/getCountries": {"GET": catalogue.countries},
            "/getnumbersstatus": {"GET": catalogue.numbers},
            "/getServices": {"GET": catalogue.services},
            "/getRentalCountries": {"GET": catalogue.rental_countries},
            "/price": {"GET": catalogue.price},
            "/getPrice": {"GET": catalogue.price_first},
            "/createorder": {"POST": orders.receive},
            "/createsendorder": {"POST": orders.send},
            "/cancelorder": {"GET": orders.cancel, "POST": orders.cancel_posted},
            "/fund": {"POST": prepaid.fund},
            "/balance": {"GET": prepaid.balance},
            "/history": {"GET": prepaid.history},
        }

    @property
    def routes(self) -> list[Route]:
        """All that is answered here, but for OPTIONS, which every path has."""
        doors = [Route(method, path) for path, methods in self._doors.items() for method in methods]
        return [*(Route(method, "/") for method in _ALIVE_METHODS), *doors]

    def operation(self, path: str) -> str:
        """A word for what a path is for, one of few."""
        return path[1:] or "alive" if path in self._doors or path == "/" else "unknown"

    async def answer(self, call: Call) -> Reply:
        """Carry out a call."""
        if call.method == "OPTIONS":
            return _PREFLIGHT
        if call.path == "/" and call.method in _ALIVE_METHODS:
            return _ALIVE
        rate = await self._limit.ask(network_of(call.address), self._clock())
        if not rate.allowed:
            return self._voice.refusal(Reason.TOO_MANY, max(1, rate.wait))
        try:
            return await self._door(call)(call)
        except Refused as refused:
            return self._voice.refusal(refused.reason, refused.wait)
        except Invalid as invalid:
            return self._voice.refusal(invalid.reason)
        except _NoMethod as error:
            return self._voice.refusal(Reason.NO_SUCH_METHOD, 0, ((b"allow", error.allow),))
        except OutcomeUnknown:
            raise  # It may have been done: 503 would say that it was not.
        except StoreUnavailable:
            return self._voice.refusal(Reason.UNAVAILABLE, 1)

    def trouble(self, call: Call, what: Trouble) -> Reply:
        """The envelope for a call that could not be carried out."""
        del call
        wait = 1 if what is Trouble.OVERLOADED else 0
        return self._voice.refusal(_TROUBLES[what], wait)

    def _door(self, call: Call) -> Door:
        """Who answers this path and method."""
        methods = self._doors.get(call.path)
        if methods is None:
            if call.path == "/":
                raise _NoMethod(_ALIVE_METHODS)
            raise Refused(Reason.NO_SUCH_PATH)
        door = methods.get(call.method)
        if door is None:
            raise _NoMethod(methods)
        return door


class _NoMethod(Exception):
    """The path is not called with this method."""

    def __init__(self, methods: Iterable[str]) -> None:
        super().__init__(methods)
        self.allow = ", ".join((*methods, "OPTIONS")).encode()


_TROUBLES = {
    Trouble.BODY_TOO_LARGE: Reason.TOO_LARGE,
    Trouble.BODY_INCOMPLETE: Reason.UNREADABLE,
    Trouble.OVERLOADED: Reason.UNAVAILABLE,
    Trouble.CRASHED: Reason.BACKEND,
}
