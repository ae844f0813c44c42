"""Verdicts do not depend on where the questions are answered, nor on workers that die."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from leo_opt import Box, Cascade, Network, Phase, Stability, classify

BOX = Box(-0.3, 0.3)
STAGES = ("lp", "branch-and-bound")


def network(widths: Sequence[int] = (10, 14, 14, 10, 2), shift: float = 6.0) -> Network:
    """Directions for every stage: some settled by LPs, most by branch and bound."""
    generator = np.random.default_rng(0)
    weights = [(b, a) for a, b in itertools.pairwise(widths)]
    return Network.from_arrays(
        [generator.normal(size=shape) for shape in weights],
        [generator.normal(size=shape[0]) - shift * (k > 0) for k, shape in enumerate(weights)],
    )


def assert_same(left: Stability, right: Stability) -> None:
    """The same phases, intervals and evidence, seconds apart."""
    assert left.phases == right.phases
    for one, other in ((left.certified, right.certified), (left.trusted, right.trusted)):
        for mine, theirs in zip(
            (*one.lower, *one.upper), (*other.lower, *other.upper), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(left.witnesses, right.witnesses)
    for mine, theirs in (
        (left.lower_evidence, right.lower_evidence),
        (left.upper_evidence, right.upper_evidence),
    ):
        assert [[(e.method, e.premise, e.witness) for e in layer] for layer in mine] == [
            [(e.method, e.premise, e.witness) for e in layer] for layer in theirs
        ]


@pytest.fixture(scope="module")
def serial() -> Stability:
    stability = classify(network(), BOX, strategy=Cascade(stages=STAGES))
    assert {"lp", "branch-and-bound"} <= set(stability.statistics.settled)
    return stability


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.system
def test_processes_change_nothing(serial: Stability, workers: int) -> None:
    assert_same(serial, classify(network(), BOX, strategy=Cascade(stages=STAGES), workers=workers))


@pytest.mark.system
def test_a_dask_cluster_with_a_worker_killed_changes_nothing(serial: Stability) -> None:
    distributed = pytest.importorskip("distributed", reason="needs leo-opt[dask]")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        pids = client.run(os.getpid)
        victim = next(iter(pids.values()))

        def kill() -> None:
            time.sleep(0.1)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        with client.get_executor() as executor:
            stability = classify(network(), BOX, strategy=Cascade(stages=STAGES), executor=executor)
        killer.join()
    for mine, theirs in zip(serial.phases, stability.phases, strict=True):
        for expected, phase in zip(mine, theirs, strict=True):
            assert phase in (expected, Phase.UNDECIDED)
    assert_same(serial, stability)


def test_time_limits_are_kept() -> None:
    hard = network((16, 24, 24, 20, 2), 12.0)
    for limit in (0.2, 1.0):
        start = time.monotonic()
        classify(hard, BOX, strategy=Cascade(stages=STAGES, search_nodes=10**6), time_limit=limit)
        assert time.monotonic() - start < limit + 5.0
