"""Rows that are independent of all others at a glance."""

from __future__ import annotations

import numpy as np

from leo_opt import weights
from leo_opt.arrays import BoolArray
from leo_opt.weights import Weight

_SHARE = 2.0**-10
"""Of a row's largest entry, what an entry must be more than to count."""


def rows_with_private_columns(rows: Weight) -> BoolArray:
    """Rows that have a column of their own once those found before are left out, (s,).

    No combination of rows that are 0 there makes one of them, so that they are independent of one
    another and of all the others. Convolutions and pools are full of them, for which a
    factorisation would take minutes; dense matrices have none.

    Parameters
    ----------
    rows : (s, m) array
    """
    found = np.zeros(rows.shape[0], dtype=bool)
    if not (weights.is_sparse(rows) or (np.count_nonzero(rows, axis=0) == 1).any()):
        return found
    owners, columns, values = weights.coordinates(rows)
    sizes, size = np.abs(values), np.zeros(found.size)
    np.maximum.at(size, owners, sizes)
    strong, counts = sizes > _SHARE * size[owners], np.bincount(columns, minlength=rows.shape[1])
    while True:
        alone = owners[strong & (counts[columns] == 1)]
        if not alone.size:
            return found
        found[alone] = True
        left = ~found[owners]
        counts -= np.bincount(columns[~left], minlength=counts.size)
        owners, columns, strong = owners[left], columns[left], strong[left]
