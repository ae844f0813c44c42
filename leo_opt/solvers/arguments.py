"""What a caller gives to a question, checked."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError


def read_array(values: ArrayLike, size: int, name: str, missing: bool = False) -> FloatArray:
    """A copy of an array with a number for each column.

    Parameters
    ----------
    missing
        Whether NaN may stand for what is not known.

    Raises
    ------
    InvalidInputError
        If it has another size, or a number is not finite.
    """
    array = np.array(values, dtype=np.float64)
    if array.shape != (size,):
        raise InvalidInputError(f"{name} has shape {array.shape}; the model has {size} columns")
    if np.isinf(array).any() or (np.isnan(array).any() and not missing):
        raise InvalidInputError(f"{name} holds a number that is not finite; give numbers")
    return array


def read_constant(value: float) -> float:
    """A finite constant.

    Raises
    ------
    InvalidInputError
        If it is not finite.
    """
    if not math.isfinite(value):
        raise InvalidInputError(f"constant is {value}; give a number")
    return float(value)


def read_stop(value: float | None, name: str) -> float | None:
    """A value at which a solve stops, or None.

    Raises
    ------
    InvalidInputError
        If it is NaN, which nothing is greater or less than.
    """
    if value is not None and math.isnan(value):
        raise InvalidInputError(f"{name} is {value}; give a number or None")
    return None if value is None else float(value)


def read_limit(value: float | None, usual: float | None, name: str) -> float | None:
    """A limit of seconds or nodes, that of the session where the question has none.

    What is left of a deadline may be negative, and means no time at all; infinity is no limit.

    Raises
    ------
    InvalidInputError
        If it is NaN.
    """
    limit = usual if value is None else value
    if limit is None or limit == math.inf:
        return None
    if math.isnan(limit):
        raise InvalidInputError(f"{name} is {limit}; give a number or None")
    return max(0.0, limit)
