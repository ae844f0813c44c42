"""Columns and objectives in units that solvers can tell from their tolerances.

Tolerances are absolute. A reduced cost within 1e-6 of zero counts as zero, which over a column that
ranges over 1e7 is an error of 10 in the bound; a column whose range is 1e-9 counts as fixed; of an
objective of size 1e-8 every basis is optimal, and one of size 1e25 is infinite to SCIP. So columns
and objectives are multiplied by powers of two, which is exact: the solver sees other units, and
nobody else does. Both steps are functions whose second value is the way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.solvers.questions import Answer, Question, Rows, finite
from leo_opt.solvers.standard_form import StandardForm

_USUAL_WIDTHS = (2.0**-10, 2.0**5)
"""Ranges of columns that stay as they are."""

_MOST = 300
"""Ranges beyond 2**300 are as good as infinite, and their columns are left to the solver."""

_USUAL_SIZES = (2.0**-3, 2.0**30)
"""Largest magnitudes of coefficients with which an objective is left as it is. Between 1 and the
upper end solvers do well, and the absolute gap stays what the caller meant."""

_ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Scales:
    """The units of a model's columns: 2**exponent * x instead of x.

    Parameters
    ----------
    exponent : (n,) integer array
    """

    exponent: IntArray

    @property
    def back(self) -> Scales:
        """The way back, from 2**exponent * x to x."""
        return Scales(-self.exponent)

    def values(self, values: FloatArray, columns: IntArray | slice = _ALL) -> FloatArray:
        """Values or bounds of columns, all by default."""
        return np.asarray(np.ldexp(values, self.exponent[columns]), dtype=np.float64)

    def rows(self, rows: Rows) -> Rows:
        """Rows in compressed rows over the columns in these units."""
        return Rows(self._matrix(rows.matrix), rows.lower, rows.upper)

    def _matrix(self, matrix: sparse.csr_array) -> sparse.csr_array:
        values = np.ldexp(matrix.data, -self.exponent[matrix.indices])
        return sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)

    def form(self, form: StandardForm) -> StandardForm:
        """The same model over the columns in these units."""
        if not self.exponent.any():
            return form
        indicators = tuple(
            replace(row, coefficients=self.back.values(row.coefficients, row.columns))
            for row in form.indicators
        )
        return replace(
            form,
            matrix=self._matrix(form.matrix),
            column_lower=self.values(form.column_lower),
            column_upper=self.values(form.column_upper),
            objective=self.back.values(form.objective),
            fixed_values=self.values(form.fixed_values, form.fixed_columns),
            indicators=indicators,
        )

    def question(self, question: Question) -> Question:
        """The same question in these units, apart from its separators."""
        confirm, back = question.confirm, self.back
        return replace(
            question,
            objective=back.values(question.objective),
            confirm=None if confirm is None else lambda point: confirm(back.values(point)),
            start=None if question.start is None else self.values(question.start),
        )


def scale(form: StandardForm) -> tuple[StandardForm, Scales]:
    """A model over columns with a range of about 1, and their units.

    Only columns that are continuous and have two finite bounds are scaled, and only where their
    range is far from 1.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        width = form.column_upper - form.column_lower
    low, high = _USUAL_WIDTHS
    usual = ((width >= low) & (width <= high)) | (width == 0.0) | form.integer
    known = np.isfinite(width) & (width > 0.0)
    exponent = 1 - np.frexp(np.where(known, width, 1.0))[1]
    exponent[usual | ~known | (np.abs(exponent) > _MOST)] = 0
    units = Scales(exponent.astype(np.int64))
    return units.form(form), units


def scale_objective(question: Question) -> tuple[Question, Callable[[Answer], Answer]]:
    """A question whose objective has a usual size, and the way back from the answer to it."""
    largest = float(np.abs(question.objective).max(initial=0.0))
    if largest == 0.0 or _USUAL_SIZES[0] <= largest <= _USUAL_SIZES[1]:
        return question, lambda answer: answer
    # A subnormal objective would need a factor that is no float64.
    factor = math.ldexp(1.0, min(-math.frexp(largest)[1], 1000))

    def scaled(stop: float | None) -> float | None:
        return None if stop is None else (stop - question.constant) * factor

    def back(answer: Answer) -> Answer:
        bound = finite(answer.objective_bound)
        return replace(
            answer,
            objective_bound=None if bound is None else bound / factor + question.constant,
            row_duals=None if answer.row_duals is None else answer.row_duals / factor,
        )

    # The constant might overflow, and comes back with the bound.
    other = replace(
        question,
        objective=question.objective * factor,
        constant=0.0,
        stop_above=scaled(question.stop_above),
        stop_below=scaled(question.stop_below),
    )
    return other, back
