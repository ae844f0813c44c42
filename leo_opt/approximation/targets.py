"""What one layer shall do on data: its inputs, and what the original network gives there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from leo_opt import weights
from leo_opt.arrays import BoolArray, FloatArray
from leo_opt.layer import Layer
from leo_opt.lazily import lazy

DAMPING = 0.01
"""Weight of the original numbers beside the data, where every input has the square mean 1: inputs
that are constant or depend on others leave numbers open, which then stay near the original ones."""
_APART = 0.2
"""Of what is made of units: the share that looks at each of them for itself."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments of a layer's inputs, each input divided by its scale, and damped.

    Parameters
    ----------
    mean, scale : (n,) arrays
    gram : (n, n) array
        Covariance of (input - mean) / scale, plus the damping on its diagonal.
    """

    mean: FloatArray
    scale: FloatArray
    gram: FloatArray

    @classmethod
    def of(cls, inputs: FloatArray) -> Moments:
        """Of inputs (N, n)."""
        mean = inputs.mean(axis=0)
        gram = inputs.T @ inputs / len(inputs) - np.outer(mean, mean)
        spread = np.maximum(np.diag(gram), 0.0)
        # A scale is never much less than the typical one: an input that hardly varies is no input
        # whose weight may grow beyond measure.
        scale = np.sqrt(spread + DAMPING * (spread.mean() or 1.0))
        gram /= np.outer(scale, scale)
        gram[np.diag_indices_from(gram)] += DAMPING
        return cls(mean, scale, gram)

    @lazy
    def eigen(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues (n,) and orthogonal eigenvectors (n, n) of the damped matrix."""
        values, vectors = np.linalg.eigh(self.gram)
        return np.maximum(values, DAMPING), vectors

    def solve(self, rows: FloatArray, shift: float = 0.0) -> FloatArray:
        """rows (m, n) times the inverse of gram + shift."""
        values, vectors = self.eigen
        solved: FloatArray = (rows @ vectors / (values + shift)) @ vectors.T
        return solved


@dataclass(frozen=True, eq=False)
class LayerTarget:
    """A layer, the inputs on which a substitute is fitted, and what it shall give there.

    Parameters
    ----------
    layer
        The original one.
    inputs : (N, n_in) array
        As the layers before give them, which may be approximations.
    pre : (N, n_out) array
        Pre-activations of the original network on the same data.
    readers : (n_out, n_out) array
        What the next layer makes of units: products of the columns that read each two of them.
    channels
        Of a convolution: its columns are the windows of so many channels. 0 if it is none.
    memo
        What a method has found that serves every room, by its options.
    """

    layer: Layer
    inputs: FloatArray
    pre: FloatArray
    readers: FloatArray
    channels: int = 0
    memo: dict[Any, Any] = field(default_factory=dict)

    @lazy
    def weight(self) -> FloatArray:
        """The original weight, dense, (n_out, n_in)."""
        return weights.dense(self.layer.weight)

    @property
    def window(self) -> int:
        """Columns that go together, those of one channel or a single one."""
        return self.layer.n_in // self.channels if self.channels else 1

    @lazy
    def moments(self) -> Moments:
        """Of the inputs."""
        return Moments.of(self.inputs)

    @lazy
    def rectified(self) -> BoolArray:
        """Which units are rectifiers, (n_out,): of these only the positive part counts."""
        return np.array([tag == "relu" for tag in self.layer.tags])

    def wanted(self, reached: FloatArray | None = None) -> FloatArray:
        """Pre-activations to aim at, (N, n_out).

        Where a rectifier of the original is 0, every negative number is as good: what an earlier
        fit reached there below 0 is what the next one aims at.
        """
        if reached is None:
            return self.pre
        free = self.rectified & (self.pre <= 0.0)
        return np.where(free, np.minimum(reached, 0.0), self.pre)

    def scaled(self, wanted: FloatArray) -> FloatArray:
        """The damped linear fit of what is wanted, in the scale of the moments, (n_out, n_in).

        It is what the Hessian says without any structure: the response error of a weight is,
        up to a constant, the distance from this one in the norm of `moments.gram`.
        """
        moments = self.moments
        cross = (wanted - wanted.mean(axis=0)).T @ (self.inputs - moments.mean) / len(wanted)
        return moments.solve(cross / moments.scale + DAMPING * self.weight * moments.scale)

    def bias(self, weight: FloatArray, wanted: FloatArray) -> FloatArray:
        """The bias with which a weight meets the mean of what is wanted, (n_out,)."""
        met: FloatArray = wanted.mean(axis=0) - weight @ self.moments.mean
        return met

    @lazy
    def importance(self) -> FloatArray:
        """How much the next layer makes of each unit, (n_out,)."""
        return np.sqrt(np.diag(self.readers))

    @lazy
    def metric(self) -> FloatArray:
        """How much changes of each two pre-activations count together, (n_out, n_out).

        What two units do to those that read them adds up or cancels, where both are active.
        """
        active = (self.pre > 0.0) | ~self.rectified
        together = self.readers * (active.T.astype(np.float64) @ active / len(active))
        apart = np.diag(np.diag(self.readers))
        share = (1.0 - _APART) * np.trace(apart) / (np.trace(together) or 1.0)
        summed: FloatArray = share * together + _APART * apart
        return summed

    def error(self, pre: FloatArray) -> float:
        """Relative error behind the activation, in the Frobenius norm, of pre-activations."""
        meant = self.layer.activate(self.pre)
        size = float(np.linalg.norm(meant)) or 1.0
        return float(np.linalg.norm(self.layer.activate(pre) - meant)) / size

    def weighed(self, pre: FloatArray) -> float:
        """The error behind the activation of pre-activations, in the metric."""
        gap = self.layer.activate(pre) - self.layer.activate(self.pre)
        return float(((gap @ self.metric) * gap).sum())

    def take(self, units: BoolArray) -> LayerTarget:
        """The same for some of the units."""
        return replace(
            self,
            layer=self.layer.take(units),
            pre=self.pre[:, units],
            readers=self.readers[np.ix_(units, units)],
            memo={},
        )
