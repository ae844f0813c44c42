"""`leo-opt approximate`: a smaller file, its report, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from reports import read_report

from leo_opt import Network, load, save
from leo_opt.cli import main
from leo_opt.formats import load_provenance


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    generator = np.random.default_rng(0)
    network = Network.from_arrays(
        [generator.normal(size=(12, 16)), generator.normal(size=(4, 12))],
        [generator.normal(size=12), generator.normal(size=4)],
    )
    save(network, tmp_path / "net.onnx")
    np.savez(tmp_path / "calib.npz", generator.random((200, 16)))
    return tmp_path / "net.onnx", tmp_path / "calib.npz"


def test_a_smaller_file_is_written_with_its_report(files: tuple[Path, Path]) -> None:
    network, data = files
    small, report = network.with_name("small.onnx"), network.with_name("report.json")
    options = ("--data", data, "--method", "hard:low_rank=0.3", "-o", small, "--report", report)
    frontier = network.with_name("frontier.csv")
    options += ("--allocation", "deviation", "--frontier", frontier)
    done = run("approximate", network, *options, "--parameters", 0.6, "--box", 0, 1)
    assert done.exit_code == 0, done.output
    assert "proved on" in done.output
    told = read_report(report)
    assert told["share"] <= 0.6
    assert 0.0 < told["max_deviation_found"] <= told["max_deviation"]
    assert told["max_deviation"] <= told["max_deviation_written"]
    assert [layer["layer"] for layer in told["layers"]] == [0, 1]
    lines = frontier.read_text().splitlines()
    assert lines[0] == "cost,error,layer 0,layer 1"
    assert lines[1] == "1.0,0.0,1.0,1.0"
    assert len(lines) == 1 + len(told["frontier"]) > 3
    # The file is what was measured: its outputs move no more than is told from file to file.
    points = np.random.default_rng(1).random((500, 16))
    apart = np.abs(load(small)(points) - load(network)(points)).max()
    assert apart <= told["max_deviation_written"]
    assert load_provenance(small)["source_hash"] == told["network_hash"]


def test_what_is_refined_and_whether_classes_can_change(files: tuple[Path, Path]) -> None:
    network, data = files
    small, report = network.with_name("small.onnx"), network.with_name("report.json")
    balls = network.with_name("balls.npz")
    np.savez(balls, np.random.default_rng(2).random((3, 16)))
    options = ("--data", data, "-o", small, "--report", report, "--parameters", 0.7)
    where = ("--box", 0, 1, "--refine", 0.2, "--balls", balls, "--radius", 1e-6)
    done = run("approximate", network, *options, *where)
    assert done.exit_code == 0, done.output
    assert "the class, of 3 domains: " in done.output
    told = read_report(report)
    points, first, second = np.load(balls)["arr_0"], load(network), load(small)
    for point, answer in zip(points, told["classes"], strict=True):
        same = first(point).argmax() == second(point).argmax()
        assert answer == ("holds" if same else "violated")
    assert told["same_class"]["unknown"] == 0
    for wrong, said in (
        (("--balls", balls), "--radius R; give both"),
        (("--classes",), "give --box or --domain"),
        (("--refine", 1), "bound proved on a domain; give one"),
    ):
        done = run("approximate", network, *options, *wrong)
        assert done.exit_code == 2
        assert said in done.output


def test_without_a_domain_nothing_is_proved(files: tuple[Path, Path]) -> None:
    network, data = files
    small, report = network.with_name("small.npz"), network.with_name("report.json")
    words = "approximate", network, "--data", data, "-o", small, "--response", 0.2, "--report"
    done = run(*words, report.with_suffix(".html"))
    assert done.exit_code == 0, done.output
    page = report.with_suffix(".html").read_text(encoding="utf-8")
    assert "Nothing is proved of other inputs" in page
    assert f"--response 0.2 --report {report.with_suffix('.html')}" in page
    done = run(*words, report)
    assert done.exit_code == 0, done.output
    assert "not proved" in done.output
    told = read_report(report)
    assert told["max_deviation"] is None
    assert told["response_error"] <= 0.2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--parameters", 0.5, "--response", 0.1), "give one budget"),
        (("--parameters", 2), "limit is 2.0; it must be at most 1"),
        (("--deviation", 0.5), "proved on a domain"),
        (("--allocation", "deviation"), "allocation by deviation is proved on a domain"),
        (("--method", "hrad"), "did you mean hard?"),
        (("--method", "hard:rank=3"), "has no option 'rank'"),
        (("--parameters", 0.01), "give a larger share"),
        (("--frontier", "sizes.txt"), "has the suffix '.txt'; known are .csv"),
    ],
)
def test_one_line_says_what_is_wrong(
    files: tuple[Path, Path], options: tuple[object, ...], said: str
) -> None:
    network, data = files
    done = run("approximate", network, "--data", data, "-o", network.with_name("s.npz"), *options)
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.splitlines()) == 1
