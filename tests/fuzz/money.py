"""What has to do with Lightning: invoices, addresses, and what nodes and wallets answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from typing import Any

import msgspec
from tests.fuzz.checks import now, storable, told

from ulak.core.errors import UlakError
from ulak.core.funding import CannotDo, FundingDown, InvoiceNews, PaymentState
from ulak.core.referrals import NoBill
from ulak.funding import invoices, lnd, lnd_rest, lnurl, nostr
from ulak.funding.lnbits import LnbitsFunding
from ulak.funding.nwc import NwcFunding
from ulak.outbound import Answer

NOW = 1_779_274_991_000
HASH = bytes(32)

# Invoices

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # BIP 173
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def invoice(data: bytes) -> None:
    """A text that may be an invoice. One whose last six letters are `------` gets its right checksum, because
    no chance finds one."""
    text = data.decode("latin-1")
    if text.endswith("-" * 6):
        text = _with_checksum(text[:-6])
    try:
        terms = invoices.read(text)
    except CannotDo as error:
        told(error)
        return
    assert terms.network in invoices.PREFIXES.values()
    assert len(terms.payment_hash) == 32
    assert len(terms.payee) == 33
    assert terms.amount is None or 0 < terms.amount <= 21_000_000 * 100_000_000
    assert terms.expires >= terms.created >= 0
    assert terms.min_cltv >= 0
    storable(terms.network)


def _with_checksum(text: str) -> str:
    human, _, rest = text.rpartition("1")
    values = [_LETTERS.find(letter) for letter in rest]
    if not human or -1 in values:
        return text
    expanded = [ord(letter) >> 5 for letter in human] + [0] + [ord(letter) & 31 for letter in human]
    check = 1
    for value in [*expanded, *values, 0, 0, 0, 0, 0, 0]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, part in enumerate(_GENERATOR):
            check ^= part if top >> place & 1 else 0
    check ^= 1
    return text + "".join(_LETTERS[check >> 5 * (5 - place) & 31] for place in range(6))


# Lightning Addresses


class _Outbound:
    """Gives every request one answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = Answer(status, {}, body)

    async def request(self, _method: str, _url: str, **_named: Any) -> Answer:
        return self.answer


def lightning_address(data: bytes) -> None:
    """What a host answers who is asked for an address."""
    outbound: Any = _Outbound(200, data)
    addresses = lnurl.LightningAddresses(outbound)
    try:
        terms = now(addresses._ask("https://example.org/.well-known/lnurlp/a"))
        url = lnurl._callback(terms, 1_500_000)
    except NoBill as error:
        told(error)
        return
    assert url.endswith("amount=1500000")


# Nodes


_KINDS: tuple[type[Any], ...] = (lnd._Invoice, lnd._Made, lnd._Payment, lnd._Info, dict)


class _Rest:
    """A node that answers every question, and every stream, with one text."""

    def __init__(self, status: int, octets: bytes) -> None:
        self._status, self._octets = status, octets

    async def ask(self, _method: str, _path: str, kind: type[Any], _body: object = None) -> Any:
        if self._status != 200:
            raise lnd_rest._refusal(self._status, self._octets)
        return lnd_rest._decoded(self._octets, kind)

    async def lines(self, _method: str, _path: str, kind: type[Any], _body: object = None) -> Any:
        for line in self._octets.split(b"\n"):
            if line.strip():
                yield lnd_rest._result(line, kind)


def lnd_answer(data: bytes) -> None:
    """What LND's REST interface answers, for each thing that is asked of it."""
    status, octets = (200, 200, 404, 500)[data[0] % 4] if data else 200, data[1:]
    for kind in _KINDS:
        for read in (lnd_rest._decoded, lnd_rest._result):
            try:
                read(octets, kind)
            except (FundingDown, lnd_rest.Refused) as error:
                told(error)
    funding = lnd.LndFunding("https://node.example.org", "00" * 16, None)
    rest: Any = _Rest(status, octets)
    funding._rest = rest
    _runner().run(
        _asked(funding.look_up(HASH), funding.look_up_payment(HASH), funding.settle(HASH), funding.health())
    )


async def _asked(*questions: Coroutine[Any, Any, object]) -> None:
    """What may come of asking a node: an answer, or a sentence about why there is none."""
    for question in questions:
        try:
            found = await question
        except (FundingDown, CannotDo) as error:
            told(error)
            continue
        if isinstance(found, InvoiceNews):
            assert isinstance(found.amount, int)
        elif not isinstance(found, str | bool):
            assert isinstance(found, PaymentState)


def lnbits_answer(data: bytes) -> None:
    """What LNbits answers."""
    status, octets = (200, 201, 404, 500)[data[0] % 4] if data else 200, data[1:]
    outbound: Any = _Outbound(status, octets)
    funding = LnbitsFunding("https://lnbits.example.org", "key", outbound, lambda: NOW)
    funding._expiries[HASH] = NOW
    _runner().run(_asked(funding.look_up(HASH), funding.cancel(HASH), funding.health()))


# A wallet behind a relay

_SECRET = "11" * 32
_WALLET_SECRET = "22" * 32


@cache
def _wallet() -> tuple[nostr.Wallet, Any, Any]:
    """The wallet as we know it, its own keys, and ours."""
    import nostr_sdk  # type: ignore[import-untyped]

    keys = nostr_sdk.Keys.parse(_WALLET_SECRET)
    own = nostr_sdk.Keys.parse(_SECRET)
    known = nostr.Wallet(keys.public_key().to_hex(), ("wss://relay.example.org",), _SECRET)
    return known, keys, own


class _WalletLine:
    """A wallet that gives every request one answer."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.said = said
        self.info = nostr.Info(0, frozenset(("get_info", "lookup_invoice", "pay_invoice")), frozenset())

    async def learn(self) -> nostr.Info:
        return self.info

    async def ask(self, method: str, _params: object, _timeout: float) -> Mapping[str, Any]:
        return nostr._result(method, self.said)


def wallet_answer(data: bytes) -> None:
    """The content of a wallet's answer, as each thing that is asked of it is read."""
    try:
        said = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if not isinstance(said, dict):
        return
    nostr._notice(said)
    _runner().run(_all_of_wallet(said))


async def _all_of_wallet(said: Mapping[str, Any]) -> None:
    funding = _funding()
    for method in ("lookup_invoice", "get_info"):
        line: Any = _WalletLine({"result_type": method, **said})
        funding._line = line
        for ask in (funding.look_up, funding.look_up_payment, _health(funding)):
            try:
                await ask(HASH)
            except UlakError as error:
                told(error)
            except nostr.Refused as error:
                assert method == "get_info"
                told(error)


def _health(funding: NwcFunding) -> Callable[[bytes], Coroutine[Any, Any, object]]:
    return lambda _hash: funding.health()


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


@cache
def _funding() -> NwcFunding:
    wallet, _, _ = _wallet()
    uri = f"nostr+walletconnect://{wallet.key}?relay={wallet.relays[0]}&secret={wallet.secret}"
    return NwcFunding(uri, lambda: NOW)


class _Socket:
    async def send_str(self, text: str) -> None:
        assert text.startswith("[")


def relay_message(data: bytes) -> None:
    """A message of a relay. `@` stands for an event of the wallet's whose content, encrypted, is the rest."""
    if data[:1] == b"@":
        data = _event(data[1:].decode("utf-8", "replace"))
    _runner().run(_heard(data))


def _event(content: str) -> bytes:
    import nostr_sdk

    _, keys, own = _wallet()
    try:
        sealed = nostr_sdk.nip44_encrypt(
            keys.secret_key(), own.public_key(), content, nostr_sdk.Nip44Version.V2
        )
    except nostr_sdk.NostrSdkError:
        return b"[]"
    tags = [["p", own.public_key().to_hex()], ["e", "00" * 32]]
    builder = nostr_sdk.EventBuilder(nostr_sdk.Kind(nostr.ANSWER), sealed)
    event = builder.tags([nostr_sdk.Tag.parse(tag) for tag in tags]).sign_with_keys(keys)
    return f'["EVENT","answers",{event.as_json()}]'.encode()


async def _heard(data: bytes) -> None:
    wallet, _, _ = _wallet()
    notices: list[nostr.Notice] = []
    line = nostr.Line(wallet, lambda: NOW, notices.append)
    socket: Any = _Socket()
    opened = nostr._Open("wss://relay.example.org", socket)
    pending = opened.pending["00" * 32] = nostr._Pending(asyncio.get_running_loop().create_future())
    try:
        await line.heard(opened, data.decode("utf-8", "replace"))
    except FundingDown as error:
        told(error)
    opened.ready.cancel()
    if pending.answer.done() and pending.answer.exception() is None:
        assert isinstance(pending.answer.result(), dict)
