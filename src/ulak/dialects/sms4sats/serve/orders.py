"""Orders: making them, looking at them, cancelling them."""

from __future__ import annotations

from collections.abc import Callable

from ulak.core.errors import Refusal
from ulak.core.purchases import Denied, Shown, Sold, Wish
from ulak.core.states import PurchaseKind, PurchaseState
from ulak.dialects.door import Books, Call, Reply
from ulak.dialects.sms4sats import forms, texts, wire
from ulak.dialects.sms4sats.forms import Invalid
from ulak.dialects.sms4sats.jsonbody import Fields
from ulak.dialects.sms4sats.serve.visit import (
    DIALECT,
    REFUSALS,
    Gate,
    Refused,
    Shop,
    Voice,
    answered,
    body_of,
    once_of,
    service_in,
)
from ulak.dialects.sms4sats.shown import memo, status_of
from ulak.dialects.sms4sats.texts import Reason
from ulak.service import purchases

PAID = "paid"
"""Instead of an invoice, where the balance has paid."""

CheckUrl = Callable[[str], None]

# Shown to nobody, where there is no order at all.
_NOBODYS = Shown(
    "0" * 64, PurchaseKind.CODE, PurchaseState.DONE, True, 1, "dr", 22, 1125699791, 12345678901, "48010"
)


class Orders:
    """Answers about orders."""

    def __init__(self, books: Books, shop: Shop, voice: Voice, gate: Gate, check_url: CheckUrl) -> None:
        self._books = books
        self._shop = shop
        self._gate = gate
        self._check_url = check_url
        self._missing = voice.refusal(Reason.NOT_FOUND)

    async def status(self, call: Call) -> Reply:
        """GET /orderstatus. Ids that nobody has are answered in the same time as others."""
        order_id = forms.order_id_in(call.query)
        attempt = self._gate.attempt(call, _order(order_id))
        found = await self._books.read(lambda tx: purchases.look(tx, order_id))
        shown, known = (_NOBODYS, False) if found is None else found
        reply = answered(status_of(shown))
        if known:
            self._gate.right(attempt)
            return reply
        await self._gate.wrong(attempt)
        return self._missing

    async def cancel(self, call: Call) -> Reply:
        """GET /cancelorder."""
        return await self._cancelled(call, forms.order_id_in(call.query))

    async def cancel_posted(self, call: Call) -> Reply:
        """POST /cancelorder, of a demonstration client."""
        order_id = forms.text(body_of(call), "orderId")
        if not order_id:
            raise Refused(Reason.NO_ORDER_ID)
        return await self._cancelled(call, order_id)

    async def receive(self, call: Call) -> Reply:
        """POST /createorder: a number for a code, or a rental."""
        fields = body_of(call)
        country, service = forms.country(fields), forms.text(fields, "service")
        rental, handset = forms.flag(fields, "isRental"), forms.flag(fields, "realphone")
        order = _Common(call, fields)
        account_id = await self._account(call, order.prepaid)
        pool = forms.pool_of(country)
        code = await service_in(self._shop, service, pool, rental=rental)
        wish = Wish(
            DIALECT,
            PurchaseKind.RENTAL if rental else PurchaseKind.CODE,
            pool=pool,
            service=code,
            handset=handset,
            prepaid=order.prepaid,
            referrer=forms.ref_of(order.ref),
            callback_url=self._webhook(order.webhook),
            memo=memo(pool, forms.said_service(service, code)),
            once=order.once,
        )
        return await self.sold(wish, account_id, call)

    async def send(self, call: Call) -> Reply:
        """POST /createsendorder: one SMS."""
        fields = body_of(call)
        message, phone = forms.text(fields, "message"), forms.text(fields, "phone")
        order = _Common(call, fields)
        account_id = await self._account(call, order.prepaid)
        wish = Wish(
            DIALECT,
            PurchaseKind.MESSAGE,
            text=forms.message_of(message),
            number=forms.phone_of(phone),
            prepaid=order.prepaid,
            referrer=forms.ref_of(order.ref),
            callback_url=self._webhook(order.webhook),
            memo=texts.MEMO_SEND,
            once=order.once,
        )
        return await self.sold(wish, account_id, call)

    async def sold(self, wish: Wish, account_id: int | None, call: Call) -> Reply:
        """Have the shop accept a wish."""
        sold = await self._shop.buy(wish, account_id, call.address)
        if isinstance(sold, Sold):
            # So that whoever guesses at the same address does not keep its customer from asking for it.
            self._gate.bought(call, _order(sold.public_id))
            return answered(wire.Created(wire.OK, sold.public_id, sold.payreq or PAID))
        raise _refused(sold)

    async def _account(self, call: Call, required: bool) -> int | None:
        account = await self._gate.account(call, required=required)
        return None if account is None else account.id

    async def _cancelled(self, call: Call, order_id: str) -> Reply:
        attempt = self._gate.attempt(call, _order(order_id))
        denied = await self._shop.cancel(order_id)
        if denied is not None and denied.refusal is Refusal.NOT_FOUND:
            await self._gate.wrong(attempt)
        else:
            self._gate.right(attempt)
        if denied is not None:
            raise _refused(denied)
        return answered(wire.Done())

    def _webhook(self, url: str | None) -> str | None:
        """Where to tell how the order goes.

        Raises:
            Invalid: nobody may be told there.
        """
        if url is None:
            return None
        try:
            if not url.lower().startswith(("http://", "https://")):
                raise ValueError("it is no web address")
            self._check_url(url)
        except ValueError:
            raise Invalid(Reason.BAD_WEBHOOK) from None
        return url


class _Common:
    """What every order can say. Raises `Invalid` where a field has the wrong type, `Refused` for a header."""

    def __init__(self, call: Call, fields: Fields) -> None:
        self.prepaid = forms.flag(fields, "immediate")
        self.ref = forms.text(fields, "ref")
        self.webhook = forms.text(fields, "webhookUrl")
        self.once = once_of(call)


def _order(order_id: str) -> str:
    """An id as what may have been guessed."""
    return f"order {order_id}"


def _refused(denied: Denied) -> Refused:
    return Refused(REFUSALS[denied.refusal], denied.wait)
