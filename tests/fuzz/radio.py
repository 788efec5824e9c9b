"""What comes over the air and over links: SMPP sessions, receipts, texts, and the codes in them."""

from __future__ import annotations

from tests.fuzz.checks import storable

from ulak.core import codes as code_words
from ulak.core.ports import Inbound, Report
from ulak.core.text import (
    Encoding,
    decode_gsm7,
    encode_gsm7,
    encoding_of,
    priced_parts,
    split,
    units,
    user_data_header,
)
from ulak.dialects.smpp import codes, mobile, wire
from ulak.dialects.smpp.pieces import planner
from ulak.dialects.smpp.reading import read_inbound, read_message
from ulak.dialects.smpp.receipt import is_receipt, read_receipt
from ulak.dialects.smpp.session import BindAsked, Event, Incoming, Role, Session, State
from ulak.dialects.smpp.settings import LinkSettings
from ulak.dialects.smpp.wire import Malformed, ShortMessage

_OWING_MAX = 5


# Sessions


def smpp_session(data: bytes) -> None:
    """A peer's bytes. The first says which end we are, and how the bytes are cut into reads."""
    if not data:
        return
    role = Role.SMSC if data[0] & 1 else Role.ESME
    cut = 1 + data[0] // 8
    whole, pieces = _session(role, bool(data[0] & 2)), _session(role, bool(data[0] & 2))
    told = _heard(whole, data[1:])
    in_pieces: list[Event[int]] = []
    for start in range(1, len(data), cut):
        in_pieces += _heard(pieces, data[start : start + cut])
    # Who does not wait for the answer to his bind is in for what comes with the next read.
    if not any(isinstance(event, BindAsked) for event in told):
        assert in_pieces == told
        assert pieces.state is whole.state
        assert pieces.take() == whole.take()
    assert 0 <= whole.owing <= _OWING_MAX
    assert len(whole._rest) < wire.PDU_SIZE_MAX


def _session(role: Role, bound: bool) -> Session[int]:
    session: Session[int] = Session(role, owing_max=_OWING_MAX)
    if not bound:
        return session
    bind = wire.encode_bind(wire.Bind("system", "secret"))
    if role is Role.SMSC:
        (asked,) = session.receive(wire.frame(codes.BIND_TRANSCEIVER, 0, 1, bind))
        assert isinstance(asked, BindAsked)
        session.answer_bind(asked, 0, "ULAK")
        session.ask(codes.DELIVER_SM, b"a", 7, 0.0)
    else:
        session.bind(codes.BIND_TRANSCEIVER, wire.Bind("system", "secret"))
        session.receive(wire.frame(codes.BIND_TRANSCEIVER | codes.RESPONSE, 0, 1, b"smsc\0"))
        for token in range(3):
            session.ask(codes.SUBMIT_SM, b"a", token, 0.0)
        session.enquire()
    assert session.state is State.BOUND_TRX
    session.take()
    return session


def _heard(session: Session[int], data: bytes) -> list[Event[int]]:
    events = session.receive(data)
    for event in events:
        if isinstance(event, BindAsked):
            session.answer_bind(event, 0, "ULAK")
        elif isinstance(event, Incoming):
            _written_again(event.message)
    return events


def _written_again(message: ShortMessage) -> None:
    """What was read can be written, and read again as the same."""
    if not message.tlvs_whole:
        return
    body = wire.encode_message(message)
    assert wire.decode_message(body, 0, len(body)) == message._replace(tlvs=message.tlvs or None)


# Messages


def smpp_message(data: bytes) -> None:
    """The body of a deliver_sm: a receipt, or a text from somebody."""
    try:
        message = wire.decode_message(data, 0, len(data))
    except Malformed:
        return
    _written_again(message)
    read_message(message)
    inbound = read_inbound(message)
    storable(inbound)
    _inbound(inbound)
    report = read_receipt(message)
    if report is not None:
        _report(report)
    is_receipt(message)


def _inbound(found: Inbound) -> None:
    assert 1 <= found.part <= found.parts <= 255
    assert len(found.reference) == 32
    assert 0 <= found.number < 10**17


def _report(found: Report) -> None:
    assert 0 < len(found.reference) <= wire.MESSAGE_ID_MAX
    assert 0 <= found.number < 10**17
    assert len(found.raw) <= 50


def sms_text(data: bytes) -> None:
    """A text, cut into parts and read again, in every alphabet that has it and every form of chain."""
    text = data.decode("utf-8", "replace")
    encoding = encoding_of(text)
    assert priced_parts(text) >= 1
    for alphabet in Encoding:
        _parts(text, alphabet, possible=alphabet >= encoding)
    assert b"".join(split(text, Encoding.UCS2)).decode("utf-16-be") == text
    septets = bytes(octet & 0x7F for octet in data)
    for turkish in (False, True):
        shown = decode_gsm7(septets, turkish)
        assert len(shown) <= len(septets)
    # What fills up fields is taken away from the ends of each part.
    if not {"\0", "\ufeff"} & set(text):
        _through_the_air(text, mobile.FORMS[len(data) % len(mobile.FORMS)])


def _parts(text: str, alphabet: Encoding, *, possible: bool) -> None:
    try:
        segments = split(text, alphabet)
    except ValueError:
        assert not possible
        return
    size = units(text, alphabet)
    room = 1 if alphabet is Encoding.UCS2 else 2
    assert sum(map(len, segments)) == (2 * size if alphabet is Encoding.UCS2 else size)
    assert len(segments) <= 1 + size * room // (63 if alphabet is Encoding.UCS2 else 140)
    if len(segments) <= 255:
        headers = [user_data_header(alphabet, n, len(segments), 7) for n, _ in enumerate(segments, start=1)]
        for header, segment in zip(headers, segments, strict=True):
            septets = -(-len(header) * 8 // 7) + len(segment)
            assert len(header) + len(segment) <= 140 or septets <= 160
    if alphabet is not Encoding.UCS2:
        turkish = alphabet is Encoding.GSM7_TR
        assert b"".join(segments) == encode_gsm7(text, turkish)
        assert "".join(decode_gsm7(segment, turkish) for segment in segments) == text


_PLAN = planner(LinkSettings("127.0.0.1", "ulak"))


def _through_the_air(text: str, form: str) -> None:
    try:
        bodies = mobile.bodies("+905301234567", 4930, text, 7, form)
    except ValueError:
        return
    found = [read_inbound(wire.decode_message(body, 0, len(body))) for body in bodies]
    assert "".join(each.text for each in found) == text
    assert len({each.reference for each in found}) == 1
    try:
        plan = _PLAN("ULAK", text)
    except ValueError:
        return
    parts = [plan.body(b"905301234567", part, 7) for part in range(plan.total)]
    read = [read_message(wire.decode_message(part, 0, len(part))) for part in parts]
    assert "".join(part.text for part in read) == text


def sms_code(data: bytes) -> None:
    """A text that a code is looked for in."""
    text = data.decode("utf-8", "replace")
    for service in ("tg", "mt"):
        code = code_words.find_code(text, service)
        assert code is None or 0 < len(code) <= 20


def code_pattern(data: bytes) -> None:
    """An operator's pattern, and a text behind a line: a pattern that is let through finds soon."""
    pattern, _, text = data.decode("utf-8", "replace").partition("\n")
    try:
        code_words.check_pattern(pattern)
    except ValueError:
        return
    code_words.find_code(text * (1 + 700 // max(1, len(text))), "tg", {"tg": pattern})
