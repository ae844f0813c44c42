"""Does this input show that a case is possible? The network answers, exactly where it must.

The outputs are evaluated in float64 with their rounding error. Only where that leaves an
inequality open they are computed in integers: float64 numbers are integers times powers of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from leo_opt.enclosure import evaluate
from leo_opt.formats.formulas import Inequality
from leo_opt.network import FloatArray, Network

_EXACT_PARAMETERS = 3_000_000
"""Largest network that is evaluated in integers."""

_ACTIVATIONS: Mapping[str, Callable[[int], int]] = MappingProxyType(
    {"linear": lambda value: value, "relu": lambda value: max(value, 0)}
)
"""Activations of integers; these two do not mind a positive factor."""


def confirm(network: Network, inequalities: tuple[Inequality, ...], inputs: FloatArray) -> bool:
    """Whether the outputs at an input (n_in,) satisfy all inequalities, in real arithmetic."""
    pre, radius = evaluate(network, inputs[None, :])[-1]
    outputs = network.layers[-1].activate(pre)[0]
    if not (np.isfinite(outputs).all() and np.isfinite(radius).all()):
        return False
    middle = [Fraction(float(value)) for value in outputs]
    reach = [Fraction(float(value)) for value in radius[0]]
    undecided = []
    for inequality in inequalities:
        value = sum(factor * middle[k] for (_, k), factor in inequality.terms)
        error = sum(abs(factor) * reach[k] for (_, k), factor in inequality.terms)
        if value - error > inequality.bound:
            return False
        if value + error > inequality.bound:
            undecided.append(inequality)
    if not undecided:
        return True
    exact = exact_outputs(network, inputs)
    return exact is not None and all(
        sum(factor * exact[k] for (_, k), factor in inequality.terms) <= inequality.bound
        for inequality in undecided
    )


def exact_outputs(network: Network, inputs: FloatArray) -> list[Fraction] | None:
    """Outputs at an input (n_in,) without any rounding; None where that takes too long."""
    if network.parameters > _EXACT_PARAMETERS:
        return None
    values, exponent = _integers(inputs)
    for layer in network.layers:
        if layer.activation not in _ACTIVATIONS:
            return None
        weight, weight_exponent = _integers(layer.weight)
        bias, bias_exponent = _integers(layer.bias)
        product = weight @ values
        total = exponent + weight_exponent
        least = min(total, bias_exponent)
        pre = [
            (int(p) << (total - least)) + (int(b) << (bias_exponent - least))
            for p, b in zip(product, bias, strict=True)
        ]
        activate = _ACTIVATIONS[layer.activation]
        values, exponent = np.array([activate(value) for value in pre], dtype=object), least
    return [Fraction(int(value)) * Fraction(2) ** exponent for value in values]


def _integers(values: FloatArray) -> tuple[NDArray[np.object_], int]:
    """Integers and an exponent k such that values = integers * 2**k, exactly."""
    mantissas, exponents = np.frexp(values)
    integers = np.ldexp(mantissas, 53).astype(np.int64).astype(object)
    used = exponents[values != 0.0]
    least = int(used.min()) if used.size else 0
    shifts = np.where(values != 0.0, exponents - least, 0).astype(object)
    return integers << shifts, least - 53
