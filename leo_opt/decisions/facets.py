"""Facets of the hull of a rectifier, added where a linear program violates them.

Which they are, `leo_opt.formulations.facets` says. What their duals say becomes a certificate
through `leo_opt.bounds.planes`.

References
----------
C. Tjandraatmadja et al., The Convex Relaxation Barrier, Revisited, NeurIPS 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from leo_opt import weights
from leo_opt.bounds.planes import Planes
from leo_opt.decisions.relaxation import Relaxation, Split
from leo_opt.decisions.relaxation_rows import DROPPED
from leo_opt.formulations.facets import lowest_rows
from leo_opt.network import FloatArray
from leo_opt.solvers import Answer, RowHandle, Session

_VIOLATED = 1e-5
"""Scaled units by which a point has to violate a facet."""
_NO_DUAL = 1e-12
_MOST = 100
"""Facets added at once, the most violated ones."""


@dataclass(frozen=True, eq=False)
class _Facet:
    """One row: the unit that it holds, the inputs in I, and its terms over the columns."""

    layer: int
    unit: int
    chosen: NDArray[np.bool_]
    columns: NDArray[np.int64]
    values: FloatArray
    upper: float


class Facets:
    """The facets that one session holds for one relaxation.

    Parameters
    ----------
    session
        Open on `relaxation.form`, without further rows.
    """

    def __init__(self, relaxation: Relaxation, session: Session) -> None:
        self._relaxation = relaxation
        self._session = session
        self._facets: list[_Facet] = []
        self._handles: list[RowHandle] = []
        self._matrix = sparse.csr_array((0, relaxation.form.columns))

    def __len__(self) -> int:
        return len(self._facets)

    def add_violated(self, answer: Answer) -> int:
        """Add the facets that the point of a linear program violates most.

        Parameters
        ----------
        answer
            With a point and duals, the duals of the facets after those of the form.

        Returns
        -------
        int
            How many were added.
        """
        assert answer.point is not None
        assert answer.row_duals is not None
        prices = self._prices(answer.row_duals)
        found: list[tuple[float, _Facet]] = []
        # Units that the objective does not press against their rows can still move the optimum
        # once they violate a facet, but seldom do.
        for pressed in (True, False):
            for layer, price in enumerate(prices):
                crossing = self._relaxation.columns[layer].phase >= 0
                units = np.flatnonzero(crossing & ((price > _NO_DUAL) == pressed))
                found += self._separate(layer, units, answer.point)
            if found:
                break
        found.sort(key=lambda pair: -pair[0])
        self._add([facet for _, facet in found[:_MOST]])
        return min(len(found), _MOST)

    def purge(self, duals: FloatArray) -> None:
        """Remove the facets without a dual."""
        values = duals[self._relaxation.form.rows :]
        kept = [f for f, value in zip(self._facets, values, strict=True) if abs(value) > _NO_DUAL]
        if len(kept) < len(self._facets):
            self.remove()
            self._add(kept)

    def remove(self) -> None:
        """Remove all facets."""
        for handle in reversed(self._handles):
            self._session.remove(handle)
        self._handles, self._facets = [], []
        self._matrix = sparse.csr_array((0, self._relaxation.form.columns))

    def reduce(self, cost: FloatArray, duals: FloatArray) -> FloatArray:
        """Reduced costs: cost less what the duals of all rows take."""
        base = self._relaxation.form.rows
        reduced = cost - self._relaxation.form.matrix.T @ duals[:base]
        return np.asarray(reduced - self._matrix.T @ duals[base:])

    def planes(self, split: Split, duals: FloatArray) -> dict[int, Planes]:
        """What the duals make of the chord and the facets of each unit that a split leaves open."""
        values = np.abs(duals[self._relaxation.form.rows :])
        shares: dict[tuple[int, int], FloatArray] = {}
        totals: dict[tuple[int, int], float] = {}
        for facet, value in zip(self._facets, values.tolist(), strict=True):
            address = facet.layer, facet.unit
            if value > _NO_DUAL and address not in split:
                shares[address] = shares.get(address, 0.0) + value * facet.chosen
                totals[address] = totals.get(address, 0.0) + value
        planes = {}
        for layer in sorted({layer for layer, _ in shares}):
            place = self._relaxation.columns[layer]
            units = np.array([unit for at, unit in shares if at == layer], dtype=np.int64)
            by_pre = np.abs(duals[place.below_pre[units]])
            by_zero = np.abs(duals[place.below_zero[units]])
            total = np.array([totals[layer, int(unit)] for unit in units]) + by_pre + by_zero
            inputs = np.array([shares[layer, int(unit)] for unit in units]) / total[:, None]
            planes[layer] = Planes(units, by_pre / total, by_zero / total, inputs)
        return planes

    def _prices(self, duals: FloatArray) -> list[FloatArray]:
        """For each layer (n_out,) what the objective gains from post-activations held lower."""
        prices = []
        for place in self._relaxation.columns:
            price = np.zeros(place.phase.size)
            open_units = np.flatnonzero(place.phase >= 0)
            for rows in (place.below_pre, place.below_zero):
                price[open_units] += np.abs(duals[rows[open_units]])
            prices.append(price)
        for facet, value in zip(
            self._facets, duals[self._relaxation.form.rows :].tolist(), strict=True
        ):
            prices[facet.layer][facet.unit] += abs(value)
        return prices

    def _separate(
        self, index: int, units: NDArray[np.int64], point: FloatArray
    ) -> list[tuple[float, _Facet]]:
        """The most violated facet of each of some units, with its violation."""
        if not units.size:
            return []
        reads = self._relaxation.reads(index)
        place, layer = self._relaxation.columns[index], self._relaxation.network.layers[index]
        known = np.flatnonzero(reads.columns >= 0)
        scale = place.scale[units]
        weight = weights.dense(layer.weight[units])
        terms = weight[:, known] * scale[:, None] / reads.scale[known]
        constant = (weight @ reads.offset + layer.bias[units]) * scale
        phase = point[place.phase[units]]
        box = reads.lower[known], reads.upper[known]
        lowest = lowest_rows(terms, constant, box, point[reads.columns[known]], phase)
        violation = point[place.post[units]] - lowest.limit
        found = []
        for k in np.flatnonzero(violation > _VIOLATED):
            mask = lowest.chosen[k]
            all_inputs = np.zeros(reads.columns.size, dtype=np.bool_)
            all_inputs[known] = mask
            columns = [place.post[[units[k]]], place.phase[[units[k]]], reads.columns[known[mask]]]
            values = np.concatenate([[1.0, -lowest.slope[k]], -terms[k][mask]])
            # Entries below this only disturb the solver, and nothing rests on them.
            large = np.abs(values) > DROPPED
            facet = _Facet(
                index,
                int(units[k]),
                all_inputs,
                np.concatenate(columns)[large],
                values[large],
                float(-lowest.base[k]),
            )
            found.append((float(violation[k]), facet))
        return found

    def _add(self, facets: list[_Facet]) -> None:
        if not facets:
            return
        lengths = [facet.columns.size for facet in facets]
        rows = np.repeat(np.arange(len(facets)), lengths)
        columns = np.concatenate([facet.columns for facet in facets])
        values = np.concatenate([facet.values for facet in facets])
        shape = len(facets), self._relaxation.form.columns
        matrix = sparse.csr_array((values, (rows, columns)), shape=shape)
        upper = np.array([facet.upper for facet in facets])
        self._handles.append(self._session.add_rows(matrix, np.full(upper.size, -np.inf), upper))
        self._facets += facets
        self._matrix = sparse.vstack([self._matrix, matrix], format="csr")
