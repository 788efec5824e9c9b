"""Labels: what a scanner and a reader find on them, whatever they are made of."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests import parcel_cast as cast
from tests.papers.reading import CODE_128, QR, all_inside, codes_in, image_of, opened, sizes_of, text_of

from ulak.core.consignments import CarrierName, Consignment, LabelFormat, PaperKind, Party
from ulak.papers.labels import A6, LARGE
from ulak.papers.logo import logo
from ulak.papers.printer import PaperPrinter

TURKISH = "ĞÜŞİÖÇğüşıöç"
PRINTER = PaperPrinter()


def consignment(tracking: str | None = "RR123456785TR", format: int = 0, **over: Any) -> Consignment:
    """One package whose label has this code."""
    labels = [cast.label(tracking=tracking, format=format)]
    fields = {"barcode": "C2H40516273849", "labels": labels, "uuid": "u"} | over
    return cast.consignment(1, **fields)


def printed(made: Consignment, printer: PaperPrinter = PRINTER, place: int = 0) -> bytes:
    """The file of one label."""
    return printer.label(made, made.labels[place]).content


def to(**over: Any) -> dict[str, Any]:
    """The shipment to such a recipient."""
    return {"shipment": cast.shipment(recipient=cast.recipient(**over))}


@pytest.mark.parametrize("size", [LARGE, A6])
def test_scanners_read_both_codes_and_the_square(size: tuple[float, float]) -> None:
    content = printed(consignment(), PaperPrinter(size))
    assert codes_in(image_of(content)) == {
        (CODE_128, "RR123456785TR"),
        (CODE_128, "C2H40516273849"),
        (QR, "RR123456785TR"),
    }
    assert sizes_of(content) == [size]
    assert PRINTER.label(consignment(), cast.label()).mime == "application/pdf"


@pytest.mark.parametrize("tracking", [None, "", "C2H40516273849"])
def test_without_a_code_of_the_carrier_the_system_barcode_takes_its_place(tracking: str | None) -> None:
    found = codes_in(image_of(printed(consignment(tracking))))
    assert found == {(CODE_128, "C2H40516273849"), (QR, "C2H40516273849")}


def test_every_package_has_its_own_label() -> None:
    packages = tuple(cast.package(weight=Decimal(weight)) for weight in ("1", "2.250", "3"))
    labels = [cast.label(place=place, tracking=f"1Z{place}00000000") for place in range(3)]
    made = consignment(labels=labels, shipment=cast.shipment(packages=packages))
    for place, weight in enumerate(("1 kg", "2.25 kg", "3 kg")):
        content = printed(made, place=place)
        assert (CODE_128, f"1Z{place}00000000") in codes_in(image_of(content))
        assert {f"Demo Kargo {place + 1} / 3", weight} <= set(text_of(content).splitlines())


def test_a_label_too_small_for_its_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="90 × 140 mm"):
        PaperPrinter((60.0, 40.0))


def test_turkish_names_are_read_back_exactly() -> None:
    made = consignment(**to(name=TURKISH, attention="Iğdır'lı İsmail", address="Şükrü Sk. No:7/Ğ"))
    lines = text_of(printed(made)).splitlines()
    assert [line for line in lines if line] == [
        "Demo Kargo 1 / 1",
        "GÖNDEREN / FROM",
        "Kuzey Depo",
        "Şule Çağlar",
        "Liman Cd. 4",
        "35040 Bornova / İzmir",
        "Tel: +902320000000",
        "ALICI / TO",
        TURKISH,
        "Iğdır'lı İsmail",
        "Şükrü Sk. No:7/Ğ",
        "01010 Seyhan / Adana",
        "Tel: +905550000000",
        "REFERANS / REFERENCE",
        "SO-1001",
        "AĞIRLIK / WEIGHT",
        "2.5 kg",
        "TARİH / DATE",
        "20.05.2026",
        "RR123456785TR",
        "C2H40516273849",
    ]


def test_abroad_the_country_stands_last() -> None:
    text = text_of(printed(consignment(**to(country="DE", city="Köln", state="NRW"))))
    assert "01010 Köln / NRW\nGERMANY\n" in text
    assert "35040 Bornova / İzmir\nTURKEY\n" in text


def test_dangerous_goods_are_marked() -> None:
    dangerous = cast.shipment(packages=(cast.package(dangerous=True),))
    assert "TEHLİKELİ" in text_of(printed(consignment(shipment=dangerous)))
    assert "TEHLİKELİ" not in text_of(printed(consignment()))


def test_identical_boxes_are_counted() -> None:
    boxes = cast.shipment(packages=(cast.package(quantity=3),))
    assert "3 × 2.5 kg" in text_of(printed(consignment(shipment=boxes)))


@pytest.mark.parametrize("size", [LARGE, A6])
@pytest.mark.parametrize("word", ["Uzun ", "UZUN", "ĞÜŞ\n", "WWWWWWWWW "])
def test_long_texts_stay_on_the_page(size: tuple[float, float], word: str) -> None:
    long = cast.party(
        name=(word * 99)[:255], attention=(word * 99)[:255], address=(word * 500)[:1000], city=word * 20
    )
    shipment = cast.shipment(
        sender=long, recipient=long, reference=(word * 99)[:255], method=word * 30, packages=(cast.package(),)
    )
    made = consignment(shipment=shipment, carrier=CarrierName(1, word * 40))
    content = printed(made, PaperPrinter(size))
    assert all_inside(content)
    assert (CODE_128, "RR123456785TR") in codes_in(image_of(content))


def test_a_long_address_is_whole() -> None:
    address = " ".join(f"word{number:03}" for number in range(125))
    text = text_of(printed(consignment(**to(address=address))))
    assert " ".join(text.split()).count(address) == 1


@pytest.mark.parametrize("tracking", ["x" * 60, "Ğ-1", "9" * 200])
def test_a_code_too_long_for_bars_is_in_the_square(tracking: str) -> None:
    found = codes_in(image_of(printed(consignment(tracking))))
    assert found == {(QR, tracking), (CODE_128, "C2H40516273849")}


def test_other_scripts_are_plain_or_question_marks() -> None:
    names = {
        "Ａｙşｅ": "Ayşe",
        "李 Li": "? Li",
        "Gu\u0308l": "Gül",
        "Жанна Ωμέγα Łódź Nguyễn": "Жанна Ωμέγα Łódź Nguyễn",
        "a\u200bb\u0007c": "ab c",
    }
    for name, shown in names.items():
        assert f"\n{shown}\n" in text_of(printed(consignment(**to(name=name))))


anything = st.text(max_size=60)
parties = st.builds(
    cast.party, name=anything, attention=anything, address=anything, city=anything, state=anything
)


@settings(max_examples=30, deadline=None)
@given(parties, parties, anything)
def test_whatever_people_are_called_the_codes_are_read(sender: Party, recipient: Party, other: str) -> None:
    shipment = cast.shipment(sender=sender, recipient=recipient, reference=other, method=other)
    made = consignment(shipment=shipment, carrier=CarrierName(1, other))
    content = printed(made)
    assert len(codes_in(image_of(content))) == 3
    assert all_inside(content)


def test_pictures_are_read_by_scanners_too() -> None:
    file = PaperPrinter().label(consignment(), consignment(format=LabelFormat.PNG).labels[0])
    image = Image.open(BytesIO(file.content))
    assert (file.mime, image.size, image.mode) == ("image/png", (800, 1200), "1")
    assert codes_in(image.convert("L")) == {
        (CODE_128, "RR123456785TR"),
        (CODE_128, "C2H40516273849"),
        (QR, "RR123456785TR"),
    }


def test_a_label_is_small_and_brings_its_font() -> None:
    content = printed(consignment())
    assert len(content) < 12_000
    assert b"+DejaVuSansCondensed" in content
    assert b"Helvetica" not in content
    with opened(content) as document:
        assert document.get_metadata_dict()["Title"].endswith(".pdf")


def digests() -> list[str]:
    """Of one of every paper; the same wherever they are made."""
    made = consignment()
    made.labels = [made.labels[0]._replace(nonce="n", file_name="label.pdf")]
    files = [PRINTER.label(made, made.labels[0]._replace(format=format)) for format in LabelFormat]
    files += [PRINTER.paper(made, kind) for kind in (PaperKind.CN22, PaperKind.CN23, PaperKind.PROFORMA)]
    contents = [file.content for file in files] + [logo("Demo Kargo")]
    return [sha256(content).hexdigest() for content in contents]


def test_the_same_bytes_ever_after() -> None:
    """Also in another process, whose sets have another order."""
    command = "from tests.papers.test_labels import digests; print(*digests())"
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.split() == digests() == digests()


def test_nothing_is_loaded_before_it_is_wanted() -> None:
    command = "import sys, ulak.papers.printer, ulak.papers.logo; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert not {"reportlab", "segno", "PIL", "pycountry"} & set(loaded.stdout.split())


def test_logos_differ_by_name() -> None:
    one, other = logo("Demo Kargo"), logo("izmir")
    assert one != other
    assert Image.open(BytesIO(one)).size == (128, 128)
    assert logo("").startswith(b"\x89PNG")
    assert logo("李").startswith(b"\x89PNG")
