"""Truncated singular value decomposition: the baseline that looks at no data.

Mathematics
-----------
Of all matrices of rank r the sum of the first r singular triples is the nearest to W, in the
Frobenius norm and in the spectral norm.

Algorithm
---------
One decomposition; square roots of the singular values go to both factors. The bias stays.

Convergence
-----------
None needed: the result is optimal for what it minimises, which is not the response.

References
----------
C. Eckart, G. Young, The approximation of one matrix by another of lower rank, Psychometrika 1,
1936.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.targets import LayerTarget
from leo_opt.arguments import Options
from leo_opt.arrays import FloatArray


@dataclass(frozen=True)
class Svd(Options, Method):
    """The nearest weight of lower rank."""

    name: ClassVar[str] = "svd"

    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """See `Method.fit`."""
        return Parts.of(target.layer.bias, *factors(target.weight, room.rank(target)))


def factors(weight: FloatArray, rank: int) -> tuple[FloatArray, FloatArray]:
    """Factors (m, r) and (r, n) of the nearest matrix of a rank."""
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    root = np.sqrt(values[:rank])
    return left[:, :rank] * root, root[:, None] * right[:rank]
