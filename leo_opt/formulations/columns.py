"""What a layer reads, as scaled variables of a model; and its rows over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt import weights
from leo_opt.arrays import IntArray
from leo_opt.errors import InvalidInputError
from leo_opt.formulations.rows import SMALLEST_COEFFICIENT
from leo_opt.network import FloatArray, Layer

_LARGEST_ENTRY = 20
"""Rows of units that are small only by cancellation are scaled no further than to entries of
2**20: more would drown them in the rounding of the solver."""

_LARGEST_TERM = 30
"""The same for what is summed into constants, here and in extended precision."""

_EXPONENT_RANGE = 1000
"""Powers of two beyond are no float64."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """How values are held by variables: shift + 2**-exponent * variable if kept, else shift.

    Parameters
    ----------
    shift : (n,) array
        In natural units; all there is of a value that cannot vary on the domain.
    kept : (k,) integer array
        Which of the n values have a variable.
    exponent : (k,) integer array
        The powers of two that give the variables a range of about 1.
    lower, upper : (k,) arrays
        Intervals of the variables.
    """

    shift: FloatArray
    kept: IntArray
    exponent: IntArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Columns:
    """What a layer reads: its scaling, and the Pyomo variable of each value kept."""

    scaling: Scaling
    variables: Sequence[Any]


@dataclass(frozen=True, eq=False)
class ScaledRows:
    """Rows scaled pre = coefficients @ variables + constant, each to within its slack.

    Parameters
    ----------
    coefficients : (m, k) array
        Exactly zero where an entry is too small for a solver.
    constant : (m,) array
        With the middle of what the entries left out contribute.
    slack : (m,) array
        Half the width of that contribution; mostly 0.
    """

    coefficients: FloatArray
    constant: FloatArray
    slack: FloatArray


def exponent_limits(layer: Layer, inputs: Scaling) -> FloatArray:
    """Binary logarithms of the largest factors that the rows of a layer stand, (n_out,).

    Parameters
    ----------
    inputs
        Scaling of what the layer reads.
    """
    span = np.maximum(1.0, np.maximum(np.abs(inputs.lower), np.abs(inputs.upper)))
    with np.errstate(over="ignore", under="ignore"):
        reach = np.ldexp(span, -inputs.exponent)
        entries = weights.row_maxima(layer.weight[:, inputs.kept], reach)
        terms = weights.row_maxima(layer.weight, np.abs(inputs.shift))
        terms = np.maximum(terms, np.abs(layer.bias))
    largest = _LARGEST_ENTRY - _log2(entries)
    return np.minimum(largest, _LARGEST_TERM - _log2(terms))


def exponents_of(reach: FloatArray, limits: FloatArray | float = np.inf) -> IntArray:
    """Exponents e with 2**e * reach about 1, no larger than their limits.

    Parameters
    ----------
    reach : (n,) array
        Largest magnitude of what will be the units' variables, in natural units; finite.
    """
    exponent = np.floor(np.minimum(-_log2(reach, fallback=0.0), limits) + 0.5)
    return np.asarray(np.clip(exponent, -_EXPONENT_RANGE, _EXPONENT_RANGE), dtype=np.int64)


def _log2(values: FloatArray, fallback: float = -np.inf) -> FloatArray:
    """Binary logarithms of nonnegative values, with a fallback for zeros."""
    positive = values > 0.0
    return np.where(positive, np.log2(np.where(positive, values, 1.0)), fallback)


def constants(layer: Layer, inputs: Scaling, minus: FloatArray) -> FloatArray:
    """Bias plus the contribution of the shifts, minus a vector, in natural units, (n_out,).

    Summed in extended precision where there is one, since the terms may cancel.
    """
    where = np.flatnonzero(inputs.shift)
    if not where.size and not minus.any():
        return layer.bias
    moved = weights.sum_rows(layer.weight[:, where], inputs.shift[where])
    return np.asarray(moved + layer.bias - minus, dtype=np.float64)


def scale_rows(
    layer: Layer, inputs: Scaling, units: IntArray, exponent: IntArray, shift: FloatArray
) -> ScaledRows:
    """Rows of some units of a layer over scaled variables.

    Parameters
    ----------
    inputs
        Scaling of what the layer reads.
    units, exponent : (m,) integer arrays
        The units, and the powers of two that multiply their pre-activations less the shift.
    shift : (n_out,) array

    Raises
    ------
    InvalidInputError
        If a scaled number overflows.
    """
    weight = weights.dense(layer.weight[units])[:, inputs.kept]
    with np.errstate(over="ignore", under="ignore"):
        constant = np.ldexp(constants(layer, inputs, shift)[units], exponent)
        # Powers of two are exact in binary: nothing is rounded here.
        powers = exponent[:, None] - inputs.exponent[None, :]
        coefficients = np.ldexp(weight, powers)
    if not (np.isfinite(coefficients).all() and np.isfinite(constant).all()):
        raise InvalidInputError(
            f"a scaled weight overflows: it is up to {np.abs(weight).max():g} and is multiplied "
            f"by up to 2**{int(powers.max(initial=0))}; rescale the weights of the layers"
        )
    return _leave_out_small(coefficients, constant, inputs)


def _leave_out_small(coefficients: FloatArray, constant: FloatArray, inputs: Scaling) -> ScaledRows:
    """Replace entries too small for a solver by the interval of what they contribute."""
    small = (np.abs(coefficients) <= SMALLEST_COEFFICIENT) & (coefficients != 0.0)
    if not small.any():
        return ScaledRows(coefficients, constant, np.zeros(constant.size))
    dropped = np.where(small, coefficients, 0.0)
    positive, negative = np.maximum(dropped, 0.0), np.minimum(dropped, 0.0)
    least = positive @ inputs.lower + negative @ inputs.upper
    most = positive @ inputs.upper + negative @ inputs.lower
    middle = 0.5 * (least + most)
    # The factor and the addend cover the rounding of these sums.
    slack = (1.0 + 2.0**-20) * 0.5 * (most - least) + 2.0**-40 * np.abs(middle)
    return ScaledRows(np.where(small, 0.0, coefficients), constant + middle, slack)
