"""The consent registry: what people said about being written to, told by the account that asked them."""

from __future__ import annotations

from collections.abc import Sequence

from ulak.core.consents import Fault, Word, state_faults
from ulak.store import accounts
from ulak.store import consents as store
from ulak.store.engine import Tx


def record(tx: Tx, account_id: int, brand: int, words: Sequence[Word]) -> list[tuple[int, Fault]]:
    """Take words in, all or none: what is wrong with which, by place; nothing when they are taken.

    Each is judged after those before it. Their times are taken to be good.
    """
    # Two batches at once must see each other.
    accounts.lock(tx, account_id)
    people = dict.fromkeys(word.person for word in words)
    faults = list(state_faults(store.states(tx, account_id, brand, people), words))
    if not faults:
        newest = {word.person: word for word in words}
        store.save(tx, account_id, brand, newest.values())
    return faults
