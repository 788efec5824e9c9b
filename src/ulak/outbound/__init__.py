"""The only way out over HTTP: to customers' callbacks and to carriers.

A customer names the address of its callbacks, so a request of ours must not become a way into our own
network. Guarded requests go over https to public addresses only, and that is decided about the very address
that is connected to: names are resolved here, the forbidden answers are dropped, and the connection is made
to one of the rest. A name that points elsewhere a moment later changes nothing about that connection.

Redirects are never followed, cookies and proxies of the environment are not used, and what comes back is
bounded: its headers by the HTTP parser, its body by `limit`, all of it by one time limit.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ulak import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp
    from yarl import URL

    from ulak.outbound.line import PostLine

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str], Awaitable[Collection[str]]]
"""The addresses of a host name, as text. Raises OSError when there are none."""

TIMEOUT = 15.0
"""Seconds for a whole request, from the look-up of the name to the last byte of the answer."""

LIMIT = 64 * 1024
"""Bytes of an answer's body that are read."""

URL_MAX = 2_000
"""Characters of an address."""

KEEP, KEEP_NAME = 15, 60
"""Seconds that a connection is kept for the next request, and a name's addresses for the next connection."""

_LOOKUPS = 32
_SLOW_LOOKUPS = 8
_LOOKUP_SLOW = 1.0
_LOOKUP_ONCE = 5.0

_USER_AGENT = f"ulak/{__version__}"
_UNPRINTABLE = re.compile(r"[^\x21-\x7e\u0080-\U0010ffff]|\\")
_FORBIDDEN_PORTS = (0, 25)
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")

# Nobody's callback, though not every version of Python says so: what protocols need for themselves,
# translators of addresses, and what the machines of a cloud ask for their credentials.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "2001::/23",
        "fd00:ec2::254/128",
        "fec0::/10",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class OutboundError(Exception):
    """No answer could be had; the text says why. `sent`: the request may have reached the other side."""

    def __init__(self, why: str, *, sent: bool = False) -> None:
        super().__init__(why)
        self.sent = sent


class Blocked(OutboundError):
    """The address is one that we do not go to."""


class TooLarge(OutboundError):
    """The answer's body is larger than was wanted. `status` is that of the answer."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why, sent=True)
        self.status = status


class Answer(NamedTuple):
    """What came back. Names of headers are lower case; of one that is repeated the last counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_url(url: str, allow: Collection[str] = ()) -> None:
    """What can be seen of an address without a look-up: may callbacks go there?

    `allow` holds host names and addresses that may be private and need no https.

    Raises:
        ValueError: they may not; the text says why.
    """
    _parsed(url, frozenset(allow))


@lru_cache(maxsize=4096)
def _parsed(url: str, allow: frozenset[str]) -> URL:
    """The address, if it is one that may be gone to as far as can be seen."""
    found = _url(url)
    host = _plain(found.raw_host or "")
    if found.user is not None or found.password is not None:
        raise ValueError("the address must not hold a user or a password")
    if found.port in _FORBIDDEN_PORTS:
        raise ValueError(f"callbacks do not go to port {found.port}")
    if host in _plain_all(allow):
        return found
    if found.scheme != "https":
        raise ValueError("the address must begin with https://")
    if host in _LOCAL_NAMES or host.endswith(".localhost"):
        raise ValueError(f"{host} is this machine, and callbacks do not go there")
    address = _literal(host)
    if address is not None and not may_reach(address, allow):
        raise ValueError(f"{address} is not a public address")
    return found


def _url(url: str) -> URL:
    """The parts of an http address, by the library that also makes the request."""
    from yarl import URL

    if len(url) > URL_MAX:
        raise ValueError(f"the address is longer than {URL_MAX} characters")
    if _UNPRINTABLE.search(url):
        raise ValueError("the address holds a character that has no place in one")
    try:
        found = URL(url)
        host, port = found.raw_host, found.port
    except (ValueError, IndexError) as error:  # IndexError: yarl, at a user in brackets without a host
        raise ValueError(f"this is no address: {error}") from None
    if found.scheme not in ("http", "https") or not host or port is None:
        raise ValueError("the address must be like https://example.org/path")
    if "%" in host:
        raise ValueError("the address holds a host that is none")
    return found.with_fragment(None)


def _plain(host: str) -> str:
    """One spelling of a host: an address as such, a name in lower case without the last dot."""
    name = host.strip("[]").rstrip(".").lower()
    if not name.isascii():
        from yarl import URL

        name = URL.build(scheme="https", host=name).raw_host or name
    address = _literal(name)
    return name if address is None else str(address)


@lru_cache(maxsize=64)
def _plain_all(allow: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_plain, allow))


def _literal(host: str) -> Address | None:
    """The address that a host is, in any spelling that a resolver would take for one (`0x7f.1`)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def may_reach(address: Address, allow: Collection[str] = ()) -> bool:
    """Whether an address is public, or one of those that are allowed all the same."""
    if str(address) in _plain_all(frozenset(allow)):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return may_reach(inner, allow)
    bad = address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global
    return not bad and not any(address.version == net.version and address in net for net in _NEVER)


class Outbound:
    """Makes requests. Connections are kept and used again, guarded and unguarded ones apart."""

    def __init__(
        self,
        allow: Collection[str] = (),
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`allow` as for `check_url`; `resolve` looks names up, by default as the machine does."""
        self._allow = frozenset(allow)
        self._lookups = _Lookups()
        self._resolve = resolve or self._lookups.resolve
        self._tls = tls
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Outbound:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._lookups.close()

    async def check_address(self, url: str) -> None:
        """As `check_url`, and look the name up too. A name that has no address now is no reason.

        Raises:
            ValueError: callbacks may not go there; the text says why.
        """
        host = _plain(_parsed(url, self._allow).raw_host or "")
        try:
            found = await asyncio.wait_for(self._resolve(host), _LOOKUP_ONCE)
        except (OSError, TimeoutError):
            return
        if not self._reachable(host, found):
            raise ValueError(f"{host} leads to {', '.join(sorted(found))}, which is not public")

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = TIMEOUT,
        limit: int = LIMIT,
        guard: bool = True,
    ) -> Answer:
        """Send a request and read the whole answer, whatever its status; a redirect is an answer too.

        `guard=False` is for hosts that the operator has named: any address, http too. Times are seconds.

        Raises:
            Blocked: a guarded request would go where it must not.
            TooLarge: the body of the answer has more than `limit` bytes.
            OutboundError: there was no answer.
        """
        try:
            target = _parsed(url, self._allow) if guard else _url(url)
        except ValueError as error:
            raise Blocked(str(error)) from None
        async with (
            _told(target.raw_host or "", timeout),
            asyncio.timeout(timeout),
            self._session(guard).request(
                method, target, headers=headers, data=body, allow_redirects=False
            ) as response,
        ):
            received = await _body(response, limit)
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, received)

    async def line(self, url: str, *, limit: int = LIMIT) -> PostLine:
        """A connection to be kept for guarded posts to an address, made now. Give it a time limit.

        Raises:
            Blocked: it would go where it must not.
            OutboundError: there is no connection.
        """
        from ulak.outbound.line import PostLine

        try:
            target = _parsed(url, self._allow)
        except ValueError as error:
            raise Blocked(str(error)) from None
        host, port = target.raw_host or "", target.port or 443
        head = (
            f"POST {target.raw_path_qs} HTTP/1.1\r\nhost: {target.host_port_subcomponent}\r\n"
            f"user-agent: {_USER_AGENT}\r\naccept: */*\r\naccept-encoding: identity\r\n"
        ).encode("ascii")
        secure = (self._tls or _tls()) if target.scheme == "https" else None
        try:
            addresses = list(await self._filtered(host))
            for place, address in enumerate(addresses):
                try:
                    _, made = await asyncio.get_running_loop().create_connection(
                        partial(PostLine, url, head, limit),
                        address,
                        port,
                        ssl=secure,
                        server_hostname=host if secure else None,
                    )
                except OSError:
                    if place + 1 == len(addresses):
                        raise
                else:
                    return made
        except OSError as error:
            raise OutboundError(f"no connection to {host}: {_reason(error)}") from None
        raise OutboundError(f"{host} has no address")

    def _reachable(self, host: str, found: Collection[str]) -> list[str]:
        """Those of a host's addresses that may be connected to."""
        if host in _plain_all(self._allow):
            return list(found)
        return [text for text in found if may_reach(ipaddress.ip_address(text), self._allow)]

    async def _filtered(self, host: str) -> Collection[str]:
        found = await self._resolve(host)
        reachable = self._reachable(_plain(host), found)
        if found and not reachable:
            raise Blocked(f"{host} leads to an address that is not public")
        return reachable

    def _session(self, guard: bool) -> aiohttp.ClientSession:
        """The session for guarded or unguarded requests, made on first use."""
        session = self._sessions.get(guard)
        if session is None:
            import aiohttp

            connector = aiohttp.TCPConnector(
                resolver=_resolver(self._filtered if guard else self._resolve),
                ttl_dns_cache=KEEP_NAME,
                limit=0,
                keepalive_timeout=KEEP,
                ssl=self._tls or True,
            )
            session = self._sessions[guard] = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT * 2 / 3),
                auto_decompress=False,
                trust_env=False,
            )
        return session


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """What a connection over TLS is made with where nothing else is said."""
    return ssl.create_default_context()


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    length = response.content_length
    received = bytearray()
    if length is None or length <= limit:
        async for chunk in response.content.iter_any():
            received += chunk
            if len(received) > limit:
                break
        else:
            return bytes(received)
    response.close()
    raise TooLarge(f"the answer is larger than {limit:,} bytes", response.status)


@asynccontextmanager
async def _told(host: str, timeout: float) -> AsyncIterator[None]:
    """Turn whatever goes wrong into a sentence."""
    import aiohttp

    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise OutboundError(f"no connection to {host}") from None
    except TimeoutError:
        raise OutboundError(f"no answer within {timeout:g} seconds", sent=True) from None
    except aiohttp.ClientConnectorDNSError:
        raise OutboundError(f"{host} has no address") from None
    except (aiohttp.ClientConnectorCertificateError, ssl.CertificateError) as error:
        raise OutboundError(f"the certificate of {host} is not good: {_reason(error)}") from None
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise OutboundError(f"no TLS with {host}: {_reason(error)}") from None
    except aiohttp.ClientConnectorError as error:
        raise OutboundError(f"no connection to {host}: {_reason(error.os_error)}") from None
    except aiohttp.InvalidURL:
        raise OutboundError("the address cannot be used") from None
    except aiohttp.ServerDisconnectedError:
        raise OutboundError("the connection was closed before an answer came", sent=True) from None
    except aiohttp.ClientPayloadError:
        raise OutboundError("the answer ended in the middle", sent=True) from None
    except aiohttp.ClientResponseError:
        raise OutboundError("what came back is no HTTP", sent=True) from None
    except (aiohttp.ClientError, OSError) as error:
        raise OutboundError(f"the connection broke: {_reason(error)}", sent=True) from None


def _reason(error: BaseException) -> str:
    """The part of a system's error that says what was wrong."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    message = getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or ""
    return str(message or getattr(inner, "strerror", "") or inner or type(inner).__name__)[:120]


class _Lookups:
    """Looks names up as the machine does, on threads of its own.

    A look-up may hang for many seconds. Names that were slow or had no address share a few of the threads,
    so that dead ones never hold up the others for long.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._slow_turns = asyncio.Semaphore(_SLOW_LOOKUPS)
        self._slow: set[str] = set()

    async def resolve(self, host: str) -> list[str]:
        """The addresses of a name."""
        if host not in self._slow:
            return await self._timed(host)
        async with self._slow_turns:
            return await self._timed(host)

    async def _timed(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="ulak-lookup")
        began = loop.time()
        slow = True
        try:
            found = await loop.run_in_executor(self._threads, _look_up, host)
            slow = loop.time() - began > _LOOKUP_SLOW
            return found
        finally:
            (self._slow.add if slow else self._slow.discard)(host)

    def close(self) -> None:
        """Wait for nobody."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _look_up(host: str) -> list[str]:
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _resolver(look_up: Resolve) -> Any:
    """A resolver as aiohttp wants it: the connection is made to the addresses that it gives, no others."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            del family  # both are looked up, and the one that connects first is taken
            found = await look_up(host)
            if not found:
                raise OSError(f"{host} has no address")
            return [
                ResolveResult(
                    hostname=host,
                    host=text,
                    port=port,
                    family=socket.AF_INET6 if ":" in text else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for text in found
            ]

        async def close(self) -> None:
            pass

    return Resolver()
