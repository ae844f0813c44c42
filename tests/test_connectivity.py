"""Cones and parts agree with networkx on the network's graph."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from seeds import seeds

from leo_opt import Network
from leo_opt.connectivity import INPUT_LAYER, Component, cone, graph, independent_parts
from leo_opt.errors import InvalidInputError


def sparse_network(generator: np.random.Generator) -> Network:
    """A network most of whose weights are zero, so that it falls into parts."""
    sizes = [int(n) for n in generator.integers(1, 9, size=generator.integers(2, 6))]
    density = generator.choice([0.1, 0.25, 0.5])
    weights = [
        generator.normal(size=shape) * (generator.random(shape) < density)
        for shape in zip(sizes[1:], sizes, strict=False)
    ]
    return Network.from_arrays(weights, [None] * len(weights))


def random_masks(generator: np.random.Generator, network: Network) -> list[np.ndarray]:
    return [generator.random(layer.n_out) < 0.3 for layer in network.layers]


def nodes_of(part: Component) -> set[tuple[int, int]]:
    inputs = {(INPUT_LAYER, int(k)) for k in part.inputs}
    return inputs | {(layer, int(k)) for layer, units in enumerate(part.units) for k in units}


@pytest.mark.parametrize("seed", seeds(20, of=60))
@pytest.mark.parametrize("masked", [False, True])
def test_a_cone_is_all_ancestors(seed: int, masked: bool) -> None:
    generator = np.random.default_rng(seed)
    network = sparse_network(generator)
    inert = random_masks(generator, network) if masked else None
    layer = int(generator.integers(len(network.layers)))
    units = generator.integers(network.layers[layer].n_out, size=2)
    reference = graph(network)
    if inert is not None:
        for index, mask in enumerate(inert):
            if index < layer:
                reference.remove_nodes_from([(index, int(k)) for k in np.flatnonzero(mask)])
    expected = {(layer, int(k)) for k in units}
    expected |= set().union(*(networkx.ancestors(reference, node) for node in expected))
    assert nodes_of(cone(network, layer, units, inert)) == expected


@pytest.mark.parametrize("seed", seeds(30, of=100))
@pytest.mark.parametrize("masked", [False, True])
def test_parts_are_the_connected_components(seed: int, masked: bool) -> None:
    generator = np.random.default_rng(seed)
    network = sparse_network(generator)
    depth = int(generator.integers(1, len(network.layers) + 1))
    inert = random_masks(generator, network) if masked else None
    stuck = generator.random(network.input_size) < 0.3 if masked else None
    reference = graph(network)
    for layer in range(depth, len(network.layers)):
        reference.remove_nodes_from([n for n in list(reference) if n[0] == layer])
    if inert is not None and stuck is not None:
        for index, mask in enumerate(inert[:depth]):
            for unit in np.flatnonzero(mask):
                node = (index, int(unit))
                reference.remove_edges_from(list(reference.out_edges(node)))
        reference.remove_nodes_from([(INPUT_LAYER, int(k)) for k in np.flatnonzero(stuck)])
    expected = {frozenset(c) for c in networkx.weakly_connected_components(reference)}
    parts = independent_parts(network, depth, inert=inert, inert_inputs=stuck)
    assert {frozenset(nodes_of(part)) for part in parts} == expected
    assert len(parts) == len(expected)
    assert all(len(part.units) == len(network.layers) for part in parts)
    firsts = [int(part.inputs[0]) for part in parts if part.inputs.size]
    assert firsts == sorted(firsts)


def test_the_graph_has_weights_and_every_node() -> None:
    network = Network.from_arrays([[[1.5, 0.0]], [[2.0], [0.0]]], [None, None])
    result = graph(network)
    assert set(result) == {(-1, 0), (-1, 1), (0, 0), (1, 0), (1, 1)}
    assert list(result.edges(data="weight")) == [((-1, 0), (0, 0), 1.5), ((0, 0), (1, 0), 2.0)]


def test_units_that_do_not_exist_are_refused() -> None:
    network = Network.from_arrays([[[1.0]], [[1.0]]], [None, None])
    with pytest.raises(InvalidInputError, match="layer 2"):
        cone(network, 2, [0])
    with pytest.raises(InvalidInputError, match=r"\[1\]"):
        cone(network, 0, [1])
    with pytest.raises(InvalidInputError, match="layer -1"):
        cone(network, -1, [0])


def test_a_wide_network_is_quick() -> None:
    generator = np.random.default_rng(0)
    network = Network.from_arrays(
        [generator.normal(size=s) for s in ((800, 784), (800, 800), (10, 800))], [None] * 3
    )
    (part,) = independent_parts(network)
    assert [units.size for units in part.units] == [800, 800, 10]
    assert cone(network, 2, [3]).inputs.size == 784
