"""The ledger keeps proofs of different premises apart, and refuses what contradicts them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_case

from leo_opt.bounds import propagate
from leo_opt.deadline import NO_LIMIT
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.ledger import Ledger
from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.stability import ARITHMETIC, Premise, Statistics
from leo_opt.witnesses import collect

SOLVER = Premise("a solver", "1.0", 1e-6)
BOX = Box(-1.0, 1.0).spread(2)
NETWORK = Network.from_arrays(
    [[[1.0, 1.0], [1.0, -1.0]], [[1.0, -1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, -2.0]]],
    [[0.0, 0.0], [0.0, -1.0], [-0.25, 0.5]],
    ["relu", "relu", "relu"],
)


def ledger(*points: list[float]) -> Ledger:
    """All layers bounded, with the signs that some inputs show."""
    made = Ledger(NETWORK, BOX)
    if points:
        made.witnesses = collect(NETWORK, BOX, np.array(points), made.witnesses)
    for layer in range(3):
        made.bound_layer(layer)
    return made


def test_crown_is_asked_about_open_units_and_outputs_only() -> None:
    """Nearly all that all rows prove: only interval arithmetic starts from wider intervals."""
    wider, widths, stable = 0, np.zeros(2), np.zeros(2)
    for seed in range(20):
        network, box = random_case(np.random.default_rng(seed))
        made, full = Ledger(network, box.spread(network.input_size)), propagate(network, box)
        for layer in range(len(network.layers)):
            made.bound_layer(layer)
        mine = made.bounds(len(network.layers), certified=True)
        for k, layer in enumerate(network.layers):
            low, high, least, most = (
                side[k] for side in (mine.lower, mine.upper, full.lower, full.upper)
            )
            assert (low <= least + 1e-9).all()
            assert (high >= most - 1e-9).all()
            asked = layer.phased & (least < 0.0) & (most > 0.0)
            asked |= k == len(network.layers) - 1
            widths += (high - low)[asked].sum(), (most - least)[asked].sum()
            stable += ((low >= 0.0) | (high <= 0.0)).sum(), ((least >= 0.0) | (most <= 0.0)).sum()
            wider += int((low < least - 1e-6).sum())
    assert wider
    assert widths[0] <= 1.01 * widths[1]
    assert stable[0] >= 0.97 * stable[1]


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("value", [0.0, -1e-300, -0.25])
def test_no_bound_gets_past_a_witness(sign: int, value: float) -> None:
    shown = ledger([0.5, 0.5], [-0.5, -0.5])
    direction = Direction(0, 0, sign)
    before = shown.value(direction)
    assert not shown.tighten(direction, value, "milp", SOLVER)
    assert shown.value(direction) == before >= 2.0
    assert shown.tighten(direction, 1e-300, "milp", SOLVER)
    assert shown.value(direction) == 1e-300


@pytest.mark.parametrize("sign", [-1, 1])
def test_ends_may_meet_but_not_cross(sign: int) -> None:
    made = ledger()
    assert made.tighten(Direction(0, 0, -sign), 0.5, "milp", SOLVER)
    assert not made.tighten(Direction(0, 0, sign), -0.5 - 2.0**-53, "milp", SOLVER)
    assert made.tighten(Direction(0, 0, sign), -0.5, "milp", SOLVER)


def test_what_rests_on_a_solver_is_never_certified() -> None:
    made, plain = ledger(), propagate(NETWORK, BOX)
    assert made.tighten(Direction(0, 1, 1), 0.0, "milp", SOLVER)
    for layer in (1, 2):
        made.bound_layer(layer)
    certified, trusted = made.bounds(3, certified=True), made.bounds(3)
    for mine, theirs in zip(certified.upper, plain.upper, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(certified.lower, plain.lower, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert trusted.upper[0][1] == 0.0 < certified.upper[0][1]
    # What follows is tighter, and says on what it rests.
    assert trusted.lower[1][0] > certified.lower[1][0]
    evidence = made.close(Statistics()).lower_evidence
    assert evidence[0][1].premise == ARITHMETIC
    assert evidence[1][0].premise == SOLVER
    assert [made.premise_below(layer) for layer in (0, 1, 2)] == [ARITHMETIC, SOLVER, SOLVER]


def test_what_proves_no_more_changes_no_evidence() -> None:
    made = ledger()
    direction = Direction(0, 0, 1)
    for value, method in ((2.0, "interval"), (1.0, "milp"), (1.0, "late"), (1.5, "later")):
        made.tighten(direction, value, method, SOLVER)
    evidence = made.close(Statistics()).upper_evidence[0][0]
    assert (evidence.method, evidence.premise) == ("milp", SOLVER)
    untouched = made.close(Statistics()).upper_evidence[0][1]
    assert (untouched.method, untouched.premise) == ("interval", ARITHMETIC)


def test_a_sign_is_open_until_a_bound_or_a_witness_settles_it() -> None:
    made = ledger([0.5, 0.25])
    assert made.open(0) == [Direction(0, 0, -1), Direction(0, 1, -1)]
    assert made.tighten(Direction(0, 0, -1), 0.0, "milp", SOLVER)
    assert made.open(0) == [Direction(0, 1, -1)]
    assert not made.is_open(Direction(0, 0, -1))
    assert made.is_open(Direction(0, 1, -1))
    assert not made.is_open(Direction(0, 1, 1))


def test_units_that_are_zero_but_for_rounding_are_settled_in_rationals() -> None:
    """What is left of a difference of equal sums is nothing, which no float says."""
    network = Network.from_arrays(
        [
            [[0.1, 0.3], [0.2, -0.7], [1.0, 1.0]],
            [[0.1, 0.7, 0.3], [0.1, 0.7, 0.0], [0.0, 0.0, 0.3]],
            [[1.0, -1.0, -1.0], [1.0, -1.0, 0.0], [-2.0, 2.0, 2.0]],
        ],
        [[0.9, 1.3, 0.1], [0.0, 0.0, 0.0], [0.0, 0.0, 0.25]],
        ["relu", "linear", "relu"],
    )
    made = Ledger(network, BOX)
    for layer in range(3):
        made.bound_layer(layer)
    before = made.open(2)
    made.bound_ties(2, NO_LIMIT)
    bounds = made.bounds(3, certified=True)
    assert {direction.unit for direction in before} == {0, 1}
    assert {direction.unit for direction in made.open(2)} == {1}
    assert min(-bounds.lower[2][0], bounds.upper[2][0]) == 0.0
    # What a solver says of an earlier layer is no part of such a proof.
    assert made.tighten(Direction(0, 2, 1), 0.0, "milp", SOLVER)
    made.bound_layer(2)
    made.bound_ties(2, NO_LIMIT)
    assert made.bounds(3).upper[2][1] < 1e-9
    assert made.bounds(3, certified=True).upper[2][1] > 0.5


@pytest.mark.parametrize("value", [0.0, -0.5])
def test_a_late_witness_takes_a_solvers_bound_back(value: float) -> None:
    made = ledger()
    assert made.tighten(Direction(0, 0, 1), value, "milp", SOLVER)
    made.witnesses = collect(NETWORK, BOX, np.array([[0.5, 0.5]]), made.witnesses)
    assert made.bounds(1).upper[0][0] == made.bounds(1, certified=True).upper[0][0] >= 2.0
    evidence = made.close(Statistics()).upper_evidence[0]
    assert evidence[0].premise == ARITHMETIC
    assert "contradicted" in evidence[0].anomaly
    assert not evidence[1].anomaly


def test_anomalies_and_seconds_add_up() -> None:
    made = ledger()
    direction = Direction(1, 0, -1)
    made.note(direction, 1.0, "odd")
    made.note(direction, 0.5)
    evidence = made.close(Statistics()).lower_evidence[1][0]
    assert replace(evidence, method="", witness=None).anomaly == "odd"
    assert evidence.seconds == 1.5
