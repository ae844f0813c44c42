"""Rows with a column of their own: they are independent, as exact ranks say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from leo_opt import weights
from leo_opt.rewrites.private_columns import rows_with_private_columns


def test_they_add_their_number_to_the_rank_of_the_others():
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        rows = generator.integers(-2, 3, (6, 7)) * (generator.random((6, 7)) < 0.35)
        private = rows_with_private_columns(rows.astype(np.float64))
        rank, rest = np.linalg.matrix_rank(rows), rows[~private]
        assert rank == private.sum() + (np.linalg.matrix_rank(rest) if len(rest) else 0)
        seen.add(int(private.sum()))
    assert len(seen) > 4


def test_windows_have_them_and_dense_rows_have_not():
    windows = np.eye(6) + np.eye(6, k=1)
    assert rows_with_private_columns(windows).all()
    assert not rows_with_private_columns(np.ones((3, 4))).any()


def test_an_entry_that_is_nearly_nothing_is_no_reason():
    rows = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1e-9]])
    assert not rows_with_private_columns(rows).any()
    assert rows_with_private_columns(np.zeros((2, 3))).tolist() == [False, False]


@pytest.mark.parametrize("seed", range(30))
def test_sparse_rows_have_those_of_dense_ones(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(7, 9)) * (generator.random((7, 9)) < 0.3)
    factors = generator.integers(0, 2, 9) * 1.0
    sparse = weights.scale_columns(csr_array(rows), factors)
    expected = rows_with_private_columns(rows * factors)
    assert (rows_with_private_columns(sparse) == expected).all()
