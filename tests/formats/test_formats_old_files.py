"""Files that release 0.1.0 wrote are read, or refused with their version and the cure."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import leo_opt
from leo_opt import Bounds, Box, Layer, Network, Stability, classify, compress, load
from leo_opt.comparison.record import ResultsFile, read_results
from leo_opt.errors import FileFormatError
from leo_opt.formats import load_provenance
from leo_opt.model_files import Sidecar
from leo_opt.verification import Decision, Verdict

OLD = Path(__file__).parent / "old"
DATA = Path(leo_opt.__file__).parent / "data"
DOMAIN = Box([-1.0, -1.0], [1.0, 0.5])
HASHES = json.loads((OLD / "hashes.json").read_text())


def made(seed: int, widths: list[int], activations: list[str]) -> list[Layer]:
    """The layers of which the old release noted the hash."""
    generator = np.random.default_rng(seed)
    return [
        Layer(generator.normal(size=(after, before)), 0.3 * generator.normal(size=after), tag)
        for (before, after), tag in zip(pairwise(widths), activations, strict=True)
    ]


def test_networks() -> None:
    network = load(OLD / "network.npz")
    assert network.content_hash == HASHES["3"]["hash"]
    assert network.signature.input_name == "x"
    assert network.signature.output_shape == (1, 2)
    assert load_provenance(OLD / "network.npz") == {"summary": "made by release 0.1.0"}
    rounded = load(OLD / "network.onnx")
    for ours, theirs in zip(network.layers, rounded.layers, strict=True):
        assert np.array_equal(ours.weight.astype(np.float32), theirs.weight)


def test_bounds_and_verdicts_on_units() -> None:
    network = load(OLD / "network.npz")
    bounds = Bounds.load(OLD / "bounds.npz")
    stability = Stability.load(OLD / "stability.json", network, DOMAIN)
    assert bounds.domain == stability.domain == DOMAIN
    assert [layer.count("unstable") for layer in stability.phases] == [3, 1, 0]
    assert stability.lower_evidence[1][1].premise.version == "1.16.0"
    found = classify(network, DOMAIN)
    assert found.phases == stability.phases
    points = DOMAIN.sample(100, np.random.default_rng(0))
    for layer, pre in enumerate(network.pre_activations(points)):
        assert (bounds.lower[layer] <= pre).all()
        assert (pre <= bounds.upper[layer]).all()
    assert compress(network, stability).network.parameters < network.parameters


def test_what_was_read_is_written_again_as_it_was(tmp_path: Path) -> None:
    Stability.load(OLD / "stability.json").save(tmp_path / "stability.json")
    Sidecar.load(OLD / "model.lp").save(tmp_path / "model.json")
    for name in ("stability.json", "model.json"):
        old, new = (json.loads((folder / name).read_text()) for folder in (OLD, tmp_path))
        assert new == old


def test_a_model_file_and_its_sidecar() -> None:
    sidecar = Sidecar.load(OLD / "model.lp")
    assert sidecar.network_hash == HASHES["3"]["hash"]
    assert sidecar.domain == DOMAIN
    assert sidecar.inputs == ("input_0", "input_1")
    assert sidecar.about["formulation"]["name"] == "big-m"
    assert sidecar.objective_value(-2.5) == 2.5


def test_the_verdict_on_a_property() -> None:
    verdict = Verdict.load(OLD / "verdict.json")
    assert verdict.answer is Decision.HOLDS
    assert verdict.certified
    assert verdict.network_hash == HASHES["3"]["hash"]
    assert [case.method for case in verdict.cases] == ["crown"]
    old = json.loads((OLD / "verdict.json").read_text())
    assert old.items() <= verdict.to_json().items()


def test_a_checkpoint_is_refused_with_its_version_and_the_cure(tmp_path: Path) -> None:
    """It has no seals, so that nothing in it can be believed."""
    path = tmp_path / "checkpoint.jsonl"
    shutil.copy(OLD / "checkpoint.jsonl", path)
    before = path.read_bytes()
    words = "checkpoint 1.*another version.*checkpoint 3'.*name another file or remove it"
    with pytest.raises(FileFormatError, match=words):
        classify(load(OLD / "network.npz"), DOMAIN, checkpoint=path)
    assert path.read_bytes() == before


def test_results_of_a_comparison(tmp_path: Path) -> None:
    shutil.copy(OLD / "results.jsonl", tmp_path)
    results = read_results(tmp_path)
    assert len(results.entries) == 4
    assert {entry.measurement.outcome for entry in results.entries} == {"answered", "refused"}
    assert len(results.environments) == 1
    with ResultsFile(tmp_path) as record:
        assert record.results == results


@pytest.mark.parametrize("seed", HASHES)
def test_hashes_of_networks(seed: str) -> None:
    noted = HASHES[seed]
    layers = made(int(seed), noted["widths"], noted["activations"])
    many = [Layer(layer.weight, layer.bias, (layer.activation,) * layer.n_out) for layer in layers]
    assert Network(tuple(layers)).content_hash == noted["hash"]
    assert Network(tuple(many)).content_hash == noted["hash"]
    shuffled = [Layer(untidy(layer.weight), layer.bias, layer.activation) for layer in layers]
    assert Network(tuple(shuffled)).content_hash == noted["hash"]


def untidy(weight: np.ndarray) -> sparse.csr_array:
    """The same numbers as CSR with columns out of order, zeros stored, entries in halves."""
    rows, width = weight.shape
    columns = np.concatenate([np.arange(width)[::-1], np.arange(width), [0]])
    data = [np.concatenate([row[::-1] / 2, row / 2, [0.0]]) for row in weight]
    ends = np.arange(rows + 1) * len(columns)
    return sparse.csr_array(
        (np.concatenate(data), np.tile(columns, rows), ends), shape=weight.shape
    )


@pytest.mark.parametrize(
    ("path", "noted"),
    [
        (DATA / "mnist_100-100_l1_0.0005_s0.onnx", "074690c642116526279490a36383f266"),
        (DATA / "mnist_25-25_l1_0.001_s0.onnx", "38a31f282589b1cd22fcece56866b608"),
        (OLD / "network.onnx", "915da77a934f75f8107422c8c11f3f1b"),
    ],
)
def test_hashes_of_networks_in_files_stay(path: Path, noted: str) -> None:
    """Verdicts and sidecars of dense networks name them: a reader must not change their numbers."""
    assert load(path).content_hash.startswith(noted)
