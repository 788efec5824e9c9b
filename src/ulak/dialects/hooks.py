"""The door for carriers that call us: `POST /hooks/<carrier>/<secret>`.

Who may call is known by the secret in the address, `hook_secret` of the carrier. A carrier that has a
`hook_key` as well signs what it sends, in the way of Standard Webhooks (standardwebhooks.com). A wrong
address is answered in one way, whatever is wrong with it, and no answer tells what we know of a parcel or a
message.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

import structlog

from ulak.core.callbacks import read_secret
from ulak.core.errors import StoreUnavailable
from ulak.core.ports import Report
from ulak.core.shipping import News, Sighting
from ulak.core.times import Clock
from ulak.dialects.door import Books, Call, Reply, Route, Trouble
from ulak.service import carriers
from ulak.service.carriers import Carrier
from ulak.service.guard import Guard, no_guard
from ulak.service.reports import REPORTS, ReportBatch
from ulak.store.vault import Vault

PREFIX = "/hooks/"

BODY_MAX = 1024 * 1024
"""Bytes of what a carrier may tell at once."""

AGE_MAX = 300
"""Seconds that the time of a signature may be away from ours."""

Headers: TypeAlias = Mapping[str, str]
"""Names are lower case."""

Reader: TypeAlias = Callable[[Headers, bytes], Sequence[News | Report]]
"""Reads what a kind of carrier tells of parcels and messages. Raises ValueError when it cannot be read."""

Told: TypeAlias = Callable[[int, str, Sequence[Sighting]], Awaitable[object]]
"""Takes a carrier's news: its id, the parcel's code, what was seen."""

_TAKEN = Reply(204, b"")
_NOT_FOUND = Reply(404, b'{"error":"not found"}')
_NO_METHOD = Reply(405, b'{"error":"method not allowed"}', headers=((b"allow", b"POST"),))
_UNSIGNED = Reply(401, b'{"error":"the signature is not good"}')
_UNREADABLE = Reply(400, b'{"error":"the body cannot be read"}')
_TOO_LARGE = Reply(413, b'{"error":"the body is too large"}')
_LATER = Reply(503, b'{"error":"try again"}', headers=((b"retry-after", b"5"),))

_TROUBLES = {
    Trouble.BODY_TOO_LARGE: _TOO_LARGE,
    Trouble.BODY_INCOMPLETE: _UNREADABLE,
    Trouble.OVERLOADED: _LATER,
    Trouble.CRASHED: Reply(500, b'{"error":"it broke here"}'),
}

log = structlog.get_logger("ulak.hooks")


def _slowed(wait: int) -> Reply:
    """Too many addresses were wrong, so nothing is looked at for so many seconds."""
    later = ((b"retry-after", b"%d" % wait),)
    return Reply(429, b'{"error":"too many wrong addresses"}', headers=later)


class HookDoors:
    """Answers everything under `/hooks/`."""

    def __init__(
        self,
        books: Books,
        readers: Mapping[str, Reader],
        told: Told,
        vault: Vault,
        clock: Clock,
        guard: Guard | None = None,
    ) -> None:
        """`readers` by kind of carrier. `clock` is the machine's: signatures are made by others. `guard`
        slows those who guess secrets."""
        self._books = books
        self._readers = readers
        self._told = told
        self._vault = vault
        self._clock = clock
        self._guard = guard or no_guard()

    routes = (Route("POST", PREFIX + "{carrier}/{secret}"),)

    async def answer(self, call: Call) -> Reply:
        """Take what a carrier tells. It is answered when the store has it."""
        if call.method != "POST":
            return _NO_METHOD
        try:
            return await self._take(call)
        except StoreUnavailable:
            return _LATER
        except Exception:
            # Said here and not by whoever called us: the path holds a secret.
            log.exception("hook.crashed")
            return self.trouble(call, Trouble.CRASHED)

    def trouble(self, call: Call, what: Trouble) -> Reply:
        """The answer to a call that could not be carried out."""
        del call
        return _TROUBLES[what]

    async def _take(self, call: Call) -> Reply:
        name, _, secret = call.path.removeprefix(PREFIX).partition("/")
        attempt = self._guard.attempt(call.address, secret, name=f"hook {name}")
        wait = self._guard.wait(attempt)
        if wait:
            return _slowed(wait)
        carrier, settings = await self._caller(name, secret)
        if carrier is None:
            wait = await self._guard.wrong(attempt)
            return _slowed(wait) if wait else _NOT_FOUND
        self._guard.right(attempt)
        if len(call.body) > BODY_MAX:
            return _TOO_LARGE
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in call.headers}
        if "hook_key" in settings and not self._is_signed(headers, call.body, settings["hook_key"]):
            return _UNSIGNED
        try:
            found = self._readers[carrier.kind](headers, call.body)
        except ValueError:
            log.warning("hook.unreadable", carrier=carrier.name, size=len(call.body))
            return _UNREADABLE
        reports = [news for news in found if isinstance(news, Report)]
        if reports:
            await self._books.gather(REPORTS, ReportBatch(carrier.id, carrier.terms.id_form, reports))
        for news in found:
            if isinstance(news, News):
                await self._told(carrier.id, news.tracking, news.sightings)
        return _TAKEN

    async def _caller(self, name: str, secret: str) -> tuple[Carrier | None, dict[str, str]]:
        """The carrier with this name and secret, and its settings.

        Of a name that nobody has another carrier's secret is looked at, which takes as long.
        """
        found = await self._books.read(carriers.active)
        calling = {each.name: each for each in found if each.kind in self._readers}
        if not calling:
            return None, {}
        others = list(calling.values())
        carrier = calling.get(name, others[hash(name) % len(others)])
        settings = carrier.settings(self._vault)
        wanted = settings.get("hook_secret", "")
        fits = hmac.compare_digest(secret.encode(), (wanted or name).encode())
        if not (fits and wanted and carrier.name == name):
            return None, {}
        return carrier, settings

    def _is_signed(self, headers: Headers, body: bytes, key: str) -> bool:
        """Whether one of the signatures is made with this key, and lately."""
        name, when = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (when.isascii() and when.isdigit() and len(when) <= 12):
            return False
        if abs(self._clock() / 1000 - int(when)) > AGE_MAX:
            return False
        content = f"{name}.{when}.".encode("latin-1") + body
        digest = hmac.digest(read_secret(key), content, hashlib.sha256)
        wanted = b"v1," + b64encode(digest)
        given = headers.get("webhook-signature", "").encode("latin-1").split()
        return any(hmac.compare_digest(one, wanted) for one in given[:10])
