"""Random polytopes within boxes, some of them thin or flat."""

from __future__ import annotations

import numpy as np

from leo_opt.domain import Box
from leo_opt.polytope import Polytope


def random_polytope(generator: np.random.Generator, box: Box) -> Polytope:
    """Rows that hold at a random point of a box, sometimes just so, or an equation."""
    n = box.lower.size
    weight = generator.integers(-3, 4, size=(int(generator.integers(1, 4)), n)) / 2.0
    weight[:, generator.integers(n)] = generator.choice([-1.0, 0.1, 1.0])
    inside = box.sample(1, generator)[0]
    room = np.abs(weight) @ (box.upper - box.lower) * generator.choice([0.0, 0.1, 0.4])
    bound = np.nextafter(weight @ inside + room, np.inf)
    return Polytope(box, weight, bound)
