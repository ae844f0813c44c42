"""The documentation's examples run, and its figures of the shipped network are those of today."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import public_names
import pytest
from click.testing import CliRunner
from pages import blocks, run_page

import leo_opt
from leo_opt.cli import main

ROOT = Path(__file__).parent.parent.parent
SITE = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.parts[-1] != "_build"]
PAGES = [ROOT / "README.md", *SITE]
OWN_TESTS = (
    {f"docs/{name}.md" for name in ("solvers", "formulations", "examples")}
    | {f"docs/how_to/{name}.md" for name in ("solver", "formulation")}
    | {"docs/tutorials/own_model.md"}
)
"""Pages that tests beside the code they are about run, and ask what came out."""
MEASURING = {"docs/comparison.md"}
"""Pages whose commands measure for minutes."""
MODULES = [
    found.name
    for found in pkgutil.walk_packages(leo_opt.__path__, "leo_opt.")
    if not found.name.endswith("__main__")
]


def pages_to_run() -> list:
    """The pages with examples."""
    found = []
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        mark = pytest.mark.slow if name in MEASURING else pytest.mark.system
        if name not in OWN_TESTS and list(blocks(page)):
            found.append(pytest.param(page, id=name, marks=mark))
    return found


@pytest.mark.parametrize("page", pages_to_run())
def test_examples_run_in_the_order_of_the_page(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_every_block_says_what_it_is() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *```(.*)$", page.read_text(encoding="utf-8"), re.M)
        assert all(fences[::2]), page
        assert not any(fences[1::2]), page
        assert 2 * len(list(blocks(page))) == len(fences), page


def test_docstring_examples_run() -> None:
    failed = [name for name in MODULES if doctest.testmod(importlib.import_module(name)).failed]
    assert not failed


def test_the_readme_shows_what_the_demo_prints() -> None:
    shown = re.search(r"^```text\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert shown
    printed = CliRunner().invoke(main, ["demo"]).output
    # What is proved is nearly that of any machine.
    both = [
        re.findall(r"(\S+) in real arithmetic, (\S+) from", text) for text in (shown[1], printed)
    ]
    [told], [found] = (np.array(numbers, dtype=float) for numbers in both)
    assert (np.maximum(told / found, found / told) < 1.5).all(), (told, found)
    for line in shown[1].splitlines():
        # Seconds and digits of rounding errors are the machine's.
        if line and not re.search(r"seconds|e-\d\d|a-priori", line):
            assert line in printed


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_every_page_is_in_the_contents() -> None:
    folder = ROOT / "docs"
    listed = re.findall(r"^([a-z0-9_/]+)$", (folder / "index.md").read_text(), re.M)
    pages = {page.relative_to(folder).with_suffix("").as_posix() for page in SITE}
    assert sorted([*listed, "index"]) == sorted(pages)


def test_the_reference_has_every_module_with_public_names() -> None:
    # That it has every name of these is looked at where the site is built, docs/conf.py.
    pages = (ROOT / "docs" / "reference").glob("*.md")
    shown = [name for page in pages for name in re.findall(r"{public} (\S+)", page.read_text())]
    assert sorted(shown) == sorted(public_names.public_names())


def test_files_named_in_the_documentation_exist() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:leo_opt|tests|docs)/[\w/.-]+\.\w+)`", tour))
    assert len(named) > 50
    assert not [name for name in named if not (ROOT / name).is_file()]


def test_the_tour_names_the_tables_it_sends_readers_to() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    for table, place in re.findall(r"`([A-Z]+)` in `([\w/.]+)`", tour):
        assert re.search(rf"^{table}\b", (ROOT / place).read_text(encoding="utf-8"), re.M), table
