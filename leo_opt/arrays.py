"""Kinds of arrays, for annotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
"""Arrays of numbers in double precision."""
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
