"""The verdict of `verify` does not depend on where the questions are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from random_properties import make_property, random_rows

from leo_opt import Box, Network, save
from leo_opt.cli import main
from leo_opt.decisions import splitting
from leo_opt.errors import InvalidInputError
from leo_opt.properties import Property
from leo_opt.verification import Decision, Verdict, keep_class, verify
from leo_opt.worker_processes import WorkerPool


def deep(shape: tuple[int, ...], seed: int) -> Network:
    generator = np.random.default_rng(seed)
    sizes = list(zip(shape[1:], shape, strict=False))
    return Network.from_arrays(
        [generator.normal(size=size) / np.sqrt(size[1]) for size in sizes],
        [0.3 * generator.normal(size=size[0]) for size in sizes],
    )


def robustness(seed: int, radius: float) -> tuple[Network, Property]:
    """Many inputs and several cases: linear programs, intervals, searches."""
    network = deep((16, 20, 20, 16, 4), seed)
    centre = np.random.default_rng(seed).normal(size=16)
    box = Box.around(centre, radius)
    return network, keep_class(box, int(network(centre).argmax()), 4)


def low_dimensional(seed: int) -> tuple[Network, Property]:
    """Few inputs: input splitting, several rounds of it."""
    generator = np.random.default_rng(seed)
    network = deep((4, 20, 20, 3), seed)
    box = Box(-2, 2)
    return network, make_property(network, [(box, random_rows(generator, network, box))])


def assert_same(left: Verdict, right: Verdict) -> None:
    assert left.answer is right.answer
    assert left.cases == right.cases
    assert left.case == right.case
    assert (left.pieces, left.lps, left.milps) == (right.pieces, right.lps, right.milps)
    if left.inputs is None:
        assert right.inputs is None
    else:
        np.testing.assert_array_equal(left.inputs, right.inputs)


CASES = {
    "holds": (robustness(1, 0.3), ("branch-and-bound",)),
    "violated": (robustness(4, 0.2), ("branch-and-bound",)),
    "splitting": (low_dimensional(1), ("splitting",)),
    "splitting-violated": (low_dimensional(6), ("splitting",)),
    "milp": (robustness(1, 0.3), ("milp",)),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks a round also where few pieces are needed."""
    monkeypatch.setattr(splitting, "boxes_at_once", lambda _: 16)


@pytest.fixture(scope="module")
def places() -> Iterator[Executor]:
    """Processes that outlive a verification."""
    with WorkerPool(2) as pool:
        yield pool


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "milp" else n for n in CASES]
)
@pytest.mark.system
def test_an_executor_changes_nothing(name: str, places: Executor) -> None:
    (network, asked), stages = CASES[name]
    alone = verify(network, asked, stages=stages)
    assert alone.answer is (Decision.VIOLATED if "violated" in name else Decision.HOLDS)
    assert_same(alone, verify(network, asked, stages=stages, executor=places))


@pytest.mark.system
def test_processes_change_nothing() -> None:
    (network, asked), stages = CASES["holds"]
    alone = verify(network, asked, stages=stages)
    assert alone.lps > 100
    assert_same(alone, verify(network, asked, stages=stages, workers=3))


class Lossy(Executor):
    """Runs jobs at once, and loses every second one."""

    def __init__(self) -> None:
        self.jobs = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.jobs += 1
        future: Future[Any] = Future()
        if self.jobs % 4 >= 2:
            future.set_exception(BrokenExecutor("lost"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("name", CASES)
@pytest.mark.system
def test_lost_jobs_prove_nothing(name: str) -> None:
    """Whatever is lost, no answer is wrong."""
    (network, asked), stages = CASES[name]
    places = Lossy()
    verdict = verify(network, asked, stages=stages, executor=places)
    assert places.jobs > 1
    right = Decision.VIOLATED if "violated" in name else Decision.HOLDS
    assert verdict.answer in (right, Decision.UNKNOWN)


def test_the_command_takes_workers(tmp_path: Path) -> None:
    network, box = deep((2, 6, 1), 0), Box([-1.0, -1.0], [1.0, 1.0])
    save(network, tmp_path / "net.onnx")
    lines = ["(declare-const X_0 Real)", "(declare-const X_1 Real)", "(declare-const Y_0 Real)"]
    lines += [f"(assert (<= X_{k} 1.0)) (assert (>= X_{k} -1.0))" for k in range(box.size or 0)]
    (tmp_path / "p.vnnlib").write_text("\n".join([*lines, "(assert (>= Y_0 1000.0))"]))
    asked = [str(tmp_path / "net.onnx"), str(tmp_path / "p.vnnlib")]
    assert CliRunner().invoke(main, ["verify", *asked, "--workers", "2"]).exit_code == 0
    refused = CliRunner().invoke(main, ["verify", *asked, "--workers", "0"])
    assert refused.exit_code == 2
    assert "workers is 0" in refused.stderr
    with pytest.raises(InvalidInputError, match="workers is 0"):
        verify(network, keep_class(box, 0, 1), workers=0)
