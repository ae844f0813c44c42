"""`compress`: the plan that orders the rewrites, and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from leo_opt.arguments import read_instance
from leo_opt.domain import Domain
from leo_opt.network import FloatArray, Network
from leo_opt.rectify import rectified
from leo_opt.rewrites import (
    Draft,
    Step,
    delete_dead,
    delete_inactive,
    fold_constants,
    fold_layer,
    fold_outputs,
    make_sequential,
    merge_dependent,
    merge_duplicates,
    merge_opposites,
    part_opposites,
    pass_slopes,
    passing_units,
    reduce_rank,
)
from leo_opt.stability import Stability
from leo_opt.summarised import Summarised

Rewrite = Callable[[Draft, int], Draft]


def fold_level(draft: Draft, index: int) -> Draft:
    """Fold a hidden layer that need not be reduced first, where that takes no more parameters.

    Units that pass their input on are reduced first in a layer of nothing else, which leaves fewer
    parameters than folding where the next layer is wide.
    """
    current = draft.network.layers[index]
    if current.has_phases and passing_units(draft, index).all():
        return draft
    folded = fold_layer(draft, index)
    return folded if folded.network.parameters <= draft.network.parameters else draft


FORWARD: tuple[Rewrite, ...] = (delete_inactive, fold_constants)
"""Deletions that can make units of later layers constant: the first layer goes first."""
BACKWARD: tuple[Rewrite, ...] = (
    delete_dead,
    merge_duplicates,
    merge_opposites,
    fold_level,
)
"""Deletions that can leave units of earlier layers unread: the last layer goes first."""


@dataclass(frozen=True, eq=False)
class Compression(Summarised):
    """A smaller network with the same outputs on a box, and how it came about.

    Parameters
    ----------
    original
        The network that was given; `rectified`, where the result is to be sequential.
    network
        The rewritten network.
    domain
        The box on which it equals the original.
    steps
        What was done, in order.
    kept
        For each layer of the original network the indices of the units that are left, in the
        order of the rewritten network, -1 for new ones; empty for layers that are gone.
    max_deviation : (output_size,) array
        Proved bound, per output, on the difference anywhere on the domain from the network that
        was given, in real arithmetic. Exactly 0 where no number had to be rounded. What was
        rounded before, when that network was read from a file, is `reading_deviation`; what is
        rounded behind, when the result is stored, `rounding_deviation` (`leo_opt.deviation`).
    """

    original: Network
    network: Network
    domain: Domain
    steps: tuple[Step, ...]
    kept: tuple[tuple[int, ...], ...]
    max_deviation: FloatArray

    @property
    def original_hash(self) -> str:
        """`Network.content_hash` of the original."""
        return self.original.content_hash

    def __repr__(self) -> str:
        before, after = self.original, self.network
        return (
            f"Compression({before.kinds.total()} -> {after.kinds.total()} hidden units, "
            f"{before.parameters} -> {after.parameters} parameters, outputs within "
            f"{np.max(self.max_deviation, initial=0.0):.2g} on {self.domain!r})"
        )

    @property
    def exact(self) -> bool:
        """Whether the networks are equal on the domain in real arithmetic, without any rounding."""
        return not self.max_deviation.any()


def compress(
    network: Network,
    stability: Stability,
    *,
    certified_only: bool = False,
    sequential: bool = False,
) -> Compression:
    """Rewrite a network into a smaller one with the same outputs on the domain of its stability.

    Units that are inactive, constant, dead or multiples of others are deleted; the stably active
    units of a layer are merged or replaced by as few as the next layer needs, the last hidden
    layer first, since a layer needs the fewer units the fewer the next one has; a layer that is
    stably active throughout is folded where that saves parameters; all this until nothing
    changes any more. Undecided units are kept.

    Parameters
    ----------
    stability
        Of this network; the result equals the network on `stability.domain` and nowhere else.
    certified_only
        Believe only phases that arithmetic alone proves, not those that rest on a solver.
    sequential
        In the end make hidden layers of rectifiers alone: linear units are carried by rectifiers
        that are never negative (`leo_opt.rewrites.make_sequential`).

    Raises
    ------
    MismatchError
        If the stability is of another network.

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020.

    Examples
    --------
    >>> from leo_opt import Box, Network, classify, compress
    >>> net = Network.from_arrays([[[1.0], [-1.0]], [[2.0, 3.0]]], [[1.0, -1.0], [0.0]])
    >>> compress(net, classify(net, Box(0, 1))).network
    Network(1 -> 1 linear; 2 parameters)
    """
    read_instance(stability, "stability", Stability, "classify(network, box) makes one")
    stability.check(network)
    # A network in which all units are rectifiers starts from one with no other activations.
    network = rectified(network) if sequential else network
    draft = rewrite(Draft.begin(network, stability, certified_only))
    return _result(make_sequential(draft) if sequential else draft, network)


def rewrite(draft: Draft) -> Draft:
    """All rewrites, until none finds anything."""
    while True:
        done = len(draft.steps)
        draft = reduce_layers(undo_levels(draft))
        if len(draft.steps) == done:
            return draft


def undo_levels(draft: Draft) -> Draft:
    """Delete units, and bound the network again as long as that folds a layer."""
    while True:
        deep, draft = draft.last, delete_units(draft)
        if not 0 < draft.last < deep:
            return draft
        draft = draft.bound_again()


def delete_units(draft: Draft) -> Draft:
    """Apply the deletions to all hidden layers until none finds anything."""
    while True:
        done = len(draft.steps)
        draft = _accept(draft, fold_outputs(draft))
        for rewrites, direction in ((FORWARD, 1), (BACKWARD, -1)):
            for layer in range(draft.last)[::direction]:
                for rewrite in rewrites:
                    # A deletion can make the network constant, which leaves no hidden layer.
                    if layer < draft.last:
                        draft = _accept(draft, rewrite(draft, layer))
        if len(draft.steps) == done:
            return draft


def reduce_layers(draft: Draft) -> Draft:
    """Reduce the stably active units of each hidden layer, the last layer first."""
    for layer in range(draft.last - 1, -1, -1):
        draft = _accept(draft, reduce_layer(draft, layer))
    return draft


def reduce_layer(draft: Draft, index: int) -> Draft:
    """The smallest of what merging, rank reduction and folding make of one hidden layer.

    Merging makes no new rows, and so wins where it leaves as few units as rank reduction. Pairs of
    opposite units are parted, and leaky units that are never positive made linear, where the
    linear units that this makes cost less than they save.
    Folding wins where it needs no more parameters than the others.
    """
    parted, passing = part_opposites(draft, index), pass_slopes(draft, index)
    starts = [draft, *(other for other in (parted, passing) if other is not draft)]
    candidates = [reduce(s, index) for s in starts for reduce in (merge_dependent, reduce_rank)]
    best = min([draft, *candidates], key=lambda candidate: candidate.network.layers[index].n_out)
    folded = fold_layer(passing, index)
    if folded is not passing and folded.network.parameters <= best.network.parameters:
        return folded
    return best


def _accept(before: Draft, after: Draft) -> Draft:
    """A rewrite, unless numbers so large occur that nothing finite is proved of it."""
    return after if np.isfinite(after.deviation).all() else before


def _result(draft: Draft, original: Network) -> Compression:
    """What the user gets of a finished draft."""
    places = {origin: layer for layer, origin in enumerate(draft.origin)}
    kept = tuple(
        tuple(draft.units[places[layer]].index.tolist()) if layer in places else ()
        for layer in range(len(original.layers))
    )
    return Compression(
        original=original,
        network=draft.network,
        domain=draft.domain,
        steps=draft.steps,
        kept=kept,
        max_deviation=draft.deviation,
    )
