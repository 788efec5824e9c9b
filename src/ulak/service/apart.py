"""Changes of many things at once, of which one that fails keeps none of the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from ulak.core.errors import StoreUnavailable

Item = TypeVar("Item")

log = structlog.get_logger("ulak.purchases")


async def apart(
    items: Sequence[Item],
    change: Callable[[Sequence[Item]], Awaitable[object]],
    failed: Callable[[Item], Awaitable[object]],
) -> None:
    """Change all together; where that fails, each alone, and tell of those that fail alone.

    Raises:
        StoreUnavailable: the database is away, which is nobody's fault.
    """
    try:
        await change(items)
        return
    except StoreUnavailable:
        raise
    except Exception as error:
        log.error("purchases.not_together", items=len(items), error=type(error).__name__, exc_info=error)
    for item in items:
        try:
            await change([item])
        except StoreUnavailable:
            raise
        except Exception:
            await failed(item)
