"""An SMSC that does what a test tells it, good or bad, PDU by PDU."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple

from ulak.dialects.smpp import codes
from ulak.dialects.smpp.wire import HEADER, HEADER_SIZE, frame


class Pdu(NamedTuple):
    """A PDU as it came."""

    command: int
    status: int
    sequence: int
    body: bytes


class Conversation:
    """One connection, seen from the SMSC. Everything that was heard is in `heard`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard: list[Pdu] = []
        self._reader = reader
        self.writer = writer

    async def hear(self) -> Pdu:
        """The next PDU. Raises IncompleteReadError when the peer is gone."""
        head = await self._reader.readexactly(HEADER_SIZE)
        length, command, status, sequence = HEADER.unpack(head)
        pdu = Pdu(command, status, sequence, await self._reader.readexactly(length - HEADER_SIZE))
        self.heard.append(pdu)
        return pdu

    async def hear_a(self, command: int) -> Pdu:
        """The next PDU of one kind; enquire_link and unbind before it are answered, others are let pass."""
        while (pdu := await self.hear()).command != command:
            self.be_polite(pdu)
        return pdu

    def be_polite(self, pdu: Pdu) -> None:
        """Answer enquire_link and unbind."""
        if pdu.command in (codes.ENQUIRE_LINK, codes.UNBIND):
            self.answer(pdu)

    def say(self, command: int, status: int = 0, sequence: int = 1, body: bytes = b"") -> None:
        """Send a PDU."""
        self.writer.write(frame(command, status, sequence, body))

    def answer(self, pdu: Pdu, status: int = 0, body: bytes = b"") -> None:
        """Send the answer to a PDU."""
        self.say(pdu.command | codes.RESPONSE, status, pdu.sequence, body)

    async def let_bind(self) -> Pdu:
        """Hear a bind and accept it."""
        pdu = await self.hear()
        assert pdu.command in (codes.BIND_TRANSCEIVER, codes.BIND_TRANSMITTER, codes.BIND_RECEIVER)
        self.answer(pdu, 0, b"SCRIPT\0")
        return pdu

    async def serve(self) -> None:
        """Be a good SMSC until the peer goes: message ids are r and the sequence."""
        while True:
            pdu = await self.hear()
            if pdu.command == codes.SUBMIT_SM:
                self.answer(pdu, 0, b"r%d\0" % pdu.sequence)
            elif not pdu.command & codes.RESPONSE:
                self.answer(pdu)

    def cut(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()

    def count(self, command: int) -> int:
        """How many PDUs of one kind were heard."""
        return sum(pdu.command == command for pdu in self.heard)


Script = Callable[[Conversation], Awaitable[None]]


class ScriptedSmsc:
    """A server that plays one script a connection, in the order of coming; the last one again and again.

    Use it as an asynchronous context manager. After its script a connection answers unbind and enquire_link.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self._tls = tls
        self.conversations: list[Conversation] = []
        self.errors: list[BaseException] = []
        self.port = 0

    async def __aenter__(self) -> ScriptedSmsc:
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for conversation in self.conversations:
            conversation.cut()
        await asyncio.sleep(0.01)
        if self.errors and error is None:
            raise self.errors[0]

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(reader, writer)
        script = self._scripts[min(len(self.conversations), len(self._scripts) - 1)]
        self.conversations.append(conversation)
        try:
            await script(conversation)
            while True:
                conversation.be_polite(await conversation.hear())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()


async def good(conversation: Conversation) -> None:
    """The script of an SMSC without faults."""
    await conversation.let_bind()
    await conversation.serve()
