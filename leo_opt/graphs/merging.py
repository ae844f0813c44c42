"""Channels that are multiples of each other become one.

The law: where the numbers that make one slice are those of another times c > 0, in rationals, and
all operators from there to the matrices that read the slices are positively homogeneous and treat
them alike, the slice is c times the other, so that what reads both can read one, with c times the
weights of the other added.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np

from leo_opt.arithmetic import LARGEST_FACTOR
from leo_opt.arrays import IntArray
from leo_opt.formats.rounded import Rounded
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.removal import Removal
from leo_opt.graphs.slices import STAYS, Consumer
from leo_opt.network import Layer
from leo_opt.rewrites.proportional import LayerRows, Multiple


def find_multiples(cutting: Cutting, stay: frozenset[int]) -> Removal:
    """Classes but for some that go since they are multiples of others, and the weights that take
    them up."""
    made = [cutting.roots(consumer.made) for consumer in cutting.consumers]
    read = [cutting.roots(consumer.slices.classes) for consumer in cutting.consumers]
    makers = Counter(root for roots in made for root in roots.tolist())
    rigid = {
        STAYS,
        *stay,
        *(root for part in cutting.rigid for root in cutting.roots(part).tolist()),
    }
    weights: dict[int, Rounded] = {}
    gone: set[int] = set()
    for consumer, roots in zip(cutting.consumers, made, strict=True):
        free = [root not in rigid and makers[root] == 1 for root in roots.tolist()]
        for first, others in _groups(cutting, consumer, free).items():
            for other in others:
                pair = int(roots[first]), int(roots[other.unit])
                places = {k: _places(classes, pair) for k, classes in enumerate(read)}
                if any(len(mine) != len(theirs) for mine, theirs in places.values()):
                    continue
                gone.add(pair[1])
                for index, (mine, theirs) in places.items():
                    if len(mine):
                        before = weights.get(index) or Rounded.exact(
                            cutting.consumers[index].weight
                        )
                        weights[index] = _added(before, mine, theirs, other.factor)
    return Removal(frozenset(gone), {}, weights)


def _groups(cutting: Cutting, consumer: Consumer, free: list[bool]) -> dict[int, list[Multiple]]:
    """Slices that a matrix makes, and for each those that are positive multiples of it."""
    if sum(free) < 2:
        return {}
    rows = np.moveaxis(consumer.weight, 1, 0).reshape(len(free), -1)
    layer = Layer(rows, cutting.bias(consumer.node, len(free)), "relu")
    still = np.zeros(layer.n_in + 1)
    return LayerRows(layer, still, still, 0.0).groups(
        lambda first, other: (
            free[first]
            and free[other.unit]
            and 0 < other.factor < LARGEST_FACTOR
            and other.error == 0.0
        )
    )


def _places(classes: IntArray, pair: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Where two classes stand, in the same order, since operators treat their slices alike."""
    first, second = (np.flatnonzero(classes == root) for root in pair)
    return first, second


def _added(weight: Rounded, mine: IntArray, theirs: IntArray, factor: Fraction) -> Rounded:
    """Weights (n, m, k) with a multiple of some rows added to others."""
    near = float(factor)
    exact = Fraction(near) == factor
    times = Rounded(np.array(near), np.array(0.0 if exact else np.spacing(near)))
    total = weight[mine] + weight[theirs] * times
    values, error = weight.values.copy(), np.array(weight.error)
    values[mine], error[mine] = total.values, total.error
    return Rounded(values, error)
