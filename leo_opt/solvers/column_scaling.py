"""Columns in units in which their range is about 1, where it is far from that.

Tolerances are absolute. A reduced cost within 1e-6 of zero counts as zero, which over a column that
ranges over 1e7 is an error of 10 in the bound; and a column whose range is 1e-9 counts as fixed. So
such columns are multiplied by powers of two, which is exact: the solver sees other units, and
nobody else does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from leo_opt.solvers.standard_form import IntArray, StandardForm

_USUAL = (2.0**-10, 2.0**5)
"""Ranges of columns that stay as they are."""

_MOST = 300
"""Ranges beyond 2**300 are as good as infinite, and their columns are left to the solver."""


def column_exponents(form: StandardForm) -> IntArray:
    """Exponents e (n,) with which columns 2**e * x have a range of about 1; mostly 0.

    Only columns that are continuous and have two finite bounds are scaled.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        width = form.column_upper - form.column_lower
    usual = ((width >= _USUAL[0]) & (width <= _USUAL[1])) | (width == 0.0) | form.integer
    known = np.isfinite(width) & (width > 0.0)
    exponent = 1 - np.frexp(np.where(known, width, 1.0))[1]
    exponent[usual | ~known | (np.abs(exponent) > _MOST)] = 0
    return exponent.astype(np.int64)


def scale_columns(form: StandardForm, exponent: IntArray) -> StandardForm:
    """The same model over the columns 2**exponent * x."""
    indicators = tuple(
        replace(row, coefficients=np.ldexp(row.coefficients, -exponent[row.columns]))
        for row in form.indicators
    )
    return replace(
        form,
        matrix=scale_matrix(form.matrix, exponent),
        column_lower=np.ldexp(form.column_lower, exponent),
        column_upper=np.ldexp(form.column_upper, exponent),
        objective=np.ldexp(form.objective, -exponent),
        fixed_values=np.ldexp(form.fixed_values, exponent[form.fixed_columns]),
        indicators=indicators,
    )


def scale_matrix(matrix: sparse.csr_array, exponent: IntArray) -> sparse.csr_array:
    """Rows in compressed rows over x as rows over 2**exponent * x."""
    values = np.ldexp(matrix.data, -exponent[matrix.indices])
    return sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)
