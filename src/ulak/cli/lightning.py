"""`ulak lightning`: paying the invoices of the backend that lives in the database."""

from __future__ import annotations

from cyclopts import App

from ulak.cli.common import DEFAULTS, Common
from ulak.core.errors import UlakError
from ulak.funding import invoices
from ulak.service import memory_node

app = App(name="lightning", help="Lightning without money: the memory backend.")


@app.command
def pay(payreq: str, /, *, common: Common = DEFAULTS) -> None:
    """Pay an invoice of the memory backend, with no money. It is answered when the payment is held.

    Shows {"state"}: held, or settled when the invoice was to be paid at once.
    """
    backend = common.options().funding
    if backend not in ("", "memory"):
        raise UlakError(f"the Lightning backend is {backend}: its invoices are paid with a wallet")
    payment_hash = invoices.read(payreq).payment_hash
    payment = common.write(lambda tx: memory_node.pay(tx, payment_hash, payreq))
    if not payment.is_paid:
        raise UlakError(payment.value)
    common.show({"state": payment.value})
