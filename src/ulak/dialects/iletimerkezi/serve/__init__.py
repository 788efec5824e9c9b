"""The doors: which operation a path names in which format, and what is answered when something is wrong."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import NamedTuple

from ulak.core.errors import OutcomeUnknown, Refusal, StoreUnavailable
from ulak.dialects.door import Books, Call, Reply, Route, Trouble
from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.codes import REFUSALS, TEXTS, Code
from ulak.dialects.iletimerkezi.formats import JSON, QUERY, XML, Format
from ulak.dialects.iletimerkezi.jsonbody import BadRequest
from ulak.dialects.iletimerkezi.serve import account, blacklist, consents, contacts, inbox, orders
from ulak.dialects.iletimerkezi.serve.visit import Later, No, Operation, Visit
from ulak.service.guard import Guard, no_guard

__all__ = ["Doors"]

_TROUBLES = {
    Trouble.BODY_TOO_LARGE: Code.UNREADABLE,
    Trouble.BODY_INCOMPLETE: Code.UNREADABLE,
    Trouble.OVERLOADED: Code.UNAVAILABLE,
    Trouble.CRASHED: Code.CRASHED,
}


JSON_ONLY = frozenset(
    ("get-reports", "get-report-summary", "consent/create", "consent/show", "get-inbox", "get-group")
)
"""Operations that the vendor documents in no other format."""


class _Door(NamedTuple):
    """An operation as one path has it."""

    name: str
    method: str
    format: Format
    operation: Operation


class Doors:
    """Answers everything under the dialect's prefix. `unit_price` is what one SMS is worth in TRY; `guard`
    slows those who guess."""

    def __init__(self, books: Books, *, unit_price: Decimal = Decimal(0), guard: Guard | None = None) -> None:
        self._books = books
        self._guard = guard or no_guard()
        operations: dict[str, Operation] = {
            "send-sms": orders.send_sms,
            "cancel-order": orders.cancel_order,
            "get-report": orders.get_report,
            "get-reports": orders.get_reports,
            "get-report-summary": orders.get_reports,
            "get-balance": account.balance_at(unit_price),
            "get-sender": account.get_sender,
            "get-blacklist": blacklist.get_blacklist,
            "add-blacklist": blacklist.add_blacklist,
            "delete-blacklist": blacklist.delete_blacklist,
            "consent/create": consents.create,
            "consent/show": consents.show,
            "get-inbox": inbox.get_inbox,
            "add-plugin-user": account.add_plugin_user,
            **contacts.OPERATIONS,
        }
        self._doors = {
            f"/v1/{name}/json": _Door(name, "POST", JSON, operation) for name, operation in operations.items()
        }
        for name in operations.keys() - JSON_ONLY:
            self._doors[f"/v1/{name}"] = _Door(name, "POST", XML, operations[name])
        self._doors["/v1/send-sms/get"] = _Door("send-sms", "GET", QUERY, orders.send_sms)

    def operation(self, path: str) -> str:
        """A word for what a path is for, one of few."""
        door = self._doors.get(path.removesuffix("/"))
        return "unknown" if door is None else door.name

    @property
    def routes(self) -> list[Route]:
        """All that is answered here."""
        return [Route(door.method, path) for path, door in self._doors.items()]

    async def answer(self, call: Call) -> Reply:
        """Carry out a call."""
        door = self._doors.get(call.path.removesuffix("/"))
        if door is None or call.method != door.method:
            return _error(call, Code.NO_SUCH_METHOD)
        try:
            given = call.query if door.format is QUERY else call.body
            answer = await door.operation(Visit(self._books, self._guard, call, given, door.format.read))
        except BadRequest:
            answer = Code.UNREADABLE
        except OutcomeUnknown:
            raise  # It may have been done: 503 would say that it was not.
        except StoreUnavailable:
            answer = Code.UNAVAILABLE
        if isinstance(answer, (Refusal, Code, Later)):
            return _error(call, answer)
        return Reply(answer.status.code, door.format.write(answer), door.format.content_type)

    def trouble(self, call: Call, what: Trouble) -> Reply:
        """The envelope for a call that could not be carried out."""
        return _error(call, _TROUBLES[what])


def _error(call: Call, why: No) -> Reply:
    as_json = call.path.rstrip("/").endswith("/json")
    if isinstance(why, Later):
        return _envelope(Code.TOO_MANY, as_json, why.wait)
    code = REFUSALS[why] if isinstance(why, Refusal) else why
    return _envelope(code, as_json, 1 if code is Code.UNAVAILABLE else 0)


@cache
def _envelope(code: Code, as_json: bool, wait: int) -> Reply:
    status = wire.Status(code, TEXTS[code])
    headers = ((b"retry-after", b"%d" % wait),) if wait else ()
    written = JSON if as_json else XML
    return Reply(code.value, written.write(wire.Plain(status)), written.content_type, headers)
