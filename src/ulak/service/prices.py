"""What things cost, and that a price which was shown holds for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from ulak.core.pools import ANY
from ulak.core.purchases import QUOTE_HOLDS, Tariff
from ulak.store import prices as store
from ulak.store.engine import Tx

SATS_MAX = 9_999_999
"""The most that anything costs."""

REMEMBERED = 100_000
"""Quotes that are remembered at most; the oldest are forgotten first."""

_Quote = tuple[str, Tariff, int | None, str]


class Prices:
    """Prices as configured and as set, and the quotes that were given. Asked from many threads.

    A price that a caller was shown is what he pays for the next five minutes, and what he is shown again
    until then: he would otherwise be shown one price and asked for another while a price changes.
    """

    def __init__(self, configured: Mapping[Tariff, int]) -> None:
        self._configured = configured
        self._lock = Lock()
        self._quotes: OrderedDict[_Quote, tuple[int, int]] = OrderedDict()

    def general(self, tx: Tx, tariff: Tariff) -> int:
        """What a tariff is where nothing else is said."""
        found = store.find(tx, tariff, None, "")
        return self._configured[tariff] if found is None else found

    def quote(self, tx: Tx, caller: str, tariff: Tariff, pool: int | None, service: str) -> int:
        """The price that this caller is to be shown; it holds for him from now on."""
        amount = self.charge(tx, caller, tariff, pool, service)
        with self._lock:
            key = (caller, tariff, pool, service)
            self._quotes[key] = (amount, tx.now + QUOTE_HOLDS)
            self._quotes.move_to_end(key)
            if len(self._quotes) > REMEMBERED:
                self._quotes.popitem(last=False)
        return amount

    def charge(self, tx: Tx, caller: str, tariff: Tariff, pool: int | None, service: str) -> int:
        """The price that this caller has to pay now."""
        with self._lock:
            known = self._quotes.get((caller, tariff, pool, service))
        # A quote from what is now the future was given before the clock was set back.
        if known is not None and tx.now < known[1] <= tx.now + QUOTE_HOLDS:
            return known[0]
        found = store.find(tx, tariff, None if pool == ANY else pool, service)
        return self._configured[tariff] if found is None else found
