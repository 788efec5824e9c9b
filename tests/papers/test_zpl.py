"""ZPL: what a printer would be told, read the way its manual says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import parcel_cast as cast

from ulak.core.consignments import LabelFormat
from ulak.papers.code128 import can_encode
from ulak.papers.printer import PaperPrinter

_ESCAPE = re.compile("_([0-9A-F]{2})")
_INVOKED = re.compile(">([:;5-7<0=])")


def told(name: str = "Ece Su", tracking: str = "RR123456785TR", dots: int = 8) -> str:
    """The label as text."""
    label = cast.label(tracking=tracking, format=LabelFormat.ZPL)
    shipment = cast.shipment(recipient=cast.recipient(name=name, attention=name))
    made = cast.consignment(1, barcode="C2H40516273849", labels=[label], shipment=shipment)
    file = PaperPrinter(dots=dots).label(made, label)
    assert file.mime == "application/zpl"
    return file.content.decode()


def fields(zpl: str, command: str) -> list[str]:
    """The data of all fields that are printed by a command."""
    found = [line for line in zpl.splitlines() if command in line]
    data = [line.partition("^FH^FD")[2].removesuffix("^FS") for line in found]
    return [_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), field) for field in data]


def scanned(field: str) -> str:
    """What ^BC makes of its data: `>` begins a change of the code set, or a sign that cannot stand alone."""
    signs = {"<": "^", "0": ">", "=": "~"}
    assert field[:2] in (">:", ">;")
    return _INVOKED.sub(lambda found: signs.get(found[1], ""), field)


def test_one_label_begins_and_ends() -> None:
    lines = told().splitlines()
    assert lines[:4] == ["^XA", "^CI28", "^PW800", "^LL1200"]
    assert lines[-1] == "^XZ"
    assert [told().count(command) for command in ("^XA", "^XZ", "^BC", "^BQ")] == [1, 1, 2, 1]
    assert all(line.endswith("^FS") for line in lines if line.startswith("^F"))


def test_fields_say_what_the_page_says() -> None:
    zpl = told("Şule Çağlar")
    assert "Şule Çağlar" in fields(zpl, "^A0")
    assert [scanned(field) for field in fields(zpl, "^BC")] == ["RR123456785TR", "C2H40516273849"]
    assert fields(zpl, "^BC") == [">:RR1>523456785>6TR", ">:C2H4>50516273849"]
    assert fields(zpl, "^BQ") == ["MA,RR123456785TR"]


@pytest.mark.parametrize(("dots", "width"), [(6, 600), (8, 800), (12, 1200), (24, 2400)])
def test_lengths_follow_the_density(dots: int, width: int) -> None:
    zpl = told(dots=dots)
    assert f"^PW{width}\n^LL{width * 3 // 2}\n" in zpl
    module = int(re.findall(r"\^BY([0-9]+)", zpl)[0])
    assert module == min(dots // 2, 10)


def test_a_density_that_no_printer_has_is_refused() -> None:
    with pytest.raises(ValueError, match="10 dots"):
        told(dots=10)


signs = st.text(st.sampled_from("^~_\\>AĞ19 "), min_size=1, max_size=20)


@settings(deadline=None)
@given(signs, st.text(st.sampled_from("^~_>A19"), min_size=1, max_size=12))
def test_no_text_becomes_a_command(name: str, tracking: str) -> None:
    zpl = told(name, tracking)
    assert zpl.count("^XZ") == zpl.count("^XA") == 1
    assert "~" not in zpl
    inside = [line.partition("^FD")[2].removesuffix("^FS") for line in zpl.splitlines() if "^FD" in line]
    assert not [field for field in inside if "^" in field]
    if name.strip():
        assert " ".join(name.split()) in fields(zpl, "^A0")
    assert can_encode(tracking)
    assert scanned(fields(zpl, "^BC")[0]) == tracking
    assert fields(zpl, "^BQ") == [f"MA,{tracking}"]
