"""Whether two networks can give one input different classes."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from oracle import cell_vertices, exact_output
from random_networks import bent, random_box, random_network
from seeds import seeds

from leo_opt import Box, Layer, Network, rectified
from leo_opt.difference.alignment import align, side_by_side
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.verification.classes import check_classes, same_class


def _moved(network: Network, generator: np.random.Generator, size: float) -> Network:
    weights = [np.array(layer.weight) for layer in network.layers]
    weights[-1] *= 1.0 + size * generator.uniform(-1, 1, weights[-1].shape)
    biases = [layer.bias for layer in network.layers]
    return Network.from_arrays(weights, biases, [layer.activation for layer in network.layers])


def _changes(first: Network, second: Network, box: Box) -> bool:
    """Whether a class changes: the truth, in rationals, at vertices of all cells.

    Cells are cut where two outputs of one network are equal, too, so that in each the classes stay
    the same, and what overtakes another output does so at a vertex.
    """
    classes = first.output_size
    both = side_by_side(align(rectified(first), rectified(second), box, 0)[0])
    rows = [
        np.eye(2 * classes)[start + a] - np.eye(2 * classes)[start + b]
        for start in (0, classes)
        for a in range(classes)
        for b in range(a)
    ]
    cut = Layer(np.array(rows), np.zeros(len(rows)), "relu")
    for point in cell_vertices(Network((*both.layers, cut)), box):
        mine, theirs = exact_output(first, point), exact_output(second, point)
        for a, b in permutations(range(classes), 2):
            if mine[a] == max(mine) and theirs[b] > theirs[a]:
                return True
    return False


@pytest.mark.parametrize("seed", seeds(30, of=300))
def test_the_verdict_is_the_truth(seed: int) -> None:
    generator = np.random.default_rng(seed)
    box = random_box(generator, int(generator.integers(1, 3)))
    widths = tuple(int(w) for w in generator.integers(1, 4, size=generator.integers(0, 3)))
    outputs = int(generator.integers(2, 4))
    first = random_network(generator, box=box, widths=widths, outputs=outputs)
    first = bent(generator, first) if seed % 3 == 0 else first
    kind = seed % 4
    if kind == 0:
        second = first
    elif kind == 1:
        second = random_network(generator, box=box, widths=widths, outputs=outputs)
    else:
        size = 10.0 ** float(generator.integers(-12, 1))
        layers = [
            Layer(
                layer.weight * (1.0 + size * generator.uniform(-1, 1, layer.weight.shape)),
                layer.bias,
                layer.tags,
            )
            for layer in first.layers
        ]
        second = Network(tuple(layers))
    # Outputs of both that are tied in a whole region leave no end of pieces.
    verdict = same_class(first, second, box, piece_limit=20_000)
    changes = _changes(first, second, box)
    assert verdict.answer != ("holds" if changes else "violated")
    if kind == 0:
        assert verdict.answer == "holds"
    if verdict.answer == "violated":
        point = [Fraction(float(x)) for x in verdict.inputs]
        point = point if verdict.exact_inputs is None else list(verdict.exact_inputs)
        mine, theirs = exact_output(first, point), exact_output(second, point)
        classes = [k for k in range(outputs) if mine[k] == max(mine)]
        assert any(theirs[k] < max(theirs) for k in classes)


def test_balls_are_asked_one_by_one() -> None:
    first = Network.from_arrays([[[1.0], [-1.0]]], [[0.0, 0.0]])
    second = Network.from_arrays([[[1.0], [-1.0]]], [[0.25, 0.0]])
    balls = [Box.around([x], 0.1) for x in (-1.0, 0.0, 1.0)]
    answers = [check.verdict.answer for check in check_classes(first, second, balls)]
    assert answers == ["holds", "violated", "holds"]


@pytest.mark.parametrize("seed", range(2))
def test_the_verdict_is_what_samples_say(seed: int) -> None:
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=shape) for shape in ((4, 2), (4, 4), (3, 4))]
    network = Network.from_arrays(weights, [generator.normal(size=len(w)) for w in weights])
    box = Box.around(generator.random(2), float(generator.choice([0.01, 0.3])))
    second = _moved(network, generator, float(generator.choice([1e-3, 0.3])))
    verdict = same_class(network, second, box)
    points = box.sample(2000, generator)
    changed = network(points).argmax(axis=1) != second(points).argmax(axis=1)
    assert verdict.answer in ("holds", "violated")
    assert not (verdict.answer == "holds" and changed.any())
    if verdict.answer == "violated":
        outputs = np.split(verdict.outputs, 2)
        assert outputs[0].argmax() != outputs[1].argmax()


def test_where_classes_are_apart_no_tie_of_others_counts() -> None:
    bias = [[0.0, 0.0, 5.0]]
    network = Network.from_arrays([[[1.0], [1.0], [-1.0]]], bias)
    other = Network.from_arrays([[[1.0], [1.25], [-1.0]]], bias)
    assert same_class(network, other, (-1.0, 1.0)).answer == "holds"
    assert same_class(network, other, (-1.0, 4.0)).answer == "violated"


def test_outputs_that_are_never_positive_can_overtake() -> None:
    first = Network.from_arrays([[[1.0], [0.0]]], [[0.0, -1.0]])
    second = Network.from_arrays([[[1.0], [0.0]]], [[-2.0, -1.0]])
    assert same_class(first, second, Box([0.0], [0.5])).answer == "violated"
    assert same_class(second, first, Box([0.0], [0.5])).answer == "violated"
    assert same_class(second, second, Box([0.0], [0.5])).answer == "holds"


def test_bad_input_is_refused() -> None:
    generator = np.random.default_rng(0)
    one, two, three = (random_network(generator, inputs=2, outputs=k) for k in (1, 2, 3))
    with pytest.raises(InvalidInputError, match="1 output; classes take at least 2"):
        same_class(one, one, (0.0, 1.0))
    with pytest.raises(MismatchError, match="2 and 3 outputs"):
        same_class(two, three, (0.0, 1.0))
