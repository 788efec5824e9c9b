"""What comes after a booking: its label, its cancellation, and what is seen of it."""

from __future__ import annotations

import asyncio

import pytest
from tests.dialects.comtohome_client.conftest import Account, Hours
from tests.dialects.comtohome_client.upstream import (
    CODE,
    KEY,
    MISSING,
    Cut,
    Raw,
    Scripted,
    What,
    bad,
    detail,
    document,
    good,
    labels,
    started,
)
from tests.parcel_cast import consignment, label, shipment

from ulak.core.shipping import Booked, Booking, Declined, File, Ticket, Unreached, Watched
from ulak.core.states import ParcelState

NOW = 1_779_274_991_000
BARCODE = "C2H00000000007"


# Labels

PDF = b"%PDF-1.4 a label \n%%EOF\n"
SENT = consignment(1, carrier_reference="70001", barcode=BARCODE, uuid="u-7", labels=[label(tracking=CODE)])
LABEL = SENT.labels[0]
DETAILS = "/consignments/70001/details"


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (PDF, "application/pdf"),
        (b"\x89PNG\r\n\x1a\n....IEND\xaeB`\x82", "image/png"),
        (b"\n^XA^FO50,50^FDHi^FS^XZ\n", "application/zpl"),
    ],
)
async def test_the_label_is_fetched_with_the_key_from_the_server_itself(
    upstream: Scripted, account: Account, content: bytes, mime: str
) -> None:
    path = "/public-download/consignment-label/9?_hash=a%2Bb%3D"
    url = upstream.url + "/api/v1" + path
    upstream.on("GET", DETAILS, document(1, labels=labels("OTHER", url="x") + labels(CODE, url=url)))
    upstream.on("GET", path.partition("?")[0], Raw(200, content))
    assert await account().label(SENT, LABEL) == File(content, mime)
    assert upstream.asked[-1].path == "/api/v1" + path
    assert upstream.asked[-1].headers["apikey"] == KEY


async def test_another_host_is_not_shown_the_key_and_must_be_public(
    upstream: Scripted, account: Account
) -> None:
    other = Scripted()
    await other.start()
    other.on("GET", "/label", Raw(200, PDF))
    upstream.on("GET", DETAILS, document(1, labels=labels(CODE, url=other.url + "/api/v1/label")))
    assert isinstance(await account().label(SENT, LABEL), Unreached)
    assert other.asked == []
    await other.close()


@pytest.mark.parametrize(
    "answer",
    [
        Raw(200, b"<html>not found</html>"),
        Raw(200, b""),
        Raw(200, PDF[:12]),
        Raw(200, PDF, cut=12),
        Raw(200, PDF + b" " * 2 * 1024 * 1024),
        Raw(404, PDF),
        Raw(410, b'{"status":false,"errors":[{"message":"gone"}]}'),
        Cut(),
    ],
    ids=lambda answer: str(answer)[:40],
)
async def test_a_file_that_is_no_whole_label_is_not_kept(
    upstream: Scripted, account: Account, answer: What
) -> None:
    url = upstream.url + "/api/v1/label?_hash=secret"
    upstream.on("GET", DETAILS, document(1, labels=labels(CODE, url=url)))
    upstream.on("GET", "/label", answer)
    found = await account().label(SENT, LABEL)
    assert isinstance(found, Unreached)
    assert "secret" not in found.why


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (document(1), None),
        (document(1, labels=labels(CODE, url="")), None),
        (MISSING, Unreached("the server does not know it")),
        (bad("Unauthenticated.", status=401), Unreached("Unauthenticated.")),
        (Raw(200, b"{"), Unreached("HTTP 200 with a body that is no JSON")),
        (document(1, labels=labels(CODE, url="file:///etc/passwd")), "must be"),
    ],
)
async def test_a_consignment_without_a_file(
    upstream: Scripted, account: Account, answer: Raw, outcome: Unreached | str | None
) -> None:
    upstream.on("GET", DETAILS, answer)
    found = await account().label(SENT, LABEL)
    if isinstance(outcome, str):
        assert isinstance(found, Unreached)
        assert outcome in found.why
    else:
        assert found == outcome


# Cancelling

CANCEL = "/consignments/70001/cancel"


async def test_a_cancellation_goes_by_the_servers_id(upstream: Scripted, account: Account) -> None:
    upstream.on("POST", CANCEL, good({"consignment": 70001}))
    assert await account().cancel(SENT) is None
    assert upstream.asked[0].headers["x-idempotency-key"] == "cancel-u-7"


async def test_without_its_id_a_consignment_is_cancelled_by_what_we_call_it(
    upstream: Scripted, account: Account
) -> None:
    upstream.on("POST", f"/consignments/{BARCODE}/cancel", good({"consignment": 70001}))
    assert await account().cancel(consignment(1, barcode=BARCODE)) is None


@pytest.mark.parametrize(
    ("answer", "found", "outcome"),
    [
        (bad("Konsinye iptal edilemedi", status=409), document(130, CODE), None),
        (
            bad("Consignment cancel failed: Shipment already in transit", status=409),
            document(111, CODE),
            Declined("Shipment already in transit"),
        ),
        (MISSING, MISSING, Declined("Consignment not found")),
        (bad("no", status=200), Raw(500, b""), Declined("no")),
        (Raw(500, b"oops"), document(130, CODE), None),
        (Raw(500, b"oops"), document(1, CODE), Unreached("HTTP 500 with a body that is no JSON")),
        (Cut(), document(1, CODE), Unreached("the connection was closed before an answer came")),
    ],
)
async def test_a_cancellation_that_was_not_done_is_looked_up(
    upstream: Scripted, account: Account, answer: What, found: Raw, outcome: Declined | Unreached | None
) -> None:
    upstream.on("POST", CANCEL, answer)
    upstream.on("GET", DETAILS, found)
    assert await account().cancel(SENT) == outcome


# Tracking


def watched(number: int, code: str = CODE, reference: str = "70001") -> Watched:
    return Watched(number, code, reference, NOW, "TR")


async def test_what_was_seen_comes_back_without_what_the_booking_said(
    upstream: Scripted, account: Account
) -> None:
    details = [detail(1, 3), detail(110, 5), detail(99, 6), detail(120, 9, location="Adana")]
    upstream.on("GET", DETAILS, document(120, CODE, details=details))
    (found,) = await account().track([watched(1)], NOW)
    assert not isinstance(found, Unreached)
    assert [(seen.state, seen.text, seen.location, (seen.at - NOW) // 60_000) for seen in found] == [
        (ParcelState.PICKED_UP, "event 110", None, 1),
        (ParcelState.UNKNOWN, "event 99", None, 2),
        (ParcelState.DELIVERED, "event 120", "Adana", 5),
    ]


async def test_without_the_servers_id_it_is_found_by_its_code(upstream: Scripted, account: Account) -> None:
    code = "AB/12 ü"
    upstream.on(
        "GET",
        "/consignments/find/trackingCode/AB%2F12%20%C3%BC",
        document(111, code, details=[detail(111)]),
    )
    ((seen,),) = await account().track([watched(1, code, "")], NOW)  # type: ignore[misc]
    assert seen.state is ParcelState.IN_TRANSIT


async def test_each_label_has_its_own_answer(upstream: Scripted, account: Account) -> None:
    upstream.on("GET", "/consignments/1/details", document(111, "A", details=[detail(111)]))
    upstream.on("GET", "/consignments/2/details", MISSING)
    upstream.on("GET", "/consignments/3/details", bad("Unauthenticated.", status=401))
    upstream.on("GET", "/consignments/4/details", Raw(200, b"{]"))
    found = await account().track([watched(n, str(n), str(n)) for n in (3, 2, 1, 4)], NOW)
    assert found[0] == Unreached("Unauthenticated.")
    assert found[1] == ()
    assert not isinstance(found[2], Unreached)
    assert [seen.state for seen in found[2]] == [ParcelState.IN_TRANSIT]
    assert found[3] == Unreached("HTTP 200 with a body that is no JSON")


async def test_packages_of_one_consignment_end_together(upstream: Scripted, account: Account) -> None:
    """Nobody says which of them the first delivery is about."""
    both, details = [watched(1, "A"), watched(2, "B")], [detail(111, 1), detail(120, 2)]
    carrier = account()

    async def states() -> list[list[ParcelState]]:
        found = await carrier.track(both, NOW)
        return [[seen.state for seen in each] for each in found if not isinstance(each, Unreached)]

    upstream.on("GET", DETAILS, document(111, "A", "B", details=details))
    assert await states() == [[ParcelState.IN_TRANSIT], []]
    assert upstream.times("GET", DETAILS) == 1
    upstream.on("GET", DETAILS, document(120, "A", "B", details=[*details, detail(120, 7)]))
    delivered = [ParcelState.DELIVERED] * 2
    assert await states() == [[ParcelState.IN_TRANSIT, *delivered], delivered]


async def test_a_look_is_repeated_when_the_server_is_away(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    upstream.on(
        "GET", DETAILS, Raw(503, b""), bad("down", status=502), document(111, CODE, details=[detail(111)])
    )
    (found,) = await account().track([watched(1)], NOW)
    assert not isinstance(found, Unreached)
    assert len(found) == 1
    assert hours.slept == [0.5, 2.0]


async def test_looks_are_few_at_a_time_and_a_booking_need_not_wait_for_them(
    upstream: Scripted, account: Account
) -> None:
    many = [watched(number, reference=str(number)) for number in range(40)]
    for number in range(40):
        upstream.on("GET", f"/consignments/{number}/details", document(1, str(number)))
    upstream.on("POST", "/consignments", started(CODE))
    carrier = account()
    looks = asyncio.create_task(carrier.track(many, NOW))
    await asyncio.sleep(0)
    booked = await carrier.book(Booking("account-7", BARCODE, shipment(), NOW))
    assert booked == Booked((Ticket(CODE),), "70001")
    assert not looks.done()
    assert await looks == [[]] * 40
    assert 1 < upstream.most_at_once <= 4
