"""A wallet service as NIP-47 describes it, over a Lightning network that is a few lines of memory.

Invoices are real texts of BOLT 11, and a payment moves only with the preimage that belongs to it. Refusals
are those of Alby Hub: whatever cannot be settled is INTERNAL, whatever cannot be cancelled NOT_FOUND.
The wallet shares no code with the client: nostr-sdk signs and encrypts, aiohttp carries.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp
import bolt11
import nostr_sdk as nostr  # type: ignore[import-untyped]

HOLD = ("make_hold_invoice", "settle_hold_invoice", "cancel_hold_invoice")
ALL = (*HOLD, "make_invoice", "lookup_invoice", "pay_invoice", "get_info", "notifications")
NODE_KEY = "e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734"
HEIGHT = 800_000


def invoice_text(
    payment_hash: bytes, msat: int | None, expiry: int = 600, memo: str = "x", made: int | None = None
) -> str:
    """A signed invoice on regtest, made at a second since the epoch or now."""
    tags = bolt11.Tags.from_dict(
        {
            "payment_hash": payment_hash.hex(),
            "payment_secret": secrets.token_hex(32),
            "description": memo,
            "expire_time": expiry,
            "min_final_cltv_expiry": 144,
        }
    )
    amount = None if msat is None else bolt11.MilliSatoshi(msat)
    return bolt11.encode(bolt11.Bolt11("bcrt", made or int(time.time()), tags, amount), NODE_KEY)


class WalletError(Exception):
    """A refusal: `code` and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Bill:
    """An invoice at the wallet, or a payment of the wallet. Times are seconds."""

    payreq: str
    payment_hash: bytes
    msat: int
    expires: int
    state: str = "pending"
    preimage: bytes | None = None
    deadline: int | None = None
    outgoing: bool = False

    def told(self) -> dict[str, object]:
        """As the wallet tells it."""
        return {
            "type": "outgoing" if self.outgoing else "incoming",
            "state": self.state,
            "invoice": self.payreq,
            "payment_hash": self.payment_hash.hex(),
            "amount": self.msat,
            "expires_at": self.expires,
            "settle_deadline": self.deadline,
            "created_at": self.expires - 600,
        }


@dataclass
class NwcWallet:
    """A wallet at a relay; an asynchronous context manager.

    `silent`: it hears and does not answer. `slow_payments`: a payment does not end. `cancels_open`: Alby Hub
    does not. `slow_orders` are seconds from the answer to an order until it is carried out. `spoil` replaces
    the invoice that would be given. `refuses` maps methods to codes. `asked` holds the methods in order.
    """

    relay: str
    methods: tuple[str, ...] = ALL
    encryption: str = "nip44_v2 nip04"
    notifies: bool = True
    silent: bool = False
    slow_payments: bool = False
    cancels_open: bool = True
    slow_orders: float = 0.0
    spoil: str | None = None
    bills: dict[bytes, Bill] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = nostr.Keys.generate()
        self._client = nostr.Keys.generate()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.present = asyncio.Event()

    async def __aenter__(self) -> NwcWallet:
        self._session = aiohttp.ClientSession()
        self._task = asyncio.create_task(self._serve())
        await self.present.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))
        await self._session.close()

    @property
    def uri(self) -> str:
        """What the user pastes into the client."""
        return self.uri_over(self.relay)

    def uri_over(self, *relays: str) -> str:
        """The same, over other relays."""
        where = "&".join(f"relay={relay}" for relay in relays)
        key, secret = self._keys.public_key().to_hex(), self._client.secret_key().to_hex()
        return f"nostr+walletconnect://{key}?{where}&secret={secret}&lud16=shop@example.org"

    # The Lightning network.

    async def receive(self, payreq: str) -> str:
        """Somebody pays an invoice of the wallet; what became of the invoice."""
        bill = next(bill for bill in self.bills.values() if bill.payreq == payreq)
        if bill.state != "pending" or bill.expires <= time.time():
            return "refused"
        bill.state, bill.deadline = ("settled", None) if bill.preimage else ("accepted", HEIGHT + 130)
        kind = "hold_invoice_accepted" if bill.state == "accepted" else "payment_received"
        if self.notifies:
            said = {"notification_type": kind, "notification": bill.told()}
            await self._say(23197, said, [["p", self._client.public_key().to_hex()]])
        return bill.state

    def expire(self, payment_hash: bytes) -> None:
        """Nobody paid in time."""
        self.bills[payment_hash].state = "expired"

    # What is asked.

    def make_hold_invoice(self, asked: dict[str, Any]) -> dict[str, object]:
        payment_hash = bytes.fromhex(asked["payment_hash"])
        if payment_hash in self.bills:
            raise WalletError("INTERNAL", "duplicate payment hash")
        return self._make(payment_hash, asked, None)

    def make_invoice(self, asked: dict[str, Any]) -> dict[str, object]:
        preimage = secrets.token_bytes(32)
        return self._make(hashlib.sha256(preimage).digest(), asked, preimage)

    def _make(self, payment_hash: bytes, asked: dict[str, Any], preimage: bytes | None) -> dict[str, object]:
        expiry = asked["expiry"]
        payreq = self.spoil or invoice_text(payment_hash, asked["amount"], expiry, asked["description"])
        bill = Bill(payreq, payment_hash, asked["amount"], int(time.time()) + expiry, preimage=preimage)
        self.bills[payment_hash] = bill
        return bill.told()

    def lookup_invoice(self, asked: dict[str, Any]) -> dict[str, object]:
        return self._bill(asked["payment_hash"]).told()

    def settle_hold_invoice(self, asked: dict[str, Any]) -> dict[str, object]:
        preimage = bytes.fromhex(asked["preimage"])
        bill = self.bills.get(hashlib.sha256(preimage).digest())
        if bill is None or bill.state != "accepted":
            raise WalletError("INTERNAL", "failed to find accepted hold invoice")
        bill.preimage = preimage
        return self._end(bill, "settled")

    def cancel_hold_invoice(self, asked: dict[str, Any]) -> dict[str, object]:
        bill = self._bill(asked["payment_hash"])
        if bill.state != "accepted" and not (self.cancels_open and bill.state == "pending"):
            raise WalletError("NOT_FOUND", "failed to find accepted hold invoice")
        return self._end(bill, "failed")

    def _end(self, bill: Bill, state: str) -> dict[str, object]:
        if self.slow_orders:
            asyncio.get_running_loop().call_later(self.slow_orders, setattr, bill, "state", state)
        else:
            bill.state = state
        return {}

    def pay_invoice(self, asked: dict[str, Any]) -> dict[str, object]:
        terms = bolt11.decode(asked["invoice"])
        payment_hash = bytes.fromhex(terms.payment_hash)
        if payment_hash in self.bills:
            raise WalletError("INTERNAL", "this invoice has already been paid")
        bill = Bill(asked["invoice"], payment_hash, int(terms.amount_msat or 0), 0, outgoing=True)
        self.bills[payment_hash] = bill
        if not self.slow_payments:
            bill.state = "settled"
        return {"preimage": "00" * 32, "fees_paid": 0}

    def get_info(self, asked: dict[str, Any]) -> dict[str, object]:
        del asked
        return {"alias": "a wallet of tests", "network": "regtest", "block_height": HEIGHT}

    def _bill(self, payment_hash: str) -> Bill:
        found = self.bills.get(bytes.fromhex(payment_hash))
        if found is None:
            raise WalletError("NOT_FOUND", "transaction not found")
        return found

    # The relay.

    async def _serve(self) -> None:
        """Be at the relay, and come back when it was away."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with self._session.ws_connect(self.relay) as self._socket:
                    await self._announce()
                    async for message in self._socket:
                        await self._hear(json.loads(message.data))
            self.present.clear()
            await asyncio.sleep(0.05)

    async def _announce(self) -> None:
        assert self._socket is not None
        tags = [["encryption", self.encryption], ["notifications", "payment_received hold_invoice_accepted"]]
        await self._publish(13194, " ".join(self.methods), tags)
        filter = {"kinds": [23194], "#p": [self._keys.public_key().to_hex()], "limit": 0}
        await self._socket.send_str(json.dumps(["REQ", "requests", filter]))

    async def _hear(self, message: list[Any]) -> None:
        if message[0] == "EOSE":
            self.present.set()
        if message[0] != "EVENT":
            return
        event = nostr.Event.from_json(json.dumps(message[2]))
        assert event.verify()
        assert event.author().to_hex() == self._client.public_key().to_hex()
        tags = {tag.as_vec()[0]: tag.as_vec()[1] for tag in event.tags().to_vec()}
        assert tags["encryption"] == "nip44_v2"
        assert int(tags["expiration"]) > time.time()
        keys = self._keys.secret_key()
        asked = json.loads(nostr.nip44_decrypt(keys, self._client.public_key(), event.content()))
        said = self._answer(asked["method"], asked["params"])
        unended = self.slow_payments and asked["method"] == "pay_invoice"
        if not self.silent and not unended:
            to = [["p", self._client.public_key().to_hex()], ["e", event.id().to_hex()]]
            await self._say(23195, {"result_type": asked["method"], **said}, to)

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, object]:
        self.asked.append(method)
        try:
            if method in self.refuses:
                raise WalletError(self.refuses[method], "no")
            if method not in self.methods:
                raise WalletError("NOT_IMPLEMENTED", f"Unknown method: {method}")
            return {"result": getattr(self, method)(params)}
        except WalletError as error:
            return {"error": {"code": error.code, "message": str(error)}}

    async def _say(self, kind: int, said: dict[str, Any], tags: list[list[str]]) -> None:
        keys, version = self._keys.secret_key(), nostr.Nip44Version.V2
        content = nostr.nip44_encrypt(keys, self._client.public_key(), json.dumps(said), version)
        await self._publish(kind, content, tags)

    async def _publish(self, kind: int, content: str, tags: list[list[str]]) -> None:
        assert self._socket is not None
        builder = nostr.EventBuilder(nostr.Kind(kind), content).tags([nostr.Tag.parse(tag) for tag in tags])
        await self._socket.send_str(f'["EVENT",{builder.sign_with_keys(self._keys).as_json()}]')
