"""`leo-opt compress` of files with convolutions: the form, and options that one form has."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result
from graphs.test_graphs import image, store
from reports import read_report

from leo_opt.cli import main

CHAIN_ONLY = {
    "--dtype": "float64",
    "--keep-outputs": "0",
    "--minimize": "parameters",
    "--tolerance": "0.001",
}


def compress(folder: Path, *arguments: str) -> Result:
    path, target = store(image(), folder), str(folder / "smaller.onnx")
    files = [str(path), "-o", target, "--box", "0", "1", "--strategy", "cascade:stages="]
    return CliRunner().invoke(main, ["compress", *files, *arguments])


@pytest.mark.parametrize(
    "option",
    [
        pytest.param(name, marks=() if name == "--tolerance" else pytest.mark.slow)
        for name in CHAIN_ONLY
    ],
)
def test_what_only_chains_have_is_refused_by_name(option: str, tmp_path: Path) -> None:
    for form in ((), ("--form", "graph")):
        done = compress(tmp_path, *form, option, CHAIN_ONLY[option])
        assert done.exit_code == 2
        assert f"{option} can be had of a chain alone; give --form chain" in done.output
        assert not (tmp_path / "smaller.onnx").exists()
    report = tmp_path / "report.json"
    for form, more in (("graph", ()), ("chain", (option, CHAIN_ONLY[option]))):
        assert compress(tmp_path, "--form", form, "--report", str(report), *more).exit_code == 0
        assert read_report(report)["form"] == form
    kinds = {proto.op_type for proto in onnx.load(tmp_path / "smaller.onnx").graph.node}
    assert "Conv" not in kinds


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--tolerance", "nan", "not a finite number"), ("--keep-outputs", "0,99", "from 0 to")],
)
def test_what_makes_no_sense_is_refused_before_the_work(option, value, said, tmp_path) -> None:
    done = compress(tmp_path, "--form", "chain", option, value)
    assert done.exit_code == 2
    assert said in done.output
    assert "directions open" not in done.output
