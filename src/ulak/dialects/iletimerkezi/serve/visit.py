"""What the operations share: one call, who it is from, and what it asks of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

from ulak.core.accounts import Account
from ulak.core.errors import Refusal
from ulak.dialects.door import Books, Call
from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.codes import TEXTS, Code
from ulak.dialects.iletimerkezi.drafts import DIALECT
from ulak.dialects.iletimerkezi.jsonbody import Fields
from ulak.service.accounts import LOGIN, authenticate, login_name
from ulak.service.guard import Attempt, Guard

Result = TypeVar("Result")

_BIG_BODY = 64 * 1024

OK = wire.Status(Code.OK, TEXTS[Code.OK])
DONE = wire.Plain(OK)


class Later(NamedTuple):
    """It is too much now; in so many seconds it may be tried again."""

    wait: int


No: TypeAlias = Refusal | Code | Later
"""Why something was not done."""


class Visit:
    """One call of an operation."""

    def __init__(
        self, books: Books, guard: Guard, call: Call, given: bytes, read: Callable[[bytes], Fields]
    ) -> None:
        """`read` finds the object under `request` in what the call gives us: its body, or its query. `guard`
        slows those who guess."""
        self.books = books
        self.call = call
        self._guard = guard
        self._given = given
        self._read = read

    async def parsed(self, understand: Callable[[Fields], Result]) -> Result:
        """What the request says; a big one is read on another thread, so that the event loop stays free.

        Raises:
            BadRequest: it cannot be read.
        """
        if len(self._given) > _BIG_BODY:
            return await asyncio.to_thread(lambda: understand(self._read(self._given)))
        return understand(self._read(self._given))

    async def asked(
        self, who: wire.Authentication, question: Callable[[Any, Account], Result | Refusal | Code]
    ) -> Result | No:
        """Who is it, and what does the store say: one transaction, one change of threads."""
        attempt = self.attempt(who)
        if not isinstance(attempt, Attempt):
            return attempt
        found = await self.books.read(lambda tx: self._let_in(tx, who, question))
        return await self.wrong(attempt) if found is Code.UNAUTHENTICATED else self.right(attempt, found)

    async def changed(
        self, who: wire.Authentication, change: Callable[[Any, Account], Result | Refusal | Code]
    ) -> Result | No:
        """Change something of the caller's own. `change` may refuse."""
        # Asked before the writer is: strangers shall not keep it busy.
        account = await self.asked(who, lambda _tx, account: account)
        if not isinstance(account, Account):
            return account
        # Once more: access may have been taken away in between.
        return await self.books.write(lambda tx: self._let_in(tx, who, change))

    def attempt(self, who: wire.Authentication) -> Attempt | Code | Later:
        """What somebody says to be let in, unless that is nothing, or is not looked at now."""
        if not (who.key and who.hash):
            return Code.UNAUTHENTICATED
        dialect, key, secret = credential(who)
        attempt = self._guard.attempt(self.call.address, secret, name=f"{dialect} {key}")
        wait = self._guard.wait(attempt)
        return Later(wait) if wait else attempt

    async def wrong(self, attempt: Attempt) -> Code | Later:
        """Nobody is let in with this; what is answered."""
        wait = await self._guard.wrong(attempt)
        return Later(wait) if wait else Code.UNAUTHENTICATED

    def right(self, attempt: Attempt, found: Result) -> Result:
        """Somebody is; what was found."""
        self._guard.right(attempt)
        return found

    def _let_in(
        self,
        tx: Any,
        who: wire.Authentication,
        do: Callable[[Any, Account], Result | Refusal | Code],
    ) -> Result | Refusal | Code:
        account = authenticate(tx, *credential(who), self.call.address)
        return Code.UNAUTHENTICATED if account is None else do(tx, account)


Answer: TypeAlias = wire.Answer | No
"""What an operation answers: a payload with its status, or why not."""

Operation: TypeAlias = Callable[[Visit], Awaitable[Answer]]


def credential(who: wire.Authentication) -> tuple[str, str, str]:
    """The dialect, key and secret that the store knows a caller by."""
    if isinstance(who, wire.Login):
        return LOGIN, login_name(who.key), who.hash
    return DIALECT, who.key, who.hash


def invalid(errors: dict[str, str]) -> wire.Invalid:
    """422, with what is wrong with which field."""
    return wire.Invalid(wire.Status(Code.BAD_VALUES, TEXTS[Code.BAD_VALUES]), errors)
