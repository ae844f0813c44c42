"""`classify`, and the strategies by which it reaches a verdict on every unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from numpy.typing import ArrayLike

from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.strategies import cascade, per_unit
from leo_opt.strategies.settings import Progress, Settings

__all__ = ["STRATEGIES", "Progress", "Settings", "classify"]

STRATEGIES: Mapping[str, Callable[[Network, Box, Settings], Stability]] = MappingProxyType(
    {"cascade": cascade.classify, "per-unit": per_unit.classify}
)
"""The strategies by name."""


def classify(
    network: Network,
    domain: Box,
    *,
    strategy: str = "cascade",
    solver: str = "highs",
    formulation: str = "big-m",
    samples: ArrayLike | None = None,
    random_points: int = 1000,
    time_limit: float | None = None,
    unit_time_limit: float | None = None,
    node_limit: int | None = None,
    margin: float = 1e-6,
    skip_stable: bool = False,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Stability:
    """Decide for every unit whether it is stably active, stably inactive or unstable on a box.

    Parameters
    ----------
    strategy
        "cascade", or "per-unit": LEO as published, kept as a baseline.
    solver, formulation
        Names, as in `leo_opt.solvers` and `leo_opt.formulations`.
    samples : (N, n_in) array or None
        Inputs to try as witnesses, such as training data; clipped into the box.
    random_points
        Number of random inputs to try besides.
    time_limit, unit_time_limit
        Seconds for the whole run and for one MILP. What is open then ends as `undecided`.
    node_limit
        Branch-and-bound nodes for one MILP: a budget that does not depend on the machine.
    margin
        How far beyond zero a solver's bound must lie to prove a sign, in units of the
        pre-activation scaled to a range of about 1; its bounds are widened by it.
    skip_stable
        For "per-unit": ask nothing about units that interval arithmetic proves stable.
    seed
        Of everything random.
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
    SolverNotAvailableError
        If the solver is not installed.

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020.
    """
    if strategy not in STRATEGIES:
        raise InvalidInputError(
            f"strategy {strategy!r} is unknown; known are {', '.join(STRATEGIES)}"
        )
    settings = Settings(
        solver=solver,
        formulation=formulation,
        samples=samples,
        random_points=random_points,
        time_limit=time_limit,
        unit_time_limit=unit_time_limit,
        node_limit=node_limit,
        margin=margin,
        skip_stable=skip_stable,
        seed=seed,
        progress=progress,
    )
    return STRATEGIES[strategy](network, domain.spread(network.input_size), settings)
