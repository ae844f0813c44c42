"""The big-M relaxation of a network's first layers as arrays, and its duals as a certificate.

This model only has to guide: whatever a solver says about it, a bound counts after
`crown.bound_dual` has recomputed it from the duals in rounding-safe arithmetic. That is why it
is built as arrays, without Pyomo, and why its tiny entries may be dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leo_opt import weights
from leo_opt.bounds import Bounds, crown, rational
from leo_opt.bounds.planes import Planes
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.relaxation_rows import (
    LayerColumns,
    Reads,
    RowCollector,
    centre_of,
    column_bounds,
    read_inputs,
    read_layer,
)
from leo_opt.decisions.scaling import NEARLY_ZERO, unit_scales
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Network
from leo_opt.solvers import StandardForm

_NO_DUAL = 1e-12
"""Duals below this say nothing about a slope."""
_LOOSE = 2.0**-20
"""Above the tolerance of a solver, in scaled units."""

Split = Mapping[tuple[int, int], bool]
"""Phases that a node of the search fixes: (layer, unit) to whether the unit is active."""


class RowsAdded(Protocol):
    """Rows that hold post-activations lower than the form does; see `facets`."""

    def reduce(self, cost: FloatArray, duals: FloatArray) -> FloatArray:
        """Reduced costs of the columns, all rows counted."""

    def planes(self, split: Split, duals: FloatArray) -> dict[int, Planes]:
        """What the duals say about upper planes of the units that a split leaves open."""


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Layers 0 .. layer-1 of a network as a linear program over which `layer` is maximised.

    Parameters
    ----------
    network
        The layers up to and including `layer`.
    bounds
        Intervals of layers 0 .. layer on the domain.
    form
        The model; columns begin with the inputs, centred and scaled to [-1, 1].
    """

    network: Network
    domain: Box
    layer: int
    bounds: Bounds
    form: StandardForm
    columns: tuple[LayerColumns, ...]
    scales: FloatArray

    def reads(self, index: int) -> Reads:
        """What one of the layers reads."""
        if index == 0:
            return read_inputs(self.domain)
        low, high = self.bounds.lower[index - 1], self.bounds.upper[index - 1]
        return read_layer(self.network.layers[index - 1], self.columns[index - 1], low, high)

    def objective(self, direction: Direction) -> tuple[FloatArray, float]:
        """Coefficients over the columns and constant of scale * sign * pre."""
        factor = direction.sign * self.scales[direction.unit]
        layer, before = self.network.layers[self.layer], self.columns[-1]
        held = before.post >= 0
        cost = np.zeros(self.form.column_lower.size)
        row = weights.row(layer.weight, direction.unit)[held]
        cost[before.post[held]] = row * factor / before.scale[held]
        return cost, float(factor * layer.bias[direction.unit])

    def inputs_of(self, point: FloatArray) -> FloatArray:
        """The network's input at a solver's point, inside the domain."""
        centre, reach = centre_of(self.domain)
        return self.domain.clip(centre + reach * point[: centre.size])

    def fixings(self, split: Split) -> tuple[NDArray[np.int64], FloatArray]:
        """Columns of the relaxed binaries that a split fixes, and their values."""
        columns = [int(self.columns[layer].phase[unit]) for layer, unit in split]
        return np.array(columns, dtype=np.int64), np.array([float(v) for v in split.values()])

    def gaps(self, point: FloatArray, duals: FloatArray, priced: bool) -> list[FloatArray]:
        """For each layer (n_out,) what the relaxation of each unit adds to the objective.

        That is how far its post-activation at the point is above max(0, pre), times how much
        the objective gains from it, which is the dual of the rows that hold it from above.

        Parameters
        ----------
        priced
            Whether to count that gain; duals of degenerate programs may hide it.
        """
        gaps = []
        for place in self.columns:
            units = np.flatnonzero(place.phase >= 0)
            gap = np.zeros(place.phase.size)
            pre, post = point[place.pre[units]], point[place.post[units]]
            price = np.abs(duals[place.below_pre[units]]) + np.abs(duals[place.below_zero[units]])
            gap[units] = np.maximum(post - np.maximum(pre, 0.0), 0.0) * (price if priced else 1.0)
            gaps.append(gap)
        return gaps

    def openness(self) -> list[FloatArray]:
        """For each layer (n_out,) how far the scaled pre-activation reaches beyond zero."""
        reach = []
        for place, low, high in zip(
            self.columns, self.bounds.lower, self.bounds.upper, strict=False
        ):
            open_units = place.phase >= 0
            reach.append(np.where(open_units, np.minimum(-low, high) * place.scale, 0.0))
        return reach

    def certify(
        self,
        direction: Direction,
        split: Split,
        duals: FloatArray | None,
        facets: RowsAdded | None = None,
    ) -> float:
        """Proved upper end of sign * pre, in natural units, on the inputs that a split allows.

        Parameters
        ----------
        duals : (rows,) array or None
            Of the linear program; None leaves the adaptive slopes.
        facets
            Rows that the linear program has besides; their duals follow those of the form.
        """
        return self._bound_dual(direction, split, duals, facets, ray=False)

    def is_tie(self, direction: Direction, bound: float) -> bool:
        """Whether a bound may be 0 but for rounding."""
        return 0.0 < bound * float(self.scales[direction.unit]) < NEARLY_ZERO

    def without_ends(self) -> StandardForm:
        """The form with pre-activations that may go a little beyond their intervals.

        Of two proofs that are as good its duals are not the one that rests on an end of an
        interval, which was rounded.
        """
        lower, upper = self.form.column_lower.copy(), self.form.column_upper.copy()
        for place in self.columns:
            columns = place.pre[place.pre >= 0]
            lower[columns] -= _LOOSE
            upper[columns] += _LOOSE
        return replace(self.form, column_lower=lower, column_upper=upper)

    def refute(
        self,
        direction: Direction,
        split: Split,
        ray: FloatArray,
        facets: RowsAdded | None = None,
    ) -> bool:
        """Whether a Farkas ray proves that no input of the domain is in a split."""
        return self._bound_dual(direction, split, ray, facets, ray=True) < 0.0

    def _bound_dual(
        self,
        direction: Direction,
        split: Split,
        duals: FloatArray | None,
        facets: RowsAdded | None,
        ray: bool,
    ) -> float:
        layer = self.network.layers[self.layer]
        factor = 0.0 if ray else float(direction.sign)
        cost, _ = self.objective(direction)
        cost = np.zeros_like(cost) if ray else cost
        lower, upper = self._split_bounds(split)
        scale = 1.0 if ray else float(self.scales[direction.unit])
        reduced: FloatArray | None = None
        planes: dict[int, Planes] = {}
        if duals is not None and facets is not None:
            reduced, planes = facets.reduce(cost, duals), facets.planes(split, duals)
        elif duals is not None:
            reduced = cost - self.form.matrix.T @ duals
        shares, multipliers = self._slopes(reduced, split, duals, scale)
        row, bias = factor * weights.row(layer.weight, direction.unit), factor * layer.bias
        many = crown.bound_dual(
            self.network,
            self.domain,
            [low[None, :] for low in lower],
            [high[None, :] for high in upper],
            row[None, :],
            bias[[direction.unit]],
            [share[None, :] for share in shares],
            [multiplier[None, :] for multiplier in multipliers],
            planes,
        )
        bound = float(many[0])
        if (
            not ray
            and self.is_tie(direction, bound)
            and rational.affordable(self.network, self.layer)
        ):
            exact = lower, upper, row, float(bias[direction.unit]), shares, multipliers
            bound = min(bound, rational.bound_dual(self.network, self.domain, *exact))
        return bound

    def _split_bounds(self, split: Split) -> tuple[list[FloatArray], list[FloatArray]]:
        """Intervals of the layers below on the inputs that a split allows."""
        lower = [self.bounds.lower[k].copy() for k in range(self.layer)]
        upper = [self.bounds.upper[k].copy() for k in range(self.layer)]
        for (layer, unit), active in split.items():
            if active:
                lower[layer][unit] = max(lower[layer][unit], 0.0)
            else:
                upper[layer][unit] = min(upper[layer][unit], 0.0)
        return lower, upper

    def _slopes(
        self, reduced: FloatArray | None, split: Split, duals: FloatArray | None, scale: float
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Lower slopes and multipliers of the pre-activations that the duals stand for.

        The lower side of a post-activation is held by post >= pre (its dual, `by_pre`) and by
        post >= 0 (its reduced cost, `by_zero`): their shares are the slope of the lower line.
        Where a split fixes the phase, one of them is the multiplier of pre >= 0 or pre <= 0.
        """
        shares = [
            (self.bounds.upper[k] > -self.bounds.lower[k]).astype(np.float64)
            for k in range(self.layer)
        ]
        multipliers = [np.zeros_like(share) for share in shares]
        if duals is None or reduced is None:
            return shares, multipliers
        for layer, place in enumerate(self.columns):
            held = place.pre >= 0
            multipliers[layer][held] = reduced[place.pre[held]]
            crossing = np.flatnonzero(place.phase >= 0)
            by_pre = np.abs(duals[place.above[crossing]])
            by_zero = np.maximum(-reduced[place.post[crossing]], 0.0)
            both = by_pre + by_zero
            known = both > _NO_DUAL
            shares[layer][crossing[known]] = by_pre[known] / both[known]
            for position, unit in enumerate(crossing):
                active = split.get((layer, int(unit)))
                if active is not None:
                    multipliers[layer][unit] += -by_zero[position] if active else by_pre[position]
            multipliers[layer] *= place.scale / scale
        return shares, multipliers


def build_relaxation(network: Network, domain: Box, index: int, bounds: Bounds) -> Relaxation:
    """The relaxation below a layer, which is at least 1.

    Parameters
    ----------
    bounds
        Finite intervals of layers 0 .. index.
    """
    rows = RowCollector(network.input_size)
    reads = read_inputs(domain)
    lower, upper = [reads.lower], [reads.upper]
    places = []
    for earlier, layer in enumerate(network.layers[:index]):
        low, high = bounds.lower[earlier], bounds.upper[earlier]
        place = rows.add_layer(layer.phased, low, high)
        places.append(place)
        rows.link(layer, place, reads)
        rows.rectify(place, low, high)
        columns_lower, columns_upper = column_bounds(place, low, high)
        lower.append(columns_lower)
        upper.append(columns_upper)
        reads = read_layer(layer, place, low, high)
    return Relaxation(
        network=Network(network.layers[: index + 1]),
        domain=domain,
        layer=index,
        bounds=bounds,
        form=rows.form(np.concatenate(lower), np.concatenate(upper)),
        columns=tuple(places),
        scales=unit_scales(network, domain, bounds, index),
    )
