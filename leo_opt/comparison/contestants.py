"""What is compared: formulations and solvers with their options, as a plan names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.comparison.keys import Keys
from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.formulations import Formulation
from leo_opt.formulations import find as find_formulation
from leo_opt.solvers import SolverOptions, StandardForm
from leo_opt.solvers import find as find_solver

SEPARATION = ("rounds", "tree", "both", "none")
"""Where rows that a formulation leaves out are added: in rounds at the root before branch and
bound, as user cuts in its tree, in both, or nowhere."""

_DEFAULT_ROUNDS = 50


@dataclass(frozen=True)
class FormulationEntry:
    """A formulation with its options.

    Parameters
    ----------
    name
        A name of `leo_opt.formulations.names()`.
    options
        Fields of the formulation's class, sorted.
    separation
        A word of `SEPARATION`; "none" for formulations that are written whole.
    rounds
        Most rounds of separation at the root.
    """

    name: str
    options: tuple[tuple[str, object], ...] = ()
    separation: str = "none"
    rounds: int = _DEFAULT_ROUNDS

    def make(self) -> Formulation:
        """The formulation.

        Raises
        ------
        InvalidInputError
            If the name or a value is not known.
        """
        made = find_formulation(self.name)
        if not self.options:
            return made
        return replace(made, **dict(self.options))  # type: ignore[type-var]

    @property
    def label(self) -> str:
        """Name and options for tables, such as "partition(parts=4)"."""
        said = [f"{key}={value}" for key, value in self.options]
        if self.separation not in ("none", "rounds"):
            said.append(f"separation={self.separation}")
        if find_formulation(self.name).separates and self.separation == "none":
            said.append("separation=none")
        if self.rounds != _DEFAULT_ROUNDS:
            said.append(f"rounds={self.rounds}")
        return _label(self.name, said)


def _label(name: str, said: Sequence[str]) -> str:
    return f"{name}({', '.join(said)})" if said else name


@contextmanager
def _naming(keys: Keys, *errors: type[Exception]) -> Iterator[None]:
    """Say in which table of the plan a value is that was refused with one of the errors."""
    try:
        yield
    except errors as error:
        raise InvalidInputError(f"{keys.where}: {error}") from error


def _close(keys: Keys, options: Iterable[str]) -> None:
    """Refuse what is neither an option nor has been read."""
    for key in options:
        keys.known(key)
    keys.close()


def read_formulation(keys: Keys) -> FormulationEntry:
    """A formulation of a plan.

    Raises
    ------
    InvalidInputError
        Naming the key that is wrong.
    """
    name = keys.text("name")
    with _naming(keys, InvalidInputError):
        default = find_formulation(name)
    separation, rounds = "none", _DEFAULT_ROUNDS
    if default.separates:
        separation = keys.text("separation", "rounds", SEPARATION)
        rounds = keys.whole("rounds", _DEFAULT_ROUNDS, least=1)
    known = {entry.name: getattr(default, entry.name) for entry in _fields(default)}
    options = {key: _option(keys, key, value) for key, value in known.items() if key in keys}
    _close(keys, known)
    entry = FormulationEntry(name, tuple(sorted(options.items())), separation, rounds)
    with _naming(keys, InvalidInputError, TypeError):
        entry.make()
    return entry


def _fields(formulation: Formulation) -> tuple[Any, ...]:
    return fields(formulation) if is_dataclass(formulation) else ()


def _option(keys: Keys, key: str, default: object) -> object:
    """The value of an option, which must be of the kind of its default."""
    readers: Mapping[type, Callable[[], object]] = {
        bool: lambda: keys.flag(key, False),
        int: lambda: keys.whole(key),
        float: lambda: keys.number(key, positive=False),
        str: lambda: keys.text(key),
    }
    if type(default) not in readers:
        raise InvalidInputError(
            f"{keys.where}: {key} of this formulation cannot be set in a plan; leave it out"
        )
    return readers[type(default)]()


@dataclass(frozen=True)
class SolverEntry:
    """A solver with its options.

    Parameters
    ----------
    name
        What `leo_opt.solvers.find` takes.
    options
        Fields of `SolverOptions`, sorted; `extra` is a sorted tuple, too.
    """

    name: str
    options: tuple[tuple[str, object], ...] = ()
    extra: tuple[tuple[str, object], ...] = ()

    def make_options(self, seed: int) -> SolverOptions:
        """Options of a session."""
        made = SolverOptions(seed=seed, extra=MappingProxyType(dict(self.extra)))
        return replace(made, **dict(self.options))  # type: ignore[arg-type]

    @property
    def label(self) -> str:
        """Name and options for tables; says of which nobody knows whether they are in force."""
        said = [f"{key}={value}" for key, value in self.options]
        unsure = "" if not self.extra or find_solver(self.name).checks_options else " (unchecked)"
        said += [f"{key}={value}{unsure}" for key, value in self.extra]
        return _label(self.name, said)


def read_solver(keys: Keys) -> SolverEntry:
    """A solver of a plan; its options are tried on a small model where it is installed.

    Raises
    ------
    InvalidInputError
        Naming the key that is wrong.
    """
    name = keys.text("name")
    with _naming(keys, InvalidInputError):
        find_solver(name)
    numbers: Mapping[str, Callable[[], object]] = {
        "threads": lambda: keys.whole("threads", least=1),
        "relative_gap": lambda: keys.number("relative_gap", positive=False),
        "absolute_gap": lambda: keys.number("absolute_gap", positive=False),
        "feasibility_tolerance": lambda: keys.number("feasibility_tolerance"),
        "integrality_tolerance": lambda: keys.number("integrality_tolerance"),
    }
    options = {key: read() for key, read in numbers.items() if key in keys}
    extra = keys.table("extra")
    for key, value in extra.items():
        if not isinstance(value, str | int | float):
            raise keys.wrong(f"extra.{key}", value, "give a text, a number or a truth value")
    _close(keys, numbers)
    entry = SolverEntry(name, tuple(sorted(options.items())), tuple(sorted(extra.items())))
    with _naming(keys, InvalidInputError, SolverError):
        _try_options(entry)
    return entry


def _try_options(entry: SolverEntry) -> None:
    """Open a session on a model of one column, which refuses unknown options."""
    options = entry.make_options(seed=0)
    solver = find_solver(entry.name)
    if solver.available():
        solver.open(_smallest_model(), options).close()


def _smallest_model() -> StandardForm:
    """0 <= x <= 1, x integral."""
    zero, one = np.zeros(1), np.ones(1)
    return StandardForm(
        matrix=np.ones((1, 1)),
        row_lower=zero,
        row_upper=one,
        column_lower=zero,
        column_upper=one,
        integer=np.array([True]),
    )
