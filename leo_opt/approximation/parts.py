"""A layer's weight as a low-rank and a sparse part, and the layers that compute it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from leo_opt import weights
from leo_opt.activations import LINEAR
from leo_opt.approximation.costs import indexed_room
from leo_opt.arrays import BoolArray, FloatArray, IntArray
from leo_opt.layer import Layer
from leo_opt.weights import Weight


@dataclass(frozen=True)
class Residuals:
    """How an iteration went.

    Parameters
    ----------
    primal, dual
        Relative residuals after each step.
    penalty
        Of each step.
    converged
        Whether both were below the tolerance at the final penalty, within the cap on steps.
    """

    primal: tuple[float, ...] = ()
    dual: tuple[float, ...] = ()
    penalty: tuple[float, ...] = ()
    converged: bool | None = None


@dataclass(frozen=True, eq=False)
class Parts:
    """The weight left @ right + sparse and a bias, in the place of a layer's.

    Parameters
    ----------
    left : (m, r) array
    right : (r, n) array
    sparse : (m, n) array
        Dense in memory, with few entries that are not 0.
    bias : (m,) array
    residuals
        Of the iteration that found them, where there was one.
    groups
        Of a convolution the channels that equal shares of the rows of `right` read; all of them
        read all if there are none.
    """

    left: FloatArray
    right: FloatArray
    sparse: FloatArray
    bias: FloatArray
    residuals: Residuals = field(default_factory=Residuals)
    groups: tuple[IntArray, ...] = ()

    @classmethod
    def of(
        cls,
        bias: FloatArray,
        left: FloatArray | None = None,
        right: FloatArray | None = None,
        sparse: FloatArray | None = None,
        residuals: Residuals | None = None,
    ) -> Parts:
        """From those parts that there are."""
        if sparse is None:
            assert left is not None
            assert right is not None
            sparse = np.zeros((left.shape[0], right.shape[1]))
        if left is None or right is None:
            left, right = np.zeros((sparse.shape[0], 0)), np.zeros((0, sparse.shape[1]))
        return cls(left, right, sparse, bias, residuals or Residuals())

    @property
    def rank(self) -> int:
        """Number of columns of `left`."""
        return int(self.left.shape[1])

    @property
    def entries(self) -> int:
        """Number of entries of the sparse part."""
        return int(np.count_nonzero(self.sparse))

    @property
    def weight(self) -> FloatArray:
        """The sum, (m, n)."""
        summed: FloatArray = self.left @ self.right + self.sparse
        return summed

    def pre(self, inputs: FloatArray) -> FloatArray:
        """Pre-activations (N, m) of inputs (N, n)."""
        low = (inputs @ self.right.T) @ self.left.T
        summed: FloatArray = low + inputs @ self.sparse.T + self.bias
        return summed

    def within(self, layer: Layer, units: BoolArray) -> Parts:
        """For all units of a layer, where these parts are of some: the others stay as they are."""
        left = np.zeros((layer.n_out, self.rank))
        left[units] = self.left
        sparse, bias = weights.dense(layer.weight).copy(), layer.bias.copy()
        sparse[units], bias[units] = self.sparse, self.bias
        return Parts(left, self.right, sparse, bias, self.residuals)

    def layers(self, activation: str | tuple[str, ...]) -> tuple[Layer, ...]:
        """The layers that compute them, the last one with the activation.

        `[V; I]` and `[U | S]`, where I is of the inputs that S reads; U and V alone without S, and
        S alone without U and V, as CSR array or, where all its columns are full, behind a layer of
        the lanes that it reads.
        """
        read: BoolArray = (self.sparse != 0.0).any(axis=0)
        indexed = indexed_room(self.sparse) < self.sparse[:, read].size + read.sum()
        if not self.rank and (indexed or read.all() or not read.any()):
            return (Layer(_compact(self.sparse), self.bias, activation),)
        if indexed:
            read[:] = True
        first = np.vstack([self.right, np.eye(len(read))[read]])
        last = np.hstack([self.left, self.sparse[:, read]])
        return (
            Layer(_compact(first), np.zeros(len(first)), LINEAR),
            Layer(_compact(last), self.bias, activation),
        )


def _compact(values: FloatArray) -> Weight:
    """A CSR array where that takes less room."""
    if indexed_room(values) >= values.size:
        return values
    from scipy.sparse import csr_array

    return csr_array(values)
