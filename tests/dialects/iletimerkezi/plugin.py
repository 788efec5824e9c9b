"""A client of the XML form that knows no XML: as old plugins of shops read it.

Written from what is told of them, not from our writer: a greedy regular expression over one line for each
element, a search for the literal `<code>200</code>`, rows read line by line. It speaks HTTP over a socket.
"""

from __future__ import annotations

import re
import socket
from html import unescape
from typing import NamedTuple
from urllib.parse import quote_plus


class Page(NamedTuple):
    """What came back: the status line's number, the content type, and the body as text."""

    status: int
    content_type: str
    text: str

    @property
    def went_well(self) -> bool:
        """How WHMCS and WooCommerce plugins look at it."""
        return "<code>200</code>" in self.text

    @property
    def code(self) -> str:
        """How PrestaShop and OpenCart plugins look at it."""
        return self.every("code")[0]

    def every(self, name: str) -> list[str]:
        """What stands between the first <name> and the last </name> of each line that has them."""
        return [unescape(found) for found in re.findall(f"<{name}>(.*)</{name}>", self.text)]

    def one(self, name: str) -> str:
        """The only value of an element."""
        (value,) = self.every(name)
        return value

    def parts(self, name: str) -> list[Page]:
        """What each element <name> with elements in it holds: the lines down to its end, indented alike."""
        found = re.findall(f"^( *)<{name}>\n(.*?)^\\1</{name}>$", self.text, re.MULTILINE | re.DOTALL)
        return [self._replace(text=inside) for _, inside in found]

    def rows(self) -> list[tuple[str, str]]:
        """Number and status of a report's messages, read line by line."""
        found, number, inside = [], "", False
        for line in self.text.split("\n"):
            line = line.strip()
            if line == "<message>":
                inside = True
            elif line == "</message>":
                inside = False
            elif inside and line.startswith("<number>"):
                number = unescape(line[len("<number>") : -len("</number>")])
            elif inside and line.startswith("<status>"):
                found.append((number, line[len("<status>") : -len("</status>")]))
        return found


class Plugin:
    """Calls a server the way a plugin does."""

    def __init__(self, host: str, port: int, who: str) -> None:
        """`who` is the inside of the element `authentication`."""
        self._address = (host, port)
        self._who = who

    def post(
        self,
        operation: str,
        inside: str = "",
        *,
        content_type: str | None = "text/xml",
        declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n',
        as_field: bool = False,
        encoding: str = "utf-8",
    ) -> Page:
        """POST a request to an operation, as the body or as the field `data` of a form."""
        whole = f"{declaration}<request><authentication>{self._who}</authentication>{inside}</request>"
        body = (f"data={quote_plus(whole)}" if as_field else whole).encode(encoding)
        return self.call(f"POST /v1/{operation}", body, content_type)

    def get(self, query: str) -> Page:
        """Send by GET; the query is taken as it is, whatever should have been encoded in it."""
        return self.call(f"GET /v1/send-sms/get/?{query}", None, None)

    def call(self, what: str, body: bytes | None = None, content_type: str | None = None) -> Page:
        """One request: verb and address, its body, and what that says it is."""
        lines = [f"{what} HTTP/1.1", "Host: api.iletimerkezi.com", "Connection: close"]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        with socket.create_connection(self._address, timeout=20) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + (body or b""))
            got = b""
            while piece := connection.recv(65536):
                got += piece
        head, _, text = got.partition(b"\r\n\r\n")
        first, *headers = head.decode("latin-1").split("\r\n")
        names = dict(line.lower().split(": ", 1) for line in headers)
        assert int(names["content-length"]) == len(text)
        return Page(int(first.split(" ")[1]), names["content-type"], text.decode("utf-8"))
