"""The vendor's own Node SDK, as published, against a server with its simulated operator."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ulak.core.times import ISTANBUL

PEERS = Path(__file__).parents[2] / "peers"
SDK = PEERS / "node_modules" / "@iletimerkezi" / "iletimerkezi-node" / "package.json"
VERSION = "1.0.1"
ULAK = Path(sys.executable).with_name("ulak")

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not SDK.exists(), reason="needs node and the packages of tests/peers"
)


@pytest_asyncio.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """A running `ulak sandbox`: what it says of itself."""
    process = await asyncio.create_subprocess_exec(
        *(ULAK, "sandbox", "--data", tmp_path, "--port", "0", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    finally:
        process.terminate()
        await process.wait()


async def driven(sandbox: dict[str, Any], today: datetime) -> Any:
    """What the SDK read, see tests/peers/iletimerkezi_sdk.js."""
    tomorrow = today + timedelta(days=1)
    given = {
        "ULAK_URL": sandbox["url"],
        "ULAK_KEY": sandbox["key"],
        "ULAK_HASH": sandbox["hash"],
        "ULAK_SENDER": sandbox["sender"],
        "ULAK_LATER": f"{tomorrow:%d/%m/%Y %H:%M}",
        "ULAK_DAYS": f"{today:%Y-%m-%d} {tomorrow:%Y-%m-%d}",
    }
    process = await asyncio.create_subprocess_exec(
        *("node", PEERS / "iletimerkezi_sdk.js"),
        env=os.environ | given,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


def report(number: int, *rows: tuple[str, str, int]) -> dict[str, Any]:
    """What the SDK makes of a finished order."""
    delivered = sum(code == 111 for _, _, code in rows)
    return {
        "id": str(number),
        "status": "COMPLETED",
        "statusCode": 114,
        "total": len(rows),
        "delivered": delivered,
        "undelivered": len(rows) - delivered,
        "waiting": 0,
        "sender": "ULAK",
        "messages": [{"number": to, "status": word, "statusCode": code} for to, word, code in rows],
    }


def failure(code: int, message: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "message": message}


async def test_the_sdk_sends_reports_and_lists(sandbox: dict[str, Any]) -> None:
    assert json.loads(SDK.read_text("utf-8"))["version"] == VERSION
    today = datetime.now(ISTANBUL)
    seen = await driven(sandbox, today)
    good = {"success": True, "statusCode": 200, "message": "İşlem başarılı"}

    assert seen["balance"] == good | {"amount": 0, "credits": 10_000}
    assert seen["senders"] == ["ULAK"]
    assert seen["sent"] == [good | {"orderId": str(300000001 + place)} for place in range(5)]

    times = [(r["order"].pop("submitAt"), r["order"].pop("sendAt")) for r in seen["reports"]]
    for submitted, sent in times:
        assert submitted == sent
        assert abs(datetime.fromisoformat(sent).replace(tzinfo=ISTANBUL) - today) < timedelta(minutes=2)
    assert [r["order"] for r in seen["reports"]] == [
        report(300000001, ("+905301234567", "DELIVERED", 111)),
        report(300000002, ("+905301234568", "DELIVERED", 111), ("+905301239001", "UNDELIVERED", 112)),
        report(300000003, ("+905301234569", "DELIVERED", 111), ("+905301234570", "DELIVERED", 111)),
        report(300000004, ("+905301234572", "DELIVERED", 111)),
    ]
    assert seen["pastTheEnd"]["order"]["total"] == 1
    assert seen["pastTheEnd"]["order"]["messages"] == []

    assert seen["list"] == {
        "count": 5,
        "more": False,
        "orders": [
            [300000001, "COMPLETED", 1, 1, 0, 0, "ULAK"],
            [300000002, "COMPLETED", 2, 1, 1, 0, "ULAK"],
            [300000003, "COMPLETED", 2, 2, 0, 0, "ULAK"],
            [300000004, "COMPLETED", 1, 1, 0, 0, "ULAK"],
            [300000005, "SENDING", 1, 0, 0, 1, "ULAK"],
        ],
    }
    assert seen["pastTheList"] == 0

    assert seen["blacklist"] == [True, True]
    assert seen["blocked"] == [2, False, ["+905301234598", "+905301234599"]]
    assert seen["blockedToday"] == [2, []]
    assert seen["lifted"] is True
    assert seen["stillBlocked"] == ["+905301234598"]

    assert seen["failures"] == {
        "blockedDays": failure(422, "İstek içerisindeki değerler doğrulanamadı."),
        "lifted": failure(474, "Bu numara üzerindeki engelleme kaldırılamaz"),
        "blockedNumber": failure(466, "Hatalı numara."),
        "stranger": failure(401, "Üyelik bilgileri hatalı"),
        "strangerSends": failure(401, "Üyelik bilgileri hatalı"),
        "consentList": failure(469, "IYS listenizi seçmelisiniz, BIREYSEL veya TACIR."),
        "repeated": failure(451, "Tekrar eden sipariş"),
        "sender": failure(450, "Gönderilen başlık kullanıma uygun değil"),
        "number": failure(452, "Mesaj alıcıları hatalı"),
        "empty": failure(454, "Mesaj metni boş"),
        "readmeDate": failure(457, "Mesaj gönderim tarihinin formatı hatalı"),
        "notDue": failure(456, "Sipariş gönderim tarihi henüz gelmedi"),
        "missing": failure(455, "Sipariş bulunamadı"),
        "days": failure(458, "Tarih aralığı hatalı"),
    }
