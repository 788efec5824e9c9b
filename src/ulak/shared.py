"""Counts that several processes share, kept in Valkey or Redis (extra `shared`).

Many questions that wait together are one script there, so that each is decided at once and all by one clock,
which is that server's. A server that cannot be asked costs nobody more than a moment: those who wait are told
so, and until it answers again nobody asks it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from ulak.core.errors import UlakError
from ulak.service.limits import Asked, Penalty

if TYPE_CHECKING:
    from valkey.asyncio import Valkey

TOGETHER_MAX = 64
"""Questions in one script at most; the server does nothing else meanwhile."""

FLYING_MAX = 4
"""Scripts under way at most, each on a connection of its own."""

AGAIN = 1.0
"""Seconds between looks whether a server that was away is there again."""

OPEN_WITHIN = 2.0
"""Seconds in which a server has to answer when we start."""

TURNS = 20
"""Turns of the loop in which an answer that has come is read."""

PREFIX = "ulak:"

# A list of the moments of requests, oldest first; or a hash of a subject's failures. Moments are ms. As
# `service.limits` does it, which a test compares.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end

local function ask(key, limit, span, ahead)
  local at = now + ahead
  local last = tonumber(redis.call('LINDEX', key, -1) or nil)
  if last and at < last then
    if last - at >= span then redis.call('DEL', key) else at = last end
  end
  local first = tonumber(redis.call('LINDEX', key, 0) or nil)
  while first and first <= at - span do
    redis.call('LPOP', key)
    first = tonumber(redis.call('LINDEX', key, 0) or nil)
  end
  local count = redis.call('LLEN', key)
  if count >= limit then return {0, 0, first + span - at} end
  redis.call('RPUSH', key, text(at))
  redis.call('PEXPIRE', key, span)
  return {1, limit - count - 1, 0}
end

local function fail(key, limit, span, first, most)
  local known = redis.call('HMGET', key, 'until', 'times', 'failed')
  local over, times = tonumber(known[1] or '0'), tonumber(known[2] or '0')
  if now < over - most or now >= over + most then over, times = 0, 0 end
  if now < over then return over - now end
  local at, last, failed = now, 0, {}
  for moment in string.gmatch(known[3] or '', '%d+') do
    last = tonumber(moment)
    failed[#failed + 1] = last
  end
  if at < last then
    if last - at >= span then failed = {} else at = last end
  end
  local kept = {}
  for _, moment in ipairs(failed) do
    if moment > at - span then kept[#kept + 1] = text(moment) end
  end
  kept[#kept + 1] = text(at)
  local pause = 0
  if #kept >= limit then
    pause = math.min(first * 2 ^ times, most)
    over, times, kept = now + pause, times + 1, {}
  end
  redis.call('HSET', key, 'until', text(over), 'times', text(times), 'failed', table.concat(kept, ' '))
  redis.call('PEXPIRE', key, text(math.max(span, over - now + most)))
  return pause
end

local answers = {}
for place, key in ipairs(KEYS) do
  local from = (place - 1) * 5
  local a, b, c = tonumber(ARGV[from + 2]), tonumber(ARGV[from + 3]), tonumber(ARGV[from + 4])
  if ARGV[from + 1] == 'ask' then
    answers[place] = ask(key, a, b, c)
  else
    answers[place] = fail(key, a, b, c, tonumber(ARGV[from + 5]))
  end
end
return answers
"""

log = structlog.get_logger("ulak.limits")


class _Question(NamedTuple):
    ticket: asyncio.Future[Any]
    key: str
    arguments: tuple[Any, ...]


class Shared:
    """Asks the server. Made and used on one event loop."""

    def __init__(self, client: Valkey, *, wait: float) -> None:
        """`wait`: seconds after which a script that was not answered means that the server is away. Who asks
        while `FLYING_MAX` of them are under way waits for one of those too."""
        self.client = client
        self._wait = wait
        self._loop = asyncio.get_running_loop()
        self._script = client.register_script(SCRIPT)
        self._waiting: deque[_Question] = deque()
        self._flying: set[asyncio.Task[None]] = set()
        self._probing: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Whether the server is not asked now."""
        return self._probing is not None

    async def open(self) -> None:
        """See whether the server is there, so that a wrong address is told of at the start."""
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                await self.client.ping()
        except _trouble() as error:
            self._gone(error)

    async def ask(self, key: str, limit: int, span: int, ahead: int) -> Asked | None:
        """`service.limits.Counts.ask`."""
        answer = await self._answer(key, "ask", limit, span, ahead, 0)
        return None if answer is None else Asked(bool(answer[0]), answer[1], answer[2])

    async def fail(self, subject: str, penalty: Penalty) -> int | None:
        """`service.limits.Counts.fail`."""
        pause: int | None = await self._answer(subject, "fail", *penalty)
        return pause

    async def close(self) -> None:
        """Hang up."""
        tasks = [*self._flying, *([] if self._probing is None else [self._probing])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.client.aclose()

    async def _answer(self, key: str, *arguments: Any) -> Any:
        if self._probing is not None:
            return None
        ticket: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(_Question(ticket, PREFIX + key, arguments))
        if len(self._flying) < FLYING_MAX:
            task = self._loop.create_task(self._fly())
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)
        return await ticket

    async def _fly(self) -> None:
        """Ask what waits, as much of it together as may be, until nothing does."""
        while self._waiting:
            count = min(TOGETHER_MAX, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            keys = [question.key for question in batch]
            arguments = [argument for question in batch for argument in question.arguments]
            try:
                answers = await self._in_time(self._script(keys=keys, args=arguments))
            except _trouble() as error:
                self._gone(error)
                # Who waits behind them would wait for the same.
                batch += self._waiting
                self._waiting.clear()
                answers = [None] * len(batch)
            for question, answer in zip(batch, answers, strict=True):
                if not question.ticket.done():
                    question.ticket.set_result(answer)

    async def _in_time(self, work: Awaitable[Any]) -> Any:
        """The result, if there is one in time.

        When it was this process that stood still the answer is here by now, and is read before time is up.
        """
        timeout = asyncio.timeout(None)

        def late(turns: int) -> None:
            if turns:
                timer[0] = self._loop.call_soon(late, turns - 1)
            else:
                timeout.reschedule(self._loop.time())

        timer: list[asyncio.Handle] = [self._loop.call_later(self._wait, late, TURNS)]
        try:
            async with timeout:
                return await work
        except TimeoutError:
            raise TimeoutError(f"no answer in {self._wait * 1000:.0f} ms") from None
        finally:
            timer[0].cancel()

    def _gone(self, error: Exception) -> None:
        if self._probing is None:
            log.warning("limits.alone", why=str(error) or type(error).__name__)
            self._probing = self._loop.create_task(self._probe())

    async def _probe(self) -> None:
        """Look now and then whether the server is there again. Nobody waits for this."""
        while True:
            await asyncio.sleep(AGAIN)
            with contextlib.suppress(*_trouble()):
                await self._in_time(self.client.ping())
                break
        self._probing = None
        log.info("limits.shared")


def _trouble() -> tuple[type[Exception], ...]:
    """How a server fails: also by saying something that makes no sense."""
    from valkey.exceptions import ValkeyError

    return ValkeyError, OSError, TimeoutError


async def connect(url: str, *, wait: float) -> Shared:
    """The server at this address, whether it is there now or not.

    Raises:
        UlakError: the extra is not installed, or the address cannot be one.
    """
    try:
        from valkey.asyncio import Valkey
        from valkey.asyncio.retry import Retry
        from valkey.backoff import NoBackoff
        from valkey.exceptions import ConnectionError as Lost
    except ImportError:
        raise UlakError(
            "limits_url needs the extra `shared`: pip install '.[shared]' in the source of Ulak"
        ) from None
    try:
        client = Valkey.from_url(
            url,
            # A connection may have been cut while nobody used it. To count twice what was asked once does no
            # harm.
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[Lost],
            protocol=2,
        )
    except ValueError as error:
        raise UlakError(f"limits_url: {error}") from None
    shared = Shared(client, wait=wait)
    await shared.open()
    return shared
