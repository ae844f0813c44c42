"""Kinds of values that keys of a plan have, and where a value stands that is refused later."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, TypeVar

from msgspec import Meta

from leo_opt.errors import InvalidInputError, LeoOptError

T = TypeVar("T")
Result = TypeVar("Result")

Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
Positive = Annotated[float, Meta(gt=0.0, le=sys.float_info.max)]
Natural = Annotated[int, Meta(ge=0)]
Counted = Annotated[int, Meta(ge=1)]
Filled = Annotated[tuple[T, ...], Meta(min_length=1)]


@contextmanager
def standing_at(place: str) -> Iterator[None]:
    """Say where in a plan stands what an error is about."""
    try:
        yield
    except (LeoOptError, ValueError) as error:
        kind = type(error) if isinstance(error, LeoOptError) else InvalidInputError
        raise kind(f"{place}: {error}") from error


def each(name: str, entries: Sequence[T], read: Callable[[T], Result]) -> list[Result]:
    """What is read from the tables of one name, with the place of what is wrong."""
    found = []
    for index, entry in enumerate(entries):
        with standing_at(f"{name}[{index}]"):
            found.append(read(entry))
    return found
