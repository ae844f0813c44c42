"""The stably active units of a layer replaced by as few as the next layer needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt import weights
from leo_opt.arrays import IntArray
from leo_opt.deviation import add_up
from leo_opt.enclosure import affine_image
from leo_opt.network import LINEAR, FloatArray, Layer
from leo_opt.rewrites.block import Block, Replacement, block_loss, passing_units
from leo_opt.rewrites.draft import Draft
from leo_opt.rewrites.private_columns import rows_with_private_columns


def reduce_rank(draft: Draft, index: int, allowance: FloatArray | None = None) -> Draft:
    """Replace the stably active units of a hidden layer by as few as the next layer needs.

    The law: the next layer sees the stably active units only through the product
    M = outgoing @ weight and a constant. With M = A B, units B h + beta, shifted so that they are
    never negative on the domain, do the same work, and there need be no more of them than the
    rank of M: at most as many as the next layer has units, or this layer has inputs. A rank
    counts as reached where the proved error stays at the level of rounding (`Block.level`). The
    new units are stably active by construction.

    Parameters
    ----------
    allowance : (n_out of the next layer,) array or None
        How far its pre-activations may move besides, in a step of another name.
    """
    if not draft.network.layers[index].has_phases:
        return draft
    mask = passing_units(draft, index)
    layer, following = draft.network.layers[index : index + 2]
    sides = layer.weight[mask], following.weight[:, mask].T
    if all(rows_with_private_columns(weights.canonical(side)).all() for side in sides):
        # The product has as many independent rows as there are units, of which there may be none.
        return draft
    block = Block.of(draft, index)
    if allowance is not None:
        block = replace(block, allowance=allowance)
    if not block.bounded:
        return draft
    # A layer keeps at least one unit.
    found = smallest_factors(block, least=int(mask.all()))
    if found is None:
        return draft
    tag = layer.tags[0] if block.rectified else LINEAR
    rest = [other for other, gone in zip(layer.tags, mask, strict=True) if not gone]
    pair = (
        Layer(
            weights.stack_rows(layer.weight[~mask], found.weight),
            np.append(layer.bias[~mask], found.bias),
            [*rest, *[tag] * found.bias.size],
        ),
        Layer(
            weights.stack_columns(following.weight[:, ~mask], found.outgoing),
            found.next_bias,
            following.activation,
        ),
    )
    units = draft.units[index]
    image = affine_image(found.weight, found.bias, block.lower, block.upper)
    nothing = np.empty(0, dtype=np.int64)
    loss = block_loss(draft, index, nothing, following.weight[:, nothing])
    name = "product-rank" if allowance is None else "near-dependent"
    record = (name, units.index[mask], found.bias.size)
    known = units.take(~mask).append_passing(*image, phased=block.rectified)
    return draft.replace_pair(index, pair, known, add_up(found.error, loss), record)


def smallest_factors(block: Block, least: int = 0) -> Replacement | None:
    """The replacement of a block by the fewest units that stays at the level of rounding.

    Parameters
    ----------
    least
        Number of units that must remain.

    Returns
    -------
    Replacement or None
        None where no smaller block stays at that level.
    """
    present = block.level > 0.0
    # Scaled so that an entry of 1 is as large as the error that is accepted in its row.
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.where(present, 1.0 / np.where(present, block.level, 1.0), 0.0)
        scaled = scale[:, None] * block.product * block.radius
    if not (np.isfinite(scaled).all() and np.isfinite(block.level).all()):
        return None
    order, triangle = _pivoted(scaled)
    low = max(_least_rank(triangle), least)
    high = min(len(block.bias) - 1, *block.product.shape)
    # Errors fall with the rank but for rounding, so that the first good rank can be bisected.
    best, rank = None, high
    while low <= high:
        found = factorise(block, order, triangle, rank)
        if (found.error <= block.level).all() and found.bias.size >= least:
            best, high = found, found.bias.size - 1
        elif best is None:
            return None
        else:
            low = rank + 1
        rank = (low + high) // 2
    return best


def factorise(block: Block, order: IntArray, triangle: FloatArray, rank: int) -> Replacement:
    """A replacement of a block by `rank` units, or by fewer where fewer do as well; good or bad.

    Parameters
    ----------
    order, triangle
        Pivoted QR of the rows of the product, each divided by its level.
    """
    p, m = block.product.shape
    if rank == p:
        return block.replace(np.eye(p), block.product)
    if rank == m:
        return block.replace(block.product, np.eye(m))
    rank = min(rank, int((np.diag(triangle) != 0.0).sum()))
    outgoing = _interpolation(triangle, order, rank, block.level)
    return block.replace(outgoing, block.product[order[:rank]])


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
