"""What the operations share: one call, who it is from, and what it asks of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from ulak.core.accounts import Account
from ulak.core.errors import Refusal
from ulak.dialects.door import Books, Call
from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.codes import TEXTS, Code
from ulak.dialects.iletimerkezi.drafts import DIALECT
from ulak.dialects.iletimerkezi.jsonbody import Fields
from ulak.service.accounts import LOGIN, authenticate, login_name

Result = TypeVar("Result")

_BIG_BODY = 64 * 1024

OK = wire.Status(Code.OK, TEXTS[Code.OK])
DONE = wire.Plain(OK)


class Visit:
    """One call of an operation."""

    def __init__(self, books: Books, call: Call, given: bytes, read: Callable[[bytes], Fields]) -> None:
        """`read` finds the object under `request` in what the call gives us: its body, or its query."""
        self.books = books
        self.call = call
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
    ) -> Result | Refusal | Code:
        """Who is it, and what does the store say: one transaction, one change of threads."""
        if not credible(who):
            return Code.UNAUTHENTICATED
        return await self.books.read(lambda tx: self._let_in(tx, who, question))

    async def changed(
        self, who: wire.Authentication, change: Callable[[Any, Account], Result | Refusal | Code]
    ) -> Result | Refusal | Code:
        """Change something of the caller's own. `change` may refuse."""
        # Asked before the writer is: strangers shall not keep it busy.
        account = await self.asked(who, lambda _tx, account: account)
        if not isinstance(account, Account):
            return account
        # Once more: access may have been taken away in between.
        return await self.books.write(lambda tx: self._let_in(tx, who, change))

    def _let_in(
        self,
        tx: Any,
        who: wire.Authentication,
        do: Callable[[Any, Account], Result | Refusal | Code],
    ) -> Result | Refusal | Code:
        account = authenticate(tx, *credential(who), self.call.address)
        return Code.UNAUTHENTICATED if account is None else do(tx, account)


Answer: TypeAlias = wire.Answer | Refusal | Code
"""What an operation answers: a payload with its status, or why not."""

Operation: TypeAlias = Callable[[Visit], Awaitable[Answer]]


def credential(who: wire.Authentication) -> tuple[str, str, str]:
    """The dialect, key and secret that the store knows a caller by."""
    if isinstance(who, wire.Login):
        return LOGIN, login_name(who.key), who.hash
    return DIALECT, who.key, who.hash


def credible(who: wire.Authentication) -> bool:
    """Whether it is worth asking the store."""
    return bool(who.key and who.hash)


def invalid(errors: dict[str, str]) -> wire.Invalid:
    """422, with what is wrong with which field."""
    return wire.Invalid(wire.Status(Code.BAD_VALUES, TEXTS[Code.BAD_VALUES]), errors)
