"""The judge of every import: does a network compute what its source computes by itself?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError, LeoOptError
from leo_opt.network import FloatArray, Network

SAMPLES = 12
SLACK = 1e-10
"""Relative difference granted to two float64 evaluations; a misread weight is far above."""


def check_agreement(
    network: Network,
    forward: Callable[[FloatArray], Any],
    source: str,
    largest: float = 0.0,
    batch: int = SAMPLES,
    slack: float = SLACK,
) -> None:
    """Compare a network with its source's own forward pass at random inputs, all in float64.

    Parameters
    ----------
    forward
        From inputs (batch, n_in), which it may overwrite, to the outputs of the source, in any
        shape. It must share no code with what read the network.
    source
        Who computes it, as the message says it.
    largest
        The largest constant of the source: such constants may cancel each other.
    batch
        How many inputs the source takes at once.
    slack
        Relative difference granted to each sum; more than the default where the source computes
        in float32.

    Raises
    ------
    InvalidInputError
        If some output differs by more than rounding explains, or the source fails.
    """
    inputs = random_inputs(max(batch, SAMPLES), network.input_size)
    for start in range(0, len(inputs) - batch + 1, batch):
        block = inputs[start : start + batch]
        try:
            expected = np.asarray(forward(block.copy()), dtype=np.float64).reshape(-1)
        except LeoOptError:
            raise
        # Whatever the source throws says that it does not compute what was read.
        except Exception as error:
            raise InvalidInputError(
                f"{source} fails: {type(error).__name__}: {error}; correct the model"
            ) from error
        with np.errstate(over="ignore", invalid="ignore"):
            actual, room = (part.reshape(-1) for part in with_room(network, block, largest, slack))
        if not np.isfinite(room).all():
            raise InvalidInputError(
                "the network overflows at inputs of size 1; nothing about it could be proved"
            )
        if expected.shape != actual.shape:
            raise InvalidInputError(
                f"what was read has {actual.size} outputs where {source} gives {expected.size}; "
                "please report this with the model"
            )
        if not (np.abs(expected - actual) <= room).all():
            where = int(np.argmax(np.abs(expected - actual) - room))
            raise InvalidInputError(
                f"what was read disagrees with {source} by {abs(expected - actual)[where]:.3g}: it "
                f"gives {expected[where]} where the network gives {actual[where]}; please report "
                "this with the model"
            )


def random_inputs(count: int, size: int) -> FloatArray:
    """Inputs (count, size) of the ranges that networks are trained on: about 0, and [0, 1]."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((count, size))
    inputs[::3] = generator.random(inputs[::3].shape)
    inputs[1::3] *= 10.0
    return inputs


def with_room(
    network: Network, inputs: FloatArray, largest: float, slack: float
) -> tuple[FloatArray, FloatArray]:
    """Outputs (N, m) of a network and how far another evaluation may be from them."""
    post, room = inputs, np.zeros_like(inputs)
    for layer in network.layers:
        magnitude = abs(layer.weight)
        room = room @ magnitude.T + slack * (np.abs(post) @ magnitude.T + np.abs(layer.bias))
        # Constants that cancel each other are not seen in the layer that they amount to.
        room = room + 1e-4 * slack * largest
        post = layer.activate(layer.affine(post))
    return post, room
