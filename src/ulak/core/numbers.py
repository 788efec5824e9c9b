"""What the engine asks of a source of rented numbers, and what a source may say back.

A source never touches the store. Every call may be made again after a crash: what is bought is told apart by
`Want.key`, and a source that can remember sells once for a key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

RENTAL_WEEKS = 2
"""How long a number is rented for as a whole (sms4sats: the example of getRentalCountries)."""


@dataclass(frozen=True, slots=True)
class Want:
    """A number that somebody has paid for.

    `key` is the same however often it is tried. `pool` is a country of `core.pools`, `ANY` for the source's
    choice; `service` a code of `core.pools`. `weeks` is 0 unless the number is rented as a whole. `handset`:
    it has to be in one, not with a provider of virtual numbers.
    """

    key: int
    pool: int
    service: str
    weeks: int = 0
    handset: bool = False


@dataclass(frozen=True, slots=True)
class Got:
    """A number. `reference` is what the source knows it by; `number` is E.164 without the plus sign."""

    reference: str
    number: int
    pool: int


@dataclass(frozen=True, slots=True)
class NoneLeft:
    """The source has no such number (now), and says why in its own words."""

    why: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """The source could not be asked, or its answer did not come."""

    why: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The source has taken the number back; nothing will come any more."""

    why: str


class Activation(NamedTuple):
    """A number in use: what the source gave us, for what and since when (ms UTC)."""

    key: int
    reference: str
    number: int
    service: str
    since: int
    rental: bool = False


class Text(NamedTuple):
    """An SMS that came to a number. `code` is what the source itself took out of it; None: it did not.

    `reference` is what makes it the same when it is told again.
    """

    sender: str
    text: str
    at: int
    code: str | None = None
    reference: str = ""

    @property
    def told(self) -> str:
        """Its reference, or, where the source gives none, all of it."""
        return self.reference or f"{self.sender}\0{self.text}\0{self.at}"


News = Sequence[Text] | Gone | Unreached
"""What a source says of one number: all texts so far, oldest first; or why there is nothing to wait for."""


class NumberSource(Protocol):
    """A way to numbers. Calls have time limits of their own and never raise for what a source does."""

    def unlisted(self, service: str) -> bool:
        """Whether a service can be tried although nobody knows whether there is a number for it."""

    @property
    def every(self) -> int | None:
        """How often to ask for news about a number, ms; None: it brings its news by itself."""

    async def pools(self) -> Collection[int] | Unreached:
        """Where it has numbers for codes."""

    async def rentals(self, service: str) -> Collection[int] | Unreached:
        """Where it has numbers to be rented as a whole for a service ('full': for all)."""

    async def stock(self, pool: int) -> Mapping[str, int] | Unreached:
        """Numbers that are left in a pool for each service; `ANY`: in all of them. Sold out is missing."""

    async def buy(self, want: Want) -> Got | NoneLeft | Unreached:
        """Take a number."""

    async def news(self, held: Sequence[Activation], now: int) -> Sequence[News]:
        """What came to each of these numbers, in their order."""

    async def finish(self, activation: Activation, used: bool) -> Unreached | None:
        """We are done with a number; `used`: a code was delivered. None when the source knows it, also when
        it knew before or knows no such number any more."""

    async def close(self) -> None:
        """Hang up."""
