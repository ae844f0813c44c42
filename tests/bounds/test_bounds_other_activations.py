"""Bounds of networks with leaky units and clips hold in rationals, or are refused by name."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from leo_opt import Box, Network, propagate
from leo_opt.bounds import post_interval
from leo_opt.bounds.crown import bound_layer
from leo_opt.errors import UnsupportedOperatorError
from leo_opt.network import Layer, read_activation
from leo_opt.rewrites.rational import activate, affine

LEAKY = ["relu", "linear", "leaky-relu(0.1)", "leaky-relu(0.7)"]


def random_layers(generator: np.random.Generator, tags: list[str]) -> Network:
    widths = [3, 4, 4, 3, 2]
    layers = []
    for n_in, n_out in pairwise(widths):
        chosen = generator.choice(tags, size=n_out).tolist()
        layers.append(
            Layer(generator.normal(size=(n_out, n_in)), generator.normal(size=n_out), chosen)
        )
    return Network(tuple(layers))


def exact_pres(network: Network, point: np.ndarray) -> list[list[Fraction]]:
    values, pres = [Fraction(x) for x in point.tolist()], []
    for layer in network.layers:
        pres.append(affine(layer, values))
        values = activate(layer, pres[-1])
    return pres


@pytest.mark.parametrize("method", ["interval", "crown"])
@pytest.mark.parametrize("seed", range(10))
def test_no_input_of_the_box_is_outside(seed: int, method: str) -> None:
    generator = np.random.default_rng(seed)
    tags = [LEAKY, [*LEAKY, "clip(-0.5,0.3)", "clip(-inf,1)"]][seed // 2 % 2]
    network = random_layers(generator, tags)
    # Narrow boxes, on which rounding is a large share of the width.
    centre = generator.normal(size=3)
    box = Box(centre, centre + (1.0 if seed % 2 else 2.0**-45))
    bounds = propagate(network, box, method)
    for point in np.vstack([box.lower, box.upper, box.sample(10, generator)]):
        for low, high, pre in zip(
            bounds.lower, bounds.upper, exact_pres(network, point), strict=True
        ):
            for unit, value in enumerate(pre):
                assert Fraction(float(low[unit])) <= value <= Fraction(float(high[unit]))


@pytest.mark.parametrize("tag", ["leaky-relu(0.1)", "clip(-1,2)", "clip(-inf,1)"])
def test_crown_is_tighter_than_intervals(tag: str) -> None:
    network = random_layers(np.random.default_rng(3), [tag])
    plain, crown = (propagate(network, Box(-0.2, 0.2), method) for method in ("interval", "crown"))
    width = [float((b.upper[-1] - b.lower[-1]).sum()) for b in (plain, crown)]
    assert width[1] < 0.8 * width[0]


@pytest.mark.parametrize("tag", ["leaky-relu(0.1)", "leaky-relu(0.3)", "clip(-1,0.3)"])
def test_post_intervals_hold_in_rationals(tag: str) -> None:
    ends = np.random.default_rng(0).normal(size=200)
    low, high = post_interval(Layer(np.eye(200), np.zeros(200), tag), ends, ends)
    for below, above, end in zip(low, high, ends, strict=True):
        value = read_activation(tag).exact(Fraction(float(end)))
        assert Fraction(float(below)) <= value <= Fraction(float(above))


def test_what_does_not_know_them_refuses_by_name() -> None:
    network = random_layers(np.random.default_rng(0), ["clip(0,6)"])
    bounds = propagate(network, Box(0, 1), "interval")
    with pytest.raises(UnsupportedOperatorError, match="clip"):
        bound_layer(network, Box(0, 1).spread(3), 1, bounds.lower, bounds.upper)
