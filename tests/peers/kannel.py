"""Kannel (Debian's package): bearerbox as an SMPP client, smsbox as the door to it over HTTP."""

from __future__ import annotations

import asyncio
import shutil
import socket
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_CONFIGURATION = """
group = core
admin-port = {admin_port}
admin-interface = 127.0.0.1
admin-password = test
smsbox-port = {smsbox_port}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {folder}/bearerbox.log
log-level = 0

group = smsc
smsc = smpp
smsc-id = ulak
host = 127.0.0.1
port = {smpp_port}
transceiver-mode = true
smsc-username = kannel
smsc-password = secret
system-type = ""
reconnect-delay = 1
enquire-link-interval = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms_port}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log
log-level = 0

group = sendsms-user
username = test
password = test
max-messages = 10
concatenation = true

group = sms-service
keyword = default
text = "no"
"""


class Kannel:
    """A gateway that runs. `reports` are the receipts it told us: the mask of each (1 is "delivered")."""

    def __init__(self, sendsms_port: int) -> None:
        self.reports: list[str] = []
        self._sendsms_port = sendsms_port
        self._listener: asyncio.Server | None = None

    async def listen(self) -> None:
        """Open the address to which Kannel reports."""
        self._listener = await asyncio.start_server(self._hear, "127.0.0.1", 0)

    async def close(self) -> None:
        """Close it."""
        if self._listener is not None:
            self._listener.close()

    async def send(self, sender: str, number: str, text: str) -> str:
        """Hand over a text, as UCS-2 when Latin-1 lacks its letters. Returns what smsbox answers."""
        assert self._listener is not None
        port = self._listener.sockets[0].getsockname()[1]
        fields = {
            "username": "test",
            "password": "test",
            "from": sender,
            "to": number,
            "text": text,
            "charset": "UTF-8",
            "dlr-mask": "31",
            "dlr-url": f"http://127.0.0.1:{port}/%d",
        }
        if not text.isascii():
            fields["coding"] = "2"
        url = f"http://127.0.0.1:{self._sendsms_port}/cgi-bin/sendsms?{urllib.parse.urlencode(fields)}"
        return await asyncio.to_thread(_get, url)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.reports.append(request.split()[1].decode().removeprefix("/"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def _program(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert path, f"{name} is missing; `make test` as root installs it, or: apt-get install kannel"
    return path


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@asynccontextmanager
async def kannel(smpp_port: int, folder: Path) -> AsyncIterator[Kannel]:
    """Kannel, bound as transceiver to `smpp_port` of this machine; its files go to `folder`."""
    admin, smsbox, sendsms = _free_ports(3)
    configuration = folder / "kannel.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder, smpp_port=smpp_port, admin_port=admin, smsbox_port=smsbox, sendsms_port=sendsms
        )
    )
    gateway = Kannel(sendsms)
    await gateway.listen()
    boxes: list[asyncio.subprocess.Process] = []
    try:
        for name, port in (("bearerbox", smsbox), ("smsbox", sendsms)):
            boxes.append(await _start(_program(name), configuration))
            await _answers(port, boxes[-1], folder / f"{name}.log")
        yield gateway
    finally:
        for box in reversed(boxes):
            await _end(box)
        await gateway.close()


async def _start(program: str, configuration: Path) -> asyncio.subprocess.Process:
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        program, "-v", "4", str(configuration), stdin=nowhere, stdout=nowhere, stderr=nowhere
    )


async def _answers(port: int, box: asyncio.subprocess.Process, log: Path) -> None:
    for _ in range(200):
        assert box.returncode is None, f"Kannel has ended: {log.read_text()[-2000:] if log.exists() else ''}"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await writer.wait_closed()
        return
    raise AssertionError(f"Kannel does not listen on port {port}")


async def _end(box: asyncio.subprocess.Process) -> None:
    if box.returncode is None:
        box.terminate()
        try:
            await asyncio.wait_for(box.wait(), 5)
        except TimeoutError:
            box.kill()
            await box.wait()
