"""What is decided is on disk at once, for one network, box and margin, and survives a kill."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leo_opt import Box, Cascade, Joint, Network, Stability, classify
from leo_opt.bounds import Bounds
from leo_opt.decisions import STRATEGIES, Progress, checkpoint
from leo_opt.decisions.checkpoint import Checkpoint
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.splitting_state import SplitState
from leo_opt.errors import FileFormatError, MismatchError, OutputError

BOX = Box(-0.3, 0.3)
SEARCH = Cascade(stages=["lp", "branch-and-bound"], search_nodes=20)


def network() -> Network:
    generator = np.random.default_rng(0)
    widths = [10, 14, 14, 10, 2]
    return Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) - 6.0 * (k > 0) for k, b in enumerate(widths[1:])],
    )


def entries(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def findings(path: Path) -> list[dict]:
    return [entry for entry in entries(path) if "direction" in entry]


def change(path: Path, line: int, changed: dict, sealed: bool) -> None:
    """Change some keys of an entry; with a seal that fits, or as damage does it."""
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    entry = lines[line] | changed
    if sealed:
        del entry["seal"]
        entry["seal"] = checkpoint._seal(header, entry)
    lines[line] = entry
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))


def test_a_second_run_asks_nothing_again(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    first = classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
    known = findings(path)
    assert known
    second = classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
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
    return entry["witness"] is not None or (bound is not None and bound <= 0)


def test_finished_searches_and_what_is_settled_are_not_asked_again(tmp_path) -> None:
    tied, decided, unbounded = Direction(1, 0, 1), Direction(1, 1, 1), Direction(1, 2, 1)
    made = [
        Finding(tied, "branch-and-bound", bound=1.0, effort=250),
        Finding(tied, "milp", bound=0.5),
        Finding(tied, "tighten", bound=0.9, effort=6),
        Finding(decided, "branch-and-bound", bound=-1.0, effort=250),
        Finding(unbounded, "tighten", bound=np.inf, effort=6),
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
        assert bound("tighten", unbounded, 6) == np.inf
    # What other readers of JSON know, too.
    assert "Infinity" not in (tmp_path / "run.jsonl").read_text()


@pytest.mark.system
@pytest.mark.parametrize("kept", [0.3, 0.8])
def test_a_torn_last_line_is_cut_off(tmp_path, kept: float) -> None:
    path = tmp_path / "run.jsonl"
    first = classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    second = classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
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
            classify(
                network(),
                BOX,
                strategy=SEARCH,
                checkpoint=str(path),
            )
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
        ("bound", math.nan),
        ("direction", [1, 999, 1]),
        ("direction", [1, 0, 2]),
        ("direction", [77, 0, 1]),
        ("witness", [0.0, 1.0]),
        ("witness", [float("nan")] * 10),
        ("premise", None),
    ],
)
@pytest.mark.parametrize("sealed", [False, True])
def test_what_no_run_can_have_written_is_refused(
    tmp_path, key: str, value: object, sealed: bool
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(of_searches())
    change(path, 0, {key: value}, sealed)
    before = path.read_bytes()
    with pytest.raises(FileFormatError, match="not a checkpoint"):
        classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
    assert path.read_bytes() == before


@functools.cache
def of_searches() -> bytes:
    """A checkpoint with findings."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
        return path.read_bytes()


def test_a_damaged_entry_is_not_believed_though_it_looks_sound(tmp_path) -> None:
    """A bound with one wrong digit, and one of another network."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(of_searches())
    bound = next(k for k, entry in enumerate(entries(path)) if entry.get("bound") is not None)
    change(path, bound, {"bound": -1.5}, sealed=False)
    with pytest.raises(FileFormatError, match="an entry is not as it was written"):
        classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
    path.write_bytes(of_searches())
    lines = path.read_text().splitlines(keepends=True)
    header = json.loads(lines[0]) | {"network": Network(network().layers[:3]).content_hash}
    path.write_text(json.dumps(header) + "\n" + "".join(lines[1:]))
    with pytest.raises(FileFormatError, match="an entry is not as it was written"):
        classify(Network(network().layers[:3]), BOX, checkpoint=str(path))


def test_a_file_of_another_version_is_named_and_left_alone(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    header = json.loads(of_searches().splitlines()[0]) | {"format": "leo_opt checkpoint 1"}
    path.write_text(json.dumps(header) + "\n")
    before = path.read_bytes()
    with pytest.raises(FileFormatError) as caught:
        classify(network(), BOX, checkpoint=str(path))
    assert "'leo_opt checkpoint 1'" in str(caught.value)
    assert "another version of leo_opt has written" in str(caught.value)
    assert "name another file or remove it" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked on Windows")
def test_two_runs_do_not_share_a_file(tmp_path) -> None:
    path = str(tmp_path / "run.jsonl")
    mine = Checkpoint.open(path, network(), BOX.spread(10), 2e-6)
    with pytest.raises(OutputError, match="in use by another run"):
        classify(network(), BOX, checkpoint=path)
    mine.close()
    classify(network(), BOX, strategy=SEARCH, checkpoint=path)


def test_joint_reads_its_checkpoint(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    generator = np.random.default_rng(1)
    small = Network.from_arrays(
        [generator.normal(size=shape) for shape in ((8, 4), (8, 8), (2, 8))],
        [generator.normal(size=size) - 1.0 for size in (8, 8, 2)],
    )
    run = {"strategy": Joint(random_points=1), "checkpoint": str(path)}
    first = classify(small, Box(-1, 1), **run)
    settled = {tuple(entry["direction"]) for entry in findings(path) if settles(entry)}
    known = len(findings(path))
    second = classify(small, Box(-1, 1), **run)
    assert settled
    assert second.phases == first.phases
    assert not settled & {tuple(entry["direction"]) for entry in findings(path)[known:]}


@pytest.mark.system
def test_a_killed_run_goes_on(tmp_path) -> None:
    """SIGKILL in the middle; the rest of the run starts from what was on disk."""
    path = tmp_path / "run.jsonl"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from test_checkpoint import *;"
        "classify(network(), BOX, strategy=SEARCH, checkpoint=sys.argv[2])"
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
    resumed = classify(network(), BOX, strategy=SEARCH, checkpoint=str(path))
    assert path.read_bytes().startswith(on_disk)
    fresh = classify(network(), BOX, strategy=SEARCH)
    assert resumed.phases == fresh.phases
    assert (fresh.statistics.recalled, resumed.statistics.recalled > 0) == (0, True)
    assert "from the checkpoint" in resumed.summary()
    assert "from the checkpoint" not in fresh.summary()


def split_network() -> Network:
    """Three inputs, and many rounds of input splitting."""
    generator = np.random.default_rng(0)
    widths = [3, 20, 20, 20, 2]
    return Network.from_arrays(
        [generator.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) * 0.2 - 0.1 for b in widths[1:]],
    )


def shares_of(**options) -> tuple[Stability, list[float]]:
    """A classification by input splitting, and what it tells of the box as it goes on."""
    shares: list[float] = []

    def listen(event: Progress) -> None:
        if event.share is not None:
            shares.append(event.share)

    return classify(split_network(), Box(-1, 1), progress=listen, **options), shares


@functools.cache
def fresh_shares() -> tuple[Stability, list[float]]:
    return shares_of()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.system
def test_a_run_killed_while_it_splits_goes_on_there(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    code = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_checkpoint import *
from leo_opt.decisions import splitting_state
splitting_state._AFTER = splitting_state._SHARE = 0.0
def listen(event):
    if (event.share or 0.0) > 0.97:
        os.kill(os.getpid(), signal.SIGKILL)
classify(split_network(), Box(-1, 1), checkpoint=sys.argv[2], progress=listen)
"""
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, here, str(path)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert [entry for entry in entries(path) if "split" in entry]
    assert not [entry for entry in entries(path) if "verdict" in entry]
    (fresh, all_shares), (resumed, shares) = fresh_shares(), shares_of(checkpoint=path)
    assert len(all_shares) > 10
    assert shares == all_shares[-len(shares) :]
    assert len(shares) < 0.7 * len(all_shares)
    assert_same(resumed, fresh)


def assert_same(left: Stability, right: Stability) -> None:
    assert left.phases == right.phases
    for name in ("certified", "trusted"):
        mine, other = getattr(left, name), getattr(right, name)
        for layer, (low, high) in enumerate(zip(mine.lower, mine.upper, strict=True)):
            np.testing.assert_array_equal(low, other.lower[layer])
            np.testing.assert_array_equal(high, other.upper[layer])


def test_a_finished_run_is_answered_from_its_file(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    first, _ = shares_of(checkpoint=path)
    assert [entry for entry in entries(path) if "verdict" in entry]
    before = path.read_bytes()
    for _ in range(2):
        seen: list[Progress] = []
        again = classify(split_network(), Box(-1, 1), checkpoint=path, progress=seen.append)
        assert not seen
        assert_same(again, first)
        alike = replace(again, statistics=first.statistics)
        assert alike.to_json() == first.to_json()
    assert path.read_bytes() == before
    # Another strategy is another question, though it may know how far input splitting was.
    assert classify(
        split_network(), Box(-1, 1), strategy=Cascade(stages=[]), checkpoint=path, solver="scip"
    )
    classify(
        split_network(), Box(-1, 1), checkpoint=path, progress=seen.append, bounds=first.trusted
    )
    assert seen


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_answered_from_its_file(strategy: str, tmp_path: Path) -> None:
    runs = [
        classify(network(), BOX, strategy=strategy, checkpoint=tmp_path / "run.jsonl")
        for _ in range(3)
    ]
    assert runs[0].statistics.recalled == 0
    for run in runs[1:]:
        assert run.phases == runs[0].phases
        known = findings(tmp_path / "run.jsonl")
        kept = {(f["stage"], *f["direction"], f.get("effort", 0)) for f in known}
        assert run.statistics.recalled == len(kept)


@pytest.mark.system
def test_verdicts_with_something_undecided_are_not_final(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    small = Cascade(stages=["splitting"], splitting_budget=50)
    first, _ = shares_of(checkpoint=path, strategy=small)
    assert any(phase == "undecided" for layer in first.phases for phase in layer)
    assert not [entry for entry in entries(path) if "verdict" in entry]
    # The end of a small budget is not the end of a larger one.
    second, shares = shares_of(checkpoint=path, strategy=Cascade(stages=["splitting"]))
    assert_same(second, fresh_shares()[0])
    assert len(shares) > 1


def test_verdicts_that_rest_on_the_callers_bounds_are_not_kept_for_others(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    fresh, _ = fresh_shares()
    narrow = Bounds(fresh.domain, fresh.trusted.lower, fresh.trusted.upper)
    stability = classify(split_network(), Box(-1, 1), checkpoint=path, bounds=narrow)
    assert not any(phase == "undecided" for layer in stability.phases for phase in layer)
    assert not [entry for entry in entries(path) if "verdict" in entry]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    "changed",
    [
        {"arrays": "AAAA"},
        {"arrays": "not base64!"},
        {"arrays": None},
        {"pieces": 0},
        {"pieces": -1},
        {"points": 10**9},
        {"pace": [0, 0.25, 0, 0.0]},
        {"pace": [0, float("nan"), 0, 0.0]},
        {"pace": []},
        {"reached": 20_000},
        {"asked": [[1, 2]]},
    ],
)
def test_how_far_splitting_is_cannot_be_what_no_run_has_written(
    tmp_path, changed: dict, sealed: bool
) -> None:
    path = tmp_path / "run.jsonl"
    domain = Box(-1, 1).spread(3)
    state = SplitState.begin(split_network(), domain, [Direction(0, 1, 1)])
    with contextlib.closing(Checkpoint.open(path, split_network(), domain, 2e-6)) as record:
        record.keep_split(state)
    change(path, 0, {"split": entries(path)[0]["split"] | changed}, sealed)
    with pytest.raises(FileFormatError, match=r"is not a checkpoint: .*; name another file"):
        classify(split_network(), Box(-1, 1), checkpoint=path)


@pytest.mark.parametrize("kind", ["network", "domain", "open", "widths"])
def test_verdicts_of_something_else_are_refused(tmp_path, kind: str) -> None:
    path = tmp_path / "run.jsonl"
    domain, (fresh, _) = Box(-1, 1).spread(3), fresh_shares()
    with contextlib.closing(Checkpoint.open(path, split_network(), domain, 2e-6)) as record:
        record.keep_verdict(fresh)
    tree = fresh.to_json()
    if kind == "network":
        tree["network_hash"] = network().content_hash
    elif kind == "domain":
        tree["domain"] = [[-2.0] * 3, [2.0] * 3]
    elif kind == "open":
        tree["trusted"][0][1][0], tree["trusted"][1][1][0] = -1e9, 1e9
        for side in tree["evidence"]:
            side[1][0][2] = None
    else:
        for side in (*tree["trusted"], *tree["certified"]):
            side[2].pop()
    change(path, 0, {"verdict": tree}, sealed=True)
    with pytest.raises(FileFormatError, match="its verdicts are of something else"):
        classify(split_network(), Box(-1, 1), checkpoint=path)
