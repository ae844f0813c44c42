"""The part of a network that some questions are about: their cone of influence.

A model holds only what its questions depend on. Questions whose cones share no input are
decided apart, on models of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.bounds import Bounds
from leo_opt.connectivity import Component, cone, independent_parts
from leo_opt.decisions.findings import Direction
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Layer, Network


@dataclass(frozen=True, eq=False)
class Scope:
    """A network cut down to the cone of some units of one layer, which is its last.

    Parameters
    ----------
    network, domain, bounds
        Of the cone alone; stably inactive units, whose post-activation is 0, are left out.
    inputs : (k,) integer array
        Which inputs of the whole network these are.
    units : (m,) integer array
        Which units of the layer its last units are.
    base : (n_in,) array
        An input of the whole domain, which says what to put where the cone does not care.
    """

    network: Network
    domain: Box
    bounds: Bounds
    inputs: IntArray
    units: IntArray
    base: FloatArray

    def local(self, direction: Direction) -> Direction:
        """The same question about the cut-down network."""
        return direction._replace(unit=int(np.searchsorted(self.units, direction.unit)))

    def restrict(self, inputs: FloatArray) -> FloatArray:
        """An input (n_in,) of the whole network as one of the cone."""
        return inputs[self.inputs]

    def lift(self, inputs: FloatArray | None) -> FloatArray | None:
        """An input of the cone as one of the whole network."""
        if inputs is None:
            return None
        whole = self.base.copy()
        whole[self.inputs] = inputs
        return whole


def find_scopes(
    network: Network, domain: Box, bounds: Bounds, directions: Sequence[Direction]
) -> list[tuple[Scope, list[Direction]]]:
    """The independent cones of directions of one layer, each with its directions in order.

    Parameters
    ----------
    bounds
        Of the layers up to that of the directions.
    """
    layer = directions[0].layer
    asked = np.unique([direction.unit for direction in directions])
    rows = _rows_only(network, layer, asked)
    inert = [
        (bounds.upper[k] <= 0.0) & rows.layers[k].phased if k < layer else asked < 0
        for k in range(layer + 1)
    ]
    parts = independent_parts(rows, inert=inert, inert_inputs=domain.lower == domain.upper)
    scopes = []
    for part in parts:
        if part.units[layer].size:
            piece = _whole_layers(rows, cone(rows, layer, part.units[layer], inert))
            scope = _cut(rows, domain, bounds, piece, asked)
            mine = [d for d in directions if d.unit in set(scope.units.tolist())]
            scopes.append((scope, mine))
    return scopes


def _rows_only(network: Network, index: int, units: IntArray) -> Network:
    """The layers up to one, of which only some units are left."""
    return Network((*network.layers[:index], network.layers[index].take(units)))


def _whole_layers(network: Network, piece: Component) -> Component:
    """A cone without empty layers: questions about constants keep the layers whole."""
    if piece.inputs.size and all(units.size for units in piece.units[:-1]):
        return piece
    widths = [np.arange(layer.n_out) for layer in network.layers[:-1]]
    return Component(np.arange(network.input_size), (*widths, piece.units[-1]))


def _cut(network: Network, domain: Box, bounds: Bounds, piece: Component, asked: IntArray) -> Scope:
    """The network, box and bounds of a cone."""
    before, layers = piece.inputs, []
    for layer, units in zip(network.layers, piece.units, strict=True):
        rows = layer.take(units)
        layers.append(Layer(rows.weight[:, before], rows.bias, rows.activation))
        before = units
    box = Box(domain.lower[piece.inputs], domain.upper[piece.inputs])
    units = asked[piece.units[-1]]
    chosen = (*piece.units[:-1], units)
    lower = tuple(low[index] for low, index in zip(bounds.lower, chosen, strict=True))
    upper = tuple(high[index] for high, index in zip(bounds.upper, chosen, strict=True))
    return Scope(
        Network(tuple(layers)), box, Bounds(box, lower, upper), piece.inputs, units, domain.centre
    )
