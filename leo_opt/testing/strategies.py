"""The conformance suite of strategies: what each must do, tried on small random networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType

from leo_opt.decisions import STRATEGIES, Strategy, StrategyLike, classify
from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.testing.bounds import expect_inside, ranges_on, segments, small_networks
from leo_opt.testing.models import expect
from leo_opt.testing.suite import run_checks

_NETWORKS = 6
_INSTANT = 1e-6
"""Seconds, so few that the limit is over when a strategy begins."""


def _expect_true(network: Network, box: Box, stability: Stability, where: str) -> None:
    """Inputs that are said to show a sign show it, exactly, and are allowed."""
    for sign, side in ((-1, stability.lower_evidence), (1, stability.upper_evidence)):
        for index, evidence in enumerate(side):
            for unit, entry in enumerate(evidence):
                if entry.witness is None:
                    continue
                point = stability.witnesses[entry.witness]
                value = ranges_on(network, point, point)[index][unit][0]
                expect(
                    bool(box.holds(point[None]).all()) and sign * value > 0,
                    f"unit {unit} of layer {index} of {where} is {float(value)!r} at the input "
                    f"that is to show the sign {sign}, or that input is outside the box",
                )


def _expect_sound(strategy: Strategy, time_limit: float | None) -> None:
    for number, (network, box, generator) in enumerate(islice(small_networks(), _NETWORKS)):
        stability = classify(network, box, strategy=strategy, time_limit=time_limit)
        name = f"network {number}"
        _expect_true(network, box, stability, name)
        for start, end in segments(box, generator):
            for index, exact in enumerate(ranges_on(network, start, end)):
                ends = stability.lower[index], stability.upper[index]
                expect_inside(ends, exact, f"layer {index} of {name}")


def check_description(strategy: Strategy) -> None:
    """Its name, under which verdicts name it."""
    expect(bool(strategy.name), "the name is empty")
    network, box, _ = next(iter(small_networks()))
    found = classify(network, box, strategy=strategy).statistics.strategy
    expect(found == strategy.name, f"verdicts name the strategy {found!r}")


def check_sound(strategy: Strategy) -> None:
    """Intervals hold all that the network reaches, and witnesses show what they are to show."""
    _expect_sound(strategy, None)


def check_limit(strategy: Strategy) -> None:
    """When the time is over what was proved is kept, and nothing else is said."""
    _expect_sound(strategy, _INSTANT)


def check_repeatable(strategy: Strategy) -> None:
    """The same call has the same verdicts and intervals."""
    for number, (network, box, _) in enumerate(islice(small_networks(), _NETWORKS)):
        first, second = (classify(network, box, strategy=strategy) for _ in range(2))
        same = all(
            (one == other).all()
            for left, right in ((first.lower, second.lower), (first.upper, second.upper))
            for one, other in zip(left, right, strict=True)
        )
        expect(same and first.phases == second.phases, f"network {number}: two calls differ")


STRATEGY_CHECKS: Mapping[str, Callable[[Strategy], None]] = MappingProxyType(
    {
        "description": check_description,
        "sound": check_sound,
        "limit": check_limit,
        "repeatable": check_repeatable,
    }
)
"""All checks of the suite by name."""


def check_strategy(strategy: StrategyLike, only: Iterable[str] | None = None) -> list[str]:
    """Try a strategy on small networks, in exact arithmetic.

    Parameters
    ----------
    only
        Names of `STRATEGY_CHECKS`; by default all.

    Returns
    -------
    list of str
        The checks that were made.

    Raises
    ------
    ConformanceError
        With all that failed.
    """
    way = STRATEGIES.find(strategy)
    return run_checks(f"strategy {way.name!r}", STRATEGY_CHECKS, only, way)
