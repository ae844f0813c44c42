"""What the next layer sees of the stably active units of a layer: one affine map.

Stably active units pass their input on, so that the next layer reads
outgoing @ (weight @ h + bias) + next_bias, where h is what the layer reads. Several rewrites put
other numbers in the place of these; this file proves how far that moves the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import exact_dots, gamma, middle_and_radius, product_size
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.deviation import add_up, reach
from leo_opt.enclosure import affine_image
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, read_activation
from leo_opt.rewrites.draft import Draft

_SLACK = 4.0
"""Room for the coefficients of a factorisation, which pass on the rounding of the chosen rows."""
_ROOM = 2.0**-22
"""Room above zero for new units, relative to the size of their terms."""


@dataclass(frozen=True, eq=False)
class Replacement:
    """Units t = weight @ h + bias that take the place of a block, and what the next layer reads:
    outgoing @ t + next_bias.

    Parameters
    ----------
    outgoing : (p, r) array
    weight : (r, m) array
    bias : (r,) array
    next_bias : (p,) array
    error : (p,) array
        How far the next layer's pre-activations can move, in real arithmetic, if every t passes
        its input on.
    """

    outgoing: FloatArray
    weight: FloatArray
    bias: FloatArray
    next_bias: FloatArray
    error: FloatArray


@dataclass(frozen=True, eq=False)
class Block:
    """The stably active units of a layer between the layers around them.

    Parameters
    ----------
    outgoing : (p, s) array
        What the p units of the next layer read of them.
    weight : (s, m) array
    bias : (s,) array
    next_bias : (p,) array
    lower, upper : (m,) arrays
        Certified interval of what the layer reads.
    rectified
        Whether new units must never be negative, as in a layer of rectifiers or leaky units
        alone.
    allowance : (p,) array or 0
        How far the next layer's pre-activations may move besides rounding.
    """

    outgoing: FloatArray
    weight: FloatArray
    bias: FloatArray
    next_bias: FloatArray
    lower: FloatArray
    upper: FloatArray
    rectified: bool = True
    allowance: FloatArray | float = 0.0

    @classmethod
    def of(cls, draft: Draft, index: int, mask: BoolArray | None = None) -> Block:
        """Units of a hidden layer, by default those that pass their input on."""
        mask = passing_units(draft, index) if mask is None else mask
        layer, following = draft.network.layers[index : index + 2]
        return cls(
            weights.dense(following.weight[:, mask]),
            weights.dense(layer.weight[mask]),
            layer.bias[mask],
            following.bias,
            *draft.inputs_of(index),
            rectified=bool(layer.phased.all()) and read_activation(layer.tags[0]).passes_positive,
        )

    @property
    def bounded(self) -> bool:
        """Whether all inputs are known to be finite, without which nothing can be proved."""
        return bool(np.isfinite(self.lower).all() and np.isfinite(self.upper).all())

    @lazy
    def middle(self) -> FloatArray:
        """A point about the middle of the inputs."""
        return middle_and_radius(self.lower, self.upper)[0]

    @lazy
    def radius(self) -> FloatArray:
        """Every input lies within this of the middle; 0 where it cannot vary."""
        return middle_and_radius(self.lower, self.upper)[1]

    @lazy
    def product(self) -> FloatArray:
        """outgoing @ weight, (p, m), rounded."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.outgoing @ self.weight

    @lazy
    def offset(self) -> tuple[FloatArray, FloatArray]:
        """weight @ middle + bias, (s,), and how far rounding moved it."""
        return exact_dots(self.weight, self.middle, self.bias)

    @lazy
    def spread(self) -> FloatArray:
        """|outgoing| @ (|weight| @ radius), (p,), rounded."""
        return np.abs(self.outgoing) @ (np.abs(self.weight) @ self.radius)

    @lazy
    def level(self) -> FloatArray:
        """The level of rounding, (p,): a small multiple of the a-priori bound on what rounding does
        to the next layer's pre-activations where the product and its constant are computed plainly
        in float64; and the allowance."""
        s, m = self.weight.shape
        with np.errstate(over="ignore", invalid="ignore"):
            inner = np.abs(self.weight) @ np.abs(self.middle) + np.abs(self.bias)
            size = np.abs(self.outgoing) @ inner + np.abs(self.next_bias)
            level: FloatArray = _SLACK * (gamma(s) * self.spread + gamma(s + m) * size)
            level = level + self.allowance
        return np.where((self.outgoing != 0.0).any(axis=1), level, 0.0)

    def shift(self, weight: FloatArray) -> FloatArray:
        """A bias with which weight @ h + bias is certainly not negative on the inputs, where that
        is needed.

        It leaves some room, so that the units stay active where later rewrites move their inputs
        a little or a file rounds their weights to float32.
        """
        if not self.rectified:
            return np.zeros(len(weight))
        farthest = np.maximum(np.abs(self.lower), np.abs(self.upper))
        room = _ROOM * reach(weight, farthest)
        # Two-dimensional, since single boxes have close calls decided in rationals, which costs.
        lowest = affine_image(weight, np.zeros(len(weight)), self.lower[None], self.upper[None])[0]
        positive = (weight > 0.0) & (self.lower >= 0.0) | (weight < 0.0) & (self.upper <= 0.0)
        harmless = (positive | (weight == 0.0)).all(axis=1)
        return np.where(harmless, 0.0, np.maximum(room - lowest[0], 0.0))

    def replace(
        self, outgoing: FloatArray, weight: FloatArray, bias: FloatArray | None = None
    ) -> Replacement:
        """Units weight @ h + bias, read by `outgoing`, in the place of this block.

        The law: with h = middle + d the block and its replacement differ by E d plus a constant,
        where E = self.outgoing @ self.weight - outgoing @ weight. The constant goes into the
        next bias; what is left is |E| @ radius and the rounding of the constant.

        Parameters
        ----------
        outgoing : (p, r) array
        weight : (r, m) array
        bias : (r,) array
            By default a `shift`.
        """
        bias = self.shift(weight) if bias is None else bias
        with np.errstate(over="ignore", invalid="ignore"):
            return self._replace(outgoing, weight, bias)

    def _replace(self, outgoing: FloatArray, weight: FloatArray, bias: FloatArray) -> Replacement:
        """`replace`; what overflows ends as an error that is not finite."""
        both = np.hstack([self.outgoing, -outgoing])
        constant, rounding = exact_dots(weight, self.middle, bias)
        next_bias, final = exact_dots(both, np.append(self.offset[0], constant), self.next_bias)
        error = add_up(
            reach(product_size(both, np.vstack([self.weight, weight])), self.radius),
            reach(self.outgoing, self.offset[1]),
            reach(outgoing, rounding),
            final,
        )
        untouched = ~(self.outgoing != 0.0).any(axis=1) & ~(outgoing != 0.0).any(axis=1)
        return Replacement(
            outgoing,
            weight,
            bias,
            np.where(untouched, self.next_bias, next_bias),
            np.where(untouched, 0.0, error),
        )


def passing_units(draft: Draft, index: int) -> BoolArray:
    """The units of a layer that pass their input on: stably active ones and linear ones."""
    return draft.units[index].active | ~draft.network.layers[index].phased


def block_loss(draft: Draft, index: int, kept: IntArray, outgoing: FloatArray) -> FloatArray:
    """What drift costs where a layer's passing units are taken for linear.

    Parameters
    ----------
    kept
        Those of the units that stay as they are.
    outgoing : (p, len(kept)) array
        What the next layer now reads of them.
    """
    drift = np.where(draft.network.layers[index].phased, draft.units[index].drift, 0.0)[kept]
    return add_up(draft.lost(index, draft.units[index].active), reach(outgoing, drift))
