"""One layer of a network: an affine map followed by an activation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from leo_opt import weights
from leo_opt.activations import LINEAR, Activation, canonical, read_activation
from leo_opt.arguments import read_array, read_tuple, refuse
from leo_opt.arrays import BoolArray, FloatArray, IntArray
from leo_opt.errors import InvalidInputError
from leo_opt.lazily import lazy
from leo_opt.weights import Weight, is_sparse


def _frozen(values: ArrayLike | Weight, ndim: int, what: str) -> Weight:
    """A private, read-only float64 copy of `values`, dense or CSR as they are."""
    if is_sparse(values) and values.dtype.kind == "c":
        refuse(values, what, "an array of real numbers", "give floats")
    array = weights.canonical(values if is_sparse(values) else read_array(values, what))
    if array.ndim != ndim:
        raise InvalidInputError(
            f"{what} has shape {array.shape}; it must have {ndim} dimension{'s' * (ndim > 1)}"
        )
    if not np.isfinite(weights.entries(array)).all():
        bad = weights.dense(array)
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(bad))[0])
        raise InvalidInputError(
            f"{what} holds {bad[where]} at {where}; every weight and bias must be finite"
        )
    weights.freeze(array)
    return array


def _tags(activation: str | Sequence[str], n_out: int) -> str | tuple[str, ...]:
    """One tag where all units have the same, else a tuple of one a unit."""
    one = isinstance(activation, str)
    cure = "give one tag, or one a unit"
    given = (activation,) if one else read_tuple(activation, "activation", "a tag", cure)
    # Few tags, many units: each tag is read once, and what is no tag at all is refused first.
    wrong = [tag for tag in given if not isinstance(tag, str)]
    written = {tag: canonical(tag) for tag in wrong[:1] or dict.fromkeys(given)}
    tags = tuple(written[tag] for tag in given)
    if not one and len(tags) != n_out:
        raise InvalidInputError(
            f"{len(tags)} activations were given for {n_out} units; give one tag, or one a unit"
        )
    return tags[0] if len(set(tags)) == 1 else tags


@dataclass(frozen=True, eq=False, init=False)
class Layer:
    """One affine map followed by an activation: post = activation(weight @ h + bias).

    Parameters
    ----------
    weight : (n_out, n_in) array, or SciPy sparse matrix, which is kept as a CSR array
    bias : (n_out,) array
    activation
        A tag such as "relu", "leaky-relu(0.1)" or "clip(0,6)", or one a unit: a unit with the tag
        "linear" in a layer of rectifiers is a *linear unit*, which carries a value past the layer.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit, a value is not finite, or a tag is unknown or has wrong numbers.
    """

    weight: Weight
    bias: FloatArray
    activation: str | tuple[str, ...] = LINEAR

    def __init__(
        self,
        weight: ArrayLike | Weight,
        bias: ArrayLike,
        activation: str | Sequence[str] = LINEAR,
    ) -> None:
        object.__setattr__(self, "weight", _frozen(weight, 2, "weight"))
        object.__setattr__(self, "bias", _frozen(bias, 1, "bias"))
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
        object.__setattr__(self, "activation", _tags(activation, self.n_out))

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
        """Number of weights and biases that are stored."""
        return weights.count(self.weight) + self.bias.size

    @lazy
    def tags(self) -> tuple[str, ...]:
        """The activation of each unit."""
        if isinstance(self.activation, str):
            return (self.activation,) * self.n_out
        return self.activation

    @property
    def kinds(self) -> Counter[str]:
        """How many units are rectifiers, have other pieces, or pass their input on."""
        kinds = {LINEAR: "linear", "relu": "rectifiers"}
        return Counter(kinds.get(tag, "other pieces") for tag in self.tags)

    @lazy
    def phased(self) -> BoolArray:
        """Which units have an activation of more than one piece, (n_out,)."""
        mask = np.zeros(self.n_out, dtype=bool)
        for activation, units in self.activations():
            mask[units] = activation.has_phases
        mask.setflags(write=False)
        return mask

    @property
    def has_phases(self) -> bool:
        """Whether some unit of this layer has an activation of more than one piece."""
        return bool(self.phased.any())

    @lazy
    def rounds(self) -> bool:
        """Whether `activate` may round."""
        return any(activation.rounds for activation, _ in self.activations())

    @lazy
    def lanes(self) -> IntArray:
        """For each unit that is an identity lane the input that it carries, else -1, (n_out,).

        An identity lane is a linear unit whose row is a unit vector and whose bias is 0.
        """
        source = np.full(self.n_out, -1, dtype=np.int64)
        for unit in np.flatnonzero(~self.phased & (self.bias == 0.0)).tolist():
            columns, values = weights.row_support(self.weight, unit)
            if values.size == 1 and values[0] == 1.0:
                source[unit] = columns[0]
        return source

    @property
    def is_linear(self) -> bool:
        """Whether every unit passes its input on."""
        return self.activation == LINEAR

    def affine(self, inputs: FloatArray) -> FloatArray:
        """Pre-activations of a batch of inputs (N, n_in), shape (N, n_out)."""
        return np.asarray(inputs @ self.weight.T + self.bias)

    def activate(self, pre: FloatArray) -> FloatArray:
        """Post-activations of pre-activations (..., n_out)."""
        return self._by_tag(pre, lambda activation, values: activation(values))

    def rounding(self, pre: FloatArray) -> FloatArray:
        """How far `activate` can be off by rounding at pre-activations (..., n_out)."""
        return self._by_tag(pre, lambda activation, values: activation.rounding(values))

    def slopes(self, pre: FloatArray) -> FloatArray:
        """Derivatives of the activation at pre-activations (..., n_out)."""
        return self._by_tag(pre, lambda activation, values: activation.slopes(values))

    def _by_tag(
        self, pre: FloatArray, function: Callable[[Activation, FloatArray], FloatArray]
    ) -> FloatArray:
        """A function of the activation, taken for each tag on the units that have it."""
        if isinstance(self.activation, str):
            return function(read_activation(self.activation), pre)
        result = np.empty_like(pre)
        for activation, units in self.activations():
            result[..., units] = function(activation, pre[..., units])
        return result

    def activations(self) -> Iterator[tuple[Activation, IntArray]]:
        """Each activation of the layer with the units, (k,) integer array, that have it."""
        for tag in dict.fromkeys(self.tags):
            yield read_activation(tag), np.flatnonzero([tag == other for other in self.tags])

    def take(self, units: BoolArray | IntArray) -> Layer:
        """The layer with only some of its units, given by a mask or by index."""
        tags: str | list[str] = self.activation if isinstance(self.activation, str) else LINEAR
        if not isinstance(self.activation, str):
            tags = [self.activation[k] for k in np.arange(self.n_out)[units].tolist()]
        return Layer(self.weight[units], self.bias[units], tags)

    @property
    def label(self) -> str:
        """The activation as people read it: "relu", or "5 relu + 3 linear"."""
        if isinstance(self.activation, str):
            return self.activation
        return " + ".join(f"{count} {tag}" for tag, count in Counter(self.tags).items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return (
            self.activation == other.activation
            and weights.same(self.weight, other.weight)
            and np.array_equal(self.bias, other.bias)
        )

    def __hash__(self) -> int:
        return hash((self.activation, *weights.content(self.weight), self.bias.tobytes()))

    def __repr__(self) -> str:
        return f"Layer({self.n_in} -> {self.n_out}, {self.label!r})"
