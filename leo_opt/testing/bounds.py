"""The conformance suite of bound methods: what each must do, tried on small random networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from scipy.sparse import csr_array

from leo_opt import weights
from leo_opt.bounds import METHODS, BoundMethod, BoundMethodLike, Interval, propagate
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Box
from leo_opt.evidence import Premise
from leo_opt.network import FloatArray, Layer, Network
from leo_opt.testing.models import expect
from leo_opt.testing.suite import run_checks

_SEEDS = range(12)
_SEGMENTS = 3
"""Pieces of straight lines through each box on which the exact ranges are known."""

Ranges = list[list[tuple[Fraction, Fraction]]]
"""Least and largest value of each unit of each layer."""


def ranges_on(network: Network, start: FloatArray, end: FloatArray) -> Ranges:
    """Exact ranges of all pre-activations on the segment between two inputs (n,), in rationals.

    Along it every unit is piecewise linear, so that its values at the breakpoints say all.
    """
    times = [Fraction(0), Fraction(1)]
    ends = (start.tolist(), end.tolist())
    posts = [[Fraction(value) for value in point] for point in ends]
    found: Ranges = []
    for layer in network.layers:
        rows = [[Fraction(value) for value in row] for row in weights.dense(layer.weight).tolist()]
        bias = [Fraction(value) for value in layer.bias.tolist()]
        pres = [
            [
                b + sum(w * h for w, h in zip(row, post, strict=True))
                for row, b in zip(rows, bias, strict=True)
            ]
            for post in posts
        ]
        found.append([(min(values), max(values)) for values in zip(*pres, strict=True)])
        times, pres = _refined(layer, times, pres)
        posts = [[Fraction(0)] * layer.n_out for _ in times]
        for activation, units in layer.activations():
            for unit in units.tolist():
                for post, pre in zip(posts, pres, strict=True):
                    post[unit] = activation.exact(pre[unit])
    return found


def _refined(
    layer: Layer, times: list[Fraction], pres: list[list[Fraction]]
) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Times and pre-activations with the moments at which units pass from piece to piece."""
    bends = {
        unit: [Fraction(piece.lower) for piece in activation.pieces[1:]]
        for activation, units in layer.activations()
        for unit in units.tolist()
    }
    moments, values = [times[0]], [pres[0]]
    for (before, low), (after, high) in pairwise(zip(times, pres, strict=True)):
        shares = {
            (bend - low[unit]) / (high[unit] - low[unit])
            for unit, at in bends.items()
            for bend in at
            if (low[unit] - bend) * (high[unit] - bend) < 0
        }
        for share in sorted(shares | {Fraction(1)}):
            moments.append(before + share * (after - before))
            values.append([a + share * (b - a) for a, b in zip(low, high, strict=True)])
    return moments, values


def small_networks() -> Iterator[tuple[Network, Box, np.random.Generator]]:
    """Small networks and boxes: dense and sparse, with linear units and lanes, wide and narrow."""
    for seed in _SEEDS:
        generator = np.random.default_rng(seed)
        widths = (1 + seed % 3, 4, 3, 2)
        layers: list[Layer] = []
        for index, (n_in, n_out) in enumerate(pairwise(widths)):
            weight, bias = generator.normal(size=(n_out, n_in)), generator.normal(size=n_out)
            tags = ["relu"] * n_out if index < 2 else ["linear"] * n_out
            if seed % 4 == 1 and index == 1:
                # The first unit carries an earlier one past this layer, the second is linear.
                weight[0], bias[0], tags[:2] = np.eye(n_in)[0], 0.0, ["linear", "linear"]
            if seed % 4 == 2:
                weight *= generator.random(weight.shape) < 0.6
            layers.append(Layer(csr_array(weight) if seed % 4 == 2 else weight, bias, tags))
        centre, radius = generator.normal(size=widths[0]), (1.0, 2.0**-20, 1e6)[seed // 4]
        yield Network(tuple(layers)), Box(centre - radius, centre + radius), generator


def segments(box: Box, generator: np.random.Generator) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Ends of segments through a box, from corner to corner."""
    for _ in range(_SEGMENTS):
        corners = box.vertices(generator.normal(size=(2, box.lower.size)))
        yield corners[0], corners[1]
    # With one input this is the whole box.
    yield box.lower, box.upper


def expect_inside(ends: Interval, exact: list[tuple[Fraction, Fraction]], place: str) -> None:
    """Bounds of a layer hold the exact ranges of its units."""
    for unit, (low, high) in enumerate(exact):
        lower, upper = float(ends[0][unit]), float(ends[1][unit])
        expect(
            # Python compares rationals with floats exactly, infinite ones too.
            low >= lower and high <= upper,
            f"unit {unit} of {place} reaches [{float(low)!r}, {float(high)!r}] and is said to stay "
            f"in [{lower!r}, {upper!r}]",
        )


def check_description(method: BoundMethod) -> None:
    """Name and premise."""
    expect(bool(method.name), "the name is empty")
    expect(isinstance(method.premise, Premise), f"the premise is {method.premise!r}")


def check_sound(method: BoundMethod) -> None:
    """Bounds hold all that the network reaches, to the last bit."""
    for seed, (network, box, generator) in enumerate(small_networks()):
        bounds = propagate(network, box, method)
        for ends in segments(box, generator):
            for index, exact in enumerate(ranges_on(network, *ends)):
                sides = bounds.lower[index], bounds.upper[index]
                expect_inside(sides, exact, f"layer {index} of network {seed}")


def check_given_bounds(method: BoundMethod) -> None:
    """Bounds hold for the inputs whose earlier pre-activations lie within those given."""
    for seed, (network, box, _) in enumerate(small_networks()):
        bound = method.start(network, box)
        middle = 0.5 * (box.lower + box.upper)
        exact = ranges_on(network, box.lower, middle)
        lower = [np.nextafter([float(low) for low, _ in layer], -np.inf) for layer in exact]
        upper = [np.nextafter([float(high) for _, high in layer], np.inf) for layer in exact]
        for index in range(1, len(network.layers)):
            ends = bound(index, lower[:index], upper[:index], NO_LIMIT)
            expect_inside(ends, exact[index], f"layer {index} of network {seed}")


def check_infinite_bounds(method: BoundMethod) -> None:
    """Earlier bounds that are infinite, and overflow, are no information and no error."""
    for network, box, generator in small_networks():
        bound = method.start(network, box)
        sizes = [layer.n_out for layer in network.layers]
        lower, upper = [np.full(n, -np.inf) for n in sizes], [np.full(n, np.inf) for n in sizes]
        for ends in segments(box, generator):
            for index, exact in enumerate(ranges_on(network, *ends)[1:], start=1):
                sides = bound(index, lower[:index], upper[:index], NO_LIMIT)
                known = np.where(np.isnan(sides[0]), -np.inf, sides[0])
                above = np.where(np.isnan(sides[1]), np.inf, sides[1])
                expect_inside((known, above), exact, f"layer {index} without bounds before it")
    huge = Network.from_arrays([[[1e200]], [[1e200]], [[-1.0]]], [[0.0], [0.0], [0.0]])
    bounds = propagate(huge, Box(0.0, 1.0), method)
    expect(bounds.upper[1][0] == np.inf, f"1e400 is said to be below {bounds.upper[1][0]}")


def check_extreme_weights(method: BoundMethod) -> None:
    """Products that vanish on the way, and units of size 1e-200 and 1e200, prove nothing false."""
    for factor in (1e-200, 1e-100, 1e100):
        network = Network.from_arrays(
            [[[1.0 / factor], [-3.0]], [[factor, factor], [0.1, -0.3]], [[factor, 0.1]]],
            [[0.1, 0.2], [-0.1 * factor, 0.0], [-factor]],
            ["relu", "relu", "linear"],
        )
        box = Box(-1.0, 1.0).spread(1)
        bounds = propagate(network, box, method)
        for index, exact in enumerate(ranges_on(network, box.lower, box.upper)):
            sides = bounds.lower[index], bounds.upper[index]
            expect_inside(sides, exact, f"layer {index} with weights of {factor:g}")


def check_same_twice(method: BoundMethod) -> None:
    """The same question has the same answer, and changes nothing of what was given."""
    for network, box, _ in small_networks():
        known = propagate(network, box, "interval")
        lower, upper = ([side.copy() for side in sides] for sides in (known.lower, known.upper))
        answers = []
        for _ in range(2):
            bound = method.start(network, box)
            for index in range(1, len(network.layers)):
                answers.append(bound(index, lower[:index], upper[:index], NO_LIMIT))
        half = len(answers) // 2
        for first, second in zip(answers[:half], answers[half:], strict=True):
            same = all(
                np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)
            )
            expect(same, f"two calls give {first} and {second}")
        given = (*known.lower, *known.upper)
        expect(all(map(np.array_equal, given, (*lower, *upper))), "given bounds have been changed")


def check_deadline(method: BoundMethod) -> None:
    """Where no time is left, what is said is still true."""
    network, box, _ = next(small_networks())
    bounds = propagate(network, box, method, time_limit=Deadline(1e-9))
    for index, exact in enumerate(ranges_on(network, box.lower, box.upper)):
        expect_inside((bounds.lower[index], bounds.upper[index]), exact, f"layer {index}")


BOUNDS_CHECKS: Mapping[str, Callable[[BoundMethod], None]] = MappingProxyType(
    {
        "description": check_description,
        "sound": check_sound,
        "given-bounds": check_given_bounds,
        "infinite-bounds": check_infinite_bounds,
        "extreme-weights": check_extreme_weights,
        "same-twice": check_same_twice,
        "deadline": check_deadline,
    }
)
"""What a bound method must do, by name."""


def check_bound_method(method: BoundMethodLike, only: Iterable[str] | None = None) -> list[str]:
    """Run the conformance suite on a bound method.

    A method whose premise is not arithmetic is held to the same: its bounds must be true of these
    networks, too.

    Parameters
    ----------
    method
        A `BoundMethod`, a class of them, or a name that `leo_opt.bounds.METHODS.find` takes.
    only
        Names of checks, keys of `BOUNDS_CHECKS`; all by default.

    Returns
    -------
    list of str
        Names of the checks that passed.

    Raises
    ------
    ConformanceError
        If any check fails.
    InvalidInputError
        If a check is unknown.

    Examples
    --------
    >>> from leo_opt.testing import check_bound_method
    >>> check_bound_method("interval", only=["sound", "deadline"])
    ['sound', 'deadline']
    """
    checked = METHODS.find(method)
    return run_checks(f"bound method {checked.name}", BOUNDS_CHECKS, only, checked)
