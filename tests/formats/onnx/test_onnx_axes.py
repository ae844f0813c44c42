"""Shape arithmetic with a marked batch axis, against NumPy on arrays of a real batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from leo_opt.formats.onnx import axes as onnx_axes
from leo_opt.formats.onnx.axes import BATCH, Axes, LayoutError

REAL = 7
"""A batch size that no other axis of these tests has."""


def real(axes: Axes) -> tuple[int, ...]:
    """Axes with a batch of 7."""
    return tuple(REAL if size == BATCH else size for size in axes)


def labelled(axes: Axes) -> np.ndarray:
    """An array whose entries tell the input of the batch and the place within it."""
    if BATCH not in axes:
        return np.arange(onnx_axes.width(axes)).reshape(axes)
    array = np.empty(real(axes), dtype=int)
    rows = np.moveaxis(array, axes.index(BATCH), 0)
    for index in range(REAL):
        row = 1000 * index + np.arange(onnx_axes.width(axes))
        rows[index] = row.reshape(rows.shape[1:])
    return array


def random_axes(generator: np.random.Generator) -> Axes:
    """Few small axes, most with a batch."""
    axes = [int(size) for size in generator.choice([1, 1, 2, 3, 4], generator.integers(1, 4))]
    if generator.random() < 0.8:
        axes.insert(int(generator.integers(len(axes) + 1)), BATCH)
    return tuple(axes)


def count_accepted(act: Callable[[np.random.Generator, Axes], None]) -> int:
    """How many of many random cases are accepted; `act` checks each."""
    generator, accepted = np.random.default_rng(0), 0
    for _ in range(3000):
        axes = random_axes(generator)
        try:
            act(generator, axes)
        except LayoutError:
            continue
        accepted += 1
    return accepted


def test_reshapes_keep_inputs_apart_and_in_order():
    def act(generator: np.random.Generator, axes: Axes) -> None:
        target = list(axes)
        generator.shuffle(target)
        if len(target) > 1 and generator.random() < 0.6:
            target[:2] = [target[0] * target[1]]
        if generator.random() < 0.5:
            target[generator.integers(len(target))] = -1
        after = onnx_axes.reshape(axes, target)
        if BATCH in axes and BATCH not in after:
            assert onnx_axes.width(after) == onnx_axes.width(axes)
            return
        sizes = [REAL * size // BATCH if size >= BATCH else size for size in target]
        assert np.array_equal(labelled(axes).reshape(sizes), labelled(after))

    assert count_accepted(act) > 500


def test_transpositions_keep_the_order_of_values():
    def act(generator: np.random.Generator, axes: Axes) -> None:
        order = [int(axis) for axis in generator.permutation(len(axes))]
        after = onnx_axes.transpose(axes, order)
        assert np.array_equal(labelled(axes).transpose(order), labelled(after))

    assert count_accepted(act) > 500


def test_products_with_constants_are_those_of_numpy():
    def act(generator: np.random.Generator, axes: Axes) -> None:
        inner = int(generator.choice([1, 2, 3, 4]))
        lead = [1] * int(generator.integers(3))
        right = bool(generator.integers(2))
        shape = [inner, 2] if right else [2, inner]
        matrix = generator.integers(-9, 10, lead + shape)
        if generator.random() < 0.2:
            matrix = matrix.reshape(-1)[:inner]
        product = onnx_axes.multiply_right if right else onnx_axes.multiply_left
        after, weight = product(axes, matrix)
        x = labelled(axes)
        y = x @ matrix if right else matrix @ x
        assert y.shape == real(after)
        rows = x if BATCH not in axes else np.moveaxis(x, axes.index(BATCH), 0)
        outs = y if BATCH not in after else np.moveaxis(y, after.index(BATCH), 0)
        rows = rows.reshape(-1, onnx_axes.width(axes))
        assert np.array_equal(rows @ weight.T, outs.reshape(len(rows), -1))

    assert count_accepted(act) > 200


def test_constants_spread_as_in_numpy():
    def act(generator: np.random.Generator, axes: Axes) -> None:
        shape = [int(generator.choice([1, size])) for size in axes if size != BATCH]
        shape = [1] * int(generator.integers(2)) + shape[int(generator.integers(2)) :]
        constant = generator.integers(-9, 10, shape).astype(float)
        after, values = onnx_axes.spread(axes, constant)
        total = np.zeros(real(axes)) + constant
        assert total.shape == real(after)
        rows = total if BATCH not in after else np.moveaxis(total, after.index(BATCH), 0)
        assert (rows.reshape(-1, onnx_axes.width(after)) == values).all()

    assert count_accepted(act) > 500


@pytest.mark.parametrize(
    ("axes", "target", "fixed", "expected"),
    [
        ((BATCH, 6), (32, 2, 3), 32, (BATCH, 2, 3)),
        ((BATCH, 6), (32, -1), 32, (BATCH, 6)),
        ((BATCH, 32), (32, 32), 32, (BATCH, 32)),
        ((BATCH, 6), (1, 6), None, (1, 6)),
        ((BATCH, 2, 3), (-1, 6), None, (BATCH, 6)),
    ],
)
def test_fixed_batches_are_found_in_targets(
    axes: Axes, target: Axes, fixed: int | None, expected: Axes
):
    assert onnx_axes.reshape(axes, target, fixed) == expected


@pytest.mark.parametrize(
    ("axes", "target", "fixed"),
    [
        ((BATCH, 6), (6, -1), None),
        ((BATCH, 6), (1, 6), 32),
        ((BATCH, 6), (-1, 3), None),
        ((BATCH, 6), (16, 12), 32),
        ((2, 3), (4,), None),
        ((2, 3), (-1, 0), None),
        ((2, 3), (-2, -3), None),
    ],
)
def test_reshapes_that_do_not_fit_are_refused(axes: Axes, target: Axes, fixed: int | None):
    with pytest.raises(LayoutError):
        onnx_axes.reshape(axes, target, fixed)
