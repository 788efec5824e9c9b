"""An SMPP 3.4 session without sockets, for both roles: bytes in, events out; requests in, bytes out.

The one who holds the connection feeds what it read to `receive`, acts on the events, asks and answers through
the methods, and writes what `take` hands out. Nothing here knows a clock: times are given by the caller.

Who may ask for what is a table (SMPP 3.4 §2.3). What a peer sends out of turn is answered as the
specification asks and is never an exception; what our own side does out of turn raises `Misuse`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.wire import Bind, Malformed, ShortMessage

Token = TypeVar("Token")

SEQUENCE_MAX = 0x7FFFFFFF  # §3.2: 1 to this, then again from 1


class Role(Enum):
    """Which end we are: the one that connects and sends messages, or the one that takes them."""

    ESME = "esme"
    SMSC = "smsc"


class State(Enum):
    """Where the session stands (§2.2). UNBOUND and BROKEN are its ends."""

    OPEN = "open"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBOUND = "unbound"
    BROKEN = "broken"


_BINDS = frozenset({codes.BIND_TRANSMITTER, codes.BIND_RECEIVER, codes.BIND_TRANSCEIVER})
_BOTH = frozenset({codes.ENQUIRE_LINK, codes.UNBIND})

# What each role may ask for in each state. The other role may hear exactly that. enquire_link before the bind
# is not in the table of 3.4, but harmless, and seen.
MAY_ASK: dict[Role, dict[State, frozenset[int]]] = {
    Role.ESME: {
        State.OPEN: _BINDS | {codes.ENQUIRE_LINK},
        State.BOUND_TX: _BOTH | {codes.SUBMIT_SM},
        State.BOUND_RX: _BOTH,
        State.BOUND_TRX: _BOTH | {codes.SUBMIT_SM},
        State.UNBOUND: frozenset(),
        State.BROKEN: frozenset(),
    },
    Role.SMSC: {
        State.OPEN: frozenset({codes.ENQUIRE_LINK}),
        State.BOUND_TX: _BOTH,
        State.BOUND_RX: _BOTH | {codes.DELIVER_SM},
        State.BOUND_TRX: _BOTH | {codes.DELIVER_SM},
        State.UNBOUND: frozenset(),
        State.BROKEN: frozenset(),
    },
}
OTHER = {Role.ESME: Role.SMSC, Role.SMSC: Role.ESME}

# The state after a bind of this kind was answered with success.
AFTER_BIND = {
    codes.BIND_TRANSMITTER: State.BOUND_TX,
    codes.BIND_RECEIVER: State.BOUND_RX,
    codes.BIND_TRANSCEIVER: State.BOUND_TRX,
}
BOUND = frozenset(AFTER_BIND.values())

# While so many messages of the peer are unanswered, larger ones than this are turned away: they are kept in
# memory until they are stored.
_LARGE, _LARGE_MAX = 1_024, 100

# What the sender of a message is told when we hold too many unanswered ones, and when we cannot read it.
_TOO_MANY = {codes.SUBMIT_SM: codes.ESME_RTHROTTLED, codes.DELIVER_SM: codes.ESME_RX_T_APPN}
# A broken deliver_sm is as broken when it is repeated: the permanent refusal keeps it from coming back.
_UNREADABLE = {codes.DELIVER_SM: codes.ESME_RX_R_APPN}


class Misuse(Exception):
    """Our own side asked for what the session's state does not allow."""


class Bound(NamedTuple):
    """Our bind was accepted. `system_id` is the SMSC's name for itself."""

    system_id: str


class BindRefused(NamedTuple):
    """Our bind was refused."""

    status: int


class BindAsked(NamedTuple):
    """A peer wants to bind; answer with `Session.answer_bind`."""

    command: int
    sequence: int
    bind: Bind


class Incoming(NamedTuple):
    """A message: submit_sm to an SMSC, deliver_sm to an ESME. It is to be answered under its sequence."""

    sequence: int
    message: ShortMessage


class Answer(NamedTuple, Generic[Token]):
    """The answer to a message we sent, under the token it was sent with. `reference` is its message_id."""

    token: Token
    status: int
    reference: str


class Alive(NamedTuple):
    """Our enquire_link was answered."""


class Unbound(NamedTuple):
    """The session has ended in order. `by_peer`: they asked (and have their answer), or else we did."""

    by_peer: bool


class Broken(NamedTuple):
    """The bytes are no SMPP any more. Write what is left to write, then close."""

    why: str


class Stray(NamedTuple):
    """A PDU that changes nothing: an answer to nothing, a command we do not speak or that is out of turn."""

    command: int
    status: int


Event = Bound | BindRefused | BindAsked | Incoming | Answer[Token] | Alive | Unbound | Broken | Stray
# One PDU that was heard: command, status, sequence, the buffer, and where the body begins and ends in it.
_Pdu = tuple[int, int, int, bytes, int, int]


class Session(Generic[Token]):
    """One end of one connection.

    `Token` is whatever the owner wants back with the answer to a message. `owing_max` bounds the messages of
    the peer that we have not answered: those beyond are turned away at once. `talk` counts what the peer says
    beside messages, their answers and the bind; the owner looks at it and sets it back.
    """

    def __init__(self, role: Role, *, owing_max: int = 10_000) -> None:
        self.role = role
        self.talk = 0
        self._owing_max = owing_max
        self._owing = 0
        self._rest = b""
        self._out: list[bytes] = []
        self._sequence = 0
        self._outstanding: dict[int, tuple[Token, float]] = {}
        self._asked: dict[int, int] = {}  # bind, unbind, enquire_link: sequence -> command
        self._enter(State.OPEN)
        message = codes.DELIVER_SM if role is Role.ESME else codes.SUBMIT_SM
        answer = codes.SUBMIT_SM_RESP if role is Role.ESME else codes.DELIVER_SM_RESP
        self._message_answer = message | codes.RESPONSE
        self._readers: dict[int, Callable[[_Pdu], Event[Token] | None]] = {
            answer: self._read_answer,
            message: self._read_message,
            codes.ENQUIRE_LINK: self._read_enquire,
            codes.UNBIND: self._read_unbind,
            codes.GENERIC_NACK: self._read_nack,
        }
        for command in _BINDS:
            self._readers[command] = self._read_bind
        for command in _BINDS | _BOTH:
            self._readers[command | codes.RESPONSE] = self._read_control_answer

    def _enter(self, state: State) -> None:
        self.state = state
        self._may_ask = MAY_ASK[self.role][state]
        self._may_hear = MAY_ASK[OTHER[self.role]][state]
        self._size_max = wire.PDU_SIZE_UNBOUND_MAX if state is State.OPEN else wire.PDU_SIZE_MAX

    # What we do

    def bind(self, command: int, bind: Bind) -> None:
        """Ask to bind with one of the three bind commands. Raises ValueError for fields that are too long."""
        self._control(command, wire.encode_bind(bind))

    def answer_bind(self, asked: BindAsked, status: int, system_id: str) -> None:
        """Accept a bind with status 0, or refuse it."""
        command = asked.command | codes.RESPONSE
        if asked.command not in self._may_hear:  # two binds in one breath
            status = codes.ESME_RALYBND
        if status:
            self._out.append(wire.frame(command, status, asked.sequence))
            return
        self._enter(AFTER_BIND[asked.command])
        body = wire.c_string(system_id, 16)
        body += wire.encode_tlv(codes.TLV_SC_INTERFACE_VERSION, bytes((wire.INTERFACE_VERSION,)))
        self._out.append(wire.frame(command, 0, asked.sequence, body))

    def ask(self, command: int, body: bytes, token: Token, now: float) -> None:
        """Send a message: submit_sm or deliver_sm, `body` as `wire.encode_message` makes it."""
        if command not in self._may_ask:
            raise Misuse(f"command 0x{command:08X} is not for a session that is {self.state.value}")
        sequence = self._sequence = self._sequence % SEQUENCE_MAX + 1
        self._outstanding[sequence] = (token, now)
        self._out.append(wire.HEADER.pack(16 + len(body), command, 0, sequence))
        self._out.append(body)

    def answer(self, sequence: int, status: int = 0, reference: bytes = b"") -> None:
        """Answer a message of the peer. `reference` is the message_id of an accepted submit_sm."""
        self._owing -= 1
        self._out.append(wire.HEADER.pack(17 + len(reference), self._message_answer, status, sequence))
        self._out.append(reference + b"\0")

    def enquire(self) -> None:
        """Ask whether the peer is there."""
        self._control(codes.ENQUIRE_LINK, b"")

    def unbind(self) -> None:
        """Ask to end the session."""
        self._control(codes.UNBIND, b"")

    def take(self) -> bytes:
        """Everything to be written since the last call, in one piece; empty when there is nothing."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # What is open

    @property
    def bound(self) -> bool:
        """Whether messages may flow."""
        return self.state in BOUND

    @property
    def outstanding(self) -> int:
        """How many messages of ours are without an answer."""
        return len(self._outstanding)

    @property
    def owing(self) -> int:
        """How many messages of the peer are without an answer of ours."""
        return self._owing

    @property
    def enquiring(self) -> bool:
        """Whether an enquire_link of ours is without an answer."""
        return codes.ENQUIRE_LINK in self._asked.values()

    def oldest(self) -> float | None:
        """When the message was sent that has waited longest for its answer."""
        for _, sent in self._outstanding.values():
            return sent
        return None

    def abandon(self) -> list[Token]:
        """The connection is gone: the tokens of all messages that will now never have an answer."""
        tokens = [token for token, _ in self._outstanding.values()]
        self._outstanding.clear()
        self._enter(State.BROKEN)
        return tokens

    # What the peer does

    def receive(self, data: bytes) -> list[Event[Token]]:
        """Read bytes of the peer, in any portions. Never raises; after `Broken` it reads nothing."""
        events: list[Event[Token]] = []
        if self.state is State.BROKEN:
            return events
        buffer = self._rest + data if self._rest else data
        at, size = 0, len(buffer)
        header = wire.HEADER.unpack_from
        reader_of, unknown = self._readers.get, self._read_unknown
        while size - at >= wire.HEADER_SIZE:
            length, command, status, sequence = header(buffer, at)
            if not wire.HEADER_SIZE <= length <= self._size_max:
                events.append(self._break(length, sequence))
                return events
            end = at + length
            if end > size:
                break
            event = reader_of(command, unknown)(
                (command, status, sequence, buffer, at + wire.HEADER_SIZE, end)
            )
            if event is not None:
                events.append(event)
            at = end
        self._rest = buffer[at:]
        return events

    def _break(self, length: int, sequence: int) -> Broken:
        # A wrong length cannot be skipped: nobody knows where the next PDU begins.
        self._enter(State.BROKEN)
        self._rest = b""
        self._out.append(wire.frame(codes.GENERIC_NACK, codes.ESME_RINVCMDLEN, sequence))
        return Broken(f"the peer sent a PDU of {length} bytes")

    def _read_answer(self, pdu: _Pdu) -> Event[Token] | None:
        command, status, sequence, buffer, at, end = pdu
        pending = self._outstanding.pop(sequence, None)
        if pending is None:
            self.talk += 1
            return Stray(command, status)
        return Answer(pending[0], status, wire.decode_c_string(buffer, at, end))

    def _read_message(self, pdu: _Pdu) -> Event[Token] | None:
        command, status, sequence, buffer, at, end = pdu
        if command not in self._may_hear:
            return self._out_of_turn(command, status, sequence)
        if self._owing >= self._owing_max or (self._owing >= _LARGE_MAX and end - at > _LARGE):
            return self._turn_away(command, _TOO_MANY[command], sequence)
        try:
            message = wire.decode_message(buffer, at, end)
        except Malformed as error:
            return self._turn_away(command, _UNREADABLE.get(command, error.status), sequence)
        if not message.tlvs_whole and self.role is Role.SMSC:
            # A sender is told; an operator's receipt is worth more than the rest of its parameters.
            return self._turn_away(command, codes.ESME_RINVOPTPARSTREAM, sequence)
        self._owing += 1
        return Incoming(sequence, message)

    def _read_bind(self, pdu: _Pdu) -> Event[Token] | None:
        command, status, sequence, buffer, at, end = pdu
        if command not in self._may_hear:
            return self._out_of_turn(command, status, sequence)
        try:
            return BindAsked(command, sequence, wire.decode_bind(buffer, at, end))
        except Malformed as error:
            return self._turn_away(command, error.status, sequence)

    def _read_enquire(self, pdu: _Pdu) -> Event[Token] | None:
        self.talk += 1
        self._out.append(wire.frame(codes.ENQUIRE_LINK_RESP, codes.ESME_ROK, pdu[2]))
        return None

    def _read_unbind(self, pdu: _Pdu) -> Event[Token] | None:
        command, status, sequence, *_ = pdu
        if command not in self._may_hear:
            return self._out_of_turn(command, status, sequence)
        self._enter(State.UNBOUND)
        self._out.append(wire.frame(codes.UNBIND_RESP, codes.ESME_ROK, sequence))
        return Unbound(by_peer=True)

    def _read_control_answer(self, pdu: _Pdu) -> Event[Token] | None:
        command, status, sequence, buffer, at, end = pdu
        asked = command & ~codes.RESPONSE
        if self._asked.get(sequence) != asked:
            self.talk += 1
            return Stray(command, status)
        del self._asked[sequence]
        if asked == codes.ENQUIRE_LINK:
            return Alive()
        if asked == codes.UNBIND:
            self._enter(State.UNBOUND)
            return Unbound(by_peer=False)
        if status:
            return BindRefused(status)
        self._enter(AFTER_BIND[asked])
        return Bound(wire.decode_c_string(buffer, at, end))

    def _read_nack(self, pdu: _Pdu) -> Event[Token] | None:
        command, status, sequence, buffer, _, end = pdu
        status = status or codes.ESME_RUNKNOWNERR  # a refusal, even if its number was forgotten
        asked = self._asked.pop(sequence, None)
        if asked in _BINDS:
            return BindRefused(status)
        if asked == codes.ENQUIRE_LINK:
            return Alive()  # whoever refuses it is there
        if asked == codes.UNBIND:
            self._enter(State.UNBOUND)
            return Unbound(by_peer=False)
        return self._read_answer((command, status, sequence, buffer, end, end))

    def _read_unknown(self, pdu: _Pdu) -> Event[Token] | None:
        command, status, sequence, *_ = pdu
        self.talk += 1
        # An answer is never answered, and neither are the two commands that have no answer (§4.1.7, §4.12).
        if not command & codes.RESPONSE and command not in (codes.OUTBIND, codes.ALERT_NOTIFICATION):
            if command in (codes.SUBMIT_SM, codes.DELIVER_SM):
                return self._out_of_turn(command, status, sequence)
            self._out.append(wire.frame(codes.GENERIC_NACK, codes.ESME_RINVCMDID, sequence))
        return Stray(command, status)

    def _out_of_turn(self, command: int, status: int, sequence: int) -> Stray:
        self.talk += 1
        again = command in _BINDS and self.bound
        refusal = codes.ESME_RALYBND if again else codes.ESME_RINVBNDSTS
        self._out.append(wire.frame(command | codes.RESPONSE, refusal, sequence))
        return Stray(command, status)

    def _turn_away(self, command: int, refusal: int, sequence: int) -> Stray:
        self._out.append(wire.frame(command | codes.RESPONSE, refusal, sequence, b"\0"))
        return Stray(command, refusal)

    def _control(self, command: int, body: bytes) -> None:
        if command not in self._may_ask:
            raise Misuse(f"command 0x{command:08X} is not for a session that is {self.state.value}")
        sequence = self._sequence = self._sequence % SEQUENCE_MAX + 1
        self._asked[sequence] = command
        self._out.append(wire.frame(command, 0, sequence, body))
