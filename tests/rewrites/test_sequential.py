"""Networks made sequential: rectifiers alone, the same function, and the numbers told of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from exact_stability import as_fractions, exact_stability
from laws import check_draft
from oracle import exact_deviation, exact_output
from random_networks import bent, random_box, random_network, structured
from seeds import seeds

from leo_opt import Box, Layer, Network, compress, rectified
from leo_opt.formats import load, save
from leo_opt.formats.pytorch import to_torch
from leo_opt.rewrites import Draft, make_sequential
from leo_opt.rewrites.sequential import PASSED, SHIFTED, SPLIT


def told(draft: Draft) -> Counter[str]:
    """How many units each step was about."""
    counts: Counter[str] = Counter()
    for step in draft.steps:
        counts[step.rewrite] += len(step.removed)
    return counts


def check_tags(network: Network) -> None:
    assert all(layer.activation == "relu" for layer in network.layers[:-1])
    assert isinstance(network.layers[-1].activation, str)


def small_case(seed: int) -> tuple[Network, Box]:
    """A network with linear units and lanes, and a box of one or two inputs."""
    generator = np.random.default_rng(seed)
    box = random_box(generator, int(generator.integers(1, 3)))
    return structured(generator, random_network(generator, box=box)), box


def begin(network: Network, box: Box) -> Draft:
    return Draft.begin(network, exact_stability(network, box))


@pytest.mark.parametrize("chunk", seeds(1, of=154))
def test_the_law_on_random_networks(chunk: int) -> None:
    tally: Counter[str] = Counter()
    for seed in range(chunk * 13, (chunk + 1) * 13):
        network, box = small_case(seed)
        draft = Draft.begin(network, exact_stability(network, box, loose=bool(seed % 2)))
        changed = make_sequential(draft)
        check_tags(changed.network)
        check_draft(network, changed)
        tally += told(changed)
    assert PASSED in tally
    assert set(tally) <= {"fold", PASSED, SHIFTED}, tally


@pytest.mark.parametrize("seed", seeds(5, of=300))
def test_the_law_behind_compression(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = small_case(seed)
    if seed % 3 == 0:
        network = bent(generator, network)
        if seed % 2:
            layers = [replace(layer, activation=leaky(layer)) for layer in network.layers]
            network = replace(network, layers=tuple(layers))
    stability = exact_stability(rectified(network), box)
    result = compress(network, stability, form="chain")
    check_tags(result.network)
    worst = exact_deviation(network, result.network, box.spread(network.input_size))
    allowed = as_fractions(result.max_deviation)
    assert all(a <= b for a, b in zip(worst, allowed, strict=True)), result.steps
    assert result.network.signature == network.signature


def leaky(layer: Layer) -> list[str]:
    """Tags with leaky units in the place of clips."""
    return ["leaky-relu(0.3)" if tag.startswith("clip") else tag for tag in layer.tags]


def residual() -> Network:
    """The first of two values carried past two layers of rectifiers, of which none is stable."""
    carry = Layer([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], ["linear", "relu"])
    again = Layer([[1.0, 0.0], [0.0, 1.0]], [0.0, -0.25], ["linear", "relu"])
    return Network((carry, again, Layer([[1.0, 3.0]], [0.125])))


def box_of(low: float, high: float) -> Box:
    """Where the value that is carried is between these."""
    return Box([low, -1.0], [high, 1.0])


def test_a_shift_is_carried_along_with_its_value() -> None:
    network, box = residual(), box_of(-0.3, 1.0)
    changed = make_sequential(begin(network, box))
    assert told(changed) == {SHIFTED: 2}
    first, second, last = changed.network.layers
    assert first.bias[0] >= 0.3
    assert (second.weight[0].tolist(), second.bias[0]) == ([1.0, 0.0], 0.0)
    # Few bits, so that no sum is rounded anywhere.
    assert not changed.deviation.any()
    assert last.bias[0] == 0.125 - first.bias[0]
    assert float(first.bias[0] * 2048).is_integer()


def test_biases_that_must_be_rounded_count() -> None:
    network, box = residual(), box_of(-0.3, 1.0)
    network = Network((*network.layers[:-1], Layer([[1 / 3, 3.0]], [1000.1])))
    changed = make_sequential(begin(network, box))
    [worst] = exact_deviation(network, changed.network, box)
    assert 0 < worst <= Fraction(changed.deviation[0])


def test_values_that_keep_a_sign_pass() -> None:
    network = residual()
    above = make_sequential(begin(network, box_of(0.0, 1.0)))
    assert told(above) == {PASSED: 2}
    same = [layer.bias.tolist() for layer in above.network.layers]
    assert same == [layer.bias.tolist() for layer in network.layers]
    below = make_sequential(begin(network, box_of(-1.0, 0.0)))
    assert told(below) == {PASSED: 2}
    assert below.network.layers[0].weight.tolist() == [[-1.0, 0.0], [0.0, 1.0]]
    assert not below.deviation.any()


def test_values_without_bounds_are_split() -> None:
    """Exactly, where shifts would be so large that they leave nothing of other numbers."""
    network = residual()
    changed = make_sequential(begin(network, box_of(-1e200, 2e200)))
    check_tags(changed.network)
    assert told(changed) == {SPLIT: 2}
    check_draft(network, changed)
    assert not changed.deviation.any()
    for place in (-3.7e-5, 0.0, 1.1, -1e190):
        assert exact_output(changed.network, [place, 0.5]) == exact_output(network, [place, 0.5])


def test_outputs_of_several_tags_get_a_layer_behind() -> None:
    network = Network((Layer([[1.0], [1.0]], [0.0, -0.5], ["linear", "relu"]),))
    result = compress(network, Box(-1, 1), form="chain")
    check_tags(result.network)
    assert len(result.network.layers) == 2
    assert [len(kept) for kept in result.kept] == [2]
    worst = exact_deviation(network, result.network, Box(-1, 1).spread(1))
    assert all(k <= Fraction(d) for k, d in zip(worst, result.max_deviation, strict=True))


@pytest.mark.parametrize("suffix", ["onnx", "nnet", "npz"])
def test_formats_of_rectifiers_take_it(suffix: str, tmp_path) -> None:
    network, box = residual(), box_of(-0.3, 1.0)
    smaller = compress(network, box, form="chain").network
    path = tmp_path / f"small.{suffix}"
    save(smaller, path, dtype="float64")
    assert [layer.activation for layer in load(path).layers] == ["relu", "relu", "linear"]
    assert load(path) == smaller


@pytest.mark.extras
def test_a_module_is_linear_and_relu() -> None:
    torch = pytest.importorskip("torch")
    network, box = residual(), box_of(-0.3, 1.0)
    smaller = compress(network, box, form="chain").network
    module = to_torch(smaller, "float64")
    assert [type(part).__name__ for part in module] == [
        "Linear",
        "ReLU",
        "Linear",
        "ReLU",
        "Linear",
    ]
    points = box.sample(50, np.random.default_rng(0))
    with torch.no_grad():
        given = module(torch.from_numpy(points)).numpy()
    assert np.abs(given - network(points)).max() < 1e-14


@pytest.mark.extras
def test_marabou_reads_the_chain(tmp_path) -> None:
    """It knows Gemm and Relu, and refuses the file in which linear units are gathered."""
    marabou = pytest.importorskip("maraboupy.Marabou", reason="pip install maraboupy")
    network, box = residual(), box_of(-0.3, 1.0)
    chain, mixed = tmp_path / "chain.onnx", tmp_path / "mixed.onnx"
    smaller = compress(network, box, form="chain").network
    save(smaller, chain, dtype="float32")
    save(network, mixed, dtype="float32")
    read = marabou.read_onnx(str(chain))
    assert len(read.reluList) == smaller.kinds["rectifiers"]
    for point in box.sample(3, np.random.default_rng(0)):
        [given] = read.evaluateWithMarabou([point[None]])
        assert np.abs(given - network(point)).max() < 1e-5
    with pytest.raises(NotImplementedError, match="Gather"):
        marabou.read_onnx(str(mixed))
