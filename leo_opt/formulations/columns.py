"""What a layer reads, as scaled variables of a model; and its rows over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leo_opt.errors import InvalidInputError
from leo_opt.formulations.rows import SMALLEST_COEFFICIENT
from leo_opt.network import FloatArray, Layer

IntArray = NDArray[np.int64]


_LARGEST_EXPONENT = 20
"""Rows of units that are small only by cancellation are scaled no further than to entries of
2**20: more would drown them in the rounding of the solver."""

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


def unit_exponents(layer: Layer, inputs: Scaling, lower: FloatArray, upper: FloatArray) -> IntArray:
    """Exponents e with 2**e * max(|lower|, |upper|) about 1, limited by the entries of the row.

    Parameters
    ----------
    inputs
        Scaling of what the layer reads.
    lower, upper : (n_out,) arrays
        Finite bounds of its pre-activations.
    """
    reach = np.maximum(np.abs(lower), np.abs(upper))
    wanted = -np.rint(np.log2(np.where(reach > 0.0, reach, 1.0)))
    span = np.maximum(1.0, np.maximum(np.abs(inputs.lower), np.abs(inputs.upper)))
    with np.errstate(over="ignore", under="ignore"):
        size = np.abs(inputs.shift)
        size[inputs.kept] += np.ldexp(span, -inputs.exponent)
        entries = np.abs(layer.weight) * size
        largest = np.maximum(entries.max(axis=1), np.abs(layer.bias))
        limit = _LARGEST_EXPONENT - np.ceil(np.log2(np.where(largest > 0.0, largest, 1.0)))
    limited = np.where(largest > 0.0, np.minimum(wanted, limit), wanted)
    return np.clip(limited, -_EXPONENT_RANGE, _EXPONENT_RANGE).astype(np.int64)


def natural_bias(layer: Layer, inputs: Scaling) -> FloatArray:
    """Bias plus the contribution of the shifts, in natural units, (n_out,).

    Summed in extended precision where there is one, since the terms may cancel.
    """
    where = np.flatnonzero(inputs.shift)
    if not where.size:
        return layer.bias
    terms = layer.weight[:, where].astype(np.longdouble) * inputs.shift[where]
    return np.asarray(terms.sum(axis=1) + layer.bias, dtype=np.float64)


def scale_rows(layer: Layer, inputs: Scaling, units: IntArray, exponent: IntArray) -> ScaledRows:
    """Rows of some units of a layer over scaled variables.

    Parameters
    ----------
    inputs
        Scaling of what the layer reads.
    units, exponent : (m,) integer arrays
        The units, and the powers of two that multiply their pre-activations.

    Raises
    ------
    InvalidInputError
        If a scaled number overflows.
    """
    weight = layer.weight[np.ix_(units, inputs.kept)]
    with np.errstate(over="ignore", under="ignore"):
        constant = np.ldexp(natural_bias(layer, inputs)[units], exponent)
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
