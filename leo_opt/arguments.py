"""What public functions are given: read as what it should be, or refused in one kind of message.

A reader takes a value and the name of the argument, and returns the value as the package uses it.
Options that come together are the fields of a dataclass, each with its reader.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields
from numbers import Real
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from leo_opt.errors import InvalidInputError, unknown_word

T = TypeVar("T")
Reader = Callable[[Any, str], Any]

_CURES: Mapping[str, str] = MappingProxyType(
    {
        "keras": "export it to ONNX, and read that with leo_opt.load",
        "onnx": "write it to a file, and read that with leo_opt.load",
        "pyomo": "leo_opt.formulate(network, inputs=...) takes variables of Pyomo",
        "sklearn": "leo_opt.from_sklearn(estimator) reads it",
        "tensorflow": "export it to ONNX, and read that with leo_opt.load",
        "torch": "leo_opt.from_torch reads modules, and tensor.detach().numpy() is an array",
    }
)
"""What to do with values of other packages, by the package that a class of theirs is from."""


_MOST = 2**53
"""Whole numbers beyond this are no longer all floats."""
MOST_POINTS = 10**8
"""Random inputs to try."""
MOST_WORKERS = 10_000
MOST_SEED = 2 * 10**9
"""What every solver takes for a seed."""


def cure_for(value: object, otherwise: str) -> str:
    """What to do with a value of another package, or with the first of several."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    packages = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    return next((cure for package, cure in _CURES.items() if package in packages), otherwise)


def refuse(value: object, name: str, wanted: str, cure: str) -> NoReturn:
    """Say that an argument is not what it should be.

    Raises
    ------
    InvalidInputError
    """
    plain = value is None or isinstance(value, (str, bool, Real))
    shown = repr(value) if plain else f"a {type(value).__name__}"
    raise InvalidInputError(f"{name} is {shown}, not {wanted}; {cure_for(value, cure)}")


def read_instance(value: object, name: str, kind: type[T], cure: str) -> T:
    """A value of one class.

    Raises
    ------
    InvalidInputError
        If it is of another; the message names the class and ends with the cure.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, type) and issubclass(value, kind):
        refuse(value, name, f"a {kind.__name__}", f"make one of {value.__name__}")
    refuse(value, name, f"a {kind.__name__}", cure)


def read_tuple(value: Any, name: str, wanted: str, cure: str) -> tuple[Any, ...]:
    """Several values in a row; a string is one value."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        refuse(value, name, wanted, cure)
    return tuple(value)


def read_array(value: Any, name: str) -> NDArray[np.float64]:
    """Real numbers as a new float64 array, of any shape."""
    try:
        found = np.asarray(value)
        # NumPy would drop the imaginary parts.
        if found.dtype.kind != "c":
            return np.array(found, dtype=np.float64)
    # Tensors that carry gradients, variables of a model and the like refuse in their own ways.
    except (TypeError, ValueError, RuntimeError):
        pass
    refuse(value, name, "an array of real numbers", "give floats")


def read_number(value: Any, name: str) -> float:
    """A real number that is neither infinite nor NaN."""
    # A truth value counts as a number in Python, and is a slip here.
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        refuse(value, name, "a finite number", "give a number")
    return float(value)


def read_whole(value: Any, name: str) -> int:
    """A whole number; a float that is one will do."""
    number = read_number(value, name)
    if number != int(number):
        refuse(value, name, "a whole number", "round it")
    if abs(number) > _MOST:
        raise InvalidInputError(f"{name} is {value}; it must be at most {_MOST:,}")
    return int(value)


def at_most(limit: int, reader: Reader) -> Reader:
    """A number that is not above a limit, beyond which nobody can mean it."""

    def read(value: Any, name: str) -> Any:
        number = reader(value, name)
        if number > limit:
            raise InvalidInputError(f"{name} is {value}; it must be at most {limit:,}")
        return number

    return read


def read_flag(value: Any, name: str) -> bool:
    """True or False."""
    return read_instance(value, name, bool, "give True or False")


def read_callback(value: Any, name: str) -> Any:
    """What can be called."""
    if not callable(value):
        refuse(value, name, "a function", "give a function of one argument")
    return value


def read_executor(value: Any, name: str) -> Executor:
    """What runs jobs."""
    cure = "give one such as concurrent.futures.ProcessPoolExecutor(4), or workers=4"
    return read_instance(value, name, Executor, cure)


def read_path(value: Any, name: str = "path") -> str:
    """The name of a file."""
    if not isinstance(value, (str, os.PathLike)):
        refuse(value, name, "the name of a file", "give a string or a pathlib.Path")
    return os.fspath(value)


def optional(reader: Reader) -> Reader:
    """None, or what a reader reads."""
    return lambda value, name: None if value is None else reader(value, name)


def positive(reader: Reader) -> Reader:
    """A number above zero."""

    def read(value: Any, name: str) -> Any:
        number = reader(value, name)
        if not number > 0:
            raise InvalidInputError(f"{name} is {value}; it must be positive")
        return number

    return read


def not_negative(reader: Reader) -> Reader:
    """A number that is zero or above."""

    def read(value: Any, name: str) -> Any:
        number = reader(value, name)
        if number < 0:
            raise InvalidInputError(f"{name} is {value}; it must not be negative")
        return number

    return read


def read_word(value: Any, name: str, known: Collection[str]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in known:
        raise InvalidInputError(unknown_word(name, value, known))
    return value


def word_of(known: Collection[str]) -> Reader:
    """One of some words, as a reader."""
    return lambda value, name: read_word(value, name, known)


def words_of(what: str, known: Collection[str]) -> Reader:
    """Several of some words, each called a `what` in messages."""

    def read(value: Any, name: str) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Collection):
            refuse(value, name, f"a list of {what}s", f"give some of {', '.join(known)}")
        return tuple(read_word(word, what, known) for word in value)

    return read


def name_of(choice: Any) -> str:
    """The word for what was chosen by name, or given as an object that has a `name`."""
    return choice if isinstance(choice, str) else str(choice.name)


def option(default: Any, reader: Reader) -> Any:
    """A field of `Options`: what it is unless given, and what reads it."""
    return field(default=default, metadata={"reader": reader})


@dataclass(frozen=True)
class Options:
    """Options that belong together, each written once: as a field, by `option`."""

    def __post_init__(self) -> None:
        for one in fields(self):
            if "reader" in one.metadata:
                value = one.metadata["reader"](getattr(self, one.name), one.name)
                object.__setattr__(self, one.name, value)
