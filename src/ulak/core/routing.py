"""Which carrier an order goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Route:
    """A configured way out: it takes orders whose numbers all begin with `prefix`."""

    carrier_id: int
    prefix: str
    priority: int
    up: bool


def choose(routes: Sequence[Route], prefix: str, turn: int) -> Route | None:
    """The route for an order whose numbers all begin with `prefix`, or None when it has to wait.

    The longest matching prefix wins. Within it links that are down are passed over, the lowest priority
    number goes first, and equals take turns, told apart by `turn` (any counter).
    """
    matching = [route for route in routes if prefix.startswith(route.prefix)]
    if not matching:
        return None
    longest = max(len(route.prefix) for route in matching)
    able = [route for route in matching if len(route.prefix) == longest and route.up]
    if not able:
        return None
    best = min(route.priority for route in able)
    equal = [route for route in able if route.priority == best]
    return equal[turn % len(equal)]


def shared_ways(ours: Sequence[Route], elsewhere: Sequence[Route]) -> list[Route]:
    """The routes by which this process may take orders, beside those that other processes have.

    A longer prefix keeps its orders whoever has it. Where another one's link with the same prefix is up and
    goes before ours by its priority, it takes them; equals take what each finds first.
    """
    up = [route for route in elsewhere if route.up]
    able = [
        replace(
            route,
            up=route.up and not any(o.prefix == route.prefix and o.priority < route.priority for o in up),
        )
        for route in ours
    ]
    return able + [replace(route, up=False) for route in elsewhere]
