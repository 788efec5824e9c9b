"""Requests to LND's REST interface: JSON in and out, one object or one a line, and what can go wrong.

The node is one that the operator named, so it may be at a private address. Its certificate is its own: when
it is given it is the only one that is taken, whatever name the node is called by.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ulak.core.errors import UlakError
from ulak.core.funding import FundingDown

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

LIMIT = 4 * 1024 * 1024
"""Octets of an answer, or of one line of it."""

_CONNECT = 10.0
_REFUSED = (401, 403)
_AWAY = (429, 502, 503, 504)
_INVALID, _NOT_FOUND, _UNAVAILABLE = 3, 5, 14  # codes of gRPC

_NO_ROUTE = "Not Found"
"""What the gateway says of a path that it does not have; a thing that is not there has a text of its own."""

_LOCKED = re.compile(r"wallet (is )?(locked|not found|not created)|start(ing)? up|not yet ready", re.I)
_MACAROON = re.compile(r"macaroon|verification failed|permission denied|encoding/hex", re.I)
_LONG_WORD = re.compile(r"\S{25,}")
_UNPRINTABLE = re.compile(r"[^ -~]")


class Refused(UlakError):
    """The node understood, and refused. `code` is gRPC's, `text` the node's own words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__("the Lightning node refused")
        self.code = code
        self.text = text

    @property
    def missing(self) -> bool:
        """What was asked about is not there."""
        return self.code == _NOT_FOUND and self.text != _NO_ROUTE

    @property
    def invalid(self) -> bool:
        """What was asked for is nothing that the node does."""
        return self.code == _INVALID

    @property
    def reason(self) -> str:
        """The node's words in brackets, if they are plain; hashes, invoices and the like are left out."""
        words = _LONG_WORD.sub("…", _UNPRINTABLE.sub(" ", self.text))[:120].strip()
        return f" ({words})" if words else ""


class Rest:
    """Asks one node."""

    def __init__(self, url: str, macaroon: str, certificate: str | None, timeout: float) -> None:
        self._url = url
        self._headers = {"Grpc-Metadata-macaroon": macaroon}
        self._certificate = certificate
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, path: str, kind: type[T], body: dict[str, Any] | None = None) -> T:
        """One answer, of the shape of `kind`.

        Raises:
            Refused: the node refused.
            FundingDown: there is no answer, or none that LND gives.
        """
        with _told(self._timeout):
            async with (
                asyncio.timeout(self._timeout),
                self._opened().request(
                    method, self._url + path, json=body, headers=self._headers, allow_redirects=False
                ) as response,
            ):
                octets = await _all(response)
        if response.status != 200:
            raise _refusal(response.status, octets)
        return _decoded(octets, kind)

    async def lines(
        self, method: str, path: str, kind: type[T], body: dict[str, Any] | None = None
    ) -> AsyncGenerator[T, None]:
        """Answers as they come, until the node ends them. The time between them is the caller's affair.

        Raises:
            Refused, FundingDown: as `ask`, at any time.
        """
        with _told(self._timeout):
            async with self._opened().request(
                method, self._url + path, json=body, headers=self._headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise _refusal(response.status, await _all(response))
                async for line in _lines(response):
                    yield _result(line, kind)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._context()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(_CONNECT, self._timeout)),
                trust_env=False,
            )
        return self._session

    def _context(self) -> ssl.SSLContext:
        if self._certificate is None:
            return ssl.create_default_context()
        try:
            context = ssl.create_default_context(cadata=self._certificate)
        except ssl.SSLError:
            raise FundingDown(
                "the certificate that was given for the Lightning node cannot be read"
            ) from None
        # The certificate itself is trusted, not a name in it, and need not be an authority's.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


async def _all(response: aiohttp.ClientResponse) -> bytes:
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > LIMIT:
            raise FundingDown("the Lightning node's answer is too large")
    return bytes(received)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    received = b""
    async for chunk in response.content.iter_any():
        *lines, received = (received + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(received) > LIMIT:
            raise FundingDown("the Lightning node's answer is too large")
    if received.strip():
        yield received


def _decoded(octets: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(octets, type=kind, strict=False)
    except (ValueError, RecursionError):
        raise FundingDown("the Lightning node's answer is not LND's") from None


def _result(line: bytes, kind: type[T]) -> T:
    """One line of a stream: `{"result": …}`, or `{"error": …}`."""
    said = _decoded(line, dict[str, msgspec.Raw])
    if "result" in said:
        return _decoded(bytes(said["result"]), kind)
    raise _refusal(200, line)


def _refusal(status: int, octets: bytes) -> FundingDown | Refused:
    """What an answer that is none means. Streams wrap their errors, and old versions named them otherwise."""
    try:
        said = _decoded(octets, dict[str, Any])
    except FundingDown:
        said = {}
    inner = said.get("error")
    said = inner if isinstance(inner, dict) else said
    text = str(said.get("message") or (inner if isinstance(inner, str) else ""))
    code = said.get("code", said.get("grpc_code"))
    if status in _REFUSED or _MACAROON.search(text):
        return FundingDown("the Lightning node refuses the macaroon: it is wrong, or lacks a permission")
    if status in _AWAY or code == _UNAVAILABLE or _LOCKED.search(text):
        return FundingDown("the Lightning node is locked, starting or overloaded")
    if not text or not isinstance(code, int):
        return FundingDown(f"the Lightning node's answer with status {status} is not LND's")
    return Refused(code, text)


@contextmanager
def _told(timeout: float) -> Iterator[None]:
    """Turn whatever goes wrong on the way into a sentence."""
    import aiohttp

    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise FundingDown("no connection to the Lightning node in time") from None
    except aiohttp.ServerTimeoutError:
        raise FundingDown("the Lightning node fell silent") from None
    except (aiohttp.ClientConnectorCertificateError, ssl.CertificateError):
        raise FundingDown(
            "the Lightning node shows another certificate than the one that is trusted"
        ) from None
    except (aiohttp.ClientSSLError, ssl.SSLError):
        raise FundingDown("no TLS with the Lightning node") from None
    except aiohttp.ClientConnectorError as error:
        why = error.os_error.strerror or "it cannot be reached"
        raise FundingDown(f"no connection to the Lightning node: {why}") from None
    except (aiohttp.ClientError, ValueError):
        raise FundingDown("the connection to the Lightning node broke") from None
    except TimeoutError:
        raise FundingDown(f"the Lightning node did not answer within {timeout:g} seconds") from None
    except OSError:
        raise FundingDown("the connection to the Lightning node broke") from None
