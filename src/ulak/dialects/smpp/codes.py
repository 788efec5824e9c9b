"""The numbers of SMPP 3.4 and what each means to us: commands, statuses, states of a message.

Statuses are plain integers on the wire and here, because operators invent their own; `status_text` names
those that the specification knows, and `WHAT_TO_DO` says what a sender does about the few that ask for
patience. Everything else is a refusal.
"""

from __future__ import annotations

from enum import Enum

from ulak.core.ports import ReportState

# Commands (SMPP 3.4 §5.1.2.1). The answer to a command is the command with the highest bit set.
RESPONSE = 0x80000000
GENERIC_NACK = 0x80000000
BIND_RECEIVER = 0x00000001
BIND_TRANSMITTER = 0x00000002
QUERY_SM = 0x00000003
SUBMIT_SM = 0x00000004
DELIVER_SM = 0x00000005
UNBIND = 0x00000006
REPLACE_SM = 0x00000007
CANCEL_SM = 0x00000008
BIND_TRANSCEIVER = 0x00000009
OUTBIND = 0x0000000B
ENQUIRE_LINK = 0x00000015
SUBMIT_MULTI = 0x00000021
ALERT_NOTIFICATION = 0x00000102
DATA_SM = 0x00000103

SUBMIT_SM_RESP = SUBMIT_SM | RESPONSE
DELIVER_SM_RESP = DELIVER_SM | RESPONSE
UNBIND_RESP = UNBIND | RESPONSE
ENQUIRE_LINK_RESP = ENQUIRE_LINK | RESPONSE

# Optional parameters (SMPP 3.4 §5.3.2).
TLV_RECEIPTED_MESSAGE_ID = 0x001E
TLV_USER_MESSAGE_REFERENCE = 0x0204
TLV_SAR_MSG_REF_NUM = 0x020C
TLV_SAR_TOTAL_SEGMENTS = 0x020E
TLV_SAR_SEGMENT_SEQNUM = 0x020F
TLV_SC_INTERFACE_VERSION = 0x0210
TLV_MESSAGE_PAYLOAD = 0x0424
TLV_MESSAGE_STATE = 0x0427

# esm_class (SMPP 3.4 §5.2.12): what kind of message it is, and whether its text begins with a header.
ESM_KIND = 0x3C
ESM_RECEIPT = 0x04
ESM_INTERMEDIATE = 0x20
ESM_HEADER = 0x40

# data_coding (SMPP 3.4 §5.2.19).
DCS_DEFAULT = 0x00
DCS_UCS2 = 0x08

# The alphabets of other values by their Python names. Those with a message class or a waiting indication are
# coded as in 3GPP TS 23.038 §4, where bits 2 and 3 say whether it is the default alphabet.
CHARACTER_SETS = {
    0x01: "ascii",
    0x03: "latin-1",
    0x06: "iso8859-5",
    0x07: "iso8859-8",
    0x08: "utf-16-be",
    0x0E: "euc_kr",
}


def alphabet_of(data_coding: int) -> str | None:
    """How the octets of a text are to be read: the name of a character set, empty for the default alphabet,
    None for octets that are no text."""
    group = data_coding >> 4
    if data_coding in CHARACTER_SETS:
        return CHARACTER_SETS[data_coding]
    if data_coding == DCS_DEFAULT or group in (0xC, 0xD) or (group == 0xF and not data_coding & 0x04):
        return ""
    if group == 0xE:
        return "utf-16-be"
    if group in (0x1, 0x5):  # the general group with a message class
        return {0x00: "", 0x08: "utf-16-be"}.get(data_coding & 0x0C)
    return None


# Statuses we send or act on (SMPP 3.4 §5.1.3).
ESME_ROK = 0x00
ESME_RINVMSGLEN = 0x01
ESME_RINVCMDLEN = 0x02
ESME_RINVCMDID = 0x03
ESME_RINVBNDSTS = 0x04
ESME_RALYBND = 0x05
ESME_RSYSERR = 0x08
ESME_RINVDSTADR = 0x0B
ESME_RBINDFAIL = 0x0D
ESME_RINVPASWD = 0x0E
ESME_RMSGQFUL = 0x14
ESME_RTHROTTLED = 0x58
ESME_RX_T_APPN = 0x64
ESME_RX_R_APPN = 0x66
ESME_RINVOPTPARSTREAM = 0xC0
ESME_RUNKNOWNERR = 0xFF

_NAMES = {
    0x00: "ESME_ROK",
    0x01: "ESME_RINVMSGLEN",
    0x02: "ESME_RINVCMDLEN",
    0x03: "ESME_RINVCMDID",
    0x04: "ESME_RINVBNDSTS",
    0x05: "ESME_RALYBND",
    0x06: "ESME_RINVPRTFLG",
    0x07: "ESME_RINVREGDLVFLG",
    0x08: "ESME_RSYSERR",
    0x0A: "ESME_RINVSRCADR",
    0x0B: "ESME_RINVDSTADR",
    0x0C: "ESME_RINVMSGID",
    0x0D: "ESME_RBINDFAIL",
    0x0E: "ESME_RINVPASWD",
    0x0F: "ESME_RINVSYSID",
    0x11: "ESME_RCANCELFAIL",
    0x13: "ESME_RREPLACEFAIL",
    0x14: "ESME_RMSGQFUL",
    0x15: "ESME_RINVSERTYP",
    0x33: "ESME_RINVNUMDESTS",
    0x34: "ESME_RINVDLNAME",
    0x40: "ESME_RINVDESTFLAG",
    0x42: "ESME_RINVSUBREP",
    0x43: "ESME_RINVESMCLASS",
    0x44: "ESME_RCNTSUBDL",
    0x45: "ESME_RSUBMITFAIL",
    0x48: "ESME_RINVSRCTON",
    0x49: "ESME_RINVSRCNPI",
    0x50: "ESME_RINVDSTTON",
    0x51: "ESME_RINVDSTNPI",
    0x53: "ESME_RINVSYSTYP",
    0x54: "ESME_RINVREPFLAG",
    0x55: "ESME_RINVNUMMSGS",
    0x58: "ESME_RTHROTTLED",
    0x61: "ESME_RINVSCHED",
    0x62: "ESME_RINVEXPIRY",
    0x63: "ESME_RINVDFTMSGID",
    0x64: "ESME_RX_T_APPN",
    0x65: "ESME_RX_P_APPN",
    0x66: "ESME_RX_R_APPN",
    0x67: "ESME_RQUERYFAIL",
    0xC0: "ESME_RINVOPTPARSTREAM",
    0xC1: "ESME_ROPTPARNOTALLWD",
    0xC2: "ESME_RINVPARLEN",
    0xC3: "ESME_RMISSINGOPTPARAM",
    0xC4: "ESME_RINVOPTPARAMVAL",
    0xFE: "ESME_RDELIVERYFAILURE",
    0xFF: "ESME_RUNKNOWNERR",
}


def status_text(status: int) -> str:
    """A status as people look it up: `ESME_RTHROTTLED (0x58)`; the number alone for an operator's own."""
    name = _NAMES.get(status)
    return f"{name} (0x{status:02X})" if name else f"0x{status:08X}"


class Verdict(Enum):
    """What the sender of a message does about the status of its answer."""

    ACCEPT = "accept"
    SLOW_DOWN = "slow down"
    RETRY = "retry"
    REFUSE = "refuse"


WHAT_TO_DO = {
    ESME_ROK: Verdict.ACCEPT,
    # The operator has no room at the moment; the message is as good as before.
    ESME_RTHROTTLED: Verdict.SLOW_DOWN,
    ESME_RMSGQFUL: Verdict.SLOW_DOWN,
    # Something is wrong on their side and may pass: a few tries, then it is a refusal.
    ESME_RSYSERR: Verdict.RETRY,
    ESME_RINVBNDSTS: Verdict.RETRY,
    ESME_RX_T_APPN: Verdict.RETRY,
}


def verdict(status: int) -> Verdict:
    """What to do about the status of a submit_sm_resp; a status nobody has listed is a refusal."""
    return WHAT_TO_DO.get(status, Verdict.REFUSE)


# message_state (SMPP 3.4 §5.2.28) and the word that receipts use for it (Appendix B, table B-2). "Unknown" is
# what an operator says when it has lost track: that is no reason to call a message failed.
MESSAGE_STATES = {
    1: ("ENROUTE", ReportState.UNDERWAY),
    2: ("DELIVRD", ReportState.DELIVERED),
    3: ("EXPIRED", ReportState.UNDELIVERED),
    4: ("DELETED", ReportState.UNDELIVERED),
    5: ("UNDELIV", ReportState.UNDELIVERED),
    6: ("ACCEPTD", ReportState.UNDERWAY),
    7: ("UNKNOWN", ReportState.UNDERWAY),
    8: ("REJECTD", ReportState.UNDELIVERED),
}

# The words written out are not in the specification, but on the wire of several operators.
RECEIPT_STATES = dict(MESSAGE_STATES.values()) | {
    "DELIVERED": ReportState.DELIVERED,
    "UNDELIVERABLE": ReportState.UNDELIVERED,
    "UNDELIVERED": ReportState.UNDELIVERED,
    "REJECTED": ReportState.UNDELIVERED,
    "ACCEPTED": ReportState.UNDERWAY,
}
