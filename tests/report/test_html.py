"""Every page: right in a browser, on a telephone and on a desk, in light and in dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser import DESK, PHONE, browser

from leo_opt import Box, Cascade, Network, approximate, classify, compress, load, save
from leo_opt.approximation import Parameters
from leo_opt.comparison import read_plan, run_plan, write_report
from leo_opt.graphs import compress_graph
from leo_opt.report.files import FILES
from leo_opt.summarised import Reported

PLAN = """
time_limit = 20
[[networks]]
path = "net.onnx"
[[domains]]
name = "ball"
box = [0.45, 0.55]
[[questions]]
kind = "outputs"
outputs = [0]
[[formulations]]
name = "big-m"
[[formulations]]
name = "ideal"
[[solvers]]
name = "highs"
"""


def wide(units: int) -> Network:
    generator = np.random.default_rng(0)
    shapes = ((units, 9), (units // 4, units), (3, units // 4))
    arrays = [generator.standard_normal(shape) for shape in shapes]
    return Network.from_arrays(arrays, [generator.standard_normal(len(a)) * 4 for a in arrays])


def write_pages(folder: Path) -> list[Path]:
    """A page of each kind."""
    save(wide(60), folder / "net.onnx")
    network, data = load(folder / "net.onnx"), np.random.default_rng(0).random((99, 9))
    (folder / "plan.toml").write_text(PLAN)
    plan = read_plan(folder / "plan.toml")
    write_report(run_plan(plan, folder / "results"), folder / "results")
    many = wide(1300)
    values: dict[str, Reported] = {
        "chain": compress(network, Box(0, 1)),
        "many": compress(many, classify(many, Box(0, 1), strategy=Cascade(stages=()))),
        "graph": compress_graph(folder / "net.onnx", classify(network, Box(0, 1))),
        "approximation": approximate(network, data, domain=(0, 1), budget=Parameters(0.8)),
    }
    assert {type(value) for value in values.values()} == set(FILES)
    for name, value in values.items():
        value.report(folder / f"{name}.html")
    return [folder / "results" / "index.html", *(folder / f"{name}.html" for name in values)]


@pytest.mark.system
def test_pages_are_right_in_a_browser(tmp_path: Path) -> None:
    with browser() as shown:
        for path in write_pages(tmp_path):
            for width in (PHONE, DESK):
                colours = set()
                for dark in (False, True):
                    shown.open(path, width, dark=dark)
                    assert shown.beyond() == []
                    colours.add(shown.value("getComputedStyle(document.body).backgroundColor"))
                assert len(colours) == 2
        assert shown.said == []


@pytest.mark.system
def test_the_browser_tells_of_errors_and_of_what_is_too_wide(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<p style="width:500px">long</p>'
    )
    with browser() as shown:
        shown.open(page, PHONE)
        assert shown.beyond() == ["P long"]
        assert shown.said == []
        page.write_text("<script>missing()</script>")
        shown.open(page, PHONE)
        assert shown.beyond() == []
        assert "missing is not defined" in shown.said[0]
