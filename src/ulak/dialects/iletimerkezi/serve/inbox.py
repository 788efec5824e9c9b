"""SMS that came in: get-inbox."""

from __future__ import annotations

from typing import Any

from ulak.core import phone
from ulak.core.accounts import Account
from ulak.core.own_numbers import shown_number
from ulak.core.times import to_local_text
from ulak.dialects.iletimerkezi import forms, wire
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.serve.visit import OK, Answer, Visit
from ulak.service import mailboxes
from ulak.store.mailboxes import Mail


async def get_inbox(visit: Visit) -> Answer:
    """What came in, the newest first; for an account that may not ask there is no such operation."""
    request = await visit.parsed(forms.get_account)

    def question(tx: Any, account: Account) -> wire.InboxAnswer | Code:
        if not account.switch("inbox"):
            return Code.NO_SUCH_METHOD
        return wire.InboxAnswer(OK, [_row(mail) for mail in mailboxes.inbox(tx, account.id)])

    return await visit.asked(request.authentication, question)


def _row(mail: Mail) -> wire.InboxRow:
    number = phone.normalise(mail.sender)
    sender = phone.display(number) if number else mail.sender
    return wire.InboxRow(to_local_text(mail.at), sender, mail.text, shown_number(mail.number))
