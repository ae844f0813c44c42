"""One pass over a network: each layer is replaced by parts that are fitted to the data.

The inputs of a layer are those that the layers before it, already replaced, give; what it aims at
is what the original gives: later layers repair what earlier ones lose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from leo_opt import weights
from leo_opt.approximation import costs
from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.regression import refit
from leo_opt.approximation.targets import LayerTarget
from leo_opt.arrays import BoolArray, FloatArray
from leo_opt.layer import Layer
from leo_opt.lazily import lazy
from leo_opt.network import Network

_FEWEST = 8
"""Weights that a row must have for an approximation to be worth while, and rows of a layer."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A network and the data on which it is imitated.

    Parameters
    ----------
    network
        The original.
    data : (N, n_in) array
    """

    network: Network
    data: FloatArray

    @lazy
    def pre(self) -> list[FloatArray]:
        """Pre-activations of all layers, (N, n_out) each."""
        return self.network.pre_activations(self.data)

    @lazy
    def posts(self) -> list[FloatArray]:
        """What each layer reads, and the outputs behind the last."""
        behind = zip(self.network.layers, self.pre, strict=True)
        return [self.data, *(layer.activate(pre) for layer, pre in behind)]

    @lazy
    def units(self) -> dict[int, BoolArray]:
        """For each layer that can be replaced the units of which it is: all but identity lanes."""
        found = {}
        for index, layer in enumerate(self.network.layers):
            units = layer.lanes < 0
            if not weights.is_sparse(layer.weight) and units.sum() and layer.n_in >= _FEWEST:
                found[index] = units
        return found

    def target(self, index: int, inputs: FloatArray | None = None) -> LayerTarget:
        """What a layer shall do on inputs, by default the original's."""
        layers, units = self.network.layers, self.units[index]
        importance = np.ones(layers[index].n_out)
        if index + 1 < len(layers):
            square = layers[index + 1].weight ** 2
            importance = np.sqrt(np.asarray(square.sum(axis=0)))
            mean = importance[units].mean()
            importance = np.maximum(importance / mean, 1e-3) if mean else np.ones_like(importance)
        whole = LayerTarget(
            layers[index],
            self.posts[index] if inputs is None else inputs,
            self.pre[index],
            importance,
        )
        return whole.take(units) if not units.all() else whole

    def run_on(self, index: int, post: FloatArray) -> FloatArray:
        """Outputs where a layer gives `post`."""
        for layer in self.network.layers[index + 1 :]:
            post = layer.activate(layer.affine(post))
        return post

    def error(self, outputs: FloatArray) -> float:
        """Relative distance of outputs from the original's, in the Frobenius norm."""
        size = float(np.linalg.norm(self.posts[-1])) or 1.0
        return float(np.linalg.norm(outputs - self.posts[-1])) / size


@dataclass(frozen=True, eq=False)
class Substitute:
    """What stands in the place of one layer.

    Parameters
    ----------
    index
        Of the layer in the original.
    layers
        Those that compute it.
    parts
        Its parts; None where the layer stays.
    error
        Relative response error behind the activation, on the data.
    """

    index: int
    layers: tuple[Layer, ...]
    parts: Parts | None = None
    error: float = 0.0


@dataclass(frozen=True, eq=False)
class Imitation:
    """A network of substitutes, and how far its outputs are from the original's on the data."""

    substitutes: tuple[Substitute, ...]
    error: float

    def network(self, original: Network) -> Network:
        """The chain of all layers."""
        layers = tuple(chain.from_iterable(one.layers for one in self.substitutes))
        return Network(layers, original.signature)


def imitate(calibration: Calibration, method: Method, rooms: Mapping[int, Room]) -> Imitation:
    """Replace the layers for which there is a room, the first one first.

    The last layer is fitted to the original's outputs also where it keeps its size.
    """
    post, moved, done = calibration.data, False, []
    last = len(calibration.network.layers) - 1
    for index, layer in enumerate(calibration.network.layers):
        parts = None
        if index in rooms:
            target = calibration.target(index, post)
            parts = method.fit(target, rooms[index])
        elif moved and index == last and index in calibration.units:
            target = calibration.target(index, post)
            parts = _refitted(target)
        if parts is None:
            substitute = Substitute(index, (layer,))
            pre = layer.affine(post)
        else:
            moved = True
            whole = parts.within(layer, calibration.units[index])
            substitute = Substitute(index, whole.layers(layer.activation), parts)
            pre = whole.pre(post)
        behind = layer.activate(pre)
        size = float(np.linalg.norm(calibration.posts[index + 1])) or 1.0
        error = float(np.linalg.norm(behind - calibration.posts[index + 1])) / size
        done.append(replace(substitute, error=error))
        post = behind
    return Imitation(tuple(done), calibration.error(post))


def _refitted(target: LayerTarget) -> Parts:
    """All numbers of a layer, fitted anew."""
    whole = target.weight != 0.0
    weight, bias = refit(target, target.weight, target.layer.bias, whole)
    return Parts.of(bias, sparse=weight)


def cost_of(substitute: Substitute) -> costs.Cost:
    """The cost of what stands in the place of one layer."""
    return sum((costs.of_layer(layer) for layer in substitute.layers), costs.Cost())
