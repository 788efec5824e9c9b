"""Documents and labels: handed in, made, listed, downloaded."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Label, Paper
from ulak.core.points import point
from ulak.core.shipping import File, Printer, Unreached
from ulak.core.states import ParcelState
from ulak.dialects.comtohome import shown, upload, wire
from ulak.dialects.comtohome.codes import FORMS
from ulak.dialects.comtohome.fields import identifier
from ulak.dialects.comtohome.forms import Invalid
from ulak.dialects.comtohome.jsonbody import TooLarge, Unreadable
from ulak.dialects.comtohome.serve.finding import by_id
from ulak.dialects.comtohome.serve.visit import RETRY_AFTER, Gate, Refused, Visit, succeeded
from ulak.dialects.comtohome.shown import Show
from ulak.dialects.comtohome.texts import DONE_UPLOADED, Text
from ulak.dialects.door import Reply
from ulak.service import parcel_papers
from ulak.service.desk import Desk
from ulak.service.parcels import Denied
from ulak.store import labels, papers

_LOGOS_KEPT = 64
_NOT_IN_HEADERS = re.compile(r'[^ -~]|["\\]')
_ENDINGS = {"application/pdf": "pdf", "application/zpl": "zpl", "image/png": "png"}
_PRIVATE = (
    (b"cache-control", b"private, max-age=300"),
    (b"x-content-type-options", b"nosniff"),
)
_PUBLIC = (
    (b"cache-control", b"public, max-age=86400"),
    (b"x-content-type-options", b"nosniff"),
)


class _Wanted(NamedTuple):
    """A label whose link is right, and its file if there is one."""

    consignment: Consignment
    label: Label
    file: File | None


class Documents:
    """The doors of papers."""

    def __init__(
        self, gate: Gate, desk: Desk, show: Show, printer: Printer, logo: Callable[[str], bytes]
    ) -> None:
        self._gate = gate
        self._desk = desk
        self._show = show
        self._printer = printer
        self._logo = lru_cache(maxsize=_LOGOS_KEPT)(logo)

    async def upload(self, visit: Visit, _value: str) -> Reply:
        """POST /consignment-documents"""
        await self._gate.enter(visit)
        try:
            given = upload.upload(visit.header(b"content-type"), visit.call.body, visit.language)
        except Invalid as invalid:
            raise Refused(422, *invalid.problems) from None
        except Unreadable:
            raise visit.refused(400, Text.NOT_MULTIPART) from None
        except TooLarge:
            raise Refused(413, f"{upload.FILE}: {visit.say(Text.FILE_TOO_LARGE)}") from None

        def keep(tx: Any, account: Account) -> Paper | Denied:
            return parcel_papers.upload(
                tx,
                account,
                kind=given.kind,
                state=given.state,
                file_name=given.file_name,
                file=File(given.content, given.mime),
                reference=given.reference,
                issued=given.issued,
                consignment_id=given.consignment_id,
            )

        kept: Paper | Denied = await self._gate.change(visit, keep)
        if isinstance(kept, Denied):
            raise visit.invalid("consignment_id", Text.UNKNOWN_ID)
        return succeeded(shown.document(kept), DONE_UPLOADED)

    async def document(self, visit: Visit, text: str) -> Reply:
        """GET /consignment-documents/{documentId}"""
        paper, _ = await self._paper(visit, text)
        return succeeded(shown.document(paper))

    async def download(self, visit: Visit, text: str) -> Reply:
        """GET /consignment-documents/{id}/download"""
        paper, content = await self._paper(visit, text, whole=True)
        headers = (_disposition("attachment", paper.file_name), *_PRIVATE)
        return Reply(200, content, paper.mime.encode(), headers)

    async def _paper(self, visit: Visit, text: str, *, whole: bool = False) -> tuple[Paper, bytes]:
        """A document of the account, with its file if `whole`."""
        number = identifier(text)

        def question(tx: Any, account: Account) -> tuple[Paper, bytes] | None:
            found = None if number is None else papers.by_id(tx, account.id, number)
            if found is None:
                return None
            return found, (papers.content(tx, found.id) or b"") if whole else b""

        found = await self._gate.ask(visit, question)
        if found is None:
            raise visit.refused(404, Text.DOCUMENT_NOT_FOUND, id=text)
        return found

    async def of_consignment(self, visit: Visit, text: str) -> Reply:
        """GET /consignments/{consignmentId}/documents"""
        pick = by_id(text)
        found = await self._gate.ask(visit, lambda tx, account: pick(tx, account.id))
        if found is None:
            raise visit.refused(404, Text.NOT_FOUND)
        return succeeded([shown.document(paper) for paper in found.papers])

    async def proforma(self, visit: Visit, text: str) -> Reply:
        """POST /consignments/{consignmentId}/proforma"""
        return await self._make(visit, text, "proforma")

    async def cn22(self, visit: Visit, text: str) -> Reply:
        """POST /consignments/{consignmentId}/cn22"""
        return await self._make(visit, text, "cn22")

    async def cn23(self, visit: Visit, text: str) -> Reply:
        """POST /consignments/{consignmentId}/cn23"""
        return await self._make(visit, text, "cn23")

    async def _make(self, visit: Visit, text: str, name: str) -> Reply:
        """Make a paper, keep it, and answer with it."""
        form, pick = FORMS[name], by_id(text)
        account, found = await self._gate.ask(visit, lambda tx, account: (account, pick(tx, account.id)))
        if not account.switch(form.right):
            raise visit.refused(403, Text.NOT_ALLOWED)
        if found is None:
            raise visit.refused(404, Text.NOT_FOUND)
        consignment = found
        if not any(package.items for package in consignment.shipment.packages):
            raise visit.refused(422, Text.NOTHING_TO_DECLARE)
        try:
            file = await asyncio.to_thread(self._printer.paper, consignment, form.kind)
        except ValueError as error:
            raise Refused(422, str(error)) from None
        kept: Paper = await self._gate.change(
            visit, lambda tx, owner: parcel_papers.made(tx, owner, consignment, form.kind, file)
        )
        pdf = base64.b64encode(file.content).decode()
        return succeeded(wire.FormMade(consignment.id, consignment.uuid, kept.id, pdf), form.done)

    # What needs no key.

    async def label(self, visit: Visit, text: str) -> Reply:
        """GET /public-download/consignment-label/{label_id}?_hash=…"""
        wanted = await self._wanted(visit, text)
        if wanted.label.revoked is not None or wanted.consignment.state is ParcelState.CANCELLED:
            raise visit.refused(410, Text.LABEL_GONE)
        file = wanted.file or await self._printed(visit, wanted.consignment, wanted.label)
        headers = (_disposition("inline", _named(wanted.label.file_name, file.mime)), *_PRIVATE)
        return Reply(200, file.content, file.mime.encode(), headers)

    async def _wanted(self, visit: Visit, text: str) -> _Wanted:
        number, seal = identifier(text), (visit.query("_hash") or "").replace(" ", "+")
        if not seal:
            raise visit.refused(404, Text.LABEL_NOT_FOUND)
        attempt = self._gate.attempt(visit, f"label {text} {seal}")

        def is_sealed(label: Label) -> bool:
            return hmac.compare_digest(self._show.seal(label).encode(), seal.encode())

        def question(tx: Any) -> _Wanted | None:
            found = None if number is None else labels.public(tx, number, is_sealed)
            return None if found is None else _Wanted(*found, labels.file(tx, found[1].id))

        wanted = await self._gate.look(question)
        if wanted is None:
            await self._gate.wrong(visit, attempt)
            raise visit.refused(404, Text.LABEL_NOT_FOUND)
        self._gate.right(attempt)
        return wanted

    async def _printed(self, visit: Visit, consignment: Consignment, label: Label) -> File:
        """The file of a label that nobody downloaded yet: the carrier's own, or ours. It is kept."""
        made: File | Unreached | None = None
        courier = (await self._desk.couriers()).get(label.carrier_id)
        if courier is not None:
            made = await courier.way.label(consignment, label)
        if isinstance(made, Unreached):
            raise visit.refused(503, Text.CARRIER_UNREACHED, RETRY_AFTER)
        if made is None:
            made = await asyncio.to_thread(self._printer.label, consignment, label)
        file = made
        point("label.printed")
        kept = await self._gate.keep(lambda tx: labels.keep_file(tx, label.id, file))
        point("label.kept")
        return kept

    async def logo(self, visit: Visit, name: str) -> Reply:
        """GET /uploads/provider_logos/{name}.png"""
        del visit
        return Reply(200, await asyncio.to_thread(self._logo, name), b"image/png", _PUBLIC)


def _named(file_name: str, mime: str) -> str:
    """The name of a label's file. A carrier may have sent another kind of file than was asked for."""
    stem, _, ending = file_name.rpartition(".")
    return f"{stem}.{_ENDINGS.get(mime, ending)}"


def _disposition(how: str, file_name: str) -> tuple[bytes, bytes]:
    """The header that names a file. Letters that a header does not take are replaced; who reads RFC 6266 gets
    the whole name."""
    plain = _NOT_IN_HEADERS.sub("_", file_name)
    whole = "" if plain == file_name else f"; filename*=UTF-8''{quote(file_name, safe='')}"
    return b"content-disposition", f'{how}; filename="{plain}"{whole}'.encode()
