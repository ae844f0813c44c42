"""One pass over a network: each matrix is replaced by parts that are fitted to the data.

The rows that a matrix reads are those that the stages before it, already replaced, give; what it
aims at is what the original gives: later ones repair what earlier ones lose.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

import numpy as np

from leo_opt.approximation import costs
from leo_opt.approximation.costs import Cost
from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.regression import refit
from leo_opt.approximation.stages import ChainMatrix, Matrix, Stage, Tensors, chain_stages
from leo_opt.approximation.targets import LayerTarget
from leo_opt.arrays import FloatArray
from leo_opt.layer import Layer
from leo_opt.lazily import lazy
from leo_opt.network import Network

Built = TypeVar("Built")
"""What an imitation is made into: a network, or a graph."""

_NUMBERS = 20_000_000
"""Of tensors, that are looked at where a matrix alone is replaced."""


@dataclass(frozen=True, eq=False)
class Substitute:
    """What stands in the place of one matrix.

    Parameters
    ----------
    matrix
        The original's.
    parts
        Those in its place; None where it stays.
    error
        Relative response error behind the activation, on the data.
    """

    matrix: Matrix
    parts: Parts | None = None
    error: float = 0.0

    @property
    def index(self) -> int:
        """The number of the matrix in reports."""
        return self.matrix.index

    @property
    def cost(self) -> Cost:
        """What it takes."""
        return self.matrix.cost(self.parts)


@dataclass(frozen=True, eq=False)
class Imitation:
    """Substitutes for all matrices, and how far the outputs on the data are from the original's."""

    substitutes: tuple[Substitute, ...]
    error: float


class Calibration(ABC, Generic[Built]):
    """A network as stages, and the data on which it is imitated."""

    @property
    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """All stages, in an order in which they can be made."""

    @property
    @abstractmethod
    def inputs(self) -> Tensors:
        """The data, as the stages read them."""

    @property
    @abstractmethod
    def ends(self) -> tuple[str, ...]:
        """Names of the outputs."""

    @property
    @abstractmethod
    def own_cost(self) -> Cost:
        """What the network takes before anything is replaced."""

    @abstractmethod
    def build(self, imitation: Imitation) -> Built:
        """What computes an imitation."""

    def build_alone(self, index: int | None = None, parts: Parts | None = None) -> Built:
        """What computes the network with one matrix alone replaced, or none."""
        matrices = (stage for stage in self.stages if isinstance(stage, Matrix))
        only = (Substitute(one, parts if one.index == index else None) for one in matrices)
        return self.build(Imitation(tuple(only), 0.0))

    @abstractmethod
    def cost(self, built: Built) -> Cost:
        """What that takes."""

    @lazy
    def matrices(self) -> dict[int, Matrix]:
        """Those that can be replaced, by their numbers."""
        found = (stage for stage in self.stages if isinstance(stage, Matrix))
        return {matrix.index: matrix for matrix in found if matrix.units.any()}

    @lazy
    def tensors(self) -> Tensors:
        """All that the network makes of the data."""
        made = dict(self.inputs)
        for stage in self.stages:
            made.update(stage.run(made))
        return made

    @lazy
    def _targets(self) -> dict[int, LayerTarget]:
        """What matrices shall do for the original's tensors, of those that were asked for."""
        return {}

    def target(self, index: int) -> LayerTarget:
        """What a matrix shall do for the original's tensors."""
        if index not in self._targets:
            self._targets[index] = self._target(index, self.tensors)
        return self._targets[index]

    def _target(self, index: int, given: Tensors) -> LayerTarget:
        """What a matrix shall do for tensors."""
        matrix, own = self.matrices[index], self.tensors
        whole = LayerTarget(
            matrix.layer,
            matrix.rows(given[matrix.source]),
            matrix.made(own[matrix.target]),
            matrix.readers,
            matrix.channels,
        )
        return whole if matrix.units.all() else whole.take(matrix.units)

    def error_alone(self, index: int, parts: Parts) -> float:
        """How far the outputs move where one matrix alone is replaced; on some of the data."""
        matrix, own = self.matrices[index], self._some
        made = {**own, matrix.target: matrix.multiply(own[matrix.source], parts)}
        moved = {matrix.target}
        for stage in self.stages:
            if stage is not matrix and not moved.isdisjoint(stage.reads):
                fresh = stage.run(made)
                made.update(fresh)
                moved.update(fresh)
        return self._gap(own, made)

    @lazy
    def _some(self) -> Tensors:
        """Tensors of so many samples, evenly spread, that not too many numbers are looked at."""
        every = 1 + sum(tensor.size for tensor in self.tensors.values()) // _NUMBERS
        return {name: tensor[::every] for name, tensor in self.tensors.items()}

    def _gap(self, *sides: Tensors) -> float:
        """Relative distance of the outputs among tensors from those that are meant."""
        rows = ([one[name].ravel() for name in self.ends] for one in sides)
        return relative_gap(*map(np.concatenate, rows))

    def imitate(self, method: Method, rooms: Mapping[int, Room]) -> Imitation:
        """Replace the matrices for which there is a room, the first one first.

        The last one is fitted to the original's outputs also where it keeps its size.
        """
        made, moved, done = dict(self.inputs), False, []
        last = max(self.matrices)
        for stage in self.stages:
            if not isinstance(stage, Matrix):
                made.update(stage.run(made))
                continue
            index, parts = stage.index, None
            if index in rooms:
                target = self._target(index, made) if moved else self.target(index)
                parts = method.fit(target, rooms[index])
            elif moved and index == last:
                parts = _refitted(self._target(index, made))
            moved = moved or parts is not None
            made[stage.target] = stage.multiply(made[stage.source], parts)
            done.append(Substitute(stage, parts, self._response_error(stage, made)))
        return Imitation(tuple(done), self._gap(self.tensors, made))

    def _response_error(self, matrix: Matrix, made: Tensors) -> float:
        """How far a matrix is from the original's behind the activation, relatively."""
        tensors, activate = (self.tensors, made), matrix.layer.activate
        return relative_gap(*(activate(matrix.made(one[matrix.target])) for one in tensors))


def relative_gap(meant: FloatArray, found: FloatArray) -> float:
    """Relative distance from what is meant, in the Frobenius norm."""
    return float(np.linalg.norm(found - meant)) / (float(np.linalg.norm(meant)) or 1.0)


@dataclass(frozen=True, eq=False)
class ChainCalibration(Calibration[Network]):
    """A chain and the data on which it is imitated.

    Parameters
    ----------
    network
        The original.
    data : (N, n_in) array
    """

    network: Network
    data: FloatArray

    @lazy
    def stages(self) -> tuple[Stage, ...]:
        """See `Calibration.stages`."""
        return tuple(chain_stages(self.network))

    @property
    def inputs(self) -> Tensors:
        """See `Calibration.inputs`."""
        return {"post 0": self.data}

    @property
    def ends(self) -> tuple[str, ...]:
        """See `Calibration.ends`."""
        return (f"post {len(self.network.layers)}",)

    @property
    def own_cost(self) -> Cost:
        """See `Calibration.own_cost`."""
        return costs.of_network(self.network, sparse=False)

    def build(self, imitation: Imitation) -> Network:
        """The chain of all layers."""
        layers = chain.from_iterable(map(_layers, imitation.substitutes))
        return Network(tuple(layers), self.network.signature)

    def cost(self, built: Network) -> Cost:
        """See `Calibration.cost`."""
        return costs.of_network(built)


def _layers(substitute: Substitute) -> tuple[Layer, ...]:
    """The layers of a chain in the place of one."""
    matrix, parts = substitute.matrix, substitute.parts
    assert isinstance(matrix, ChainMatrix)
    return (matrix.layer,) if parts is None else matrix.layers(parts)


def _refitted(target: LayerTarget) -> Parts:
    """All numbers of a layer, fitted anew."""
    whole = target.weight != 0.0
    weight, bias = refit(target, target.weight, target.layer.bias, whole)
    return Parts.of(bias, sparse=weight)
