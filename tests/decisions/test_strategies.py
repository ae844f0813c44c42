"""Strategies are values with their own options; whoever writes one gives it to `classify`."""

from __future__ import annotations

import pytest

from leo_opt import Box, Network, classify
from leo_opt.decisions import STRATEGIES, Cascade, Strategy
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.errors import InvalidInputError
from leo_opt.stability import Premise

HAT = Network.from_arrays([[[1.0], [-1.0]], [[1.0, 1.0]], [[1.0]]], [[0.0, 0.0], [-0.5], [0.0]])


class Guess(Strategy):
    """Somebody's, who has to be believed: the second layer's unit is above -0.25."""

    name = "guess"

    def settle(self, run):
        run.bound_layers("interval")
        run.enter(Finding(Direction(1, 0, -1), "guess", bound=0.25, premise=Premise("guess", "1")))


def test_names_classes_and_values_are_the_same() -> None:
    for strategy in ("per-unit", STRATEGIES["per-unit"], STRATEGIES["per-unit"]()):
        statistics = classify(HAT, Box(-1, 1), strategy=strategy).statistics
        assert (statistics.strategy, statistics.milps_solved) == ("per-unit", 2)


def test_a_strategy_of_the_users_own() -> None:
    stability = classify(HAT, Box(-1, 1), strategy=Guess)
    assert (stability.trusted.lower[1][0], stability.certified.lower[1][0]) == (-0.25, -0.5)
    assert stability.phases[1][0] == "undecided"
    assert stability.statistics.strategy == "guess"


def test_options_belong_to_their_strategy() -> None:
    with pytest.raises(TypeError, match="stages"):
        classify(HAT, Box(-1, 1), stages=["lp"])
    with pytest.raises(InvalidInputError, match="splitting_budget is 0"):
        Cascade(splitting_budget=0)
