"""Dense and sparse weights answer every question alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from leo_opt import weights
from leo_opt.errors import InvalidInputError
from leo_opt.network import Layer, Network


def pair(seed: int) -> tuple[np.ndarray, sparse.csr_array]:
    generator = np.random.default_rng(seed)
    shape = generator.integers(1, 7, size=2)
    dense = generator.normal(size=shape) * (generator.random(shape) < 0.4) + 0.0
    return dense, weights.canonical(sparse.coo_array(dense))


@pytest.mark.parametrize("seed", range(40))
def test_both_kinds_answer_alike(seed: int) -> None:
    dense, csr = pair(seed)
    generator = np.random.default_rng(seed)
    m, n = dense.shape
    chosen, factors = generator.random(n) < 0.5, generator.random(n)
    columns = np.flatnonzero(chosen)
    new = generator.normal(size=(m, columns.size))
    for ask in (
        weights.dense,
        weights.positive_part,
        weights.negative_part,
        weights.rows_that_read,
        weights.columns_read,
        lambda w: weights.rows_that_read(w, chosen),
        lambda w: weights.row_maxima(w, factors),
        lambda w: weights.sum_rows(w, factors),
        lambda w: weights.scale_rows(w, generator.integers(2, size=m) * 0 + np.arange(m)),
        lambda w: weights.set_columns(w, columns, new),
        lambda w: weights.stack_columns(w, new),
        lambda w: weights.stack_rows(w, np.ones((2, n))),
        lambda w: weights.with_numbers(w, 2.0 * weights.entries(w)),
        lambda w: weights.with_entries(w, weights.entries(w).astype(object)) @ factors,
        abs,
        lambda w: w @ factors,
        lambda w: factors[None, :] @ w.T,
    ):
        left, right = (np.asarray(weights.dense(ask(w)), dtype=np.float64) for w in (dense, csr))
        np.testing.assert_allclose(left, right, rtol=1e-13, atol=1e-13)
    for unit in range(m):
        np.testing.assert_array_equal(weights.row(csr, unit), dense[unit])
        for mine, theirs in zip(
            weights.row_support(csr, unit), weights.row_support(dense, unit), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert b"".join(weights.content(csr)) == b"".join(weights.content(dense)) == dense.tobytes()
    assert weights.same(csr, dense)
    assert weights.same(csr, weights.from_arrays(weights.to_arrays(csr), ""))


def test_csr_is_canonical() -> None:
    """Sorted, no zeros stored, nothing stored twice; and a copy that nobody else can change."""
    given = sparse.csr_array((np.array([1.0, 2.0, 3.0, -0.0]), [2, 0, 2, 1], [0, 3, 4]), (2, 3))
    layer = Layer(given, [0.0, 0.0])
    assert layer.weight.indices.tolist() == [0, 2]
    assert layer.weight.data.tolist() == [2.0, 4.0]
    assert layer.parameters == 4
    assert given.data.tolist() == [1.0, 2.0, 3.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        layer.weight.data[0] = 7.0


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_any_sparse_kind_is_the_same_network(kind: type) -> None:
    dense = np.array([[0.0, 1.0], [-2.0, 0.0]])
    one, other = (Network((Layer(w, [1.0, 0.0], "relu"),)) for w in (dense, kind(dense)))
    assert one == other
    assert one.content_hash == other.content_hash
    assert hash(one.layers[0]) == hash(other.layers[0])
    np.testing.assert_array_equal(one([1.0, 3.0]), other([1.0, 3.0]))


def test_numbers_that_are_not_finite_are_named() -> None:
    broken = sparse.csr_array(np.array([[0.0, np.nan]]))
    with pytest.raises(InvalidInputError, match=r"weight holds nan at \(0, 1\)"):
        Layer(broken, [0.0])
