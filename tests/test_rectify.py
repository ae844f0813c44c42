"""Rectifiers alone compute what leaky units and clips do, in rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_deviation, exact_ranges
from random_networks import BENT, bent, random_case, random_network
from seeds import seeds

from leo_opt import Box, Layer, Network, classify, compress, propagate, rectified
from leo_opt.deviation import reading_deviation
from leo_opt.encoding import Encoding
from leo_opt.errors import MismatchError
from leo_opt.network import Rounding, read_activation
from leo_opt.rewrites.rational import activate, affine
from leo_opt.signature import Signature
from leo_opt.solvers import find

MARGIN = Fraction(1, 10**5)


def exact(network: Network, point: list[Fraction]) -> list[Fraction]:
    for layer in network.layers:
        point = activate(layer, affine(layer, point))
    return point


@pytest.mark.parametrize("tag", [*BENT, "leaky-relu(0.01)", "clip(-0.1,0.3)"])
def test_each_activation_is_made_of_rectifiers(tag: str) -> None:
    network = Network.from_arrays([[[1.0]]], [[0.0]], [tag])
    made = rectified(network)
    assert {unit for layer in made.layers for unit in layer.tags} <= {"relu", "linear"}
    places = [*read_activation(tag).breakpoints, *np.random.default_rng(0).normal(size=20) * 3]
    for place in map(Fraction, places):
        assert exact(made, [place]) == [read_activation(tag).exact(place)]


@pytest.mark.parametrize("seed", range(20))
def test_the_function_of_a_network_stays(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    network = bent(generator, Network(network.layers, Signature(output_name="y")))
    made = rectified(network)
    assert made.signature == network.signature
    for row in box.spread(network.input_size).sample(5, generator):
        point = list(map(Fraction, row.tolist()))
        assert exact(made, point) == exact(network, point)


def test_a_network_of_rectifiers_is_itself() -> None:
    network, _ = random_case(np.random.default_rng(0))
    assert rectified(network) is network


def small_case(seed: int) -> tuple[Network, Box]:
    """A network with leaky units and clips in all layers, small enough for the oracle."""
    generator = np.random.default_rng(seed)
    box = Box(-1, 1).spread(2)
    return bent(generator, random_network(generator, box=box, widths=(3, 2))), box


@pytest.mark.parametrize("seed", seeds(3, of=150))
def test_crown_holds_exact_ranges_within_intervals(seed: int) -> None:
    network, box = small_case(seed)
    plain, crown = (propagate(network, box, method) for method in ("interval", "crown"))
    for index, ranges in enumerate(exact_ranges(network, box)):
        low, high = crown.lower[index], crown.upper[index]
        assert (plain.lower[index] <= low).all()
        assert (high <= plain.upper[index]).all()
        for below, above, (least, most) in zip(low, high, ranges, strict=True):
            assert Fraction(below) <= least <= most <= Fraction(above)


@pytest.mark.parametrize("seed", seeds(3, of=150))
def test_verdicts_name_the_pieces_that_are_open(seed: int) -> None:
    """Those that exact ranges enter and, but for rounding at a breakpoint, no others."""
    network, box = small_case(seed)
    pieces = classify(network, box).pieces(network)
    for layer, found, ranges in zip(
        network.layers, pieces, exact_ranges(network, box), strict=True
    ):
        for tag, named, (low, high) in zip(layer.tags, found, ranges, strict=True):
            known = read_activation(tag).pieces
            entered = [p for p in known if low < p.upper and high > p.lower]
            nearly = [p for p in known if low < p.upper + MARGIN and high > p.lower - MARGIN]
            assert set(entered) <= set(named) <= set(nearly)
            assert named


@pytest.mark.parametrize("seed", seeds(3, of=150))
def test_compression_is_lossless(seed: int) -> None:
    network, box = small_case(seed)
    result = compress(network, box)
    assert sum(result.network.hidden_widths) <= sum(network.hidden_widths)
    assert result.network.parameters <= network.parameters
    room = list(map(Fraction, result.max_deviation.tolist()))
    worst = exact_deviation(network, result.network, box)
    assert all(a <= b for a, b in zip(worst, room, strict=True))
    for row in box.sample(3, np.random.default_rng(seed)):
        point = list(map(Fraction, row.tolist()))
        pairs = zip(exact(network, point), exact(result.network, point), room, strict=True)
        assert all(abs(left - right) <= allowed for left, right, allowed in pairs)


@pytest.mark.parametrize("seed", seeds(2, of=50))
def test_models_have_the_largest_output(seed: int) -> None:
    network, box = small_case(seed)
    made = rectified(network)
    weights = np.eye(made.output_size)[0]
    most = exact_ranges(Network((*made.layers, Layer([weights], [0.0]))), box)[-1][0][1]
    bounds = propagate(made, box)
    for formulation in ("big-m", "convex-hull"):
        encoding = Encoding.of(network, box, bounds, formulation)
        cost, constant = encoding.objective(weights)
        with find("highs").open(encoding.form) as session:
            found = session.maximize(cost).objective_bound
        assert found + constant == pytest.approx(float(most), rel=1e-5, abs=1e-5)


def test_a_stability_of_another_network_is_refused() -> None:
    network, box = small_case(0)
    with pytest.raises(MismatchError, match="classify this network"):
        classify(network, box).pieces(small_case(1)[0])


def test_bounds_of_the_wrong_one_are_refused_with_the_cure() -> None:
    network, box = small_case(0)
    with pytest.raises(MismatchError, match=r"those of leo_opt\.rectified\(network\)"):
        classify(network, box, bounds=propagate(network, box))
    given = propagate(rectified(network), box)
    assert classify(network, box, bounds=given).pieces(network)


def test_what_reading_rounded_stays_with_the_affine_maps() -> None:
    layer = Layer([[1.0]], [0.0], "clip(0,1)")
    rounding = Rounding(np.array([[0.5]]), np.array([0.25]))
    made = rectified(Network((layer,), rounding=(rounding,)))
    assert made.rounding == (rounding, None, None)
    assert reading_deviation(made, propagate(made, Box(0, 1)))[0] >= 0.75
