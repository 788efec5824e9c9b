"""What is taken out of a log, and what must stay in it."""

from __future__ import annotations

from typing import Any

import pytest

from ulak.core.masking import HIDDEN, TEXT_MAX, Masker

MASKER = Masker(["smpppw99", "short"])

NUMBERS = {
    "905301234567": "905*******67",
    "+905301234567": "+905*******67",
    "00905301234567": "009*********67",
    "05301234567": "053******67",
    "5301234567": "5*******67",
    "+90 (530) 123-45-67": "+90 (5**) ***-**-67",
    "0090 530 123 45 67": "009* *** *** ** 67",
    "0530 123 45 67": "053* *** ** 67",
    "530-123-4567": "5**-***-**67",
    "(0212) 555 12 34": "(021*) *** ** 34",
    "2125551234": "2*******34",
    "4915112345678": "491********78",
    "14155550123": "141******23",
}


@pytest.mark.parametrize(("number", "masked"), NUMBERS.items())
def test_numbers_in_text(number: str, masked: str) -> None:
    said = MASKER.text(f"could not reach {number}, code 8 (to='{number}')")
    assert said == f"could not reach {masked}, code 8 (to='{masked}')"


@pytest.mark.parametrize(
    "text",
    [
        "order 300000001 of account 17 was taken",
        "2026-05-20T14:03:11.123456Z, 2026-11-22 17:35:06 +0300, took 0.5301234567 s",
        "at 1779274991000 ms, epoch 1779274991",
        "212.156.10.20:54321, 192.168.100.200 and [2001:db8::1]:8025 answered",
        "consignment 85276f1b-b6ee-4f8d-84ea-67f9b83783f0, barcode C2H68252221823, RR502472474TR",
        "/usr/lib/python3.11/site-packages/aiohttp/connector.py, line 1234, in _create_direct_connection",
        "/tmp/pytest-of-root/pytest-129/test_a_backup_is_whole_sqlite_0/ulak.db",
        "Process 12345 waits for ShareLock on transaction 76543219; blocked by process 12346.",
        "Key (id)=(123456789) already exists.",
        "disk: 53687091200 bytes free, 64424509440 bytes in all",
        "<MeasuredLink object at 0x7f8a1c2b3d4e>, schema 0004, version 3.11.7",
        "test_the_22nd_thing_with_40_numbers_in_9_places",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert MASKER.text(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://ulak:geheim@db.example.org/ulak", f"postgresql://{HIDDEN}@db.example.org/ulak"),
        ("GET /orderstatus?orderId=5d1e&x=1 failed", f"GET /orderstatus?orderId={HIDDEN}&x={HIDDEN} failed"),
        ("POST /hooks/operator/word-of-mouth", f"POST /hooks/operator/{HIDDEN}"),
        ("user=x password=geheim12 host=db", f"user=x password={HIDDEN} host=db"),
        ('{"key": "3468c2efaf26", "hash": "34-7f"}', f'{{"key": "{HIDDEN}", "hash": "{HIDDEN}"}}'),
        ("authorization was Bearer abc.def", f"authorization was Bearer {HIDDEN}"),
        ("invoice lnbcrt15u1p4s9lvapp5pdngj4qd7ys", f"invoice lnbcrt1{HIDDEN}"),
        ("signed with whsec_Ni1YSUDlJ1+jsZj2oYqEFn4", f"signed with whsec_{HIDDEN}"),
        ("was Ni1YSUDlJ1+jsZj2oYqEFn41bjMkBLIgTjqUvJWCeek=", f"was {HIDDEN}"),
        ("was 49c1a1628213d9b2797d7a72bb5fa76362bfd20efc1cd7a358525790e2568fa2", f"was {HIDDEN}"),
        ("ayse.yilmaz@example.org is gone", f"a{HIDDEN}@example.org is gone"),
        ("bind with smpppw99 refused", f"bind with {HIDDEN} refused"),
        ("it is short", "it is short"),
        ("key 3468c2efaf2613a9d01b22c3aa34e6f0 is unknown", f"key {HIDDEN} is unknown"),
        ("at 11111111111111aaaaaaaaaaaaaaaaaa", f"at {HIDDEN}"),
        ("905301234567,905301234568", "905*******67,905*******68"),
        ("{1,905301234567,20} (7,905301234567)", "{1,905*******67,20} (7,905*******67)"),
        ("block:3:905301234567 5301234567,5301234568", "block:3:905*******67 5*******67,5*******68"),
    ],
)
def test_secrets_in_text(text: str, masked: str) -> None:
    assert MASKER.text(text) == masked


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("number", 905301234567, "905*******67"),
        ("number", "5301234", "5****34"),
        ("numbers", 3, 3),
        ("sender", "ULAK", "ULAK"),
        ("to", "0530 1234", "0*** **34"),
        ("order", 905301234567, 905301234567),
        ("message_id", 905301234567, 905301234567),
        ("bytes", 53687091200, 53687091200),
        ("at", 1779274991000, 1779274991000),
        ("value", 905301234567, "905*******67"),
        ("value", 300000001, 300000001),
        ("took", 0.5301234567, 0.5301234567),
        ("ok", True, True),
        ("why", None, None),
        ("password", "x", HIDDEN),
        ("lnd_macaroon", "00", HIDDEN),
        ("apikey", 12, HIDDEN),
        ("text", "Onay kodunuz 1234", HIDDEN),
        ("error", ValueError("no 05301234567"), "no 053******67"),
        ("raw", b"id:905301234567", "id:905*******67"),
        ("args", ("05301234567", {"password": "x", "n": {905301234567}}), None),
    ],
)
def test_the_name_of_a_field_decides(name: str, value: Any, masked: Any) -> None:
    if name == "args":
        masked = ["053******67", {"password": HIDDEN, "n": ["905*******67"]}]
    assert MASKER.field(name, value) == masked


def test_what_never_ends_is_cut_off() -> None:
    circle: list[Any] = ["05301234567"]
    circle.append(circle)
    assert "05301234567" not in str(MASKER.field("value", circle))


@pytest.mark.parametrize("part", ["a", "1", "1 ", "http://", "a.b", "x@", "-", "+1 ", "?a=", "password "])
def test_nothing_takes_long(part: str) -> None:
    """Texts of others, made to be slow, are cut off, and every pattern has a bound."""
    text = MASKER.text(part * (1_000_000 // len(part)) + "@")
    assert len(text) <= 2 * TEXT_MAX
