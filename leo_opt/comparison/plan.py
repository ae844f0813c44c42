"""A plan: what is to be compared on what, read from one TOML file."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from leo_opt import formats
from leo_opt.bounds import METHODS
from leo_opt.comparison.contestants import FormulationEntry, SolverEntry, read_formulation
from leo_opt.comparison.domains import DomainTable, NamedBox
from leo_opt.comparison.keys import Counted, Filled, Natural, Positive, each, standing_at
from leo_opt.comparison.questions import Directions, Outputs, Questions
from leo_opt.errors import FileFormatError, InvalidInputError, unknown_word
from leo_opt.network import Network
from leo_opt.rectify import rectified
from leo_opt.storage.codec import from_tree
from leo_opt.storage.files import check_readable

FORMAT = "leo_opt comparison plan"
_ABOVE = "; keys of the whole plan stand above the first [[table]]"


class NetworkTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `[[networks]]`: a file or a pattern, and the names of its domains."""

    path: str
    domains: Filled[str] | None = None


class PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in a plan file; see `Plan`."""

    networks: Filled[NetworkTable]
    domains: Filled[DomainTable]
    questions: Filled[Directions | Outputs]
    formulations: Filled[Annotated[dict[str, Any], msgspec.Meta(description="name and options")]]
    solvers: Filled[SolverEntry]
    bounds: Filled[str] = ("crown",)
    seeds: Filled[Natural] = (0,)
    time_limit: Positive = 60.0
    node_limit: Counted | None = None
    stop: Literal["none", "sign"] = "none"

    def __post_init__(self) -> None:
        each("bounds", self.bounds, METHODS.find)


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
        When a solver may stop: at the optimum ("none"), or as soon as the "sign" of the quantity
        is known.
    """

    networks: tuple[NetworkEntry, ...]
    questions: tuple[Questions, ...]
    bounds: tuple[str, ...]
    formulations: tuple[FormulationEntry, ...]
    solvers: tuple[SolverEntry, ...]
    seeds: tuple[int, ...]
    time_limit: float
    node_limit: int | None
    stop: Literal["none", "sign"]


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
        tree = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is not TOML: {error}; correct that place") from error
    with standing_at(source.name):
        return _plan_of(_decode(tree), source.parent)


def _decode(tree: dict[str, Any]) -> PlanFile:
    try:
        return from_tree(tree, PlanFile)
    except ValueError as error:
        misplaced = any(f"key {key!r} is" in str(error) for key in PlanFile.__struct_fields__)
        raise InvalidInputError(f"{error}{_ABOVE if misplaced else ''}") from error


def _plan_of(file: PlanFile, folder: Path) -> Plan:
    """What a file asks for, all of which is tried."""
    boxes: list[NamedBox] = []
    for found in each("domains", file.domains, lambda table: table.boxes(folder)):
        if any(found[0].entry == box.entry for box in boxes):
            raise InvalidInputError(f"two domains have the name {found[0].entry!r}; change one")
        boxes += found
    read = each("networks", file.networks, lambda table: _read(table, folder, boxes))
    networks = tuple(entry for entries in read for entry in entries)
    by_name = [(entry.name, entry.network) for entry in networks]
    each("questions", file.questions, lambda asked: [asked.check(*entry) for entry in by_name])
    each("solvers", file.solvers, SolverEntry.check)
    return Plan(
        networks=networks,
        questions=file.questions,
        bounds=tuple(dict.fromkeys(file.bounds)),
        formulations=tuple(each("formulations", file.formulations, read_formulation)),
        solvers=file.solvers,
        seeds=tuple(dict.fromkeys(file.seeds)),
        time_limit=file.time_limit,
        node_limit=file.node_limit,
        stop=file.stop,
    )


def _read(table: NetworkTable, folder: Path, boxes: Sequence[NamedBox]) -> list[NetworkEntry]:
    """The networks of one table, of which a pattern may name several."""
    names = list(dict.fromkeys(box.entry for box in boxes))
    wanted = table.domains or names
    for name in wanted:
        if name not in names:
            raise InvalidInputError(unknown_word("domain", name, names))
    chosen = [box for box in boxes if box.entry in wanted]
    paths = _expand(folder / Path(table.path).expanduser())
    if not paths:
        raise InvalidInputError(
            f"path is {table.path!r}; no file in {folder} has such a name; correct it"
        )
    return [_load(path, chosen) for path in paths]


def _expand(pattern: Path) -> list[Path]:
    """The files that a name or pattern stands for, in alphabetical order."""
    if pattern.exists():
        return [pattern]
    return [Path(name) for name in sorted(glob.glob(str(pattern), recursive=True))]


def _load(path: Path, domains: Sequence[NamedBox]) -> NetworkEntry:
    network = rectified(formats.load(path))
    try:
        boxes = tuple(
            NamedBox(named.entry, named.name, named.box.spread(network.input_size))
            for named in domains
        )
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{path.name}: {error}; name the domains that fit: domains = [...]"
        ) from error
    return NetworkEntry(path.resolve(), network, boxes)
