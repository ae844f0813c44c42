"""How files present networks: what a network carries along and no algorithm reads."""

from __future__ import annotations

from dataclasses import dataclass

from leo_opt.tails import Tail


@dataclass(frozen=True)
class Normalisation:
    """The header of a .nnet file, by which inputs and outputs are normalised.

    Parameters
    ----------
    lower, upper
        Least and greatest value of each input, in units.
    means, ranges
        The layers take (x - mean) / range. The last entry is that of all outputs, which are
        y * range + mean. Zeros and ones where the network is in units itself.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    means: tuple[float, ...]
    ranges: tuple[float, ...]


@dataclass(frozen=True)
class Signature:
    """How a network file presents its input and output; outside equality and hash.

    Parameters
    ----------
    input_name, output_name
        Names of the graph's input and output tensors.
    input_shape, output_shape
        Dimensions as the file states them: an int, a name for a free dimension, or None where
        it is unnamed. `None` for a whole shape means "not known".
    dtype
        Element type of the file: "float32" or "float64".
    inputs, outputs
        Names and shapes of the parts of which input or output are made, in order, where a file
        has several; else empty.
    normalisation
        The header of a .nnet file.
    tails
        What the file makes of the outputs above, one entry for each output of the file; empty where
        they are the outputs of the file.
    left_out
        Names of outputs of the file that no network has: the labels of a classifier beside its
        scores.
    """

    input_name: str = "input"
    output_name: str = "output"
    input_shape: tuple[int | str | None, ...] | None = None
    output_shape: tuple[int | str | None, ...] | None = None
    dtype: str = "float32"
    inputs: tuple[tuple[str, tuple[int | str | None, ...]], ...] = ()
    outputs: tuple[tuple[str, tuple[int | str | None, ...]], ...] = ()
    normalisation: Normalisation | None = None
    tails: tuple[Tail, ...] = ()
    left_out: tuple[str, ...] = ()
