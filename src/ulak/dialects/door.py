"""What passes through a door: a `Call` comes in, a `Reply` goes out.

A dialect answers every call under its prefix, whatever it is, in its own envelope; also those that never
reach its code, because the body was too large or because something in Ulak broke.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, whole. `path` is decoded; `address` is the caller's IP address."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Route(NamedTuple):
    """A method and a path that are answered with something. What changes in the path stands in braces."""

    method: str
    path: str


class Trouble(Enum):
    """Why a call got no proper answer."""

    BODY_TOO_LARGE = "body_too_large"
    BODY_INCOMPLETE = "body_incomplete"
    OVERLOADED = "overloaded"
    CRASHED = "crashed"


class Dialect(Protocol):
    """The serving side of a wire protocol."""

    async def answer(self, call: Call) -> Reply:
        """Carry out a call. Exceptions become `trouble(call, Trouble.CRASHED)`."""

    def trouble(self, call: Call, what: Trouble) -> Reply:
        """The envelope for a call that could not be carried out."""


class Books(Protocol):
    """What a door may ask of the store, from the event loop.

    The functions given run on other threads with an open transaction as their first argument.
    Both raise `core.errors.StoreUnavailable` when the database cannot answer.
    """

    async def read(self, question: Callable[[Any], Result]) -> Result:
        """Ask within one read transaction."""

    async def write(self, change: Callable[[Any], Result]) -> Result:
        """Change within one transaction of its own; returns after it is committed and synced."""

    def gather(self, kind: str, item: Any) -> Awaitable[Any]:
        """Hand an item to the group of its kind; returns its result after the group's commit."""
