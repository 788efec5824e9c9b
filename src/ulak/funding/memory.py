"""A Lightning node that is none: real invoices (BOLT 11, regtest), real hashes and preimages, no money.

Its invoices and the key that signs them are in the database, so whoever has the database can pay them, and
they outlive the process. What becomes of an invoice is decided there (`service.memory_node`); here invoices
are written, and what was paid is told.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property
from typing import Protocol

from ulak.core.funding import (
    HASH_SIZE,
    MIN_CLTV,
    CannotDo,
    Capability,
    Invoice,
    InvoiceNews,
    InvoiceState,
    PaymentState,
)
from ulak.funding.invoices import MSAT, hash_of, read_aside, trimmed

EVERY = 0.1
"""Seconds between two looks at what was paid."""

LATE = 5.0
"""Seconds after which a payment can be seen, at the latest: from when its transaction read the clock until
its commit shows, and what the clocks of two machines on one database may differ by."""

Randomness = Callable[[int], bytes]
"""Makes so many random octets."""

_CURRENCY = "bcrt"
# 100 BTC. (The library spells multiples of 1,000 BTC wrong.)
_SATS_MAX = 100 * 100_000_000
_EXPIRY_MAX = 366 * 24 * 60 * 60

_PAID = {
    InvoiceState.HELD: PaymentState.UNDER_WAY,
    InvoiceState.SETTLED: PaymentState.PAID,
    InvoiceState.CANCELLED: PaymentState.FAILED,
    InvoiceState.OPEN: PaymentState.UNKNOWN,
    InvoiceState.UNKNOWN: PaymentState.UNKNOWN,
}


class Notebook(Protocol):
    """Where the node keeps what it knows. All methods raise `FundingDown` when it cannot be asked."""

    async def key(self, fresh: bytes) -> bytes:
        """The node's private key; `fresh` becomes it if it has none. Raises UlakError if it is spoilt."""

    async def now(self) -> int:
        """The time, ms UTC, by which invoices expire."""

    async def add(self, invoice: Invoice, preimage: bytes | None) -> Invoice:
        """Keep a new invoice, a plain one if there is a preimage, or find the same that is kept already.
        Raises CannotDo if there is another one with this hash."""

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        """Where an invoice stands."""

    async def pay(self, payment_hash: bytes, payreq: str) -> bool:
        """Pay an invoice, if it is one of ours that can be paid. Whether it is one of ours."""

    async def settle(self, preimage: bytes) -> bool:
        """Take what is held. Whether it is taken, now or before."""

    async def cancel(self, payment_hash: bytes) -> bool:
        """Give back what is held, and let nobody pay. False: it was settled before."""

    async def paid(self, since: int | None) -> tuple[int, Sequence[tuple[str, int]]]:
        """The time; and hashes of what was paid from `since` on, with the moment. None: all that is held."""


class Scribe:
    """Writes invoices and signs them. The library takes milliseconds for one, so this is done in a thread."""

    def __init__(self, key: bytes) -> None:
        """`key` is the private key, 32 octets."""
        self._key = key.hex()

    @cached_property
    def payee(self) -> bytes:
        """The node's public key, compressed."""
        from coincurve import PublicKey

        return PublicKey.from_valid_secret(bytes.fromhex(self._key)).format()

    def write(
        self, payment_hash: bytes, secret: bytes, amount: int, memo: str, expiry: int, date: int
    ) -> str:
        """An invoice over `amount` sats; `date` are seconds UTC, `expiry` seconds."""
        import bolt11

        fields = {
            "payment_hash": payment_hash.hex(),
            "payment_secret": secret.hex(),
            "features": {"var_onion_optin": "required", "payment_secret": "required"},
            "description": memo,
            "expire_time": expiry,
            "min_final_cltv_expiry": MIN_CLTV,
        }
        msat = bolt11.MilliSatoshi(amount * MSAT)
        invoice = bolt11.Bolt11(_CURRENCY, date, bolt11.Tags.from_dict(fields), msat)
        # Its own check takes an empty description for none.
        return bolt11.encode(invoice, self._key, ignore_exceptions=True)


class MemoryFunding:
    """The node. Anybody who reads the same notebook may pay its invoices, from any process."""

    def __init__(
        self, notebook: Notebook, randomness: Randomness = secrets.token_bytes, every: float = EVERY
    ) -> None:
        """`every` as the constant."""
        self._notebook = notebook
        self._randomness = randomness
        self._every = every
        self._kept_scribe: Scribe | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything."""
        return frozenset(Capability)

    async def create_hold(self, payment_hash: bytes, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice whose payment is held."""
        if len(payment_hash) != HASH_SIZE:
            raise CannotDo(f"a payment hash has {HASH_SIZE} octets")
        return await self._create(payment_hash, None, amount, memo, expiry)

    async def create_plain(self, amount: int, memo: str, expiry: int) -> Invoice:
        """An invoice whose payment is taken at once."""
        preimage = self._randomness(HASH_SIZE)
        return await self._create(hash_of(preimage), preimage, amount, memo, expiry)

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        """Where an invoice stands. A block is counted as ten minutes."""
        return await self._notebook.look_up(payment_hash)

    async def settle(self, preimage: bytes) -> bool:
        """Take what is held for the hash of this preimage."""
        return len(preimage) == HASH_SIZE and await self._notebook.settle(preimage)

    async def cancel(self, payment_hash: bytes) -> bool:
        """Give back what is held, and let nobody pay."""
        return await self._notebook.cancel(payment_hash)

    async def watch(self) -> AsyncIterator[bytes]:
        """Hashes of invoices that were paid: first all that are held, then each when it is."""
        loop = asyncio.get_running_loop()
        horizon = _Horizon()
        since: int | None = None
        told: dict[str, int] = {}
        while True:
            now, paid = await self._notebook.paid(since)
            news = [name for name, when in paid if told.get(name) != when]
            told = dict(paid)
            for name in news:
                yield bytes.fromhex(name)
            since = horizon.after(loop.time(), now)
            await asyncio.sleep(self._every)

    def follow(self, payment_hash: bytes) -> None:
        """All are followed."""

    async def pay(self, payreq: str, max_fee: int, timeout: float) -> PaymentState:
        """Pay an invoice of this same node, at once and for no fee. Nobody else can be reached: FAILED.

        Who paid is not kept: an invoice that somebody else has paid counts as paid by us.
        """
        del max_fee, timeout
        payment_hash = await hash_in(payreq)
        if not await self._notebook.pay(payment_hash, payreq):
            return PaymentState.FAILED
        return await self.look_up_payment(payment_hash)

    async def look_up_payment(self, payment_hash: bytes) -> PaymentState:
        """What became of a payment, as it stands with the invoice that was paid."""
        return _PAID[(await self._notebook.look_up(payment_hash)).state]

    async def health(self) -> str:
        """Whose invoices these are."""
        return f"memory backend, node {(await self._scribe()).payee.hex()}: invoices without money"

    async def close(self) -> None:
        """Nothing is open."""

    async def _create(
        self, payment_hash: bytes, preimage: bytes | None, amount: int, memo: str, expiry: int
    ) -> Invoice:
        if not 0 < amount <= _SATS_MAX:
            raise CannotDo(f"an invoice is over 1 to {_SATS_MAX:,} sat")
        if not 0 < expiry <= _EXPIRY_MAX:
            raise CannotDo(f"an invoice can be paid for 1 to {_EXPIRY_MAX:,} seconds")
        scribe = await self._scribe()
        date = await self._notebook.now() // 1_000
        secret = self._randomness(HASH_SIZE)
        payreq = await asyncio.to_thread(
            scribe.write, payment_hash, secret, amount, trimmed(memo), expiry, date
        )
        return await self._notebook.add(
            Invoice(payreq, payment_hash, amount, (date + expiry) * 1_000), preimage
        )

    async def _scribe(self) -> Scribe:
        """Who signs. His key is made with the first invoice."""
        if self._kept_scribe is None:
            self._kept_scribe = Scribe(await self._notebook.key(self._randomness(HASH_SIZE)))
        return self._kept_scribe


class _Horizon:
    """From which moment on a look has to begin so that it sees what the looks before it could not see yet.

    That is where the clock stood `LATE` before the last look, or earlier. It is remembered and not reckoned,
    because the clock of a sandbox can be put forward between two looks.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def after(self, at: float, now: int) -> int:
        """Where the next look begins, after one at `at` (seconds of the loop), when the clock said `now`."""
        if not self._looks:
            self._looks.append((at, now - round(LATE * 1_000)))
        self._looks.append((at, now))
        while len(self._looks) > 1 and self._looks[1][0] <= at - LATE:
            self._looks.popleft()
        return min(moment for _, moment in self._looks)


async def hash_in(payreq: str) -> bytes:
    """The payment hash that an invoice says. Raises CannotDo if it is no invoice that can be paid."""
    return (await read_aside(payreq)).payment_hash
