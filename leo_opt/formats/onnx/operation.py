"""A node of a graph with what it is given: constants, and tensors that depend on the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.errors import FileFormatError
from leo_opt.formats.affine import Affine
from leo_opt.formats.levels import Levels
from leo_opt.formats.onnx.graph import Array, Node, is_float
from leo_opt.formats.rounded import Rounded
from leo_opt.network import FloatArray


class LoweringError(Exception):
    """A node does something that no chain of layers expresses."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor that depends on the input: its shape, and its values in row-major order."""

    shape: tuple[int, ...]
    values: Affine

    @property
    def places(self) -> IntArray:
        """The number of each value at its place."""
        return np.arange(len(self.values)).reshape(self.shape)

    def at(self, places: IntArray) -> Tensor:
        """A tensor of values at some places of this one."""
        return Tensor(places.shape, self.values.take(places.ravel()))


@dataclass(frozen=True, eq=False)
class Operation:
    """A node and what it is given.

    Parameters
    ----------
    given
        Its inputs; None where one is left out.
    levels
        Where it makes units.
    opsets
        Version of each operator domain.
    batch
        The size of the batch that the file states and the tensors here lack, else 1.
    errors
        As in `Graph`.
    """

    node: Node
    given: tuple[Array | Tensor | None, ...]
    levels: Levels
    opsets: Mapping[str, int]
    batch: int
    errors: Mapping[str, FloatArray] = field(default_factory=dict)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self.node.attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """A float32 attribute; its default is a float32, too."""
        return float(np.float32(self.node.attributes.get(name, default)))

    def text(self, name: str, default: str) -> str:
        """A text attribute."""
        value = self.node.attributes.get(name, default.encode())
        return str(value.decode())

    def sizes(self, name: str, default: Sequence[int]) -> list[int]:
        """An attribute of several integers."""
        return [int(value) for value in self.node.attributes.get(name, default)]

    def integers(self, name: str, index: int) -> list[int] | None:
        """Integers that old opsets keep in an attribute and new ones in an input."""
        constant = self.constant(index)
        if constant is not None:
            return [int(value) for value in constant.reshape(-1)]
        values = self.node.attributes.get(name)
        return None if values is None else [int(value) for value in values]

    def tensor(self, index: int = 0) -> Tensor:
        """The input at `index`, which must depend on the network's."""
        value = self._at(index)
        if not isinstance(value, Tensor):
            raise LoweringError(f"needs a tensor that depends on the input as input {index}")
        return value

    def constant(self, index: int) -> Array | None:
        """The input at `index`, which must not depend on the network's, if there is one."""
        value = self._at(index)
        if isinstance(value, Tensor):
            raise LoweringError(f"needs a constant as input {index}")
        return value

    def numbers(self, index: int) -> FloatArray:
        """The constant input at `index`, float32 or float64 and finite.

        Raises
        ------
        FileFormatError
            If it is not.
        """
        values = self.constant(index)
        if values is None:
            raise LoweringError(f"needs a constant as input {index}")
        if not is_float(values):
            raise FileFormatError(
                f"{self.node.label} has weights of type {values.dtype}; float32 and float64 are "
                "supported: convert the model"
            )
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].flat[0]
            raise FileFormatError(
                f"{self.node.label} has a weight that is {bad}; every weight must be finite"
            )
        return values.astype(np.float64)

    def rounded(self, index: int) -> Rounded:
        """The same, with how far they may be from what is meant."""
        values = self.numbers(index)
        error = self.errors.get(self.node.inputs[index])
        return Rounded.exact(values) if error is None else Rounded(values, error)

    def lifted(self, index: int) -> Tensor:
        """The input at `index` as a tensor, whether it is constant or not."""
        if isinstance(self._at(index), Tensor):
            return self.tensor(index)
        values = self.numbers(index)
        return Tensor(values.shape, Affine.constants(values))

    def is_constant(self, index: int) -> bool:
        """Whether the input at `index` is there and does not depend on the network's."""
        value = self._at(index)
        return value is not None and not isinstance(value, Tensor)

    def _at(self, index: int) -> Array | Tensor | None:
        """The input at `index`, None where it is left out."""
        return self.given[index] if index < len(self.given) else None


def spread(tensor: Tensor, constant: FloatArray | Rounded) -> tuple[Tensor, Rounded]:
    """A tensor and a constant, repeated as far as they combine element by element."""
    given = constant if isinstance(constant, Rounded) else Rounded.exact(constant)
    constant = given.values
    try:
        places, values, error = np.broadcast_arrays(tensor.places, constant, given.error)
    except ValueError:
        raise LoweringError(
            f"combines a tensor of shape {list(tensor.shape)} with a constant of shape "
            f"{list(constant.shape)}, which does not spread over it"
        ) from None
    return tensor.at(places), Rounded(values.ravel(), error.ravel())


def together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors repeated as far as they combine element by element."""
    try:
        places = np.broadcast_arrays(*(tensor.places for tensor in tensors))
    except ValueError:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in tensors)
        raise LoweringError(f"combines tensors of the shapes {shapes}") from None
    return [tensor.at(place) for tensor, place in zip(tensors, places, strict=True)]
