"""Telling systemd how a service stands."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest

from ulak.cli.notify import READY, notify


@pytest.mark.parametrize("form", ["file", "name"])
def test_who_asked_is_told(form: str, tmp_path: Path) -> None:
    place = str(tmp_path / "notify") if form == "file" else "@ulak-" + secrets.token_hex(8)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind("\0" + place[1:] if form == "name" else place)
        notify(READY, {"NOTIFY_SOCKET": place})
        assert here.recv(100) == b"READY=1"


def test_nobody_has_to_listen(tmp_path: Path) -> None:
    notify(READY, {})
    notify(READY, {"NOTIFY_SOCKET": str(tmp_path / "missing")})
