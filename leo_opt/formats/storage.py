"""The numbers of a network as a file of some element type can hold them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from leo_opt.errors import InvalidInputError
from leo_opt.formats.chain import Diagonal
from leo_opt.network import FloatArray, Layer, Network, Signature

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Elementwise:
    """One step of preprocessing: an ONNX operator and its constant (n,)."""

    operator: str
    constant: FloatArray


_STEPS = {"Add": Diagonal.add, "Mul": Diagonal.multiply, "Div": Diagonal.divide}


def written(network: Network, dtype: str | None = None) -> Network:
    """The network exactly as a file of element type `dtype` will hold it.

    Its arrays are float64 as always and hold values of `dtype`, so that what rounding does to
    the outputs can be proved before anything is written. Preprocessing that was read from a file
    (such as a division by 0.3) comes out unchanged where the file can state it as it was.

    Parameters
    ----------
    dtype
        "float32" or "float64"; by default that of the signature.

    Returns
    -------
    Network
        Its signature states `dtype` and all shapes.

    Raises
    ------
    InvalidInputError
        If a number overflows, `dtype` is unknown, or the signature belongs to other sizes.
    """
    dtype = network.signature.dtype if dtype is None else dtype
    if dtype not in DTYPES:
        raise InvalidInputError(f"dtype {dtype!r} is unknown; known are {', '.join(DTYPES)}")
    layers = tuple(
        layer
        if elementwise_steps(network, index, dtype) is not None
        else Layer(
            _rounded(layer.weight, dtype, f"weight of layer {index}"),
            _rounded(layer.bias, dtype, f"bias of layer {index}"),
            layer.activation,
        )
        for index, layer in enumerate(network.layers)
    )
    return Network(layers, replace(_complete(network), dtype=dtype))


def elementwise_steps(network: Network, index: int, dtype: str) -> list[Elementwise] | None:
    """How layer `index` can be written exactly as elementwise operators with constants of `dtype`.

    Returns
    -------
    list or None
        None where the layer is no preprocessing, or its numbers need rounding first.
    """
    layer = network.layers[index]
    # Behind a linear layer a reader would fold the steps into that layer.
    behind_linear = index > 0 and not network.layers[index - 1].has_phases
    scale = np.diagonal(layer.weight)
    diagonal = (
        not layer.has_phases
        and layer.n_in == layer.n_out > 1
        and np.count_nonzero(layer.weight) == np.count_nonzero(scale)
    )
    if not diagonal or behind_linear:
        return None
    goal = Diagonal(scale, layer.bias)
    return next((steps for steps in _proposals(goal, dtype) if _amount_to(steps, goal)), None)


def _proposals(goal: Diagonal, dtype: str) -> list[list[Elementwise]]:
    """Sequences of steps that may amount to `goal`: (x - a) / b first, as preprocessing is."""

    def nearest(values: FloatArray) -> FloatArray:
        return np.asarray(values.astype(dtype).astype(np.float64) + 0.0)

    with np.errstate(all="ignore"):
        scales = (
            Elementwise("Div", nearest(1.0 / goal.scale)),
            Elementwise("Mul", nearest(goal.scale)),
        )
        centre = Elementwise("Add", nearest(goal.shift / goal.scale))
        shift = Elementwise("Add", nearest(goal.shift))
    proposals = [[shift]]
    for scaling, centred in itertools.product(scales, (True, False)):
        proposals.append([centre, scaling] if centred else [scaling, shift])
    return [[step for step in steps if _acts(step)] for steps in proposals]


def _acts(step: Elementwise) -> bool:
    """Whether a step changes anything."""
    return bool((step.constant != (0.0 if step.operator == "Add" else 1.0)).any())


def _amount_to(steps: list[Elementwise], goal: Diagonal) -> bool:
    """Whether reading the steps back gives `goal`, to the last bit."""
    if not steps or not all(np.isfinite(step.constant).all() for step in steps):
        return False
    if any(step.operator == "Div" and (step.constant == 0.0).any() for step in steps):
        return False
    diagonal = Diagonal.identity(goal.scale.size)
    with np.errstate(all="ignore"):
        for step in steps:
            diagonal = _STEPS[step.operator](diagonal, step.constant)
    return np.array_equal(diagonal.scale, goal.scale) and np.array_equal(diagonal.shift, goal.shift)


def _rounded(values: FloatArray, dtype: str, what: str) -> FloatArray:
    """The nearest numbers of `dtype`, as float64."""
    with np.errstate(over="ignore", under="ignore"):
        nearest = values.astype(dtype).astype(np.float64)
    if not np.isfinite(nearest).all():
        worst = values[~np.isfinite(nearest)].flat[0]
        raise InvalidInputError(f"{what} holds {worst:g}, too large for {dtype}; use float64")
    return nearest


def batch_axis(network: Network) -> bool:
    """Whether the first axis of the input is a batch, not part of one input.

    Raises
    ------
    InvalidInputError
        If the signature's input shape does not hold one input.
    """
    shape = network.signature.input_shape
    if shape is None:
        return True
    if _size(shape) == network.input_size:
        return False
    if shape and _size(shape[1:]) == network.input_size:
        return True
    raise InvalidInputError(
        f"the signature's input shape {list(shape)} does not hold {network.input_size} values; "
        "correct it or leave it None"
    )


def _size(shape: tuple[int | str | None, ...]) -> int | None:
    """Number of values, None if a dimension is free."""
    size = 1
    for dimension in shape:
        if not isinstance(dimension, int):
            return None
        size *= dimension
    return size


def _complete(network: Network) -> Signature:
    """The signature with both shapes stated.

    Raises
    ------
    InvalidInputError
        If a shape does not hold one input or output.
    """
    signature, batched = network.signature, batch_axis(network)
    inputs = signature.input_shape
    if inputs is None:
        inputs = ("batch", network.input_size)
    outputs = signature.output_shape
    if outputs is None:
        outputs = (inputs[0] if batched else 1, network.output_size)
    whole = _size(outputs) == network.output_size and not batched
    if not whole and not (outputs and _size(outputs[1:]) == network.output_size):
        raise InvalidInputError(
            f"the signature's output shape {list(outputs)} does not hold {network.output_size} "
            "values; correct it or leave it None"
        )
    return replace(signature, input_shape=inputs, output_shape=outputs)
