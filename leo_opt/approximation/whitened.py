"""Low rank in the norm of the data: the baseline that looks at inputs of the layer.

Mathematics
-----------
Let H be the second moments of the layer's inputs and W* the least-squares fit of its response. The
response error of L is |(L - W*) H^(1/2)|_F^2 up to a constant. Of all L of rank r the best is
U U^T W*, where the columns of U are the first r eigenvectors of W* H W*^T: truncated SVD of
W* H^(1/2), times H^(-1/2), which cancels. What counts is not the response for itself but what is
made of it: with the columns of the next layer's weight on the units that are active, its error is
|R (L - W*) H^(1/2)|_F^2, and R W* takes the place of W*. (Without R the layer behind, fitted anew,
can make more of truncated SVD, though that has half as much error again.)

Algorithm
---------
One eigendecomposition of H for the fit, one of a matrix with a row a unit for U; then, for
rectifiers, least squares of the left factor behind the activation (`regression`), in which each
unit is fitted on r inputs.

Convergence
-----------
The linear problem is solved exactly. The left factor is found by majorisation, which never makes
its convex bound on the error behind the rectifier larger.

References
----------
X. Zhang, J. Zou, K. He, J. Sun, Accelerating very deep convolutional networks for classification
and detection, TPAMI 2016 (the linear case in section 3.1, the nonlinear in 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.regression import refit
from leo_opt.approximation.targets import LayerTarget
from leo_opt.arguments import Options, option, read_flag
from leo_opt.arrays import FloatArray


@dataclass(frozen=True)
class Whitened(Options, Method):
    """Low rank, fitted to the response.

    Parameters
    ----------
    nonlinear
        Whether the left factor is fitted behind the activation.
    """

    name: ClassVar[str] = "whitened"
    nonlinear: bool = option(True, read_flag)

    def quick(self) -> Whitened:
        """See `Method.quick`."""
        return Whitened(nonlinear=False)

    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """See `Method.fit`."""
        wanted = target.scaled(target.pre)
        left, right = low_rank(wanted, target.moments.gram, room.rank(target), target.metric)
        right = right / target.moments.scale
        bias = target.bias(left @ right, target.pre)
        if self.nonlinear:
            left, bias = refit_left(target, left, right, bias)
        return Parts.of(bias, left, right)


def low_rank(
    weight: FloatArray, gram: FloatArray, rank: int, metric: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Factors (m, r) and (r, n) of the nearest matrix E of a rank, by tr(metric E gram E^T)."""
    root = np.linalg.cholesky(metric).T
    rows = root @ weight
    vectors = np.linalg.eigh(rows @ gram @ rows.T)[1][:, ::-1][:, :rank]
    return np.linalg.solve(root, vectors), vectors.T @ rows


def refit_left(
    target: LayerTarget, left: FloatArray, right: FloatArray, bias: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The left factor and the bias, fitted behind the activation for a given right factor."""
    inner = LayerTarget(target.layer, target.inputs @ right.T, target.pre, target.readers)
    return refit(inner, left, bias, np.ones(left.shape, dtype=bool))
