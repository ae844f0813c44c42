"""Which network of a file is meant, where it holds more than one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """What is read of a file.

    Parameters
    ----------
    output_tensor
        The name of the only tensor that is the output; by default what the file says.
    normalised
        Of a .nnet file the layers alone, whose inputs and outputs are normalised, instead of the
        network in units.
    """

    output_tensor: str | None = None
    normalised: bool = False


EVERYTHING = Selection()
