"""Deletion of stably inactive units."""

from __future__ import annotations

from leo_opt.rewrites.constant import absorb
from leo_opt.rewrites.draft import Draft


def delete_inactive(draft: Draft, index: int) -> Draft:
    """Delete the stably inactive units of a hidden layer.

    The law: a unit whose pre-activation is never positive adds nothing to the next layer. No
    number changes, so that the deviation is 0 unless earlier steps had moved the unit.

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020,
    Algorithm 1.
    """
    mask = draft.units[index].zero(draft.network.layers[index])
    return absorb(draft, index, mask, "inactive", values={}, drifts=mask)
