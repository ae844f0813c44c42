"""Properties behind a tail are decided in front of it, or refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from random_networks import random_box, random_network

from leo_opt.domain import Box
from leo_opt.errors import MismatchError, UnsupportedOperatorError
from leo_opt.inequalities import Inequality
from leo_opt.network import Layer, Network
from leo_opt.properties import Case, Property
from leo_opt.signature import Signature
from leo_opt.tails import Tail, TailStep
from leo_opt.verification import verify

Term = tuple[int, int | Fraction]


def some_network(generator: np.random.Generator, size: int, box: Box) -> Network:
    """A small network with so many outputs."""
    hidden = random_network(generator, widths=(4,), box=box)
    last = generator.integers(-3, 4, (size, hidden.output_size)) / 2
    return Network((*hidden.layers, Layer(last, generator.integers(-2, 3, size) / 4, "linear")))


def behind(network: Network, *steps: TailStep) -> Network:
    """A network with a tail."""
    shape = ("N", network.output_size)
    tail = Tail("scores", shape, steps, "y", shape)
    return Network(network.layers, Signature(output_name="scores", tails=(tail,)))


def row(terms: list[Term], bound: float | Fraction, strict: bool = False) -> Inequality:
    """An inequality of outputs."""
    pairs = tuple((("Y", k), Fraction(factor)) for k, factor in terms)
    return Inequality(pairs, Fraction(bound), strict)


def asked(box: Box, size: int, *cases: list[Inequality]) -> Property:
    """A property with one box."""
    return Property(box.size or 1, size, tuple(Case(box, tuple(rows)) for rows in cases))


def shown(network: Network, prop: Property, points: np.ndarray) -> bool:
    """Whether some point violates a property clearly, by the numbers behind the tail."""
    found = network.signature.tails[0](network(points))
    sides = []
    for case in prop.cases:
        slack = [
            sum(float(f) * found[:, k] for (_, k), f in r.terms) - float(r.bound)
            for r in case.outputs
        ]
        sides.append((np.array(slack) < -1e-9).all(axis=0).any())
    return any(sides)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Sigmoid", "Tanh"])
def test_verdicts_are_those_behind_the_tail(seed: int, operator: str):
    generator = np.random.default_rng(seed)
    box = random_box(generator, 2)
    size = 2 if operator == "Softmax" and seed % 2 else 3
    plain = some_network(generator, size, box)
    network = behind(plain, TailStep(operator, None if operator in ("Sigmoid", "Tanh") else 1))
    left, right = generator.choice(size, 2, replace=False).tolist()
    rows = [row([(left, 1), (right, -1)], 0)]
    if operator == "LogSoftmax":
        rows = [row([(left, 2), (right, -2)], Fraction(int(generator.integers(-8, 8)), 4))]
    elif operator != "Softmax" or size == 2:
        low = -1 if operator == "Tanh" else 0
        threshold = Fraction(int(generator.integers(low * 16 - 1, 18)), 16)
        rows = [row([(left, 1)], threshold)] if seed % 3 else [row([(left, -1)], -threshold)]
    prop = asked(box, size, rows)
    verdict = verify(network, prop, time_limit=5)
    points = box.sample(500, generator)
    if shown(network, prop, points):
        assert str(verdict.answer) == "violated"
    if str(verdict.answer) == "violated":
        assert verdict.inputs is not None
        found = network.signature.tails[0](network(verdict.inputs)[None, :])[0]
        np.testing.assert_allclose(verdict.outputs, found)
        for r in rows:
            assert sum(float(f) * found[k] for (_, k), f in r.terms) <= float(r.bound) + 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_a_winner_is_a_set_of_orders(seed: int):
    generator = np.random.default_rng(seed)
    box = random_box(generator, 2)
    network = behind(some_network(generator, 3, box), TailStep("Softmax", 1), TailStep("ArgMax", 1))
    label = int(generator.integers(network.output_size))
    # The winner is not the label: below it, or above it.
    below, above = [row([(0, 1)], label - 1)], [row([(0, -1)], -label - 1)]
    prop = asked(box, 1, below, above)
    verdict = verify(network, prop, time_limit=5)
    assert len(verdict.cases) == 2
    scores = network(np.vstack([box.sample(500, generator), box.centre]))
    winners = scores.argmax(axis=1)
    order = np.sort(scores, axis=1)
    clear = order[:, -1] - order[:, -2] > 1e-9 if scores.shape[1] > 1 else np.ones(len(scores))
    if (clear & (winners != label)).any():
        assert str(verdict.answer) == "violated"
    if str(verdict.answer) == "violated":
        [winner] = verdict.outputs
        assert verdict.case == (0 if winner < label else 1)


def test_of_equal_scores_the_first_wins():
    network = behind(Network.from_arrays([[[1.0], [1.0]]], [[0.0, 0.0]]), TailStep("ArgMax", 1))
    box = Box([0.0], [1.0])
    assert str(verify(network, asked(box, 1, [row([(0, -1)], -1)])).answer) != "violated"
    assert str(verify(network, asked(box, 1, [row([(0, 1)], 0)])).answer) == "violated"


def test_thresholds_are_rounded_outward():
    """A sigmoid reaches 3/4 where its input is ln 3, which is no float64 number."""
    end = float(np.log(3.0))
    for upper, answer in ((np.nextafter(end, 0.0) - 1e-12, "holds"), (end + 1e-12, "violated")):
        network = behind(Network.from_arrays([[[1.0]]], [None], ["linear"]), TailStep("Sigmoid"))
        prop = asked(Box([0.0], [upper]), 1, [row([(0, -1)], Fraction(-3, 4))])
        assert str(verify(network, prop).answer) == answer
    close = asked(Box([0.0], [end]), 1, [row([(0, -1)], Fraction(-3, 4))])
    verdict = verify(network, close)
    assert str(verdict.answer) == "unknown"
    assert verdict.inputs is None
    assert "rounding" in " ".join(verdict.reasons)


def test_thresholds_beyond_the_range_need_no_network():
    network = behind(Network.from_arrays([[[1.0]]], [None], ["linear"]), TailStep("Sigmoid"))
    box = Box([0.0], [1.0])
    assert str(verify(network, asked(box, 1, [row([(0, 1)], 0)])).answer) == "holds"
    assert str(verify(network, asked(box, 1, [row([(0, -1)], -1)])).answer) == "holds"
    assert str(verify(network, asked(box, 1, [row([(0, 1)], 1)])).answer) == "violated"


@pytest.mark.parametrize(
    ("steps", "rows", "size"),
    [
        ([TailStep("Softmax", 1)], [row([(0, 1)], 0.5)], 3),
        ([TailStep("Softmax", 1)], [row([(0, 1), (1, -1)], 0.5)], 3),
        ([TailStep("Softmax", 1)], [row([(0, 1), (1, -2)], 0)], 3),
        ([TailStep("LogSoftmax", 1)], [row([(0, 1)], -1)], 3),
        ([TailStep("Sigmoid")], [row([(0, 1), (1, 1)], 1)], 3),
        ([TailStep("Hardmax", 1)], [row([(0, 1), (1, -1)], 0)], 3),
        ([TailStep("Sigmoid"), TailStep("Softmax", 1)], [row([(0, 1), (1, -1)], 0)], 3),
    ],
)
def test_what_has_no_equal_in_front_is_refused(steps: list[TailStep], rows: list, size: int):
    network = behind(Network.from_arrays([np.ones((size, 1))], [None]), *steps)
    with pytest.raises(UnsupportedOperatorError, match="--output-tensor 'scores'"):
        verify(network, asked(Box([0.0], [1.0]), size, rows))
    with pytest.raises(MismatchError, match="the file 3"):
        verify(network, asked(Box([0.0], [1.0]), size + 1, rows))
