"""SMS that come in over carrier links: kept, joined from their parts, and brought to whom the number belongs.

That is a purchase, or an account's mailbox, where the word RET asks not to be written to any more.

What is told is known again for an hour (`REPEAT`), by its content: an operator repeats an SMS when it has not
heard that we took it. Parts are stored as they come, so that each can be acknowledged for itself and a crash
loses none. A message of which not all parts come is passed on as what there is of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from ulak.core import phone
from ulak.core.numbers import Text
from ulak.core.own_numbers import patterns_of
from ulak.core.ports import Inbound
from ulak.core.purchases import Incoming
from ulak.service import blacklist, carriers, mailboxes
from ulak.service.purchases import text_came
from ulak.store import incoming as store
from ulak.store import own_numbers, purchases
from ulak.store.engine import Tx
from ulak.store.incoming import Chain, Part

_MINUTE = 60 * 1000

REPEAT = 60 * _MINUTE
"""How long an SMS with the same content counts as the same one, ms."""

PARTS_WAIT = _MINUTE
"""How long the missing parts of a message are waited for, ms."""

UNCLAIMED_KEPT = mailboxes.KEPT
"""How long an SMS for nobody is kept, ms."""

_GAP = "…"


def take(tx: Tx, carrier_id: int, batch: Sequence[Inbound]) -> bool:
    """Keep what came in over a carrier's link; whether any of it was for a purchase.

    An SMS goes to the purchase that has its number now. One for none is kept for 30 days, and what it says
    to an account's mailbox is done.
    """
    mailroom = _Mailroom(tx)
    chains = [_chain(carrier_id, sms) for sms in batch]
    store.hold(tx, chains)
    for chain, sms in zip(chains, batch, strict=True):
        _take_one(mailroom, chain, sms)
    return mailroom.delivered


def give_up_waiting(tx: Tx, limit: int = 100) -> bool:
    """Pass on messages whose missing parts were waited for long enough; whether any was for a purchase."""
    mailroom = _Mailroom(tx)
    chains = store.overdue(tx, tx.now - PARTS_WAIT, limit)
    store.hold(tx, chains)
    for chain in chains:
        known = store.parts(tx, chain)
        if known and not known[0].done:  # The last part may have come while we waited.
            _pass_on(mailroom, chain, known)
    return mailroom.delivered


def forget_traces(tx: Tx, after: int, limit: int) -> int | None:
    """A stretch of the walk over what was told more than an hour ago, as in `store.sweep`."""
    return store.forget_traces(tx, after, tx.now - REPEAT, limit)


def forget_unclaimed(tx: Tx, after: int, limit: int) -> int | None:
    """A stretch of the walk over SMS for nobody, as in `store.sweep`."""
    return store.forget_unclaimed(tx, after, tx.now - UNCLAIMED_KEPT, limit)


class _Mailroom:
    """Brings whole messages to whom they belong. `delivered`: one was for a purchase."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.delivered = False
        self._patterns: dict[int, dict[str, str]] = {}

    def bring(self, chain: Chain, sender: str, text: str, at: int, *, begins: bool) -> None:
        """A message, sent to the number of its chain, or what there is of it; whether it `begins` there."""
        tx = self.tx
        # The same words may come again later, and are then another message.
        reference = f"{chain.digest:x}-{at}-{_digest((text,)):x}"
        own = own_numbers.find(tx, chain.number)
        if own is not None and own.purchase_id is not None:
            sms = Text(sender, text, at, reference=reference)
            patterns = self._patterns_of(own.carrier_id)
            if text_came(tx, own.purchase_id, sms, patterns=patterns):
                self.delivered = True
                return
        number = (
            self._filed_under(chain.number, sender, text if begins else "") if own is None else chain.number
        )
        unclaimed = Incoming(sender, text, None, at)
        purchases.add_incoming(tx, None, chain.carrier_id, number, _digest((reference,)), unclaimed)

    def _filed_under(self, number: int, sender: str, text: str) -> int:
        """The mailbox that a number means, or the number; who says the word there wants no more SMS."""
        mailbox = mailboxes.for_number(self.tx, number)
        if mailbox is None:
            return number
        writer = phone.normalise(sender)
        if writer and blacklist.wants_out(text):
            blacklist.opted_out(self.tx, mailbox.account_id, writer)
        return mailbox.number

    def _patterns_of(self, carrier_id: int) -> Mapping[str, str]:
        """The patterns of codes that the operator has set for a carrier's numbers."""
        if carrier_id not in self._patterns:
            rows = carriers.active(self.tx)
            settings = next((row.shown for row in rows if row.id == carrier_id), {})
            self._patterns[carrier_id] = patterns_of(settings)
        return self._patterns[carrier_id]


def _chain(carrier_id: int, sms: Inbound) -> Chain:
    return Chain(carrier_id, sms.number, _digest((sms.sender, sms.reference, str(sms.parts))))


def _take_one(mailroom: _Mailroom, chain: Chain, sms: Inbound) -> None:
    tx = mailroom.tx
    at = tx.now if sms.at is None else sms.at
    part = Part(sms.part, sms.parts, sms.sender, sms.text if sms.parts > 1 else "", False, tx.now)
    known = store.parts(tx, chain)
    twin = next((one for one in known if one.part == part.part), None)
    if twin is not None and twin.text == part.text and twin.at > tx.now - REPEAT:
        return
    if twin is not None or any(one.at <= tx.now - REPEAT for one in known):
        # Another message that has the same reference.
        if not known[0].done:
            _pass_on(mailroom, chain, known)
        store.forget_chain(tx, chain)
        known = []
    late = bool(known) and known[0].done
    store.add_part(tx, chain, part._replace(done=late))
    if sms.parts == 1 or late:
        store.mark_done(tx, chain)
        mailroom.bring(chain, sms.sender, sms.text, at, begins=sms.part == 1)
    elif len(known) + 1 == sms.parts:
        _pass_on(mailroom, chain, store.parts(tx, chain))


def _pass_on(mailroom: _Mailroom, chain: Chain, parts: Sequence[Part]) -> None:
    """Bring what there is of a message."""
    store.mark_done(mailroom.tx, chain)
    at = max(part.at for part in parts)
    mailroom.bring(chain, parts[0].sender, _joined(parts), at, begins=parts[0].part == 1)


def _joined(parts: Sequence[Part]) -> str:
    """The text of the parts there are, in order, and a mark for each gap."""
    words: list[str] = []
    place = 0
    for part in parts:
        if part.part != place + 1:
            words.append(_GAP)
        words.append(part.text)
        place = part.part
    if place < parts[0].parts:
        words.append(_GAP)
    return "".join(words)


def _digest(words: Iterable[str]) -> int:
    """63 bits that tell texts apart."""
    whole = b"".join(b"%d:%b" % (len(word.encode()), word.encode()) for word in words)
    return int.from_bytes(hashlib.sha256(whole).digest()[:8], "big") >> 1
