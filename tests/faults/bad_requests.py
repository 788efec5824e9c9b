"""Requests that are none, or nearly: bytes as they go over a connection, and what has to come back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import NamedTuple

CLOSE = b"connection: close\r\n"
HOST = b"host: ulak.example\r\n"

PATHS = {
    "iletimerkezi": b"/v1/get-balance/json",
    "iletimerkezi xml": b"/v1/get-balance",
    "comtohome": b"/api/v1/consignments",
    "sms4sats": b"/balance",
    "hooks": b"/hooks/carrier/secret",
    "sandbox": b"/ulak/v1/lightning/pay",
    "own": b"/healthz",
}
"""A path of everybody who answers under a prefix."""


class Case(NamedTuple):
    """Bytes to be sent, and what comes back: so many answers with one of these statuses, in the envelope
    of their owner. `then`: the connection is shut for writing when all is sent."""

    name: str
    owner: str
    sent: bytes
    statuses: frozenset[int]
    answers: int = 1
    then: bool = False


REFUSED = frozenset((400, 401, 404, 405, 413, 415, 431))
FINE = REFUSED | {200, 204}
NONE = frozenset[int]()


def head(path: bytes, *lines: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """The head of a request."""
    return b"%b %b %b\r\n%b%b\r\n" % (method, path, version, HOST, b"".join(b"%b\r\n" % one for one in lines))


def last(path: bytes, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    """A whole request, the last of its connection."""
    length = b"content-length: %d" % len(body)
    return head(path, b"connection: close", length, *lines, method=method) + body


def framing(owner: str, path: bytes) -> Iterator[Case]:
    """Requests that no parser can read: each is answered in its owner's words, and is the last."""

    def post(*lines: bytes, body: bytes = b"") -> bytes:
        return head(path, *lines, method=b"POST") + body

    broken = {
        "an unknown verb": head(path, method=b"STEAL"),
        "a verb in small letters": head(path, method=b"get"),
        "no such version": head(path, version=b"HTTP/9.9"),
        "a version in small letters": head(path, version=b"http/1.1"),
        "length and chunks": post(b"content-length: 3", b"transfer-encoding: chunked", body=b"0\r\n\r\n"),
        "chunks and length": post(b"transfer-encoding: chunked", b"content-length: 3", body=b"0\r\n\r\n"),
        "two lengths": post(b"content-length: 3", b"content-length: 4", body=b"abcd"),
        "a negative length": post(b"content-length: -1"),
        "a length with a sign": post(b"content-length: +3", body=b"abc"),
        "a length that is none": post(b"content-length: 0x3", body=b"abc"),
        "a length beyond all": post(b"content-length: 99999999999999999999999"),
        "a chunk of no size": post(b"transfer-encoding: chunked", body=b"zz\r\nabc\r\n0\r\n\r\n"),
        "a chunk beyond all": post(b"transfer-encoding: chunked", body=b"ffffffffffffffffff\r\nabc"),
        "a chunk without an end": post(b"transfer-encoding: chunked", body=b"3\r\nabcX0\r\n\r\n"),
        "chunks that are not last": post(b"transfer-encoding: chunked, gzip", body=b"0\r\n\r\n"),
        "a header without a colon": head(path, b"nonsense"),
        "a blank before the colon": head(path, b"content-length : 3"),
        "a header with a NUL": head(path, b"x-a: a\0b"),
        "a header with a bare CR": head(path, b"x-a: a\rb"),
        "a header name that is none": head(path, b"x(a): b"),
        "a head of 70 KiB": head(path, b"x-a: " + b"a" * 70_000),
        "a URL of 70 KiB": head(path + b"?" + b"a" * 70_000),
    }
    for name, sent in broken.items():
        yield Case(name, owner, sent, frozenset((400,)))


def allowed(owner: str, path: bytes) -> Iterator[Case]:
    """Requests that are odd and whole: they are answered, and never by a fault of ours."""
    odd = {
        "a thousand headers": last(path, *(b"x-%d: a" % n for n in range(1000))),
        "an address with a host": last(b"http://ulak.example" + path),
        "a NUL behind the path": last(path + b"%00"),
        "a step up that is escaped": last(path + b"/..%2f..%2fetc%2fpasswd"),
        "half an escape": last(path + b"%"),
        "what is no UTF-8": last(path + b"%ff%fe"),
        "a query of oddities": last(path + b"?%00=%ff&&&=&a=%zz&a"),
        "a fragment": last(path + b"#there"),
        "no host": b"GET %b HTTP/1.1\r\n%b\r\n" % (path, CLOSE),
        "two hosts": last(path, b"host: other.example"),
        "version 1.0": b"GET %b HTTP/1.0\r\n\r\n" % path,
        "lines that end in LF": b"GET %b HTTP/1.1\nhost: a\nconnection: close\n\n" % path,
        "an expectation": last(path, b"expect: miracles", method=b"POST", body=b"{}"),
        "a folded header": head(path, b"connection: close", b"x-a: a\r\n b"),
        "a type of another charset": last(
            path,
            b"content-type: application/json; charset=utf-16",
            method=b"POST",
            body='{"request":{}}'.encode("utf-16"),
        ),
        "a gzipped body": last(
            path,
            b"content-encoding: gzip",
            b"content-type: application/json",
            method=b"POST",
            body=gzip.compress(b" " * 1_000_000),
        ),
        "an encoding that is none": last(path, b"content-encoding: miracle", method=b"POST", body=b"{}"),
    }
    for verb in (b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND"):
        odd[f"the verb {verb.decode()}"] = last(path, method=verb)
    for name, sent in odd.items():
        # A fold is one line more, which some parsers take and others do not.
        yield Case(name, owner, sent, FINE)


def conversations(owner: str, path: bytes) -> Iterator[Case]:
    """Several requests on a connection, and bodies that do not end."""
    one = head(path)
    yield Case("a hundred at once", owner, one * 99 + last(path), FINE, answers=100)
    yield Case("three hundred at once", owner, one * 300, FINE, answers=130, then=True)
    yield Case("nonsense behind a request", owner, one + b"\x16\x03\x01\r\n\r\n", FINE, answers=2)
    upgrade = head(path, b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAMAAABk")
    yield Case("an upgrade, then a request", owner, upgrade + last(path), FINE, answers=2)
    websocket = head(path, b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-key: AAAA")
    yield Case("another upgrade, then a request", owner, websocket + last(path), FINE, answers=2)
    short = head(path, b"content-length: 2", method=b"POST") + b"{}GARBAGE\r\n\r\n"
    yield Case("more than was announced", owner, short, FINE, answers=2)
    asked = head(path, b"expect: 100-continue", b"content-length: 2", CLOSE[:-2], method=b"POST")
    # Who is asked for a state of ours needs no body, and does not wait for one.
    answers = 1 if owner == "own" else 2
    yield Case("a body behind 100 Continue", owner, asked + b"{}", FINE | {100}, answers=answers)


def bodies(good: bytes) -> dict[str, bytes]:
    """What is nearly JSON, or too much of it, made of a body that is fine."""
    deep = {f"depth {n}": b'{"request":%b%b}' % (b"[" * n, b"]" * n) for n in (33, 500, 1000, 5000)}
    text = good.decode()
    return deep | {
        "empty": b"",
        "null": b"null",
        "a list": b"[]",
        "a text": b'"request"',
        "a number": b"1",
        "a million levels": b"[" * 1_000_000,
        "trailing garbage": good + b"x",
        "twice": good + good,
        "a byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
        "no UTF-8": good.replace(b'"', b'"\xff', 3),
        "half a character": good.replace(b'"', b'"\\ud800', 3),
        "a NUL": good.replace(b'"', b'"\\u0000', 3),
        "not a number": b'{"request":NaN}',
        "infinity": b'{"request":Infinity}',
        "beyond all floats": b'{"request":1e999,"amount":1e999,"preference":1e999}',
        "5,000 digits": b'{"request":%b,"amount":%b}' % (b"9" * 5000, b"9" * 5000),
        "a key twice": b'{"request":1,' + good[1:],
        "100,000 keys": json.dumps({f"k{n}": n for n in range(100_000)}).encode(),
        "a key of 1 MiB": b'{"%b":1}' % (b"k" * 1024 * 1024),
        "single quotes": good.replace(b'"', b"'"),
        "a comment": b"/* a */" + good,
        "a form": b"a=b&c=d",
        "XML in it": b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><request>&b;</request>",
        "laughs": b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><request>&c;</request>',
    }
