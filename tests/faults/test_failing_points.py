"""A transaction fails where it was about to be committed: nothing of it is there, and the server goes on."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.faults.messages import messages

from ulak.store.engine import Database

EVERY = "transaction.written"
FAILING = (
    *("place.decided", "claim.decided", "step.decided", "reports.decided", "announce.decided"),
    *(EVERY, "callback.queued", "order.cancelling", "order.judged"),
)


@pytest.mark.fault("a transaction fails", "as it is about to be committed, by an error that nobody foresaw")
async def test_failures_just_before_a_commit(
    either_database: Database, record_property: Callable[[str, object], None]
) -> None:
    # Not the first transactions of all: a server that cannot even begin may end.
    acts = [f"{point}:{40 if point == EVERY else 1}=fail" for point in FAILING]
    async with messages(either_database, random.Random(1)) as world:
        await world.failing(FAILING, acts)
        await world.end()
        assert '"event": "group.failed"' in world.server.log(), "not exercised: nothing was done again"
    record_property("runs", len(FAILING))
