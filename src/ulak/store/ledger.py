"""Balances and postings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ulak.core.ledger import Balance, Posting
from ulak.store.engine import Sql, Tx

_BALANCES = Sql(
    "SELECT balance.account_id, balance.asset, issued, available, held, spent FROM {wanted} AS wanted"
    " JOIN balance ON balance.account_id = wanted.account_id AND balance.asset = wanted.asset"
    " ORDER BY balance.account_id, balance.asset",
    lock="FOR UPDATE OF balance",
    wanted=("account_id int8", "asset text"),
)
_OF_ACCOUNT = Sql("SELECT asset, issued, available, held, spent FROM balance WHERE account_id = :account")
_SAVE = Sql(
    "INSERT INTO balance (account_id, asset, issued, available, held, spent)"
    " SELECT account_id, asset, issued, available, held, spent FROM {fresh} AS fresh WHERE true"
    " ON CONFLICT (account_id, asset) DO UPDATE SET issued = excluded.issued,"
    " available = excluded.available, held = excluded.held, spent = excluded.spent",
    fresh=("account_id int8", "asset text", "issued int8", "available int8", "held int8", "spent int8"),
)
_POST = Sql(
    "INSERT INTO posting (account_id, asset, move, amount, order_id, at, consignment_id, purchase_id)"
    " SELECT account_id, asset, move, amount, order_id, :now, consignment_id, purchase_id"
    " FROM {rows} AS fresh",
    rows=(
        "account_id int8",
        "asset text",
        "move int2",
        "amount int8",
        "order_id int8",
        "consignment_id int8",
        "purchase_id int8",
    ),
)

Key = tuple[int, str]


def locked(tx: Tx, wanted: Iterable[Key]) -> dict[Key, Balance]:
    """Working copies of these (account, asset) balances, locked; empty ones where there is no row yet."""
    keys = sorted(set(wanted))
    found = {(row[0], row[1]): Balance(*row[2:]) for row in tx.all(_BALANCES, wanted=keys)}
    return {key: found.get(key) or Balance() for key in keys}


def of_account(tx: Tx, account_id: int) -> dict[str, Balance]:
    """An account's balances by asset."""
    return {row[0]: Balance(*row[1:]) for row in tx.all(_OF_ACCOUNT, account=account_id)}


def save(tx: Tx, balances: Mapping[Key, Balance], postings: Sequence[Posting]) -> None:
    """Write the postings, and the balances they led to."""
    if not postings:
        return
    touched = {(posting.account_id, posting.asset) for posting in postings}
    tx.run(
        _SAVE,
        fresh=[
            (key[0], key[1], b.issued, b.available, b.held, b.spent)
            for key, b in balances.items()
            if key in touched
        ],
    )
    rows = [
        (p.account_id, p.asset, int(p.move), p.amount, p.order_id, p.consignment_id, p.purchase_id)
        for p in postings
    ]
    tx.run(_POST, rows=rows, now=tx.now)
