"""The framework-neutral network: a chain of affine layers with activation tags."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from leo_opt.activations import ACTIVATIONS, Activation, FloatArray, LinearPiece
from leo_opt.arguments import read_instance, refuse
from leo_opt.errors import InvalidInputError, unknown_word
from leo_opt.summarised import Summarised

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "FloatArray",
    "Layer",
    "LinearPiece",
    "Network",
    "Rounding",
    "Signature",
    "read_network",
]


_SHOWN = 8
"""Layers that `repr` lists."""


@dataclass(frozen=True)
class Signature:
    """How a network file presents its input and output; outside equality and hash.

    Parameters
    ----------
    input_name, output_name
        Names of the graph's input and output tensors.
    input_shape, output_shape
        Dimensions as the file states them: an int, a name for a free dimension, or None where
        it is unnamed. `None` for a whole shape means "not known".
    dtype
        Element type of the file: "float32" or "float64".
    """

    input_name: str = "input"
    output_name: str = "output"
    input_shape: tuple[int | str | None, ...] | None = None
    output_shape: tuple[int | str | None, ...] | None = None
    dtype: str = "float32"


@dataclass(frozen=True, eq=False)
class Rounding:
    """How far the numbers of a layer may be from those that its source means.

    Parameters
    ----------
    weight : (n_out, n_in) array
    bias : (n_out,) array
        Proved bounds, number by number; 0 where nothing was rounded.
    """

    weight: FloatArray
    bias: FloatArray


def _freeze(values: ArrayLike, ndim: int, what: str) -> FloatArray:
    """A private, read-only float64 copy of `values` without negative zeros."""
    try:
        array = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{what} is not an array of numbers: {error}") from error
    if array.ndim != ndim:
        raise InvalidInputError(
            f"{what} has shape {array.shape}; it must have {ndim} dimension{'s' * (ndim > 1)}"
        )
    if not np.isfinite(array).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise InvalidInputError(
            f"{what} holds {array[where]} at {where}; every weight and bias must be finite"
        )
    array += 0.0  # turns -0.0 into 0.0, so that equal arrays have equal bytes
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False, init=False)
class Layer:
    """One affine map followed by an activation: post = activation(weight @ h + bias).

    Parameters
    ----------
    weight : (n_out, n_in) array
    bias : (n_out,) array
    activation
        A key of `ACTIVATIONS`.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit, a value is not finite, or the tag is unknown.
    """

    weight: FloatArray
    bias: FloatArray
    activation: str = "linear"

    def __init__(self, weight: ArrayLike, bias: ArrayLike, activation: str = "linear") -> None:
        object.__setattr__(self, "weight", _freeze(weight, 2, "weight"))
        object.__setattr__(self, "bias", _freeze(bias, 1, "bias"))
        object.__setattr__(self, "activation", activation)
        if self.bias.shape[0] != self.weight.shape[0]:
            raise InvalidInputError(
                f"bias has {self.bias.shape[0]} entries and weight has {self.weight.shape[0]} "
                "rows; weight is (n_out, n_in) and bias (n_out,)"
            )
        if 0 in self.weight.shape:
            raise InvalidInputError(
                f"weight has shape {self.weight.shape}; a layer needs at least one unit "
                "and one input"
            )
        if self.activation not in ACTIVATIONS:
            raise InvalidInputError(unknown_word("activation", self.activation, ACTIVATIONS))

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def n_out(self) -> int:
        """Number of units."""
        return int(self.weight.shape[0])

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return self.weight.size + self.bias.size

    @property
    def has_phases(self) -> bool:
        """Whether the units of this layer can be active and inactive."""
        return ACTIVATIONS[self.activation].has_phases

    def affine(self, inputs: FloatArray) -> FloatArray:
        """Pre-activations of a batch of inputs (N, n_in), shape (N, n_out)."""
        return inputs @ self.weight.T + self.bias

    def activate(self, pre: FloatArray) -> FloatArray:
        """Post-activations of pre-activations of any shape."""
        return ACTIVATIONS[self.activation](pre)

    def slopes(self, pre: FloatArray) -> FloatArray:
        """Derivatives of the activation at pre-activations of any shape."""
        return ACTIVATIONS[self.activation].slopes(pre)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return (
            self.activation == other.activation
            and np.array_equal(self.weight, other.weight)
            and np.array_equal(self.bias, other.bias)
        )

    def __hash__(self) -> int:
        return hash((self.activation, self.weight.tobytes(), self.bias.tobytes()))

    def __repr__(self) -> str:
        return f"Layer({self.n_in} -> {self.n_out}, {self.activation!r})"


@dataclass(frozen=True, eq=False)
class Network(Summarised):
    """A feed-forward network: a chain of `Layer`s.

    Parameters
    ----------
    layers
        At least one layer; the width of each is the number of inputs of the next.
    signature
        Names, shapes and dtype of the file it came from; carried along, never compared.
    rounding
        What had to be rounded when the network was read, one entry a layer, None where a layer is
        exact; empty where all are. Carried along, never compared, and about this network only:
        whatever is made of it starts without.

    Raises
    ------
    InvalidInputError
        If there is no layer or the shapes do not chain.

    Examples
    --------
    >>> net = Network.from_arrays([[[1.0, -1.0]], [[2.0]]], [[0.5], [0.0]], ["relu", "linear"])
    >>> net([1.0, 0.0])
    array([3.])
    """

    layers: tuple[Layer, ...]
    signature: Signature = field(default_factory=Signature)
    rounding: tuple[Rounding | None, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InvalidInputError("a network needs at least one layer; 0 were given")
        for index, (before, after) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            if before.n_out != after.n_in:
                raise InvalidInputError(
                    f"layer {index} has {before.n_out} units and layer {index + 1} reads "
                    f"{after.n_in}; the widths must chain"
                )
        shapes = [entry and entry.weight.shape for entry in self.rounding]
        if self.rounding and (
            len(shapes) != len(self.layers)
            or any(
                s not in (None, b.weight.shape) for s, b in zip(shapes, self.layers, strict=True)
            )
        ):
            raise InvalidInputError(
                f"rounding has weights of the shapes {shapes}; give one entry for each of the "
                f"{len(self.layers)} layers, or none"
            )

    @classmethod
    def from_arrays(
        cls,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike | None],
        activations: Sequence[str] | None = None,
    ) -> Network:
        """Network from arrays, for those who have no framework.

        Parameters
        ----------
        weights : sequence of (n_out, n_in) arrays
        biases : sequence of (n_out,) arrays
            `None` stands for zeros.
        activations
            A tag a layer; by default "relu" on all layers but the last, which is "linear".

        Raises
        ------
        InvalidInputError
            If the lengths differ or `Layer` or `Network` refuses the arrays.
        """
        if activations is None:
            activations = ["relu"] * (len(weights) - 1) + ["linear"]
        if not len(weights) == len(biases) == len(activations):
            raise InvalidInputError(
                f"{len(weights)} weights, {len(biases)} biases and {len(activations)} "
                "activations were given; every layer needs one of each"
            )
        layers = []
        for weight, bias, activation in zip(weights, biases, activations, strict=True):
            matrix = np.asarray(weight, dtype=np.float64)
            filled = np.zeros(matrix.shape[:1]) if bias is None else bias
            layers.append(Layer(matrix, np.asarray(filled, dtype=np.float64), activation))
        return cls(tuple(layers))

    @property
    def input_size(self) -> int:
        """Number of inputs."""
        return self.layers[0].n_in

    @property
    def output_size(self) -> int:
        """Number of outputs."""
        return self.layers[-1].n_out

    @property
    def phased_layers(self) -> tuple[int, ...]:
        """Indices of the layers whose units have phases."""
        return tuple(k for k, layer in enumerate(self.layers) if layer.has_phases)

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """Indices of the layers whose units have phases and which are not the output layer."""
        return tuple(k for k in self.phased_layers if k < len(self.layers) - 1)

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """Number of units of each of the `hidden_layers`."""
        return tuple(self.layers[k].n_out for k in self.hidden_layers)

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.parameters for layer in self.layers)

    def batch(self, inputs: ArrayLike) -> FloatArray:
        """`inputs` as a float64 batch (N, input_size).

        Raises
        ------
        InvalidInputError
            If they are not numbers or the last dimension is not the input size.
        """
        try:
            array = np.asarray(inputs, dtype=np.float64)
        # Tensors that carry gradients, variables of a model and the like refuse in their own ways.
        except (TypeError, ValueError, RuntimeError):
            refuse(inputs, "inputs", "an array of numbers", "give floats")
        if array.ndim not in (1, 2) or array.shape[-1] != self.input_size:
            raise InvalidInputError(
                f"inputs have shape {array.shape}; this network takes ({self.input_size},) "
                f"or (N, {self.input_size})"
            )
        return array.reshape(-1, self.input_size)

    def pre_activations(self, inputs: ArrayLike) -> list[FloatArray]:
        """Pre-activations of every layer at a point (n_in,) or a batch (N, n_in).

        Returns
        -------
        list of (n_out,) or (N, n_out) arrays
            One a layer, evaluated in float64.
        """
        post = self.batch(inputs)
        pres = []
        for layer in self.layers:
            pre = layer.affine(post)
            pres.append(pre)
            post = layer.activate(pre)
        return [pre[0] for pre in pres] if np.ndim(inputs) == 1 else pres

    def __call__(self, inputs: ArrayLike) -> FloatArray:
        """Outputs at a point (n_in,) or a batch (N, n_in), evaluated in float64."""
        post = self.batch(inputs)
        for layer in self.layers:
            post = layer.activate(layer.affine(post))
        return post[0] if np.ndim(inputs) == 1 else post

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of tags, shapes and values; the signature has no part in it."""
        digest = hashlib.sha256()
        for layer in self.layers:
            digest.update(f"{layer.activation} {layer.weight.shape}\n".encode())
            digest.update(layer.weight.astype("<f8").tobytes())
            digest.update(layer.bias.astype("<f8").tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return self.layers == other.layers

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        parts = [f"{layer.n_out} {layer.activation}" for layer in self.layers]
        if len(parts) > _SHOWN:
            parts[_SHOWN - 2 : -1] = [f"... {len(parts) - _SHOWN + 1} more"]
        chain = " -> ".join(parts)
        return f"Network({self.input_size} -> {chain}; {self.parameters} parameters)"


def read_network(value: object, name: str = "network") -> Network:
    """An argument that should be a network.

    Raises
    ------
    InvalidInputError
        If it is none; the message says how to make one of what it is.
    """
    cure = "leo_opt.load(path) and Network.from_arrays(weights, biases) make networks"
    return read_instance(value, name, Network, cure)
