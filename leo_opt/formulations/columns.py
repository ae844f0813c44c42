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


@dataclass(frozen=True, eq=False)
class Columns:
    """Values that a layer reads: shift + 2**-exponent * variable where kept, else shift.

    Parameters
    ----------
    shift : (n,) array
        In natural units; all there is of a value that cannot vary on the domain.
    kept : (k,) integer array
        Which of the n values vary.
    exponent : (k,) integer array
        The powers of two that give the variables a range of about 1.
    variables : k Pyomo variables
    lower, upper : (k,) arrays
        Intervals of the variables.
    """

    shift: FloatArray
    kept: IntArray
    exponent: IntArray
    variables: Sequence[Any]
    lower: FloatArray
    upper: FloatArray


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


def unit_exponents(lower: FloatArray, upper: FloatArray) -> IntArray:
    """Exponents e with 2**e * max(|lower|, |upper|) about 1, and 0 where that is 0.

    Parameters
    ----------
    lower, upper : (n,) arrays
        Finite.
    """
    reach = np.maximum(np.abs(lower), np.abs(upper))
    return -np.rint(np.log2(np.where(reach > 0.0, reach, 1.0))).astype(np.int64)


def scale_rows(layer: Layer, columns: Columns, units: IntArray, exponent: IntArray) -> ScaledRows:
    """Rows of some units of a layer over scaled columns.

    Parameters
    ----------
    units, exponent : (m,) integer arrays
        The units, and the powers of two that multiply their pre-activations.

    Raises
    ------
    InvalidInputError
        If a scaled number overflows.
    """
    weight, natural = layer.weight[units], layer.bias[units]
    if columns.shift.any():
        natural = natural + weight @ columns.shift
    with np.errstate(over="ignore", under="ignore"):
        constant = np.ldexp(natural, exponent)
        # Powers of two are exact in binary: nothing is rounded here.
        powers = exponent[:, None] - columns.exponent[None, :]
        coefficients = np.ldexp(weight[:, columns.kept], powers)
    if not (np.isfinite(coefficients).all() and np.isfinite(constant).all()):
        raise InvalidInputError(
            f"a scaled weight overflows: it reaches {np.abs(weight).max():g} and is multiplied by "
            f"up to 2**{int(powers.max(initial=0))}; rescale the weights of neighbouring layers"
        )
    return _leave_out_small(coefficients, constant, columns)


def _leave_out_small(
    coefficients: FloatArray, constant: FloatArray, columns: Columns
) -> ScaledRows:
    """Replace entries too small for a solver by the interval of what they contribute."""
    small = (np.abs(coefficients) <= SMALLEST_COEFFICIENT) & (coefficients != 0.0)
    if not small.any():
        return ScaledRows(coefficients, constant, np.zeros(constant.size))
    dropped = np.where(small, coefficients, 0.0)
    positive, negative = np.maximum(dropped, 0.0), np.minimum(dropped, 0.0)
    least = positive @ columns.lower + negative @ columns.upper
    most = positive @ columns.upper + negative @ columns.lower
    middle = 0.5 * (least + most)
    # The factor and the addend cover the rounding of these sums.
    slack = (1.0 + 2.0**-20) * 0.5 * (most - least) + 2.0**-40 * np.abs(middle)
    return ScaledRows(np.where(small, 0.0, coefficients), constant + middle, slack)
