"""The same function without units that others make superfluous.

Two units with the same row are one, and a rectifier with the opposite row of another is a linear
unit more than it: max(0, -g) = max(0, g) - g. Exports of max(a, b) as sums over the rectifiers of
a + b, -a - b, a - b and b - a have many of both, and whoever bounds or searches such a network
looks at each of them by itself. Merged are units only where no sum of weights is rounded, so that
every unit that is left has the same pre-activation, in real arithmetic, as it had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import exact_sums
from leo_opt.arrays import FloatArray, IntArray
from leo_opt.layer import Layer
from leo_opt.network import Network
from leo_opt.weights import Weight


@dataclass(frozen=True, eq=False)
class Twins:
    """What stands for the units of a layer in `network`, the same function of fewer units.

    Parameters
    ----------
    kept : one (m,) integer array a layer
        Which units of the layer those of `network` are. Some rectifiers are linear units there.
    places, signs : one (n_out,) array a layer
        The pre-activation of a unit is sign * that of the unit of `network` at the place, which is
        a rectifier where the unit is one; the sign is 0 where it is 0 at every input.
    """

    network: Network
    kept: tuple[IntArray, ...]
    places: tuple[IntArray, ...]
    signs: tuple[FloatArray, ...]


def merge_twins(network: Network, unread: bool) -> Twins | None:
    """The network without twins among its hidden units; None where it has none.

    Parameters
    ----------
    network
        Of rectifiers and linear units.
    unread
        Whether units that nobody reads any more are kept, which `places` lead to.
    """
    layers, merged = [network.layers[0]], []
    for above in network.layers[1:]:
        here = _Merging(layers[-1], above.weight)
        kept = here.units_left(unread)
        merged.append((kept, here))
        if kept.size < above.n_in or here.straightened:
            layers[-1] = _straighten(layers[-1], here.straightened).take(kept)
            above = Layer(here.outgoing()[:, kept], above.bias, above.activation)  # noqa: PLW2901
        layers.append(above)
    if all(new is old for new, old in zip(layers, network.layers, strict=True)):
        return None
    last = np.arange(network.output_size)
    return Twins(
        Network(tuple(layers), network.signature),
        (*(kept for kept, _ in merged), last),
        # What is 0 has no unit that stands for it, and any place will do.
        (*(np.searchsorted(kept, here.places) % kept.size for kept, here in merged), last),
        (*(here.signs for _, here in merged), np.ones(last.size)),
    )


def without_twins(network: Network) -> Network:
    """The same function of fewer units, or the network itself."""
    merged = merge_twins(network, unread=False)
    return network if merged is None else merged.network


def _straighten(layer: Layer, units: list[int]) -> Layer:
    """The layer with some units made linear."""
    tags = np.array(layer.tags, dtype=object)
    tags[units] = "linear"
    return Layer(layer.weight, layer.bias, tags.tolist())


class _Merging:
    """The units of one layer, and how the next one reads them once they are merged.

    Attributes
    ----------
    straightened
        Rectifiers that are linear units now.
    places, signs
        As in `Twins`, with the places among all units of the layer.
    """

    def __init__(self, layer: Layer, outgoing: Weight) -> None:
        self.straightened: list[int] = []
        self.places, self.signs = np.arange(layer.n_out), np.ones(layer.n_out)
        self._outgoing = outgoing
        self._changed: dict[int, FloatArray] = {}
        self._left = np.ones(layer.n_out, dtype=bool)
        first: dict[tuple[bool, bytes, bytes, float], int] = {}
        for unit in _likely(layer).tolist():
            columns, row = weights.row_support(layer.weight, unit)
            bias, phased = float(layer.bias[unit]), bool(layer.phased[unit])
            if not (row.size or bias):
                self._left[unit], self.signs[unit] = False, 0.0
                continue
            # Adding 0.0 makes the negative of 0.0 the same number.
            same, opposite = (
                (columns.tobytes(), (sign * row + 0.0).tobytes(), sign * bias + 0.0)
                for sign in (1.0, -1.0)
            )
            alike, other = first.get((phased, *same)), first.get((phased, *opposite))
            if phased and alike is None and other is not None:
                if self._stands_for(unit, other, 1.0):
                    self.straightened.append(unit)
                    # What it is now may be a linear unit that there is already.
                    alike, another = first.get((False, *same)), first.get((False, *opposite))
                    self._merge(unit, alike, another)
                    self.places[unit], self.signs[unit] = other, -1.0
                    phased = False
            else:
                self._merge(unit, alike, other)
            if self._left[unit]:
                first.setdefault((phased, *same), unit)

    def _merge(self, unit: int, alike: int | None, opposite: int | None) -> None:
        """Drop a unit that is another one, or a linear unit that is the opposite of one."""
        other, sign = (opposite, -1.0) if alike is None else (alike, 1.0)
        if other is not None and self._stands_for(unit, other, sign):
            self.places[unit], self.signs[unit], self._left[unit] = other, sign, False

    def _stands_for(self, unit: int, other: int, factor: float) -> bool:
        """Have another unit read as much more, times a factor, as a unit is, unless that rounds."""
        made, lost = exact_sums(self._column(other), factor * self._column(unit))
        if lost.any() or not np.isfinite(made).all():
            return False
        self._changed[other] = made
        return True

    def _column(self, unit: int) -> FloatArray:
        changed = self._changed.get(unit)
        return weights.dense(self._outgoing[:, [unit]])[:, 0] if changed is None else changed

    def outgoing(self) -> Weight:
        """The weight of the next layer, over the units of this one."""
        if not self._changed:
            return self._outgoing
        places = sorted(self._changed)
        columns = np.stack([self._changed[unit] for unit in places], axis=1)
        return weights.set_columns(self._outgoing, np.array(places), columns)

    def units_left(self, unread: bool) -> IntArray:
        """Those that are not merged, without those that are not read because of it unless asked."""
        left = self._left.copy()
        if not unread:
            gone = [unit for unit, column in self._changed.items() if not column.any()]
            left[gone] = False
        # A layer has at least one unit.
        left[0] |= not left.any()
        return np.flatnonzero(left)


def _likely(layer: Layer) -> IntArray:
    """Units that may be twins or nothing: most rows are told apart by a sum of their entries."""
    factors = np.random.default_rng(0).random(layer.n_in + 1)
    sums = np.abs(weights.sum_rows(layer.weight, factors[:-1]) + layer.bias * factors[-1])
    _, which, counts = np.unique(sums, return_inverse=True, return_counts=True)
    return np.flatnonzero((counts[which] > 1) | (sums == 0.0))
