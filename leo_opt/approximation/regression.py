"""Least squares of a layer's rows on the entries that they may have, behind the activation.

Mathematics
-----------
Each row w of the weight may have entries on its support only. With inputs x, wanted values y and a
rectifier, the error of a sample is (w x + b - y)^2 where y > 0 and max(w x + b, 0)^2 where y <= 0:
convex in w, an upper bound of the error behind the rectifier, and equal to it wherever w x + b is
positive or y is not.

Algorithm
---------
Majorisation: where y <= 0, aim at what was reached below 0; each step is then a least-squares
problem with one Gram matrix for all rows. Conjugate gradients on all rows at once, each kept on its
support, since a product with the Gram matrix serves every row.

Convergence
-----------
No step of the majorisation makes the convex bound larger; the number of steps is fixed. Damping
draws to the numbers given.
"""

from __future__ import annotations

import numpy as np

from leo_opt.approximation.targets import DAMPING, LayerTarget
from leo_opt.arrays import BoolArray, FloatArray

_OUTER, _INNER, _LINEAR = 10, 8, 30
"""Steps of the majorisation, of conjugate gradients in each, and of these where all is linear."""


def refit(
    target: LayerTarget,
    weight: FloatArray,
    bias: FloatArray,
    support: BoolArray,
    *,
    extra: FloatArray | None = None,
    nonlinear: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Numbers of rows with given supports that come nearest to the target, and the bias.

    Parameters
    ----------
    weight : (n_out, n) array
        Where to start, and what damping draws to.
    support : (n_out, n) boolean array
        Which of them may differ from 0.
    extra : (N, k) array or None
        Further inputs, which stand behind those of the target: n is n_in + k.
    """
    inputs = target.inputs if extra is None else np.hstack([target.inputs, extra])
    read = support.any(axis=0)
    features = np.hstack([inputs[:, read], np.ones((len(inputs), 1))])
    square = (features**2).mean(axis=0)
    scale = np.sqrt(square + DAMPING * square.mean())
    features /= scale
    gram = features.T @ features / len(features)
    gram[np.diag_indices_from(gram)] += DAMPING
    start = np.hstack([(weight * support)[:, read], bias[:, None]]) * scale
    allowed = np.hstack([support[:, read], np.ones((len(support), 1), dtype=bool)])
    found, curved = start, nonlinear and target.rectified.any()
    for _ in range(_OUTER if curved else 1):
        wanted = target.wanted(features @ found.T) if curved else target.pre
        cross = wanted.T @ features / len(features) + DAMPING * start
        found = _descend(gram, cross, found, allowed, _INNER if curved else _LINEAR)
    found = found / scale
    fitted = np.zeros(support.shape)
    fitted[:, read] = found[:, :-1]
    return fitted, found[:, -1]


def _descend(
    gram: FloatArray, cross: FloatArray, start: FloatArray, allowed: BoolArray, steps: int
) -> FloatArray:
    """Conjugate gradients for x @ gram = cross on the allowed entries of each row."""
    found = start
    residual = (cross - found @ gram) * allowed
    direction, size = residual, (residual**2).sum(axis=1)
    for _ in range(steps):
        image = (direction @ gram) * allowed
        curvature = (direction * image).sum(axis=1)
        length = np.where(curvature > 0.0, size / np.where(curvature > 0.0, curvature, 1.0), 0.0)
        found = found + length[:, None] * direction
        residual = residual - length[:, None] * image
        before, size = size, (residual**2).sum(axis=1)
        share = np.where(before > 0.0, size / np.where(before > 0.0, before, 1.0), 0.0)
        direction = residual + share[:, None] * direction
    return found
