"""BLAS threads are limited while we work, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (its BLAS is another one than NumPy's)
from threadpoolctl import OpenBLASController, ThreadpoolController, threadpool_limits
from worker_jobs import blas_threads

from leo_opt import Box, Network, classify
from leo_opt.blas import one_blas_thread
from leo_opt.parallel import Workers


def threads() -> set[int]:
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return {library.num_threads for library in libraries}


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = ThreadpoolController().limit(limits=2, user_api="blas")
    # Not a limit in force, but the number that a process begins with.
    OpenBLASController.clear_controlling_thread(force=True)
    if threads() != {2}:
        pytest.skip("this BLAS has no threads to limit")
    yield
    before.restore_original_limits()
    OpenBLASController.clear_controlling_thread(force=True)


def network() -> Network:
    generator = np.random.default_rng(0)
    return Network.from_arrays(
        [generator.normal(size=shape) for shape in ((6, 2), (6, 6), (1, 6))], [None] * 3
    )


def test_nested_blocks_end_with_the_last() -> None:
    with one_blas_thread():
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


def test_threads_that_overlap_give_back_what_the_first_found() -> None:
    together, seen = Barrier(2), []

    def work(_: int) -> None:
        with one_blas_thread():
            together.wait(30)
            seen.append(threads())
            together.wait(30)

    with ThreadPoolExecutor(2) as executor:
        list(executor.map(work, range(2)))
    assert seen == [{1}, {1}]
    assert threads() == {2}


def test_an_error_gives_them_back() -> None:
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert threads() == {2}


def test_what_the_caller_sets_meanwhile_stays() -> None:
    with one_blas_thread():
        ThreadpoolController().limit(limits=3, user_api="blas")
        kept = threads()
    assert threads() == kept


def test_a_limit_that_another_thread_of_the_caller_holds_is_its_own_business() -> None:
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as executor:

        def work() -> None:
            with one_blas_thread():
                pass

        executor.submit(work).result()
        assert threads() == {2}
    assert threads() == {2}


def test_classify_works_with_one_and_gives_back_two() -> None:
    seen: list[set[int]] = []
    classify(network(), Box(-1, 1), progress=lambda _: seen.append(threads()))
    assert seen
    assert all(found == {1} for found in seen)
    assert threads() == {2}


@pytest.mark.parametrize("where", [{"count": 1}, {"count": 2}, {"executor": "threads"}])
def test_workers_have_one_each(where: dict[str, Any]) -> None:
    with ThreadPoolExecutor(2) as pool:
        options = {"executor": pool} if "executor" in where else where
        with Workers(**options) as workers:
            found = [done.outcome for done in workers.run(blas_threads, [0, 1, 2])]
    assert found == [{1}] * 3
    assert threads() == {2}
