"""Solvers that are there, and models that are large and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt.solvers import Solver, StandardForm, find


def installed(name: str) -> Solver:
    """The solver of a name, or the test is skipped."""
    solver = find(name)
    if not solver.available():
        pytest.skip(f"{name} is not installed: {solver.install}")
    return solver


def wide_form(columns: int, rows: int) -> StandardForm:
    """A model of a size."""
    return StandardForm(
        matrix=np.zeros((rows, columns)),
        row_lower=np.full(rows, -1.0),
        row_upper=np.full(rows, np.inf),
        column_lower=np.zeros(columns),
        column_upper=np.ones(columns),
        integer=np.zeros(columns, dtype=bool),
    )
