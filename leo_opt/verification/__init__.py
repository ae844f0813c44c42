"""`verify`: does a property hold on all its inputs, and if not, at which input does it fail?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np

from leo_opt.arguments import read_instance
from leo_opt.blas import one_blas_thread
from leo_opt.deadline import Deadline
from leo_opt.decisions import Progress
from leo_opt.formats import load_property
from leo_opt.formulations import FormulationLike
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.parallel import Workers
from leo_opt.properties import Property, keep_class
from leo_opt.solvers import find as find_solver
from leo_opt.verification.run import Verification
from leo_opt.verification.settings import STAGES, VerifySettings
from leo_opt.verification.settling import settle
from leo_opt.verification.tails import in_front
from leo_opt.verification.verdicts import (
    WITNESS_FORMATS,
    CaseVerdict,
    Decision,
    Verdict,
    exact_witness_file,
    save_witness,
)

__all__ = [
    "STAGES",
    "WITNESS_FORMATS",
    "CaseVerdict",
    "Decision",
    "Progress",
    "Verdict",
    "exact_witness_file",
    "keep_class",
    "load_property",
    "save_witness",
    "verify",
]


def verify(
    network: NetworkLike,
    asked: Property,
    *,
    solver: str = VerifySettings.solver,
    formulation: FormulationLike = VerifySettings.formulation,
    stages: Sequence[str] = VerifySettings.stages,
    time_limit: float | Deadline | None = VerifySettings.time_limit,
    node_limit: int | None = VerifySettings.node_limit,
    piece_limit: int = VerifySettings.piece_limit,
    margin: float = VerifySettings.margin,
    workers: int = VerifySettings.workers,
    executor: Executor | None = VerifySettings.executor,
    seed: int = VerifySettings.seed,
    memory: float = VerifySettings.memory,
    progress: Callable[[Progress], None] | None = VerifySettings.progress,
) -> Verdict:
    """Decide whether a property holds: whether no input has what it describes as unsafe.

    Parameters
    ----------
    asked
        Boxes of inputs and, for each, inequalities of outputs that must not hold together, as
        `load_property` and `keep_class` return it. Outputs are those of the file: of a network with
        a tail only what says the same in front of it is taken.
    solver, formulation
        Names, as in `leo_opt.solvers` and `leo_opt.formulations`, or a formulation or class of
        them: for the MILPs, which come last.
    stages
        Which of the stages after CROWN to use.
    time_limit
        Seconds for everything; what is open then is unknown.
    node_limit
        Branch-and-bound nodes for one MILP.
    piece_limit
        Boxes that input splitting may bound, for each box of the property.
    margin
        How far beyond zero a solver's bound must lie, in units of a slack scaled to a range of
        about 1.
    workers
        Number of processes for pieces of the box, hidden intervals and cases. Unless a time limit
        strikes, the verdict does not depend on it.
    executor
        Any `concurrent.futures.Executor` to use instead; it is not shut down.
    seed
        Of everything random.
    memory
        Gigabytes: rows of bounds are taken in batches that fit, and a model that by estimate would
        not fit is not made, which is then the reason of its case.
    progress
        Called with a `Progress` as the run goes on.

    Returns
    -------
    Verdict
        "holds" rests on bounds alone: on arithmetic, and where `certified` is False on a solver's
        dual bound. "violated" has an input, inside the box, at which the inequalities hold when
        the network is evaluated with its rounding errors accounted for. A limit, or a solver that
        fails or says "infeasible", leads to "unknown".

    Raises
    ------
    UnsupportedOperatorError
        If the property has no equal in front of the network's tail.
    MismatchError
        If the property is for another number of inputs or outputs.
    InvalidInputError
        If a name is unknown or a limit is not positive.
    SolverNotAvailableError
        If the solver is not installed.

    References
    ----------
    V. Tjeng, K. Xiao, R. Tedrake, Evaluating Robustness of Neural Networks with Mixed Integer
    Programming, ICLR 2019.
    G. Katz, C. Barrett, D. Dill, K. Julian, M. Kochenderfer, Reluplex, CAV 2017 (ACAS Xu).
    """
    settings = VerifySettings(
        solver=solver,
        formulation=formulation,
        stages=stages,
        time_limit=time_limit,
        node_limit=node_limit,
        piece_limit=piece_limit,
        margin=margin,
        workers=workers,
        executor=executor,
        seed=seed,
        memory=memory,
        progress=progress,
    )
    network = read_model(network)
    cure = "leo_opt.verification.load_property and keep_class make properties"
    read_instance(asked, "asked", Property, cure)
    front = in_front(network, asked)
    find_solver(solver).require()
    # Where sums overflow nothing is proved and no witness is confirmed: they are no information.
    with (
        np.errstate(over="ignore", invalid="ignore"),
        one_blas_thread(),
        Workers(workers, executor, Deadline.of(settings.time_limit)) as places,
    ):
        run = Verification(network, asked if front is None else front.property, settings, places)
        settle(run)
        verdict = run.close()
    return verdict if front is None else front.behind(verdict, run.network)
