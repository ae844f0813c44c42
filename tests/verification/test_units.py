"""Verdicts on units over polytopes, against cells of the polytope in rationals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import network_folder
from oracle import Flat, exact_deviation, exact_ranges
from random_networks import random_case, random_network
from random_polytopes import random_polytope
from seeds import seeds

from leo_opt import Cascade, Polytope, Stability, classify, compress, load, load_domain, propagate
from leo_opt.bounds import Bounds
from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.network import Network
from leo_opt.stability import Phase
from leo_opt.verification.units import ByProperty
from leo_opt.weights import dense


def tiny() -> tuple[Network, Polytope]:
    """A unit that is active where x + y > 1.5 only, which the polytope leaves out."""
    network = Network.from_arrays([[[1.0, 1.0], [1.0, -1.0]], [[1.0, 2.0]]], [[-1.5, 0.0], [0.0]])
    return network, Polytope((0.0, 1.0), [[1.0, 1.0]], [1.375])


def with_unit(network: Network, polytope: Polytope) -> Polytope:
    """The polytope without the inputs that activate the first unit, if others are left."""
    row = dense(network.layers[0].weight)[:1]
    room = 0.05 * np.abs(row) @ (polytope.box.upper - polytope.box.lower)
    weight = np.vstack([polytope.weight, row])
    bound = np.append(polytope.bound, -network.layers[0].bias[:1] - room)
    try:
        smaller = Polytope(polytope.within, weight, bound)
    except InvalidInputError:
        return polytope
    return smaller if smaller.holds(smaller.centre[None, :]).all() else polytope


@pytest.mark.parametrize("seed", seeds(5, of=150))
def test_verdicts_and_networks_on_polytopes_are_true(seed: int) -> None:
    generator = np.random.default_rng((227, seed))
    network, box = random_case(generator)
    polytope = with_unit(network, random_polytope(generator, box.spread(network.input_size)))
    try:
        ranges = exact_ranges(network, polytope)
    except Flat:
        ranges = []
    strategy = ByProperty(splitting_budget=1000)
    stability = classify(network, polytope, strategy=strategy, seed=seed)
    assert polytope.holds(stability.witnesses).all()
    smaller = compress(network, stability)
    assert smaller.domain == polytope
    if not ranges:
        return
    undecided = 0
    for layer, units in enumerate(ranges):
        for unit, (low, high) in enumerate(units):
            for bounds in (stability.certified, stability.trusted):
                assert bounds.lower[layer][unit] <= low
                assert high <= bounds.upper[layer][unit]
            phase = stability.phases[layer][unit] if stability.phases[layer] else Phase.LINEAR
            if phase is Phase.STABLY_ACTIVE:
                assert low >= 0
            if phase is Phase.STABLY_INACTIVE:
                assert high <= 0
            if phase is Phase.UNSTABLE:
                assert low < 0 < high
            # Ties at zero may stay open.
            tied = abs(min(-low, high)) <= 1e-4 * max(1, high - low)
            undecided += phase is Phase.UNDECIDED and not tied
    assert not undecided
    moved = exact_deviation(network, smaller.network, polytope)
    assert all(m <= d for m, d in zip(moved, smaller.max_deviation.tolist(), strict=True))


def test_rows_decide_what_the_box_leaves_open(tmp_path: Path) -> None:
    network, polytope = tiny()
    assert classify(network, polytope.box).phases[0][0] is Phase.UNSTABLE
    stability = classify(network, polytope)
    assert stability.phases[0] == (Phase.STABLY_INACTIVE, Phase.UNSTABLE)
    assert compress(network, polytope).network.hidden_widths == (1,)
    assert repr(polytope) in repr(stability)
    stability.save(tmp_path / "verdicts.json")
    loaded = Stability.load(tmp_path / "verdicts.json", network, polytope)
    assert loaded.domain == polytope
    assert loaded.phases == stability.phases
    with pytest.raises(MismatchError, match="classify on the larger box"):
        loaded.check(network, polytope.box)
    stability.certified.save(tmp_path / "bounds.npz")
    assert Bounds.load(tmp_path / "bounds.npz").domain == polytope
    with pytest.raises(MismatchError):
        propagate(network, polytope.box).intersect(stability.certified)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_rows_decide_units_of_later_layers(sign: float) -> None:
    """x + y - 0.5 behind rectifiers of x, -x, y and -y: the first layer does not know its sign."""
    lanes = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    back = [[sign, -sign, sign, -sign]]
    network = Network.from_arrays([lanes, back, [[1.0]]], [None, [-0.5 * sign], None])
    polytope = Polytope((-1.0, 1.0), [[1.0, 1.0]], [0.375])
    assert classify(network, (-1.0, 1.0)).phases[1] == (Phase.UNSTABLE,)
    expected = Phase.STABLY_INACTIVE if sign > 0 else Phase.STABLY_ACTIVE
    assert classify(network, polytope).phases[1] == (expected,)


def test_a_checkpoint_is_of_its_rows(tmp_path: Path) -> None:
    network, polytope = tiny()
    path = tmp_path / "record"
    first = classify(network, polytope, checkpoint=path)
    assert classify(network, polytope, checkpoint=path).phases == first.phases
    with pytest.raises(MismatchError):
        classify(network, Polytope((0.0, 1.0), [[1.0, 1.0]], [1.75]), checkpoint=path)


@pytest.mark.parametrize("seed", seeds(4, of=100))
def test_one_row_tightens_the_first_layer_as_far_as_it_can(seed: int) -> None:
    generator = np.random.default_rng((241, seed))
    network = random_network(generator, inputs=3, widths=(4,))
    several = random_polytope(generator, Box(-1.0, 2.0).spread(3))
    polytope = Polytope(several.within, several.weight[:1], several.bound[:1] + 1e-3)
    # No layer after the first: nothing but its intervals is asked for.
    first = Network(network.layers[:1])
    stability = classify(first, polytope, time_limit=10)
    for unit, (low, high) in enumerate(exact_ranges(first, polytope)[0]):
        found = stability.certified.lower[0][unit], stability.certified.upper[0][unit]
        assert found[0] <= low
        assert high <= found[1]
        np.testing.assert_allclose(found, [float(low), float(high)], rtol=1e-9, atol=1e-9)


def test_where_no_float64_point_lies_nothing_is_shown() -> None:
    # Where x = 2 y and x + y = 1.
    network, _ = tiny()
    rows = [[1.0, -2.0], [-1.0, 2.0], [1.0, 1.0], [-1.0, -1.0]]
    point = Polytope((0.0, 1.0), rows, [0.0, 0.0, 1.0, -1.0])
    stability = classify(network, point)
    assert stability.witnesses.size == 0
    assert stability.phases[0] == (Phase.STABLY_INACTIVE, Phase.STABLY_ACTIVE)


def test_strategies_that_know_boxes_only_say_so() -> None:
    network, polytope = tiny()
    for strategy in ("per-unit", "joint", Cascade(stages=("lp",))):
        with pytest.raises(InvalidInputError, match=r"knows boxes only.*by-property"):
            classify(network, polytope, strategy=strategy)
    on_box = classify(network, Box(0.0, 1.0), strategy="by-property")
    assert on_box.phases == classify(network, Box(0.0, 1.0)).phases


@pytest.mark.slow
def test_adaptive_cruise_control() -> None:
    folder = network_folder() / "real" / "acc"
    network = load(next(folder.glob("*.onnx")))
    polytope = load_domain(folder / "prop_near0_eps20.vnnlib", network.input_size)
    stability = classify(network, polytope, time_limit=60)
    assert polytope.holds(stability.witnesses).all()
    assert sum(stability.count(k, Phase.UNDECIDED) for k in network.phased_layers) == 0


def test_a_unit_that_touches_zero_where_a_row_holds_is_inactive() -> None:
    network = Network.from_arrays([[[0.1, 0.3]], [[1.0]]], [[-0.25], [0.0]])
    part = Polytope(Box(0.0, 1.0).spread(2), [[0.2, 0.6]], [0.5])
    stability = classify(network, part)
    assert stability.phases[0] == (Phase.STABLY_INACTIVE,)
    assert stability.certified.upper[0][0] == 0.0
    above = Network.from_arrays([[[0.1, 0.3]], [[1.0]]], [[np.nextafter(-0.25, 0.0)], [0.0]])
    assert classify(above, part).phases[0] != (Phase.STABLY_INACTIVE,)
