"""Options of a session as HiGHS takes them."""

from __future__ import annotations

import os
import threading
from functools import cache
from types import MappingProxyType
from typing import Any

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.questions import SolverOptions

SMALLEST_ENTRY = 1e-12
"""HiGHS drops matrix entries up to its option small_matrix_value, which cannot be less."""

_REFUSED = MappingProxyType(
    {
        "objective_bound": "as a cutoff it makes bounds of MILPs wrong",
        "small_matrix_value": "small entries are left out by hand and their rows widened",
        "objective_target": "use stop_above",
    }
)
"""Options that may not be passed through, and why."""

_MIP_TOLERANCE = 1e-9
"""HiGHS's own 1e-6 leaves out more than it says: on a model of an MNIST network of 25-25 units its
bound was 6e-6 below what the network reaches, in units of about 1; with 1e-9 it is right."""

_TOLERANCES = (
    "mip_feasibility_tolerance",
    "primal_feasibility_tolerance",
    "dual_feasibility_tolerance",
    "mip_abs_gap",
    "mip_rel_gap",
)


def quiet_highs() -> Any:
    """A HiGHS object that has printed nothing, with no log until `set_options` asks for one."""
    return _quiet_class()()


@cache
def _quiet_class() -> Any:
    """`highspy.Highs` without its banner.

    From highspy 1.16 on its constructor sets a callback, and HiGHS prints its banner with the first
    call that is not about options. So the option has to come before.
    """
    import highspy

    class QuietHighs(highspy.Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:  # noqa: N802
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()

    return QuietHighs


def set_options(highs: Any, options: SolverOptions) -> None:
    """Set the options of a HiGHS object.

    Raises
    ------
    InvalidInputError
        Naming the option that HiGHS or this package does not take.
    """
    import highspy

    for name in options.extra:
        if name in _REFUSED:
            raise InvalidInputError(f"HiGHS option {name} is not taken: {_REFUSED[name]}")
    settings: dict[str, object] = {
        "output_flag": options.log_file is not None,
        "log_to_console": False,
        "log_file": options.log_file or "",
        "threads": options.threads,
        "random_seed": options.seed,
        "mip_rel_gap": float(options.relative_gap),
        "mip_abs_gap": float(options.absolute_gap),
        "primal_feasibility_tolerance": options.feasibility_tolerance,
        "dual_feasibility_tolerance": options.feasibility_tolerance,
        "mip_feasibility_tolerance": (
            _MIP_TOLERANCE
            if options.integrality_tolerance is None
            else options.integrality_tolerance
        ),
        "small_matrix_value": SMALLEST_ENTRY,
        **options.extra,
    }
    for name, value in settings.items():
        if value is None:
            continue
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise InvalidInputError(
                f"HiGHS refuses option {name} = {value!r}; see the list of its options"
            )


def read_tolerances(highs: Any) -> dict[str, float]:
    """The tolerances in force in a HiGHS object, by HiGHS's own names."""
    options = highs.getOptions()
    return {name: float(getattr(options, name)) for name in _TOLERANCES}


class _Scheduler(threading.local):
    """HiGHS's scheduler of this thread: each thread that solves has one of its own.

    Attributes
    ----------
    threads
        Its threads, or 0 before it is started.
    process
        The process that started it: a fork copies the scheduler without its threads.
    """

    threads = 0
    process = 0


_SCHEDULER = _Scheduler()


def use_threads(threads: int) -> None:
    """Restart the scheduler if it has another number of threads, which HiGHS calls an error."""
    process = os.getpid()
    if (threads, process) != (_SCHEDULER.threads, _SCHEDULER.process):
        import highspy

        # In a forked process there are no threads to wait for.
        highspy.Highs.resetGlobalScheduler(_SCHEDULER.process in (0, process))
        _SCHEDULER.threads, _SCHEDULER.process = threads, process
