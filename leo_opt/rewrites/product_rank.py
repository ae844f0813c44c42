"""The stably active units of a layer replaced by as few as the next layer needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from leo_opt.deviation import add_up
from leo_opt.enclosure import affine_image
from leo_opt.network import FloatArray, Layer
from leo_opt.rewrites.block import SLACK, Block, Replacement, block_loss, passing_units
from leo_opt.rewrites.draft import Draft, IntArray


def reduce_rank(draft: Draft, layer: int) -> Draft:
    """Replace the stably active units of a hidden layer by as few as the next layer needs.

    The law: the next layer sees the stably active units only through the product
    M = outgoing @ weight and a constant. With M = A B, units B h + beta, shifted so that they are
    never negative on the domain, do the same work, and there need be no more of them than the
    rank of M: at most as many as the next layer has units, or this layer has inputs. A rank
    counts as reached where the proved error stays within a small factor of the rounding that
    storing M itself causes. The new units are stably active by construction.
    """
    if not draft.network.layers[layer].has_phases:
        return draft
    mask = passing_units(draft, layer)
    if not mask.any():
        return draft
    block = Block.of(draft, layer)
    if not block.bounded:
        return draft
    # A layer keeps at least one unit.
    found = next(smallest_factors(block, least=int(mask.all())), None)
    if found is None:
        return draft
    current, following = draft.network.layers[layer : layer + 2]
    pair = (
        Layer(
            np.vstack([current.weight[~mask], found.weight]),
            np.append(current.bias[~mask], found.bias),
            current.activation,
        ),
        Layer(
            np.hstack([following.weight[:, ~mask], found.outgoing]),
            found.next_bias,
            following.activation,
        ),
    )
    units = draft.units[layer]
    image = affine_image(found.weight, found.bias, block.lower, block.upper)
    nothing = np.empty(0, dtype=np.int64)
    loss = block_loss(draft, layer, nothing, following.weight[:, nothing])
    record = ("product-rank", units.index[mask], found.bias.size)
    known = units.take(~mask).append_active(*image)
    return draft.replace_pair(layer, pair, known, add_up(found.error, loss), record)


def smallest_factors(block: Block, least: int = 0) -> Iterator[Replacement]:
    """Replacements of a block by fewer units, at rounding level, the smallest first.

    Parameters
    ----------
    least
        Number of units that must remain.
    """
    p, m = block.product.shape
    accepted = SLACK * block.level
    # Scaled so that an entry of 1 is as large as the error that is accepted in its row.
    present = accepted > 0.0
    scale = np.where(present, 1.0 / np.where(present, accepted, 1.0), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = scale[:, None] * block.product * block.radius
    if not (np.isfinite(scaled).all() and np.isfinite(accepted).all()):
        return
    order, triangle = _pivoted(scaled)
    for rank in range(max(_least_rank(triangle), least), min(len(block.bias) - 1, p, m) + 1):
        if rank == p:
            candidate = block.replace(np.eye(p), block.product)
        elif rank == m:
            candidate = block.replace(block.product, np.eye(m))
        elif rank and triangle[rank - 1, rank - 1] == 0.0:
            continue
        else:
            outgoing = _interpolation(triangle, order, rank, np.where(present, accepted, 0.0))
            candidate = block.replace(outgoing, block.product[order[:rank]])
        if (candidate.error <= accepted).all():
            yield candidate


def _pivoted(rows: FloatArray) -> tuple[IntArray, FloatArray]:
    """Order of the rows of a matrix by pivoted QR, and the triangle that goes with it."""
    from scipy.linalg import qr

    triangle, order = qr(rows.T, mode="r", pivoting=True)
    return order.astype(np.int64), np.asarray(triangle[: min(rows.shape)], dtype=np.float64)


def _least_rank(triangle: FloatArray) -> int:
    """The first rank at which no row is farther than 1 from the span of the rows before it."""
    tails = np.cumsum((triangle**2)[::-1], axis=0)[::-1].max(axis=1, initial=0.0)
    return int((tails > 1.0).sum())


def _interpolation(
    triangle: FloatArray, order: IntArray, rank: int, unit: FloatArray
) -> FloatArray:
    """All rows of the product as combinations of the first `rank` pivots, (p, rank).

    Parameters
    ----------
    unit : (p,) array
        What a row of the triangle counts in; 0 for rows that are 0.
    """
    from scipy.linalg import solve_triangular

    outgoing = np.zeros((order.size, rank))
    chosen, rest = order[:rank], order[rank:]
    outgoing[chosen, np.arange(rank)] = 1.0
    if rank:
        inner = solve_triangular(triangle[:rank, :rank], triangle[:rank, rank:]).T
        outgoing[rest] = unit[rest, None] * inner / unit[chosen]
    return outgoing
