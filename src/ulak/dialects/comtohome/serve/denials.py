"""What the desk did not do, as a failure."""

from __future__ import annotations

from ulak.core.errors import Refusal
from ulak.dialects.comtohome.serve.visit import RETRY_AFTER, Refused, Visit
from ulak.dialects.comtohome.texts import Text
from ulak.service.parcels import ALREADY_CANCELLED, ALREADY_DELIVERED, IN_TRANSIT, Denied

_PLAIN: dict[Refusal, tuple[int, Text]] = {
    Refusal.UNAUTHENTICATED: (401, Text.UNAUTHENTICATED),
    Refusal.NO_CREDIT: (402, Text.NO_CREDIT),
    Refusal.KEY_REUSED: (409, Text.KEY_REUSED),
}
_CARRIER = {
    Refusal.CARRIER_DECLINED: Text.CARRIER_DECLINED,
    Refusal.CARRIER_UNREACHED: Text.CARRIER_UNREACHED,
}
_CANNOT_CANCEL = {
    ALREADY_CANCELLED: Text.ALREADY_CANCELLED,
    ALREADY_DELIVERED: Text.ALREADY_DELIVERED,
    IN_TRANSIT: Text.IN_TRANSIT,
}


def refused(
    visit: Visit, denied: Denied, *, missing: Text = Text.NOT_FOUND, wrong_state: Text = Text.NOT_A_DRAFT
) -> Refused:
    """The failure to answer with. A carrier's own words are told as they are."""
    why, text = denied.why, denied.text
    if why in _PLAIN:
        status, known = _PLAIN[why]
        return visit.refused(status, known)
    if why is Refusal.NOT_FOUND:
        return visit.invalid(text, Text.UNKNOWN_ID) if text else visit.refused(404, missing)
    if why is Refusal.NO_CARRIER:
        reasons = f" ({text})" if text else ""
        return Refused(422, f"provider_id: {visit.say(Text.NO_CARRIER)}{reasons}")
    if why is Refusal.IN_PROGRESS:
        busy = Text.KEY_IN_USE if visit.has_key else Text.BEING_BOOKED
        return visit.refused(409, busy, RETRY_AFTER)
    if why in _CARRIER:
        return Refused(502, text or visit.say(_CARRIER[why]))
    if why is Refusal.WRONG_STATE:
        return visit.refused(409, wrong_state)
    raise AssertionError(f"the desk never says {why}")


def not_cancelled(visit: Visit, denied: Denied) -> Refused:
    """The same for a cancellation, whose failures say so."""
    why, text = denied.why, denied.text
    if why is Refusal.WRONG_STATE:
        known = _CANNOT_CANCEL.get(text, Text.IN_TRANSIT)
        return _cancel_failed(visit, 409, visit.say(known))
    if why is Refusal.IN_PROGRESS and not visit.has_key:
        return _cancel_failed(visit, 409, visit.say(Text.BEING_BOOKED), RETRY_AFTER)
    if why in _CARRIER:
        status = 409 if why is Refusal.CARRIER_DECLINED else 502
        return _cancel_failed(visit, status, text or visit.say(_CARRIER[why]))
    return refused(visit, denied)


def _cancel_failed(
    visit: Visit, status: int, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Refused:
    return visit.refused(status, Text.CANCEL_FAILED, headers, reason=reason)
