"""Networks that leave every stage something to do: units which bounds cannot settle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from leo_opt.bounds import propagate
from leo_opt.domain import Box
from leo_opt.network import Layer, Network


def hard_network(sizes: Sequence[int], seed: int = 0, inside: float = 0.3) -> Network:
    """Units behind the first layer that no sampled input switches on, though CROWN would allow it.

    Parameters
    ----------
    sizes
        Inputs, then the units of each layer but the output, which is one.
    inside
        Where zero lies between the largest value seen and CROWN's bound.
    """
    generator = np.random.default_rng(seed)
    box = Box(-1, 1).spread(sizes[0])
    points = np.sign(generator.standard_normal((500, sizes[0])))
    layers: list[Layer] = []
    for index, (before, after) in enumerate(pairwise(sizes)):
        weight = generator.standard_normal((after, before)) * np.sqrt(2.0 / before)
        layers.append(Layer(weight, np.zeros(after), "relu"))
        if index:
            trial = Network(tuple(layers))
            seen = trial.pre_activations(points)[-1].max(axis=0)
            upper = propagate(trial, box).upper[-1]
            shift = -(seen + inside * (upper - seen))
            # Every fourth unit stays as it is, so that later layers have something to read.
            shift[::4] = 0.0
            layers[-1] = Layer(weight, shift, "relu")
    layers.append(Layer(generator.standard_normal((1, sizes[-1])), [0.0]))
    return Network(tuple(layers))
