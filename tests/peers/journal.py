"""A journal that is shared by whoever has it, as that of `ulak.service.journal` is by processes."""

from __future__ import annotations

from ulak.core.journal import KeyState, Known


class Notes:
    """`ulak.core.journal.Journal` in memory."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}

    async def begin(self, key: str) -> Known | None:
        mine = Known(KeyState.ASKED)
        known = self.known.setdefault(key, mine)
        return None if known is mine else known

    async def finish(self, key: str, answer: bytes) -> None:
        self.known[key] = Known(KeyState.ANSWERED, answer)

    async def forget(self, key: str) -> None:
        self.known.pop(key, None)
