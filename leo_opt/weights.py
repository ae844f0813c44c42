"""What algorithms ask of a weight matrix, whether it is a dense array or a SciPy CSR array.

A convolution, a pool or an identity lane is a matrix that is nearly all zeros. Kept as CSR it takes
the room of its entries; kept dense it would take gigabytes. Products (`@`), transposes, `abs` and
rows taken by index are written alike for both kinds, so that algorithms use them as they stand.
What differs stands here, dispatched on the kind; nothing else looks inside a weight.

A CSR weight is canonical: entries sorted by column, none stored twice, no zeros stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leo_opt.arrays import FloatArray

Weight: TypeAlias = FloatArray | Any
"""A dense array or a `scipy.sparse.csr_array`, which type checkers take for anything: SciPy is
imported only where a weight is sparse."""

_HASHED_ROWS = 256
"""Rows that are made dense at once where a sparse weight is hashed."""


_SPARSE_CELLS = 2**16
_SPARSE_SHARE = 8
"""A weight that is read is kept as CSR if it has so many cells and one in so many is an entry."""
_DENSE_FROM = 0.125
"""Share of entries from which on a product is faster with a dense array: products of two CSR arrays
take several times as long for each multiplication."""


def is_sparse(values: object) -> TypeGuard[Any]:
    """Whether a value is a sparse matrix or array; imports SciPy only where it has been."""
    return type(values).__module__.startswith("scipy.sparse")


def canonical(values: ArrayLike | Weight) -> Weight:
    """A private float64 copy, dense or CSR, without negative or stored zeros.

    Raises
    ------
    TypeError, ValueError
        If the values are no array of numbers.
    """
    if not is_sparse(values):
        # The sum turns -0.0 into 0.0, so that equal arrays have equal bytes.
        return np.array(values, dtype=np.float64, order="C") + 0.0
    from scipy.sparse import csr_array

    matrix = csr_array(values, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def freeze(weight: Weight) -> None:
    """Make a weight read-only."""
    parts = (weight.data, weight.indices, weight.indptr) if is_sparse(weight) else (weight,)
    for part in parts:
        part.setflags(write=False)


def entries(weight: Weight) -> FloatArray:
    """The entries that are stored, in no promised shape: all of them that are not 0."""
    values: FloatArray = weight.data if is_sparse(weight) else weight
    return values


def count(weight: Weight) -> int:
    """Number of stored entries: all of a dense array, those that are not 0 of a CSR array."""
    return int(entries(weight).size)


def with_numbers(weight: Weight, values: FloatArray) -> Weight:
    """A weight of the same kind and places with other values for `entries`."""
    if not is_sparse(weight):
        return values
    from scipy.sparse import csr_array

    return csr_array((values, weight.indices, weight.indptr), shape=weight.shape)


def with_entries(weight: Weight, values: NDArray[Any]) -> Any:
    """A matrix of the same kind and places with other values for `entries`, of any type."""
    if not is_sparse(weight):
        return values
    return _Rows(weight.indices, weight.indptr, values)


class _Rows:
    """CSR rows with entries of any type, which SciPy does not have."""

    def __init__(self, indices: NDArray[Any], ends: NDArray[Any], values: NDArray[Any]) -> None:
        self._indices, self._ends, self._values = indices, ends, values

    def __matmul__(self, vector: NDArray[Any]) -> NDArray[Any]:
        terms = self._values * vector[self._indices]
        pairs = zip(self._ends, self._ends[1:], strict=False)
        return np.array([terms[start:end].sum() for start, end in pairs], dtype=terms.dtype)


def dense(weight: Weight) -> FloatArray:
    """The same numbers as a dense array; the array itself where it is dense."""
    array: FloatArray = weight.toarray() if is_sparse(weight) else weight
    return array


def positive_part(weight: Weight) -> Weight:
    """max(weight, 0), of the same kind."""
    return weight.maximum(0.0) if is_sparse(weight) else np.maximum(weight, 0.0)


def negative_part(weight: Weight) -> Weight:
    """min(weight, 0), of the same kind."""
    return weight.minimum(0.0) if is_sparse(weight) else np.minimum(weight, 0.0)


def rows_that_read(weight: Weight, columns: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which rows have an entry that is not 0 in some of the columns, (m,).

    Parameters
    ----------
    columns : (n,) boolean array or None
        By default all.
    """
    if is_sparse(weight):
        chosen = np.ones(weight.shape[1]) if columns is None else columns.astype(np.float64)
        return np.asarray((weight != 0.0).astype(np.float64) @ chosen > 0.0)
    taken = weight if columns is None else weight[:, columns]
    read: NDArray[np.bool_] = (taken != 0.0).any(axis=1)
    return read


def columns_read(weight: Weight) -> NDArray[np.bool_]:
    """Which columns have an entry that is not 0, (n,)."""
    if is_sparse(weight):
        read = np.zeros(weight.shape[1], dtype=bool)
        read[weight.indices[weight.data != 0.0]] = True
        return read
    present: NDArray[np.bool_] = (weight != 0.0).any(axis=0)
    return present


def row_support(weight: Weight, row: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Columns and values of the entries of one row that are not 0."""
    if is_sparse(weight):
        part = slice(weight.indptr[row], weight.indptr[row + 1])
        return weight.indices[part].astype(np.int64), weight.data[part]
    columns = np.flatnonzero(weight[row])
    return columns, weight[row, columns]


def row(weight: Weight, index: int) -> FloatArray:
    """One row, dense, (n,)."""
    one: FloatArray = dense(weight[[index]])[0]
    return one


def row_maxima(weight: Weight, factors: FloatArray) -> FloatArray:
    """The largest of |weight| * factors in each row, (m,), 0 in empty ones; factors (n,) >= 0."""
    if is_sparse(weight):
        top = np.zeros(weight.shape[0])
        np.maximum.at(top, _rows_of(weight), np.abs(weight.data) * factors[weight.indices])
        return top
    largest: FloatArray = (np.abs(weight) * factors).max(axis=1, initial=0.0)
    return largest


def scale_rows(weight: Weight, factors: NDArray[Any]) -> Weight:
    """Each row times its factor (m,), of the same kind; a mask keeps rows or makes them 0."""
    return (
        weight.multiply(factors[:, None]).tocsr()
        if is_sparse(weight)
        else (weight * factors[:, None])
    )


def scale_columns(weight: Weight, factors: FloatArray) -> Weight:
    """Each column times its factor (n,), of the same kind; a CSR array may store zeros then."""
    spread = factors[weight.indices] if is_sparse(weight) else factors
    return with_numbers(weight, entries(weight) * spread)


def coordinates(weight: Weight) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Row, column and value of the entries that are not 0, row by row."""
    if is_sparse(weight):
        present = weight.data != 0.0
        return _rows_of(weight)[present], weight.indices[present], weight.data[present]
    rows, columns = np.nonzero(weight)
    return rows, columns, weight[rows, columns]


def set_columns(weight: Weight, columns: NDArray[np.int64], values: FloatArray) -> Weight:
    """With some columns replaced by those of a dense array (m, k), of the same kind."""
    if not is_sparse(weight):
        changed = weight.copy()
        changed[:, columns] = values
        return changed
    from scipy.sparse import csr_array, hstack

    order = np.arange(weight.shape[1])
    kept = np.setdiff1d(order, columns)
    place = np.empty(order.size, dtype=np.int64)
    place[np.concatenate([kept, columns])] = order
    return hstack([weight[:, kept], csr_array(values)], format="csr")[:, place]


def stack_rows(upper: Weight, lower: FloatArray) -> Weight:
    """A dense array below a weight, of the weight's kind."""
    if not is_sparse(upper):
        return np.vstack([upper, lower])
    from scipy.sparse import csr_array, vstack

    return vstack([upper, csr_array(lower)], format="csr")


def stack_columns(left: Weight, right: FloatArray) -> Weight:
    """A dense array to the right of a weight, of the weight's kind."""
    if not is_sparse(left):
        return np.hstack([left, right])
    from scipy.sparse import csr_array, hstack

    return hstack([left, csr_array(right)], format="csr")


def move_columns(weight: Weight, places: NDArray[np.int64], width: int) -> Weight:
    """With column k at place places[k] of `width` columns, the others 0, of the same kind."""
    if not is_sparse(weight):
        moved = np.zeros((weight.shape[0], width))
        moved[:, places] = weight
        return moved
    from scipy.sparse import csr_array

    parts = (weight.data, places[weight.indices], weight.indptr)
    matrix = csr_array(parts, shape=(weight.shape[0], width), copy=True)
    matrix.sort_indices()
    return matrix


def stack(parts: Sequence[Weight]) -> Weight:
    """Weights one above the other, sparse where all of them are."""
    if not all(map(is_sparse, parts)):
        return np.vstack([dense(part) for part in parts])
    from scipy.sparse import vstack

    rows: list[Any] = list(parts)
    return vstack(rows, format="csr")


def mirror(weight: Weight) -> Weight:
    """The rows, and below them their negatives, of the same kind."""
    if not is_sparse(weight):
        return np.concatenate([weight, -weight])
    from scipy.sparse import vstack

    return vstack([weight, -weight], format="csr")


def product(left: Weight, right: Weight) -> Weight:
    """left @ right for dense left (..., m, n), or any (m, n), and right (n, p).

    Sparse where both are and the product has few entries; else dense.
    """
    if not is_sparse(left):
        # One product of a tall matrix is much faster than many of small ones.
        flat = left.reshape(math.prod(left.shape[:-1]), left.shape[-1]) @ right
        return flat.reshape(*left.shape[:-1], right.shape[1])
    made = left @ right
    if is_sparse(made) and made.nnz > _DENSE_FROM * made.shape[0] * made.shape[1]:
        return made.toarray()
    return made


def sum_rows(weight: Weight, vector: FloatArray) -> NDArray[np.longdouble]:
    """weight @ vector, (m,), summed in extended precision where the machine has one."""
    if is_sparse(weight):
        extended = weight.data.astype(np.longdouble) * vector[weight.indices]
        total = np.zeros(weight.shape[0], dtype=np.longdouble)
        np.add.at(total, _rows_of(weight), extended)
        return total
    summed: NDArray[np.longdouble] = (weight.astype(np.longdouble) * vector).sum(axis=1)
    return summed


def to_arrays(weight: Weight) -> dict[str, NDArray[Any]]:
    """The weight as named arrays that `from_arrays` takes: one without a name where it is dense."""
    if not is_sparse(weight):
        return {"": weight}
    parts = {"_data": weight.data, "_indices": weight.indices, "_indptr": weight.indptr}
    return {**parts, "_shape": np.array(weight.shape)}


def from_arrays(arrays: Mapping[str, NDArray[Any]], name: str) -> Weight:
    """The weight whose arrays stand in a mapping under a name and what `to_arrays` adds to it.

    Raises
    ------
    KeyError, ValueError
        If there is none, or its arrays do not fit together.
    """
    if name in arrays:
        return arrays[name]
    from scipy.sparse import csr_array

    parts = tuple(arrays[f"{name}{part}"] for part in ("_data", "_indices", "_indptr"))
    matrix = csr_array(parts, shape=tuple(arrays[f"{name}_shape"].tolist()))
    matrix.check_format(full_check=True)
    return matrix


def from_entries(
    values: FloatArray, columns: NDArray[np.int64], ends: NDArray[np.int64], shape: tuple[int, int]
) -> Weight:
    """The weight with some entries row by row, CSR where that takes much less room than dense.

    Parameters
    ----------
    values, columns : (entries,) arrays
    ends : (m + 1,) array
        Row k has the entries from ends[k] to ends[k + 1].
    """
    from scipy.sparse import csr_array

    matrix = csr_array((values, columns, ends), shape=shape)
    cells = shape[0] * shape[1]
    return (
        matrix
        if cells >= _SPARSE_CELLS and _SPARSE_SHARE * len(values) <= cells
        else (matrix.toarray())
    )


def same(left: Weight, right: Weight) -> bool:
    """Whether two weights hold the same numbers, whatever their kinds."""
    if left.shape != right.shape:
        return False
    if is_sparse(left) and is_sparse(right):
        return all(
            np.array_equal(mine, theirs)
            for mine, theirs in (
                (left.indptr, right.indptr),
                (left.indices, right.indices),
                (left.data, right.data),
            )
        )
    return all(map(np.array_equal, _dense_parts(left), _dense_parts(right)))


def content(weight: Weight) -> Iterator[bytes]:
    """The numbers row by row as little-endian float64, for a hash; the same for both kinds."""
    for part in _dense_parts(weight):
        yield part.astype("<f8").tobytes()


def _rows_of(weight: Any) -> NDArray[np.int64]:
    """The row of each stored entry of a CSR array."""
    return np.repeat(np.arange(weight.shape[0]), np.diff(weight.indptr))


def _dense_parts(weight: Weight) -> Iterator[FloatArray]:
    """Some rows at a time, dense."""
    for start in range(0, weight.shape[0], _HASHED_ROWS):
        yield dense(weight[start : start + _HASHED_ROWS])
