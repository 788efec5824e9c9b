"""`ulak carrier`: settings are checked before they are stored, and secrets are nowhere to be read."""

from __future__ import annotations

import asyncio
import stat
from typing import Any

import pytest
from tests.cli.conftest import Command

from ulak.core.carriers import Terms
from ulak.core.doubts import OnUncertain
from ulak.core.errors import UlakError
from ulak.core.references import IdForm
from ulak.service import carriers, keys
from ulak.store.engine import Database, Sql
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import simulated_operator

LINK = ["--kind", "smpp", "--set", "host=smsc.example.org", "port=2775", "system_id=ulak", "--set"]


def test_a_carrier_is_added_shown_and_removed(ulak: Command, database: Database) -> None:
    made = ulak("carrier", "add", "op", *LINK, "password=geheim12", "prefix=90530", "id_form=hex").value
    settings = {
        "host": "smsc.example.org",
        "port": "2775",
        "system_id": "ulak",
        "prefix": "90530",
        "id_form": "hex",
        "password": "***",
    }
    assert made == {"id": made["id"], "name": "op", "kind": "smpp", "settings": settings}
    assert ulak("carrier", "list").value == [made]
    (carrier,) = sync_read(database, carriers.active)
    assert carrier.terms == Terms(IdForm.HEXADECIMAL, OnUncertain.RESEND, "90530", 0)
    assert carrier.settings(Vault(database.directory)) == settings | {"password": "geheim12"}
    assert ulak("carrier", "remove", "op").value == {"name": "op", "removed": True}
    assert ulak("carrier", "list").value == []
    assert ulak("carrier", "remove", "op").code == 1
    assert ulak("carrier", "add", "op", *LINK, "window=5").value["id"] != made["id"]


def test_settings_are_changed_and_the_carrier_stays(ulak: Command, database: Database) -> None:
    made = ulak("carrier", "add", "op", *LINK, "password=geheim12", "prefix=90530", "rate=5").value
    changed = ulak("carrier", "set", "op", "password=anders34", "rate=", "window=20").value
    kept = {key: value for key, value in made["settings"].items() if key != "rate"}
    assert changed == made | {"settings": kept | {"window": "20"}}
    (carrier,) = sync_read(database, carriers.active)
    assert carrier.settings(Vault(database.directory))["password"] == "anders34"
    ulak("carrier", "set", "op", "id_form=dec")
    (carrier,) = sync_read(database, carriers.active)
    assert carrier.terms == Terms(IdForm.DECIMAL, OnUncertain.RESEND, "90530", 0)
    assert carrier.settings(Vault(database.directory))["password"] == "anders34"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["op"], 2, "nothing to set"),
        (["op", "host="], 1, "an SMPP link needs the setting host"),
        (["op", "windwo=1"], 1, "an SMPP link has no setting 'windwo'"),
        (["op", "geheim12"], 2, "settings are given as key=value"),
        (["nobody", "rate=5"], 1, "no carrier 'nobody'"),
    ],
)
def test_what_cannot_be_set(ulak: Command, words: list[str], code: int, said: str) -> None:
    made = ulak("carrier", "add", "op", *LINK, "password=geheim12").value
    ended = ulak("carrier", "set", *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "geheim12" not in ended.err
    assert ulak("carrier", "list").value == [made]


def test_set_takes_several_values_and_comes_several_times(ulak: Command) -> None:
    made = ulak("carrier", "add", "op", "--set", "host=h", "--kind", "smpp", "--set", "system_id=u", "rate=5")
    assert made.value["settings"] == {"host": "h", "system_id": "u", "rate": "5"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--kind", "smpp", "--set", "host=h"], 1, "an SMPP link needs the setting system_id"),
        ([*LINK, "windwo=1"], 1, "an SMPP link has no setting 'windwo'"),
        ([*LINK, "window=many"], 1, "window must be a whole number"),
        ([*LINK, "prefix=0530"], 1, "prefix must be the first digits"),
        ([*LINK, "priority=high"], 1, "priority must be a whole number"),
        ([*LINK, "id_form=octal"], 1, "id_form must be one of text, dec, hex"),
        ([*LINK, "on_uncertain=guess"], 1, "on_uncertain must be one of resend, hold, fail"),
        (["--kind", "simulator", "--set", "carries=numbers", "delay=x"], 1, "delay must be"),
        (["--kind", "simulator", "--set", "carries=pigeons"], 1, "carries must be"),
        (["--kind", "simulator", "--set", "host=h"], 1, "a simulator has no setting 'host'"),
        (["--kind", "pigeon"], 2, "not there yet; there are smpp, simulator"),
        (["--kind", "comtohome"], 1, "url"),
        (["--kind", "manual", "--set", "base=-1"], 1, "base"),
        ([], 2, "--kind requires an argument"),
        ([*LINK, "geheim12"], 2, "settings are given as key=value"),
    ],
)
def test_what_cannot_be_added(ulak: Command, words: list[str], code: int, said: str) -> None:
    ended = ulak("carrier", "add", "op", *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "geheim12" not in ended.err
    assert ulak("carrier", "list").value == []


@pytest.mark.parametrize("name", ["", " op", "a/b", "x" * 61, "a\nb"])
def test_names_that_are_none(ulak: Command, name: str) -> None:
    assert ulak("carrier", "add", name, "--kind", "simulator").code == 1


def test_a_simulator_needs_no_settings(ulak: Command) -> None:
    assert ulak("carrier", "add", "sim", "--kind", "simulator").value["settings"] == {}
    assert ulak("carrier", "add", "sim", "--kind", "simulator").code == 1
    assert ulak("carrier", "test", "sim").value["ok"] is True


def test_a_stolen_database_does_not_tell_the_password(ulak: Command, database: Database) -> None:
    ulak("carrier", "add", "op", *LINK, "password=geheim12")
    if database.url is None:
        stored = b"".join(path.read_bytes() for path in database.directory.glob("ulak.db*"))
    else:
        rows = sync_read(database, lambda tx: tx.all(Sql("SELECT settings FROM carrier")))
        stored = rows[0][0].encode()
    assert b"smsc.example.org" in stored
    assert b"geheim12" not in stored


def test_the_key_is_made_when_there_is_a_secret(ulak: Command, database: Database) -> None:
    key = database.directory / "key"
    ulak("carrier", "add", "sim", "--kind", "simulator")
    assert not key.exists()
    ulak("carrier", "add", "op", *LINK, "password=geheim12")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in database.directory.glob("key*")] == ["key"]


def test_the_key_can_be_given(ulak: Command, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULAK_KEY", "5a" * 32)
    ulak("carrier", "add", "op", *LINK, "password=geheim12")
    assert not (database.directory / "key").exists()
    monkeypatch.delenv("ULAK_KEY")
    lost = ulak("carrier", "test", "op")
    assert (lost.code, lost.out) == (1, "")
    assert "ULAK_KEY" in lost.err


@pytest.mark.parametrize("gone", [True, False], ids=["missing", "another"])
def test_a_command_has_the_key_of_the_servers(
    ulak: Command, database: Database, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    sync_write(database, lambda tx: keys.agree(tx, Vault(database.directory, b"k" * 32)))
    if not gone:
        (database.directory / "key").write_text("5a" * 32)
    ended = ulak("carrier", "add", "op", *LINK, "password=geheim12")
    assert (ended.code, ended.out) == (1, "")
    assert f"as ULAK_KEY or in {database.directory / 'key'}" in ended.err
    assert (database.directory / "key").exists() is not gone
    monkeypatch.setenv("ULAK_KEY", (b"k" * 32).hex())
    assert ulak("carrier", "add", "op", *LINK, "password=geheim12").code == 0


def test_a_command_that_seals_decides_which_key_all_have(
    ulak: Command, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any server ran."""
    ulak("carrier", "add", "op", *LINK, "password=geheim12")
    monkeypatch.setenv("ULAK_KEY", "5a" * 32)
    with pytest.raises(UlakError, match="another key"):
        sync_write(database, lambda tx: keys.agree(tx, Vault(database.directory, b"Z" * 32)))
    assert "another key" in ulak("carrier", "set", "op", "password=anders34").err


def test_what_an_older_version_sealed_decides_as_well(ulak: Command, database: Database) -> None:
    ulak("carrier", "add", "op", *LINK, "password=geheim12")
    sync_write(database, lambda tx: tx.run(Sql("DELETE FROM setting WHERE name = 'key_check'")))
    with pytest.raises(UlakError, match="does not open what is sealed for carrier op"):
        sync_write(database, lambda tx: keys.agree(tx, Vault(database.directory, b"Z" * 32)))
    sync_write(database, lambda tx: keys.agree(tx, Vault(database.directory)))


def test_a_key_that_is_lost(ulak: Command, database: Database) -> None:
    ulak("account", "create", "acme")
    ulak("carrier", "add", "op", *LINK, "password=geheim12")
    ulak("account", "callback", "acme", "https://example.org/hook")
    assert ulak("key", "check").value == {"unreadable": []}
    (database.directory / "key").unlink()
    for words in (["key", "check"], ["carrier", "set", "op", "password=anders34"]):
        ended = ulak(*words)
        assert (ended.code, ended.out) == (1, "")
        assert "`ulak key accept` if it is lost" in ended.err
    accepted = ulak("key", "accept").value
    assert accepted == {"unreadable": ["carrier op", "callbacks of account 1, iletimerkezi"]}
    assert ulak("carrier", "set", "op", "rate=5").code == 1
    assert ulak("carrier", "set", "op", "password=anders34").code == 0
    ulak("account", "callback", "acme", "https://example.org/hook")
    assert ulak("key", "check").value == {"unreadable": []}
    (carrier,) = sync_read(database, carriers.active)
    assert carrier.settings(Vault(database.directory))["password"] == "anders34"
    sync_write(database, lambda tx: keys.agree(tx, Vault(database.directory)))


def test_a_link_is_tried(ulak: Command) -> None:
    async def with_operator(ended: list[Any]) -> None:
        async with simulated_operator() as port:
            words = ["--kind", "smpp", "--set", "host=127.0.0.1", f"port={port}", "system_id=ulak"]
            await asyncio.to_thread(ulak, "carrier", "add", "op", *words)
            ended.append(await asyncio.to_thread(ulak, "carrier", "test", "op"))

    ended: list[Any] = []
    asyncio.run(with_operator(ended))
    assert ended[0].value["ok"] is True
    assert ended[0].value["answer"].startswith("bound to 127.0.0.1")
    refused = ulak("carrier", "test", "op")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("ulak: op: no connection to 127.0.0.1")
    assert ulak("carrier", "test", "nothing").code == 1
