"""Proved intervals of pre-activations, without any solver."""

from leo_opt.bounds.methods import METHODS, BoundMethod, BoundMethodLike, Propagation
from leo_opt.bounds.propagation import propagate
from leo_opt.bounds.values import Bounds, Interval, post_interval, read_bounds

__all__ = [
    "METHODS",
    "BoundMethod",
    "BoundMethodLike",
    "Bounds",
    "Interval",
    "Propagation",
    "post_interval",
    "propagate",
    "read_bounds",
]
