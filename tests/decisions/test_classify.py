"""Verdicts of every strategy against brute-force enumeration of activation patterns."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from networks import find_network
from random_networks import random_box, random_network
from seeds import seeds
from truth import count_phases

from leo_opt import Box, Cascade, Network, PerUnit, Phase, Stability, classify, compress, load
from leo_opt.enclosure import evaluate
from leo_opt.errors import FileFormatError, InvalidInputError, MismatchError
from leo_opt.report.compression_run import describe_evidence, left_open

MARGIN = 1e-6
CHUNKS, PER_CHUNK = 80, 25


@pytest.mark.parametrize("chunk", seeds(1, of=CHUNKS))
def test_the_cascade_agrees_with_brute_force(chunk: int, record_property) -> None:
    """And the network that its verdicts make is the original to within the proved deviation."""
    tally: Counter[str] = Counter()
    for seed in range(chunk * PER_CHUNK, (chunk + 1) * PER_CHUNK):
        generator = np.random.default_rng(seed)
        network = random_network(generator)
        box = random_box(generator, network.input_size).spread(network.input_size)
        stability = classify(network, box, strategy=Cascade(random_points=50), margin=MARGIN)
        counts = count_phases(network, box, stability, MARGIN)
        tally.update({str(phase): count for phase, count in counts.items()})
        check_law(network, box, stability, generator)
    record_property("phases", dict(tally))
    assert tally["stably_active"]
    assert tally["stably_inactive"]
    assert tally["unstable"]


def check_law(network: Network, box: Box, stability: Stability, generator) -> None:
    """compress(network, stability).network equals the network on points of the box."""
    compression = compress(network, stability)
    assert sum(compression.network.hidden_widths) <= sum(network.hidden_widths)
    directions = generator.standard_normal((20, network.input_size))
    inputs = np.vstack([box.sample(20, generator), box.vertices(directions), stability.witnesses])
    outputs = []
    for side in (network, compression.network):
        pre, radius = evaluate(side, inputs)[-1]
        outputs.append((side.layers[-1].activate(pre), radius))
    (expected, error), (found, other_error) = outputs
    allowed = compression.max_deviation + error + other_error
    assert (np.abs(expected - found) <= allowed * (1.0 + 1e-9)).all()


@pytest.mark.parametrize("chunk", seeds(1, of=10))
def test_per_unit_agrees_with_brute_force(chunk: int) -> None:
    for seed in range(10_000 + chunk * 10, 10_010 + chunk * 10):
        generator = np.random.default_rng(seed)
        network = random_network(generator)
        box = random_box(generator, network.input_size)
        stability = classify(network, box, strategy="per-unit", margin=MARGIN)
        count_phases(network, box, stability, MARGIN)


@pytest.mark.parametrize("name", ["mnist/mnist_25-25_l1_0.001_s0.onnx"])
@pytest.mark.system
def test_strategies_agree_on_a_real_network(name: str) -> None:
    network = load(find_network(name))
    cascade = classify(network, Box(0, 1))
    per_unit = classify(network, Box(0, 1), strategy="per-unit")
    skipped = classify(network, Box(0, 1), strategy=PerUnit(skip_stable=True))
    for phases in zip(cascade.phases, per_unit.phases, skipped.phases, strict=True):
        assert phases[0] == phases[1] == phases[2]
    assert per_unit.statistics.milps_solved == 2 * 25
    assert skipped.statistics.milps_solved < per_unit.statistics.milps_solved


def test_a_network_without_stable_units_needs_no_milp() -> None:
    network = load(find_network("exactcompression/mnist_100-100_l1_0.onnx"))
    stability = classify(network, Box(0, 1))
    assert stability.statistics.milps_solved == 0
    for phases in stability.phases:
        assert set(phases) <= {Phase.UNSTABLE}
    compression = compress(network, stability)
    assert compression.network == network
    assert not compression.max_deviation.any()


def hard_network() -> tuple[Network, Box]:
    """A network whose sum of rectifiers peaks just below zero: only a MILP can tell."""
    generator = np.random.default_rng(5)
    first, second = generator.normal(size=(12, 16)), generator.normal(size=(10, 12))
    network = Network.from_arrays(
        [first, second, generator.normal(size=(3, 10))],
        [generator.normal(size=12), generator.normal(size=10) - 6.0, np.zeros(3)],
    )
    return network, Box(-1, 1)


def test_no_time_is_no_evidence() -> None:
    network, box = hard_network()
    full = classify(network, box)
    hurried = classify(network, box, time_limit=1e-9)
    assert hurried.statistics.milps_solved == 0
    # Every direction that is open says why.
    assert left_open(hurried) == {"no time left": describe_evidence(hurried)["undecided"]}
    for done, early in zip(full.phases, hurried.phases, strict=True):
        for phase, before in zip(done, early, strict=True):
            assert before in (phase, Phase.UNDECIDED)


def test_results_are_reproducible() -> None:
    network, box = hard_network()
    first, second = (classify(network, box, seed=3) for _ in range(2))
    assert first.phases == second.phases
    for name in ("lower", "upper"):
        for bounds in ("certified", "trusted"):
            mine, theirs = (
                getattr(getattr(first, bounds), name),
                getattr(getattr(second, bounds), name),
            )
            for left, right in zip(mine, theirs, strict=True):
                np.testing.assert_array_equal(left, right)


def test_samples_are_used_as_witnesses() -> None:
    network, box = hard_network()
    with pytest.raises(InvalidInputError, match="inputs have shape"):
        classify(network, box, samples=np.zeros((3, 2)))
    samples = box.spread(16).sample(100, np.random.default_rng(0))
    assert classify(network, box, samples=samples).phases == classify(network, box).phases


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strategy": "magic"}, "'magic'"),
        ({"time_limit": -1.0}, "time_limit is -1.0"),
        ({"margin": 0.0}, "margin is 0.0"),
        ({"solver": "abacus"}, "abacus"),
        ({"formulation": "tiny-m"}, "tiny-m"),
    ],
)
def test_bad_options_are_refused_before_any_work(options, words) -> None:
    network, box = hard_network()
    with pytest.raises(InvalidInputError, match=words):
        classify(network, box, **options)


@pytest.mark.parametrize("seed", seeds(3, of=20))
def test_stability_survives_json(seed: int, tmp_path) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size)
    stability = classify(network, box)
    path = tmp_path / "stability.json"
    stability.save(path)
    loaded = Stability.load(path, network, box)
    assert loaded.phases == stability.phases
    assert loaded.lower_evidence == stability.lower_evidence
    assert loaded.upper_evidence == stability.upper_evidence
    assert loaded.to_json() == stability.to_json()
    json.loads(path.read_text())


def test_stability_refuses_strangers(tmp_path) -> None:
    network, box = hard_network()
    stability = classify(network, box, time_limit=1e-9)
    other = Network(network.layers[:-1])
    with pytest.raises(MismatchError, match="classify this network"):
        stability.check(other)
    with pytest.raises(MismatchError, match="larger box"):
        stability.check(network, Box(-2, 1))
    stability.check(network, Box(-0.5, 0.5))
    (tmp_path / "text.json").write_text("{}")
    with pytest.raises(FileFormatError, match=r"text\.json"):
        Stability.load(tmp_path / "text.json")
