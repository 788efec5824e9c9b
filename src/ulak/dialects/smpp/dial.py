"""From settings to one connection that is bound, or a sentence about why not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from ulak.dialects.smpp import codes
from ulak.dialects.smpp.codes import status_text
from ulak.dialects.smpp.line import Line
from ulak.dialects.smpp.session import BindRefused, Bound, Event, Role, Token
from ulak.dialects.smpp.settings import LinkSettings
from ulak.dialects.smpp.wire import Bind


class LinkError(ConnectionError):
    """The link could not be brought up; the text says what the operator or the network said."""


Heard = Callable[[Line[Token], list[Event[Token]]], None]
Lost = Callable[[Line[Token], str], None]

_AS = {
    codes.BIND_TRANSCEIVER: "transceiver",
    codes.BIND_TRANSMITTER: "transmitter",
    codes.BIND_RECEIVER: "receiver",
}


async def dial(
    settings: LinkSettings,
    command: int,
    heard: Heard[Token],
    lost: Lost[Token],
    now: Callable[[], float],
) -> Line[Token]:
    """Connect and bind with one of the three bind commands. Raises LinkError.

    `heard` and `lost` serve the line from then on; `heard` also gets what came in one read with the answer to
    the bind, so that no message is lost between the two.
    """
    answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answered.add_done_callback(lambda future: future.cancelled() or future.exception())

    def heard_first(line: Line[Token], events: list[Event[Token]]) -> None:
        if not answered.done():
            _settle_bind(answered, events, command)
        heard(line, events)

    gone: list[str] = []

    def lost_first(line: Line[Token], why: str) -> None:
        gone.append(why)
        if not answered.done():
            answered.set_exception(LinkError(f"the bind was not answered: {why}"))
        lost(line, why)

    line: Line[Token] = Line(Role.ESME, heard_first, lost_first, now)
    try:
        async with asyncio.timeout(settings.response_timeout):
            await _connect(settings, line)
            line.session.bind(command, Bind(settings.system_id, settings.password, settings.system_type))
            line.flush()
            await answered
            if gone:  # between the answer and our waking up
                raise LinkError(gone[0])
    except TimeoutError:
        line.abort()
        raise LinkError(f"{_place(settings)} did not answer in {settings.response_timeout:g} s") from None
    except LinkError:
        line.abort()
        raise
    except (OSError, ValueError) as error:
        line.abort()
        raise LinkError(f"no connection to {_place(settings)}: {error}") from error
    except asyncio.CancelledError:
        line.abort()
        raise
    line.heard, line.lost = heard, lost
    return line


async def _connect(settings: LinkSettings, line: Line[Token]) -> None:
    context = None
    if settings.tls:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: line, settings.host, settings.port, ssl=context)


def _settle_bind(answered: asyncio.Future[None], events: list[Event[Token]], command: int) -> None:
    for event in events:
        if isinstance(event, Bound):
            answered.set_result(None)
            return
        if isinstance(event, BindRefused):
            why = f"the operator refused to bind us as {_AS[command]}: {status_text(event.status)}"
            answered.set_exception(LinkError(why))
            return


def _place(settings: LinkSettings) -> str:
    return f"{settings.host} port {settings.port}"
