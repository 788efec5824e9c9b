"""What an account has: get-balance, get-sender; and add-plugin-user, which tells us of an installation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ulak.core.accounts import Account
from ulak.dialects.iletimerkezi import forms, wire
from ulak.dialects.iletimerkezi.serve.visit import DONE, OK, Answer, Operation, Visit
from ulak.service import credits
from ulak.store.accounts import senders


def balance_at(unit_price: Decimal) -> Operation:
    """get-balance, where one SMS is worth so much in TRY."""

    async def get_balance(visit: Visit) -> Answer:
        """The credit, and what it is worth."""
        request = await visit.parsed(forms.get_account)

        def question(tx: Any, owner: Account) -> wire.Balance:
            sms = credits.available(tx, owner.id)
            return wire.Balance(_money(unit_price * sms), sms)

        found = await visit.asked(request.authentication, question)
        return wire.BalanceAnswer(OK, found) if isinstance(found, wire.Balance) else found

    return get_balance


async def get_sender(visit: Visit) -> Answer:
    """The approved senders."""
    request = await visit.parsed(forms.get_account)
    found = await visit.asked(request.authentication, lambda tx, account: senders(tx, account.id))
    return wire.SendersAnswer(OK, wire.Senders(found)) if isinstance(found, list) else found


async def add_plugin_user(visit: Visit) -> Answer:
    """A plugin was installed somewhere. Its setup screen wants to hear that this is fine; we keep nothing."""
    request = await visit.parsed(forms.get_account)
    return await visit.asked(request.authentication, lambda _tx, _account: DONE)


def _money(amount: Decimal) -> int | Decimal:
    """At most four decimals, as the vendor's XML has them, and none that is not needed."""
    shown = amount.quantize(Decimal("0.0001")).normalize()
    return int(shown) if shown == shown.to_integral_value() else shown
