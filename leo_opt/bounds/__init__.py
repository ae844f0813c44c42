"""Proved intervals of pre-activations, without any solver."""

from leo_opt.bounds.propagation import METHODS, bound_layer, propagate
from leo_opt.bounds.values import Bounds, Interval, post_interval, read_bounds

__all__ = [
    "METHODS",
    "Bounds",
    "Interval",
    "bound_layer",
    "post_interval",
    "propagate",
    "read_bounds",
]
