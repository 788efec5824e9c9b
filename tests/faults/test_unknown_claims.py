"""A claim is committed, and nobody can say so: the database went away during the COMMIT and stayed away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.chain.smsc import Smsc
from tests.faults.sender import Sender, operating, sending

from ulak.core.errors import OutcomeUnknown
from ulak.service.dispatch import CLAIM
from ulak.store.engine import Database


def lose_claims(sender: Sender, monkeypatch: pytest.MonkeyPatch, count: int) -> list[int]:
    """So many claims that had something in them are done, and not told of; what was in each."""
    lost: list[int] = []
    gather = sender.books.gather

    def gathered(kind: str, item: Any) -> asyncio.Future[Any]:
        done = gather(kind, item)
        if kind != CLAIM:
            return done
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def tell(done: asyncio.Future[Any]) -> None:
            claimed = done.result()
            if claimed and len(lost) < count:
                lost.append(len(claimed))
                told.set_exception(OutcomeUnknown("nobody knows what became of a COMMIT"))
            else:
                told.set_result(claimed)

        done.add_done_callback(tell)
        return told

    monkeypatch.setattr(sender.books, "gather", gathered)
    return lost


@pytest.mark.fault("F9 lost COMMIT", "orders are claimed, and nobody knows")
async def test_what_was_claimed_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    async with operating(Smsc()) as smsc, sending(database) as sender:
        sender.carrier(smsc.port)
        await sender.up()
        lost = lose_claims(sender, monkeypatch, 3)
        for place in range(1, 4):
            await sender.order(30)
            await sender.order(200)
            while len(lost) < place:
                await asyncio.sleep(0.005)
        await sender.final()
        assert smsc.numbers == set(sender.states())
        sender.in_order(smsc)
    record_property("runs", len(lost))


@pytest.mark.fault("F9 lost COMMIT", "messages that are to go again are taken up, and nobody knows")
async def test_what_was_asked_for_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    async with operating(Smsc()) as smsc, sending(database) as sender:
        sender.carrier(smsc.port, on_uncertain="hold")
        await sender.up()
        smsc.answering = False
        await sender.order(5)
        while len(smsc.unanswered) < 5:
            await asyncio.sleep(0.005)
        smsc.drop()
        while len(sender.unsure()) < 5:
            await asyncio.sleep(0.005)
        smsc.answering = True
        lost: list[int] = []
        write = sender.books.write

        async def written(change: Any) -> Any:
            taken = await write(change)
            if not lost and isinstance(taken, list) and taken:
                lost.append(len(taken))
                raise OutcomeUnknown("nobody knows what became of a COMMIT")
            return taken

        monkeypatch.setattr(sender.books, "write", written)
        assert len(sender.resend()) == 5
        # They may have gone, so whoever decides about such messages is asked again.
        while not lost or len(sender.resend()) < 5:
            await asyncio.sleep(0.05)
        await sender.final()
        sender.in_order(smsc)
    record_property("runs", len(lost))
