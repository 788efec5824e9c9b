"""Numbers that an account must not write to: get-blacklist, add-blacklist, delete-blacklist."""

from __future__ import annotations

from typing import Any

from ulak.core import phone, times
from ulak.core.accounts import Account
from ulak.dialects.iletimerkezi import fields, forms, wire
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.serve.visit import DONE, OK, Answer, Visit, invalid
from ulak.service import blacklist
from ulak.store import blocks

_SECOND = 1_000


async def get_blacklist(visit: Visit) -> Answer:
    """A page of the numbers, the newest first."""
    request = await visit.parsed(forms.get_blacklist)
    asked = request.blacklist
    page = fields.page_number(asked.page)
    rows = fields.rows_wanted(asked.rowCount)
    span = _span(asked.filter)

    def question(tx: Any, account: Account) -> wire.BlacklistAnswer | wire.Invalid | Code:
        if page is None:
            return Code.BAD_PAGE
        if isinstance(span, dict):
            return invalid(span)
        count, numbers = blocks.page(tx, account.id, *span, (page - 1) * rows, rows)
        return wire.BlacklistAnswer(OK, wire.Blacklist(count, list(map(phone.display, numbers))))

    return await visit.asked(request.authentication, question)


async def add_blacklist(visit: Visit) -> Answer:
    """Block a number; to do so again changes nothing."""
    request = await visit.parsed(forms.change_blacklist)
    number = phone.normalise(request.blacklist.number)

    def change(tx: Any, account: Account) -> wire.Plain | Code:
        if not number:
            return Code.BAD_NUMBER
        blacklist.block(tx, account.id, number)
        return DONE

    return await (visit.changed if number else visit.asked)(request.authentication, change)


async def delete_blacklist(visit: Visit) -> Answer:
    """Lift a block that the account asked for."""
    request = await visit.parsed(forms.change_blacklist)
    number = phone.normalise(request.blacklist.number)

    def change(tx: Any, account: Account) -> wire.Plain | Code:
        if not number:
            return Code.BAD_NUMBER
        return DONE if blacklist.lift(tx, account.id, number) else Code.BLOCK_PERMANENT

    return await (visit.changed if number else visit.asked)(request.authentication, change)


def _span(chosen: wire.BlacklistFilter) -> tuple[int, int] | dict[str, str]:
    """[from, to) in ms, or what is wrong with which bound. The last second belongs to it."""
    start = times.parse_second(chosen.start) if chosen.start else blocks.FIRST
    end = times.parse_second(chosen.end) if chosen.end else blocks.LAST
    if start is None or end is None:
        bounds = {"start": start, "end": end}
        return {name: fields.no_such_time(name) for name, found in bounds.items() if found is None}
    return start, end + _SECOND
