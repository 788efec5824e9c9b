"""What a Lightning invoice says (BOLT 11), read with the library `bolt11` and checked further.

The library takes milliseconds for an invoice, all of it Python; whoever is on an event loop uses the
functions that end in `_aside`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ulak.core.funding import HASH_SIZE, CannotDo, Invoice, bare

if TYPE_CHECKING:
    from bolt11 import Bolt11

MAINNET, TESTNET, SIGNET, REGTEST = "mainnet", "testnet", "signet", "regtest"

PREFIXES = {"bc": MAINNET, "tb": TESTNET, "tbs": SIGNET, "bcrt": REGTEST}
"""The network that stands behind `ln` in an invoice (BOLT 11, BIP 173)."""

TEXT_MAX = 4_096
"""Characters of an invoice that is read at all; one with many hints for its route has about a thousand."""

MSAT = 1_000
"""Thousandths in a sat."""

MEMO_MAX = 639
"""Octets of a description: as much as a field of BOLT 11 can hold."""

_AMOUNT_MAX = 21_000_000 * 100_000_000

# The library also takes what stands behind the amount, mixed case, and parts of a thousandth of a sat.
_HUMAN = re.compile(r"ln(bcrt|bc|tbs|tb)(?:(0|[1-9][0-9]{0,18})([munp]?))?")


@dataclass(frozen=True, slots=True)
class Terms:
    """What an invoice says. `amount` are sats, rounded up, None when the payer may choose; times ms UTC.

    `description` is None when there is only the hash of one. `min_cltv` are blocks, `payee` is the key of the
    node that signed.
    """

    network: str
    payment_hash: bytes
    amount: int | None
    amount_msat: int | None
    description: str | None
    created: int
    expires: int
    min_cltv: int
    payee: bytes


def hash_of(preimage: bytes) -> bytes:
    """The payment hash that belongs to a preimage."""
    if len(preimage) != HASH_SIZE:
        raise ValueError(f"a preimage has {HASH_SIZE} octets")
    return hashlib.sha256(preimage).digest()


def trimmed(memo: str) -> str:
    """As much of a description as there is room for, in whole characters."""
    return memo.encode(errors="replace")[:MEMO_MAX].decode(errors="ignore")


def read(payreq: str) -> Terms:
    """What an invoice says; its checksum and its signature are good.

    Raises:
        CannotDo: it is none that can be paid. The text says why and does not repeat it.
    """
    text = bare(payreq)
    if text.isascii() and text.isupper():
        text = text.lower()
    network = _network(text)
    found = _decoded(text)
    payment_hash = _octets(found.payment_hash if found.has_payment_hash else None)
    if payment_hash is None:
        raise CannotDo("the invoice has no payment hash")
    if _octets(found.payment_secret) is None:
        raise CannotDo("the invoice has no payment secret")
    msat = None if found.amount_msat is None else int(found.amount_msat)
    return Terms(
        network=network,
        payment_hash=payment_hash,
        amount=None if msat is None else -(-msat // MSAT),
        amount_msat=msat,
        description=found.description,
        created=found.date * 1_000,
        expires=(found.date + found.expiry) * 1_000,
        min_cltv=found.min_final_cltv_expiry,
        payee=bytes.fromhex(found.payee or ""),
    )


def check(
    payreq: str, payment_hash: bytes, amount: int, network: str | None = None, min_cltv: int = 0
) -> Invoice:
    """The invoice that a node made for us, if it is over this hash and exactly so many sats.

    `network` None is any; `min_cltv` are the blocks that its payment can be held at least.

    Raises:
        CannotDo: it is not, or of another network, or no invoice.
    """
    terms = read(payreq)
    if terms.min_cltv < min_cltv:
        raise CannotDo(f"the node made an invoice whose payment it can hold for {terms.min_cltv} blocks only")
    if terms.payment_hash != payment_hash:
        raise CannotDo("the node made an invoice with another payment hash than was asked for")
    return _checked(payreq, terms, amount, network)


def check_plain(payreq: str, amount: int, network: str | None = None) -> Invoice:
    """As `check`, for an invoice whose payment hash the node has chosen."""
    return _checked(payreq, read(payreq), amount, network)


async def read_aside(payreq: str) -> Terms:
    """`read`, off the event loop."""
    return await asyncio.to_thread(read, payreq)


async def read_to_pay(payreq: str, network: str | None) -> Terms:
    """What an invoice of somebody else says that we are to pay, off the event loop. `network` None is any.

    Raises:
        CannotDo: it cannot be paid, leaves its amount to the payer, or is of another network.
    """
    terms = await read_aside(payreq)
    if terms.amount is None:
        raise CannotDo("the invoice leaves its amount to the payer")
    if network not in (None, terms.network):
        raise CannotDo(f"the invoice is of {terms.network}, not of {network}")
    return terms


async def check_aside(
    payreq: str, payment_hash: bytes, amount: int, network: str | None = None, min_cltv: int = 0
) -> Invoice:
    """`check`, off the event loop."""
    return await asyncio.to_thread(check, payreq, payment_hash, amount, network, min_cltv)


async def check_plain_aside(payreq: str, amount: int, network: str | None = None) -> Invoice:
    """`check_plain`, off the event loop."""
    return await asyncio.to_thread(check_plain, payreq, amount, network)


def _checked(payreq: str, terms: Terms, amount: int, network: str | None) -> Invoice:
    if terms.amount_msat != amount * MSAT:
        raise CannotDo(f"the node made an invoice over another amount than {amount} sat")
    if network is not None and terms.network != network:
        raise CannotDo(f"the node made an invoice of {terms.network}, not of {network}")
    return Invoice(payreq.strip(), terms.payment_hash, amount, terms.expires)


def _network(text: str) -> str:
    """The network, from the part before the last 1, after a look at what the library lets pass."""
    if len(text) > TEXT_MAX:
        raise CannotDo(f"the invoice is longer than {TEXT_MAX:,} characters")
    human = _HUMAN.fullmatch(text.rpartition("1")[0])
    if human is None:
        raise CannotDo("this is no Lightning invoice")
    prefix, number, unit = human.groups()
    if number is not None:
        if unit == "p" and not number.endswith("0"):
            raise CannotDo("the invoice is over a part of a thousandth of a sat")
        sats = int(number) * 100_000_000 // {"m": 10**3, "u": 10**6, "n": 10**9, "p": 10**12}.get(unit, 1)
        if int(number) == 0 or sats > _AMOUNT_MAX:
            raise CannotDo("the invoice is over an amount that there is not")
    return PREFIXES[prefix]


def _decoded(text: str) -> Bolt11:
    """The library's reading. Its own last check is not used: it takes an empty description for none."""
    import bolt11

    try:
        return bolt11.decode(text, ignore_exceptions=True)
    except Exception:
        # It raises its own errors and those of what it is made of, some of which repeat the text.
        raise CannotDo("the invoice cannot be read: its checksum, signature or a field is wrong") from None


def _octets(text: str | None) -> bytes | None:
    """A hash or a secret, if there is one and it is whole."""
    found = bytes.fromhex(text or "")
    return found if len(found) == HASH_SIZE else None
