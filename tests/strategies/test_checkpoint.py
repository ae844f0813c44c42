"""What is decided is on disk at once, for one network, box and margin, and survives a kill."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from leo_opt import Box, Network, classify
from leo_opt.errors import FileFormatError, MismatchError, OutputError
from leo_opt.strategies.checkpoint import Checkpoint
from leo_opt.strategies.findings import Finding
from leo_opt.strategies.ledger import Direction

BOX = Box(-0.3, 0.3)
STAGES = ["lp", "branch-and-bound"]


def network() -> Network:
    generator = np.random.default_rng(0)
    widths = [10, 14, 14, 10, 2]
    return Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) - 6.0 * (k > 0) for k, b in enumerate(widths[1:])],
    )


def findings(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def test_a_second_run_asks_nothing_again(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    first = classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))
    known = findings(path)
    assert known
    second = classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))
    assert second.phases == first.phases
    # Searches that were finished would find the same again.
    assert findings(path) == known
    assert any(settles(entry) for entry in known)
    for bounds in ("lower", "upper"):
        for mine, theirs in zip(
            getattr(first.trusted, bounds), getattr(second.trusted, bounds), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


def settles(entry: dict) -> bool:
    bound = entry["bound"]
    return entry["witness"] is not None or (bound is not None and float.fromhex(bound) <= 0)


def test_finished_searches_and_what_is_settled_are_not_asked_again(tmp_path) -> None:
    tied, decided = Direction(1, 0, 1), Direction(1, 1, 1)
    made = [
        Finding(tied, "branch-and-bound", bound=1.0, effort=250),
        Finding(tied, "milp", bound=0.5),
        Finding(tied, "tighten", bound=0.9, effort=6),
        Finding(decided, "branch-and-bound", bound=-1.0, effort=250),
    ]
    path = str(tmp_path / "run.jsonl")
    with contextlib.closing(Checkpoint.open(path, network(), BOX.spread(10), 1e-6)) as record:
        for finding in made:
            record.append(finding)
    with contextlib.closing(Checkpoint.open(path, network(), BOX.spread(10), 1e-6)) as record:

        def bound(stage: str, direction: Direction, effort: int = 0) -> float | None:
            found = record.find(stage, direction, effort)
            return None if found is None else found.bound

        assert bound("branch-and-bound", tied, 250) == 1.0
        assert bound("tighten", tied, 6) == 0.9
        # Another effort, or a limit that may be another one, is worth a try.
        assert bound("branch-and-bound", tied, 1000) is None
        assert bound("tighten", tied, 24) is None
        assert bound("milp", tied) is None
        assert bound("branch-and-bound", decided, 1000) == -1.0
        assert bound("milp", decided) == -1.0
        # An interval is asked for itself, whatever its sign.
        assert bound("tighten", decided, 6) is None


@pytest.mark.parametrize("kept", [0.3, 0.8])
def test_a_torn_last_line_is_cut_off(tmp_path, kept: float) -> None:
    path = tmp_path / "run.jsonl"
    first = classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    second = classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))
    assert second.phases == first.phases
    assert all(isinstance(entry, dict) for entry in findings(path))


def test_a_record_of_something_else_is_refused(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    classify(network(), BOX, checkpoint=str(path))
    before = path.read_bytes()
    with pytest.raises(MismatchError, match="another domain"):
        classify(network(), Box(-1, 1), checkpoint=str(path))
    with pytest.raises(MismatchError, match="another margin"):
        classify(network(), BOX, margin=1e-5, checkpoint=str(path))
    with pytest.raises(MismatchError, match="another network"):
        classify(Network(network().layers[:2]), BOX, checkpoint=str(path))
    assert path.read_bytes() == before
    for other in ('{"format": "leo_opt stability 1", "phases": []}', "{}"):
        path.write_text(other)
        with pytest.raises(FileFormatError, match="not a checkpoint"):
            classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))
        assert path.read_text() == other
    path.write_text("a letter to my mother\n")
    with pytest.raises(FileFormatError, match="not a checkpoint"):
        classify(network(), BOX, checkpoint=str(path))
    assert path.read_text() == "a letter to my mother\n"
    with pytest.raises(OutputError, match="name another file"):
        classify(network(), BOX, checkpoint=str(tmp_path / "no" / "run.jsonl"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bound", "nan"),
        ("direction", [1, 999, 1]),
        ("direction", [1, 0, 2]),
        ("direction", [77, 0, 1]),
        ("witness", [0.0, 1.0]),
        ("witness", [float("nan")] * 10),
        ("premise", None),
    ],
)
def test_what_no_run_can_have_written_is_refused(tmp_path, key: str, value: object) -> None:
    path = tmp_path / "run.jsonl"
    classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))
    lines = path.read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {key: value})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FileFormatError, match="not a checkpoint"):
        classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked on Windows")
def test_two_runs_do_not_share_a_file(tmp_path) -> None:
    path = str(tmp_path / "run.jsonl")
    checkpoint = Checkpoint.open(path, network(), BOX.spread(10), 2e-6)
    with pytest.raises(OutputError, match="in use by another run"):
        classify(network(), BOX, checkpoint=path)
    checkpoint.close()
    classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=path)


def test_joint_reads_its_checkpoint(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    generator = np.random.default_rng(1)
    small = Network.from_arrays(
        [generator.normal(size=shape) for shape in ((8, 4), (8, 8), (2, 8))],
        [generator.normal(size=size) - 1.0 for size in (8, 8, 2)],
    )
    run = {"strategy": "joint", "random_points": 1, "checkpoint": str(path)}
    first = classify(small, Box(-1, 1), **run)
    settled = {tuple(entry["direction"]) for entry in findings(path) if settles(entry)}
    known = len(findings(path))
    second = classify(small, Box(-1, 1), **run)
    assert settled
    assert second.phases == first.phases
    assert not settled & {tuple(entry["direction"]) for entry in findings(path)[known:]}


def test_a_killed_run_goes_on(tmp_path) -> None:
    """SIGKILL in the middle; the rest of the run starts from what was on disk."""
    path = tmp_path / "run.jsonl"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from test_checkpoint import *;"
        "classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=sys.argv[2])"
    )
    here = str(Path(__file__).parent)
    process = subprocess.Popen([sys.executable, "-c", code, here, str(path)])
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") > 3:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    process.wait(timeout=60)
    on_disk = path.read_bytes().rpartition(b"\n")[0]
    resumed = classify(network(), BOX, stages=STAGES, search_nodes=20, checkpoint=str(path))
    assert path.read_bytes().startswith(on_disk)
    assert resumed.phases == classify(network(), BOX, stages=STAGES, search_nodes=20).phases
