"""What an activation says of itself follows from its pieces, and tags are read in one way."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from leo_opt.activations import (
    ACTIVATIONS,
    Activation,
    Family,
    LinearPiece,
    canonical,
    read_activation,
)
from leo_opt.errors import InvalidInputError
from leo_opt.formats.npz import encode, read
from leo_opt.network import Layer, Network

TAGS = ["linear", "relu", "leaky-relu(0.1)", "leaky-relu(0.25)", "clip(-1,2)", "clip(-inf,0.7)"]
STEPS = Activation(
    (
        LinearPiece(-np.inf, -1.0, 0.3),
        LinearPiece(-1.0, 0.7, 1.0),
        LinearPiece(0.7, 2.0, 0.0),
        LinearPiece(2.0, np.inf, 0.1),
    )
)
ALL = [*map(read_activation, TAGS), STEPS]
VALUES = [Fraction(-7, 3), Fraction(-1), Fraction(-1, 3), Fraction(0), Fraction(5, 2), Fraction(4)]


@pytest.mark.parametrize("value", VALUES)
def test_values_in_rationals(value: Fraction) -> None:
    assert read_activation("linear").exact(value) == value
    assert read_activation("relu").exact(value) == max(value, 0)
    assert read_activation("clip(-1,2)").exact(value) == min(max(value, Fraction(-1)), Fraction(2))
    assert read_activation("leaky-relu(0.1)").exact(value) == max(value, Fraction(0.1) * value)
    slopes = [Fraction(piece.slope) for piece in STEPS.pieces]
    zigzag = slopes[0] * min(value + 1, 0) + min(max(value, Fraction(-1)), Fraction(0.7))
    assert STEPS.exact(value) == zigzag + slopes[3] * max(value - 2, Fraction(0))


@pytest.mark.parametrize("activation", ALL)
def test_floats_are_as_near_to_rationals_as_they_say(activation: Activation) -> None:
    generator = np.random.default_rng(0)
    pre = np.concatenate([np.linspace(-3, 3, 61), generator.normal(size=200), [0.7, 5e-324, 1e300]])
    exact = [activation.exact(Fraction(float(x))) for x in pre]
    for got, bound, value in zip(activation(pre), activation.rounding(pre), exact, strict=True):
        assert abs(Fraction(float(got)) - value) <= Fraction(float(bound))
    assert activation.rounds == bool(activation.rounding(pre).any())


@pytest.mark.parametrize("activation", ALL)
def test_infinite_ends_have_values(activation: Activation) -> None:
    ends = np.array([-np.inf, np.inf])
    assert not np.isnan(activation(ends)).any()
    assert not activation.rounding(ends).any()
    assert np.isnan(activation(np.array([np.nan]))).all(), "what is no number is not 0"


@pytest.mark.parametrize("activation", ALL)
def test_facts_are_what_values_show(activation: Activation) -> None:
    pairs = [(x, y) for x in VALUES for y in VALUES if x < y]
    middle = all(
        2 * activation.exact((x + y) / 2) <= activation.exact(x) + activation.exact(y)
        for x, y in pairs
    )
    assert activation.convex == middle
    scaled = all(activation.exact(3 * x) == 3 * activation.exact(x) for x in VALUES)
    assert activation.homogeneous == scaled
    steepest = max((activation.exact(y) - activation.exact(x)) / (y - x) for x, y in pairs)
    assert steepest <= activation.lipschitz
    assert activation.lipschitz == max(piece.slope for piece in activation.pieces)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("leaky-relu(0.10)", "leaky-relu(0.1)"),
        ("leaky-relu( 1e-1 )", "leaky-relu(0.1)"),
        ("leaky-relu(-0.0)", "relu"),
        ("clip(-0.0, 6.0)", "clip(0,6)"),
        ("clip(0,inf)", "relu"),
        ("clip(-inf,inf)", "linear"),
        (f"leaky-relu({np.float32(0.1):.20f})", "leaky-relu(0.10000000149011612)"),
    ],
)
def test_tags_have_one_way_to_be_written(given: str, written: str) -> None:
    assert canonical(given) == written
    layer = Layer([[1.0]], [0.0], given)
    assert layer.activation == written
    same = Network((Layer([[1.0]], [0.0], written),))
    assert Network((layer,)).content_hash == same.content_hash


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("leaky-relu(1)", "0 <= a < 1"),
        ("leaky-relu(-0.1)", "0 <= a < 1"),
        ("leaky-relu(nan)", "0 <= a < 1"),
        ("leaky-relu", r"needs 1 number.*leaky-relu\(a\)"),
        ("leaky-relu(0.1", "needs 1 number"),
        ("leaky-relu(0.1,2)", "needs 1 number"),
        ("leaky-relu(a)", "needs 1 number"),
        ("clip(1,2)", "l <= 0 <= u"),
        ("clip(0,0)", "l < u"),
        ("clip(0)", "needs 2 number"),
        ("relu(1)", "takes no numbers; write relu"),
        ("relu()", "takes no numbers; write relu"),
        ("leaky(0.1)", r"leaky-relu\(a\) with 0 <= a < 1"),
        (None, "None"),
        (["relu"], "relu"),
    ],
)
def test_wrong_tags_are_refused_with_the_cure(tag: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        Layer([[1.0]], [0.0], [tag])


@pytest.mark.parametrize(
    "pieces",
    [
        [(-np.inf, 0.0, 0.0), (1.0, np.inf, 1.0)],
        [(-np.inf, 0.0, 0.5), (0.0, np.inf, 0.5)],
        [(-np.inf, 0.0, 0.5), (0.0, np.inf, 1.5)],
        [(-np.inf, 0.0, -0.5), (0.0, np.inf, 0.5)],
        [(0.0, np.inf, 0.5)],
        [],
    ],
)
def test_pieces_that_are_no_activation_are_refused(pieces) -> None:
    with pytest.raises(InvalidInputError):
        Activation(tuple(LinearPiece(*piece) for piece in pieces))


def test_a_row_of_the_table_is_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {**ACTIVATIONS, "steps": Family("steps", lambda: STEPS)}
    monkeypatch.setattr("leo_opt.activations.ACTIVATIONS", table)
    layer = Layer([[1.0]], [0.0], "steps")
    assert layer.has_phases
    assert layer.activate(np.array([0.5, 3.0])).tolist() == pytest.approx([0.5, 0.8])


def test_numbers_of_tags_are_kept_by_npz_and_hash(tmp_path) -> None:
    weight, bias = [[1.0], [2.0]], [0.0, 0.5]
    networks = [
        Network((Layer(weight, bias, tags),))
        for tags in ("relu", "leaky-relu(0.1)", "leaky-relu(0.2)", ["clip(-1,2)", "relu"])
    ]
    assert len({network.content_hash for network in networks}) == len(networks)
    for network in networks:
        path = tmp_path / "network.npz"
        path.write_bytes(encode(network, {}))
        assert read(path) == network
        assert read(path).content_hash == network.content_hash
