"""Networks made larger without a change of what they compute, as ReluSplitter does.

In front of a layer of rectifiers stands a new one: of a unit g = w h + b some rows s (w, b - tau)
with factors s of both signs, and columns that add up to g - tau again, so that the unit reads them
and tau; or, where a unit is not split, g itself, which passes as relu(relu(g)).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt.bounds import Bounds
from leo_opt.network import Layer, Network
from leo_opt.weights import dense


def split_network(
    generator: np.random.Generator,
    network: Network,
    bounds: Bounds,
    *,
    powers_of_two: bool = False,
    dtype: str = "float64",
) -> Network:
    """A network with a new layer in front of each hidden layer.

    Parameters
    ----------
    bounds
        Of the network; every tau is a number in the interval of its unit.
    powers_of_two
        Whether factors are; else any numbers.
    dtype
        To which the new numbers are rounded.
    """
    layers: list[Layer] = []
    for index, layer in enumerate(network.layers):
        if layer.activation == "relu" and index < len(network.layers) - 1:
            interval = bounds.lower[index], bounds.upper[index]
            layers += _split(generator, layer, interval, powers_of_two)
        else:
            layers.append(layer)
    rounded = [
        Layer(_as(layer.weight, dtype), _as(layer.bias, dtype), layer.activation)
        for layer in layers
    ]
    return Network(tuple(rounded), replace(network.signature, dtype=dtype))


def _split(generator, layer: Layer, interval, powers_of_two: bool) -> tuple[Layer, Layer]:
    """The layer in front, and the layer that reads it."""
    share = generator.uniform(0.2, 1.0)
    weight = dense(layer.weight)
    chosen = generator.random(layer.n_out) < share
    rows, biases, columns = [], [], []
    taus = np.where(chosen, generator.uniform(*interval), 0.0)
    for unit in range(layer.n_out):
        unit_vector = np.eye(layer.n_out)[unit]
        factors, shares = np.ones(1), np.ones(1)
        if chosen[unit]:
            count = int(generator.choice([2, 2, 2, 3, 4]))
            negative = np.arange(count) < generator.integers(1, count)
            factors = np.exp2(generator.integers(-3, 4, size=count)) * np.where(negative, -1.0, 1.0)
            shares = np.exp2(-np.arange(count))
            if not powers_of_two:
                factors = factors * generator.uniform(0.5, 1.0, size=count)
                shares = generator.uniform(0.5, 1.0, size=count)
            for side in (negative, ~negative):
                shares[side] /= shares[side].sum()
        rows += [factor * weight[unit] for factor in factors]
        biases += [factor * (layer.bias[unit] - taus[unit]) for factor in factors]
        columns += [
            part / factor * unit_vector for part, factor in zip(shares, factors, strict=True)
        ]
    front = Layer(np.array(rows), np.array(biases), "relu")
    return front, Layer(np.array(columns).T, taus, "relu")


def _as(values, dtype: str):
    return dense(values).astype(dtype).astype(np.float64)
