"""Maxima in a chain are found where they are to the last bit."""

from __future__ import annotations

import numpy as np
from maxima_networks import late_largest, tree

from leo_opt import Layer, Network


def test_what_is_not_a_maximum_to_the_last_bit_is_none() -> None:
    network = tree(2)
    [found, _] = network.maxima
    assert found is not None
    assert found.rectified.tolist() == [True]
    first, second = network.layers
    weight = np.array(first.weight)
    weight[found.units[0], first.lanes[found.sources[0]]] = np.nextafter(-1.0, 0.0)
    almost = Network((Layer(weight, first.bias, first.tags), second))
    # A lane may be taken with any factor; here it is the one that stands there.
    assert almost.maxima[0] is not None
    assert almost.maxima[0].readers.slack is not None
    sums = np.array([[1.0, 1.0], [-1.0, -1.0]]), np.zeros(2), ("linear", "relu")
    assert Network((Layer(*sums), Layer([[1.0, 1.0]], [0.0]))).maxima[0] is not None
    sums[0][1, 1] = np.nextafter(-1.0, 0.0)
    assert Network((Layer(*sums), Layer([[1.0, 1.0]], [0.0]))).maxima == (None, None)


def test_rectifiers_alone_are_no_maxima() -> None:
    network = Network.from_arrays([np.eye(3), [[1.0, -1.0, 0.0]] * 2, [[1.0, 1.0]]], [None] * 3)
    assert not any(network.maxima)


def test_lanes_of_maxima_are_found() -> None:
    first, second, last = late_largest().maxima
    assert first is not None
    assert second is not None
    assert last is None
    assert (first.rectified.tolist(), second.rectified.tolist()) == ([True], [False])
    assert second.readers.lanes.tolist() == [1, 2]
