"""`classify`, and the strategies by which it reaches a verdict on every unit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import ArrayLike

from leo_opt.arguments import read_instance
from leo_opt.blas import one_blas_thread
from leo_opt.bounds import Bounds, propagate, read_bounds
from leo_opt.deadline import Deadline
from leo_opt.decisions.cascade import STAGES, Cascade
from leo_opt.decisions.joint import Joint
from leo_opt.decisions.lifting import lift, lower_bounds
from leo_opt.decisions.per_unit import PerUnit
from leo_opt.decisions.run import Classification
from leo_opt.decisions.settings import ClassifySettings, Progress
from leo_opt.decisions.strategies import STRATEGIES, Strategy, StrategyLike, strategy_for
from leo_opt.domain import DomainLike, read_domain
from leo_opt.formulations import FormulationLike
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.parallel import Workers
from leo_opt.rectify import rectified
from leo_opt.solvers import find as find_solver
from leo_opt.stability import ARITHMETIC, Stability
from leo_opt.storage.files import AnyPath
from leo_opt.twins import merge_twins

__all__ = [
    "STAGES",
    "STRATEGIES",
    "Cascade",
    "ClassifySettings",
    "Joint",
    "PerUnit",
    "Progress",
    "Strategy",
    "StrategyLike",
    "classify",
]


def classify(
    network: NetworkLike,
    domain: DomainLike,
    *,
    strategy: StrategyLike = "cascade",
    solver: str = ClassifySettings.solver,
    formulation: FormulationLike = ClassifySettings.formulation,
    bounds: Bounds | None = None,
    stability: Stability | None = None,
    samples: ArrayLike | None = ClassifySettings.samples,
    time_limit: float | Deadline | None = ClassifySettings.time_limit,
    unit_time_limit: float | None = ClassifySettings.unit_time_limit,
    node_limit: int | None = ClassifySettings.node_limit,
    margin: float = ClassifySettings.margin,
    workers: int = ClassifySettings.workers,
    executor: Executor | None = ClassifySettings.executor,
    checkpoint: AnyPath | None = ClassifySettings.checkpoint,
    seed: int = ClassifySettings.seed,
    memory: float = ClassifySettings.memory,
    progress: Callable[[Progress], None] | None = ClassifySettings.progress,
) -> Stability:
    """Decide for every unit whether it is stably active, stably inactive or unstable on a box.

    Parameters
    ----------
    network
        A `Network`, a path, a PyTorch module or an estimator of scikit-learn. With leaky units or
        clips, `rectified(network)` is decided; `Stability.pieces` leads back.
    domain
        A box, or a pair (lower, upper) of numbers or NumPy arrays; or a `Polytope`: bounds are then
        those of its box, witnesses its members, and what is open is asked of `verify`.
    strategy
        "cascade", which on a `Polytope` is "by-property"; "bounds", the least that compression
        needs; or, kept as baselines, "per-unit" (LEO as published) and "joint" (ISA). One with
        options of its own will do: `Cascade(stages=...)`, `PerUnit(skip_stable=True)`, `Joint()`.
    solver, formulation
        Names, as in `leo_opt.solvers` and `leo_opt.formulations`; a formulation or a class of
        them will do.
    bounds
        Intervals of all pre-activations on a box that contains the domain, from elsewhere; they
        are checked at sampled inputs and intersected with ours. What rests on them says so, unless
        `propagate` made them for this network: it is trusted, not certified.
    stability
        Of the same network on a box that contains the domain, such as `Compression.carry` gives:
        the run goes on from there, and returns at once where nothing is open.
    samples : (N, n_in) array or None
        Inputs to try as witnesses, such as training data; clipped into the box.
    time_limit, unit_time_limit
        Seconds for the whole run and for one MILP. What is open then ends as `undecided`.
    node_limit
        Branch-and-bound nodes for one MILP: a budget that does not depend on the machine.
    margin
        How far beyond zero a solver's bound must lie to prove a sign, in units of the
        pre-activation scaled to a range of about 1; its bounds are widened by it. The default
        is twice the tolerance by which MILP solvers may leave improvements out.
    workers
        Number of processes for the questions of a layer. The verdicts do not depend on it.
    executor
        Any `concurrent.futures.Executor` to use instead; it is not shut down.
    checkpoint
        File that keeps what solvers and searches answer at once, how far input splitting is every
        few seconds, and verdicts that leave nothing undecided. A run that finds it goes on there;
        verdicts are returned as they are to a call with the same strategy, solver and formulation.
    seed
        Of everything random.
    memory
        Gigabytes: rows of bounds are taken in batches that fit, and a model that by estimate would
        not fit is not made; the evidence of what it would have been asked about says so.
    progress
        Called with a `Progress` as the run goes on.

    Returns
    -------
    Stability
        Undecided is a verdict; a limit or a solver that fails is never evidence.

    Raises
    ------
    InvalidInputError
        If a name is unknown, a limit is not positive or the box does not fit.
    MismatchError
        If bounds or stability are of another network or box, sampled inputs violate them, or they
        contradict what is proved.
    SolverNotAvailableError
        If the solver is not installed.

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020.
    T. Serra, X. Yu, A. Kumar, S. Ramalingam, Scaling Up Exact Neural Network Compression by ReLU
    Stability, NeurIPS 2021.
    """
    where = read_domain(domain)
    way = strategy_for(where, strategy)
    settings = ClassifySettings(
        solver=solver,
        formulation=formulation,
        samples=samples,
        time_limit=time_limit,
        unit_time_limit=unit_time_limit,
        node_limit=node_limit,
        margin=margin,
        workers=workers,
        executor=executor,
        checkpoint=checkpoint,
        seed=seed,
        memory=memory,
        progress=progress,
    )
    network = rectified(read_model(network))
    box = where.spread(network.input_size)
    given = None if bounds is None else read_bounds(bounds, network, box)
    if stability is not None:
        read_instance(stability, "stability", Stability, "Compression.carry() makes one")
        stability.check(network, box)
    twins = None if stability is not None else merge_twins(network, unread=True)
    if twins is not None and given is not None:
        given = lower_bounds(given, network, twins)
    find_solver(solver).require()
    # Where sums overflow nothing is proved and no witness is confirmed: they are no information.
    with (
        np.errstate(over="ignore", invalid="ignore"),
        one_blas_thread(),
        Workers(workers, executor, Deadline.of(settings.time_limit)) as places,
    ):
        run = Classification(twins.network if twins else network, box, settings, places)
        found = run.known_verdict(way.name) if given is None else None
        if found is None:
            if twins is not None:
                # Intervals of max(0, g) + max(0, -g) are tighter than those of 2 max(0, g) - g.
                own = propagate(network, box, "interval", time_limit=run.deadline)
                own = lower_bounds(own, network, twins)
                run.ledger.tighten_layers(own.lower, own.upper, "interval", ARITHMETIC)
            if stability is not None:
                run.ledger.go_on_from(stability)
            if given is not None:
                run.ledger.take(given)
            if stability is None or run.ledger.all_open():
                with run.sessions:
                    way.settle(run)
            found = run.close(way.name)
        return lift(found, network, twins) if twins else found
