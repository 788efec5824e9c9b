"""`ulak doctor`: is everything in order?"""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from ulak.cli.common import DEFAULTS, Common, note
from ulak.cli.errors import Failed
from ulak.core.ledger import SAT, TRY, Balance
from ulak.core.money import main_units
from ulak.core.referrals import ReferralState
from ulak.service import audit, carriers
from ulak.service.house import House, known_account
from ulak.service.repair import REPAIRS
from ulak.store import doubts, ledger, overview, referrals, settings
from ulak.store.engine import Tx


def doctor(
    *,
    repair: Annotated[
        bool, Parameter(negative="", help="repair what can be repaired safely", show_default=False)
    ] = False,
    common: Common = DEFAULTS,
) -> None:
    """Look for broken invariants, and at what stands open. Only the former make it fail.

    Shows {"ok", "broken": [sentence, ...], "dispatch": "on" or "paused", "orders_open", "messages_waiting",
    "credits_held", "unsure_held", "no_carrier": [{"prefix", "orders"}, ...], "stranded_orders",
    "parcels_open", "try_held", "purchases_open", "sat_held", "sat_parked", "referrals": {"owed", "kept"},
    "callbacks_open", "endpoints_disabled": [{"account", "dialect"}, ...]}, and with --repair "repaired":
    [sentence, ...]. `no_carrier` are orders that are due and that no configured carrier takes,
    `stranded_orders` those whose carrier was removed at work. `sat_parked` are sats that came too late or
    twice and could not be given back; `kept` are sats for referrers who could not be paid for long.

    --repair puts right what can only be meant in one way, also beside a running server. It never changes
    money: what is broken after it people have to look at.
    """
    repaired = [done for one in REPAIRS for done in common.write(one)] if repair else []
    found = common.read(_examine) | ({"repaired": repaired} if repair else {})
    common.show(found)
    if found["dispatch"] == "paused":
        note("Dispatch is paused: nothing new is handed to carriers until `ulak dispatch resume`.")
    if found["no_carrier"]:
        note("Some orders wait for a carrier: add one whose prefix they begin with.")
    if found["sat_parked"]:
        note("Some sats are parked: they came late or twice, and whoever paid them wants them back.")
    if repair and not found["repaired"]:
        note("Nothing was repaired: what is broken, if anything is, people have to look at.")
    if not found["ok"]:
        raise Failed


def _examine(tx: Tx) -> dict[str, Any]:
    broken = audit.check(tx)
    stands = overview.open_orders(tx)
    parcels, kurus = overview.open_parcels(tx)
    purchases, sats = overview.open_purchases(tx)
    return {
        "ok": not broken,
        "broken": broken,
        "dispatch": "paused" if settings.paused(tx) else "on",
        "orders_open": stands.orders,
        "messages_waiting": stands.messages,
        "credits_held": stands.credits,
        "unsure_held": len(doubts.held(tx)),
        "no_carrier": _without_carrier(tx),
        "stranded_orders": overview.stranded_orders(tx),
        "parcels_open": parcels,
        "try_held": main_units(kurus, TRY),
        "purchases_open": purchases,
        "sat_held": sats,
        "sat_parked": _parked(tx),
        "referrals": _referrals(tx),
        "callbacks_open": overview.open_callbacks(tx),
        "endpoints_disabled": [
            {"account": account, "dialect": dialect} for account, dialect in overview.disabled_endpoints(tx)
        ],
    }


def _parked(tx: Tx) -> int:
    house = known_account(tx, House.PARKED)
    return 0 if house is None else ledger.of_account(tx, house).get(SAT, Balance()).available


def _referrals(tx: Tx) -> dict[str, int]:
    """Sats that are not paid: still to be tried, and given up."""
    unpaid = referrals.unpaid(tx)
    kept = unpaid.get(ReferralState.KEPT, (0, 0))[1]
    return {"owed": sum(sats for _, sats in unpaid.values()) - kept, "kept": kept}


def _without_carrier(tx: Tx) -> list[dict[str, Any]]:
    from ulak.wiring import carries_messages

    prefixes = tuple(carrier.terms.prefix for carrier in carriers.active(tx) if carries_messages(carrier))
    return [
        {"prefix": prefix, "orders": count}
        for prefix, count in overview.due_orders(tx).items()
        if not prefix.startswith(prefixes)
    ]
