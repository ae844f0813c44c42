"""Some of a network's outputs left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from leo_opt.arguments import read_tuple, read_whole
from leo_opt.errors import InvalidInputError
from leo_opt.network import Network
from leo_opt.rewrites.draft import Draft


def keep_outputs(draft: Draft, outputs: Sequence[int]) -> Draft:
    """The draft of a network with some of its outputs, in the order given.

    The law: outputs do not read each other, so that what is kept does not change. Units that only
    the others read are dead.

    Raises
    ------
    InvalidInputError
        As of `read_outputs`.
    """
    network, signature = draft.network, draft.network.signature
    chosen = read_outputs(network, outputs)
    shape = signature.output_shape
    fits = shape is not None and shape[-1:] == (network.output_size,)
    told = replace(
        signature, output_shape=(*shape[:-1], len(chosen)) if fits and shape else None, outputs=()
    )
    units = np.array(chosen)
    layers = (*network.layers[:-1], network.layers[-1].take(units))
    rest = (*draft.units[:-1], draft.units[-1].take(units))
    return replace(draft, network=Network(layers, told), units=rest)


def read_outputs(network: Network, outputs: Sequence[int]) -> tuple[int, ...]:
    """Numbers of outputs of a network that can be kept alone.

    Raises
    ------
    InvalidInputError
        If there is none, one is given twice or out of range, or the file makes something of all.
    """
    chosen = read_tuple(outputs, "keep_outputs", "a list of numbers", "give some, such as (0, 3)")
    chosen = tuple(read_whole(output, "keep_outputs") for output in chosen)
    if (
        not chosen
        or len(set(chosen)) < len(chosen)
        or not set(chosen) <= set(range(network.output_size))
    ):
        raise InvalidInputError(
            f"keep_outputs is {chosen}; give one or more different numbers from 0 to "
            f"{network.output_size - 1}"
        )
    if network.signature.tails:
        raise InvalidInputError(
            f"behind the outputs follows a {network.signature.tails[0]}, which reads all of them; "
            "leave it off with --drop-tail to keep some"
        )
    return chosen
