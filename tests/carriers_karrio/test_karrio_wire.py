"""The way out that the child puts in the place of Karrio's. It needs no Karrio."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request

import pytest
from tests.carriers_karrio.ups_desk import open_desk
from tests.peers.certificates import Authority

from ulak.carriers.karrio.child import Wire


def test_a_stand_in_gets_what_was_meant_for_the_carrier() -> None:
    with open_desk() as desk:
        wire = Wire(5, desk.url)
        seen = wire.begin()
        with wire.open(Request("https://onlinetools.ups.com/api/track/v1/details/1ZFRESH?locale=en")) as said:
            assert b"1ZFRESH" in said.read()
        assert [path for _, path, _ in desk.seen] == ["/api/track/v1/details/1ZFRESH?locale=en"]
    (note,) = seen
    assert note["url"] == "https://onlinetools.ups.com/api/track/v1/details/1ZFRESH?locale=en"
    assert (note["method"], note["status"]) == ("GET", 200)
    assert "1ZFRESH" in note["body"]


def test_an_error_can_still_be_read() -> None:
    with open_desk() as desk:
        wire = Wire(5, desk.url)
        seen = wire.begin()
        with pytest.raises(urllib.error.HTTPError) as caught:
            wire.open(Request("https://onlinetools.ups.com/api/track/v1/details/NONE"))
        with caught.value as error:
            assert b"TW0001" in error.read()
    assert (seen[0]["status"], "TW0001" in seen[0]["body"]) == (404, True)


def test_redirects_are_not_followed() -> None:
    with open_desk() as desk:
        with pytest.raises(urllib.error.HTTPError) as caught:
            Wire(5, desk.url).open(Request("https://onlinetools.ups.com/api/track/v1/details/AWAY"))
        caught.value.close()
        assert len(desk.seen) == 1


def test_nobody_is_asked_without_encryption() -> None:
    """Karrio would post labels to a public service to have them converted."""
    wire = Wire(5, "")
    seen = wire.begin()
    with pytest.raises(urllib.error.URLError, match="without encryption"):
        wire.open(Request("http://127.0.0.1:9/v1/printers", data=b"label"))
    assert "without encryption" in seen[0]["error"]


@contextmanager
def listening(certificate: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port where one caller is let in and hears nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    calls: list[socket.socket] = []

    def let_in() -> None:
        call, _ = listener.accept()
        calls.append(call)
        if certificate is not None:
            try:
                calls.append(certificate.wrap_socket(call, server_side=True))
            except OSError:
                return

    thread = threading.Thread(target=let_in)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        for call in calls:
            call.close()
        listener.close()


def test_certificates_are_checked(tmp_path: Path) -> None:
    """Karrio itself would take any."""
    with listening(Authority("Nobody").server_context(tmp_path, "localhost")) as port:
        wire = Wire(5, "")
        seen = wire.begin()
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            wire.open(Request(f"https://localhost:{port}/"))
    assert "CERTIFICATE_VERIFY_FAILED" in seen[0]["error"]


def test_silence_has_an_end() -> None:
    with listening() as port:
        wire = Wire(0.2, f"http://127.0.0.1:{port}")
        seen = wire.begin()
        with pytest.raises((OSError, http.client.HTTPException)):
            wire.open(Request("https://onlinetools.ups.com/api/track/v1/details/1Z"))
    assert seen[0]["error"] == "timed out"
    assert "status" not in seen[0]
