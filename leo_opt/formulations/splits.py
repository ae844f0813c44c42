"""Ways to split the weights of a unit into parts.

References
----------
C. Tsay, J. Kronqvist, A. Thebelt, R. Misener, Partition-based formulations for mixed-integer
optimization of trained ReLU neural networks, NeurIPS 2021, arXiv 2102.04373, section 3.4: all of
these rules, the second and the third as theirs; their random parts differ in size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.network import FloatArray

Splitter = Callable[[FloatArray, int, np.random.Generator], list[IntArray]]
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
    generator: np.random.Generator,
) -> list[IntArray]:
    """Sorted weights in parts that span about the same range.

    The first part holds the weights below the 5 % quantile and the last one those from the 95 %
    quantile on, so that a few large weights do not make the others empty; what lies between is
    split at even distances. With fewer than 3 parts these are of equal size.
    """
    if parts < 3:
        return split_equal_size(weights, parts, generator)
    low, high = np.quantile(weights, [_OUTER_QUANTILE, 1.0 - _OUTER_QUANTILE])
    breaks = np.linspace(float(low), float(high), parts - 1)
    place = np.searchsorted(breaks, weights, side="right")
    return [np.flatnonzero(place == part) for part in range(parts)]


def split_random(weights: FloatArray, parts: int, generator: np.random.Generator) -> list[IntArray]:
    """Random parts of about the same size."""
    shuffled = generator.permutation(weights.size)
    return [np.sort(part) for part in np.array_split(shuffled, parts)]


def split_uneven_magnitudes(
    weights: FloatArray,
    parts: int,
    generator: np.random.Generator,  # noqa: ARG001
) -> list[IntArray]:
    """The largest weights in different parts: dealt by magnitude, to and fro."""
    order = np.argsort(-np.abs(weights), kind="stable")
    rounds, seat = np.divmod(np.arange(weights.size), parts)
    seat = np.where(rounds % 2 == 1, parts - 1 - seat, seat)
    return [np.sort(order[seat == part]) for part in range(parts)]


SPLITS: Mapping[str, Splitter] = MappingProxyType(
    {
        "equal-size": split_equal_size,
        "equal-range": split_equal_range,
        "random": split_random,
        "uneven-magnitudes": split_uneven_magnitudes,
    }
)
"""The rules by name."""
