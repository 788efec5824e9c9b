"""A source of numbers that does as it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from ulak.core.numbers import Activation, Gone, Got, News, NoneLeft, Text, Unreached, Want
from ulak.core.pools import ANY

SOURCE_POOL = 22
"""Where numbers come from when nobody minds."""


class ToldSource:
    """`ulak.core.numbers.NumberSource`. It sells once for a key, as it must. `meanwhile` is what happens
    before the answer about a number that was sold."""

    def __init__(self, services: Collection[str] = ("tg", "wa"), *, every: int | None = 1000) -> None:
        self.services = set(services)
        self.every = every
        self.left = 10**6
        self.tries_unlisted = False
        self.buying: Callable[[Want], NoneLeft | Unreached | None] = lambda _want: None
        self.finishing: Unreached | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.silent = False
        self.sold: dict[int, Got] = {}
        self.texts: dict[int, list[Text]] = {}
        self.gone: set[int] = set()
        self.asked: Counter[str] = Counter()
        self.wanted: list[Want] = []
        self.finished: list[tuple[int, bool]] = []

    def send(
        self, key: int, text: str, sender: str = "Example", at: int = 0, code: str | None = None
    ) -> None:
        """An SMS comes to the number that was sold for a key."""
        self.texts.setdefault(key, []).append(Text(sender, text, at, code, str(len(self.texts.get(key, ())))))

    def unlisted(self, service: str) -> bool:
        return self.tries_unlisted and service not in self.services

    async def pools(self) -> Collection[int] | Unreached:
        self.asked["pools"] += 1
        return Unreached("told so") if self.silent else {SOURCE_POOL} if self.left else ()

    async def rentals(self, service: str) -> Collection[int] | Unreached:
        del service
        return await self.pools()

    async def stock(self, pool: int) -> Mapping[str, int] | Unreached:
        self.asked["stock"] += 1
        if self.silent:
            return Unreached("told so")
        here = pool in (ANY, SOURCE_POOL) and self.left > 0
        return dict.fromkeys(self.services, self.left) if here else {}

    async def buy(self, want: Want) -> Got | NoneLeft | Unreached:
        self.asked["buy"] += 1
        self.wanted.append(want)
        if want.key in self.sold:
            return self.sold[want.key]
        refusal = Unreached("told so") if self.silent else self.buying(want)
        if refusal is not None:
            return refusal
        if not self.left:
            return NoneLeft("sold out")
        self.left -= 1
        if self.meanwhile is not None:
            await self.meanwhile()
        got = Got(f"{7000 + want.key}", 919876500000 + want.key, SOURCE_POOL)
        self.sold[want.key] = got
        return got

    async def news(self, held: Sequence[Activation], now: int) -> Sequence[News]:
        del now
        self.asked["news"] += 1
        if self.silent:
            return [Unreached("told so")] * len(held)
        return [
            Gone("told so") if one.key in self.gone else list(self.texts.get(one.key, ())) for one in held
        ]

    async def finish(self, activation: Activation, used: bool) -> Unreached | None:
        self.asked["finish"] += 1
        if self.silent or self.finishing is not None:
            return self.finishing or Unreached("told so")
        self.finished.append((activation.key, used))
        return None

    async def close(self) -> None:
        return
