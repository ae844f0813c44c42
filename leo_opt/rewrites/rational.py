"""Sums in rational numbers, rounded once, and how far that rounding moved them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import float_above
from leo_opt.network import FloatArray, Layer, Weight, read_activation


def to_fractions(values: FloatArray) -> list[Fraction]:
    """The numbers of a (n,) array, exactly."""
    return [Fraction(value) for value in values.tolist()]


def affine(layer: Layer, inputs: list[Fraction]) -> list[Fraction]:
    """Pre-activations of a layer at one point."""
    return [
        Fraction(offset) + dot(layer.weight, unit, inputs)
        for unit, offset in enumerate(layer.bias.tolist())
    ]


def dot(weight: Weight, row: int, inputs: Sequence[Fraction]) -> Fraction:
    """weight[row] @ inputs; zeros of the row cost nothing."""
    columns, values = weights.row_support(weight, row)
    pairs = zip(columns.tolist(), values.tolist(), strict=True)
    return sum((Fraction(value) * inputs[column] for column, value in pairs), Fraction(0))


def activate(layer: Layer, pres: Sequence[Fraction]) -> list[Fraction]:
    """Post-activations of a layer."""
    return [read_activation(tag).exact(pre) for tag, pre in zip(layer.tags, pres, strict=True)]


def round_nearest(values: Iterable[Fraction]) -> tuple[FloatArray, FloatArray]:
    """The nearest float64 numbers, and bounds on how far they are from the values.

    Raises
    ------
    OverflowError
        If a value is beyond the range of float64.
    """
    exact = list(values)
    nearest = [float(value) for value in exact]
    error = [
        float_above(abs(Fraction(near) - value)) for near, value in zip(nearest, exact, strict=True)
    ]
    return np.array(nearest), np.array(error)
