"""Every parser over its corpus and a few hundred inputs made of it; with ULAK_TEST_SOAK a million each.

A run of the fuzzer that finds something prints the input. It becomes a line of the corpus, and a case here.
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.fuzz import corpus
from tests.fuzz.__main__ import fuzz
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS

SOAK = "ULAK_TEST_SOAK" in os.environ
SEED = int(os.environ.get("ULAK_TEST_SEED") or (random.SystemRandom().randrange(1, 2**31) if SOAK else 1))
EACH = 300
EXECUTIONS = 1_000_000


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The HTTP server logs every request that is none."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.fault("F31", "every parser is given damaged input: the corpus, and 300 inputs made of it")
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_a_parser(name: str, record_property: Callable[[str, object], None]) -> None:
    target = TARGETS[name]
    kept = target.inputs + corpus.read(name)
    words = target.words or (b"\0",)
    tried = 0
    for data in (*kept, *mutated(f"{SEED} {name}", kept, words, target.size, EACH)):
        try:
            target.run(data)
        except Exception as error:
            raise AssertionError(f"ULAK_TEST_SEED={SEED} {name}: {data!r}") from error
        tried += 1
    assert tried >= EACH
    record_property("runs", tried)


@pytest.mark.skipif(not SOAK, reason="only in `make soak`: it takes hours")
@pytest.mark.fault("F31", "every parser is fuzzed with atheris, guided by what is reached")
@pytest.mark.parametrize("name", TARGETS)
def test_a_million_executions(name: str, record_property: Callable[[str, object], None]) -> None:
    told = fuzz(name, EXECUTIONS, SEED)
    print(json.dumps(told))
    assert "broken" not in told, told
    assert told["runs"] >= EXECUTIONS
    record_property("runs", told["runs"])


def test_the_corpora_are_small_and_nobody_is_without() -> None:
    files = {path.stem: path.stat().st_size for path in corpus.FOLDER.iterdir()}
    assert files.keys() == TARGETS.keys()
    assert all(size <= 16 * 1024 for size in files.values()), files


def test_the_same_seed_makes_the_same_inputs() -> None:
    def made(seed: str) -> list[bytes]:
        return list(mutated(seed, [b"abc", b"def"], [b"x"], 100, 50))

    assert made("1") == made("1") != made("2")
    assert len(set(made("1"))) > 30


def test_a_parser_that_breaks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, a fuzzer that finds nothing says nothing."""

    def broken(data: bytes) -> None:
        assert b"{" not in data

    told: list[Any] = []
    monkeypatch.setitem(TARGETS, "sms4sats-json", TARGETS["sms4sats-json"]._replace(run=broken))
    with pytest.raises(AssertionError, match="sms4sats-json"):
        test_nothing_breaks_a_parser("sms4sats-json", lambda *given: told.append(given))
    assert not told
