"""Inputs carried past a network as further outputs, so that rows may have both.

An inequality over several inputs, or over inputs and outputs, is then a row like any other: every
stage bounds it, searches it and splits the box by it, and "no input satisfies the inequalities over
inputs" needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt import weights
from leo_opt.network import Layer, Network


def carry(network: Network, inputs: Sequence[int]) -> Network:
    """The outputs of a network, and then some of its inputs, by identity lanes."""
    if not inputs:
        return network
    layers, count = [], len(inputs)
    for index, layer in enumerate(network.layers):
        sources = layer.n_in + np.arange(count) if index else np.array(inputs)
        rows = weights.stack_columns(layer.weight, np.zeros((layer.n_out, count if index else 0)))
        lanes = np.zeros((count, rows.shape[1]))
        lanes[np.arange(count), sources] = 1.0
        bias = np.concatenate([layer.bias, np.zeros(count)])
        tags = (*layer.tags, *("linear",) * count)
        layers.append(Layer(weights.stack_rows(rows, lanes), bias, tags))
    return Network(tuple(layers), network.signature)
