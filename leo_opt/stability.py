"""Stability: the verdict on every unit as a value, with the evidence of each side."""

from __future__ import annotations

import enum
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from leo_opt.activations import LinearPiece, read_activation
from leo_opt.arrays import BoolArray
from leo_opt.bounds import Bounds
from leo_opt.domain import Domain, DomainLike, read_domain
from leo_opt.errors import FileFormatError, InvalidInputError, MismatchError
from leo_opt.evidence import ARITHMETIC, Evidence, Premise, weakest
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Network, read_network
from leo_opt.polytope import domain_from
from leo_opt.rectify import own_bounds, rectified
from leo_opt.storage import codec
from leo_opt.storage.files import check_readable, write_atomically
from leo_opt.summarised import Pictured

__all__ = [
    "ARITHMETIC",
    "FORMAT",
    "Evidence",
    "Phase",
    "Premise",
    "Stability",
    "Statistics",
    "weakest",
]


FORMAT = "leo_opt stability 1"
"""What a file of `Stability.save` says it is."""


class Phase(enum.StrEnum):
    """What is known of a unit on the domain."""

    STABLY_ACTIVE = "stably_active"
    """pre >= 0 everywhere on the domain, and not stably inactive."""
    STABLY_INACTIVE = "stably_inactive"
    """pre <= 0 everywhere on the domain; wins where pre is 0 throughout."""
    UNSTABLE = "unstable"
    """An input with pre > 0 and one with pre < 0 are known."""
    UNDECIDED = "undecided"
    """None of these is proved; the unit is kept."""
    LINEAR = "linear"
    """A unit that passes its input on, in a layer that has rectifiers, too."""


@dataclass(frozen=True)
class Statistics:
    """What a classification cost.

    Parameters
    ----------
    seconds
        Wall-clock time of the whole run.
    milps_solved, nodes, lps_solved
        Questions asked and branch-and-bound nodes used, those of earlier runs with them.
    recalled
        Answers that were taken from a checkpoint.
    settled
        Number of directions that each stage settled.
    stage_seconds
        Wall-clock time of each stage, at all layers together.
    strategy, solver, formulation
        The names under which the run was made.
    """

    seconds: float = 0.0
    milps_solved: int = 0
    nodes: int = 0
    lps_solved: int = 0
    recalled: int = 0
    settled: Mapping[str, int] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    strategy: str = ""
    solver: str = ""
    formulation: str = ""


Ends = tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]
"""Lower and upper ends, one array a layer."""


class EvidenceEntry(msgspec.Struct, array_like=True, frozen=True):
    """`Evidence` as a row of a file; the premise is an index."""

    method: str
    premise: int
    witness: int | None
    anomaly: str
    seconds: float


class StabilityFile(msgspec.Struct, frozen=True):
    """What stands in a file of `Stability.save`.

    `domain` is lower and upper ends, and of a polytope weight and bound of its rows; `has_phases`
    is one truth value for a layer whose units agree, else one a unit; `evidence` is
    that of lower ends and that of upper ends, by layer and unit.
    """

    format: str
    network_hash: str
    domain: tuple[FloatArray, ...]
    has_phases: list[bool | list[bool]]
    certified: Ends
    trusted: Ends
    phases: tuple[tuple[Phase, ...], ...]
    premises: list[Premise]
    evidence: list[list[list[EvidenceEntry]]]
    witnesses: list[FloatArray]
    statistics: Statistics


@dataclass(frozen=True, eq=False)
class Stability(Pictured):
    """Phase, intervals and evidence of every unit of one network on one box.

    Parameters
    ----------
    network_hash
        `Network.content_hash` of the network, or of `rectified(network)` where it has other
        activations than rectifiers; layers and units below are of that one.
    domain
        The inputs for which everything below holds: a box, or a `Polytope`.
    phased : one (n_out,) boolean array a layer
        Which units have phases.
    certified
        Intervals whose premises are arithmetic throughout.
    trusted
        Intervals that may rest on a solver's bound, widened by its margin; inside `certified`.
    lower_evidence, upper_evidence : one tuple a layer with an `Evidence` a unit
    witnesses : (k, n_in) array
        Inputs of the domain at which the network, evaluated with its rounding error accounted
        for, shows signs.
    statistics
        What the run cost.

    Raises
    ------
    InvalidInputError
        If an interval excludes a sign that a witness shows.
    """

    network_hash: str
    domain: Domain
    phased: tuple[BoolArray, ...]
    certified: Bounds
    trusted: Bounds
    lower_evidence: tuple[tuple[Evidence, ...], ...]
    upper_evidence: tuple[tuple[Evidence, ...], ...]
    witnesses: FloatArray
    statistics: Statistics = field(default_factory=Statistics)

    def __post_init__(self) -> None:
        for layer, low in enumerate(self.trusted.lower):
            high = self.trusted.upper[layer]
            for unit in range(low.size):
                below = self.lower_evidence[layer][unit].witness is not None
                above = self.upper_evidence[layer][unit].witness is not None
                if (below and low[unit] >= 0.0) or (above and high[unit] <= 0.0):
                    raise InvalidInputError(
                        f"unit ({layer}, {unit}) has the interval [{low[unit]}, {high[unit]}] and "
                        "a witness outside it; one of them is wrong, classify again"
                    )

    @property
    def has_phases(self) -> tuple[bool, ...]:
        """For each layer whether some of its units have phases."""
        return tuple(bool(mask.any()) for mask in self.phased)

    @lazy
    def premise(self) -> Premise:
        """The weakest premise under a phase; arithmetic, where that alone proves all of them."""
        premise = ARITHMETIC
        for layer, phases in enumerate(self.phases):
            for unit, phase in enumerate(phases):
                if phase is Phase.STABLY_ACTIVE and self.certified.lower[layer][unit] < 0.0:
                    premise = weakest(premise, self.lower_evidence[layer][unit].premise)
                if phase is Phase.STABLY_INACTIVE and self.certified.upper[layer][unit] > 0.0:
                    premise = weakest(premise, self.upper_evidence[layer][unit].premise)
        return premise

    def _phase(self, index: int, unit: int) -> Phase:
        if not self.phased[index][unit]:
            return Phase.LINEAR
        if self.trusted.upper[index][unit] <= 0.0:
            return Phase.STABLY_INACTIVE
        if self.trusted.lower[index][unit] >= 0.0:
            return Phase.STABLY_ACTIVE
        seen_below = self.lower_evidence[index][unit].witness is not None
        seen_above = self.upper_evidence[index][unit].witness is not None
        return Phase.UNSTABLE if seen_below and seen_above else Phase.UNDECIDED

    @lazy
    def phases(self) -> tuple[tuple[Phase, ...], ...]:
        """One tuple a layer with the phase of each unit; empty where units have no phases."""
        return tuple(
            tuple(self._phase(layer, unit) for unit in range(low.size)) if phased else ()
            for layer, (low, phased) in enumerate(
                zip(self.trusted.lower, self.has_phases, strict=True)
            )
        )

    @lazy
    def phases_array(self) -> tuple[NDArray[np.str_], ...]:
        """`phases` as one array of words a layer, (n_out,) or empty: masks are `== "unstable"`."""
        return tuple(np.array([str(p) for p in phases], dtype=np.str_) for phases in self.phases)

    @property
    def lower(self) -> tuple[FloatArray, ...]:
        """Lower ends of the trusted intervals of pre-activations, one (n_out,) array a layer."""
        return self.trusted.lower

    @property
    def upper(self) -> tuple[FloatArray, ...]:
        """Upper ends of the trusted intervals of pre-activations, one (n_out,) array a layer."""
        return self.trusted.upper

    def __repr__(self) -> str:
        found = Counter(phase for phases in self.phases for phase in phases)
        told = [f"{found[phase]} {phase.replace('_', ' ')}" for phase in Phase if found[phase]]
        return f"Stability({', '.join(told) or 'no units with phases'}, on {self.domain!r})"

    def count(self, index: int, phase: Phase) -> int:
        """Number of units of a layer in a phase."""
        return self.phases[index].count(phase)

    def certified_phases(self, index: int) -> int:
        """Number of stable units of a layer that arithmetic alone proves stable."""
        low, high = self.certified.lower[index], self.certified.upper[index]
        return int((((low >= 0.0) | (high <= 0.0)) & self.phased[index]).sum())

    def check(self, network: Network, domain: DomainLike | None = None) -> None:
        """Refuse another network, or a box that this one does not cover.

        Raises
        ------
        MismatchError
        """
        decided = rectified(read_network(network))
        if decided.content_hash != self.network_hash:
            raise MismatchError(
                f"stability is of network {self.network_hash[:12]} and this network is "
                f"{decided.content_hash[:12]}; classify this network"
            )
        box = self.domain if domain is None else read_domain(domain).spread(network.input_size)
        if not self.domain.contains(box):
            raise MismatchError(
                f"stability holds on {self.domain!r} and not on all of {box!r}; "
                "classify on the larger box"
            )

    def pieces(self, network: Network) -> tuple[tuple[tuple[LinearPiece, ...], ...], ...]:
        """For each layer and unit of the network the pieces of its activation that are open.

        One piece: the unit is stably on it; with slope 0 it is constant. This is how to ask about
        leaky units and clips, of which `phases` names the rectifiers that they are made of.

        Raises
        ------
        MismatchError
            If it is another network.

        Examples
        --------
        >>> from leo_opt import Box, Network, classify
        >>> network = Network.from_arrays([[[1.0], [1.0]]], [[0.0, 7.0]], ["clip(0,6)"])
        >>> stability = classify(network, Box(0, 9))
        >>> [[piece.slope for piece in unit] for unit in stability.pieces(network)[0]]
        [[1.0, 0.0], [0.0]]
        """
        bounds = self.own_bounds(network)
        return tuple(
            tuple(
                read_activation(tag).pieces_on(*ends)
                for tag, *ends in zip(layer.tags, low.tolist(), high.tolist(), strict=True)
            )
            for layer, low, high in zip(network.layers, bounds.lower, bounds.upper, strict=True)
        )

    def own_bounds(self, network: Network, certified_only: bool = False) -> Bounds:
        """Bounds of the network's own pre-activations, whatever its activations are.

        Those of `trusted` and `certified`, where these are of `rectified(network)`.

        Raises
        ------
        MismatchError
            If it is another network.
        """
        self.check(network)
        known = self.certified if certified_only else self.trusted
        return Bounds(self.domain, *own_bounds(network, known.lower, known.upper))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file, numbers without loss, whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        write_atomically(path, json.dumps(self.to_json(), allow_nan=False).encode())

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        network: Network | None = None,
        domain: DomainLike | None = None,
    ) -> Stability:
        """Read what `save` wrote and, where given, `check` it against a network and a box.

        Raises
        ------
        FileFormatError
            If the file is not a stability file.
        MismatchError
            If it belongs to another network or box.
        """
        source = check_readable(path)
        try:
            stability = cls._of(codec.from_json(source.read_bytes(), StabilityFile, FORMAT))
        except (OSError, ValueError, TypeError, IndexError) as error:
            raise FileFormatError(
                f"{os.fspath(path)} is not a stability file ({error}); write one with "
                "Stability.save or `leo-opt classify --json`"
            ) from error
        if network is not None:
            stability.check(network, domain)
        return stability

    def to_json(self) -> dict[str, Any]:
        """A tree of lists, strings and numbers that `from_json` turns back into an equal value."""
        premises = sorted(
            {e.premise for side in self._sides for layer in side for e in layer}, key=str
        )
        file = StabilityFile(
            format=FORMAT,
            network_hash=self.network_hash,
            domain=self.domain.arrays,
            has_phases=[_encode_mask(mask) for mask in self.phased],
            certified=(self.certified.lower, self.certified.upper),
            trusted=(self.trusted.lower, self.trusted.upper),
            phases=self.phases,
            premises=premises,
            evidence=[
                [
                    [
                        EvidenceEntry(
                            e.method, premises.index(e.premise), e.witness, e.anomaly, e.seconds
                        )
                        for e in layer
                    ]
                    for layer in side
                ]
                for side in self._sides
            ],
            witnesses=list(self.witnesses),
            statistics=self.statistics,
        )
        tree: dict[str, Any] = codec.to_tree(file)
        if not self.statistics.stage_seconds:
            # Files of release 0.1.0 say nothing of it, and are written as they were.
            del tree["statistics"]["stage_seconds"]
        return tree

    @property
    def _sides(self) -> tuple[tuple[tuple[Evidence, ...], ...], ...]:
        return self.lower_evidence, self.upper_evidence

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Stability:
        """The value that `to_json` described.

        Raises
        ------
        ValueError, IndexError
            If the tree is not such a description.
        """
        codec.check_format(tree, FORMAT)
        return cls._of(codec.from_tree(tree, StabilityFile))

    @classmethod
    def _of(cls, file: StabilityFile) -> Stability:
        """The value that a file describes."""
        domain = domain_from(*file.domain)
        lower_evidence, upper_evidence = (
            tuple(
                tuple(
                    Evidence(e.method, file.premises[e.premise], e.witness, e.anomaly, e.seconds)
                    for e in layer
                )
                for layer in side
            )
            for side in file.evidence
        )
        return cls(
            network_hash=file.network_hash,
            domain=domain,
            phased=tuple(
                np.broadcast_to(np.array(mask, dtype=bool), (len(units),))
                for mask, units in zip(file.has_phases, lower_evidence, strict=True)
            ),
            certified=Bounds(domain, *file.certified),
            trusted=Bounds(domain, *file.trusted),
            lower_evidence=lower_evidence,
            upper_evidence=upper_evidence,
            witnesses=np.array(file.witnesses, dtype=np.float64).reshape(
                -1, domain.rows[0].shape[1]
            ),
            statistics=file.statistics,
        )


def _encode_mask(mask: BoolArray) -> bool | list[bool]:
    """One value where all units agree, else one a unit."""
    return bool(mask[0]) if mask.all() or not mask.any() else mask.tolist()
