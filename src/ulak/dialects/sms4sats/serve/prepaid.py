"""Prepaid accounts: funding, balance and history. Who has no key is told nothing else."""

from __future__ import annotations

from typing import Any

from ulak.core.purchases import Purchase, Wish
from ulak.core.states import PurchaseKind
from ulak.dialects.door import Call, Reply
from ulak.dialects.sms4sats import forms, texts, wire
from ulak.dialects.sms4sats.serve.orders import Orders
from ulak.dialects.sms4sats.serve.visit import (
    DIALECT,
    Gate,
    Shop,
    answered,
    body_of,
    is_account,
    key_of,
    once_of,
)
from ulak.service import purchases

HISTORY_MAX = 1000
"""Funding orders that are listed; the sum is of all."""


class Prepaid:
    """Answers about accounts."""

    def __init__(self, gate: Gate, shop: Shop, orders: Orders) -> None:
        self._gate = gate
        self._shop = shop
        self._orders = orders

    async def fund(self, call: Call) -> Reply:
        """POST /fund."""
        account = await self._gate.account(call, required=True)
        assert account is not None
        fields, once = body_of(call), once_of(call)
        amount = forms.amount_in(fields)
        wish = Wish(DIALECT, PurchaseKind.CREDIT, amount=amount, memo=texts.MEMO_FUND, once=once)
        return await self._orders.sold(wish, account.id, call)

    async def balance(self, call: Call) -> Reply:
        """GET /balance."""

        def question(tx: Any) -> int | None:
            account = is_account(tx, call)
            return None if account is None else purchases.balance(tx, account.id)

        return answered(wire.BalanceAnswer(wire.OK, await self._gate.keyed(call, question)))

    async def history(self, call: Call) -> Reply:
        """GET /history."""

        def question(tx: Any) -> tuple[int, list[Purchase]] | None:
            account = is_account(tx, call)
            return None if account is None else purchases.history(tx, account.id, HISTORY_MAX)

        total, funded = await self._gate.keyed(call, question)
        user = key_of(call)
        return answered(wire.History(wire.OK, total, [self._funding(one, user) for one in funded]))

    def _funding(self, purchase: Purchase, user: str) -> wire.Funding:
        preimage = self._shop.preimage(purchase)
        return wire.Funding(
            amount=purchase.posted,
            price=purchase.price,
            createdAt=purchase.created,
            desc=texts.MEMO_FUND,
            description=texts.MEMO_FUND,
            holdinvoice=bool(preimage),
            preimage=preimage,
            preimageHash=purchase.payment_hash or "",
            userId=user,
        )
