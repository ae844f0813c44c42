"""The conformance suite of strategies passes ours and finds what is wrong with others."""

from __future__ import annotations

import pytest

from leo_opt.decisions import STRATEGIES, Strategy
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.evidence import Premise
from leo_opt.testing import ConformanceError, check_strategy


class Intervals(Strategy):
    """All that a strategy has to do: intervals prove what they can, the rest is undecided."""

    name = "intervals"

    def settle(self, run):
        run.bound_layers("interval")


class Wishful(Intervals):
    """Says of each unit of the second layer that it is never positive."""

    name = "wishful"

    def settle(self, run):
        super().settle(run)
        for unit in range(run.network.layers[1].n_out):
            claim = Direction(1, unit, +1)
            if run.ledger.is_open(claim):
                run.enter(Finding(claim, "wish", bound=0.0, premise=Premise("wish", "1")))


class Moody(Intervals):
    """Proves more at some calls than at others."""

    name = "moody"
    calls = 0

    def settle(self, run):
        type(self).calls += 1
        run.bound_layers("interval" if self.calls % 2 else "crown")


@pytest.mark.parametrize("strategy", [*STRATEGIES.names(), Intervals])
def test_strategies_keep_the_contract(strategy) -> None:
    assert check_strategy(strategy) == ["description", "sound", "limit", "repeatable"]


@pytest.mark.parametrize(
    ("strategy", "caught"), [(Wishful, {"sound", "limit"}), (Moody, {"repeatable"})]
)
def test_what_is_wrong_is_found(strategy, caught: set) -> None:
    with pytest.raises(ConformanceError) as error:
        check_strategy(strategy)
    lines = str(error.value).splitlines()[1:]
    assert {line.split(":")[0] for line in lines} == caught
