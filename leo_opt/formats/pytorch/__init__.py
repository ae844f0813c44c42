"""PyTorch modules to and from networks, without a file in between."""

from leo_opt.formats.pytorch.reading import from_torch
from leo_opt.formats.pytorch.writing import to_torch

__all__ = ["from_torch", "to_torch"]
