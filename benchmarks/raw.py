"""The raw client: how fast submit_sm goes to the lean SMSC and receipts come back, with nothing in between.

PDUs are encoded before the clock starts; then a plain socket, the window kept full, every receipt
acknowledged and nothing stored. What Ulak does for the same messages is measured against this.

    python -m benchmarks.raw

takes {"port": …, "count": …, "window": …} on standard input and prints seconds and CPU seconds.
"""

from __future__ import annotations

import select
import socket
import time

from benchmarks.lines import heard, say
from benchmarks.smsc import DELIVER_SM, DELIVER_SM_RESP, HEADER, SUBMIT_SM, SUBMIT_SM_RESP

TEXT = b"Bu hafta sonu tum urunlerde %20 indirim var, kacirmayin"
GIVE_UP = 10.0
"""Seconds without a byte after which a run has failed."""


def _submits(count: int) -> list[bytes]:
    pdus = []
    for sequence in range(1, count + 1):
        destination = b"%d" % (905300000000 + sequence)
        body = b"\0\x05\0ULAK\0\x01\x01%b\0\0\0\0\0\0\x01\0\0\0%c%b" % (destination, len(TEXT), TEXT)
        pdus.append(HEADER.pack(16 + len(body), SUBMIT_SM, 0, sequence) + body)
    return pdus


class Client:
    """One bound connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bind = b"raw\0raw\0\0\x34\0\0\0"
        self._socket.sendall(HEADER.pack(16 + len(bind), 0x09, 0, 1) + bind)
        answer = self._socket.recv(4096)
        assert HEADER.unpack_from(answer)[2] == 0, "the SMSC refused the bind"
        self._socket.setblocking(False)
        self._rest = b""
        self._out = b""
        self.answered = 0
        self.receipts = 0

    def run(self, pdus: list[bytes], window: int) -> None:
        """Send all, until every one has its answer and its receipt."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        count, sent = len(pdus), 0
        while self.answered < count or self.receipts < count:
            upto = min(count, self.answered + window)
            if upto > sent:
                self._out += b"".join(pdus[sent:upto])
                sent = upto
            self._flush()
            if not poll.poll(GIVE_UP * 1000):
                raise SystemExit(
                    f"{self.answered} answers and {self.receipts} receipts of {count}, then silence"
                )
            self._read()
        self._flush()

    def _flush(self) -> None:
        while self._out:
            try:
                self._out = self._out[self._socket.send(self._out) :]
            except BlockingIOError:
                return

    def _read(self) -> None:
        data = self._socket.recv(262_144)
        if not data:
            raise SystemExit("the SMSC closed the connection")
        buffer = self._rest + data
        at, size = 0, len(buffer)
        acks: list[bytes] = []
        while size - at >= 16:
            length, command, _, sequence = HEADER.unpack_from(buffer, at)
            if size - at < length:
                break
            at += length
            if command == SUBMIT_SM_RESP:
                self.answered += 1
            elif command == DELIVER_SM:
                acks.append(HEADER.pack(17, DELIVER_SM_RESP, 0, sequence) + b"\0")
        self._rest = buffer[at:]
        self.receipts += len(acks)
        self._out += b"".join(acks)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _measure(port: int, count: int, window: int) -> dict[str, float]:
    pdus = _submits(count)
    client = Client(port)
    cpu, began = time.process_time(), time.perf_counter()
    client.run(pdus, window)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    client.close()
    return {"seconds": seconds, "cpu": cpu}


if __name__ == "__main__":
    for task in heard():
        say(_measure(task["port"], task["count"], task["window"]))
