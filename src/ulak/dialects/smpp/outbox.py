"""The messages of a link between "submit" and their outcome, counted in parts.

A message has one outcome, its parts have many answers. Here is which part goes next, which come again, and
what the answers add up to. No I/O and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush

from ulak.core.ports import Accepted, Outcome, Refused, Unknown
from ulak.dialects.smpp.pieces import Plan

# A refusal that may pass: so many seconds before each further try of a message.
RETRY_DELAYS = (0.5, 2.0, 8.0)


class Flight:
    """One message on its way: `open` parts are written and unanswered, `waiting` ones yet to be written."""

    __slots__ = (
        "code",
        "ended",
        "id",
        "number",
        "open",
        "plan",
        "reference",
        "references",
        "tries",
        "waiting",
    )

    def __init__(self, id: int, number: bytes, plan: Plan, reference: int) -> None:
        self.id = id
        self.number = number
        self.plan = plan
        self.reference = reference
        self.waiting = plan.total
        self.open = 0
        self.tries = 0
        self.code: str | None = None  # why it is refused, from the first part that is
        self.ended = False  # its outcome is told: parts still waiting are not to be sent
        self.references: list[str | None] = [None] * plan.total

    def body(self, part: int) -> bytes:
        """The body of the submit_sm of one part."""
        return self.plan.body(self.number, part, self.reference)

    @property
    def begun(self) -> bool:
        """Whether a part of it is, or may be, with the operator."""
        return self.open > 0 or any(reference is not None for reference in self.references)


# A part of a message: the place of the message in the order of submission, the part, the message.
Token = tuple[int, int, Flight]
Told = tuple[int, Outcome]


class Outbox:
    """Parts in the order in which they are to be sent; those that came back go first."""

    def __init__(self) -> None:
        self._serial = 0
        self._queue: deque[Token] = deque()
        self._again: list[Token] = []
        self._later: list[tuple[float, Token]] = []

    def put(self, flight: Flight) -> None:
        """Take a message, after all others."""
        self._serial += 1
        if flight.plan.total == 1:
            self._queue.append((self._serial, 0, flight))
        else:
            self._queue.extend((self._serial, part, flight) for part in range(flight.plan.total))

    def __bool__(self) -> bool:
        return bool(self._queue or self._again or self._later)

    def next(self, now: float) -> Token | None:
        """The part to be sent now; it counts as written."""
        while self._later and self._later[0][0] <= now:
            heappush(self._again, heappop(self._later)[1])
        while True:
            if self._again:
                token = heappop(self._again)
            elif self._queue:
                token = self._queue.popleft()
            else:
                return None
            flight = token[2]
            if flight.code is None and not flight.ended:
                flight.waiting -= 1
                flight.open += 1
                return token

    def due(self) -> float | None:
        """When a part becomes due that waits for its next try, if nothing else can be sent before."""
        if self._queue or self._again or not self._later:
            return None
        return self._later[0][0]

    def accepted(self, token: Token, reference: str) -> Told | None:
        """The operator took a part. The message's outcome, if that was the last answer it waited for."""
        flight = token[2]
        flight.open -= 1
        flight.references[token[1]] = reference
        return self._add_up(flight)

    def refused(self, token: Token, code: str) -> Told | None:
        """The operator will not have a part: no more of the message is sent."""
        flight = token[2]
        flight.open -= 1
        flight.code = flight.code or code
        return self._add_up(flight)

    def put_back(self, token: Token) -> Told | None:
        """The operator had no room for a part: it is the next to be sent."""
        flight = token[2]
        flight.open -= 1
        if flight.code is not None:
            return self._add_up(flight)
        flight.waiting += 1
        heappush(self._again, token)
        return None

    def retry(self, token: Token, code: str, now: float) -> Told | None:
        """The operator failed with a part: it is tried again after a while, and after some tries given up."""
        flight = token[2]
        if flight.code is not None or flight.tries >= len(RETRY_DELAYS):
            return self.refused(token, code)
        heappush(self._later, (now + RETRY_DELAYS[flight.tries], token))
        flight.tries += 1
        flight.open -= 1
        flight.waiting += 1
        return None

    def lost(self, unanswered: Iterable[Token], why: str) -> list[Told]:
        """The connection is gone. The outcomes of the messages that were begun; the others stay."""
        told: list[Told] = []
        for flight in self._begun(unanswered):
            flight.ended = True
            flight.open = 0
            told.append((flight.id, Refused(flight.code) if flight.code is not None else Unknown(why)))
        return told

    def forget_untouched(self) -> None:
        """Drop every message of which no part is with the operator."""
        self._queue = deque(token for token in self._queue if token[2].begun)
        self._again = [token for token in self._again if token[2].begun]
        self._later = [entry for entry in self._later if entry[1][2].begun]

    def _begun(self, unanswered: Iterable[Token]) -> list[Flight]:
        # Of the queue only its first message can be begun.
        waiting = [
            *self._again,
            *(token for _, token in self._later),
            *([self._queue[0]] if self._queue else ()),
        ]
        begun = [token[2] for token in unanswered]
        begun += [token[2] for token in waiting if token[2].begun and not token[2].ended]
        return list(dict.fromkeys(begun))

    def _add_up(self, flight: Flight) -> Told | None:
        if flight.open or flight.ended or (flight.waiting and flight.code is None):
            return None
        flight.ended = True
        if flight.code is not None:
            return flight.id, Refused(flight.code)
        return flight.id, Accepted(tuple(reference or "" for reference in flight.references))
