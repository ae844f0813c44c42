"""The documentation's examples run, and its figures of the shipped network are those of today."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import leo_opt
from leo_opt.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_TESTS = {"solvers.md", "formulations.md", "examples.md"}
"""Pages whose examples need a setting, which tests beside the code they are about give them."""
MODULES = [
    found.name
    for found in pkgutil.walk_packages(leo_opt.__path__, "leo_opt.")
    if not found.name.endswith("__main__")
]


def python_blocks(page: Path) -> list[str]:
    """The Python examples of a page, which build on one another."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if python_blocks(p) and p.name not in OWN_TESTS], ids=lambda p: p.name
)
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = ROOT / "leo_opt" / "data" / "mnist_25-25_l1_0.001_s0.onnx"
    shutil.copy(network, tmp_path / "net.onnx")
    names = {"__name__": "example"}
    for block in python_blocks(page):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_readme_shows_what_the_demo_prints() -> None:
    shown = re.search(r"^```text\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert shown
    printed = CliRunner().invoke(main, ["demo"]).output
    for line in shown[1].splitlines():
        # Seconds and digits of rounding errors are the machine's.
        if line and not re.search(r"seconds|e-\d\d|a-priori", line):
            assert line in printed


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
