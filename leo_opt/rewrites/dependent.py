"""LEO's merge of linearly dependent stably active units."""

from __future__ import annotations

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import UNIT_ROUNDOFF, middle_and_radius
from leo_opt.arrays import IntArray
from leo_opt.deviation import add_up
from leo_opt.network import FloatArray, Layer
from leo_opt.rewrites.block import Block, block_loss, passing_units
from leo_opt.rewrites.draft import Draft
from leo_opt.rewrites.private_columns import rows_with_private_columns


def merge_dependent(draft: Draft, index: int) -> Draft:
    """Merge the stably active units of a hidden layer that depend linearly on the others.

    The law: where weight[i] = sum of a_k weight[k] on the domain, unit i equals the sum of
    a_k post[k] plus a constant, as long as all of these pass their input on; unit k then carries
    a_k times the outgoing column of unit i besides its own, and the next bias the constant. Rows
    count as dependent where the proved error stays at the level of rounding (`Block.level`).

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020,
    Algorithm 1.
    """
    mask, layer = passing_units(draft, index), draft.network.layers[index]
    inputs = draft.inputs_of(index)
    if not (layer.has_phases and mask.sum() > 1 and all(np.isfinite(end).all() for end in inputs)):
        return draft
    rows = weights.scale_columns(layer.weight[mask], middle_and_radius(*inputs)[1])
    if rows_with_private_columns(rows).all():
        return draft
    block = Block.of(draft, index)
    basis, coefficients = independent_rows(weights.dense(rows))
    members = np.flatnonzero(mask)
    gone = np.delete(members, basis)
    if not (0 < gone.size < mask.size and np.isfinite(coefficients).all()):
        return draft
    dependent = np.delete(block.outgoing, basis, axis=1)
    outgoing = block.outgoing[:, basis] + dependent @ coefficients
    merged = block.replace(outgoing, block.weight[basis], block.bias[basis])
    if not (merged.error <= block.level).all():
        return draft
    following = draft.network.layers[index + 1]
    columns = weights.set_columns(following.weight, members[basis], outgoing)
    keep = ~np.isin(np.arange(mask.size), gone)
    pair = (
        layer.take(keep),
        Layer(columns[:, keep], merged.next_bias, following.activation),
    )
    error = add_up(merged.error, block_loss(draft, index, members[basis], outgoing))
    record = ("dependent", draft.units[index].index[gone], 0)
    return draft.replace_pair(index, pair, draft.units[index].take(keep), error, record)


def independent_rows(rows: FloatArray) -> tuple[IntArray, FloatArray]:
    """Rows that are numerically independent, and the others as combinations of them.

    Parameters
    ----------
    rows : (s, m) array

    Returns
    -------
    basis : (r,) array
        Ascending.
    coefficients : (s - r, r) array
        The rows left out, in ascending order, are about coefficients @ rows[basis].
    """
    private = np.flatnonzero(rows_with_private_columns(rows))
    others = np.delete(np.arange(len(rows)), private)
    chosen, shares = _pivoted_rows(rows[others]) if others.size else (others, np.empty((0, 0)))
    basis = np.sort(np.concatenate([private, others[chosen]]))
    coefficients = np.zeros((others.size - chosen.size, basis.size))
    coefficients[:, np.isin(basis, others[chosen])] = shares
    return basis, coefficients


def _pivoted_rows(rows: FloatArray) -> tuple[IntArray, FloatArray]:
    """`independent_rows` by pivoted QR."""
    from scipy.linalg import qr, solve_triangular

    size = np.abs(rows).max(axis=1, initial=0.0)
    scale = np.where(size > 0.0, size, 1.0)
    _, triangle, order = qr((rows / scale[:, None]).T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > max(rows.shape) * 2.0 * UNIT_ROUNDOFF * diagonal[0]).sum())
    basis, rest = order[:rank], order[rank:]
    coefficients = np.zeros((rest.size, rank))
    if rank:
        inner = np.asarray(solve_triangular(triangle[:rank, :rank], triangle[:rank, rank:]).T)
        # Beyond the range of float64 where some rows are almost nothing beside others.
        with np.errstate(over="ignore", invalid="ignore"):
            coefficients = scale[rest][:, None] * inner / scale[basis]
    return np.sort(basis), coefficients[np.argsort(rest)][:, np.argsort(basis)]
