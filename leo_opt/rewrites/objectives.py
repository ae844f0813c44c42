"""What a plan of rewrites minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from leo_opt import weights
from leo_opt.network import Network


def count_units(network: Network) -> int:
    """Units of all layers but the last, linear ones as well."""
    return sum(layer.n_out for layer in network.layers[:-1])


def count_parameters(network: Network) -> int:
    """Weights and biases that are stored, zeros of dense arrays as well."""
    return network.parameters


def count_products(network: Network) -> int:
    """Multiplications and additions of a forward pass, zeros of dense arrays as well."""
    return sum(weights.count(layer.weight) for layer in network.layers)


def count_nonzeros(network: Network) -> int:
    """Weights and biases that are not 0."""
    return sum(
        int(np.count_nonzero(weights.entries(layer.weight)) + np.count_nonzero(layer.bias))
        for layer in network.layers
    )


OBJECTIVES: Mapping[str, Callable[[Network], int]] = MappingProxyType(
    {
        "units": count_units,
        "parameters": count_parameters,
        "multiply-adds": count_products,
        "nonzeros": count_nonzeros,
    }
)
"""What can be minimised, by name."""
