"""Upper planes hold whatever their shares, in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_ranges
from random_networks import random_case
from rationals import drifting, exact
from seeds import seeds

from leo_opt.bounds import crown, propagate
from leo_opt.bounds.planes import Planes, tilt
from leo_opt.domain import Box
from leo_opt.network import Layer, Network
from leo_opt.weights import dense, row


def random_planes(generator: np.random.Generator, layer: Layer) -> Planes:
    """Shares that are right, nearly right or absurd."""
    units = np.flatnonzero(generator.random(layer.n_out) < 0.7)
    shares = generator.dirichlet(np.ones(3), size=units.size).reshape(units.size, 3)
    chosen = generator.random((units.size, layer.n_in))
    inputs = np.where(generator.random(chosen.shape) < 0.5, chosen, np.round(chosen))
    inputs *= shares[:, [2]]
    kind = generator.integers(0, 4)
    if kind == 0:
        shares = shares + 1e-9 * generator.normal(size=shares.shape)
    if kind == 1:
        shares, inputs = 3.0 * generator.normal(size=shares.shape), 2.0 * inputs - 0.5
    return Planes(units, shares[:, 0], shares[:, 1], inputs)


def rows_of(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    return np.vstack([dense(layer.weight), -dense(layer.weight)]), np.concatenate(
        [layer.bias, -layer.bias]
    )


@pytest.mark.parametrize("chunk", seeds(8, of=20))
def test_bounds_through_any_planes_are_true(chunk: int) -> None:
    for seed in range(10 * chunk, 10 * chunk + 10):
        generator = np.random.default_rng(seed)
        network, box = random_case(generator)
        box = box.spread(network.input_size)
        bounds, exact = propagate(network, box), exact_ranges(network, box)
        for layer in range(1, len(network.layers)):
            weight, bias = rows_of(network.layers[layer])
            passed = range(layer)
            planes = {k: random_planes(generator, network.layers[k]) for k in passed}
            planes = {k: p for k, p in planes.items() if network.layers[k].has_phases}
            sides = [
                [np.broadcast_to(side[k], (bias.size, side[k].size)) for k in passed]
                for side in (bounds.lower, bounds.upper)
            ]
            shape = [side.shape for side in sides[0]]
            found = crown.bound_dual(
                network,
                box,
                *sides,
                weight,
                bias,
                [generator.random(s) for s in shape],
                [generator.normal(size=s) * (generator.random() < 0.3) for s in shape],
                planes,
            )
            for unit, (low, high) in enumerate(exact[layer]):
                assert Fraction(found[unit]) >= high
                assert Fraction(found[len(exact[layer]) + unit]) >= -low


@pytest.mark.parametrize("seed", range(40))
def test_a_plane_lies_above_its_rectifier(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scale = 10.0 ** generator.integers(-8, 9)
    layer = Layer(generator.normal(size=(6, 4)) * scale, generator.normal(size=6) * scale, "relu")
    box = Box(*np.sort(generator.normal(size=(2, 4)) * 10.0 ** generator.integers(-8, 9), axis=0))
    bounds = propagate(Network((layer,)), box)
    planes = random_planes(generator, layer)
    slopes, offsets = tilt(
        layer, planes, (bounds.lower[0], bounds.upper[0]), (box.lower, box.upper)
    )
    points = np.vstack(
        [box.sample(30, generator), box.vertices(generator.normal(size=(30, 4))), box.lower]
    )
    for point in points:
        inputs = [Fraction(x) for x in point.tolist()]
        for k, unit in enumerate(planes.units):
            pre = Fraction(layer.bias[unit]) + sum(
                Fraction(w) * x
                for w, x in zip(row(layer.weight, unit).tolist(), inputs, strict=True)
            )
            plane = Fraction(planes.pre[k]) * pre + Fraction(offsets[k])
            plane += sum(Fraction(s) * x for s, x in zip(slopes[k].tolist(), inputs, strict=True))
            assert plane >= max(pre, 0)


def test_the_chord_is_the_plane_without_inputs() -> None:
    layer = Layer([[1.0, -2.0]], [0.25], "relu")
    box = Box([-1.0, -1.0], [1.0, 1.0])
    low, high = -2.75, 3.25
    share = high / (high - low)
    planes = Planes(np.array([0]), np.array([share]), np.array([1 - share]), np.zeros((1, 2)))
    _, offset = tilt(layer, planes, (np.array([low]), np.array([high])), (box.lower, box.upper))
    assert offset[0] == pytest.approx(-share * low, rel=1e-9)


def largest(row: list[Fraction], box: tuple[np.ndarray, np.ndarray]) -> Fraction:
    ends = zip(row, exact(box[0]), exact(box[1]), strict=True)
    return sum((w * (up if w > 0 else low) for w, low, up in ends), Fraction(0))


@pytest.mark.parametrize("power", [0, 520])
@pytest.mark.parametrize("seed", range(10))
def test_offsets_of_planes(seed: int, power: int) -> None:
    """What `tilt` says of g in its interval and h in its box, each of them alone."""
    generator = np.random.default_rng((145, seed))
    inputs = int(generator.integers(1, 60))
    scale = 10.0 ** generator.integers(-8, 4) * 2.0**-power
    layer = Layer(
        generator.normal(size=(6, inputs)) * scale, generator.normal(size=6) * scale, "relu"
    )
    box = tuple(np.sort(generator.normal(size=(2, inputs)), axis=0) * 2.0**-power)
    low, high = -generator.random(6) * scale, generator.random(6) * scale
    shares = generator.dirichlet(np.ones(3), size=6)
    # Inputs are read by all, none or some of what is left of the shares.
    taken = shares[:, [2]] * np.round(generator.random((6, inputs)), seed % 3)
    planes = Planes(np.arange(6), shares[:, 0], shares[:, 1], taken)
    slopes, offsets = tilt(layer, planes, (low, high), box)
    for unit in range(6):
        pre, flat = exact(planes.pre)[unit], exact(planes.flat)[unit]
        rest = 1 - pre - flat
        slope = exact(slopes[unit])
        off = largest([-s for s in slope], box) - pre * exact(low)[unit]
        inner = [rest * w - s for w, s in zip(exact(layer.weight[unit]), slope, strict=True)]
        on = largest(inner, box) + flat * exact(high)[unit] + rest * exact(layer.bias)[unit]
        assert Fraction(float(offsets[unit])) >= max(off, on)


@pytest.mark.system
def test_sums_over_many_planes_are_rounded_upwards() -> None:
    """Chords written as planes touch their rectifiers, so that only rounding is left."""
    count, box = 2**18, Box([-1.0], [1.0])
    for slope in drifting(6):
        layer = Layer(np.full((count, 1), slope), np.zeros(count), "relu")
        network = Network((layer, Layer(np.ones((1, count)), [0.0], "linear")))
        ends = np.full((1, count), slope)
        half = np.full(count, 0.5)
        planes = {0: Planes(np.arange(count), half, half, np.zeros((count, 1)))}
        some = np.zeros((1, count))
        [found] = crown.bound_dual(
            network, box, [-ends], [ends], np.ones((1, count)), np.zeros(1), [some], [some], planes
        )
        assert Fraction(float(found)) >= count * Fraction(slope)
        assert found <= (1.0 + 1e-9) * count * slope


def test_offsets_of_products_that_underflow() -> None:
    """Each product is rounded to a multiple of the smallest number."""
    count, tiny = 1000, 2.0**-537
    for factor in drifting(6):
        layer = Layer(np.full((1, count), -factor * tiny), [0.0], "relu")
        box = np.full(count, 0.75 * tiny), np.full(count, 1.5 * tiny)
        planes = Planes(np.array([0]), np.zeros(1), np.zeros(1), np.ones((1, count)))
        slopes, offsets = tilt(layer, planes, (np.zeros(1), np.zeros(1)), box)
        assert Fraction(float(offsets[0])) >= largest([-s for s in exact(slopes)], box)
