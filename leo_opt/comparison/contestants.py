"""What is compared: formulations and solvers with their options, as a plan names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from leo_opt.comparison.keys import Counted, Finite, Natural, Positive
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import Formulation
from leo_opt.formulations import find as find_formulation
from leo_opt.solvers import SolverOptions
from leo_opt.solvers import find as find_solver
from leo_opt.storage.codec import from_tree

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


def read_formulation(tree: Mapping[str, Any]) -> FormulationEntry:
    """A formulation of a plan.

    Raises
    ------
    InvalidInputError
        Naming the key that is wrong.
    """
    name = from_tree(tree, _Named).name
    if ":" in name:
        raise InvalidInputError(
            f"formulation {name!r}: options are keys of their own in a plan, such as parts = 4"
        )
    default = find_formulation(name)
    table = from_tree(tree, _table_of(default))
    given = {key: getattr(table, key) for key in _options(default)}
    options = {key: value for key, value in given.items() if value is not msgspec.UNSET}
    entry = FormulationEntry(
        default.name,
        tuple(sorted(options.items())),
        getattr(table, "separation", "none"),
        getattr(table, "rounds", _DEFAULT_ROUNDS),
    )
    entry.make()
    return entry


class _Named(msgspec.Struct):
    name: str


def _table_of(formulation: Formulation) -> type[msgspec.Struct]:
    """What a plan may say of a formulation."""
    keys: list[Any] = [("name", str)]
    if formulation.separates:
        keys += [
            ("separation", Literal[SEPARATION], "rounds"),
            ("rounds", Counted, _DEFAULT_ROUNDS),
        ]
    options = _options(formulation).items()
    keys += [(key, kind | msgspec.UnsetType, msgspec.UNSET) for key, kind in options]
    return msgspec.defstruct("FormulationTable", keys, forbid_unknown_fields=True)


def _options(formulation: Formulation) -> dict[str, Any]:
    """The options that a plan can set, with the kind of their default."""
    kinds: Mapping[type, Any] = {bool: bool, int: Natural, float: Finite, str: str}
    entries: tuple[Any, ...] = fields(formulation) if is_dataclass(formulation) else ()
    defaults = {entry.name: type(getattr(formulation, entry.name)) for entry in entries}
    return {name: kinds[kind] for name, kind in defaults.items() if kind in kinds}


class SolverEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `[[solvers]]`: a solver with its options.

    Parameters
    ----------
    name
        What `leo_opt.solvers.find` takes.
    threads, relative_gap, absolute_gap, feasibility_tolerance, integrality_tolerance
        Of `SolverOptions`.
    extra
        Options by the solver's own names.
    """

    name: str
    threads: int | None = None
    relative_gap: Finite | None = None
    absolute_gap: Finite | None = None
    feasibility_tolerance: Positive | None = None
    integrality_tolerance: Positive | None = None
    extra: dict[str, str | int | float | bool] = {}

    def __post_init__(self) -> None:
        find_solver(self.name)
        self.make_options(seed=0)

    def _options(self) -> dict[str, Any]:
        """The options that are set, sorted."""
        given = {key: getattr(self, key) for key in sorted(self.__struct_fields__)}
        apart = ("name", "extra")
        return {
            key: value for key, value in given.items() if key not in apart and value is not None
        }

    def make_options(self, seed: int) -> SolverOptions:
        """Options of a session."""
        return SolverOptions(seed=seed, extra=MappingProxyType(self.extra), **self._options())

    @property
    def label(self) -> str:
        """Name and options for tables; says of which nobody knows whether they are in force."""
        said = [f"{key}={value}" for key, value in self._options().items()]
        unsure = "" if not self.extra or find_solver(self.name).checks_options else " (unchecked)"
        said += [f"{key}={value}{unsure}" for key, value in sorted(self.extra.items())]
        return _label(self.name, said)

    def check(self) -> None:
        """Refuse options that the solver does not know, where it is installed.

        Raises
        ------
        LeoOptError
            If it does not know one, or does not take its value.
        """
        find_solver(self.name).check_options(self.make_options(seed=0))
