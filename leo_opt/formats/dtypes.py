"""The numbers of a network as a file of some element type can hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from leo_opt import weights
from leo_opt.errors import InvalidInputError, unknown_word
from leo_opt.network import FloatArray, Layer, Network, Signature

DTYPES = ("float32", "float64")
Parts: TypeAlias = Sequence[tuple[str, tuple[int | str | None, ...]]]


def written(network: Network, dtype: str | None = None) -> Network:
    """The network exactly as a file of element type `dtype` will hold it.

    Its arrays are float64 as always and hold values of `dtype`, so that what rounding does to
    the outputs can be proved before anything is written.

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
        raise InvalidInputError(unknown_word("dtype", dtype, DTYPES))
    layers = tuple(
        Layer(
            weights.with_numbers(
                layer.weight,
                _rounded(weights.entries(layer.weight), dtype, f"weight of layer {index}"),
            ),
            _rounded(layer.bias, dtype, f"bias of layer {index}"),
            layer.activation,
        )
        for index, layer in enumerate(network.layers)
    )
    return Network(layers, replace(_complete(network), dtype=dtype))


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
    if size_of(shape) == network.input_size:
        return False
    if shape and size_of(shape[1:]) == network.input_size:
        return True
    raise InvalidInputError(
        f"the signature's input shape {list(shape)} does not hold {network.input_size} values; "
        "correct it or leave it None"
    )


def input_parts(network: Network) -> Parts:
    """Names and shapes of the file's inputs."""
    signature = network.signature
    return signature.inputs or ((signature.input_name, signature.input_shape or ()),)


def output_parts(network: Network) -> Parts:
    """Names and shapes of the outputs, in front of their tails."""
    signature = network.signature
    return signature.outputs or ((signature.output_name, signature.output_shape or ()),)


def is_batched(network: Network) -> bool:
    """Whether the first axis of each input is a batch."""
    inputs = network.signature.inputs
    return parts_are_batched(inputs, network.input_size) if inputs else batch_axis(network)


def parts_are_batched(parts: Parts, size: int, batched: bool | None = None) -> bool:
    """Whether the first axis of each part of the input, or of the output, is a batch.

    Parameters
    ----------
    size
        Number of values of one input or output.
    batched
        What is known of the other side; by default nothing.

    Raises
    ------
    InvalidInputError
        If the parts do not hold so many values.
    """
    if batched is not True and sum(size_of(shape) or 0 for _, shape in parts) == size:
        return False
    if batched is not False and sum(size_of(shape[1:]) or 0 for _, shape in parts) == size:
        return True
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in parts)
    raise InvalidInputError(
        f"the signature's parts {shapes} do not hold {size} values; correct or drop them"
    )


def size_of(shape: tuple[int | str | None, ...]) -> int | None:
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
    whole = size_of(outputs) == network.output_size and not batched
    if not whole and not (outputs and size_of(outputs[1:]) == network.output_size):
        raise InvalidInputError(
            f"the signature's output shape {list(outputs)} does not hold {network.output_size} "
            "values; correct it or leave it None"
        )
    return replace(signature, input_shape=inputs, output_shape=outputs)
