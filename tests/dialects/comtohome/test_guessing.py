"""Keys and links of labels that are guessed."""

from __future__ import annotations

from typing import Any

from tests.dialects.comtohome.office import envelope, header, messages, opened, rates

from ulak.service.guard import Guard
from ulak.service.limits import Penalty

FIND = "/consignments/find/trackingCode/1Z999AA10123456784"


async def test_wrong_keys(lite: Any) -> None:
    """The fifth in a minute is 429 in the words of the rate limit; a key that there is goes on."""
    office, customer = await opened(lite, guard=Guard(Penalty(), lite.clock))
    answers = [await office.call(FIND, key=f"wrong {n}") for n in range(6)]
    assert [reply.status for reply in answers] == [401] * 4 + [429] * 2
    held_up = answers[4]
    assert messages(envelope(held_up)) == ["Too Many Attempts."]
    assert (rates(held_up), header(held_up, "Retry-After")) == (["300", "0", "60"], "60")
    good = await office.call(FIND, key=customer.key)
    assert (good.status, rates(good)) == (200, ["300", "299", "0"])
    assert (await office.call(FIND)).status == 401, "no key is no guess"
    lite.clock.advance(60_000)
    assert (await office.call(FIND, key="wrong")).status == 401


async def test_every_door_with_a_key_counts(lite: Any) -> None:
    office, _ = await opened(lite, guard=Guard(Penalty(), lite.clock))
    doors = [
        ("/consignments", b"", "GET"),
        ("/consignments", b"{}", "POST"),
        ("/consignments/5/cancel", b"", "POST"),
        ("/consignment-documents", b"x", "POST"),
        ("/providers", b"", "GET"),
    ]
    answers = [
        (await office.call(path, body, method=method, key="wrong")).status for path, body, method in doors
    ]
    assert answers == [401] * 4 + [429]


async def test_links_of_labels(lite: Any) -> None:
    office, _ = await opened(lite, guard=Guard(Penalty(), lite.clock))
    guesses = [
        (await office.call(f"/public-download/consignment-label/1?_hash=guess{n}")).status for n in range(6)
    ]
    assert guesses == [404] * 4 + [429] * 2
    nothing = await office.call("/public-download/consignment-label/1")
    assert nothing.status == 404, "who says nothing does not guess"
