"""The cascade: cheap proofs first, layer by layer, and a MILP only for what is left open.

References
----------
Each stage has its own: `leo_opt.bounds.interval`, `leo_opt.bounds.crown`, `leo_opt.witnesses`,
`splitting`, `branching` and `leo_opt.formulations`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from leo_opt import weights
from leo_opt.arguments import Options, option, positive, read_whole, words_of
from leo_opt.decisions.branching import RELAXATION, Effort
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.jobs import MilpJob, Searches, SplitJob, search_jobs
from leo_opt.decisions.layer_model import LayerModel, build_layer_model, obstacle
from leo_opt.decisions.run import Classification
from leo_opt.decisions.scope import Scope, find_scopes
from leo_opt.decisions.splitting import MOST_INPUTS, split_inputs
from leo_opt.decisions.splitting_state import Record
from leo_opt.decisions.strategies import Strategy
from leo_opt.decisions.tightening import RELAXATION_BATCH, ends_that_matter, tightening
from leo_opt.decisions.witness_search import (
    LIKELY_STARTS,
    RANDOM_POINTS,
    RANDOM_STARTS,
    ascend_open,
    best_known,
    read_points,
    scatter,
    sweep,
)
from leo_opt.stability import ARITHMETIC

SPLIT_SHARE = 0.25
"""Of the pieces for all directions at once: those for one alone, in the first pass."""
EFFORTS = (1, 4, 16)
"""Times the first effort that each pass over the layers spends on a search: intervals of early
layers that took more time to tighten settle more later than the search that they spare."""
TIGHTEN_SHARE = 0.5
"""Of the time that is left, for intervals from which others may gain."""
TIGHTENING_LPS = 1000
"""Linear programs for the intervals of a layer, in the first pass."""
MILP_ROUND = 8
"""MILPs of one round: their witnesses may settle what the next round would have asked."""


STAGES = ("splitting", "lp", "branch-and-bound", "milp")
"""Stages that can be left out, in their order."""


@dataclass(frozen=True)
class Cascade(Options, Strategy):
    """Decide every unit by intervals, CROWN, witnesses, splitting, LPs, search and MILPs.

    Parameters
    ----------
    stages
        Which of the later stages to use.
    random_points
        Number of random inputs to try as witnesses.
    splitting_budget
        Pieces of the box that input splitting may bound, in networks with few inputs.
    search_nodes
        Linear programs that branch and bound may solve for one direction at first; what is open
        in the end is searched again with four times as many, and with sixteen.
    """

    name = "cascade"
    stages: Sequence[str] = option(STAGES, words_of("stage", STAGES))
    random_points: int = option(RANDOM_POINTS, read_points)
    splitting_budget: int = option(20_000, positive(read_whole))
    search_nodes: int = option(250, positive(read_whole))

    def settle(self, run: Classification) -> None:
        """See `Strategy.settle`."""
        ledger, stages = run.ledger, self.stages
        run.bound_layers()
        find_witnesses(run, self.random_points)
        if _splits(self, run) and ledger.all_open():
            _split(self, run)
        for factor in EFFORTS if "branch-and-bound" in stages else EFFORTS[:1]:
            if ledger.all_open():
                _go_up(run, partial(_search_layer, self, factor))
        # MILPs come last: the time that one takes settles many directions of later layers.
        if "milp" in stages and ledger.all_open():
            _go_up(run, _ask_layer)


def find_witnesses(run: Classification, random_points: int) -> None:
    """Samples, vertices, random points and ascents, for all layers."""
    before = run.ledger.all_open()
    sweep(run.ledger, run.settings, run.deadline)
    _ascend(run, LIKELY_STARTS)
    # Random points show little that an ascent does not, and cost as much in small networks.
    scatter(run.ledger, random_points, run.settings.seed, run.deadline)
    _ascend(run, RANDOM_STARTS)
    run.credit("witness", before)


def _ascend(run: Classification, attempts: range) -> None:
    """Frank-Wolfe ascent for what is open, layer by layer."""
    for layer in run.network.phased_layers:
        if run.deadline.passed:
            return
        asked = len(run.ledger.open(layer))
        if asked:
            run.announce(layer, "witness", asked)
            ascend_open(run.ledger, layer, run.settings, attempts, run.deadline)


def _go_up(run: Classification, settle: Callable[[Classification, int], None]) -> None:
    """Bound each layer from what is proved below it, then settle its open directions."""
    network, ledger = run.network, run.ledger
    for layer in range(len(network.layers)):
        if run.deadline.passed:
            return
        before = ledger.all_open()
        ledger.bound_layer(layer, deadline=run.deadline)
        run.credit("bounds", before)
        # Interval arithmetic is exact in layer 0, so nothing can add to it.
        if layer and network.layers[layer].has_phases and ledger.bounds(layer + 1).finite:
            settle(run, layer)


def _splits(options: Cascade, run: Classification) -> bool:
    """Whether input splitting is worth trying."""
    return "splitting" in options.stages and run.network.input_size <= MOST_INPUTS


def _split(options: Cascade, run: Classification) -> None:
    """Settle what input splitting can, in all layers at once."""
    before, last = run.ledger.all_open(), run.network.phased_layers[-1]
    ledger, network = run.ledger, run.network
    record = Record(
        run.checkpoint.split,
        run.checkpoint.keep_split,
        lambda share, *_: run.announce(last, "splitting", before, share=share),
    )
    asked = [direction for layer in network.phased_layers for direction in ledger.open(layer)]
    known = ledger.bounds(len(network.layers), certified=True)
    budget, seed = options.splitting_budget, run.settings.seed
    limits = budget, run.deadline, record, seed
    found, ledger.witnesses = split_inputs(network, known, asked, ledger.witnesses, *limits)
    ledger.tighten_layers(found.lower, found.upper, "splitting", ARITHMETIC)
    run.credit("splitting", before)


def _search_layer(options: Cascade, factor: int, run: Classification, index: int) -> None:
    """Linear programs and branch and bound, all earlier layers having had theirs."""
    ledger = run.ledger
    rounds = (
        Searches("lp", RELAXATION_BATCH, RELAXATION),
        Searches("branch-and-bound", 1, Effort(lps=factor * options.search_nodes)),
    )
    # A search begins with the linear program.
    for asked in rounds if factor == 1 else rounds[1:]:
        directions = ledger.open(index)
        if asked.stage in options.stages and directions and not run.deadline.passed:
            before, ends_at = ledger.all_open(), run.deadline.at
            limit = run.time_for_one(len(directions))
            _search(run, directions, replace(asked, ends_at=ends_at, unit_time_limit=limit))
            run.credit(asked.stage, before)
    if _splits(options, run) and ledger.open(index) and not run.deadline.passed:
        before = ledger.all_open()
        budget = max(1, int(SPLIT_SHARE * factor * options.splitting_budget))
        _split_each(run, ledger.open(index), budget)
        run.credit("splitting", before)
    first, *others = run.network.phased_layers
    later = any(ledger.open(k) for k in others if k > index)
    # Before any rectifier all is affine, of which CROWN has the exact ends but for rounding.
    if "lp" in options.stages and later and index > first:
        _tighten(run, index, factor)


def _split_each(run: Classification, directions: list[Direction], budget: int) -> None:
    """One round of input splitting for directions of a layer, each of them by itself."""
    bounds = run.ledger.bounds(directions[0].layer + 1)

    def make_jobs(asked: list[Direction]) -> list[SplitJob]:
        limit, ends_at = run.time_for_one(len(asked)), run.deadline.at
        return [
            SplitJob((direction,), "splitting", ends_at, limit, scope, budget)
            for direction in asked
            for scope, _ in find_scopes(run.network, run.domain.box, bounds, [direction])
        ]

    run.settle("splitting", make_jobs, directions, budget)


def _ask_layer(run: Classification, index: int) -> None:
    """MILPs, all earlier layers having had theirs."""
    before = run.ledger.all_open()
    ask_milps(run, run.ledger.open(index))
    run.credit("milp", before)


def _tighten(run: Classification, index: int, factor: int) -> None:
    """Linear programs for the intervals of a layer, from which later layers start.

    They settle nothing here.
    """
    network, ledger = run.network, run.ledger
    bounds = ledger.bounds(len(network.layers))
    sums = {}
    for later in network.phased_layers:
        asked = ledger.open(later) if later > index else []
        if asked:
            rows = network.layers[later].weight[[direction.unit for direction in asked]]
            signs = np.array([float(direction.sign) for direction in asked])
            sums[later] = weights.scale_rows(rows, signs)
    ends = ends_that_matter(network, bounds, index, sums, held=True)
    if ends and not run.deadline.passed:
        deadline, lps = run.deadline.part(TIGHTEN_SHARE), factor * TIGHTENING_LPS
        _search(run, ends, tightening(len(ends), lps, deadline, run.settings.workers))


def _search(run: Classification, directions: list[Direction], asked: Searches) -> None:
    """One round of linear programs or of branch and bound."""
    bounds = run.ledger.bounds(directions[0].layer + 1)
    jobs = partial(search_jobs, run.network, bounds, asked)
    run.settle(asked.stage, jobs, directions, asked.effort.lps)


def ask_milps(run: Classification, directions: list[Direction], skip_settled: bool = True) -> None:
    """Rounds of MILPs on one model, until each direction was asked about once.

    Parameters
    ----------
    directions
        Of one layer, which is not the first of the network.
    skip_settled
        Leave out directions that an earlier round has settled.
    """
    ledger, milps = run.ledger, run.settings.milps
    if not directions or run.deadline.passed:
        return
    layer = directions[0].layer
    bounds = ledger.bounds(layer + 1)
    if not bounds.finite:
        return
    for scope, mine in find_scopes(run.network, run.domain.box, bounds, directions):
        against = obstacle(scope.network, layer, scope.bounds, milps, run.deadline)
        if against is not None:
            run.leave(mine, against)
            continue
        model = build_layer_model(
            scope.network, scope.domain, layer, scope.bounds, milps.formulation
        )

        def make_jobs(
            asked: list[Direction], scope: Scope = scope, model: LayerModel = model
        ) -> list[MilpJob]:
            limits = run.deadline.at, run.time_for_one(len(asked))
            points = best_known(ledger, asked, run.deadline)
            return [
                MilpJob((direction,), "milp", *limits, scope, model, milps, point, run.sessions)
                for direction, point in zip(asked, points, strict=True)
            ]

        for start in range(0, len(mine), MILP_ROUND):
            now = mine[start : start + MILP_ROUND]
            now = [d for d in now if not skip_settled or ledger.is_open(d)]
            if not run.deadline.passed:
                run.settle("milp", make_jobs, now)
