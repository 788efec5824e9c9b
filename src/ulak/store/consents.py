"""The newest word of each person about being written to, by account and brand."""

from __future__ import annotations

from collections.abc import Iterable

from ulak.core.consents import Audience, Channel, Decision, Person, Source, Word
from ulak.store import barring
from ulak.store.engine import Sql, Tx

_OF_PERSON = (
    " consent.account_id = :account AND consent.brand = :brand AND consent.channel = {channel}"
    " AND consent.audience = {audience} AND consent.recipient = {recipient}"
)
_STATES = Sql(
    "SELECT wanted.channel, wanted.audience, wanted.recipient, consent.decision FROM {wanted} AS wanted"
    " JOIN consent ON"
    + _OF_PERSON.replace("{channel}", "wanted.channel")
    .replace("{audience}", "wanted.audience")
    .replace("{recipient}", "wanted.recipient"),
    wanted=("channel int2", "audience int2", "recipient text"),
)
_FIND = Sql(
    "SELECT decision, source, given FROM consent WHERE"
    + _OF_PERSON.replace("{channel}", ":channel")
    .replace("{audience}", ":audience")
    .replace("{recipient}", ":recipient")
)
_SAVE = Sql(
    "INSERT INTO consent"
    " (account_id, brand, channel, audience, recipient, decision, source, given, changed)"
    " SELECT :account, :brand, channel, audience, recipient, decision, source, given, :now"
    " FROM {words} AS said WHERE true"
    " ON CONFLICT (account_id, brand, channel, audience, recipient) DO UPDATE SET"
    " decision = excluded.decision, source = excluded.source, given = excluded.given,"
    " changed = excluded.changed",
    words=("channel int2", "audience int2", "recipient text", "decision int2", "source int2", "given int8"),
)


def states(tx: Tx, account_id: int, brand: int, people: Iterable[Person]) -> dict[Person, Decision]:
    """What those of the people who said anything said last."""
    wanted = [(int(channel), int(audience), recipient) for channel, audience, recipient in people]
    rows = tx.all(_STATES, account=account_id, brand=brand, wanted=wanted)
    return {Person(Channel(row[0]), Audience(row[1]), row[2]): Decision(row[3]) for row in rows}


def find(tx: Tx, account_id: int, brand: int, person: Person) -> Word | None:
    """The newest word of a person."""
    channel, audience, recipient = person
    who = {"channel": int(channel), "audience": int(audience), "recipient": recipient}
    row = tx.one(_FIND, account=account_id, brand=brand, **who)
    return None if row is None else Word(person, Decision(row[0]), Source(row[1]), row[2])


def save(tx: Tx, account_id: int, brand: int, words: Iterable[Word]) -> None:
    """Keep the newest words, one a person."""
    barring.speak(tx, account_id)
    rows = sorted(
        (int(who.channel), int(who.audience), who.recipient, int(decision), int(source), given)
        for who, decision, source, given in words
    )
    tx.run(_SAVE, account=account_id, brand=brand, words=rows, now=tx.now)
