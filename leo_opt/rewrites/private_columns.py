"""Rows that are independent of all others at a glance."""

from __future__ import annotations

import numpy as np

from leo_opt.arrays import BoolArray, FloatArray

_SHARE = 2.0**-10
"""Of a row's largest entry, what an entry must be more than to count."""


def rows_with_private_columns(rows: FloatArray) -> BoolArray:
    """Rows that have a column of their own once those found before are left out, (s,).

    No combination of rows that are 0 there makes one of them, so that they are independent of one
    another and of all the others. Convolutions and pools are full of them, for which a
    factorisation would take minutes; dense matrices have none.

    Parameters
    ----------
    rows : (s, m) array
    """
    size = np.abs(rows).max(axis=1, initial=0.0)
    entries, strong = rows != 0.0, np.abs(rows) > _SHARE * size[:, None]
    others, counts = np.ones(len(rows), dtype=bool), entries.sum(axis=0)
    while True:
        found = others & strong[:, counts == 1].any(axis=1)
        if not found.any():
            return ~others
        others &= ~found
        counts -= entries[found].sum(axis=0)
