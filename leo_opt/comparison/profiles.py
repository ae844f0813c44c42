"""Performance profiles.

References
----------
E. D. Dolan, J. J. More, Benchmarking optimization software with performance profiles,
Math. Program. 91, 2002.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.comparison.agreement import withdraw
from leo_opt.comparison.record import Entry
from leo_opt.comparison.summary import Contestant, contestants, is_solved, run_of, seconds_of
from leo_opt.network import FloatArray


@dataclass(frozen=True, eq=False)
class Profile:
    """The share of questions that a contestant solves within a factor of the fastest.

    Parameters
    ----------
    contestant
        Whose.
    ratios : (k,) array
        Sorted time ratios to the fastest contestant on the questions it solved, each at least 1.
    questions
        All that were asked of any contestant, so that the share in the end is that of the tables.
    """

    contestant: Contestant
    ratios: FloatArray
    questions: int

    def share(self, factor: float) -> float:
        """rho(factor): 1 where every question is solved within that factor of the fastest."""
        within = np.searchsorted(self.ratios, factor, side="right")
        return float(within / self.questions) if self.questions else 0.0


def profiles(entries: Sequence[Entry], clock: str = "wall") -> list[Profile]:
    """Profiles of contestants against one another, by a clock of `CLOCKS`.

    Every question counts. What a contestant was refused, failed, got wrong or did not solve has an
    infinite ratio.
    """
    times: dict[Contestant, dict[object, float]] = {}
    best: dict[object, float] = {}
    asked = {run_of(entry) for entry in entries}
    for who, mine in contestants(withdraw(entries)).items():
        times[who] = {}
        for entry in filter(is_solved, mine):
            seconds = seconds_of(entry, clock)
            if seconds is not None:
                times[who][run_of(entry)] = seconds
                best[run_of(entry)] = min(best.get(run_of(entry), math.inf), seconds)
    return [
        Profile(who, np.sort([seconds / best[run] for run, seconds in mine.items()]), len(asked))
        for who, mine in times.items()
    ]
