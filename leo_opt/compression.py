"""`compress`: the plan that orders the rewrites, and its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.arguments import not_negative, read_instance, read_number, read_word
from leo_opt.balance import balanced
from leo_opt.bounds import Bounds, propagate
from leo_opt.carrying import carry, loosened
from leo_opt.deviation import add_up, reading_deviation, rounding_deviation
from leo_opt.domain import Domain
from leo_opt.errors import InvalidInputError
from leo_opt.frameworks import NetworkLike, model_like
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Network
from leo_opt.rectify import rectified
from leo_opt.rewrites import (
    NEAR,
    OBJECTIVES,
    Draft,
    Step,
    count_parameters,
    delete_dead,
    delete_inactive,
    fold_constants,
    fold_layer,
    fold_outputs,
    make_plain,
    make_sequential,
    merge_dependent,
    merge_duplicates,
    merge_opposites,
    part_opposites,
    pass_slopes,
    passing_units,
    read_outputs,
    reduce_rank,
    spend,
)
from leo_opt.rewrites import keep_outputs as restrict
from leo_opt.stability import Stability
from leo_opt.summarised import Reported

_READ_TOLERANCE = not_negative(read_number)

Rewrite = Callable[[Draft, int], Draft]


FORWARD: tuple[Rewrite, ...] = (delete_inactive, fold_constants)
"""Deletions that can make units of later layers constant: the first layer goes first."""
BACKWARD: tuple[Rewrite, ...] = (delete_dead, merge_duplicates, merge_opposites)
"""Deletions that can leave units of earlier layers unread: the last layer goes first."""


@dataclass(frozen=True, eq=False)
class Compression(Reported):
    """A smaller network with the same outputs on a box, and how it came about.

    Parameters
    ----------
    original
        The network that was given; `rectified`, where it has clips and the result is to be
        sequential.
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
        rounded before, when that network was read from a file, is `max_deviation_read`; with
        what is rounded behind, when the result is stored, it is `max_deviation_written`.
    stability
        The verdicts that it rests on.
    bounds
        Of the rewritten network: intervals that follow from those of the stability and from how far
        units have moved; `proved_for` that network unless phases rest on a solver.
    source
        The model of another kind that was given in the place of a network.
    """

    original: Network
    network: Network
    domain: Domain
    steps: tuple[Step, ...]
    kept: tuple[tuple[int, ...], ...]
    max_deviation: FloatArray
    stability: Stability
    bounds: Bounds
    source: NetworkLike | None = None

    @lazy
    def model(self) -> Any:
        """The rewritten network as a model of the kind that was given, in that model's dtype.

        A PyTorch module comes back as a Sequential of Linear layers and activations, whatever it
        was made of, on the same device and in the same mode; an estimator or pipeline of
        scikit-learn as a copy with fewer hidden units; the path of an ONNX file as an
        `onnx.ModelProto`; a network, or the path of another file, as `network`.

        Raises
        ------
        UnsupportedOperatorError
            If no model of that kind can hold the result; `network` does.
        """
        return self.network if self.source is None else model_like(self.source, self.stored())

    @lazy
    def as_read(self) -> Network:
        """`stored` in the element type of the file that was read; in double precision where numbers
        are too large for that."""
        try:
            return self.stored()
        except InvalidInputError:
            return self.stored("float64")

    def stored(self, dtype: str | None = None) -> Network:
        """The rewritten network with numbers of an element type, by default that of the file it
        came from, rounded so that outputs move little on the domain (`leo_opt.balance`).

        Raises
        ------
        InvalidInputError
            If a number is too large for it, or there is no such type.
        """
        return balanced(self.network, propagate(self.network, self.domain), dtype)

    @lazy
    def max_deviation_read(self) -> FloatArray:
        """Proved bound, per output, on the difference on the domain of the network that was given
        from the file that it was read from, with the file's own numbers and operators."""
        given = self.stability.own_bounds(self.original, certified_only=True)
        return reading_deviation(self.original, given)[list(self.kept[-1])]

    @lazy
    def max_deviation_written(self) -> FloatArray:
        """Proved bound, per output, on the difference on the domain of the file that was read from
        a file in its element type, in real arithmetic: reading, rewriting, and rounding
        (`as_read`). Formats that keep double precision, `.npz` and `.nnet`, are nearer."""
        return self.deviation_of(self.as_read)

    def deviation_of(self, stored: Network) -> FloatArray:
        """`max_deviation_written` for the rewritten network with other numbers."""
        bounds = propagate(self.network, self.domain)
        rounding = rounding_deviation(self.network, stored, bounds)
        return add_up(self.max_deviation_read, self.max_deviation, rounding)

    def carry(self, stored: Network | None = None) -> Stability:
        """Verdicts on the rewritten network that follow from those on the original, for `classify`
        to go on from.

        Parameters
        ----------
        stored
            The rewritten network with other numbers, as its file has them: intervals are wider by
            what that moves. By default as it is.

        Raises
        ------
        InvalidInputError
            If that differs in more than its numbers, or a solver's verdict turns out wrong.
        """
        if stored is None or stored == self.network:
            return carry(self.stability, self.network, self.bounds)
        return carry(self.stability, stored, loosened(self.network, self.bounds, stored))

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

    @property
    def spent(self) -> dict[str, float]:
        """What all inexact steps of a kind may have moved the output that they move most, by name
        of the kind; empty where no tolerance was used."""
        kinds = {step.rewrite for step in self.steps} & set(NEAR)
        return {
            kind: float(np.max(sum(k.deviation for k in self.steps if k.rewrite == kind)))
            for kind in sorted(kinds)
        }


def compress(
    network: Network,
    stability: Stability,
    *,
    certified_only: bool = False,
    sequential: bool = False,
    keep_outputs: Sequence[int] | None = None,
    minimize: str = "units",
    tolerance: float = 0.0,
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
    keep_outputs
        Numbers of the outputs that the result has, in its order; by default all.
    minimize
        "units", of which a layer is folded only where that saves parameters, too; "parameters";
        "multiply-adds"; or "nonzeros", weights and biases that are not 0.
    tolerance
        In units of the outputs. Above 0 the result is no longer lossless: after the exact rewrites
        others are made (`leo_opt.rewrites.near`) as long as no output is proved to be farther
        than this from the network given, all steps together.

    Raises
    ------
    InvalidInputError
        If the outputs or the objective are none.
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
    # A network in which all units are rectifiers starts from one without clips; leaky units become
    # rectifiers at the end.
    kinds = [kind for layer in network.layers for kind, _ in layer.activations()]
    simple = all(kind.homogeneous and kind.passes_positive for kind in kinds)
    network = rectified(network) if sequential and not simple else network
    goal, room = read_options(network, keep_outputs, minimize, tolerance)
    draft = Draft.begin(network, stability, certified_only)
    if keep_outputs is not None:
        draft = restrict(draft, keep_outputs)
    draft = rewrite(draft, goal)
    if room > 0.0:
        draft = spend(draft, room, lambda begun: rewrite(begun, goal))
    if sequential:
        plain = make_plain(draft)
        draft = make_sequential(draft if plain.steps == draft.steps else rewrite(plain, goal))
    return _result(draft, network, stability, certified_only)


def read_options(
    network: Network, keep_outputs: Sequence[int] | None, minimize: str, tolerance: float
) -> tuple[str, float]:
    """Objective and tolerance, once all that `compress` is asked for is known to make sense.

    Raises
    ------
    InvalidInputError
        If something does not.
    """
    if keep_outputs is not None:
        read_outputs(network, keep_outputs)
    return read_word(minimize, "minimize", OBJECTIVES), _READ_TOLERANCE(tolerance, "tolerance")


def rewrite(draft: Draft, minimize: str = "units") -> Draft:
    """All rewrites, until none finds anything."""
    while True:
        done = len(draft.steps)
        draft = reduce_layers(undo_levels(draft, minimize), minimize)
        if len(draft.steps) == done:
            return draft


def compress_as_published(network: Network, stability: Stability) -> Compression:
    """The rewrites of LEO's Algorithm 1 and no others, to compare with.

    Stably inactive and constant units are deleted, dependent stably active ones merged, and layers
    that are stably active throughout folded, until nothing changes any more.

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020.
    """
    draft = Draft.begin(network, stability)
    while True:
        done = len(draft.steps)
        for rewrite in (delete_inactive, fold_constants, merge_dependent, fold_layer):
            for index in range(draft.last - 1, -1, -1):
                if index < draft.last:
                    draft = _accept(draft, rewrite(draft, index))
        if len(draft.steps) == done:
            return _result(draft, network, stability)


def undo_levels(draft: Draft, minimize: str) -> Draft:
    """Delete units and fold layers, and bound the network again as long as that folds one."""
    while True:
        deep, draft = draft.last, fold_levels(delete_units(draft), minimize)
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


def fold_levels(draft: Draft, minimize: str) -> Draft:
    """Fold hidden layers that need not be reduced first, the last layer first.

    Units that pass their input on are reduced first in a layer of nothing else, which leaves fewer
    parameters than folding where the next layer is wide.
    """
    for index in range(draft.last - 1, -1, -1):
        if not (draft.network.layers[index].has_phases and passing_units(draft, index).all()):
            draft = _accept(draft, _folded(draft, draft, index, minimize))
    return draft


def reduce_layers(draft: Draft, minimize: str) -> Draft:
    """Reduce the stably active units of each hidden layer, the last layer first."""
    for layer in range(draft.last - 1, -1, -1):
        draft = _accept(draft, reduce_layer(draft, layer, minimize))
    return draft


def reduce_layer(draft: Draft, index: int, minimize: str) -> Draft:
    """The best of what merging, rank reduction and folding make of one hidden layer.

    Merging makes no new rows, and so wins where it leaves as little as rank reduction. Pairs of
    opposite units are parted, and leaky units that are never positive made linear, where the
    linear units that this makes cost less than they save.
    """
    parted, passing = part_opposites(draft, index), pass_slopes(draft, index)
    starts = [draft, *(other for other in (parted, passing) if other is not draft)]
    candidates = [reduce(s, index) for s in starts for reduce in (merge_dependent, reduce_rank)]
    cost = OBJECTIVES[minimize]
    best = min((draft, *candidates), key=lambda candidate: cost(candidate.network))
    return _folded(passing, best, index, minimize)


def _folded(draft: Draft, best: Draft, index: int, minimize: str) -> Draft:
    """A layer folded into the next, where that costs no more than the best that is known.

    Fewest units are wanted without more parameters: a bottleneck is no layer to fold.
    """
    folded = fold_layer(draft, index)
    cost = count_parameters if minimize == "units" else OBJECTIVES[minimize]
    good = folded is not draft and cost(folded.network) <= cost(best.network)
    return folded if good else best


def _accept(before: Draft, after: Draft) -> Draft:
    """A rewrite, unless numbers so large occur that nothing finite is proved of it."""
    return after if np.isfinite(after.deviation).all() else before


def _result(
    draft: Draft, original: Network, stability: Stability, certified_only: bool = False
) -> Compression:
    """What the user gets of a finished draft."""
    certified = certified_only or stability.premise.certified
    return Compression(
        original=original,
        network=draft.network,
        domain=draft.domain,
        steps=draft.steps,
        kept=draft.kept(len(original.layers)),
        max_deviation=draft.deviation,
        stability=stability,
        bounds=draft.bounds(draft.network.content_hash if certified else ""),
    )
