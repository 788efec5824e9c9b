"""One call on its way through: who asks, how often they may, and what is said when they may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

from ulak.core.accounts import Account
from ulak.core.once import Once
from ulak.dialects.comtohome import jsonbody, wire
from ulak.dialects.comtohome.jsonbody import Fields, TooLarge, Unreadable
from ulak.dialects.comtohome.texts import Text, language_of, say
from ulak.dialects.door import Books, Call, Reply
from ulak.service.accounts import authenticate, digest
from ulak.service.guard import Attempt, Guard
from ulak.service.limits import Limit, Rate
from ulak.service.parcels import Who

Result = TypeVar("Result")

DIALECT = "comtohome"

PAGE_ROWS, PAGE_ROWS_MAX = 10, 100
_PAGES_MAX = 10**9
_KEY_MAX = 255
RETRY_AFTER = ((b"retry-after", b"1"),)


class Refused(Exception):
    """A call that is answered with a failure."""

    def __init__(self, status: int, *messages: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(*messages)
        self.status = status
        self.messages = messages
        self.headers = headers

    @property
    def reply(self) -> Reply:
        """The answer."""
        return Reply(self.status, wire.failure(*self.messages), headers=self.headers)


@dataclass(slots=True)
class Visit:
    """A call, and where its key stands."""

    call: Call
    rate: Rate
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.header(b"apikey")

    @property
    def language(self) -> str:
        """In which language failures are told."""
        return language_of(self.header(b"accept-language").encode("latin-1", "replace"))

    @property
    def who(self) -> Who:
        """Who asks, as services want to know it."""
        return Who(DIALECT, self.key, "", self.call.address)

    def say(self, text: Text, **values: object) -> str:
        """A sentence in the caller's language."""
        return say(text, self.language, **values)

    def header(self, name: bytes) -> str:
        """The first header of a name, empty if there is none."""
        for key, value in self.call.headers:
            if key == name:
                return value.decode("latin-1").strip()
        return ""

    def query(self, name: str) -> str | None:
        """A parameter behind the path, the first of its name."""
        pairs = parse_qsl(self.call.query.decode("latin-1"), keep_blank_values=True)
        return next((value for key, value in pairs if key == name), None)

    def refused(
        self, status: int, text: Text, headers: tuple[tuple[bytes, bytes], ...] = (), **values: object
    ) -> Refused:
        """A failure in the caller's language."""
        return Refused(status, self.say(text, **values), headers=headers)

    def slowed(self, wait: int) -> Refused:
        """Too much was asked, or too much of it was wrong: nothing is looked at for so many seconds."""
        self.rate = Rate(False, self.rate.limit, 0, wait)
        return self.refused(429, Text.TOO_MANY, ((b"retry-after", b"%d" % wait),))

    def invalid(self, path: str, text: Text, **values: object) -> Refused:
        """A field is not what it should be."""
        return Refused(422, f"{path}: {self.say(text, **values)}")

    def body(self, *, optional: bool = False) -> Fields:
        """The object in the body; with `optional` an empty body is an empty object."""
        if optional and not self.call.body.strip():
            return {}
        try:
            return jsonbody.object_in(self.call.body)
        except Unreadable:
            raise self.refused(400, Text.UNREADABLE) from None
        except TooLarge:
            raise self.refused(413, Text.TOO_LARGE) from None

    @property
    def has_key(self) -> bool:
        """Whether the call is to happen once."""
        return any(name == b"x-idempotency-key" for name, _ in self.call.headers)

    def once(self, content: object) -> Once | None:
        """The key that makes this call happen once, if it has one."""
        if not self.has_key:
            return None
        key = self.header(b"x-idempotency-key")
        if not 1 <= len(key) <= _KEY_MAX or not all("!" <= letter <= "~" for letter in key):
            raise self.refused(422, Text.BAD_KEY)
        path = self.call.path.rstrip("/")
        return Once(f"{self.call.method} {path}", key, jsonbody.digest_of(content))

    def page(self) -> wire.Meta | Refused:
        """Which page is wanted, from 1, and how many entries it has; of how many is not known yet."""
        problems = []
        numbers = []
        for name, default, most in (("page", 1, _PAGES_MAX), ("limit", PAGE_ROWS, None)):
            text = (self.query(name) or "").strip()
            known = text.isascii() and text.isdigit() and len(text) <= 18
            number = int(text) if known else 0
            if not text:
                numbers.append(default)
            elif number < 1 or (most is not None and number > most):
                problems.append(f"{name}: {self.say(Text.NOT_A_PAGE)}")
            else:
                numbers.append(number)
        if problems:
            return Refused(422, *problems)
        return wire.Meta(numbers[0], min(numbers[1], PAGE_ROWS_MAX), 0)


class Gate:
    """Lets visitors in: first who they are, then how often they may ask."""

    def __init__(self, books: Books, limit: Limit, guard: Guard) -> None:
        self._books = books
        self._limit = limit
        self._guard = guard

    async def ask(self, visit: Visit, question: Callable[[Any, Account], Result | Refused]) -> Result:
        """Let the visitor in and ask the store, all in one transaction.

        Raises:
            Refused: nobody has this key, or it was used too often, or that is what `question` returns.
        """
        if not visit.key:
            raise visit.refused(401, Text.UNAUTHENTICATED)
        attempt = self.attempt(visit, visit.key)
        who, key, limit = visit.key, digest(visit.key), self._limit

        def enter(tx: Any) -> tuple[int, int, Rate | None, Result | Refused | None] | None:
            account = authenticate(tx, DIALECT, who, "", visit.call.address)
            if account is None:
                return None
            # Whoever is known to ask too often is not answered; the others are counted once this is over,
            # because those who count with us are not to be waited for in a transaction.
            full = limit.full(key, tx.now)
            return tx.now, tx.ahead, full, None if full else question(tx, account)

        entered = await self._books.read(enter)
        if entered is None:
            await self.wrong(visit, attempt)
            raise visit.refused(401, Text.UNAUTHENTICATED)
        self._guard.right(attempt)
        now, ahead, full, result = entered
        visit.rate = full or await limit.ask(key, now, ahead)
        if not visit.rate.allowed:
            raise visit.slowed(visit.rate.wait)
        if isinstance(result, Refused):
            raise result
        return cast(Result, result)

    def attempt(self, visit: Visit, secret: str) -> Attempt:
        """Something that the visitor may have guessed.

        Raises:
            Refused: it is not looked at, because of what was wrong before.
        """
        attempt = self._guard.attempt(visit.call.address, secret)
        wait = self._guard.wait(attempt)
        if wait:
            raise visit.slowed(wait)
        return attempt

    async def wrong(self, visit: Visit, attempt: Attempt) -> None:
        """It was wrong.

        Raises:
            Refused: it was so too often.
        """
        wait = await self._guard.wrong(attempt)
        if wait:
            raise visit.slowed(wait)

    def right(self, attempt: Attempt) -> None:
        """It was right."""
        self._guard.right(attempt)

    async def enter(self, visit: Visit) -> Account:
        """Let the visitor in; whose key it is."""
        return await self.ask(visit, lambda _tx, account: account)

    async def look(self, question: Callable[[Any], Result]) -> Result:
        """Ask the store for a visitor who was let in."""
        return await self._books.read(question)

    async def keep(self, change: Callable[[Any], Result]) -> Result:
        """Keep something that was made of what is there."""
        return await self._books.write(change)

    async def change(self, visit: Visit, change: Callable[[Any, Account], Result | Refused]) -> Result:
        """Change something for a visitor who was let in; access may have been taken in between.

        Raises:
            Refused: it was, or that is what `change` returns; then it has to have changed nothing.
        """
        stranger = visit.refused(401, Text.UNAUTHENTICATED)

        def write(tx: Any) -> Result | Refused:
            account = visit.who.account(tx)
            return stranger if account is None else change(tx, account)

        result = await self._books.write(write)
        if isinstance(result, Refused):
            raise result
        return result


def with_rate(reply: Reply, rate: Rate) -> Reply:
    """An answer with the headers that tell where its key stands."""
    headers = (
        (b"x-ratelimit-limit", b"%d" % rate.limit),
        (b"x-ratelimit-remaining", b"%d" % rate.remaining),
        (b"x-ratelimit-reset", b"%d" % rate.wait),
    )
    return Reply(reply.status, reply.body, reply.content_type, headers + reply.headers)


def succeeded(data: Any, message: str | None = None) -> Reply:
    """An answer with data."""
    return Reply(200, wire.success(data, message))


def answered(once: Once | None, body: bytes, again: bool) -> Reply:
    """An answer that is the same for every repetition of its key."""
    if once is None:
        return Reply(200, body)
    headers = (
        (b"x-idempotency-key", once.key.encode()),
        (b"x-idempotency-replayed", b"true" if again else b"false"),
    )
    return Reply(200, body, headers=headers)
