"""Which layers of two networks stand beside each other, and which of their units make pairs.

Networks of the same shape are paired layer by layer, and unit by unit unless their order has
changed. Of others, as a rewriting leaves them, units make a pair where their pre-activations are
nearly the same at some sampled inputs; layers are put beside each other, in order, so that there
are as many such units as possible, and a layer without a partner gets one of identity lanes.
Nothing rests on what is found here but how tight bounds are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt import weights
from leo_opt.arrays import IntArray
from leo_opt.difference.bounding import Aligned
from leo_opt.domain import Box
from leo_opt.layer import Layer
from leo_opt.network import FloatArray, Network

_SAMPLES = 64
_ALIKE = 0.5
"""Units make a pair where they differ by less than so much of what the first varies."""


# Numbers that overflow are like no others.
@np.errstate(over="ignore", invalid="ignore")
def align(
    first: Network, second: Network, domain: Box, seed: int
) -> tuple[Aligned, list[tuple[int, int]]]:
    """Networks of rectifiers side by side, with the same depth, and their pairs.

    Returns
    -------
    Aligned
        Its networks have the same functions as those given.
    places
        For each of its layers those of the networks given that stand there, -1 for identity lanes.
    """
    first, second = _with_same_end(first, second)
    points = domain.sample(_SAMPLES, np.random.default_rng(seed))
    if _shape(first) == _shape(second):
        depth = len(first.layers)
        values = [network.pre_activations(points)[:-1] for network in (first, second)]
        found = tuple(_in_order(left, right) for left, right in zip(*values, strict=True))
        pairs = (*found, _each(first.output_size))
        return Aligned(first, second, pairs), list(zip(range(depth), range(depth), strict=True))
    steps = _steps(*(network.pre_activations(points) for network in (first, second)))
    longer = [
        Network(
            tuple(
                _lanes(network.layers[place].n_in) if skipped else network.layers[place]
                for place, skipped in own
            )
        )
        for network, own in zip((first, second), zip(*steps, strict=True), strict=True)
    ]
    values = [network.pre_activations(points)[:-1] for network in longer]
    pairs = tuple(_matched(left, right) for left, right in zip(*values, strict=True))
    (one, other), ends = longer, _each(first.output_size)
    places = [(-1 if lanes else i, -1 if skipped else j) for (i, lanes), (j, skipped) in steps]
    return Aligned(one, other, (*pairs, ends)), places


def side_by_side(aligned: Aligned) -> Network:
    """One network with the outputs of both, those of the first before those of the second."""
    layers: list[Layer] = []
    for first, second in zip(aligned.first.layers, aligned.second.layers, strict=True):
        width = first.n_in + second.n_in if layers else first.n_in
        columns = np.arange(first.n_in), np.arange(width)[-second.n_in :]
        rows = [
            weights.move_columns(layer.weight, places, width)
            for layer, places in zip((first, second), columns, strict=True)
        ]
        bias = np.concatenate([first.bias, second.bias])
        layers.append(Layer(weights.stack(rows), bias, (*first.tags, *second.tags)))
    return Network(tuple(layers))


def _with_same_end(first: Network, second: Network) -> tuple[Network, Network]:
    """Both with linear outputs where their outputs have different activations."""
    if first.layers[-1].tags == second.layers[-1].tags:
        return first, second
    lanes = _lanes(first.output_size)
    return Network((*first.layers, lanes)), Network((*second.layers, lanes))


def _lanes(count: int) -> Layer:
    return Layer(np.eye(count), np.zeros(count), "linear")


def _each(count: int) -> IntArray:
    """Each unit with itself."""
    return np.stack([np.arange(count)] * 2, axis=1)


def _shape(network: Network) -> list[tuple[int, tuple[str, ...]]]:
    return [(layer.n_out, layer.tags) for layer in network.layers]


def _steps(
    mine: Sequence[FloatArray], theirs: Sequence[FloatArray]
) -> list[tuple[tuple[int, bool], tuple[int, bool]]]:
    """Layers of both that stand beside each other, and whether lanes stand before them instead.

    The last layers stand beside each other.

    Parameters
    ----------
    mine, theirs : one (N, n_out) array a layer
        Pre-activations at the same points.
    """
    depth, other = len(mine) - 1, len(theirs) - 1
    best = np.zeros((depth + 1, other + 1))
    moves = {(True, True): (1, 1), (True, False): (1, 0), (False, True): (0, 1)}
    taken: dict[tuple[int, int], tuple[bool, bool]] = {}
    for i in range(depth, -1, -1):
        for j in range(other, -1, -1):
            ways = {
                way: best[i + down, j + right]
                for way, (down, right) in moves.items()
                if i + down <= depth and j + right <= other
            }
            if (True, True) in ways:
                # A partner is better than none, if only for shorter chains.
                ways[True, True] += _alike(mine[i], theirs[j]) + 0.5
            if ways:
                taken[i, j] = max(ways, key=ways.__getitem__)
                best[i, j] = ways[taken[i, j]]
    steps, i, j = [], 0, 0
    while (i, j) in taken:
        down, right = taken[i, j]
        steps.append(((i, not down), (j, not right)))
        i, j = i + down, j + right
    return [*steps, ((depth, False), (other, False))]


def _alike(left: FloatArray, right: FloatArray) -> int:
    """How many units of one layer have one in the other that is nearly the same."""
    return int((_distances(left, right).min(axis=1) < _ALIKE).sum())


def _matched(left: FloatArray, right: FloatArray) -> IntArray:
    """Pairs of units whose values (N, m) and (N, n) are nearly the same, closest ones first."""
    from scipy.optimize import linear_sum_assignment

    apart = _distances(left, right)
    mine, theirs = linear_sum_assignment(np.minimum(apart, _ALIKE))
    close = apart[mine, theirs] < _ALIKE
    return np.stack([mine[close], theirs[close]], axis=1).astype(np.int64)


def _in_order(left: FloatArray, right: FloatArray) -> IntArray:
    """Each unit with itself, unless more of them are like others, as where their order changed."""
    apart = np.linalg.norm(left - right, axis=0)
    alike = apart < _ALIKE * np.linalg.norm(left - left.mean(axis=0), axis=0)
    if not alike.all():
        matched = _matched(left, right)
        if len(matched) > alike.sum():
            return matched
    return _each(left.shape[1])


def _distances(left: FloatArray, right: FloatArray) -> FloatArray:
    """How far units are apart in the mean, in units of how far those of the left vary, (m, n)."""
    squares = (left**2).sum(axis=0)[:, None] + (right**2).sum(axis=0) - 2.0 * left.T @ right
    size = np.linalg.norm(left - left.mean(axis=0), axis=0)[:, None]
    far = np.full(squares.shape, np.inf)
    np.divide(np.sqrt(np.maximum(squares, 0.0)), size, out=far, where=size > 0.0)
    return np.where(np.isnan(far), np.inf, far)
