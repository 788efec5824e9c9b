"""A stand-in for UPS on a port of this machine, with answers in its documented shapes."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ACTIVITY = {
    "date": "20260210",
    "time": "071356",
    "gmtDate": "20260210",
    "gmtTime": "121356",
    "gmtOffset": "-05:00",
    "location": {"address": {"city": "Wayne", "stateProvince": "NJ", "countryCode": "US"}},
    "status": {"type": "I", "code": "OT", "statusCode": "021", "description": "Out For Delivery Today"},
}

GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A picture of one point: UPS has no labels as PDF, only pictures."""


class UpsDesk(ThreadingHTTPServer):
    """`seen` are the requests so far: method, path, body. Numbers with NONE in them are not found."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.seen: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def open_desk() -> Iterator[UpsDesk]:
    """A desk that is open for as long as this lasts."""
    with UpsDesk() as desk:
        thread = threading.Thread(target=desk.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield desk
        finally:
            desk.shutdown()
            thread.join()


class _Door(BaseHTTPRequestHandler):
    server: UpsDesk

    def log_message(self, *_args: object) -> None:
        """Quiet."""

    def handle_request(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        text = self.rfile.read(size).decode()
        body = json.loads(text) if text.startswith("{") else text
        self.server.seen.append((self.command, self.path, body))
        status, answer = _answer(self.path, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status == 302:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = handle_request


def _answer(path: str, body: Any) -> tuple[int, Any]:
    if path.startswith("/security"):
        return 200, {"access_token": "token", "issued_at": "4000000000000", "expires_in": "14399"}
    if path.startswith("/api/rating"):
        return 200, {"RateResponse": {"RatedShipment": [_rate("65", "80.00"), _rate("11", "20.10")]}}
    if "/void/" in path:
        return 200, {"VoidShipmentResponse": {"Response": {"ResponseStatus": {"Code": "1"}}}}
    if path.startswith("/api/shipments"):
        return _ship(body)
    return _track(path.partition("?")[0].rpartition("/")[2])


def _rate(code: str, amount: str) -> dict[str, Any]:
    money = {"CurrencyCode": "EUR", "MonetaryValue": amount}
    return {
        "Service": {"Code": code},
        "TransportationCharges": money,
        "BaseServiceCharge": money,
        "ServiceOptionsCharges": {"CurrencyCode": "EUR", "MonetaryValue": "0.00"},
        "ItemizedCharges": [],
        "TotalCharges": money,
    }


def _ship(body: Any) -> tuple[int, Any]:
    asked = body["ShipmentRequest"]["Shipment"]
    if asked["ShipTo"]["Address"]["CountryCode"] == "AQ":
        return 400, {"response": {"errors": [{"code": "120217", "message": "Country is not served."}]}}
    kind = body["ShipmentRequest"]["LabelSpecification"]["LabelImageFormat"]["Code"]
    packages = [
        {
            "TrackingNumber": f"1ZDESK{place}",
            "ShippingLabel": {
                "ImageFormat": {"Code": kind},
                "GraphicImage": (
                    base64.b64encode(f"^XA^FD{place}^FS^XZ".encode()).decode() if kind == "ZPL" else GIF
                ),
            },
        }
        for place, _ in enumerate(asked["Package"])
    ]
    results = {"ShipmentIdentificationNumber": "1ZDESK0", "PackageResults": packages}
    return 200, {"ShipmentResponse": {"ShipmentResults": results}}


def _track(number: str) -> tuple[int, Any]:
    if "NONE" in number:
        return 404, {"response": {"errors": [{"code": "TW0001", "message": "Not Found"}]}}
    if "AWAY" in number:
        return 302, {}
    package: dict[str, Any] = {"trackingNumber": number}
    if "FRESH" not in number:
        package["activity"] = [ACTIVITY]
    return 200, {"trackResponse": {"shipment": [{"package": [package]}]}}
