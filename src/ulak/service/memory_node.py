"""A Lightning node that lives in the database: what becomes of its invoices, whoever touches them.

No money is behind it: it is for trying things out and for tests. Its rules are those of a real one. What is
paid is held until it is settled with the right preimage or cancelled, one of the two, once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from enum import Enum
from typing import TypeVar

from ulak.core.errors import StoreUnavailable
from ulak.core.funding import MIN_CLTV, CannotDo, FundingDown, Invoice, InvoiceNews, InvoiceState, bare
from ulak.service.parcels import Books
from ulak.store import memory_invoices
from ulak.store.engine import Tx
from ulak.store.memory_invoices import MemoryInvoice, Paid
from ulak.store.vault import Vault

BLOCK = 10 * 60 * 1000
"""What we count as a block, ms."""

KEY_PURPOSE, PREIMAGE_PURPOSE = "memory node key", "memory node preimage"
"""What secrets of the node are sealed for."""

Result = TypeVar("Result")


class Payment(Enum):
    """How an attempt to pay ended: with the state the invoice came into, or with a sentence that says why
    nothing was paid."""

    HELD = "held"
    SETTLED = "settled"
    FOREIGN = "this is no invoice of the memory backend in these data"
    EXPIRED = "the invoice has expired"
    PAID_BEFORE = "the invoice has been paid already"
    CANCELLED = "the invoice was cancelled"

    @property
    def is_paid(self) -> bool:
        """Whether it was paid now."""
        return self in (Payment.HELD, Payment.SETTLED)


def add(tx: Tx, invoice: Invoice, preimage: str | None) -> Invoice | None:
    """Keep a new invoice. `preimage`, encrypted, makes it a plain one. Where there is the same already, the
    one that is there; None if that is over another amount, or of the other sort."""
    name = invoice.payment_hash.hex()
    if memory_invoices.insert(
        tx, name, invoice.payreq, invoice.amount, preimage is None, preimage, invoice.expires
    ):
        return invoice
    known = memory_invoices.find(tx, name)
    if known is None or known.amount != invoice.amount or known.hold != (preimage is None):
        return None
    return Invoice(known.payreq, invoice.payment_hash, known.amount, known.expires)


def pay(tx: Tx, payment_hash: bytes, payreq: str) -> Payment:
    """Pay an invoice whose text says this hash. Somebody else's invoice may say a hash of ours."""
    name = payment_hash.hex()
    known = memory_invoices.find(tx, name)
    if known is None or known.payreq != bare(payreq).lower():
        return Payment.FOREIGN
    if memory_invoices.pay(tx, name):
        return Payment.HELD if known.hold else Payment.SETTLED
    memory_invoices.expire(tx, name)
    return _refusal(memory_invoices.find(tx, name))


def _refusal(invoice: MemoryInvoice | None) -> Payment:
    assert invoice is not None
    if invoice.state in (InvoiceState.HELD, InvoiceState.SETTLED):
        return Payment.PAID_BEFORE
    # One that was cancelled when its time was over has, for whoever wants to pay it, expired.
    return Payment.EXPIRED if invoice.changed >= invoice.expires else Payment.CANCELLED


def look_up(tx: Tx, payment_hash: bytes) -> tuple[InvoiceNews, bool]:
    """Where an invoice stands; and whether it is open though its time is over, which is to be written down
    before anybody is told: who was told may go on as if nobody could pay it."""
    found = memory_invoices.find(tx, payment_hash.hex())
    if found is None:
        return InvoiceNews(InvoiceState.UNKNOWN), False
    if found.state is InvoiceState.HELD:
        blocks = max(0, MIN_CLTV - max(0, tx.now - found.changed) // BLOCK)
        return InvoiceNews(InvoiceState.HELD, found.amount, blocks), False
    if found.state is InvoiceState.SETTLED:
        return InvoiceNews(InvoiceState.SETTLED, found.amount), False
    return InvoiceNews(found.state), found.state is InvoiceState.OPEN and tx.now >= found.expires


def expire(tx: Tx, payment_hash: bytes) -> InvoiceNews:
    """Cancel an invoice if its time is over and nobody has paid it; where it stands then."""
    memory_invoices.expire(tx, payment_hash.hex())
    return look_up(tx, payment_hash)[0]


def settle(tx: Tx, payment_hash: bytes, preimage: str) -> bool:
    """Take what is held; `preimage` is encrypted. Whether it is taken, now or before."""
    name = payment_hash.hex()
    if memory_invoices.settle(tx, name, preimage):
        return True
    found = memory_invoices.find(tx, name)
    return found is not None and found.state is InvoiceState.SETTLED


def cancel(tx: Tx, payment_hash: bytes) -> bool:
    """Give back what is held, and let nobody pay. False: it was settled before."""
    name = payment_hash.hex()
    if memory_invoices.cancel(tx, name):
        return True
    found = memory_invoices.find(tx, name)
    return found is None or found.state is InvoiceState.CANCELLED


def node_key(tx: Tx, sealed: str) -> str:
    """The node's key, encrypted: this one if it had none. Of several who bring one at once one wins."""
    return memory_invoices.key(tx) or memory_invoices.keep_key(tx, sealed)


class Notebook:
    """The node's memory, as `funding.memory` asks for it. All methods raise `FundingDown` when the database
    cannot answer."""

    def __init__(self, books: Books, vault: Vault) -> None:
        self._books = books
        self._vault = vault

    async def key(self, fresh: bytes) -> bytes:
        """The node's key; `fresh` becomes it if it has none.

        Raises:
            UlakError: the key cannot be decrypted.
        """
        sealed = await self._asked(self._books.read(memory_invoices.key))
        if sealed is None:
            offered = self._vault.seal(fresh.hex(), KEY_PURPOSE)
            sealed = await self._asked(self._books.write(lambda tx: node_key(tx, offered)))
        return bytes.fromhex(self._vault.open(sealed, KEY_PURPOSE))

    async def now(self) -> int:
        """The time in these data, which may be ahead of the machine's."""
        return await self._asked(self._books.read(_now))

    async def add(self, invoice: Invoice, preimage: bytes | None) -> Invoice:
        """Keep a new invoice, a plain one if there is a preimage, or find the same that is kept already.

        Raises:
            CannotDo: there is another one with this hash.
        """
        sealed = None if preimage is None else self._vault.seal(preimage.hex(), PREIMAGE_PURPOSE)
        kept = await self._asked(self._books.write(lambda tx: add(tx, invoice, sealed)))
        if kept is None:
            raise CannotDo("there is another invoice with this payment hash")
        return kept

    async def look_up(self, payment_hash: bytes) -> InvoiceNews:
        """Where an invoice stands."""
        news, is_over = await self._asked(self._books.read(lambda tx: look_up(tx, payment_hash)))
        if is_over:
            return await self._asked(self._books.write(lambda tx: expire(tx, payment_hash)))
        return news

    async def pay(self, payment_hash: bytes, payreq: str) -> bool:
        """Pay an invoice, if it is one of ours that can be paid. Whether it is one of ours."""
        payment = await self._asked(self._books.write(lambda tx: pay(tx, payment_hash, payreq)))
        return payment is not Payment.FOREIGN

    async def settle(self, preimage: bytes) -> bool:
        """Take what is held."""
        payment_hash = hashlib.sha256(preimage).digest()
        sealed = self._vault.seal(preimage.hex(), PREIMAGE_PURPOSE)
        return await self._asked(self._books.write(lambda tx: settle(tx, payment_hash, sealed)))

    async def cancel(self, payment_hash: bytes) -> bool:
        """Give back what is held, and let nobody pay."""
        return await self._asked(self._books.write(lambda tx: cancel(tx, payment_hash)))

    async def paid(self, since: int | None) -> tuple[int, list[Paid]]:
        """The time in these data, and what was paid since then; None: all that is held now."""
        return await self._asked(self._books.read(lambda tx: _paid(tx, since)))

    async def _asked(self, answer: Awaitable[Result]) -> Result:
        try:
            return await answer
        except StoreUnavailable as error:
            raise FundingDown(f"the database of the memory backend does not answer: {error}") from error


def _now(tx: Tx) -> int:
    return tx.now


def _paid(tx: Tx, since: int | None) -> tuple[int, list[Paid]]:
    found = memory_invoices.held(tx) if since is None else memory_invoices.paid_since(tx, since)
    return tx.now, found
