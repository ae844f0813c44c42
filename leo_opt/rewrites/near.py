"""Rewrites that move outputs by more than rounding, within a budget.

Each spends some of a tolerance, and is never made by an exact plan. What the outputs may move is
turned into what the pre-activations of the next layer may move by the weights behind them: a change
of one of these moves an output by at most the product of the absolute weights on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import exact_dots, middle_and_radius
from leo_opt.deviation import add_up, reach
from leo_opt.network import FloatArray, Layer, read_activation
from leo_opt.rewrites.draft import Draft
from leo_opt.rewrites.product_rank import reduce_rank

NEAR = ("near-constant", "near-dependent")
"""Names of the steps that are made within a tolerance only."""
_SHARES = (2.0**-9, 2.0**-6, 2.0**-3, 1.0)
"""Of the tolerance, what may be spent after each round: what is cheap goes first in all layers."""
_WIDENINGS = 6
"""A rank that cost much less than it might is tried again with this many times as much room."""


def spend(draft: Draft, tolerance: float, exactly: Callable[[Draft], Draft]) -> Draft:
    """A smaller draft whose outputs are at most so far from the original's.

    Parameters
    ----------
    tolerance
        What may be proved at most of the sum over all steps, exact ones as well, of the output
        that moves most.
    exactly
        All exact rewrites.
    """
    for share in _SHARES:
        for index in range(draft.last - 1, -1, -1):
            for rewrite in (drop_near_constant, reduce_near_rank):
                if index < draft.last:
                    draft = rewrite(draft, index, share * tolerance)
        fewer = exactly(draft.bound_again())
        # Where units have moved their phases cost something, too.
        draft = fewer if _largest(fewer) <= tolerance else draft
    return draft


def drop_near_constant(draft: Draft, index: int, budget: float) -> Draft:
    """Fold units of a hidden layer that hardly vary into the next bias, the cheapest first.

    The law: a unit whose value is within r of v may be taken for v; the next layer moves by r
    times its outgoing column. That v is the middle of its certified interval.

    Parameters
    ----------
    budget
        What the draft's outputs may be from the original's afterwards.
    """
    layer, following = draft.network.layers[index : index + 2]
    middle, radius = middle_and_radius(*draft.inputs_of(index + 1))
    left = budget - draft.deviation
    if not np.isfinite(radius).all() or (left <= 0.0).any():
        return draft
    costs = gains(draft, index) @ abs(following.weight) * radius
    order = np.argsort(costs.max(axis=0), kind="stable")
    total = np.cumsum(costs[:, order], axis=1)
    count = int((total <= 0.999 * left[:, None]).all(axis=0).sum())
    gone = np.zeros(layer.n_out, dtype=bool)
    # A layer keeps at least one unit.
    gone[order[: min(count, layer.n_out - 1)]] = True
    if not gone.any():
        return draft
    outgoing = weights.dense(following.weight[:, gone])
    bias, rounding = exact_dots(outgoing, middle[gone], following.bias)
    pair = (
        layer.take(~gone),
        Layer(following.weight[:, ~gone], bias, following.activation),
    )
    record = ("near-constant", draft.units[index].index[gone], 0)
    error = add_up(reach(outgoing, radius[gone]), rounding)
    return _within(
        draft,
        draft.replace_pair(index, pair, draft.units[index].take(~gone), error, record),
        budget,
    )


def reduce_near_rank(draft: Draft, index: int, budget: float) -> Draft:
    """Reduce units that pass, or nearly pass, their input on, to the rank that a budget buys.

    The law: that of `reduce_rank`, whose proved error may be larger; and a rectifier whose
    pre-activation is at least -d is off by at most d where it is taken to pass its input on.
    """
    best = draft
    for near in (draft, _pass_nearly(draft, index, budget)):
        room = 1.0
        for _ in range(_WIDENINGS):
            allowance = room * _allowance(draft, index, budget)
            found = _within(draft, reduce_rank(near, index, allowance), budget)
            if found.network.layers[index].n_out < best.network.layers[index].n_out:
                best = found
            spent = _largest(found) - _largest(draft)
            if found is draft or spent <= 0.0:
                room *= 8.0
            else:
                room *= max(2.0, 0.5 * (budget - _largest(draft)) / spent)
    return best


def _pass_nearly(draft: Draft, index: int, budget: float) -> Draft:
    """The draft in which unstable units that are hardly negative are taken for stably active.

    It is made to be reduced: what these are off is their drift, which every rewrite that takes
    them for active pays.
    """
    units, layer = draft.units[index], draft.network.layers[index]
    lower, upper = units.interval
    # A clip does not pass on what is beyond its upper end.
    passes = np.array([read_activation(tag).passes_positive for tag in layer.tags])
    near = layer.phased & passes & ~units.active & ~units.inactive & (upper > 0.0)
    off = np.where(near, -lower, np.inf)
    off = np.maximum(off, 0.0)
    following = draft.network.layers[index + 1]
    with np.errstate(invalid="ignore"):
        costs = gains(draft, index) @ abs(following.weight) * np.where(np.isfinite(off), off, 0.0)
    worst = np.where(np.isfinite(off), costs.max(axis=0, initial=0.0), np.inf)
    order = np.argsort(worst, kind="stable")
    room = 0.5 * (budget - draft.deviation)
    fits = (np.cumsum(costs[:, order], axis=1) <= room[:, None]).all(axis=0)
    chosen = np.zeros(layer.n_out, dtype=bool)
    chosen[order[fits & np.isfinite(worst[order])]] = True
    drift = np.where(chosen, add_up(units.drift, np.where(chosen, off, 0.0)), units.drift)
    known = replace(units, active=units.active | chosen, drift=drift)
    return replace(draft, units=(*draft.units[:index], known, *draft.units[index + 1 :]))


def gains(draft: Draft, index: int) -> FloatArray:
    """How much each output moves at most where a pre-activation of the next layer moves by 1.

    Returns
    -------
    (output_size, n_out of the next layer) array
    """
    later = draft.network.layers[index + 2 :]
    gain = np.eye(draft.network.output_size)
    for layer in reversed(later):
        gain = gain @ abs(layer.weight)
    return gain


def _allowance(draft: Draft, index: int, budget: float) -> FloatArray:
    """What each pre-activation of the next layer may move, if all of them move, (n_out,)."""
    gain = gains(draft, index)
    left = np.maximum(budget - draft.deviation, 0.0)
    count = gain.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(gain > 0.0, left[:, None] / (count * gain), np.inf)
    least: FloatArray = shares.min(axis=0)
    return np.where(np.isfinite(least), least, 0.0)


def _largest(draft: Draft) -> float:
    """Proved bound on how far any output is from the original's."""
    return float(np.max(draft.deviation, initial=0.0))


def _within(before: Draft, after: Draft, budget: float) -> Draft:
    """A rewrite, unless it costs more than the budget."""
    return after if _largest(after) <= budget else before
