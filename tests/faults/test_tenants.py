"""Another tenant's things are answered exactly as what does not exist, on every route and for every id.

The routes come from the dialects' own tables. One that `tenant_probes` has no entry for fails the test.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import Postgres
from tests.faults import tenant_probes as table
from tests.faults.tenant_probes import MALFORMED, MISSING, Entry, Probe, probes_at
from tests.faults.tenants import Answer, House, Request, Tenant, opened

from ulak.dialects.door import Route
from ulak.service import audit
from ulak.store.writer import sync_read

_COUNTERS = ("x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id")
_MADE = re.compile(
    r"C2H[0-9]{11}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|lnbc[0-9a-z]+"
    r"|RR[0-9]{9}TR|_hash=[^\"]+|label_\w+|[0-9]+"
)
"""Ids, codes, invoices and times of what an answer has made."""


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def house(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    options = {"data": str(tmp_path)}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        options["database"] = postgres.fresh()
    async with opened(options, monkeypatch) as made:
        yield made
        findings = sync_read(made.database, audit.check)
    assert not findings, "\n".join(findings)


class Trial:
    """The probes, and what they brought to light."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.found: list[str] = []
        self.tried = 0

    async def ask(self, request: Request) -> Answer:
        """An answer; none may be our fault."""
        self.tried += 1
        answer = await self.house.ask(request)
        if answer.status >= 500 and (request.method, request.path) not in _MAY_FAIL:
            self.found.append(f"{request}: {answer}")
        return answer

    async def plain(self, route: Route) -> None:
        """What needs no ids: what is told without any, and to whom."""
        entry = probes_at(route)
        if not entry.probes and not entry.why and entry.login != "messages":
            self.found.append(f"{route}: nothing is tried, and nobody says why")
        self._tells_nothing(route, "", await self.ask(entry.plain(self.house.alice)))
        if entry.login:
            await self._logins(route, entry)

    async def probe(self, route: Route, probe: Probe) -> None:
        """One id of a route, with all that it can be."""
        alice = self.house.alice
        missing_id = MISSING[probe.kind]
        missing = await self.ask(probe.ask(alice, missing_id))
        expected = shown(missing, missing_id, probe)
        for id in self._not_hers(probe.kind):
            answer = await self.ask(probe.ask(alice, id))
            if shown(answer, id, probe) != expected:
                self.found.append(f"{route} {probe.what} {id}: {answer}, but what is missing: {missing}")
            self._tells_nothing(route, id, answer)
        for id in MALFORMED:
            answer = await self.ask(probe.ask(alice, id))
            self._tells_nothing(route, id, answer)
            fine = probe.makes or probe.blind or probe.kind == "key word" or (probe.zero and id == "0")
            if answer.status == 200 and not fine:
                self.found.append(f"{route} {probe.what} {id}: {answer}")
        own_id = self._hers(probe)
        own = await self.ask(probe.ask(alice, own_id))
        same = shown(own, own_id, probe) == expected
        if same is not probe.blind:
            self.found.append(f"{route} {probe.what}: her own {own_id} is answered like {missing}: {own}")
        if probe.spends:
            self.house.alice.things[probe.spends].pop(0)

    def _hers(self, probe: Probe) -> str:
        if probe.kind == "hook":
            return table.own_hook()
        hers = self.house.alice.things[probe.kind]
        return hers.pop() if probe.uses else hers[0]

    def _not_hers(self, kind: str) -> Iterator[str]:
        """What is another's, what was, and what she had herself."""
        alice, bob = self.house.alice, self.house.bob
        if kind == "hook":
            yield from table.others_hooks()
        elif kind == "purchase":
            # An order's id is all it takes to see it: who has it is not another. One that is nearly right is.
            for id in bob.things[kind]:
                yield id[:-1] + ("0" if id[-1] != "0" else "1")
                yield ("0" if id[0] != "0" else "1") + id[1:]
        else:
            yield from (id for id in bob.things[kind] if id not in alice.things[kind])
            for tenant in (alice, bob):
                if kind in tenant.gone:
                    yield tenant.gone[kind]

    def _tells_nothing(self, route: Route, asked: str, answer: Answer) -> None:
        """Nothing of Bob's stands in an answer, unless it was asked for in these words."""
        body = answer.body.replace(asked, "") if asked else answer.body
        for word in words_of(self.house.bob):
            if word in body:
                self.found.append(f"{route} {asked}: it tells {word}: {answer}")

    async def _logins(self, route: Route, entry: Entry) -> None:
        """Half of another's credentials opens nothing, and nobody can see which half was right."""
        unknown, *others = strangers(self.house, entry.login)
        expected = await self.ask(entry.plain(unknown))
        if expected.status != 401:
            self.found.append(f"{route}: a stranger is answered {expected}")
        for other in others:
            answer = await self.ask(entry.plain(other))
            if shown(answer, "") != shown(expected, ""):
                self.found.append(f"{route}: {answer} for half a log-in, {expected} for none")


_MAY_FAIL = {("GET", "/readyz"), ("GET", "/metrics")}
"""Pages whose answer is about the whole server."""


def shown(answer: Answer, asked: str, probe: Probe | None = None) -> tuple[int, Any, str]:
    """An answer without what was asked for, how often that was, and the ids of what it made."""
    headers = sorted((name, value) for name, value in answer.headers if name not in _COUNTERS)
    body = answer.body.removeprefix('<?xml version="1.0" encoding="UTF-8"?>')
    if asked:
        body = re.sub(rf"(?<![0-9A-Za-z]){re.escape(asked)}(?![0-9A-Za-z])", "{}", body)
    if probe is not None and probe.makes:
        body = _MADE.sub("#", body)
        headers = [(name, "#" if name == "content-length" else value) for name, value in headers]
    elif asked:
        headers = [(name, "" if name == "content-length" else value) for name, value in headers]
    return answer.status, headers, body


def words_of(tenant: Tenant) -> set[str]:
    """What nobody else may see: words of the tenant's own that nothing else contains."""
    named = {id for ids in tenant.things.values() for id in ids if len(id) > 9 and not id.startswith("3000")}
    return {tenant.mark, tenant.mark.upper(), *named}


def strangers(house: House, login: str) -> list[Tenant]:
    """Somebody unknown, and some who know half of it."""
    alice, bob = house.alice, house.bob

    def as_if(**over: str) -> Tenant:
        return Tenant(**{**vars(alice), **over})

    if login == "messages":
        # Keys that nobody has guessed at, so that nobody is held up.
        key, hash = house.further_key(alice)
        other_key, other_hash = house.further_key(bob)
        return [
            as_if(key=secrets.token_hex(16), hash=hash),
            as_if(key=key, hash=other_hash),
            as_if(key=other_key, hash=hash),
            as_if(key=key, hash=hash[:-1] + ("0" if hash[-1] != "0" else "1")),
            as_if(key=key.upper(), hash=hash),
        ]
    name = "apikey" if login == "parcels" else "number_key"
    known: str = getattr(bob, name)
    near = known[:-1] + ("0" if known[-1] != "0" else "1")
    others = [near, known.upper() + "x", bob.key, bob.number_key if login == "parcels" else bob.apikey]
    return [as_if(**{name: secrets.token_hex(32)}), *(as_if(**{name: other}) for other in others)]


@pytest.mark.fault("F16", "every route × every id × another's, deleted, malformed: like what never existed")
async def test_nobody_sees_what_is_anothers(
    house: House, record_property: Callable[[str, object], None]
) -> None:
    trial = Trial(house)
    before = await seen(house)
    for route in sorted(house.routes):
        await trial.plain(route)
    probes = [(route, probe) for route in sorted(house.routes) for probe in probes_at(route).probes]
    # What makes something of her own comes last: it may have the numbers of what was another's only.
    for route, probe in sorted(probes, key=lambda each: (each[1].makes or each[1].blind, each[0])):
        await trial.probe(route, probe)
    assert not trial.found, "\n".join(trial.found)
    assert await seen(house) == before, "what Bob has was changed"
    assert trial.tried > 1000
    record_property("runs", trial.tried)


async def seen(house: House) -> dict[str, Any]:
    """What Bob sees of his own."""
    bob = house.bob
    found: dict[str, Any] = {}
    for route in house.routes:
        if route.method != "GET" and not route.path.startswith("/v1/get-"):
            continue
        entry = probes_at(route)
        if entry.why == table._LISTED or (entry.login == "messages" and not entry.probes):
            answer = await house.ask(entry.plain(bob))
            assert answer.status == 200, (route, answer)
            found[str(route)] = shown(answer, "")
        for probe in entry.probes:
            if probe.uses or probe.makes or probe.kind in ("hook", "label", "seal"):
                continue
            if route.path == "/cancelorder":
                continue
            answer = await house.ask(probe.ask(bob, bob.things[probe.kind][0]))
            assert answer.status == 200, (route, probe.what, answer)
            found[f"{route} {probe.what}"] = shown(answer, "")
    return found


def test_a_route_that_nobody_thought_of_is_noticed() -> None:
    for route in (Route("POST", "/v1/get-secret/json"), Route("GET", "/api/v1/consignments/{id}/secret")):
        with pytest.raises(KeyError):
            probes_at(route)
