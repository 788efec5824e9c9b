"""Old clients over a real connection: an independent reader, and what each of them is known to send.

The shapes are those that the wire specification tells of, sections 1.2, 1.6, 7.1 and 7.2.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from xml.sax.saxutils import escape

import pytest
import structlog
from tests.dialects.iletimerkezi.office import Customer, Office
from tests.dialects.iletimerkezi.plugin import Page, Plugin

from ulak import logs
from ulak.core.ports import ReportState
from ulak.dialects.door import Dialect
from ulak.service import contacts
from ulak.web import Web
from ulak.wiring import http, server

FORM = "application/x-www-form-urlencoded"
SETTINGS = {"legacy_login": "on"}


async def ready() -> dict[str, object]:
    return {"ready": True}


@asynccontextmanager
async def listening(doors: Dialect) -> AsyncIterator[tuple[str, int]]:
    """A dialect behind the server that `ulak serve` starts."""
    running = http.server(Web([("/v1/", doors)], ready))
    socket = server._listen("127.0.0.1", 0)
    serving = asyncio.ensure_future(running.serve(sockets=[socket]))
    try:
        yield socket.getsockname()[:2]
    finally:
        running.should_exit = True
        await serving


def by_key(who: Customer) -> str:
    return f"<key>{who.key}</key><hash>{who.hash}</hash>"


def by_name(who: Customer) -> str:
    return f"<username>{who.key}</username><password>{who.hash}</password>"


def order(text: str, *numbers: str, sender: str = "ORNEKAS", more: str = "") -> str:
    inside = "".join(f"<number>{number}</number>" for number in numbers)
    message = f"<message><text><![CDATA[{text}]]></text><receipents>{inside}</receipents></message>"
    return f"<order><sender>{sender}</sender>{more}{message}</order>"


async def off_loop(call: Callable[[], Page]) -> Page:
    return await asyncio.to_thread(call)


def fine(page: Page) -> bool:
    return page.status == 200 and page.went_well and page.code == "200"


def refused(page: Page, code: int, message: str) -> bool:
    """An error: its status is its code, and there is nothing beside the status."""
    assert page.every("message") == [message]
    members = [line for line in page.text.splitlines() if line.startswith("  <")]
    assert members == ["  <status>", "  </status>"]
    return (page.status, page.code, page.went_well) == (code, str(code), False)


async def test_a_plugin_reads_every_answer(books: Any) -> None:
    office = Office(books)
    names = ["ORNEKAS", "Örnek & A"]
    owner = await office.customer("owner", credit=134, senders=names, settings=SETTINGS)
    async with listening(office.doors) as (host, port):
        plugin = Plugin(host, port, by_key(owner))

        async def post(operation: str, inside: str = "") -> Page:
            page = await off_loop(lambda: plugin.post(operation, inside))
            assert page.content_type == "text/xml; charset=utf-8"
            return page

        balance = await post("get-balance")
        assert fine(balance)
        assert (balance.one("amount"), balance.one("sms")) == ("0.0000", "134")
        senders = await post("get-sender")
        assert fine(senders)
        assert senders.every("sender") == names

        sent = await post("send-sms", order("Merhaba", "5301234567", "5301234568", "&lt;yok&gt;"))
        assert fine(sent)
        number = int(sent.one("id"))
        assert 0 < number < 2**31
        await office.report(owner, number, {0: ReportState.DELIVERED, 1: ReportState.UNDELIVERED})
        report = await post("get-report", f"<order><id>{number}</id></order>")
        assert fine(report)
        assert report.rows() == [("+905301234567", "111"), ("+905301234568", "112"), ("<yok>", "112")]
        assert [report.one(name) for name in ("total", "delivered", "undelivered", "waiting", "price")] == [
            *("3", "1", "2", "0", "1")
        ]
        assert report.every("status") == ["114", "111", "112", "112"]
        assert report.one("submitAt") == report.one("sendAt") == "2026-05-20 14:03:11"

        later = "<sendDateTime>25/05/2026 09:30</sendDateTime>"
        scheduled = (await post("send-sms", order("Sonra", "5301234567", more=later))).one("id")
        which = f"<order><id>{scheduled}</id></order>"
        assert refused(await post("get-report", which), 456, "Sipariş gönderim tarihi henüz gelmedi")
        assert fine(await post("cancel-order", which))
        assert refused(await post("cancel-order", which), 455, "Sipariş bulunamadı")
        assert (await post("get-report", which)).every("status") == ["115", "112"]
        assert fine(await post("add-plugin-user", "<pluginUser><site>a.b</site><name>c</name></pluginUser>"))

        again = order("Merhaba", "5301234567", "5301234568", "&lt;yok&gt;")
        for inside, code, message in (
            (order("Merhaba", "5301234567", sender="X"), 450, "Gönderilen başlık kullanıma uygun değil"),
            (again, 451, "Tekrar eden sipariş"),
            (order("Merhaba", "1"), 452, "Mesaj alıcıları hatalı"),
            (order("", "5301234567"), 454, "Mesaj metni boş"),
            ("", 400, "İstek çözümlenemedi"),
        ):
            assert refused(await post("send-sms", inside), code, message)
        missing = "API istek yapılan yönteme sahip değil"
        assert refused(await post("get-reports"), 404, missing)
        wrong = Plugin(host, port, "<key>a</key><hash>b</hash>")
        assert refused(await off_loop(lambda: wrong.post("get-balance")), 401, "Üyelik bilgileri hatalı")


async def test_a_plugin_reads_the_blacklist(books: Any) -> None:
    office = Office(books)
    owner = await office.customer("owner")
    await office.texted(owner, "905321234567", "RET")
    async with listening(office.doors) as (host, port):
        plugin = Plugin(host, port, by_key(owner))

        async def post(operation: str, inside: str = "") -> Page:
            return await off_loop(lambda: plugin.post(operation, f"<blacklist>{inside}</blacklist>"))

        assert fine(await post("add-blacklist", "<number>0530 123 45 67</number>"))
        page = await post("get-blacklist")
        assert fine(page)
        assert (page.one("count"), sorted(page.every("number"))) == ("2", ["+905301234567", "+905321234567"])
        assert fine(await post("delete-blacklist", "<number>5301234567</number>"))
        page = await post("get-blacklist", "<filter><start>2026-05-20 00:00:00</start></filter>")
        assert (page.one("count"), page.every("number")) == ("1", ["+905321234567"])
        page = await post("get-blacklist", "<page>2</page>")
        assert fine(page)
        assert (page.one("count"), page.every("number")) == ("1", [])

        permanent = "Bu numara üzerindeki engelleme kaldırılamaz"
        for number in ("5301234567", "5321234567"):
            page = await post("delete-blacklist", f"<number>{number}</number>")
            assert refused(page, 474, permanent)
        for operation in ("add-blacklist", "delete-blacklist"):
            assert refused(await post(operation, "<number>x</number>"), 466, "Hatalı numara.")
        assert refused(await post("get-blacklist", "<page>0</page>"), 464, "Page değeri 1 den başlamalı.")
        page = await post("get-blacklist", "<filter><start>x</start></filter>")
        assert (page.status, page.code, page.went_well) == (422, "422", False)
        (errors,) = page.parts("errors")
        assert errors.one("start") == "start Y-m-d H:i:s biçimi ile eşleşmiyor."


async def test_a_plugin_reads_contacts_and_groups(books: Any) -> None:
    office = Office(books)
    owner = await office.customer("owner", settings={"contacts": "on"})
    field = await books.write(lambda tx: contacts.add_field(tx, "owner", "Not"))
    async with listening(office.doors) as (host, port):
        plugin = Plugin(host, port, by_key(owner))

        async def post(operation: str, inside: str = "") -> Page:
            return await off_loop(lambda: plugin.post(operation, inside))

        names = ("Bayi & <Müşteri>", "Ankara", "İzmir")
        made: list[str] = []
        for name, parent in zip(names, (0, 1, 1), strict=True):
            above = made[0] if parent else ""
            inside = f"<name>{escape(name)}</name><parent>{above}</parent>"
            page = await post("add-group", f"<group>{inside}</group>")
            assert fine(page)
            assert page.one("name") == name
            made.append(page.one("id"))
        values = f"<custom_field><id>{field}</id><value>A &lt; B</value></custom_field>"
        groups = f"<group><id>{made[0]}</id></group><group><id>{made[2]}</id></group>"
        said = f"<gsm>5301234567</gsm><custom_fields>{values}</custom_fields><groups>{groups}</groups>"
        added = await post("add-contact", f"<contact><name>Ali</name><surname>Öz</surname>{said}</contact>")
        ali = shown(added)
        expected = ("Ali", "Öz", "", "+905301234567", [str(field)], ["A < B"], [made[0], made[2]])
        assert ali[1:] == expected
        await post("add-contact", f"<contact><name>Can</name><groups><id>{made[0]}</id></groups></contact>")

        page = await post("get-groups")
        (top,) = page.parts("group")
        (children,) = top.parts("children")
        assert (top.every("id")[0], top.every("name")[0], top.every("count")[0]) == (made[0], names[0], "2")
        below = [
            (child.one("id"), child.one("name"), child.one("count")) for child in children.parts("child")
        ]
        assert below == [(made[1], names[1], "0"), (made[2], names[2], "1")]
        page = await post("get-group-contacts", f"<group><id>{made[0]}</id></group>")
        assert [each.every("name") for each in page.parts("contact")] == [["Ali"], ["Can"]]
        for operation, inside in (
            ("get-contact", f"<contact><id>{ali[0]}</id></contact>"),
            ("get-group-contacts", f"<group><id>{made[2]}</id></group>"),
            ("search-contacts", "<search><key>0530 123</key></search>"),
        ):
            page = await post(operation, inside)
            assert fine(page)
            assert shown(page) == ali
        edited = f"<contact><id>{ali[0]}</id><name>Veli</name><groups></groups></contact>"
        assert shown(await post("edit-contact", edited)) == (ali[0], "Veli", *ali[2:7], [])
        assert fine(await post("edit-group", f"<group><id>{made[1]}</id><name>Adana</name></group>"))
        assert len((await post("get-groups")).parts("group")) == 2

        for operation, inside, code, message in REFUSED:
            assert refused(await post(operation, inside), code, message), operation
        page = await post("add-group", f"<group><name>{'a' * 256}</name></group>")
        assert (page.status, page.code) == (422, "422")
        (errors,) = page.parts("errors")
        assert errors.one("name") == "name en fazla 255 karakter olabilir."
        assert fine(await post("delete-contact", f"<contact><id>{ali[0]}</id></contact>"))
        assert fine(await post("delete-group", f"<group><id>{made[0]}</id></group>"))
        assert [each.every("name") for each in (await post("get-groups")).parts("group")] == [["Adana"]]


NO_GROUP, NO_CONTACT = "Böyle bir grup bulunamadı.", "Kişi bulunamadı."

REFUSED = [
    ("add-group", "<group><name></name></group>", 461, "Grup adını boş bırakamazsınız."),
    ("edit-group", "<group><name>A</name></group>", 462, "Grup id alanını boş bırakamazsınız."),
    ("delete-group", "<group><id>2147483647</id></group>", 463, NO_GROUP),
    ("get-group-contacts", "<group><id>1</id><page>0</page></group>", 464, "Page değeri 1 den başlamalı."),
    ("get-contact", "<contact><id>2147483647</id></contact>", 465, NO_CONTACT),
    ("search-contacts", "<search><key>kimse yok</key></search>", 465, NO_CONTACT),
    ("add-contact", "<contact><gsm>x</gsm></contact>", 466, "Hatalı numara."),
    ("search-contacts", "<search><key>al</key></search>", 471, "Arama terimi en az 3 karakter olmalıdır"),
    (
        "add-contact",
        "<contact/>",
        472,
        "Ad, soyad, cep telefonu, email alanlarından en az biri dolu olmalıdır.",
    ),
    (
        "add-contact",
        "<contact><name>A</name><custom_fields><custom_field><id>99</id></custom_field></custom_fields></contact>",
        473,
        "Özel alan bulunamadı.",
    ),
]


def shown(page: Page) -> tuple[str, str, str, str, str, list[str], list[str], list[str]]:
    """The only contact in an answer."""
    assert fine(page)
    (contact,) = page.parts("contact")
    (values,) = contact.parts("custom_fields")
    (groups,) = contact.parts("groups")
    fields = [each.one("id") for each in values.parts("custom_field")]
    return (
        contact.every("id")[0],
        *(contact.one(name) for name in ("name", "surname", "email", "gsm")),  # type: ignore[return-value]
        fields,
        values.every("value"),
        groups.every("id"),
    )


GEM = "<order><id>{id}</id><page>1</page><row_count>1000</row_count></order>"

SENDING: dict[str, Callable[[Plugin, Customer, Customer], Page]] = {
    "verify script: key and hash, empty sendDateTime, no iys": lambda new, *_: new.post(
        "send-sms", order("1", "05301234567", more="<sendDateTime></sendDateTime>")
    ),
    "gem: the current minute": lambda new, *_: new.post(
        "send-sms",
        order("2", "+90 530 123 45 67", more="<sendDateTime>20/05/2026 14:03</sendDateTime>"),
        content_type="application/xml",
    ),
    "roadrunner: raw XML as a form, with encoding": lambda new, *_: new.post(
        "send-sms",
        order("3 a=b&c=d", "905301234567", more="<encoding>gsm0338-tr</encoding>"),
        content_type=FORM,
    ),
    "no content type, no declaration": lambda new, *_: new.post(
        "send-sms", order("4", "5301234567"), content_type=None, declaration=""
    ),
    "a content type of JSON": lambda new, *_: new.post(
        "send-sms", order("5", "5301234567"), content_type="application/json; charset=utf-8"
    ),
    "old Java and Python: the field data": lambda new, *_: new.post(
        "send-sms", order("6 ğ+&%", "5301234567"), content_type=FORM, as_field=True
    ),
    "vtiger: a slash at the end": lambda new, *_: new.post("send-sms/", order("7", "5301234567")),
    "SimpleXML: one line, then a new line": lambda new, *_: new.post(
        "send-sms", order("8", "5301234567") + "\n", declaration='<?xml version="1.0"?>\n'
    ),
    "Delphi: a Turkish code page": lambda new, *_: new.post(
        "send-sms",
        order("9 ığüşöç", "5301234567"),
        declaration='<?xml version="1.0" encoding="iso-8859-9" ?>',
        encoding="iso-8859-9",
    ),
    "n8n: a GET with a plus sign as it is": lambda new, _owner, login: new.get(
        f"username={login.key}&password={login.hash}&text=n8n&receipents=+905301234567&sender=ORNEKAS"
    ),
    "GET with key and hash": lambda new, owner, _: new.get(
        f"key={owner.key}&hash={owner.hash}&text=%C4%9F&receipents=5301234567,%205301234568&sender=ORNEKAS&iys=0"
    ),
}


@pytest.mark.parametrize("name", SENDING)
async def test_what_old_clients_send(books: Any, name: str) -> None:
    office = Office(books)
    owner = await office.customer("owner", credit=10, senders=["ORNEKAS"], settings=SETTINGS)
    login = await office.login("owner", "905321234567")
    async with listening(office.doors) as (host, port):
        for who in (by_key(owner), by_name(login)):
            page = await off_loop(lambda who=who: SENDING[name](Plugin(host, port, who), owner, login))  # type: ignore[misc]
            books.clock.advance(11 * 60 * 1000)  # What is sent again is no repetition then.
            assert fine(page)
        report = await off_loop(
            lambda: Plugin(host, port, by_key(owner)).post("get-report/", GEM.format(id=page.one("id")))
        )
    assert report.rows()[0] == ("+905301234567", "110")


async def test_requests_beside_sending(books: Any) -> None:
    """The gem's empty order, the plugins' empty pages, SDK-ruby and WHMCS with a username."""
    office = Office(books)
    owner = await office.customer("owner", credit=10, senders=["ORNEKAS"], settings=SETTINGS)
    login = await office.login("owner", "05321234567")
    async with listening(office.doors) as (host, port):
        for who in (by_key(owner), by_name(login)):
            plugin = Plugin(host, port, who)
            balance = await off_loop(lambda p=plugin: p.post("get-balance", "<order></order>"))  # type: ignore[misc]
            assert balance.one("sms") == "10"
        sent = await off_loop(lambda: plugin.post("send-sms", order("A", "5301234567")))
        empty = f"<order><id>{sent.one('id')}</id><page></page><rowCount></rowCount></order>"
        report = await off_loop(lambda: plugin.post("get-report", empty, content_type=FORM))
        assert report.rows() == [("+905301234567", "110")]


# What is logged.


class Broken:
    """A store in which something of ours breaks."""

    async def _break(self, *_given: Any, **_named: Any) -> Any:
        raise RuntimeError("broken")

    read = write = gather = _break


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    logs.configure(stream)
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


async def test_a_query_reaches_no_log(logged: io.StringIO) -> None:
    """Neither when all is well nor when it is not, whatever of ours breaks, or of the server's."""
    said = ["4f6b2c", "geheim", "Kodunuz", "4821", "5301234567", "ORNEKAS"]
    key, secret, text, digits, number, sender = said
    query = f"key={key}&hash={secret}&text={text}+{digits}&receipents={number}&sender={sender}"
    inside = f"<key>{key}</key><hash>{secret}</hash>"
    doors = Office(Broken()).doors
    async with listening(doors) as (host, port):
        plugin = Plugin(host, port, inside)
        for page in (
            await off_loop(lambda: plugin.get(query)),
            await off_loop(lambda: plugin.post("send-sms", order(f"{text} {digits}", number))),
        ):
            assert (page.status, page.code) == (500, "500")
        assert (await off_loop(lambda: plugin.get(query + "&text=%FE"))).status == 400
        assert (await off_loop(lambda: plugin.call(f"GET /v1/x?{query}"))).status == 404
        no_http = f"GET /v1/send-sms/get?{query} and more"
        assert (await off_loop(lambda: plugin.call(no_http))).status == 400
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [line["path"] for line in lines if line["event"] == "door.crashed"] == [
        "/v1/send-sms/get/",
        "/v1/send-sms",
    ]
    assert not [word for word in said if word in logged.getvalue()]
