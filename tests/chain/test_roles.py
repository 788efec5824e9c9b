"""One api process and several workers on one PostgreSQL, started, stopped, killed and paused under load.

Two operators, a link to each. Whatever becomes of the workers: every order that was answered with success is
delivered, nothing goes twice that is not listed as unsure, and the books balance to the credit.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from tests.chain.rig import CREDITS, Server, until
from tests.chain.smsc import Smsc
from tests.chain.test_crash import FIRST_NUMBER, Shop, Story, Wish
from tests.conftest import Postgres

import ulak
from ulak.core.leases import Role
from ulak.service import audit, doubts
from ulak.store import leases, presence, processes, schema
from ulak.store.engine import Database, Tx

WINDOW = 24
LINKS = 2


@pytest_asyncio.fixture
async def team(postgres_database: Database) -> AsyncIterator[Callable[[str], Server]]:
    """Makes processes of a role on the same data; all are ended after the test."""
    made: list[Server] = []

    def make(role: str) -> Server:
        made.append(Server(postgres_database.directory, postgres_database.url, role))
        return made[-1]

    yield make
    for server in made:
        await server.close()


def _holders(tx: Tx) -> dict[int, int]:
    """Which process has which link, where it is up."""
    there = {peer.id for peer in processes.peers(tx) if peer.role is Role.WORKER}
    return {
        each.id: each.holder
        for each in leases.tenures(tx).values()
        if each.id > 0 and each.up and each.holder in there
    }


async def _shared_by(api: Server, count: int) -> None:
    """Wait until every link is up, and so many processes have them."""

    def shared() -> bool:
        held = api.read(_holders)
        return len(held) == LINKS and len(set(held.values())) == count

    await until(shared, 30, f"{LINKS} links are up, in {count} processes")


@pytest.mark.fault(
    "F28 paused worker",
    "workers started, stopped, killed, and one paused past its lease and woken, under load",
)
async def test_workers_come_and_go(
    team: Callable[[str], Server],
    open_smsc: Callable[..., Awaitable[Smsc]],
    record_property: Callable[[str, object], None],
) -> None:
    api, one, two, three = team("api"), team("worker"), team("worker"), team("worker")
    operators = [await open_smsc(answer_delay=(0.01, 0.03), seed=n, first=n * 10_000_000) for n in (1, 2)]
    keys = api.account()
    for n, operator in enumerate(operators):
        api.carrier(f"link{n}", operator.port, window=WINDOW)
    await api.start()
    assert (await api.ready())[0] == 503, "no worker, no link"
    story = Story([], 0.0)
    busy = _Both(operators)
    shop = Shop(api, keys, busy, story, random.Random(1))  # type: ignore[arg-type]
    shopping = asyncio.create_task(shop.run())

    await one.start()
    await _shared_by(api, 1)
    await two.start()
    await _shared_by(api, 2)
    assert (await api.ready())[0] == (await one.ready())[0] == 200
    await _sends(operators)
    one.kill()
    await _shared_by(api, 1)
    await _sends(operators)
    await three.start()
    await _shared_by(api, 2)
    await two.stop()
    await _shared_by(api, 1)
    await two.start()
    await _shared_by(api, 2)
    before = api.read(_holders)
    two.freeze()
    await until(lambda: api.read(_holders) != before, presence.LEASE + 20, "the paused one's link is taken")
    await _shared_by(api, 1)
    await _sends(operators)
    two.wake()
    await _shared_by(api, 2)
    await _sends(operators)
    shop.close()
    await shopping
    await until(
        lambda: api.sql("SELECT count(*) FROM sms_order WHERE state NOT IN (13, 14, 15)") == [(0,)],
        120,
        "everything is final",
    )
    record_property("runs", 1)
    _check(
        api,
        operators,
        story.accepted,
        {message.number for message in api.read(lambda tx: list(doubts.listing(tx)))},
    )


@pytest.mark.fault(
    "F2 random kill -9", "of one of two apis after the other, also stopped, while both take orders"
)
async def test_apis_come_and_go(
    team: Callable[[str], Server],
    open_smsc: Callable[..., Awaitable[Smsc]],
    record_property: Callable[[str, object], None],
) -> None:
    """Whoever is with the other one notices nothing, and what either answered with success is delivered."""
    worker, apis = team("worker"), [team("api"), team("api")]
    operator = await open_smsc(answer_delay=(0.01, 0.03), receipt_delay=(0.0, 0.5))
    keys = worker.account()
    worker.carrier("link", operator.port, window=WINDOW)
    for server in (worker, *apis):
        await server.start()
    stories = [Story([], 0.0), Story([], 0.0)]
    shops = [
        Shop(api, keys, operator, story, random.Random(n), FIRST_NUMBER + n * 10_000_000)
        for n, (api, story) in enumerate(zip(apis, stories, strict=True))
    ]
    shopping = [asyncio.create_task(shop.run()) for shop in shops]

    async def takes_orders(story: Story) -> None:
        before = len(story.accepted)
        await until(lambda: len(story.accepted) >= before + 10, 20, "orders are taken")

    for turn in range(4):
        ending, other = turn % 2, 1 - turn % 2
        await takes_orders(stories[ending])
        if turn < 2:
            apis[ending].kill()
        else:
            await apis[ending].stop()
        refused = len(stories[other].refused)
        await takes_orders(stories[other])
        assert len(stories[other].refused) == refused
        await apis[ending].start()
    for shop, story in zip(shops, stories, strict=True):
        await takes_orders(story)
        shop.close()
    await asyncio.gather(*shopping)
    await until(
        lambda: worker.sql("SELECT count(*) FROM sms_order WHERE state NOT IN (13, 14, 15)") == [(0,)],
        120,
        "everything is final",
    )
    record_property("runs", 4)
    _check(worker, [operator], stories[0].accepted + stories[1].accepted, set())


def _next_version(folder: Path) -> Path:
    """The program as it may be after the next release: one more table, which this one knows nothing of."""
    shutil.copytree(Path(ulak.__file__).parent, folder / "ulak", ignore=shutil.ignore_patterns("__pycache__"))
    schema_file = folder / "ulak" / "store" / "schema.py"
    schema_file.write_text(schema_file.read_text().replace(f'HEAD = "{schema.HEAD}"', 'HEAD = "9999"', 1))
    (schema_file.parent / "migrations" / "versions" / "9999_next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "9999"\ndown_revision = "{schema.HEAD}"\n\n\ndef upgrade() -> None:\n'
        '    op.create_table("novelty", sa.Column("id", sa.BigInteger(), primary_key=True))\n'
    )
    return folder


@pytest.mark.fault("F24", "old and new processes on one schema, which the new one migrates while others work")
async def test_old_and_new_processes_on_one_schema(
    postgres: Postgres,
    tmp_path: Path,
    open_smsc: Callable[..., Awaitable[Smsc]],
    record_property: Callable[[str, object], None],
) -> None:
    """Every process in turn is replaced by one of the next version, while orders come."""
    url, newer = postgres.create(), _next_version(tmp_path / "newer")
    schema.prepare(Database(tmp_path, url, lambda: 0))
    old = [Server(tmp_path, url, role) for role in ("api", "worker")]
    new = [Server(tmp_path, url, role, newer) for role in ("api", "worker")]
    operator = await open_smsc()
    keys = old[0].account()
    old[0].carrier("link", operator.port)
    turn = 0

    async def orders_go(api: Server) -> None:
        nonlocal turn
        turn += 1
        customer = api.customer(keys)
        order = await customer.order(f"sipariş {turn}", [905_300_000_000 + turn])
        assert (await customer.final(order, 30))["delivered"] == 1

    try:
        for server in old:
            await server.start()
        await orders_go(old[0])
        await new[1].start()
        assert old[0].sql("SELECT version_num FROM alembic_version") == [("9999",)]
        await orders_go(old[0])
        await old[1].stop()
        await orders_go(old[0])
        await new[0].start()
        await orders_go(new[0])
        await new[1].stop()
        await old[1].start()  # back, if the new one were no good
        await orders_go(new[0])
        await orders_go(old[0])
        assert old[0].read(audit.check) == []
        assert len(operator.submits) == turn
        record_property("runs", turn)
    finally:
        for server in old + new:
            await server.close()


class _Both:
    """Several operators, as the shop looks at them."""

    def __init__(self, operators: list[Smsc]) -> None:
        self._operators = operators

    @property
    def numbers(self) -> set[int]:
        return set[int]().union(*(operator.numbers for operator in self._operators))


async def _sends(operators: list[Smsc]) -> None:
    """Wait until each operator has got more messages."""
    before = [len(operator.submits) for operator in operators]
    await until(
        lambda: all(len(o.submits) > had + 20 for o, had in zip(operators, before, strict=True)),
        30,
        "both links send",
    )


def _check(api: Server, operators: list[Smsc], accepted: list[Wish], unsure: set[int]) -> None:
    assert api.read(audit.check) == []
    heard = sum((operator.counts for operator in operators), start=type(operators[0].counts)())
    sent = {number for number, _ in heard}
    assert accepted
    assert all(number in sent for wish in accepted for number in wish.numbers)
    assert {number for (number, _), times in heard.items() if times > 1} <= unsure
    stored = dict(api.sql("SELECT body, delivered FROM order_text JOIN sms_order ON sms_order.id = order_id"))
    assert all(stored[wish.text] == len(wish.numbers) for wish in accepted)
    [(delivered,)] = api.sql("SELECT sum(parts) FROM message WHERE state = 23")
    assert api.sql("SELECT available, held, spent FROM balance") == [(CREDITS - delivered, 0, delivered)]
