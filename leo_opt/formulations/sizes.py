"""How large a model will be, known before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt import weights
from leo_opt.bounds import Bounds, post_interval
from leo_opt.deadline import GIGABYTE
from leo_opt.formulations.base import Formulation
from leo_opt.layer import Layer

_WIDE = 2.0**-8
"""Share of the terms of a row above which an interval is no noise to a solver."""


@dataclass(frozen=True)
class ModelSize:
    """A model as far as it can be told from a network and its bounds.

    Parameters
    ----------
    formulation
        Its name.
    weights
        Of the network, that are not 0.
    bytes
        About the peak of making the model.
    rows, columns
        At least.
    """

    formulation: str
    weights: int
    bytes: float
    rows: int
    columns: int

    def against_memory(self, memory: float) -> str | None:
        """Why the model is not made in so many bytes; None if it may be."""
        if self.bytes <= memory:
            return None
        return (
            f"a {self.formulation} model of {self.weights} weights needs about "
            f"{self.bytes / GIGABYTE:.2g} GB, and memory is {memory / GIGABYTE:g}; give more, or "
            "a formulation that needs less"
        )


def size_of(formulation: Formulation, layers: Sequence[Layer], bounds: Bounds) -> ModelSize:
    """The size of a model of a chain of layers.

    Parameters
    ----------
    bounds
        Of these layers, and perhaps of more.
    """
    before = bounds.domain.box.lower, bounds.domain.box.upper
    rows, columns = 0, int((before[0] < before[1]).sum())
    ends = zip(layers, bounds.lower, bounds.upper, strict=False)
    for layer, low, high in ends:
        with np.errstate(over="ignore", invalid="ignore"):
            terms = abs(layer.weight) @ np.maximum(*map(np.abs, before)) + np.abs(layer.bias)
            wide = high - low > _WIDE * terms
        off = layer.phased & (high <= 0.0)
        held = int((wide & ~off & (layer.lanes < 0)).sum())
        switching = int((wide & ~off & layer.phased & (low < 0.0)).sum())
        rows += held + formulation.rows_per_unit * switching
        columns += held + formulation.columns_per_unit * switching
        before = post_interval(layer, low, high)
    count = sum(weights.count(layer.weight) for layer in layers)
    return ModelSize(formulation.name, count, formulation.bytes_per_weight * count, rows, columns)
