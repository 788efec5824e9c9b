"""The wire to a wallet behind a Nostr relay (NIP-47, with NIP-01, NIP-42 and NIP-44).

Requests (kind 23194) and answers (23195) are events that only wallet and client can read; a relay passes
them on and need not be trusted: every event is checked for its signature, its author and the request it
belongs to. What the wallet can do stands in its info event (13194), which relays keep; notifications (23197)
come unasked.

Source: https://github.com/nostr-protocol/nips (01, 42, 44, 47), July 2026.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from ulak.core.funding import CannotDo, FundingDown
from ulak.core.times import Clock

if TYPE_CHECKING:
    import aiohttp

INFO, REQUEST, ANSWER, NOTIFICATION = 13194, 23194, 23195, 23197

CONNECT = 10.0
"""Seconds for a connection to a relay, with all that is asked of it first."""

HEARTBEAT = 20.0
"""Seconds after which a relay that says nothing is asked whether it is there."""

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds in which nobody tries to connect again, by the number of failures in a row."""

SINCE = 600
"""Seconds that the wallet's clock may be behind ours: older events are not asked for."""

STALE = 60
"""Seconds after the end of our patience when a request is not to be carried out any more."""

MESSAGE_MAX = 256 * 1024
"""Bytes of a message of a relay that are read."""

_KEY = re.compile(r"[0-9a-f]{64}")
_LONG_WORD = re.compile(r"\S{32,}")
_ENCRYPTION = "nip44_v2"
_REFUSED_FOR_GOOD = (
    "BAD_REQUEST",
    "INSUFFICIENT_BALANCE",
    "NOT_FOUND",
    "NOT_IMPLEMENTED",
    "PAYMENT_FAILED",
    "QUOTA_EXCEEDED",
    "RESTRICTED",
    "UNAUTHORIZED",
    "UNSUPPORTED_ENCRYPTION",
)


class Unanswered(FundingDown):
    """The request may have reached the wallet; its answer did not come."""


class Refused(Exception):
    """The wallet says no. `code` is one of NIP-47."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the wallet says {plain(code)}: {plain(message)}")
        self.code = code

    def told(self) -> CannotDo | FundingDown:
        """What that means: never, or not now."""
        return CannotDo(str(self)) if self.code in _REFUSED_FOR_GOOD else FundingDown(str(self))


def plain(text: object) -> str:
    """What somebody else wrote, short and printable, without words as long as an invoice or a key."""
    words = _LONG_WORD.sub("…", str(text))[:120]
    return "".join(letter if letter.isprintable() else " " for letter in words)


@dataclass(frozen=True, slots=True)
class Wallet:
    """Where a wallet is: its public key (hex), its relays, and the secret key that is ours."""

    key: str
    relays: tuple[str, ...]
    secret: str = field(repr=False)


def parse_uri(text: str) -> Wallet:
    """A wallet's address, `nostr+walletconnect://KEY?relay=…&secret=…`.

    Raises:
        ValueError: it is none; the text says why and does not repeat it.
    """
    parts = urlsplit(text.strip())
    if parts.scheme != "nostr+walletconnect":
        raise ValueError("the address of a wallet begins with nostr+walletconnect://")
    if not _KEY.fullmatch(parts.netloc) or parts.path not in ("", "/") or parts.fragment:
        raise ValueError("behind nostr+walletconnect:// stand the 64 hexadecimal digits of the wallet's key")
    try:
        fields = parse_qsl(parts.query, strict_parsing=True)
    except ValueError:
        raise ValueError("what stands behind the question mark is not name=value") from None
    secrets = [value for name, value in fields if name == "secret"]
    if len(secrets) != 1 or not _KEY.fullmatch(secrets[0]):
        raise ValueError("the address must hold one secret of 64 hexadecimal digits")
    relays = tuple(dict.fromkeys(value for name, value in fields if name == "relay"))
    if not relays or not all(map(_is_relay, relays)):
        raise ValueError("the address must hold relay=wss://…")
    return Wallet(parts.netloc, relays, secrets[0])


def _is_relay(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False


class Info(NamedTuple):
    """What a wallet says it can do. `at` is when it said so, in seconds."""

    at: int
    methods: frozenset[str]
    encryptions: frozenset[str]


class Answer(NamedTuple):
    """What the wallet answers to the request with the id `to`: its whole content, decrypted."""

    to: str
    said: Mapping[str, Any]


class Notice(NamedTuple):
    """Something that the wallet tells unasked."""

    kind: str
    said: Mapping[str, Any]


class Wire:
    """Makes and reads events; without sockets."""

    def __init__(self, wallet: Wallet, clock: Clock) -> None:
        """Raises ValueError when a key of the wallet is no key, or a relay none."""
        import nostr_sdk  # type: ignore[import-untyped]

        self._sdk: Any = nostr_sdk
        self._clock = clock
        try:
            self._keys = nostr_sdk.Keys.parse(wallet.secret)
            self._wallet = nostr_sdk.PublicKey.parse(wallet.key)
            self._seal("{}")
            for relay in wallet.relays:
                nostr_sdk.RelayUrl.parse(relay)
        except nostr_sdk.NostrSdkError:
            raise ValueError("the address of the wallet holds a key or a relay that is none") from None
        self._wallet_key = wallet.key
        self._own_key: str = self._keys.public_key().to_hex()

    def questions(self) -> dict[str, dict[str, object]]:
        """What to ask a relay for: filters by the names of their subscriptions."""
        since = self._clock() // 1000 - SINCE
        wallet = {"authors": [self._wallet_key]}
        own = {"#p": [self._own_key], "since": since}
        return {
            "info": {"kinds": [INFO], **wallet, "limit": 1},
            "answers": {"kinds": [ANSWER, NOTIFICATION], **wallet, **own},
        }

    def request(self, method: str, params: Mapping[str, object], patience: float) -> tuple[str, str]:
        """A signed request: its id, and the event as JSON."""
        content = msgspec.json.encode({"method": method, "params": params}).decode()
        expires = self._clock() // 1000 + int(patience) + STALE
        tags = [["p", self._wallet_key], ["encryption", _ENCRYPTION], ["expiration", str(expires)]]
        builder = self._sdk.EventBuilder(self._sdk.Kind(REQUEST), self._seal(content))
        event = self._sign(builder.tags([self._sdk.Tag.parse(tag) for tag in tags]))
        return event.id().to_hex(), event.as_json()

    def proof(self, challenge: str, relay: str) -> tuple[str, str]:
        """What a relay wants that asks who we are (NIP-42): its id, and the event as JSON."""
        builder = self._sdk.EventBuilder.auth(challenge, self._sdk.RelayUrl.parse(relay))
        event = self._sign(builder)
        return event.id().to_hex(), event.as_json()

    def read(self, text: str) -> Info | Answer | Notice | None:
        """What an event says; None when it is not the wallet's, not for us, or cannot be read."""
        try:
            event = self._sdk.Event.from_json(text)
            if event.author().to_hex() != self._wallet_key or not event.verify():
                return None
            tags = [tag.as_vec() for tag in event.tags().to_vec()]
            kind = event.kind().as_u16()
            if kind == INFO:
                return _info(event.created_at().as_secs(), event.content(), tags)
            if ["p", self._own_key] not in [tag[:2] for tag in tags]:
                return None
            said = msgspec.json.decode(self._open(event.content()))
        except (self._sdk.NostrSdkError, ValueError, RecursionError):
            return None
        if not isinstance(said, dict):
            return None
        if kind == NOTIFICATION:
            return _notice(said)
        return next((Answer(tag[1], said) for tag in tags if tag[0] == "e" and len(tag) > 1), None)

    def _sign(self, builder: Any) -> Any:
        moment = self._sdk.Timestamp.from_secs(self._clock() // 1000)
        return builder.custom_created_at(moment).sign_with_keys(self._keys)

    def _seal(self, content: str) -> str:
        keys, version = self._keys.secret_key(), self._sdk.Nip44Version.V2
        return str(self._sdk.nip44_encrypt(keys, self._wallet, content, version))

    def _open(self, content: str) -> str:
        return str(self._sdk.nip44_decrypt(self._keys.secret_key(), self._wallet, content))


def _info(at: int, content: str, tags: Sequence[Sequence[str]]) -> Info:
    told = [tag[1] for tag in tags if tag[0] == "encryption" and len(tag) > 1]
    return Info(at, frozenset(content.split()), frozenset(" ".join(told).split()))


def _notice(said: Mapping[str, Any]) -> Notice | None:
    about = said.get("notification")
    return Notice(str(said.get("notification_type")), about) if isinstance(about, dict) else None


@dataclass(slots=True, eq=False)
class _Pending:
    """A request whose answer is awaited. `taken`: the relay has it."""

    answer: asyncio.Future[Mapping[str, Any]]
    taken: bool = False


class _Open:
    """A connection to one relay, and what is under way on it."""

    def __init__(self, url: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.url = url
        self.socket = socket
        self.pending: dict[str, _Pending] = {}
        self.unready = set[str]()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.proof = ""
        self.reader: asyncio.Task[None] | None = None

    async def say(self, *message: object) -> None:
        await self.socket.send_str(msgspec.json.encode(message).decode())

    def fail(self, error: FundingDown) -> None:
        """Nothing will be answered any more."""
        for pending in self.pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(error)
        self.pending.clear()
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # nobody may be waiting for it


class Line:
    """Talks with a wallet over the first of its relays that answers; connects when that is needed."""

    def __init__(
        self,
        wallet: Wallet,
        clock: Clock,
        heard: Callable[[Notice], None],
        connect: float = CONNECT,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """`heard` is called with each notification. The clock is the machine's: events carry its time.

        Raises:
            ValueError: a key of the wallet is no key, or a relay none.
        """
        self.wire = Wire(wallet, clock)
        self.info: Info | None = None
        self._relays = wallet.relays
        self._heard = heard
        self._connect = connect
        self._pauses = pauses
        self._first = 0
        self._failures = 0
        self._not_before = 0.0
        self._lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._open: _Open | None = None

    async def learn(self) -> Info:
        """What the wallet says it can do.

        Raises:
            FundingDown: it cannot be learnt now.
            CannotDo: there is no encryption that both know.
        """
        await self._opened()
        if self.info is None:
            raise FundingDown("the relay knows nothing about the wallet: it has not been there yet")
        if _ENCRYPTION not in self.info.encryptions:
            raise CannotDo("the wallet cannot encrypt as NIP-44 says; a newer version of it can")
        return self.info

    async def ask(self, method: str, params: Mapping[str, object], timeout: float) -> Mapping[str, Any]:
        """The result of a request.

        Raises:
            Refused: the wallet says no.
            Unanswered: it may have been asked and did not answer within `timeout` seconds.
            FundingDown: it was not asked.
        """
        await self.learn()
        line = await self._opened()
        id, event = self.wire.request(method, params, timeout)
        pending = line.pending[id] = _Pending(asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(timeout):
                await line.socket.send_str(f'["EVENT",{event}]')
                return _result(method, await pending.answer)
        except TimeoutError:
            if not pending.taken:
                await self._hang_up(line, "the relay does not answer")
            raise Unanswered(f"the wallet did not answer within {timeout:g} seconds") from None
        except OSError:
            raise Unanswered("the connection to the relay broke") from None
        finally:
            line.pending.pop(id, None)

    async def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            await self._hang_up(self._open, "the line was closed")
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _opened(self) -> _Open:
        """The connection, made if there is none; not tried again too soon after a failure."""
        async with self._lock:
            if self._open is not None and not self._open.socket.closed:
                return self._open
            now = asyncio.get_running_loop().time()
            if now < self._not_before:
                raise FundingDown("there was no relay a moment ago")
            for turn in range(len(self._relays)):
                at = (self._first + turn) % len(self._relays)
                try:
                    self._open = await self._dial(self._relays[at])
                except FundingDown as error:
                    why = error
                    continue
                self._first, self._failures = at, 0
                return self._open
            self._not_before = now + self._pauses[min(self._failures, len(self._pauses) - 1)]
            self._failures += 1
            raise why

    async def _dial(self, url: str) -> _Open:
        """A connection on which the relay has said what it knows."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
            )
        line: _Open | None = None
        try:
            async with asyncio.timeout(self._connect):
                socket = await self._session.ws_connect(url, heartbeat=HEARTBEAT, max_msg_size=MESSAGE_MAX)
                line = _Open(url, socket)
                line.reader = asyncio.create_task(self._read(line), name="nostr relay")
                await self._subscribe(line)
                await line.ready
                return line
        except TimeoutError:
            why = FundingDown(f"{urlsplit(url).hostname} did not answer within {self._connect:g} seconds")
        except (aiohttp.ClientError, OSError):
            why = FundingDown(f"no connection to {urlsplit(url).hostname}")
        except FundingDown as error:
            why = error
        if line is not None:
            await self._hang_up(line, "no connection")
        raise why

    async def _subscribe(self, line: _Open) -> None:
        questions = self.wire.questions()
        line.unready = set(questions)
        for name, filter in questions.items():
            await line.say("REQ", name, filter)

    async def _hang_up(self, line: _Open, why: str) -> None:
        if self._open is line:
            self._open = None
            self._first += 1
        line.fail(Unanswered(why))
        if line.reader is not None and line.reader is not asyncio.current_task():
            line.reader.cancel()
            await asyncio.wait((line.reader,), timeout=1.0)
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(line.socket.close(), 1.0)

    async def _read(self, line: _Open) -> None:
        """Hear a relay until it is gone."""
        import aiohttp

        try:
            async for message in line.socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self.heard(line, message.data)
        except (aiohttp.ClientError, OSError):
            pass
        except FundingDown as error:
            line.fail(error)
        await self._hang_up(line, "the connection to the relay broke")

    async def heard(self, line: _Open, text: str) -> None:
        """A message of a relay. What cannot be read is passed over.

        Raises:
            FundingDown: the relay is of no use to us.
        """
        with contextlib.suppress(ValueError, RecursionError, IndexError):
            await self._hear(line, msgspec.json.decode(text, type=list[msgspec.Raw]))

    async def _hear(self, line: _Open, message: list[msgspec.Raw]) -> None:
        """Do what a message of the relay asks for (NIP-01, NIP-42)."""
        kind, *rest = message
        match msgspec.json.decode(kind):
            case "EVENT":
                self._event(line, self.wire.read(bytes(rest[1]).decode()))
            case "EOSE":
                line.unready.discard(_text(rest[0]))
                if not line.unready and not line.ready.done():
                    line.ready.set_result(None)
            case "OK":
                why = _text(rest[2]) if len(rest) > 2 else ""
                await self._taken(line, _text(rest[0]), msgspec.json.decode(rest[1]) is True, why)
            case "CLOSED":
                why = _text(rest[1]) if len(rest) > 1 else ""
                if not why.startswith("auth-required"):
                    raise FundingDown(f"the relay refuses to tell us: {plain(why)}")
            case "AUTH":
                line.proof, event = self.wire.proof(_text(rest[0]), line.url)
                await line.socket.send_str(f'["AUTH",{event}]')

    def _event(self, line: _Open, found: Info | Answer | Notice | None) -> None:
        match found:
            case Info() if self.info is None or found.at >= self.info.at:
                self.info = found
            case Answer():
                pending = line.pending.get(found.to)
                if pending is not None and not pending.answer.done():
                    pending.answer.set_result(found.said)
            case Notice():
                self._heard(found)

    async def _taken(self, line: _Open, id: str, taken: bool, why: str) -> None:
        """A relay has taken an event or refused it."""
        if id == line.proof:
            if not taken:
                raise FundingDown(f"the relay does not let us in: {plain(why)}")
            await self._subscribe(line)
        pending = line.pending.get(id)
        if pending is None:
            return
        pending.taken = True
        if not taken and not pending.answer.done():
            pending.answer.set_exception(FundingDown(f"the relay refused the request: {plain(why)}"))


def _text(raw: msgspec.Raw) -> str:
    return msgspec.json.decode(raw, type=str)


def _result(method: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a wallet answered, if it is an answer to this and no refusal."""
    error = said.get("error")
    if isinstance(error, dict):
        raise Refused(str(error.get("code")), str(error.get("message")))
    result = said.get("result")
    if said.get("result_type") != method or error is not None or not isinstance(result, dict):
        raise Unanswered("what the wallet answered cannot be read")
    return result
