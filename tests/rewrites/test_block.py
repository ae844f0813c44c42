"""The error bound of any replacement of a block, good or bad, against rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from exact_stability import as_fractions
from seeds import seeds

from leo_opt.rewrites.block import Block, Replacement


def random_block(generator: np.random.Generator) -> Block:
    p, s, m = generator.integers(1, 6, size=3)
    lower = generator.normal(size=m) * 10.0 ** generator.integers(-3, 4)
    width = generator.exponential(size=m) * (generator.random(m) < 0.8)
    return Block(
        generator.normal(size=(p, s)) * (generator.random((p, s)) < 0.7),
        generator.normal(size=(s, m)) * 10.0 ** generator.integers(-6, 7, size=(s, 1)),
        generator.normal(size=s),
        generator.normal(size=p),
        lower,
        lower + width,
    )


def exact_error(block: Block, new: Replacement) -> list[Fraction]:
    """The largest difference of each row over the box, in rationals."""

    def product(left: list[list[Fraction]], right: list[list[Fraction]]) -> list[list[Fraction]]:
        columns = list(zip(*right, strict=True))
        return [[sum(a * b for a, b in zip(row, c, strict=True)) for c in columns] for row in left]

    def rows(outgoing, weight, bias, last) -> list[list[Fraction]]:
        inner = [[*as_fractions(w), Fraction(float(b))] for w, b in zip(weight, bias, strict=True)]
        zero = [Fraction(0)] * (weight.shape[1] + 1)
        outer = product([as_fractions(row) for row in outgoing], inner) if inner else None
        outer = outer or [list(zero) for _ in last]
        for row, constant in zip(outer, as_fractions(last), strict=True):
            row[-1] += constant
        return outer

    old = rows(block.outgoing, block.weight, block.bias, block.next_bias)
    changed = rows(new.outgoing, new.weight, new.bias, new.next_bias)
    low, high = as_fractions(block.lower), as_fractions(block.upper)
    worst = []
    for left, right in zip(old, changed, strict=True):
        gap = [a - b for a, b in zip(left, right, strict=True)]
        ends = [
            gap[-1]
            + sum(g * (b if (g > 0) == up else a) for g, a, b in zip(gap, low, high, strict=False))
            for up in (True, False)
        ]
        worst.append(max(map(abs, ends)))
    return worst


@pytest.mark.parametrize("seed", seeds(30, of=120))
def test_the_error_bounds_the_difference_over_the_whole_box(seed: int) -> None:
    generator = np.random.default_rng(seed)
    block = random_block(generator)
    p, m = block.product.shape
    r = int(generator.integers(0, 4))
    anything = block.replace(generator.normal(size=(p, r)), generator.normal(size=(r, m)))
    stored = block.replace(np.eye(p), block.product)
    lanes = block.replace(block.product, np.eye(m))
    for new in (anything, stored, lanes):
        exact, bound = exact_error(block, new), as_fractions(new.error)
        assert all(a <= b for a, b in zip(exact, bound, strict=True))
        # Not wildly more than the truth and rounding: the middle of the difference is absorbed.
        size = block.spread + np.abs(new.outgoing) @ (np.abs(new.weight) @ block.radius)
        size += np.abs(block.outgoing) @ np.abs(block.offset[0]) + np.abs(new.next_bias)
        size += np.abs(new.outgoing) @ np.abs(new.weight @ block.middle + new.bias)
        limit = 1.001 * np.array([float(x) for x in exact]) + 1e-14 * size
        assert (new.error <= limit + 1e-200).all()


@pytest.mark.parametrize("seed", seeds(20, of=60))
def test_shifted_units_are_never_negative_with_room_for_float32(seed: int) -> None:
    generator = np.random.default_rng(seed)
    block = random_block(generator)
    weight = generator.normal(size=(4, block.lower.size)).round(2)
    bias = block.shift(weight)
    for dtype in (np.float64, np.float32):
        for row, offset in zip(weight.astype(dtype), bias.astype(dtype), strict=True):
            ends = np.where(row > 0, block.lower, block.upper)
            pairs = zip(as_fractions(row.astype(float)), as_fractions(ends), strict=True)
            assert Fraction(float(offset)) + sum(a * b for a, b in pairs) >= 0


def test_units_that_cannot_be_negative_are_not_shifted() -> None:
    block = random_block(np.random.default_rng(0))
    size = block.lower.size
    flat = Block(*(getattr(block, name) for name in ("outgoing", "weight", "bias", "next_bias")),
                 np.zeros(size), np.ones(size))  # fmt: skip
    assert not flat.shift(np.eye(size)).any()
    assert (flat.shift(-np.eye(size)) >= 1.0).all()
    assert (flat.shift(-np.eye(size)) <= 1.000001).all()


def test_what_is_not_read_is_not_changed() -> None:
    block = random_block(np.random.default_rng(1))
    block.outgoing[:] = 0.0
    none = block.replace(np.zeros((len(block.outgoing), 0)), np.zeros((0, block.lower.size)))
    assert none.error.tolist() == [0.0] * len(block.outgoing)
    assert none.next_bias.tolist() == block.next_bias.tolist()


def test_every_input_lies_within_the_radius_of_the_middle() -> None:
    generator = np.random.default_rng(5)
    lower = generator.normal(size=300)
    upper = lower + generator.exponential(size=300)
    none = np.zeros((1, 300))
    block = Block(np.zeros((1, 1)), none, np.zeros(1), np.zeros(1), lower, upper)
    for low, high, middle, radius in zip(lower, upper, block.middle, block.radius, strict=True):
        assert Fraction(radius) >= max(
            Fraction(high) - Fraction(middle), Fraction(middle) - Fraction(low)
        )
