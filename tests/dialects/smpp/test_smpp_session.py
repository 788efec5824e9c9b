"""The session, driven with bytes alone: who may say what when, and what everything else is answered."""

from __future__ import annotations

from typing import Any

import pytest
import smpplib.smpp
from hypothesis import given, settings
from hypothesis import strategies as st

from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.session import (
    AFTER_BIND,
    MAY_ASK,
    SEQUENCE_MAX,
    Alive,
    Answer,
    BindAsked,
    BindRefused,
    Bound,
    Broken,
    Incoming,
    Misuse,
    Role,
    Session,
    State,
    Stray,
    Unbound,
)
from ulak.dialects.smpp.wire import Bind, frame

BIND = Bind("ulak", "secret")
BODY = b"\0\5\0ACME\0\1\1905321234567\0\0\0\0\0\0\1\0\0\0\5hello"
RECEIPT = b"\0\1\1905321234567\0\5\0ACME\0\4\0\0\0\0\0\0\0\0\2id"


def header(pdu: bytes) -> tuple[int, int, int]:
    """Command, status and sequence of the one PDU in `pdu`."""
    length, command, status, sequence = wire.HEADER.unpack_from(pdu)
    assert length == len(pdu)
    return command, status, sequence


def bound_esme(command: int = codes.BIND_TRANSCEIVER, owing_max: int = 10) -> Session[str]:
    session: Session[str] = Session(Role.ESME, owing_max=owing_max)
    session.bind(command, BIND)
    session.take()
    session.receive(frame(command | codes.RESPONSE, 0, 1, b"SMSC\0"))
    assert session.bound
    return session


def bound_smsc(command: int = codes.BIND_TRANSCEIVER, owing_max: int = 10) -> Session[str]:
    session: Session[str] = Session(Role.SMSC, owing_max=owing_max)
    (asked,) = session.receive(frame(command, 0, 1, wire.encode_bind(BIND)))
    assert isinstance(asked, BindAsked)
    session.answer_bind(asked, 0, "SMSC")
    session.take()
    return session


def in_state(role: Role, state: State) -> Session[str]:
    if state is State.OPEN:
        return Session(role)
    make = bound_esme if role is Role.ESME else bound_smsc
    return make(next(command for command, after in AFTER_BIND.items() if after is state))


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (codes.BIND_TRANSMITTER, State.BOUND_TX),
        (codes.BIND_RECEIVER, State.BOUND_RX),
        (codes.BIND_TRANSCEIVER, State.BOUND_TRX),
    ],
)
def test_both_ends_bind(command: int, state: State) -> None:
    esme: Session[str] = Session(Role.ESME)
    smsc: Session[str] = Session(Role.SMSC)
    esme.bind(command, BIND)
    (asked,) = smsc.receive(esme.take())
    assert asked == BindAsked(command, 1, BIND)
    assert smsc.state is State.OPEN
    smsc.answer_bind(asked, 0, "SMSC")
    assert esme.receive(smsc.take()) == [Bound("SMSC")]
    assert esme.state is smsc.state is state


def test_a_bind_is_refused() -> None:
    esme: Session[str] = Session(Role.ESME)
    smsc: Session[str] = Session(Role.SMSC)
    esme.bind(codes.BIND_TRANSCEIVER, BIND)
    (asked,) = smsc.receive(esme.take())
    assert isinstance(asked, BindAsked)
    smsc.answer_bind(asked, codes.ESME_RINVPASWD, "SMSC")
    refusal = smsc.take()
    assert len(refusal) == wire.HEADER_SIZE  # §4.1.2: no body when the status is not 0
    assert esme.receive(refusal) == [BindRefused(codes.ESME_RINVPASWD)]
    assert esme.state is smsc.state is State.OPEN


def test_a_bind_is_refused_by_a_generic_nack() -> None:
    esme: Session[str] = Session(Role.ESME)
    esme.bind(codes.BIND_TRANSCEIVER, BIND)
    assert esme.receive(frame(codes.GENERIC_NACK, 0, 1)) == [BindRefused(codes.ESME_RUNKNOWNERR)]


def test_a_message_goes_out_and_its_answer_comes_back() -> None:
    session = bound_esme()
    session.ask(codes.SUBMIT_SM, BODY, "first", 10.0)
    session.ask(codes.SUBMIT_SM, BODY, "second", 11.0)
    written = session.take()
    assert written == frame(codes.SUBMIT_SM, 0, 2, BODY) + frame(codes.SUBMIT_SM, 0, 3, BODY)
    assert session.take() == b""
    assert (session.outstanding, session.oldest()) == (2, 10.0)
    answers = session.receive(
        frame(codes.SUBMIT_SM_RESP, 0, 3, b"0012\0") + frame(codes.SUBMIT_SM_RESP, codes.ESME_RTHROTTLED, 2)
    )
    assert answers == [Answer("second", 0, "0012"), Answer("first", codes.ESME_RTHROTTLED, "")]
    assert (session.outstanding, session.oldest()) == (0, None)


@pytest.mark.parametrize(
    "answer",
    [
        frame(codes.SUBMIT_SM_RESP, 0, 2, b"again\0"),  # a second time
        frame(codes.SUBMIT_SM_RESP, 0, 999, b"late\0"),
        frame(codes.SUBMIT_SM_RESP, 0, 0, b"\0"),
        frame(codes.GENERIC_NACK, codes.ESME_RINVCMDID, 999),
        frame(codes.DELIVER_SM_RESP, 0, 2, b"\0"),
        frame(codes.ENQUIRE_LINK_RESP, 0, 2),
        frame(codes.UNBIND_RESP, 0, 2),
        frame(codes.BIND_TRANSCEIVER | codes.RESPONSE, 0, 2, b"\0"),
        frame(0x80000999, 0, 2),
    ],
)
def test_an_answer_to_nothing_changes_nothing(answer: bytes) -> None:
    session = bound_esme()
    session.ask(codes.SUBMIT_SM, BODY, "message", 0.0)
    session.receive(frame(codes.SUBMIT_SM_RESP, 0, 2, b"1\0"))
    session.take()
    (event,) = session.receive(answer)
    assert isinstance(event, Stray)
    assert session.take() == b""
    assert session.state is State.BOUND_TRX


def test_a_generic_nack_refuses_the_message_it_names() -> None:
    session = bound_esme()
    session.ask(codes.SUBMIT_SM, BODY, "message", 0.0)
    nack = frame(codes.GENERIC_NACK, codes.ESME_RINVCMDLEN, 2)
    assert session.receive(nack) == [Answer("message", codes.ESME_RINVCMDLEN, "")]


def test_a_receipt_is_answered_when_the_owner_says_so() -> None:
    session = bound_esme()
    (event,) = session.receive(frame(codes.DELIVER_SM, 0, 41, RECEIPT))
    assert isinstance(event, Incoming)
    assert event.message.text == b"id"
    assert session.take() == b""
    assert session.owing == 1
    session.answer(event.sequence, codes.ESME_RX_T_APPN)
    assert session.take() == frame(codes.DELIVER_SM_RESP, codes.ESME_RX_T_APPN, 41, b"\0")
    assert session.owing == 0


def test_an_smsc_answers_with_a_message_id() -> None:
    session = bound_smsc()
    (event,) = session.receive(frame(codes.SUBMIT_SM, 0, 5, BODY))
    assert isinstance(event, Incoming)
    session.answer(event.sequence, 0, b"0123")
    assert session.take() == frame(codes.SUBMIT_SM_RESP, 0, 5, b"0123\0")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", [State.OPEN, State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX])
def test_what_is_out_of_turn_is_answered_and_changes_nothing(role: Role, state: State) -> None:
    other = Role.SMSC if role is Role.ESME else Role.ESME
    bodies = {codes.SUBMIT_SM: BODY, codes.DELIVER_SM: RECEIPT}
    asked = {*AFTER_BIND, codes.SUBMIT_SM, codes.DELIVER_SM, codes.UNBIND}
    for command in sorted(asked - MAY_ASK[other][state]):
        session = in_state(role, state)
        body = bodies.get(command, wire.encode_bind(BIND) if command in AFTER_BIND else b"")
        (event,) = session.receive(frame(command, 0, 33, body))
        assert isinstance(event, Stray), hex(command)
        already = command in AFTER_BIND and state is not State.OPEN
        status = codes.ESME_RALYBND if already else codes.ESME_RINVBNDSTS
        assert header(session.take()) == (command | codes.RESPONSE, status, 33)
        assert session.state is state


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", [State.OPEN, State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX])
def test_our_own_side_cannot_ask_out_of_turn(role: Role, state: State) -> None:
    session = in_state(role, state)
    for command in {codes.SUBMIT_SM, codes.DELIVER_SM} - MAY_ASK[role][state]:
        with pytest.raises(Misuse, match=state.value):
            session.ask(command, BODY, "message", 0.0)
    for command in AFTER_BIND.keys() - MAY_ASK[role][state]:
        with pytest.raises(Misuse):
            session.bind(command, BIND)
    assert session.take() == b""


@pytest.mark.parametrize(
    "command",
    [
        codes.QUERY_SM,
        codes.CANCEL_SM,
        codes.REPLACE_SM,
        codes.SUBMIT_MULTI,
        codes.DATA_SM,
        0x00010203,
        0x7FFFFFFF,
    ],
)
@pytest.mark.parametrize("role", Role)
def test_a_command_we_do_not_speak_gets_a_generic_nack(role: Role, command: int) -> None:
    session = in_state(role, State.BOUND_TRX)
    assert session.receive(frame(command, 0, 12, b"whatever")) == [Stray(command, 0)]
    assert session.take() == frame(codes.GENERIC_NACK, codes.ESME_RINVCMDID, 12)


@pytest.mark.parametrize("command", [codes.OUTBIND, codes.ALERT_NOTIFICATION])
def test_what_has_no_answer_is_not_answered(command: int) -> None:
    session = bound_esme()
    assert session.receive(frame(command, 0, 12, b"\0\0")) == [Stray(command, 0)]
    assert session.take() == b""


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", [State.OPEN, State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX])
def test_enquire_link_is_answered_in_every_state(role: Role, state: State) -> None:
    session = in_state(role, state)
    assert session.receive(frame(codes.ENQUIRE_LINK, 0, 9)) == []
    assert session.take() == frame(codes.ENQUIRE_LINK_RESP, 0, 9)


@pytest.mark.parametrize("answer", [codes.ENQUIRE_LINK_RESP, codes.GENERIC_NACK])
def test_our_enquire_link_is_answered(answer: int) -> None:
    session = bound_esme()
    session.enquire()
    assert session.enquiring
    assert header(session.take()) == (codes.ENQUIRE_LINK, 0, 2)
    assert session.receive(frame(answer, 0, 2)) == [Alive()]
    assert not session.enquiring


def test_the_peer_unbinds() -> None:
    session = bound_esme()
    assert session.receive(frame(codes.UNBIND, 0, 4)) == [Unbound(by_peer=True)]
    assert session.take() == frame(codes.UNBIND_RESP, 0, 4)
    assert session.state is State.UNBOUND
    with pytest.raises(Misuse):
        session.ask(codes.SUBMIT_SM, BODY, "message", 0.0)


@pytest.mark.parametrize("answer", [codes.UNBIND_RESP, codes.GENERIC_NACK])
def test_we_unbind(answer: int) -> None:
    session = bound_esme()
    session.unbind()
    assert session.receive(frame(answer, 0, 2)) == [Unbound(by_peer=False)]
    assert session.state is State.UNBOUND


@pytest.mark.parametrize("length", [0, 1, 15, wire.PDU_SIZE_MAX + 1, 0xFFFFFFFF])
def test_a_length_that_cannot_be_breaks_the_session(length: int) -> None:
    session = bound_smsc()
    bad = wire.HEADER.pack(length, codes.SUBMIT_SM, 0, 6)
    whole = frame(codes.ENQUIRE_LINK, 0, 5)
    (event,) = session.receive(whole + bad + whole)
    assert isinstance(event, Broken)
    assert str(length) in event.why
    nack = frame(codes.GENERIC_NACK, codes.ESME_RINVCMDLEN, 6)
    assert session.take() == frame(codes.ENQUIRE_LINK_RESP, 0, 5) + nack
    assert session.receive(whole) == []
    assert session.take() == b""


def test_the_biggest_pdu_is_taken() -> None:
    session = bound_smsc()
    room = wire.PDU_SIZE_MAX - wire.HEADER_SIZE - len(BODY) - 4
    body = BODY + wire.encode_tlv(0x1400, b"x" * room)
    (event,) = session.receive(frame(codes.SUBMIT_SM, 0, 6, body))
    assert isinstance(event, Incoming)


@pytest.mark.parametrize(
    ("role", "command", "body", "status"),
    [
        (Role.SMSC, codes.SUBMIT_SM, b"", codes.ESME_RINVCMDLEN),
        (Role.SMSC, codes.SUBMIT_SM, BODY[:-1], codes.ESME_RINVMSGLEN),
        (Role.SMSC, codes.SUBMIT_SM, BODY + b"\0\x1e\0\xff", codes.ESME_RINVOPTPARSTREAM),
        (Role.ESME, codes.DELIVER_SM, b"", codes.ESME_RX_R_APPN),
        (Role.ESME, codes.DELIVER_SM, RECEIPT[:-1], codes.ESME_RX_R_APPN),
    ],
)
def test_a_message_that_cannot_be_read_is_turned_away(
    role: Role, command: int, body: bytes, status: int
) -> None:
    session = in_state(role, State.BOUND_TRX)
    assert session.receive(frame(command, 0, 6, body)) == [Stray(command, status)]
    assert header(session.take()) == (command | codes.RESPONSE, status, 6)
    assert session.bound
    assert session.owing == 0


def test_a_receipt_with_a_broken_parameter_at_its_end_is_taken() -> None:
    (event,) = bound_esme().receive(frame(codes.DELIVER_SM, 0, 6, RECEIPT + b"\0\x1e\0\xff"))
    assert isinstance(event, Incoming)


def test_a_bind_that_cannot_be_read_is_refused() -> None:
    session: Session[str] = Session(Role.SMSC)
    (event,) = session.receive(frame(codes.BIND_TRANSCEIVER, 0, 6, b"no end"))
    assert isinstance(event, Stray)
    assert header(session.take())[1] == codes.ESME_RINVCMDLEN


def test_two_binds_in_one_breath() -> None:
    session: Session[str] = Session(Role.SMSC)
    asked = session.receive(frame(codes.BIND_TRANSCEIVER, 0, 1, wire.encode_bind(BIND)) * 2)
    for one in asked:
        assert isinstance(one, BindAsked)
        session.answer_bind(one, 0, "SMSC")
    written = session.take()
    assert header(written[-wire.HEADER_SIZE :]) == (
        codes.BIND_TRANSCEIVER | codes.RESPONSE,
        codes.ESME_RALYBND,
        1,
    )
    assert session.state is State.BOUND_TRX


@pytest.mark.parametrize(
    ("session", "command", "body", "status"),
    [
        (bound_smsc(owing_max=2), codes.SUBMIT_SM, BODY, codes.ESME_RTHROTTLED),
        (bound_esme(owing_max=2), codes.DELIVER_SM, RECEIPT, codes.ESME_RX_T_APPN),
    ],
)
def test_more_than_may_be_unanswered_is_turned_away(
    session: Session[str], command: int, body: bytes, status: int
) -> None:
    events = session.receive(b"".join(frame(command, 0, number, body) for number in range(1, 5)))
    assert [type(event) for event in events] == [Incoming, Incoming, Stray, Stray]
    assert session.take() == b"".join(
        frame(command | codes.RESPONSE, status, number, b"\0") for number in (3, 4)
    )
    session.answer(1)
    assert isinstance(session.receive(frame(command, 0, 5, body))[0], Incoming)


def test_sequences_begin_again_at_one() -> None:
    session = bound_esme()
    session._sequence = SEQUENCE_MAX - 1
    for _ in range(2):
        session.ask(codes.SUBMIT_SM, b"", "message", 0.0)
    written = session.take()
    assert header(written[:16]) == (codes.SUBMIT_SM, 0, SEQUENCE_MAX)
    assert header(written[16:]) == (codes.SUBMIT_SM, 0, 1)
    assert session.receive(frame(codes.SUBMIT_SM_RESP, 0, 1, b"7\0")) == [Answer("message", 0, "7")]


def test_the_connection_is_gone() -> None:
    session = bound_esme()
    for token in ("a", "b"):
        session.ask(codes.SUBMIT_SM, BODY, token, 0.0)
    assert session.abandon() == ["a", "b"]
    assert session.abandon() == []
    assert session.receive(frame(codes.SUBMIT_SM_RESP, 0, 2, b"1\0")) == []


def test_smpplib_reads_our_answers() -> None:
    session: Session[str] = Session(Role.SMSC)
    (asked,) = session.receive(frame(codes.BIND_TRANSCEIVER, 0, 4, wire.encode_bind(BIND)))
    assert isinstance(asked, BindAsked)
    session.answer_bind(asked, 0, "SMSC")
    theirs = smpplib_reads(session.take())
    assert (theirs.command, theirs.sequence, theirs.system_id) == ("bind_transceiver_resp", 4, b"SMSC")
    assert theirs.sc_interface_version == 0x34

    session.receive(frame(codes.SUBMIT_SM, 0, 5, BODY))
    session.answer(5, 0, b"0123456789")
    theirs = smpplib_reads(session.take())
    assert (theirs.command, theirs.sequence, theirs.message_id) == ("submit_sm_resp", 5, b"0123456789")

    esme = bound_esme()
    esme.receive(frame(codes.DELIVER_SM, 0, 6, RECEIPT))
    esme.answer(6, codes.ESME_RX_T_APPN)
    theirs = smpplib_reads(esme.take())
    assert (theirs.command, theirs.sequence, theirs.status) == ("deliver_sm_resp", 6, 0x64)


def test_we_read_the_answers_of_smpplib() -> None:
    session = bound_esme()
    session.ask(codes.SUBMIT_SM, BODY, "message", 0.0)
    answer = smpplib.smpp.make_pdu("submit_sm_resp", client=Numbers(), message_id="0123456789")
    answer.sequence = 2
    assert session.receive(answer.generate()) == [Answer("message", 0, "0123456789")]


class Numbers:
    """What smpplib asks of a client when it makes a PDU."""

    sequence = 0

    def next_sequence(self) -> int:
        return 0


def smpplib_reads(pdu: bytes) -> Any:
    return smpplib.smpp.parse_pdu(pdu, client=Numbers())


@given(st.lists(st.integers(1, 200), max_size=20))
def test_the_portions_in_which_bytes_come_do_not_matter(portions: list[int]) -> None:
    data = b"".join(
        (
            frame(codes.SUBMIT_SM, 0, 2, BODY),
            frame(codes.ENQUIRE_LINK, 0, 3),
            frame(codes.QUERY_SM, 0, 4),
            frame(codes.SUBMIT_SM, 0, 5, BODY + b"\0\x1e\0\3ab\0"),
            frame(codes.UNBIND, 0, 6),
        )
    )
    at_once = bound_smsc()
    expected = at_once.receive(data)
    session = bound_smsc()
    events = []
    for size in (*portions, len(data)):
        events += session.receive(data[:size])
        data = data[size:]
    assert events == expected
    assert session.take() == at_once.take()


@settings(max_examples=150)
@given(st.sampled_from(Role), st.lists(st.binary(max_size=100), max_size=5))
def test_random_bytes_never_raise(role: Role, portions: list[bytes]) -> None:
    session = in_state(role, State.BOUND_TRX)
    for portion in portions:
        session.receive(portion)
        session.take()


commands = st.sampled_from(
    [
        *AFTER_BIND,
        codes.SUBMIT_SM,
        codes.DELIVER_SM,
        codes.UNBIND,
        codes.ENQUIRE_LINK,
        codes.QUERY_SM,
        codes.GENERIC_NACK,
        codes.SUBMIT_SM_RESP,
        codes.DELIVER_SM_RESP,
        codes.UNBIND_RESP,
    ]
) | st.integers(0, 0xFFFFFFFF)
# Bodies that are nearly right find more than random ones do.
bodies = st.binary(max_size=60) | st.sampled_from([BODY, RECEIPT, b"ulak\0pw\0\0\x34\0\0\0"]).flatmap(
    lambda body: st.integers(0, len(body)).map(lambda cut: body[:cut] + b"\0\x1e\0\x02x")
)
numbers = st.integers(0, 5) | st.integers(0, 0xFFFFFFFF)


@settings(max_examples=150)
@given(st.sampled_from(Role), st.sampled_from([State.OPEN, State.BOUND_TRX]), st.data())
def test_well_framed_nonsense_never_raises(role: Role, state: State, data: st.DataObject) -> None:
    session = in_state(role, state)
    pdus = st.builds(frame, commands, numbers, numbers, bodies)
    for pdu in data.draw(st.lists(pdus, max_size=6)):
        for event in session.receive(pdu):
            if isinstance(event, BindAsked):
                session.answer_bind(event, 0, "SMSC")
            elif isinstance(event, Incoming):
                session.answer(event.sequence)
        answers = session.take()
        assert len(answers) <= 200
    assert session.owing == 0
