"""Sums in rationals, and numbers whose float64 sums go astray.

Random weights make rounding errors that cancel, so that a bound without its error terms is mostly
true by luck. Where many equal numbers are added, all errors go one way.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def exact(values: np.ndarray) -> list[Fraction]:
    """All numbers of an array."""
    return [Fraction(value) for value in np.ravel(values).tolist()]


def exact_dot(left: np.ndarray, right: np.ndarray) -> Fraction:
    """Sum of the products."""
    return sum((a * b for a, b in zip(exact(left), exact(right), strict=True)), Fraction(0))


def drifting(count: int) -> np.ndarray:
    """Numbers whose repeated sums drift up or down."""
    return np.random.default_rng(140).uniform(0.5, 1.0, size=count)


def random_ends(generator: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends on both sides of zero, of all ratios."""
    ends = generator.uniform(0.5, 1.0, size=(2, size)) * 10.0 ** generator.integers(
        -6, 7, size=size
    )
    ends[1] *= 10.0 ** generator.integers(-3, 4, size=size)
    return -ends[0], ends[1]
