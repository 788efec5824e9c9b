"""Labels by their public links, and the pictures of carriers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.dialects.comtohome.office import (
    PDF,
    PNG,
    URL,
    Customer,
    Office,
    envelope,
    header,
    messages,
    opened,
    rates,
)
from tests.dialects.comtohome.samples import of_the_page
from tests.service.parcel_carriers import ToldCarrier

from ulak.core.consignments import LabelFormat
from ulak.core.shipping import File, Unreached
from ulak.dialects.comtohome.shown import Show
from ulak.store import labels

FIND = "/consignments/find/trackingCode/1Z999AA10123456784"


async def address_of(office: Office, customer: Customer) -> str:
    """Where the label of the vendor's page is."""
    found = await office.ask(customer, FIND)
    address: str = found["data"]["labels"][0]["file_url"]
    return address.removeprefix(URL)


async def test_a_label_is_made_once_and_kept(books: Any) -> None:
    office, customer = await opened(books)
    address = await address_of(office, customer)
    replies = [await office.call(address, whole=True) for _ in range(2)]
    assert office.printer.labels == 1
    for reply in replies:
        assert (reply.status, reply.body, reply.content_type) == (200, PDF + b"149546", b"application/pdf")
        assert header(reply, "Content-Disposition") == 'inline; filename="label_GejlkH.pdf"'
        assert header(reply, "Cache-Control") == "private, max-age=300"
        assert header(reply, "X-Content-Type-Options") == "nosniff"
        assert rates(reply) == ["300", "300", "0"]


async def test_whoever_makes_a_label_first_decides_its_bytes(lite: Any) -> None:
    office, customer = await opened(lite)
    address = await address_of(office, customer)
    await lite.write(lambda tx: labels.keep_file(tx, 149546, File(b"first", "image/png")))
    reply = await office.call(address, whole=True)
    assert (reply.body, reply.content_type) == (b"first", b"image/png")
    assert header(reply, "Content-Disposition") == 'inline; filename="label_GejlkH.png"', "as it really is"


async def test_a_carriers_own_label(lite: Any) -> None:
    office, customer = await opened(lite)
    address = await address_of(office, customer)
    office.carrier.file = File(b"^XA^XZ", "application/zpl")
    reply = await office.call(address, whole=True)
    assert (reply.body, reply.content_type, office.printer.labels) == (b"^XA^XZ", b"application/zpl", 0)


async def test_a_carrier_that_does_not_answer_for_its_label(lite: Any) -> None:
    class Silent(ToldCarrier):
        async def label(self, *_: Any) -> Unreached:
            return Unreached("timeout")

    office, customer = await opened(lite)
    office.ways[1] = Silent()
    reply = await office.call(await address_of(office, customer), whole=True)
    assert (reply.status, header(reply, "Retry-After")) == (503, "1")


async def test_a_wrong_seal_is_no_label(lite: Any) -> None:
    office, customer = await opened(lite)
    address = await address_of(office, customer)
    path, _, seal = address.partition("?_hash=")
    other = Show(lambda: URL, b"x").seal(of_the_page().labels[0])
    wrong = [
        path,
        f"{path}?_hash=",
        f"{path}?hash={seal}",
        f"{path}?_hash={seal[:-3]}",
        f"{path}?_hash={quote(other)}",
    ]
    wrong += [address.replace("149546", "149547"), f"{path}x?_hash={seal}", f"{path}?_hash=%ff%00"]
    for one in wrong:
        reply = await office.call(one, whole=True)
        assert (reply.status, messages(envelope(reply))) == (404, ["Etiket bulunamadı"]), one
    plain = await office.call(f"{path}?x=1&_hash={seal.replace('%2B', '+')}", whole=True)
    assert plain.status == 200, "a plus sign that somebody decoded"


async def test_a_label_of_what_was_cancelled_is_gone(books: Any) -> None:
    office, customer = await opened(books)
    address = await address_of(office, customer)
    assert (await office.call(address, whole=True)).status == 200
    await office.ask(customer, "/consignments/632280/cancel", method="POST")
    gone = await office.call(address, whole=True, headers={"accept-language": "en"})
    assert (gone.status, messages(envelope(gone))) == (410, ["The label is no longer valid"])
    wrong = await office.call(address + "x", whole=True)
    assert wrong.status == 404, "only who knows the address learns that it is gone"


async def test_a_revoked_label_is_gone(lite: Any) -> None:
    office = Office(lite)
    customer = await office.customer("owner")
    made = of_the_page(customer.id)
    made.labels[0] = made.labels[0]._replace(revoked=1, format=LabelFormat.ZPL)
    await office.load(made)
    assert (await office.call(await address_of(office, customer), whole=True)).status == 410


async def test_logos(lite: Any) -> None:
    office = Office(lite)
    for _ in range(2):
        reply = await office.call("/uploads/provider_logos/yurtici-kargo.png", whole=True)
        assert (reply.status, reply.body, reply.content_type) == (200, PNG + b"yurtici-kargo", b"image/png")
    assert office.drawn == ["yurtici-kargo"], "drawn once"
    for name in ("x.gif", "..%2f.png", "A.png", ".png", "a" * 81 + ".png"):
        assert (await office.call(f"/uploads/provider_logos/{name}", whole=True)).status == 404
