"""Values of all variables of a block from an input of its network: a start for a solver."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import BlockData

from leo_opt.arguments import read_array
from leo_opt.errors import InvalidInputError
from leo_opt.formulations.ranges import is_variable

_AGREEMENT = 1e-9
"""Relative difference up to which an expression has the value asked for."""


def fill(block: Any, inputs: Iterable[float] | None = None) -> None:
    """Set the variables of a block, binary and auxiliary ones too, to what an input gives.

    Parameters
    ----------
    block
        What `formulate` returned.
    inputs : (n_in,) array or None
        The input, in the domain. By default what the block's inputs are worth now.

    Raises
    ------
    InvalidInputError
        If the block is of another kind, the input has another size or is not in the domain, or
        one that is fixed or an expression is worth something else.

    Examples
    --------
    >>> import pyomo.environ as pyo
    >>> from leo_opt import Box, Network, formulate
    >>> from leo_opt.formulations import fill
    >>> network = Network.from_arrays([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    >>> model = pyo.ConcreteModel()
    >>> model.net = formulate(network, Box(-1, 2))
    >>> fill(model.net, [-0.5])
    >>> pyo.value(model.net.outputs[0])
    0.5
    """
    if not isinstance(block, BlockData) or block.component("scaled_pre") is None:
        raise InvalidInputError(
            f"fill was given a {type(block).__name__}; give the block that formulate returned"
        )
    values = _present(block) if inputs is None else read_array(inputs, "inputs")
    size = block.domain.lower.size
    if values.shape != (size,):
        raise InvalidInputError(f"the input has shape {values.shape}; ({size},) is needed")
    outside = ~((block.domain.lower <= values) & (values <= block.domain.upper))
    if outside.any():
        k = int(np.flatnonzero(outside)[0])
        raise InvalidInputError(
            f"input {k} is {values[k]}, outside of [{block.domain.lower[k]}, "
            f"{block.domain.upper[k]}] of the domain of the block"
        )
    for k, value in enumerate(values.tolist()):
        _set_input(k, block.inputs[k], value)
    _fill_scaled_inputs(block, values)
    _fill_units(block)
    block.formulation.fill_units(block, block.units)


def set_value(variable: Any, value: float) -> None:
    """Give a variable that is not fixed a value, moved into its bounds.

    It leaves them by rounding only.
    """
    if variable.fixed:
        return
    low = -math.inf if variable.lb is None else variable.lb
    high = math.inf if variable.ub is None else variable.ub
    variable.set_value(min(max(value, low), high), skip_validation=True)


def _present(block: Any) -> Any:
    """What the inputs are worth."""
    values = []
    for k, entry in block.inputs.items():
        value = pyo.value(entry, exception=False)
        if value is None:
            raise InvalidInputError(f"input {k} of the block has no value; give the input")
        values.append(float(value))
    return np.array(values)


def _set_input(k: int, entry: Any, value: float) -> None:
    """Set an input that is a variable; anything else must have the value already."""
    held = entry.expr if entry.is_named_expression_type() else entry
    if not isinstance(held, int | float) and is_variable(held) and not held.fixed:
        held.set_value(value, skip_validation=True)
        return
    worth = pyo.value(entry, exception=False)
    if worth is None or abs(worth - value) > _AGREEMENT * max(1.0, abs(value)):
        raise InvalidInputError(
            f"input {k} is {held}, which is worth {worth} and not {value}; set its variables so "
            "that it is, and give no input"
        )


def _fill_scaled_inputs(block: Any, values: Any) -> None:
    columns = block.reads
    scaling = columns.scaling
    scaled = np.ldexp(values[scaling.kept] - scaling.shift[scaling.kept], scaling.exponent)
    read = {id(entry) for entry in block.inputs.values()} | {
        id(entry.expr) for entry in block.inputs.values() if entry.is_named_expression_type()
    }
    for variable, value in zip(columns.variables, scaled.tolist(), strict=True):
        if id(variable) not in read:
            set_value(variable, value)


def _fill_units(block: Any) -> None:
    """Set pre-activations, post-activations and binaries, layer by layer."""
    unstable = {unit.address: unit for unit in block.units}
    affine = block.component("affine")
    for address, variable in block.scaled_post.items():
        if address not in block.scaled_pre:
            # Noise, wherever in its interval it is.
            set_value(variable, 0.0)
    for address in sorted(block.scaled_pre):
        variable = block.scaled_pre[address]
        unit = unstable.get(address)
        if unit is not None:
            value = unit.row.constant + _weighted(unit.row.coefficients, unit.inputs)
        elif affine is not None and address in affine:
            row = affine[address]
            # The row is the variable less what it reads, equal to a constant.
            variable.set_value(0.0, skip_validation=True)
            value = _middle(row.lb, row.ub) - float(pyo.value(row.body))
        else:
            value = _middle(variable.lb, variable.ub)
        set_value(variable, value)
        if unit is not None:
            set_value(unit.post, max(value, 0.0))
            if unit.active is not None:
                set_value(unit.active, int(value > 0.0))


def _weighted(coefficients: Any, variables: Iterable[Any]) -> float:
    return float(coefficients @ np.array([variable.value for variable in variables], dtype=float))


def _middle(low: float, high: float) -> float:
    return 0.5 * low + 0.5 * high
