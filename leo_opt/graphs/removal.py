"""Which slices of a graph can be deleted, and what those that read them take up instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import BoolArray, IntArray
from leo_opt.formats.onnx.operation import Tensor
from leo_opt.formats.rounded import Rounded
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.known import Known
from leo_opt.graphs.slices import STAYS, Consumer


@dataclass(frozen=True, eq=False)
class Removal:
    """Classes of slices that go.

    Parameters
    ----------
    classes
        Their numbers.
    shifts
        By the place of a consumer in `Cutting.consumers`: what its bias takes up, (m,) numbers.
    weights
        In the same way other weights, (n, m, k) numbers.
    """

    classes: frozenset[int]
    shifts: Mapping[int, Rounded]
    weights: Mapping[int, Rounded]

    def keeps(self, cutting: Cutting, classes: IntArray) -> BoolArray:
        """Which slices are left."""
        gone = np.array(sorted(self.classes), dtype=np.int64)
        return np.isin(cutting.roots(classes), gone, invert=True)


@dataclass(frozen=True, eq=False)
class _View:
    """A consumer with what is known of the slices that it reads.

    Parameters
    ----------
    constant : (n,) array
        Slices that have one value at each place and that the bias can take up.
    numbers : (n, k) array or (n, 1) array
        These values, of which each stands for all that a weight multiplies.
    read, made : arrays
        Classes.
    """

    consumer: Consumer
    constant: BoolArray
    numbers: Rounded
    read: IntArray
    made: IntArray


def find_removal(cutting: Cutting, known: Known, stay: frozenset[int]) -> Removal:
    """The classes but for some whose slices nothing needs: whatever reads one either finds a
    constant there that its bias can take up, or multiplies it by 0 for all that is left."""
    views = [_view(cutting, known, consumer) for consumer in cutting.consumers]
    places: dict[int, list[tuple[int, int]]] = {}
    for index, view in enumerate(views):
        for row, root in enumerate(view.read.tolist()):
            places.setdefault(root, []).append((index, row))
    for root in stay | {STAYS}:
        places.pop(root, None)
    tensors = [cutting.roots(slices.classes) for slices in cutting.tensors.values()]
    whole = {root: [k for k, roots in enumerate(tensors) if root in set(roots)] for root in places}
    gone: set[int] = set()
    changed = True
    while changed:
        changed = False
        for root in [root for root in places if root not in gone]:
            after = np.array([*gone, root])
            needed = any(_needs(views[index], row, after) for index, row in places[root])
            # An axis without slices is none that ONNX's operators take.
            if needed or any(np.isin(tensors[k], after).all() for k in whole[root]):
                continue
            gone.add(root)
            changed = True
    shifts = {
        index: _shift(view, np.isin(view.read, np.array(list(gone), dtype=np.int64)))
        for index, view in enumerate(views)
    }
    moved = {index: shift for index, shift in shifts.items() if not shift.equals(0.0)}
    return Removal(frozenset(gone), moved, {})


def _needs(view: _View, row: int, gone: IntArray) -> bool:
    """Whether a slice varies, and something that is left is made of it."""
    left = ~np.isin(view.made, gone)
    return not view.constant[row] and bool(view.consumer.weight[row, left].any())


def _view(cutting: Cutting, known: Known, consumer: Consumer) -> _View:
    """What is known of the slices that a node reads."""
    tensor = cutting.lowered.values[consumer.source]
    assert isinstance(tensor, Tensor)
    fixed, numbers = known.values(tensor.values)
    slices = consumer.slices
    order = np.moveaxis(np.arange(len(fixed)).reshape(slices.shape), slices.axis, 0)
    places = order.reshape(len(slices.classes), -1)
    values, error = numbers.values[places], numbers.error[places]
    zero = ((values == 0.0) & (error == 0.0)).all(axis=1)
    same = (values == values[:, :1]).all(axis=1)
    return _View(
        consumer,
        fixed[places].all(axis=1) & (zero | (same & consumer.foldable)),
        Rounded(values[:, 0], error.max(axis=1, initial=0.0)),
        cutting.roots(slices.classes),
        cutting.roots(consumer.made),
    )


def _shift(view: _View, gone: BoolArray) -> Rounded:
    """What constants that a node does not read any more added to all that it makes."""
    moving = gone & view.constant & ((view.numbers.values != 0.0) | (view.numbers.error != 0.0))
    weight = view.consumer.weight[moving]
    rows = np.moveaxis(weight, 0, 1).reshape(weight.shape[1], -1)
    return Rounded.exact(rows).dots(
        view.numbers[np.repeat(np.flatnonzero(moving), weight.shape[2])]
    )
