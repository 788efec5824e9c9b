"""Who guesses is held up, and nobody else."""

from __future__ import annotations

from tests.conftest import FakeClock

from ulak.service.guard import MARKS_MAX, SPARE, Guard, no_guard
from ulak.service.limits import HOUR, MINUTE, Penalty

HERE, THERE = "192.0.2.7", "198.51.100.9"


class Doors:
    """Lets in whoever says `right`."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.looked = 0

    async def said(self, secret: str, address: str = HERE, name: str = "") -> str:
        """What somebody is told."""
        attempt = self.guard.attempt(address, secret, name=name)
        wait = self.guard.wait(attempt)
        if wait:
            return f"later {wait}"
        self.looked += 1
        if secret == "right":
            self.guard.right(attempt)
            return "in"
        wait = await self.guard.wrong(attempt)
        return f"wrong {wait}"

    async def fails(self, count: int, address: str = HERE, name: str = "") -> list[str]:
        """What is told to as many guesses."""
        return [await self.said(f"guess {n}", address, name) for n in range(count)]


def doors(clock: FakeClock, *, spare: int = SPARE, penalty: Penalty | None = None) -> Doors:
    return Doors(Guard(penalty or Penalty(), clock, spare=spare))


async def test_the_fifth_in_a_minute_has_to_wait(clock: FakeClock) -> None:
    door = doors(clock)
    assert await door.fails(5) == ["wrong 0"] * 4 + ["wrong 60"]
    clock.advance(20_000)
    assert await door.said("guess") == "wrong 40"
    assert await door.said("guess", THERE) == "wrong 0"
    clock.advance(40_000)
    assert await door.said("guess") == "wrong 0"


async def test_four_in_each_minute_may_go_on(clock: FakeClock) -> None:
    door = doors(clock)
    for _ in range(20):
        assert await door.fails(4) == ["wrong 0"] * 4
        clock.advance(MINUTE)


async def test_each_further_time_is_twice_as_long_up_to_an_hour(clock: FakeClock) -> None:
    door = doors(clock)
    waits = []
    for _ in range(8):
        last = (await door.fails(5))[-1]
        waits.append(last)
        clock.advance(int(last.split()[1]) * 1_000)
    assert waits == [f"wrong {seconds}" for seconds in (60, 120, 240, 480, 960, 1920, 3600, 3600)]
    clock.advance(HOUR)
    assert (await door.fails(5))[-1] == "wrong 60", "after an hour without it is forgotten"


async def test_a_flood_is_not_looked_at(clock: FakeClock) -> None:
    """Of a thousand guesses the first five are looked at, and one a second of the rest."""
    door = doors(clock)
    answers = await door.fails(1_000)
    assert door.looked == 5 + SPARE
    assert answers[-1] == "later 60"
    clock.advance(MINUTE)
    assert (await door.fails(5))[-1] == "wrong 120"


async def test_who_was_in_before_stays_in_where_others_guess(clock: FakeClock) -> None:
    """An office behind one address: one of its programs floods the server with an old key."""
    door = doors(clock)
    assert await door.said("right") == "in"
    await door.fails(1_000)
    assert [await door.said("right") for _ in range(100)] == ["in"] * 100


async def test_who_comes_for_the_first_time_gets_in_unless_it_is_a_flood(clock: FakeClock) -> None:
    door = doors(clock)
    await door.fails(30)
    assert await door.said("right") == "in"
    await door.fails(1_000)
    assert await door.said("right") == "in", "and is known from now on"


async def test_a_name_is_held_up_only_where_somebody_failed(clock: FakeClock) -> None:
    """A thousand addresses try secrets of one key: its owner does not notice, wherever he is."""
    door = doors(clock)
    hosts = [f"203.0.113.{n}" for n in range(200)]
    answers = [await door.said("guess", host, "key") for host in hosts]
    assert answers[:5] == ["wrong 0"] * 4 + ["wrong 60"]
    assert set(answers[5:]) == {"wrong 60"}, "each address fails once"
    again = [await door.said("guess", host, "key") for host in hosts]
    assert sum(answer.startswith("later") for answer in again) == len(hosts) - SPARE
    assert await door.said("right", THERE, "key") == "in"
    assert await door.said("guess", THERE, "another key") == "wrong 0"


async def test_a_weak_secret_is_not_looked_at_while_somebody_guesses(clock: FakeClock) -> None:
    door = doors(clock, spare=0)
    assert await door.said("right", name="known") == "in"
    assert (await door.fails(5, name="x"))[-1] == "wrong 60"
    looked = door.looked
    assert await door.said("right", name="x") == "later 60", "it could be the one guess that is right"
    assert await door.said("right", name="known") == "in"
    assert door.looked == looked + 1
    clock.advance(MINUTE)
    assert await door.said("right", name="x") == "in"


async def test_the_whole_network_of_an_ipv6_address_is_held_up(clock: FakeClock) -> None:
    door = doors(clock)
    answers = [await door.said("guess", f"2001:db8::{n:x}") for n in range(5)]
    assert answers[-1] == "wrong 60"
    assert await door.said("guess", "2001:db8:0:1::") == "wrong 0"


async def test_what_is_remembered_is_bounded(clock: FakeClock) -> None:
    """Many credentials that are right from one address push out each other, and none from elsewhere."""
    door = doors(clock)
    assert await door.said("right", THERE) == "in"
    for n in range(MARKS_MAX + 1):
        door.guard.right(door.guard.attempt(HERE, f"id {n}"))
    await door.fails(1_000)
    held_up = [door.guard.wait(door.guard.attempt(HERE, f"id {n}")) > 0 for n in (0, 1, MARKS_MAX)]
    assert held_up == [True, False, False]
    await door.fails(1_000, THERE)
    assert await door.said("right", THERE) == "in"


async def test_a_clock_that_was_set_back_holds_nobody_up(clock: FakeClock) -> None:
    door = doors(clock)
    await door.fails(5)
    clock.advance(-10 * HOUR)
    assert await door.said("guess") == "wrong 0"


async def test_off_is_off() -> None:
    door = Doors(no_guard())
    assert await door.fails(50) == ["wrong 0"] * 50
    assert await door.said("right") == "in"
