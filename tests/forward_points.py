"""The point of a model that belongs to an input of the network."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo
from oracle import exact_pre_activations

from leo_opt.network import Network
from leo_opt.solvers import Compiled


def forward_point(
    block: Any, compiled: Compiled, network: Network, inputs: np.ndarray
) -> np.ndarray:
    """The point of a `big-m` model that belongs to an input (n_in,)."""
    point = forward_values(block, compiled, network, inputs)
    assert not np.isnan(point).any()
    return point


def forward_values(
    block: Any, compiled: Compiled, network: Network, inputs: np.ndarray
) -> np.ndarray:
    """The same for any formulation: NaN at the columns that it adds, and at others' columns."""
    point = np.full(compiled.form.columns, np.nan)
    for k, value in enumerate(inputs):
        column = compiled.column_of(block.inputs[k])
        point[column] = value
        if block.component("scaled_inputs") is not None and k in block.scaled_inputs:
            row = block.input_scaling[k]
            terms, _ = compiled.linear(row.body)
            own = compiled.column_of(block.scaled_inputs[k])
            # So narrow an input that its row leaves the scaled variable out.
            tied = terms[own] != 0.0
            rest = pyo.value(row.upper) - terms[column] * value
            point[own] = rest / terms[own] if tied else 0.0
    for layer, pres in enumerate(exact_pre_activations(network, list(inputs))):
        for unit, pre in enumerate(pres):
            at, scale = (layer, unit), Fraction(block.scale[layer, unit])
            if at in block.scaled_pre:
                scaled = (pre - Fraction(block.shift[at])) * scale
                point[compiled.column_of(block.scaled_pre[at])] = float(scaled)
            if at in block.scaled_post:
                point[compiled.column_of(block.scaled_post[at])] = float(max(pre, 0) * scale)
            if at in block.is_active:
                point[compiled.column_of(block.is_active[at])] = float(pre > 0)
    return point
