"""Every formulation keeps the contract, and the suite notices one that does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from leo_opt.errors import InvalidInputError
from leo_opt.formulations import (
    FORMULATIONS,
    Cut,
    Formulation,
    Ideal,
    Partition,
    Unit,
    UnitRow,
    find,
    names,
)
from leo_opt.formulations.rows import add_rows, at_most
from leo_opt.network import FloatArray
from leo_opt.testing import ConformanceError, check_formulation
from leo_opt.testing.formulations import solver_for

VARIANTS = [
    *FORMULATIONS,
    Partition(parts=1),
    Partition(parts=3, split="equal-range"),
    Partition(parts=2, split="random", seed=7),
]


CASES = [
    variant if variant == "big-m" else pytest.param(variant, marks=pytest.mark.system)
    for variant in VARIANTS
]
"""Each takes seconds; all but one are left to the tests that are run besides."""


@pytest.mark.parametrize("formulation", CASES, ids=str)
def test_formulation_keeps_the_contract(formulation: str | Formulation) -> None:
    try:
        solver_for(find(formulation))
    except InvalidInputError as error:
        pytest.skip(str(error))
    check_formulation(formulation)


def test_every_registered_formulation_is_tested() -> None:
    assert set(names()) <= {variant for variant in VARIANTS if isinstance(variant, str)}


class NoUpper(Formulation):
    """Forgets post <= u z, and all that a docstring should say."""

    name = "no-upper"

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        rows = {u.address: at_most([(1.0, u.pre), (-1.0, u.post)], 0.0) for u in units}
        add_rows(block, "above", rows)
        rows = {
            u.address: at_most([(1.0, u.post), (-1.0, u.pre), (-u.lower, u.active)], -u.lower)
            for u in units
        }
        add_rows(block, "below", rows)


class Opposite(Formulation):
    """A binary that is 1 where the unit is inactive."""

    name = "opposite"

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        tables: dict[str, dict[Any, Any]] = {"above": {}, "below": {}, "upper": {}}
        for u in units:
            tables["above"][u.address] = at_most([(1.0, u.pre), (-1.0, u.post)], 0.0)
            tables["below"][u.address] = at_most(
                [(1.0, u.post), (-1.0, u.pre), (u.lower, u.active)], 0.0
            )
            tables["upper"][u.address] = at_most([(1.0, u.post), (u.upper, u.active)], u.upper)
        for name, rows in tables.items():
            add_rows(block, name, rows)


class Tight(Formulation):
    """A relaxation that cuts off some of the network."""

    name = "tight"
    exact = False

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        rows = {u.address: at_most([(1.0, u.pre), (-1.0, u.post)], 0.0) for u in units}
        add_rows(block, "above", rows)
        rows = {u.address: at_most([(1.0, u.post)], 0.5 * u.upper) for u in units}
        add_rows(block, "half", rows)


class Greedy(Formulation):
    """Separates rows that cut off the network."""

    name = "greedy"

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        Ideal().add_units(block, units)

    def violated_rows(
        self, row: UnitRow, inputs: FloatArray, post: float, active: float
    ) -> Sequence[Cut]:
        cuts = Ideal().violated_rows(row, inputs, post, active)
        return [Cut(c.inputs, c.pre, c.post, c.active, c.upper - 0.3) for c in cuts]


class Unknown(Formulation):
    """Needs what no solver has."""

    name = "unknown"
    needs = frozenset({"crystal-ball"})

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("formulation", "caught"),
    [
        (NoUpper(), {"description", "outputs", "optima"}),
        (Opposite(), {"meaning-of-the-binary"}),
        (Tight(), {"outputs", "relaxation", "optima"}),
        (Greedy(), {"separated-rows"}),
    ],
    ids=lambda value: value.name if isinstance(value, Formulation) else "",
)
def test_broken_formulations_are_caught(formulation: Formulation, caught: set[str]) -> None:
    with pytest.raises(ConformanceError) as failure:
        check_formulation(formulation, only=sorted(caught))
    failed = {line.partition(":")[0] for line in str(failure.value).splitlines()[1:]}
    assert failed == caught


def test_needs_that_no_solver_offers_are_named() -> None:
    with pytest.raises(InvalidInputError, match="unknown needs crystal-ball"):
        check_formulation(Unknown())
    with pytest.raises(ConformanceError, match="crystal-ball"):
        check_formulation(Unknown(), "highs", only=["description"])


def test_unknown_names_are_one_line_errors() -> None:
    with pytest.raises(InvalidInputError, match="'bigm' is unknown; known are big-m"):
        find("bigm")
    with pytest.raises(InvalidInputError, match="check 'speed' is unknown"):
        check_formulation("big-m", only=["speed"])
    with pytest.raises(InvalidInputError, match="split 'even' is unknown"):
        Partition(split="even")
    with pytest.raises(InvalidInputError, match="parts is 0"):
        Partition(parts=0)


def test_random_splits_depend_on_the_seed_only() -> None:
    weights = np.random.default_rng(0).normal(size=12)
    ones = np.ones(12)
    row = UnitRow(1, 2, weights, 0.0, 0.0, -ones, ones, -3.0, 3.0)
    members = [
        [part.members.tolist() for part in Partition(3, "random", seed).split_row(row)]
        for seed in (0, 0, 1)
    ]
    assert members[0] == members[1] != members[2]


@pytest.mark.parametrize("split", ["equal-size", "equal-range", "random"])
def test_parts_are_a_partition_and_hold_their_sums(split: str) -> None:
    generator = np.random.default_rng(1)
    for parts in (1, 2, 5, 40):
        weights = generator.normal(size=9) * (generator.random(9) < 0.8)
        low = generator.normal(size=9)
        high = low + generator.random(9)
        row = UnitRow(0, 0, weights, 0.0, 0.0, low, high, -3.0, 3.0)
        found = Partition(parts, split).split_row(row)
        assert len(found) <= parts
        every = np.sort(np.concatenate([part.members for part in found]))
        assert every.tolist() == np.flatnonzero(weights).tolist()
        for x in low + (high - low) * generator.random((50, 9)):
            for part in found:
                value = float(part.weights @ x[part.members])
                assert part.lower <= value <= part.upper
                assert np.array_equal(part.weights, weights[part.members] * part.scale)
                assert np.log2(part.scale) == round(np.log2(part.scale))
