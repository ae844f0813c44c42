"""Ways to split the weights of a unit into parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from leo_opt.formulations.columns import IntArray
from leo_opt.network import FloatArray

Split = Callable[[FloatArray, int, np.random.Generator], list[IntArray]]
"""From weights (k,), a number of parts and random numbers to that many sets of indices."""

_OUTER_QUANTILE = 0.05


def split_equal_size(
    weights: FloatArray,
    parts: int,
    generator: np.random.Generator,  # noqa: ARG001
) -> list[IntArray]:
    """Sorted weights in parts of about the same size."""
    return [np.sort(part) for part in np.array_split(np.argsort(weights, kind="stable"), parts)]


def split_equal_range(
    weights: FloatArray,
    parts: int,
    generator: np.random.Generator,  # noqa: ARG001
) -> list[IntArray]:
    """Sorted weights in parts that span about the same range.

    The breaks are evenly spaced between the 5 % and the 95 % quantile; the outer parts also hold
    what lies beyond.
    """
    low, high = np.quantile(weights, [_OUTER_QUANTILE, 1.0 - _OUTER_QUANTILE])
    breaks = np.linspace(float(low), float(high), parts + 1)[1:-1]
    place = np.searchsorted(breaks, weights, side="right")
    return [np.flatnonzero(place == part) for part in range(parts)]


def split_random(weights: FloatArray, parts: int, generator: np.random.Generator) -> list[IntArray]:
    """Random parts of about the same size."""
    shuffled = generator.permutation(weights.size)
    return [np.sort(part) for part in np.array_split(shuffled, parts)]


SPLITS: Mapping[str, Split] = MappingProxyType(
    {
        "equal-size": split_equal_size,
        "equal-range": split_equal_range,
        "random": split_random,
    }
)
"""The rules by name."""
