"""The way out: where it does not go, and what it takes from those who answer badly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.peers.certificates import Authority
from tests.workers.sinks import HERE, OK, Behave, silence, sink

from ulak import __version__
from ulak.outbound import LIMIT, Answer, Blocked, Outbound, OutboundError, TooLarge, check_url

pytestmark = pytest.mark.fault(
    "F15 way inside", "spellings of private addresses, names that lead inside, redirects, bombs, bad TLS"
)

PUBLIC = """
    https://example.com/hook
    https://example.com:8443/a?b=c#d
    https://EXAMPLE.com./x
    https://example.com?x=1
    https://8.8.8.8/
    https://[2606:4700::1111]/
    https://[64:ff9b::808:808]/
    https://müller.example/ü?q=ş
"""

NOT_PUBLIC = """
    https://127.0.0.1/
    https://127.0.0.1./
    https://127.1/
    https://2130706433/
    https://017700000001/
    https://0177.0.0.1/
    https://0x7f000001/
    https://0x7f.0.0.1/
    https://１２７.０.０.１/
    https://①②⑦.0.0.1/
    https://127。0。0。1/
    https://localhost/
    https://LOCALHOST./
    https://ⓛocalhost/
    https://foo.localhost/
    https://0.0.0.0/
    https://0/
    https://10.1.2.3/
    https://172.16.0.1/
    https://192.168.1.1/
    https://169.254.169.254/latest/meta-data
    https://0xa9fea9fe/
    https://100.64.0.1/
    https://100.100.100.200/
    https://168.63.129.16/
    https://192.0.0.8/
    https://192.0.0.192/
    https://192.0.2.1/
    https://192.88.99.1/
    https://198.18.0.1/
    https://224.0.0.1/
    https://240.0.0.1/
    https://255.255.255.255/
    https://[::]/
    https://[::1]/
    https://[::1]@/
    https://[0:0:0:0:0:0:0:1]/
    https://[::127.0.0.1]/
    https://[::ffff:127.0.0.1]/
    https://[::ffff:7f00:1]/
    https://[0:0:0:0:0:ffff:10.0.0.1]/
    https://[fe80::1]/
    https://[fe80::1%25eth0]/
    https://[fc00::1]/
    https://[fd00:ec2::254]/
    https://[fec0::1]/
    https://[ff02::1]/
    https://[2001:0:1::1]/
    https://[2001:db8::1]/
    https://[2002:7f00:1::]/
    https://[64:ff9b::a00:1]/
    https://[64:ff9b:1::1]/
"""

NO_ADDRESS = """
    http://example.com/
    ftp://example.com/
    file:///etc/passwd
    https:///x
    https:example.com
    //example.com
    example.com
    https://user@example.com/
    https://user:password@example.com/
    https://:password@example.com/
    https://example.com@127.0.0.1/
    https://127.0.0.1\\@example.com/
    https://example.com:0/
    https://example.com:25/
    https://example.com:99999/
    https://example.com:x/
    https://exa mple.com/
    https://127.0.0.%31/
    https://%6c%6f%63alhost/
    https://[::1
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("url", lines(PUBLIC))
def test_public_addresses_may_be_told(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url", [*lines(NOT_PUBLIC), *lines(NO_ADDRESS), "", "https://a/\r\nX: y", "https://a\0"]
)
def test_others_may_not(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|port|this machine"):
        check_url(url)


def test_a_long_address_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        check_url("https://example.com/" + "a" * 2000)


@pytest.mark.parametrize(
    ("url", "allow"),
    [
        ("http://127.0.0.1:8080/", "127.0.0.1"),
        ("http://127.0.0.1./", "127.0.0.1"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("http://Hooks.Internal./x", "hooks.internal"),
        ("http://[::1]/", "::1"),
        ("http://[0:0::1]/", "[::1]"),
        ("http://müller.internal/", "MÜLLER.internal"),
    ],
)
def test_what_the_operator_allows(url: str, allow: str) -> None:
    check_url(url, {allow})
    with pytest.raises(ValueError, match="https"):
        check_url(url, {"other.internal"})


@pytest.mark.parametrize(
    "url", ["http://x@hooks.internal/", "http://hooks.internal:25/", "http://a.hooks.internal/"]
)
def test_what_stays_refused_all_the_same(url: str) -> None:
    with pytest.raises(ValueError, match=r"user|port|https"):
        check_url(url, {"hooks.internal"})


# What comes back.


async def to(url: str, *, timeout: float = 5.0, limit: int = LIMIT) -> Answer:
    async with Outbound({HERE}) as outbound:
        return await outbound.request("POST", url, headers={"X-A": "b"}, timeout=timeout, limit=limit)


async def test_an_answer_is_what_came() -> None:
    answer = b"HTTP/1.1 404 No\r\nX-One: a\r\nX-Two: b\r\nContent-Length: 3\r\n\r\nno!"
    async with sink(answer) as there:
        assert await to(there.url()) == Answer(
            404, {"x-one": "a", "x-two": "b", "content-length": "3"}, b"no!"
        )
    (request,) = there.requests
    assert request.headers["user-agent"] == f"ulak/{__version__}"
    assert (request.headers["x-a"], request.headers["accept-encoding"]) == ("b", "identity")


async def test_connections_are_used_again_and_cookies_forgotten() -> None:
    async with (
        sink(OK.replace(b"OK\r\n", b"OK\r\nSet-Cookie: a=b\r\n", 1)) as there,
        Outbound({HERE}) as outbound,
    ):
        for _ in range(3):
            await outbound.request("POST", there.url(), body=b"")
        assert there.connections == 1
        assert not [request for request in there.requests if "cookie" in request.headers]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    async with sink(OK) as inside:
        target = f"HTTP/1.1 {status} Go\r\nLocation: {inside.url()}\r\nContent-Length: 0\r\n\r\n"
        async with sink(target.encode()) as there:
            assert (await to(there.url())).status == status
        assert inside.requests == []


# Guarding the address that is connected to.


def names(**addresses: list[str]) -> Callable[[str], Awaitable[list[str]]]:
    """A resolver that gives a name's addresses one after the other, a look-up each; the last one stays."""

    async def resolve(host: str) -> list[str]:
        found = addresses[host.partition(".")[0]]
        return [found.pop(0) if len(found) > 1 else found[0]]

    return resolve


async def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    async with sink(OK) as there, Outbound(resolve=names(trap=[HERE])) as outbound:
        url = there.url("trap.example", "https")
        with pytest.raises(Blocked, match="not public"):
            await outbound.request("POST", url)
        with pytest.raises(ValueError, match="not public"):
            await outbound.check_address(url)
        assert there.connections == 0


async def test_a_name_that_turns_inside_after_it_was_saved_is_not_connected_to() -> None:
    """The name has a public address when the endpoint is saved, and a private one a moment later."""
    async with sink(OK) as there, Outbound(resolve=names(trap=["8.8.8.8", HERE])) as outbound:
        url = there.url("trap.example", "https")
        await outbound.check_address(url)
        with pytest.raises(Blocked):
            await outbound.request("POST", url)
        assert there.connections == 0


async def test_of_several_addresses_only_those_that_may_be_are_tried() -> None:
    """Of these only the last is allowed, so nobody answers; the sink listens on the first."""

    async def resolve(_host: str) -> list[str]:
        return [HERE, "::1", "10.0.0.1", "192.0.0.8", "127.0.0.2"]

    async with sink(OK) as there, Outbound({"127.0.0.2"}, resolve=resolve) as outbound:
        with pytest.raises(OutboundError, match=r"no connection to trap\.example"):
            await outbound.request("POST", there.url("trap.example", "https"))
        assert there.connections == 0


async def test_a_guarded_request_has_no_use_of_an_unguarded_connection() -> None:
    async with sink(OK) as there, Outbound(resolve=names(trap=[HERE])) as outbound:
        url = there.url("trap.example")
        assert (await outbound.request("GET", url, guard=False)).status == 200
        with pytest.raises(Blocked):
            await outbound.request("GET", url.replace("http:", "https:"))
        assert there.connections == 1


async def test_an_allowed_address_may_be_reached_by_any_name() -> None:
    async with Outbound({HERE}, resolve=names(inside=[HERE])) as outbound:
        await outbound.check_address("https://inside.example/")
        with pytest.raises(ValueError, match="https"):
            await outbound.check_address("http://inside.example/")
    async with sink(OK) as there, Outbound({"inside.example"}, resolve=names(inside=[HERE])) as outbound:
        assert (await outbound.request("POST", there.url("inside.example"))).status == 200


async def test_a_name_without_an_address_is_no_reason_to_refuse_it_but_has_no_answer() -> None:
    async def nowhere(_host: str) -> list[str]:
        raise OSError("not known")

    async with Outbound(resolve=nowhere) as outbound:
        await outbound.check_address("https://gone.example/")
        with pytest.raises(OutboundError, match=r"gone\.example has no address") as told:
            await outbound.request("POST", "https://gone.example/")
        assert not told.value.sent


# Peers that answer badly.


async def slow_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.02)


async def endless_headers(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-Again: and again\r\n" * 1000)
        await writer.drain()


async def endless_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def cut_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxx")
    writer.close()


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (slow_body, "no answer within 0.3 seconds"),
        (silence, "no answer within 0.3 seconds"),
        (endless_headers, "no HTTP"),
        (endless_body, "larger than 65,536 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nxxx", "larger than"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n", "no HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5, "no answer within 0.3 seconds"),
        (hang_up, "closed before an answer"),
        (cut_off, "ended in the middle"),
    ],
)
async def test_a_bad_answer_is_a_sentence(behave: Behave | bytes, why: str) -> None:
    async with sink(behave) as there:
        with pytest.raises(OutboundError, match=why) as told:
            await to(there.url(), timeout=0.3)
        assert told.value.sent


async def test_a_bomb_stays_packed() -> None:
    packed = b"\x1f\x8b" + b"x" * 10
    async with sink(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + packed
    ) as there:
        assert (await to(there.url())).body == packed


async def test_the_status_of_a_large_answer_is_known() -> None:
    async with sink(OK) as there:
        with pytest.raises(TooLarge) as told:
            await to(there.url(), limit=1)
        assert told.value.status == 200
        assert (await to(there.url(), limit=2)).body == b"ok"


async def test_nobody_there_is_a_sentence() -> None:
    async with sink(OK) as there:
        pass
    with pytest.raises(OutboundError, match=r"no connection to 127\.0\.0\.1") as told:
        await to(there.url())
    assert not told.value.sent


async def test_certificates_are_checked(tmp_path: Path) -> None:
    authority = Authority("callbacks")
    trusting = ssl.create_default_context(cafile=str(authority.write(tmp_path / "ca.pem")))
    async with sink(OK, authority.server_context(tmp_path, HERE)) as there:
        with pytest.raises(OutboundError, match=r"certificate of 127\.0\.0\.1") as told:
            await to(there.url(scheme="https"))
        assert not told.value.sent
        async with Outbound({HERE}, tls=trusting) as outbound:
            assert (await outbound.request("POST", there.url(scheme="https"))).status == 200


async def test_a_port_without_tls_is_a_sentence() -> None:
    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        writer.close()

    async with await asyncio.start_server(greet, HERE, 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OutboundError, match=r"no TLS with 127\.0\.0\.1") as told:
            await to(f"https://{HERE}:{port}/")
        assert not told.value.sent
