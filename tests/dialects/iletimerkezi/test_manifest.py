"""The manifest: schemas that take what the doors take, and what a program does that goes by it alone."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from tests.chain.rig import free_port
from tests.dialects.iletimerkezi.office import Office

from ulak.core.times import ISTANBUL
from ulak.dialects.iletimerkezi import manifest

ULAK = Path(sys.executable).with_name("ulak")

REGISTERED = {"iys_brand": "100200", "iys_subscription": "on"}

MADE = json.loads(manifest.manifest("https://sms.example.org", 1_779_274_991_000))
TOOLS = {endpoint["mcp_tool"]: endpoint for endpoint in MADE["endpoints"]}

TOLD = {"number": ["905301234567", "+905301234568"]}
MESSAGE = {"text": "Kampanya A", "receipents": TOLD}
ORDER = {"sender": "ORNEKAS", "message": MESSAGE}
CONSENT = {
    "recipient": "+905301234567",
    "recipientType": "BIREYSEL",
    "type": "MESAJ",
    "status": "ONAY",
    "source": "HS_WEB",
    "consentDate": "2026-05-19 10:15:00",
}

# Requests in the shapes that the vendor's pages show.
FULL = [CONSENT | {"recipient": f"+9053200{number:05}"} for number in range(5_000)]

DOCUMENTED: list[tuple[str, dict[str, Any]]] = [
    ("send_sms", {"order": ORDER}),
    ("send_sms", {"order": ORDER | {"sendDateTime": "25/05/2026 09:30", "iys": "0"}}),
    ("send_sms", {"order": ORDER | {"sendDateTime": "", "iys": 1, "iysList": "TACIR"}}),
    (
        "send_sms",
        {"order": ORDER | {"message": [MESSAGE, MESSAGE | {"receipents": {"number": "5321234567"}}]}},
    ),
    ("send_sms", {"order": ORDER | {"message": MESSAGE | {"receipents": {"number": [905301234567]}}}}),
    ("get_report", {"order": {"id": "312891245", "page": "1", "rowCount": "1000"}}),
    ("get_report", {"order": {"id": 312891245, "page": 2, "rowCount": 1000}}),
    ("get_report", {"order": {"id": "312891245", "page": "", "rowCount": ""}}),
    ("get_reports", {"filter": {"start": "2026-04-22", "end": "2026-04-29", "page": 1}}),
    ("get_reports", {"filter": {"start": "2026-04-22", "end": "2026-04-29"}}),
    ("cancel_order", {"order": {"id": "312891245"}}),
    ("get_balance", {}),
    ("get_sender", {}),
    ("get_blacklist", {}),
    ("get_blacklist", {"blacklist": {"filter": {"start": "2026-05-01 00:00:00"}, "page": 1, "rowCount": 10}}),
    ("add_blacklist", {"blacklist": {"number": "+905301234567"}}),
    ("delete_blacklist", {"blacklist": {"number": "5301234567"}}),
    ("iys_register", {"consent": {"brandCode": 100200, "list": [CONSENT]}}),
    ("iys_register", {"consent": {"brandCode": "100200", "list": FULL}}),
    ("iys_check", {"consent": {"brandCode": 100200, **dict(list(CONSENT.items())[:3])}}),
]

# What the doors refuse for its shape, with the code they answer.
REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("send_sms", {}, 400),
    ("send_sms", {"order": []}, 400),
    ("send_sms", {"order": ORDER | {"message": "text"}}, 400),
    ("send_sms", {"order": ORDER | {"message": MESSAGE | {"text": 5}}}, 400),
    ("send_sms", {"order": {"message": MESSAGE}}, 450),
    ("send_sms", {"order": ORDER | {"sender": ""}}, 450),
    ("send_sms", {"order": ORDER | {"message": []}}, 454),
    ("send_sms", {"order": ORDER | {"message": MESSAGE | {"text": "  "}}}, 454),
    ("send_sms", {"order": ORDER | {"message": {"text": "x"}}}, 452),
    ("send_sms", {"order": ORDER | {"message": {"text": "x", "receipents": ["5301234567"]}}}, 452),
    ("send_sms", {"order": ORDER | {"message": {"text": "x", "receipents": {"number": []}}}}, 452),
    ("send_sms", {"order": ORDER | {"message": {"text": "x", "recipients": TOLD}}}, 452),
    ("send_sms", {"order": ORDER | {"message": {"text": "x"}, "receipents": TOLD}}, 452),
    ("send_sms", {"order": ORDER | {"message": {"text": "x", "receipents": {"number": "530"}}}}, 452),
    ("send_sms", {"order": ORDER | {"sendDateTime": "2026-05-25 09:30:00"}}, 457),
    ("send_sms", {"order": ORDER | {"sendDateTime": ["25", "05", "2026"]}}, 457),
    ("send_sms", {"order": ORDER | {"iys": "2"}}, 468),
    ("send_sms", {"order": ORDER | {"iys": "1"}}, 469),
    ("send_sms", {"order": ORDER | {"iys": "1", "iysList": "bireysel"}}, 469),
    ("get_report", {}, 400),
    ("get_report", {"order": {}}, 455),
    ("get_report", {"order": {"id": "٣"}}, 455),
    ("get_report", {"order": {"id": "300000001", "page": 0}}, 464),
    ("get_report", {"order": {"id": "300000001", "page": "-1"}}, 464),
    ("get_reports", {}, 458),
    ("get_reports", {"filter": [1]}, 400),
    ("get_reports", {"filter": {"start": "22/04/2026", "end": "2026-04-29"}}, 458),
    ("get_reports", {"filter": {"start": "2026-04-22"}}, 458),
    ("get_reports", {"filter": {"start": "2026-04-22", "end": "2026-04-29", "page": 0}}, 464),
    ("cancel_order", {}, 400),
    ("cancel_order", {"order": {"id": "03"}}, 455),
]

# What operations that are not there yet are documented to refuse, and what a door would not look at.
OUT_OF_SHAPE: list[tuple[str, dict[str, Any]]] = [
    ("add_blacklist", {}),
    ("add_blacklist", {"blacklist": {}}),
    ("delete_blacklist", {"blacklist": {"number": ""}}),
    ("get_blacklist", {"page": 2}),
    ("get_blacklist", {"blacklist": {"filter": {"start": "2026-05-01"}}}),
    ("iys_register", {"consent": {"brandCode": 100200, "list": []}}),
    ("iys_register", {"consent": {"brandCode": 100200, "list": [CONSENT] * 5_001}}),
    *(
        ("iys_register", {"consent": {"brandCode": 100200, "list": [CONSENT | {key: "x"}]}})
        for key in ("recipientType", "type", "status", "source", "consentDate")
    ),
    *(
        (
            "iys_register",
            {"consent": {"brandCode": 1, "list": [{k: v for k, v in CONSENT.items() if k != key}]}},
        )
        for key in CONSENT
    ),
    ("iys_check", {"consent": {"recipient": "+905301234567"}}),
    ("send_sms", {"order": ORDER | {"senddatetime": "25/05/2026 09:30"}}),
    ("get_balance", {"order": {}}),
]


def test_the_top_is_what_the_client_reads() -> None:
    assert list(MADE) == [
        "schema_version",
        "generated_at",
        "source",
        "base_url",
        "authentication",
        "endpoints",
    ]
    assert datetime.fromisoformat(MADE["generated_at"]).timestamp() == 1_779_274_991
    assert MADE["base_url"] == "https://sms.example.org"


def test_every_tool_of_the_client_is_there_once() -> None:
    assert [endpoint["mcp_tool"] for endpoint in MADE["endpoints"]] == [
        "send_sms",
        "get_report",
        "get_reports",
        "cancel_order",
        "get_balance",
        "get_sender",
        "get_blacklist",
        "add_blacklist",
        "delete_blacklist",
        "iys_register",
        "iys_check",
    ]
    for endpoint in MADE["endpoints"]:
        assert endpoint["method"] == "POST"
        assert endpoint["path"].startswith("/v1/")
        assert endpoint["path"].endswith("/json")
        assert endpoint["base_url"] == MADE["base_url"]
        assert set(endpoint["summary"]) == {"en", "tr"}
        assert all(endpoint["summary"].values())


@pytest.mark.parametrize("tool", TOOLS)
def test_every_schema_is_one(tool: str) -> None:
    schema = TOOLS[tool]["input_schema"]
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert "authentication" not in schema["properties"]


def takes(tool: str, request: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(TOOLS[tool]["input_schema"]).is_valid(request))


@pytest.mark.parametrize(("tool", "request_"), DOCUMENTED)
def test_what_is_documented_fits(tool: str, request_: dict[str, Any]) -> None:
    assert takes(tool, request_)


def test_every_tool_has_a_documented_request() -> None:
    assert {tool for tool, _ in DOCUMENTED} == TOOLS.keys()


@pytest.mark.parametrize(("tool", "request_"), OUT_OF_SHAPE)
def test_what_cannot_be_meant_does_not_fit(tool: str, request_: dict[str, Any]) -> None:
    assert not takes(tool, request_)


async def test_what_the_doors_refuse_for_its_shape_does_not_fit(books: Any) -> None:
    office = Office(books)
    customer = await office.customer(
        "acme", credit=100, senders=["ORNEKAS"], settings={"iys_brand": "100200"}
    )
    for tool, request, code in REFUSED:
        assert not takes(tool, request), (tool, request)
        operation = TOOLS[tool]["path"].removeprefix("/v1/").removesuffix("/json")
        answer = await office.ask(customer, operation, **request)
        assert answer["status"]["code"] == code, (tool, request)


async def test_what_fits_is_not_refused_for_its_shape(books: Any) -> None:
    office = Office(books)
    customer = await office.customer("acme", credit=100, senders=["ORNEKAS"], settings=REGISTERED)
    for tool, request in DOCUMENTED:
        operation = TOOLS[tool]["path"].removeprefix("/v1/").removesuffix("/json")
        answer = await office.ask(customer, operation, **request)
        assert answer["status"]["code"] in (200, 451, 455), (tool, request)


# A program that knows nothing but the manifest, as the wire specification describes the vendor's MCP server.


class Client:
    """It skips what is no tool, and sends what it is given under `request`."""

    def __init__(self, found: dict[str, Any], key: str, secret: str) -> None:
        self.tools = {
            endpoint["mcp_tool"]: endpoint
            for endpoint in found["endpoints"]
            if endpoint.get("mcp_tool") and endpoint.get("input_schema")
        }
        self._authentication = {"key": key, "hash": secret}

    async def use(self, tool: str, **given: Any) -> tuple[bool, int, dict[str, Any]]:
        """Whether it went well, the HTTP status and the answer."""
        endpoint = self.tools[tool]
        Draft202012Validator(endpoint["input_schema"]).validate(given)
        body = {"request": {"authentication": self._authentication, **given}}
        status, answer = await asyncio.to_thread(
            fetch, endpoint["base_url"] + endpoint["path"], endpoint["method"], json.dumps(body).encode()
        )
        response: dict[str, Any] = answer["response"]
        code = response["status"].get("code")
        went_well = 200 <= status < 300 and isinstance(code, int) and code == 200
        return went_well, status, response


def fetch(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, Any]:
    """The status of an answer and what it holds."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.headers["content-type"] == "application/json"
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest_asyncio.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """A running server that customers reach under another name; its account may use the registry."""
    port = str(free_port())
    where = ["--data", str(tmp_path), "--json"]
    process = await asyncio.create_subprocess_exec(
        *(str(ULAK), "sandbox", "--port", port, "--public-url", f"http://localhost:{port}", *where),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        changing = await asyncio.create_subprocess_exec(
            *(str(ULAK), "account", "set", "demo", "iys_brand=100200", "iys_subscription=on", *where),
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await changing.wait() == 0
        yield said | {"local": f"http://127.0.0.1:{port}", "public": f"http://localhost:{port}"}
    finally:
        process.terminate()
        await process.wait()


async def test_a_client_that_goes_by_the_manifest(sandbox: dict[str, Any]) -> None:
    status, found = await asyncio.to_thread(fetch, sandbox["local"] + manifest.PATH)
    assert (status, found["base_url"]) == (200, sandbox["public"])
    client = Client(found, sandbox["key"], sandbox["hash"])
    now = datetime.now(ISTANBUL)
    today, later = f"{now:%Y-%m-%d}", f"{now + timedelta(days=1):%d/%m/%Y %H:%M}"

    async def send(text: str, **more: str) -> str:
        message = {"text": text, "receipents": {"number": ["5301234567"]}}
        order = {"sender": sandbox["sender"], "iys": "0", "message": message, **more}
        good, _, answer = await client.use("send_sms", order=order)
        assert good
        number: str = answer["order"]["id"]
        return number

    sent, planned = await send("now"), await send("later", sendDateTime=later)
    agreed = CONSENT | {"consentDate": f"{now - timedelta(minutes=5):%Y-%m-%d %H:%M:%S}"}
    asked = {key: agreed[key] for key in ("recipient", "recipientType", "type")}
    number = {"blacklist": {"number": "+905321234567"}}
    uses: list[tuple[str, dict[str, Any]]] = [
        ("get_report", {"order": {"id": sent}}),
        ("get_reports", {"filter": {"start": today, "end": today}}),
        ("cancel_order", {"order": {"id": planned}}),
        ("get_balance", {}),
        ("get_sender", {}),
        ("add_blacklist", number),
        ("get_blacklist", {"blacklist": {"page": 1}}),
        ("delete_blacklist", number),
        ("iys_register", {"consent": {"brandCode": 100200, "list": [agreed]}}),
        ("iys_check", {"consent": {"brandCode": 100200} | asked}),
    ]
    assert {"send_sms"} | {tool for tool, _ in uses} == client.tools.keys()
    for tool, given in uses:
        good, _, answer = await client.use(tool, **given)
        assert good, (tool, answer)
    assert (await client.use("cancel_order", order={"id": planned}))[:2] == (False, 455)
