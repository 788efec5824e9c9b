"""A lean SMSC: takes every submit_sm, answers at once, sends a DELIVRD receipt for each.

It stands behind Ulak and behind the raw client alike, so it has to cost far less than either: its own minimal
codec, one answer in one write for everything that came in one read, nothing remembered but counters. For
outcomes, delays and refusals as real operators have them there is `ulak smsc`.

    python -m benchmarks.smsc [--port N] [--receipt-ms MS]

prints {"port": …}, and its counters for every line on standard input; ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import struct
import time
from typing import cast

import uvloop

from benchmarks.lines import heard_async, say

HEADER = struct.Struct(">IIII")
SUBMIT_SM, DELIVER_SM, ENQUIRE_LINK, UNBIND = 0x04, 0x05, 0x15, 0x06
BINDS = (0x01, 0x02, 0x09)
RESPONSE = 0x80000000
SUBMIT_SM_RESP, DELIVER_SM_RESP = RESPONSE | SUBMIT_SM, RESPONSE | DELIVER_SM
GENERIC_NACK, BAD_COMMAND = 0x80000000, 0x03

# Of a submit_sm: source address, destination address (each with its two kinds and its NUL), whether a
# receipt is wanted.
_SUBMIT = re.compile(rb"[^\0]*\0(..[^\0]*\0)(..[^\0]*\0)...[^\0]*\0[^\0]*\0(.)", re.DOTALL)
_RECEIPT_FLAGS = b"\x04\0\0\0\0\0\0\0\0"  # esm_class: receipt; no schedule, no validity, no options
_DELIVERED_TLV = b"\x04\x27\0\x01\x02"


class Counters:
    """What happened since the start, over all sessions."""

    def __init__(self) -> None:
        self.binds = 0
        self.submits = 0
        self.acked = 0
        self.refused = 0  # receipts that the client did not take; they are not repeated

    def shown(self) -> dict[str, int | float]:
        """The counters and the CPU time they took."""
        return vars(self) | {"cpu": time.process_time()}


class Session(asyncio.Protocol):
    """One connection. It may send and receive, however it bound."""

    def __init__(self, counters: Counters, receipt_delay: float) -> None:
        self._counters = counters
        self._delay = receipt_delay
        self._rest = b""
        self._sequence = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer everything that came with one read in one write."""
        buffer = self._rest + data if self._rest else data
        answers: list[bytes] = []
        receipts: list[bytes] = []
        at, size = 0, len(buffer)
        acked = 0
        while size - at >= 16:
            length, command, status, sequence = HEADER.unpack_from(buffer, at)
            if size - at < length:
                break
            if command == SUBMIT_SM:
                self._take(buffer, at + 16, sequence, answers, receipts)
            elif command == DELIVER_SM_RESP and not status:
                acked += 1
            else:
                self._rare(command, sequence, answers)
            at += length
        self._rest = buffer[at:]
        self._counters.acked += acked
        if self._delay and receipts:
            asyncio.get_running_loop().call_later(self._delay, self._write, receipts)
            receipts = []
        self._write(answers + receipts)

    def _take(
        self, buffer: bytes, at: int, sequence: int, answers: list[bytes], receipts: list[bytes]
    ) -> None:
        match = _SUBMIT.match(buffer, at)
        assert match is not None, "not a submit_sm"
        source, destination, wanted = match.groups()
        self._counters.submits += 1
        reference = b"%d\0" % self._counters.submits
        answers.append(HEADER.pack(16 + len(reference), SUBMIT_SM_RESP, 0, sequence) + reference)
        if wanted[0] & 1:
            receipts.append(self._receipt(source, destination, reference))

    def _receipt(self, source: bytes, destination: bytes, reference: bytes) -> bytes:
        text = b"id:%b sub:001 dlvrd:001 submit date:%b done date:%b stat:DELIVRD err:000 text:" % (
            reference[:-1],
            *_minutes(),
        )
        body = b"\0%b%b%b%c%b\0\x1e\0%c%b%b" % (
            destination,
            source,
            _RECEIPT_FLAGS,
            len(text),
            text,
            len(reference),
            reference,
            _DELIVERED_TLV,
        )
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        return HEADER.pack(16 + len(body), DELIVER_SM, 0, self._sequence) + body

    def _rare(self, command: int, sequence: int, answers: list[bytes]) -> None:
        """Everything that does not come with every message."""
        if command in BINDS:
            self._counters.binds += 1
            answers.append(HEADER.pack(21, command | RESPONSE, 0, sequence) + b"lean\0")
        elif command in (ENQUIRE_LINK, UNBIND):
            answers.append(HEADER.pack(16, command | RESPONSE, 0, sequence))
        elif command == DELIVER_SM_RESP:
            self._counters.refused += 1
        elif not command & RESPONSE:
            answers.append(HEADER.pack(16, GENERIC_NACK, BAD_COMMAND, sequence))

    def _write(self, pdus: list[bytes]) -> None:
        if pdus and not self._transport.is_closing():
            self._transport.write(b"".join(pdus))


_shown_at: int = 0
_shown = (b"", b"")


def _minutes() -> tuple[bytes, bytes]:
    """Submit date and done date as receipts have them; made anew once a second."""
    global _shown_at, _shown
    now = int(time.time())
    if now != _shown_at:
        minute = time.strftime("%y%m%d%H%M", time.gmtime(now)).encode()
        _shown_at, _shown = now, (minute, minute)
    return _shown


async def _serve(port: int, receipt_delay: float) -> None:
    counters = Counters()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(counters, receipt_delay), "127.0.0.1", port)
    say({"port": server.sockets[0].getsockname()[1]})
    async for _ in heard_async():
        say(counters.shown())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A lean SMSC for measuring.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--receipt-ms", type=float, default=0, help="receipts come so long after the answer")
    options = parser.parse_args()
    uvloop.run(_serve(options.port, options.receipt_ms / 1000))
