"""Services whose past orders can be taken over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date

from ulak.config import Config
from ulak.dialects.iletimerkezi.connect.past import IletimerkeziPast, Login, login
from ulak.outbound import Outbound
from ulak.service import history
from ulak.service.history import Taken, Tell
from ulak.store.books import Books
from ulak.wiring.server import open_database

__all__ = ["import_iletimerkezi", "login"]


async def import_iletimerkezi(
    config: Config,
    account_id: int,
    to: Login,
    days: tuple[date, date],
    tell: Tell,
    say: Callable[[str], None],
) -> Taken:
    """Take over what an account sent from one day to another, both included. `say` is told of every wait."""

    async def wait(seconds: float, why: str) -> None:
        say(f"{why}; asking again in {seconds:.0f} s")
        await asyncio.sleep(seconds)

    books = Books(open_database(config), {})
    try:
        async with Outbound() as outbound:
            source = IletimerkeziPast(to, outbound, wait)
            return await history.take(books, source, account_id, *days, tell)
    finally:
        await books.close()
