"""The framework-neutral network: a chain of affine layers with activation tags."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from leo_opt import weights
from leo_opt.activations import ACTIVATIONS, LINEAR, Activation, LinearPiece, read_activation
from leo_opt.arguments import read_array, read_instance, read_tuple
from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError, UnsupportedOperatorError
from leo_opt.layer import Layer
from leo_opt.lazily import lazy
from leo_opt.maxima import Maxima, find_maxima
from leo_opt.signature import Signature
from leo_opt.summarised import Summarised
from leo_opt.weights import Weight, is_sparse

__all__ = [
    "ACTIVATIONS",
    "LINEAR",
    "Activation",
    "FloatArray",
    "Layer",
    "LinearPiece",
    "Network",
    "Rounding",
    "Signature",
    "Weight",
    "read_activation",
    "read_network",
]


_SHOWN = 8
"""Layers that `repr` lists."""


@dataclass(frozen=True, eq=False)
class Rounding:
    """How far the numbers of a layer may be from those that its source means.

    Parameters
    ----------
    weight : (n_out, n_in) array, dense or CSR
    bias : (n_out,) array
        Proved bounds, number by number; 0 where nothing was rounded.
    """

    weight: Weight
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class Network(Summarised):
    """A feed-forward network: a chain of layers.

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
        for name, kind in (("layers", "a row of Layers"), ("rounding", "one entry a layer")):
            cure = "Network.from_arrays(weights, biases) makes networks of arrays"
            object.__setattr__(self, name, read_tuple(getattr(self, name), name, kind, cure))
        for index, layer in enumerate(self.layers):
            cure = "make one with Layer(weight, bias, activation)"
            read_instance(layer, f"layer {index}", Layer, cure)
        for entry in self.rounding:
            if entry is not None:
                read_instance(entry, "rounding", Rounding, "give what was rounded, or None")
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
        weights: Sequence[ArrayLike | Weight],
        biases: Sequence[ArrayLike | None],
        activations: Sequence[str | Sequence[str]] | None = None,
    ) -> Network:
        """Network from arrays, for those who have no framework.

        Parameters
        ----------
        weights : sequence of (n_out, n_in) arrays, dense or SciPy sparse
        biases : sequence of (n_out,) arrays
            `None` stands for zeros.
        activations
            A tag a layer, or one tag a unit; by default "relu" on all layers but the last, which
            is "linear".

        Raises
        ------
        InvalidInputError
            If the lengths differ or `Layer` or `Network` refuses the arrays.
        """
        cure = "give one for each layer"
        weights = read_tuple(weights, "weights", "a list of matrices", cure)
        if activations is None:
            activations = ["relu"] * (len(weights) - 1) + ["linear"]
        biases = read_tuple(biases, "biases", "a list of vectors", cure)
        activations = read_tuple(activations, "activations", "a list of tags", cure)
        if not len(weights) == len(biases) == len(activations):
            raise InvalidInputError(
                f"{len(weights)} weights, {len(biases)} biases and {len(activations)} "
                "activations were given; every layer needs one of each"
            )
        layers = []
        for weight, bias, activation in zip(weights, biases, activations, strict=True):
            matrix: Weight = weight if is_sparse(weight) else read_array(weight, "weight")
            filled = np.zeros(matrix.shape[:1]) if bias is None else bias
            layers.append(Layer(matrix, filled, activation))
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
    def kinds(self) -> Counter[str]:
        """`Layer.kinds` of all layers but the last: their sum is the number of hidden units."""
        return sum((layer.kinds for layer in self.layers[:-1]), Counter())

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
        array = read_array(inputs, "inputs")
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

    @lazy
    def maxima(self) -> tuple[Maxima | None, ...]:
        """Where layers take the larger of two values, one entry a layer."""
        return find_maxima(self.layers)

    @lazy
    def content_hash(self) -> str:
        """SHA-256 of tags, shapes and values; the signature has no part in it."""
        digest = hashlib.sha256()
        for layer in self.layers:
            tags = layer.activation if isinstance(layer.activation, str) else " ".join(layer.tags)
            digest.update(f"{tags} {layer.weight.shape}\n".encode())
            for part in weights.content(layer.weight):
                digest.update(part)
            digest.update(layer.bias.astype("<f8").tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return self.layers == other.layers

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        parts = [_units_of(layer) for layer in self.layers]
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


def require_rectifiers(network: Network, who: str) -> None:
    """Refuse activations that some part of the package does not know yet.

    Raises
    ------
    UnsupportedOperatorError
        With the layer, its tags and who refuses.
    """
    for index, layer in enumerate(network.layers):
        if set(layer.tags) - {LINEAR, "relu"}:
            raise UnsupportedOperatorError(
                f"layer {index} has the activation {layer.label!r}; {who} knows rectifiers and "
                "linear units only; leo_opt.rectified(network) is the same function of those"
            )


def _units_of(layer: Layer) -> str:
    """Number and tags of a layer's units."""
    return layer.label if " + " in layer.label else f"{layer.n_out} {layer.label}"
