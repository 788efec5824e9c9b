"""Large batches of consent: how many records, how many errors, and how much of the server they take."""

from __future__ import annotations

from typing import Any

from tests.dialects.iletimerkezi.office import Office

from ulak.dialects.iletimerkezi import forms, wire
from ulak.dialects.iletimerkezi.consent_drafts import ERRORS_MAX, RECORDS_MAX, draft_of, faults
from ulak.dialects.iletimerkezi.jsonbody import request_in

BRAND = 100200
NOW = 1_779_274_991_000
OWN = {"iys_brand": str(BRAND), "iys_subscription": "on"}


def records(count: int, **changes: str) -> list[dict[str, str]]:
    common = {"recipientType": "BIREYSEL", "type": "MESAJ", "status": "ONAY", "source": "HS_WEB"}
    common |= {"consentDate": "2026-05-19 10:15:00"} | changes
    return [{"recipient": str(905300000000 + each)} | common for each in range(count)]


async def test_the_largest_batch_and_one_more(books: Any) -> None:
    office = Office(books)
    owner = await office.customer("owner", settings=OWN)

    async def create(given: list[dict[str, str]]) -> Any:
        return await office.ask(owner, "consent/create", consent={"brandCode": BRAND, "list": given})

    over = await create(records(RECORDS_MAX + 1))
    assert (over["status"]["code"], list(over["errors"])) == (422, ["list"])
    assert (await create(records(RECORDS_MAX)))["status"]["code"] == 200
    again = await create(records(RECORDS_MAX))
    assert again["status"]["code"] == 422
    assert list(again["errors"]) == [f"list.{place}.status" for place in range(ERRORS_MAX)]
    late = await create(records(RECORDS_MAX, consentDate="2026-05-01 00:00:00"))
    assert list(late["errors"]) == [f"list.{place}.consentDate" for place in range(ERRORS_MAX)]
    name = {"brandCode": BRAND, "recipient": "+905300004999", "recipientType": "BIREYSEL", "type": "MESAJ"}
    shown = await office.ask(owner, "consent/show", consent=name)
    assert shown["consent"] == name | {
        "status": "ONAY",
        "source": "HS_WEB",
        "consentDate": "2026-05-19 10:15:00",
    }


def test_errors_are_bounded_and_the_first_ones() -> None:
    odd = wire.ConsentRecord("", "", "", "", "", "")
    found = faults(draft_of(wire.Consents("1", [odd] * RECORDS_MAX)), BRAND, NOW)
    assert len(found) == 1 + ERRORS_MAX
    assert next(iter(found)) == "brandCode"
    assert {key.split(".")[1] for key in list(found)[1:]} == {str(place) for place in range(17)}


def test_what_a_client_writes_is_what_the_server_reads() -> None:
    record = wire.ConsentRecord("+905301234567", "BIREYSEL", "MESAJ", "ONAY", "HS_WEB", "2026-05-19 10:15:00")
    asked = wire.CreateConsents(wire.Authentication("k", "h"), wire.Consents(str(BRAND), [record]))
    body = wire.dump_request(asked)
    assert b'"consent":{"brandCode":"100200","list":[{"recipient":"+905301234567",' in body
    assert forms.create_consents(request_in(body)) == asked
    (word,) = draft_of(asked.consent).words
    assert word.person.recipient == "905301234567"
