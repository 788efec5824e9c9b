"""Secrets that are stored encrypted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ulak.core.errors import UlakError
from ulak.store.vault import Vault


def test_what_was_sealed_opens(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal("şifre", "carrier a, password")
    assert "şifre" not in sealed
    assert Vault(tmp_path).open(sealed, "carrier a, password") == "şifre"
    assert Vault(tmp_path).seal("şifre", "carrier a, password") != sealed


def test_a_secret_is_for_one_purpose(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with pytest.raises(UlakError, match="carrier b"):
        vault.open(vault.seal("x", "carrier a"), "carrier b")


def test_another_key_does_not_open(tmp_path: Path) -> None:
    sealed = Vault(tmp_path, bytes(32)).seal("x", "y")
    assert not (tmp_path / "key").exists()
    with pytest.raises(UlakError, match="not the key"):
        Vault(tmp_path, bytes([1]) * 32).open(sealed, "y")


@pytest.mark.parametrize(
    "text", ["", "1:", "1:AAAA", "1:ü", "2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
)
def test_what_was_never_sealed(tmp_path: Path, text: str) -> None:
    with pytest.raises(UlakError):
        Vault(tmp_path, bytes(32)).open(text, "y")


def test_a_key_that_is_missing_is_not_made_to_open(tmp_path: Path) -> None:
    with pytest.raises(UlakError, match="ULAK_KEY"):
        Vault(tmp_path).open("1:" + "A" * 60, "y")
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_was_damaged(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("oops")
    with pytest.raises(UlakError, match="32 random octets"):
        Vault(tmp_path).seal("x", "y")


def test_those_who_come_first_at_once_agree_on_a_key(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    sealed = []

    def seal() -> None:
        gate.wait()
        sealed.append(Vault(tmp_path).seal("x", "y"))

    threads = [threading.Thread(target=seal) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Vault(tmp_path).open(each, "y") for each in sealed] == ["x"] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
