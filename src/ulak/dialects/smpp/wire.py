"""SMPP 3.4 PDUs: bytes to fields and back, for both roles. No state and no sockets here.

A PDU is a header of four 32-bit integers (length, command, status, sequence) and a body. Decoders take a
buffer and the place of the body in it, so that nothing is copied before it is needed, and raise `Malformed`
for a body that cannot be read; they never look outside of it.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from ulak.dialects.smpp.codes import ESME_RINVCMDLEN, ESME_RINVMSGLEN

HEADER = struct.Struct(">IIII")
HEADER_SIZE = HEADER.size
PDU_SIZE_MAX = 65_536  # message_payload alone may be longer by the letter; nobody sends that, attackers do
PDU_SIZE_UNBOUND_MAX = 1_024  # nobody has more to say before he is let in
TLVS_MAX = 100  # the specification has some fifty
INTERFACE_VERSION = 0x34
MESSAGE_ID_MAX = 64  # §5.2.23
PASSWORD_MAX = 64  # 8 by §5.2.2, but operators give out longer ones

_TLV = struct.Struct(">HH")

# Several fixed bytes stand together between the strings; they are cut apart by `ShortMessage`. Strings are
# 21 bytes at most by the letter (§5.2), and somewhat longer ones are seen. `*+` and `{}+` never backtrack.
_MESSAGE = re.compile(
    rb"([^\0]{0,64}+)\0(..)([^\0]{0,64}+)\0(..)([^\0]{0,64}+)\0(...)([^\0]{0,64}+)\0([^\0]{0,64}+)\0(....).",
    re.DOTALL,
)
_BIND = re.compile(
    rb"([^\0]{0,64}+)\0([^\0]{0,64}+)\0([^\0]{0,64}+)\0(.)(.)(.)([^\0]{0,64}+)(?:\0|\Z)", re.DOTALL
)


class Malformed(ValueError):
    """The body of a PDU cannot be read. `status` is what its sender is told."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Bind(NamedTuple):
    """The body of bind_transmitter, bind_receiver and bind_transceiver (SMPP 3.4 §4.1)."""

    system_id: str
    password: str
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


class ShortMessage(NamedTuple):
    """The body of submit_sm and of deliver_sm, which have the same fields (SMPP 3.4 §4.4.1, §4.6.1).

    Single bytes that stand side by side on the wire are kept together: reading thousands of these a second
    is the work of this dialect, and few of the fields are ever looked at. `text` is short_message.
    """

    service_type: bytes
    source_kind: bytes  # source_addr_ton, source_addr_npi
    source: bytes
    destination_kind: bytes  # dest_addr_ton, dest_addr_npi
    destination: bytes
    flags: bytes  # esm_class, protocol_id, priority_flag
    schedule: bytes
    validity: bytes
    options: bytes  # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
    text: bytes
    tlvs: dict[int, bytes] | None = None
    tlvs_whole: bool = True  # False: the optional parameters end in the middle of one

    @property
    def esm_class(self) -> int:
        """Kind of message and whether `text` begins with a user data header (§5.2.12)."""
        return self.flags[0]

    @property
    def registered_delivery(self) -> int:
        """Whether a receipt is asked for (§5.2.17)."""
        return self.options[0]

    @property
    def data_coding(self) -> int:
        """The alphabet of `text` (§5.2.19)."""
        return self.options[2]


def frame(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """A whole PDU."""
    return HEADER.pack(HEADER_SIZE + len(body), command, status, sequence) + body


def c_string(value: str, size: int) -> bytes:
    """A C-Octet string of at most `size` bytes with its NUL (§3.1). Raises ValueError when it is none."""
    octets = value.encode("latin-1", "strict")
    if len(octets) >= size or b"\0" in octets:
        raise ValueError(f"{value!r} does not fit in {size - 1} characters of SMPP")
    return octets + b"\0"


def encode_tlv(tag: int, value: bytes) -> bytes:
    """One optional parameter (§3.2.4)."""
    return _TLV.pack(tag, len(value)) + value


def decode_tlvs(buffer: bytes, at: int, end: int) -> tuple[dict[int, bytes], bool]:
    """The optional parameters from `at` to `end`, and whether the last one was whole. Of too many the rest is
    not read, and counts as not whole."""
    found: dict[int, bytes] = {}
    while end - at >= 4:
        tag, length = _TLV.unpack_from(buffer, at)
        at += 4
        if at + length > end or len(found) >= TLVS_MAX:
            return found, False
        found[tag] = buffer[at : at + length]
        at += length
    return found, at == end


def encode_bind(bind: Bind) -> bytes:
    """The body of a bind. Raises ValueError for a field that is too long."""
    return b"".join(
        (
            c_string(bind.system_id, 16),
            c_string(bind.password, PASSWORD_MAX + 1),
            c_string(bind.system_type, 13),
            bytes((bind.interface_version, bind.addr_ton, bind.addr_npi)),
            c_string(bind.address_range, 41),
        )
    )


def decode_bind(buffer: bytes, at: int, end: int) -> Bind:
    """The fields of a bind; longer strings than the specification's are let through."""
    match = _BIND.match(buffer, at, end)
    if match is None:
        raise Malformed(ESME_RINVCMDLEN, "a bind whose fields do not end inside it")
    system_id, password, system_type, version, ton, npi, address_range = match.groups()
    return Bind(
        system_id.decode("latin-1"),
        password.decode("latin-1"),
        system_type.decode("latin-1"),
        version[0],
        ton[0],
        npi[0],
        address_range.decode("latin-1"),
    )


def encode_message(message: ShortMessage) -> bytes:
    """The body of submit_sm or deliver_sm. Raises ValueError when the text is longer than 255 bytes."""
    if len(message.text) > 255:
        raise ValueError("short_message holds 255 bytes at most; use message_payload")
    return b"".join(
        (
            b"%b\0%b%b\0" % (message.service_type, message.source_kind, message.source),
            b"%b%b\0%b" % (message.destination_kind, message.destination, message.flags),
            b"%b\0%b\0%b" % (message.schedule, message.validity, message.options),
            bytes((len(message.text),)),
            message.text,
            *(encode_tlv(tag, value) for tag, value in (message.tlvs or {}).items()),
        )
    )


def decode_message(buffer: bytes, at: int, end: int) -> ShortMessage:
    """The fields of submit_sm or deliver_sm."""
    match = _MESSAGE.match(buffer, at, end)
    if match is None:
        raise Malformed(ESME_RINVCMDLEN, "a message whose fields do not end inside it")
    fields = match.groups()
    start = match.end()
    stop = start + buffer[start - 1]
    if stop > end:
        raise Malformed(ESME_RINVMSGLEN, "a message whose text is longer than its PDU")
    if stop == end:
        return ShortMessage._make((*fields, buffer[start:stop], None, True))
    return ShortMessage._make((*fields, buffer[start:stop], *decode_tlvs(buffer, stop, end)))


def decode_c_string(buffer: bytes, at: int, end: int) -> str:
    """The string at the beginning of a body: message_id of submit_sm_resp, system_id of an answered bind.

    An answer that refuses has no body at all (§4.4.2), and some SMSCs leave out the NUL. Of a string longer
    than a message_id may be, the rest is cut off.
    """
    end = min(end, at + MESSAGE_ID_MAX)
    stop = buffer.find(b"\0", at, end)
    return buffer[at : end if stop < 0 else stop].decode("latin-1")
