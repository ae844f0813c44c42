"""What depends on what in a network: its graph, cones of influence, independent parts.

Only weights that are not 0 connect. The graph itself is there for those who want to look at it;
the questions that are asked often are answered on arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from leo_opt import weights
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.errors import InvalidInputError
from leo_opt.network import Network

if TYPE_CHECKING:
    import networkx


INPUT_LAYER = -1
"""The layer index under which inputs are nodes of the graph."""


@dataclass(frozen=True, eq=False)
class Component:
    """Some inputs and units of a network.

    Parameters
    ----------
    inputs
        Indices, ascending.
    units : one array a layer
        Indices, ascending; empty for layers that have no part in it.
    """

    inputs: IntArray
    units: tuple[IntArray, ...]


def graph(network: Network) -> networkx.DiGraph:
    """The network as a directed graph.

    Returns
    -------
    networkx.DiGraph
        Nodes (layer, unit), inputs under layer -1; an edge with `weight` for each weight that is
        not 0.
    """
    import networkx

    result = networkx.DiGraph()
    result.add_nodes_from((INPUT_LAYER, k) for k in range(network.input_size))
    for index, layer in enumerate(network.layers):
        result.add_nodes_from((index, k) for k in range(layer.n_out))
        for unit in range(layer.n_out):
            columns, values = weights.row_support(layer.weight, unit)
            for source, weight in zip(columns.tolist(), values.tolist(), strict=True):
                result.add_edge((index - 1, source), (index, unit), weight=weight)
    return result


def cone(
    network: Network, index: int, units: ArrayLike, inert: Sequence[BoolArray] | None = None
) -> Component:
    """All inputs and units on which the pre-activations of some units depend, and these.

    Parameters
    ----------
    index, units
        The units asked about.
    inert : one (n_out,) array a layer, or None
        Units whose post-activation is a constant, such as stably inactive ones: nothing depends
        on them.

    Raises
    ------
    InvalidInputError
        If there is no such layer or unit.
    """
    asked = np.asarray(units, dtype=np.int64).ravel()
    if not 0 <= index < len(network.layers):
        raise InvalidInputError(
            f"layer {index} does not exist; this network has layers 0 to {len(network.layers) - 1}"
        )
    width = network.layers[index].n_out
    if ((asked < 0) | (asked >= width)).any():
        raise InvalidInputError(
            f"units {asked.tolist()} are not all in layer {index}, which has units 0 to {width - 1}"
        )
    members = [np.empty(0, dtype=np.int64)] * len(network.layers)
    members[index] = np.unique(asked)
    for below in range(index - 1, -1, -1):
        used = weights.columns_read(network.layers[below + 1].weight[members[below + 1]])
        if inert is not None:
            used &= ~inert[below]
        members[below] = np.flatnonzero(used)
    inputs = np.flatnonzero(weights.columns_read(network.layers[0].weight[members[0]]))
    return Component(inputs, tuple(members))


def independent_parts(
    network: Network,
    depth: int | None = None,
    *,
    inert: Sequence[BoolArray] | None = None,
    inert_inputs: BoolArray | None = None,
) -> tuple[Component, ...]:
    """The parts of a network that share no input: each can be decided by itself.

    Parameters
    ----------
    depth
        Look at layers 0 to depth - 1 only; by default at all.
    inert : one (n_out,) array a layer, or None
        Units whose post-activation is a constant; they belong to their part but connect nothing
        above them.
    inert_inputs : (input_size,) array or None
        Inputs that cannot vary; they connect nothing.

    Returns
    -------
    tuple of Component
        Every unit is in exactly one part, and every input that is not inert. Ordered by their
        smallest input; units that depend on no input come last, each a part of its own.
    """
    depth = len(network.layers) if depth is None else depth
    labels = np.arange(network.input_size)
    columns = [labels]
    blocked = np.zeros(labels.size, dtype=bool) if inert_inputs is None else inert_inputs
    fresh = labels.size
    for index, layer in enumerate(network.layers[:depth]):
        own = np.empty(layer.n_out, dtype=np.int64)
        for unit in range(layer.n_out):
            sources, _ = weights.row_support(layer.weight, unit)
            touched = np.unique(columns[-1][sources[~blocked[sources]]])
            if touched.size > 1:
                for column in (*columns, own[:unit]):
                    column[np.isin(column, touched)] = touched[0]
            own[unit] = touched[0] if touched.size else fresh
            fresh += not touched.size
        columns.append(own)
        blocked = np.zeros(own.size, dtype=bool) if inert is None else inert[index]
    if inert_inputs is not None:
        columns[0] = np.where(inert_inputs, -1, columns[0])
    present = np.unique(np.concatenate(columns))
    empty = (np.empty(0, dtype=np.int64),) * (len(network.layers) - depth)
    return tuple(
        Component(
            np.flatnonzero(columns[0] == label),
            tuple(np.flatnonzero(column == label) for column in columns[1:]) + empty,
        )
        for label in present.tolist()
        if label >= 0
    )
