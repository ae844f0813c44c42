"""Outputs of a file from those of its network: by parts, behind their tails, or one alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from leo_opt.errors import InvalidInputError, unknown_word
from leo_opt.formats.dtypes import output_parts, parts_are_batched, size_of
from leo_opt.network import FloatArray, Network
from leo_opt.signature import Signature


def slices(network: Network) -> Iterator[tuple[str, slice]]:
    """Where each part of the output stands."""
    parts = output_parts(network)
    if len(parts) == 1:
        yield parts[0][0], slice(0, network.output_size)
        return
    batched = parts_are_batched(parts, network.output_size)
    start = 0
    for name, shape in parts:
        end = start + (size_of(shape[1:] if batched else shape) or 0)
        yield name, slice(start, end)
        start = end


def file_outputs(network: Network, outputs: FloatArray) -> FloatArray:
    """What the file gives for outputs (N, n) of its network, tails included, (N, m)."""
    tails = network.signature.tails
    if not tails:
        return outputs
    parts = dict(slices(network))
    return np.hstack([tail(outputs[:, parts[tail.source]]) for tail in tails])


def file_room(network: Network, outputs: FloatArray, room: FloatArray) -> FloatArray:
    """How far outputs of the file may be off where those of the network are off by `room`, (N, m).

    Infinite where a small change makes another class win.
    """
    tails = network.signature.tails
    if not tails:
        return room
    parts = dict(slices(network))
    sides = [(outputs[:, parts[t.source]], room[:, parts[t.source]]) for t in tails]
    return np.hstack([tail.room(*both) for tail, both in zip(tails, sides, strict=True)])


def pick(network: Network, name: str | None) -> Network:
    """The network with one of its outputs alone, or with one of its file's; all without a name.

    Raises
    ------
    InvalidInputError
        If there is none of that name.
    """
    if name is None:
        return network
    signature, parts = network.signature, dict(slices(network))
    tails = tuple(tail for tail in signature.tails if tail.name == name and tail.steps)
    source = tails[0].source if tails else name
    if source not in parts:
        known = dict.fromkeys([*(tail.name for tail in signature.tails), *parts])
        raise InvalidInputError(unknown_word("output", name, known))
    shape = dict(output_parts(network))[source]
    chosen = replace(
        signature, output_name=source, output_shape=shape or None, outputs=(), tails=tails
    )
    if parts[source] == slice(0, network.output_size):
        return replace(network, signature=chosen)
    rows = np.arange(network.output_size)[parts[source]]
    return Network((*network.layers[:-1], network.layers[-1].take(rows)), chosen)


def describe_tails(signature: Signature) -> list[str]:
    """What stands behind the outputs of a network, and beside them, one line each."""
    left_out = [
        f"output {name!r} of the file is left out: it is a label, and no number"
        for name in signature.left_out
    ]
    return left_out + [
        f"output {tail.name!r} of the file is {tail} of {tail.source!r}; all figures are about "
        f"{tail.source!r}"
        for tail in signature.tails
        if tail.steps
    ]
