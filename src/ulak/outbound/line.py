"""A connection that is kept for posts to one address, one at a time.

A client library makes many objects for a request. For callbacks, of which there are thousands a second and
each with the next already waiting, that would cost more than all the rest. This does nothing but write a
request and read its answer; opening a connection, where all that may go wrong, stays in `Outbound`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import httptools

Done = Callable[["Posted"], None]

HEAD_MAX = 32 * 1024
"""Bytes of an answer beside those of its body: its headers, and marks between the pieces."""


class Posted(NamedTuple):
    """What came of a post. `status` is that of the answer, 0 without one; `note` says why.

    `unheard`: the connection was closed before a byte came back, and had served before. The other side may
    have closed it while it was idle, so the post may be made again at once, on another connection.
    """

    status: int
    retry_after: str | None = None
    note: str = ""
    unheard: bool = False


class PostLine(asyncio.Protocol):
    """One connection. It is free again when the answer is there."""

    def __init__(self, url: str, head: bytes, limit: int) -> None:
        """`url` is where it leads. `head` is the request as far as it is always the same: its first line and
        headers. `limit` is how many bytes of an answer's body are read."""
        self.url = url
        self._head = head
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._done: Done | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._served = 0
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._retry_after: str | None = None
        self._size = 0
        self._received = 0
        self._heard = False
        self._bounded = False
        self._status = 0

    @property
    def usable(self) -> bool:
        """Whether a post can be made now."""
        return self._transport is not None and self._done is None and not self._transport.is_closing()

    def post(self, headers: Mapping[str, str], body: bytes, timeout: float, done: Done) -> None:
        """Make a post; `done` is called once, with what came of it. `timeout` is in seconds.

        Raises:
            ValueError: a header has more than one line, or a character that has no place in one.
        """
        assert self._transport is not None
        assert self._done is None
        text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if text.count("\n") != len(headers) or text.count("\r") != len(headers):
            raise ValueError("a header has more than one line")
        text += f"content-length: {len(body)}\r\n\r\n"
        request = self._head + text.encode("latin-1") + body
        self._done = done
        self._timer = self._loop.call_later(timeout, self._expired, timeout)
        self._transport.write(request)

    def close(self) -> None:
        """Close it. Of a post that is under way nothing more is said."""
        self._done = None
        self._drop()

    # What the connection says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of uvloop are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._done is None:
            self._drop()  # nothing was asked
            return
        self._heard = True
        self._received += len(data)
        parser = self._parser
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            self._over(Posted(0, note="what came back is no HTTP"))
        if self._parser is parser and self._received > self._limit + HEAD_MAX:
            # The parser counts nothing: headers, and marks between pieces, may go on for ever.
            self._too_large()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._status >= 200 and not self._bounded and exc is None:
            self._over(Posted(self._status, self._retry_after))  # it ends with the connection
            return
        if self._heard:
            why = "the answer ended in the middle"
        elif exc is None:
            why = "the connection was closed before an answer came"
        else:
            why = f"the connection broke: {getattr(exc, 'strerror', None) or exc or type(exc).__name__}"
        self._over(Posted(0, note=why[:150], unheard=not self._heard and self._served > 0))

    # What the answer says.

    def on_header(self, name: bytes, value: bytes) -> None:
        field = name.lower()
        if field == b"retry-after":
            self._retry_after = value.decode("latin-1")
        elif field in (b"content-length", b"transfer-encoding"):
            self._bounded = True

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._limit:
            self._too_large()

    def on_message_complete(self) -> None:
        if self._done is None:
            self._drop()  # nothing was asked
            return
        status = self._status
        if status < 200:
            self._status, self._retry_after, self._bounded = 0, None, False
            return  # more is to come
        kept = self._parser.should_keep_alive()
        self._served += 1
        done = Posted(status, self._retry_after)
        if kept:
            self._begin()
            self._end(done)
        else:
            self._over(done)

    def _too_large(self) -> None:
        note = f"the answer is larger than {self._limit:,} bytes"
        self._over(Posted(self._status, self._retry_after, note))

    def _expired(self, timeout: float) -> None:
        self._over(Posted(0, note=f"no answer within {timeout:g} seconds"))

    def _over(self, posted: Posted) -> None:
        """The connection is of no use any more."""
        self._drop()
        self._end(posted)

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _end(self, posted: Posted) -> None:
        done, self._done = self._done, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if done is not None:
            # Not at once: what follows in the same bytes is no answer to the next post.
            self._loop.call_soon(done, posted)
