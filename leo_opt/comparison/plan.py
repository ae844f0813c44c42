"""A plan: what is to be compared on what, read from one TOML file."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leo_opt import formats
from leo_opt.bounds import METHODS
from leo_opt.comparison.contestants import (
    FormulationEntry,
    SolverEntry,
    read_formulation,
    read_solver,
)
from leo_opt.comparison.domains import NamedBox, read_domain
from leo_opt.comparison.keys import Keys
from leo_opt.comparison.questions import QuestionEntry, read_question
from leo_opt.errors import FileFormatError, InvalidInputError, LeoOptError
from leo_opt.network import Network
from leo_opt.storage.files import check_readable

STOPS = ("none", "sign")
"""When a solver may stop: at the optimum, or as soon as the sign of the quantity is known."""


_WHOLE_PLAN = ("bounds", "seeds", "time_limit", "node_limit", "stop")
_ABOVE = "; keys of the whole plan stand above the first [[table]]"


@dataclass(frozen=True, eq=False)
class NetworkEntry:
    """A network file and the boxes on which it is looked at."""

    path: Path
    network: Network
    domains: tuple[NamedBox, ...]

    @property
    def name(self) -> str:
        """The name of the file without folder and suffix."""
        return self.path.stem


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be compared on what.

    Parameters
    ----------
    networks
        Each with its domains.
    questions
        Asked of every network on every domain.
    bounds
        Names of `leo_opt.bounds.METHODS.names()`.
    formulations, solvers
        What is compared.
    seeds
        Of the solvers' random numbers.
    time_limit
        Seconds for the separation and the branch and bound of one cell.
    node_limit
        Or None.
    stop
        A word of `STOPS`.
    """

    networks: tuple[NetworkEntry, ...]
    questions: tuple[QuestionEntry, ...]
    bounds: tuple[str, ...]
    formulations: tuple[FormulationEntry, ...]
    solvers: tuple[SolverEntry, ...]
    seeds: tuple[int, ...]
    time_limit: float
    node_limit: int | None
    stop: str


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Read a plan and check all of it: networks, domains, names and options.

    Parameters
    ----------
    path
        A TOML file; names of files in it are relative to its folder.

    Raises
    ------
    FileFormatError
        If the file, or one it names, cannot be read.
    InvalidInputError
        If a key is unknown, missing or has a wrong value; the message names it and the cure.
    """
    source = Path(path)
    check_readable(source)
    try:
        values = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is not TOML: {error}; correct that place") from error
    keys = Keys(values, source.name, dict.fromkeys(_WHOLE_PLAN, _ABOVE))
    limit = keys.whole("node_limit", 1, least=1) if "node_limit" in keys else None
    keys.known("node_limit")
    folder = source.parent
    domains = _read_domains(keys, folder)
    networks = [entry for keys in keys.tables("networks") for entry in _read(keys, folder, domains)]
    plan = Plan(
        networks=tuple(networks),
        questions=tuple(read_question(entry) for entry in keys.tables("questions")),
        bounds=_read_bounds(keys),
        formulations=tuple(read_formulation(entry) for entry in keys.tables("formulations")),
        solvers=tuple(read_solver(entry) for entry in keys.tables("solvers")),
        seeds=_read_seeds(keys),
        time_limit=keys.number("time_limit", 60.0),
        node_limit=limit,
        stop=keys.text("stop", "none", STOPS),
    )
    keys.close()
    for question in plan.questions:
        for entry in plan.networks:
            question.check(entry.name, entry.network)
    return plan


def _read_bounds(keys: Keys) -> tuple[str, ...]:
    names, known = keys.items("bounds", str, ["crown"]), METHODS.names()
    for name in names:
        if name not in known:
            raise keys.wrong("bounds", name, f"known are {', '.join(known)}")
    return tuple(dict.fromkeys(names))


def _read_seeds(keys: Keys) -> tuple[int, ...]:
    seeds = keys.items("seeds", int, [0])
    for seed in seeds:
        if seed < 0:
            raise keys.wrong("seeds", seed, "at least 0 is needed")
    return tuple(dict.fromkeys(seeds))


def _read_domains(keys: Keys, folder: Path) -> list[NamedBox]:
    boxes: list[NamedBox] = []
    for entry in keys.tables("domains"):
        found = read_domain(entry, folder)
        if any(found[0].entry == box.entry for box in boxes):
            raise entry.wrong("name", found[0].entry, "another domain has that name; change one")
        boxes += found
    return boxes


def _read(keys: Keys, folder: Path, domains: Sequence[NamedBox]) -> list[NetworkEntry]:
    """The networks of one table, of which a pattern may name several."""
    pattern = keys.text("path")
    names = list(dict.fromkeys(box.entry for box in domains))
    wanted = keys.items("domains", str, names)
    keys.close()
    for name in wanted:
        if name not in names:
            raise keys.wrong("domains", name, f"known are {', '.join(names)}")
    chosen = [box for box in domains if box.entry in wanted]
    paths = _expand(folder / Path(pattern).expanduser())
    if not paths:
        raise keys.wrong("path", pattern, f"no file in {folder} has such a name; correct it")
    return [_load(keys, path, chosen) for path in paths]


def _expand(pattern: Path) -> list[Path]:
    """The files that a name or pattern stands for, in alphabetical order."""
    if pattern.exists():
        return [pattern]
    return [Path(name) for name in sorted(glob.glob(str(pattern), recursive=True))]


def _load(keys: Keys, path: Path, domains: Sequence[NamedBox]) -> NetworkEntry:
    try:
        network = formats.load(path)
        boxes = tuple(
            NamedBox(named.entry, named.name, named.box.spread(network.input_size))
            for named in domains
        )
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{keys.where}: {path.name}: {error}; name the domains that fit: domains = [...]"
        ) from error
    except LeoOptError as error:
        raise type(error)(f"{keys.where}: {error}") from error
    return NetworkEntry(path.resolve(), network, boxes)
