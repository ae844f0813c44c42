"""`classify` in threads, against sampling; run in a process of its own, since a crash ends it."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np

from leo_opt import Box, Cascade, Network, Stability, classify

BOX = Box(-1.0, 1.0)
_SAMPLES = 3000


def network(seed: int) -> Network:
    """Units most of which only MILPs decide; few of them below seed 0."""
    generator = np.random.default_rng(abs(seed))
    widths = [2, 10, 10, 10, 1] if seed >= 0 else [2, 5, 5, 1]
    return Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) * 0.5 for b in widths[1:]],
    )


def decide(seed: int, solver: str, executor: Executor | None = None) -> Stability:
    return classify(
        network(seed),
        BOX,
        strategy=Cascade(stages=["milp"], random_points=0),
        solver=solver,
        executor=executor,
    )


def contradicted(seed: int, stability: Stability) -> int:
    """How many ends of trusted intervals a sampled input shows to be wrong."""
    post = np.random.default_rng(abs(seed)).uniform(-1.0, 1.0, size=(_SAMPLES, 2))
    count = 0
    for k, layer in enumerate(network(seed).layers):
        pre = post @ layer.weight.T + layer.bias
        post = np.maximum(pre, 0.0)
        count += int((pre.min(axis=0) < stability.trusted.lower[k] - 1e-9).sum())
        count += int((pre.max(axis=0) > stability.trusted.upper[k] + 1e-9).sum())
    return count


def _judge(seed: int, solver: str, executor: Executor | None = None) -> int:
    return contradicted(seed, decide(seed, solver, executor))


def _in_executor(solver: str, seeds: Iterable[int]) -> int:
    """One caller, whose questions are answered in threads."""
    with ThreadPoolExecutor(4) as threads:
        return sum(_judge(seed, solver, threads) for seed in seeds)


def _by_callers(solver: str, seeds: Iterable[int]) -> int:
    """Several callers at once, each of which answers its own questions."""
    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(lambda seed: _judge(seed, solver), seeds))


def _nested(solver: str, seeds: Iterable[int]) -> int:
    """Callers in all threads of the pool in which their questions are to be answered."""
    with ThreadPoolExecutor(2) as threads:
        return sum(threads.map(lambda seed: _judge(seed, solver, threads), seeds))


def _beside_a_fork(solver: str, seeds: Iterable[int]) -> int:
    """Callers in threads while processes that this one forks answer the same questions."""
    seeds = list(seeds)
    fork = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(2) as threads:
        here = [threads.submit(_judge, seed, solver) for seed in seeds]
        with ProcessPoolExecutor(2, mp_context=fork) as children:
            there = [children.submit(_judge, seed, solver) for seed in seeds]
            return sum(future.result() for future in (*here, *there))


_PLACES: Mapping[str, Callable[[str, Iterable[int]], int]] = {
    "executor": _in_executor,
    "callers": _by_callers,
    "nested": _nested,
    "fork": _beside_a_fork,
}


def contradictions(solver: str, seeds: Iterable[int], places: Iterable[str]) -> int:
    """Number of wrong ends of intervals over the networks of some seeds."""
    return sum(_PLACES[place](solver, seeds) for place in places)
