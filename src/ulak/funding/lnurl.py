"""Asks Lightning Addresses for invoices (LUD-16 and LUD-06).

An address comes from a customer, so the requests are guarded like callbacks: over https to public addresses
only, unless the operator allows a host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from ulak.core.funding import CannotDo
from ulak.core.referrals import Bill, NoBill
from ulak.funding import invoices
from ulak.outbound import Outbound, OutboundError

TIMEOUT = 10.0
"""Seconds for each of the two requests."""


class LightningAddresses:
    """`ulak.core.referrals.Addresses` over the net."""

    def __init__(
        self, outbound: Outbound, network: str | None = None, base: Callable[[str], str] = "https://{}".format
    ) -> None:
        """`network` is the one whose invoices we can pay, None: the node will say. `base` is where a host is
        asked."""
        self._outbound = outbound
        self._network = network
        self._base = base

    async def bill(self, address: str, amount: int) -> Bill:
        """An invoice of this address over so many sats.

        Raises:
            NoBill: there is none; the text says why.
        """
        user, _, host = address.partition("@")
        terms = await self._ask(f"{self._base(host)}/.well-known/lnurlp/{user}")
        callback = _callback(terms, amount * invoices.MSAT)
        payreq = (await self._ask(callback)).get("pr")
        if not isinstance(payreq, str):
            raise NoBill("the address gave no invoice")
        try:
            found = await invoices.read_aside(payreq)
        except CannotDo as error:
            raise NoBill(str(error)) from None
        if found.amount_msat != amount * invoices.MSAT or self._network not in (None, found.network):
            raise NoBill("the invoice is over another amount, or of another network")
        return Bill(payreq, found.payment_hash.hex())

    async def _ask(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._outbound.request("GET", url, timeout=TIMEOUT)
            found = msgspec.json.decode(answer.body)
        except OutboundError as error:
            raise NoBill(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise NoBill(f"the answer of {urlsplit(url).hostname} is no JSON") from None
        if not isinstance(found, dict) or answer.status != 200 or found.get("status") == "ERROR":
            raise NoBill(f"{urlsplit(url).hostname} answered {answer.status} and gave nothing to pay")
        return found


def _callback(terms: dict[str, Any], msat: int) -> str:
    """Where to ask for the invoice, with the amount (LUD-06, step 5)."""
    callback, least, most = terms.get("callback"), terms.get("minSendable"), terms.get("maxSendable")
    if terms.get("tag") != "payRequest" or not isinstance(callback, str):
        raise NoBill("the address takes no payments")
    if not isinstance(least, int) or not isinstance(most, int) or not least <= msat <= most:
        raise NoBill("the address does not take this amount")
    try:
        joint = "&" if urlsplit(callback).query else "?"
    except ValueError:
        raise NoBill("the address names no place to ask for an invoice") from None
    return callback + joint + urlencode({"amount": msat})
