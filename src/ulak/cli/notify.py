"""Telling systemd how a service stands (sd_notify): nothing, where it did not ask to be told."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell. Who asked and does not listen is not waited for."""
    place = environment.get("NOTIFY_SOCKET", "")
    if not place:
        return
    # A name that begins with @ is no file.
    address = "\0" + place[1:] if place.startswith("@") else place
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.setblocking(False)
        to.sendto(state.encode(), address)
