"""The most violated facet of a rectifier's hull over a box, found term by term.

For one unit over a box of its inputs x, and any set I of them, with z its phase,

    post <= sum_{i in I} w_i (x_i - a_i (1 - z)) + (b + sum_{i not in I} w_i c_i) z,

where w_i a_i and w_i c_i are the least and the largest w_i x_i. Together with post >= pre and
post >= 0 these rows are the hull.

References
----------
R. Anderson, J. Huchette, W. Ma, C. Tjandraatmadja, J. P. Vielma, Strong mixed-integer programming
formulations for trained neural networks, Math. Program. 183, 2020, Proposition 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import BoolArray
from leo_opt.network import FloatArray


@dataclass(frozen=True, eq=False)
class HullRows:
    """A row for each of m units: post <= sum over I of w_i x_i + slope z - base.

    Parameters
    ----------
    chosen : (m, k) array
        The inputs in I; never one of weight 0.
    slope, base : (m,) arrays
    limit : (m,) array
        The right-hand side at the point.
    """

    chosen: BoolArray
    slope: FloatArray
    base: FloatArray
    limit: FloatArray


def lowest_rows(
    weight: FloatArray,
    constant: FloatArray,
    box: tuple[FloatArray, FloatArray],
    inputs: FloatArray,
    phase: FloatArray,
) -> HullRows:
    """For each unit the row that is lowest at a point.

    Parameters
    ----------
    weight, constant : (m, k) and (m,) arrays
    box : (k,) and (k,) arrays
        Finite lower and upper ends of the inputs.
    inputs, phase : (k,) and (m,) arrays
        The point.
    """
    ends = weight * box[0], weight * box[1]
    least, most = np.minimum(*ends), np.maximum(*ends)
    inside = weight * inputs - least * (1.0 - phase)[:, None]
    outside = most * phase[:, None]
    chosen = (inside < outside) & (weight != 0.0)
    return HullRows(
        chosen=chosen,
        slope=constant + np.where(chosen, least, most).sum(axis=1),
        base=np.where(chosen, least, 0.0).sum(axis=1),
        limit=np.where(chosen, inside, outside).sum(axis=1) + constant * phase,
    )
