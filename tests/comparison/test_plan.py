"""Plans: what is read, and that every mistake is one line that names the key and the cure."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from comparison.small_plans import PLAN, write_plan

from leo_opt import Box
from leo_opt.cli import main
from leo_opt.comparison import expand, read_plan
from leo_opt.errors import LeoOptError

MISTAKES = [
    ("time_limit = 20.0", "time_limits = 20.0", "'time_limits' is unknown; known are"),
    ("time_limit = 20.0", "time_limit = 0", "time_limit is 0; expected a number > 0"),
    ("time_limit = 20.0", "time_limit = nan", "time_limit is nan"),
    ("time_limit = 20.0", 'time_limit = "20"', "time_limit is '20'; expected a number"),
    ("time_limit = 20.0", "time_limit = true", "time_limit is True; expected a number"),
    ("time_limit = 20.0", "node_limit = 0", "node_limit is 0; expected a whole number >= 1"),
    ("time_limit = 20.0", "seeds = [-1]", r"seeds\[0\] is -1; expected a whole number >= 0"),
    ("time_limit = 20.0", "seeds = []", r"seeds is \[\]; expected a list in \[ \] of length >= 1"),
    (
        "time_limit = 20.0",
        'bounds = ["crowns"]',
        "bounds.0.: method 'crowns' is unknown; known are interval, crown",
    ),
    (
        "time_limit = 20.0",
        'stop = "signs"',
        "stop: word 'signs' is unknown; known are none, sign; did you mean sign",
    ),
    ("time_limit = 20.0", "time_limit = ", "is not TOML"),
    ("[[networks]]", "[networks]", "networks is {'path': 'net.npz'}; expected a list"),
    ('path = "net.npz"', 'path = "nothing*.onnx"', "path is 'nothing.*'; no file in"),
    ('path = "net.npz"', 'path = "plan.toml"', "networks.0.: .*suffix '.toml'"),
    (
        'path = "net.npz"',
        'path = "net.npz"\ndomains = ["cube"]',
        "networks.0.: domain 'cube' is unknown; known are square",
    ),
    ("box = [-1, 1]", "box = [1, -1]", "domains.0.: lower 1.0 exceeds upper -1.0"),
    ("box = [-1, 1]", "box = [1]", r"box is \[1\]; expected a list in \[ \] of length 2, got 1"),
    ("box = [-1, 1]", "box = [[0, 0, 0], [1, 1, 1]]", "3 inputs and the network 2.*domains = "),
    ("box = [-1, 1]", "box = [-1, 1]\nfile = 'a.npz'", "exactly one of box, file.*box and file"),
    ("box = [-1, 1]", "", "exactly one of .*; found none"),
    ("box = [-1, 1]", "file = 'a.npz'", "a.npz does not exist"),
    ("box = [-1, 1]", "point = [0, 0]", "radius is missing; give a number"),
    ("box = [-1, 1]", "point = [0, 0]\nradius = -1", "radius is -1; expected a number > 0"),
    (
        "box = [-1, 1]",
        "samples = 'net.npz'\nindex = [0]\nradius = 1",
        "say which array holds inputs",
    ),
    (
        'name = "big-m"',
        'name = "partition:parts=4"',
        "options are keys of their own in a plan, such as parts = 4",
    ),
    ('name = "square"', 'name = "square"\ncolour = 1', "'colour' is unknown; known are"),
    (
        'kind = "outputs"',
        'kind = "output"',
        "kind: word 'output' is unknown; known are directions, outputs; did you mean outputs",
    ),
    ('sense = "both"', "outputs = [4]", "outputs has 4; network net has outputs 0 to 0"),
    (
        'sense = "both"',
        'sense = "up"',
        "sense: word 'up' is unknown; known are both, maximize, minimize",
    ),
    ('sense = "both"', "count = 3", "'count' is unknown"),
    ('kind = "outputs"\nsense = "both"', 'kind = "directions"\nlayers = [0]', "layers has 0"),
    (
        'kind = "outputs"\nsense = "both"',
        'kind = "directions"\nbinaries = [3]',
        "expected a list in . . of length 2, got 1",
    ),
    ('name = "big-m"', 'name = "big-M"', "formulations.0.: formulation 'big-M' is unknown"),
    ('name = "big-m"', 'name = "big-m"\nparts = 2', "'parts' is unknown; known are name"),
    ('name = "big-m"', 'name = "partition"\nparts = 0', "parts is 0; it must be positive"),
    ('name = "big-m"', 'name = "partition"\nparts = 2.5', "parts is 2.5; expected a whole number"),
    ('name = "big-m"', 'name = "partition"\nsplit = "x"', "split 'x' is unknown"),
    (
        'name = "big-m"',
        'name = "ideal"\nseparation = "x"',
        "separation: word 'x' is unknown; known are both, none, rounds, tree",
    ),
    ('name = "highs"', 'name = "high"', "solvers.0.: solver 'high' is unknown"),
    ('name = "highs"', 'name = "highs"\ngap = 1', "'gap' is unknown"),
    ('name = "highs"', 'name = "highs"\ntime_limit = 1', "'time_limit' .* above the first"),
    ('name = "highs"', 'name = "highs"\nextra = {x = 1}', "solvers.0.: .*x"),
    ('name = "highs"', 'name = "highs"\nthreads = 0', "threads is 0; at least 1"),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_is_named_before_any_work(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in PLAN
    path = write_plan(tmp_path, PLAN.replace(old, new))
    with pytest.raises(LeoOptError, match=message):
        read_plan(path)
    done = CliRunner().invoke(main, ["bench", str(path), "-o", str(tmp_path / "results")])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("table", ["networks", "domains", "questions", "formulations", "solvers"])
def test_every_table_is_needed(table: str, tmp_path: Path) -> None:
    renamed = PLAN.replace(f"[[{table}]]", f"[[{table}s]]")
    removed = re.sub(rf"\[\[{table}\]\][^[]*(\[-1, 1\]\n)?", "", PLAN)
    for text, message in ((removed, f"{table} is missing"), (renamed, f"mean {table}?")):
        with pytest.raises(LeoOptError, match=message):
            read_plan(write_plan(tmp_path, text))


def test_cells_are_the_cross_product(tmp_path: Path) -> None:
    text = (
        PLAN.replace("time_limit = 20.0", 'seeds = [0, 1]\nbounds = ["crown", "interval"]')
        + '[[formulations]]\nname = "partition"\nparts = 3\n[[solvers]]\nname = "scip"\n'
        + '[[domains]]\nname = "small"\npoint = [0.5, 0.5]\nradius = 1\nwithin = [-1, 1]\n'
    )
    cells = list(expand(read_plan(write_plan(tmp_path, text))))
    assert len(cells) == 2 * 2 * 2 * 2 * 2 * 2
    assert len({cell.key for cell in cells}) == len(cells)
    small = next(cell.domain for cell in cells if cell.domain_name == "small")
    assert small == Box.around([0.5, 0.5], 1, Box(-1, 1))


def test_the_key_of_a_cell_is_about_content_not_names(tmp_path: Path) -> None:
    first = [cell.key for cell in expand(read_plan(write_plan(tmp_path)))]
    (tmp_path / "net.npz").rename(tmp_path / "other.npz")
    text = PLAN.replace("net.npz", "other*").replace('"square"', '"box"')
    (tmp_path / "plan.toml").write_text(text)
    assert [cell.key for cell in expand(read_plan(tmp_path / "plan.toml"))] == first
    write_plan(tmp_path, seed=1)
    assert not set(first) & {cell.key for cell in expand(read_plan(tmp_path / "plan.toml"))}


def test_balls_around_samples(tmp_path: Path) -> None:
    points = np.array([[0.0, 0.5], [1.0, 1.0]])
    np.savez(tmp_path / "points.npz", inputs=points, labels=np.array([1, 2]))
    text = PLAN.replace("box = [-1, 1]", 'samples = "points.npz"\nindex = [0, 1]\nradius = 0.1')
    (network,) = read_plan(write_plan(tmp_path, text)).networks
    assert [named.name for named in network.domains] == ["square[0]", "square[1]"]
    for named, point in zip(network.domains, points, strict=True):
        assert named.box == Box.around(point, 0.1)


def test_a_sample_that_is_not_there_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "points.npz", inputs=np.zeros((2, 2)))
    text = PLAN.replace("box = [-1, 1]", 'samples = "points.npz"\nindex = [2]\nradius = 0.1')
    with pytest.raises(LeoOptError, match=r"index is 2; points.npz has samples 0 to 1"):
        read_plan(write_plan(tmp_path, text))
