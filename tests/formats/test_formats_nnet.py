"""Networks in .nnet files."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from random_networks import random_network, structured

from leo_opt.bounds import propagate
from leo_opt.cli import main
from leo_opt.deviation import reading_deviation
from leo_opt.domain import Box
from leo_opt.errors import FileFormatError, UnsupportedOperatorError
from leo_opt.formats import load, load_domain, load_provenance, save
from leo_opt.network import Network

REAL = Path(os.environ.get("LEO_OPT_NETWORKS", "")) / "real" / "nnet"


def some_text(generator: np.random.Generator, sizes: tuple[int, ...]) -> str:
    """A file with comments, and numbers of five digits as the format's authors write them."""
    count = sizes[0]
    lower = generator.uniform(-9.0, -1.0, count)
    sides = [lower, lower + 10.0, generator.uniform(-5.0, 5.0, count + 1)]
    rows: list[np.ndarray] = [*sides, generator.uniform(0.1, 30.0, count + 1)]
    for n_in, n_out in itertools.pairwise(sizes):
        rows += [*generator.standard_normal((n_out, n_in)), *generator.standard_normal((n_out, 1))]
    head = [f"{len(sizes) - 1},{count},{sizes[-1]},{max(sizes)},", ",".join(map(str, sizes)), "0,"]
    numbers = ["".join(f"{value:.5e}," for value in row) for row in rows]
    return "\n".join(["// made for a test", *head, *numbers, ""])


def exact(text: str, point: list[Fraction], normalised: bool) -> list[Fraction]:
    """What a file means at a point, in rationals; after `evaluate_network` of its authors."""
    rows = [line.rstrip(",").split(",") for line in text.splitlines() if line[:2] != "//"]
    sizes = [int(word) for word in rows[1]]
    means, ranges = ([Fraction(float(word)) for word in row] for row in rows[5:7])
    lines = iter([[Fraction(float(word)) for word in row] for row in rows[7:]])
    if not normalised:
        point = [(x - m) / r for x, m, r in zip(point, means, ranges, strict=False)]
    for size in sizes[1:]:
        weight = [next(lines) for _ in range(size)]
        pre = [sum(w * x for w, x in zip(row, point, strict=True)) for row in weight]
        total = [value + next(lines)[0] for value in pre]
        point = [max(value, Fraction(0)) for value in total]
    return total if normalised else [y * ranges[-1] + means[-1] for y in total]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("normalised", [False, True])
def test_files_mean_what_their_authors_compute(seed: int, normalised: bool, tmp_path: Path):
    generator = np.random.default_rng(seed)
    path = tmp_path / "net.nnet"
    path.write_text(text := some_text(generator, (3, 5, 4, 2)))
    network = load(path, normalised=normalised)
    box = load_domain(path, normalised=normalised)
    deviation = reading_deviation(network, propagate(network, box))
    assert (deviation.max() > 0.0) != normalised
    for point in generator.uniform(box.lower, box.upper, (3, 3)):
        wanted = exact(text, list(map(Fraction, point.tolist())), normalised)
        off = np.abs(network(point) - np.array([float(value) for value in wanted]))
        assert (off <= deviation + 1e-13 * (1.0 + np.abs(network(point)))).all()


@pytest.mark.parametrize("normalised", [False, True])
def test_what_is_read_is_written_back(normalised: bool, tmp_path: Path):
    path, back = tmp_path / "net.nnet", tmp_path / "back.nnet"
    path.write_text(some_text(np.random.default_rng(1), (2, 4, 4, 1)))
    network = load(path, normalised=normalised)
    save(network, back, provenance={"summary": "two\nlines"})
    assert load(back, normalised=normalised) == network
    assert load_provenance(back) == {"summary": "two\nlines"}
    assert load_provenance(path) == {}
    # The box and, where they were left to the user, means and ranges stay those of the header.
    assert load_domain(back) == load_domain(path)
    assert (load(back) == load(path)) or not normalised
    save(network, tmp_path / "net.npz")
    assert load(tmp_path / "net.npz").signature == network.signature


def test_the_box_of_the_layers_holds_that_in_units(tmp_path: Path):
    path = tmp_path / "net.nnet"
    path.write_text("1,1,1,1,\n1,1,\n0,\n-1.0,\n2.0,\n0.5,0.0,\n3.0,1.0,\n1.0,\n0.0,\n")
    assert load_domain(path) == Box([-1.0], [2.0])
    assert load_domain(path, normalised=True) == Box([-0.5], [0.5])
    path.write_text(path.read_text().replace("3.0,1.0", "0.7,1.0"))
    low = load_domain(path, normalised=True).lower[0]
    assert Fraction(low) <= Fraction(-1.5) / Fraction(0.7)


def test_a_network_without_a_header_is_written_in_units(tmp_path: Path):
    network = Network.from_arrays([[[0.1, 2.0]], [[3.0]]], [[4.0], [1 / 3]])
    save(network, tmp_path / "net.nnet")
    assert load(tmp_path / "net.nnet") == network


def test_inputs_without_ends_are_no_box(tmp_path: Path):
    save(Network.from_arrays([[[0.1, 2.0]], [[3.0]]], [[4.0], [1 / 3]]), tmp_path / "net.nnet")
    with pytest.raises(FileFormatError, match="no ends for 2 of 2 inputs, the first of them input"):
        load_domain(tmp_path / "net.nnet")


def test_other_layers_are_refused(tmp_path: Path):
    generator = np.random.default_rng(0)
    network = structured(generator, random_network(generator, widths=(4, 3)))
    with pytest.raises(UnsupportedOperatorError, match="rectifiers"):
        save(network, tmp_path / "net.nnet")
    assert not (tmp_path / "net.nnet").exists()
    ended = Network.from_arrays([[[1.0]]], [None], ["relu"])
    with pytest.raises(UnsupportedOperatorError, match=r"layer 0 of 1 has relu units"):
        save(ended, tmp_path / "net.nnet")


def test_compress_refuses_what_it_could_not_write_before_it_decides(tmp_path: Path, monkeypatch):
    """And makes layers of rectifiers alone of others, as the format wants them."""
    ended = Network.from_arrays([[[1.0]], [[1.0]]], [None, None], ["relu", "relu"])
    lanes = Network.from_arrays(
        [np.eye(2), [[1.0, 1.0]]], [None, None], [["relu", "linear"], "linear"]
    )
    for name, network in (("ended", ended), ("lanes", lanes)):
        save(network, tmp_path / f"{name}.npz")

    def compress(name: str) -> Result:
        words = ("-o", str(tmp_path / f"{name}.nnet"), "--box", "-1", "1", "-q")
        return CliRunner().invoke(main, ["compress", str(tmp_path / f"{name}.npz"), *words])

    done = compress("lanes")
    assert done.exit_code == 0, done.output
    assert load(tmp_path / "lanes.nnet").layers[0].activation == "relu"
    monkeypatch.setattr("leo_opt.cli.compression.run_classification", None)
    assert "layer 1 of 2 has relu units; .nnet files hold" in compress("ended").output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\n1,1,\n", "\n1,2,\n", "1 outputs, the second 1 and 2"),
        ("\n1,1,\n", "\n1,1.5,\n", "positive whole numbers"),
        ("3.0,1.0", "0.0,1.0", "range of input 0 is 0"),
        ("3.0,1.0", "3.0", "ranges of inputs and outputs should stand: 2 finite"),
        ("3.0,1.0", "3.0,nan", "2 finite"),
        ("4.0,\n", "4.0;\n", r"line 8 is '4.0;'"),
        ("5.0,\n", "", "ends before the biases of layer 0"),
        ("5.0,\n", "5.0,\n6.0,\n", r"line 10 is '6.0,' after the last layer"),
        ("4.0", "\udcff", "no text file"),
    ],
)
def test_damaged_files_are_refused(old: str, new: str, said: str, tmp_path: Path):
    text = "1,1,1,1,\n1,1,\n0,\n-1.0,\n2.0,\n0.5,0.0,\n3.0,1.0,\n4.0,\n5.0,\n"
    path = tmp_path / "net.nnet"
    path.write_bytes(text.replace(old, new).encode(errors="surrogateescape"))
    with pytest.raises(FileFormatError, match=said):
        load(path)


@pytest.mark.skipif(not REAL.is_dir(), reason="networks of other people are not there")
def test_a_real_file_and_its_export_agree():
    network, export = (load(REAL / f"TestNetwork2.{kind}") for kind in ("nnet", "onnx"))
    box = load_domain(REAL / "TestNetwork2.nnet")
    points = np.random.default_rng(0).uniform(box.lower, box.upper, (50, 5))
    assert np.abs(network(points) - export(points)).max() < 1e-3
