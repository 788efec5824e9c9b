"""What every parser's result is checked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

Result = TypeVar("Result")


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts_in(key)
            yield from texts_in(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from texts_in(getattr(value, name))
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts_in(getattr(value, field.name))


def storable(value: Any) -> None:
    """All texts can be kept by a database: they have an UTF-8 form and no NUL."""
    for text in texts_in(value):
        text.encode()
        assert "\0" not in text, value


def told(why: object) -> None:
    """A refusal says why, in words that can be kept."""
    said = "; ".join(why) if isinstance(why, list | tuple) else str(why)
    assert said, "nobody says why"
    storable(said)


def now(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("it waits")
