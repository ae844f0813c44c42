"""Figures of a comparison: who solved what, how fast, and how tight the relaxations are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from leo_opt.comparison.agreement import Asked, is_optimum, question_of, withdraw
from leo_opt.comparison.record import Entry

SHIFT = 1.0
"""Seconds added before the geometric mean is taken, and taken off after it."""

LEAST_SECONDS = 0.01
"""Shorter times count as this, since their ratios say nothing."""

BASELINE = "big-m"

CLOCKS: Mapping[str, str] = MappingProxyType({"wall": "seconds", "cpu": "cpu_seconds"})
"""What times are told by, and the field of a measurement that holds them. Time of the processor
is the fairer one on a machine that does other work, for solvers with one thread."""

_SETTINGS = ("bounds", "time_limit", "node_limit", "stop")
_LEAST_GAP = 1e-6


@dataclass(frozen=True)
class Contestant:
    """A formulation on a solver; with the settings in which contestants of a folder differ."""

    formulation: str
    solver: str
    settings: str = ""

    @property
    def label(self) -> str:
        """One line for legends."""
        return f"{self.formulation}, {self.solver}" + (
            f", {self.settings}" if self.settings else ""
        )


@dataclass(frozen=True)
class Line:
    """One contestant's line of the table.

    Parameters
    ----------
    cells, solved, unsolved, refused, failed, wrong
        Counts; the first is the sum of the others. Wrong are answers that another cell or the
        network itself contradicts.
    wins
        Questions on which no formulation on the same solver was faster; ties count for each.
    median_seconds, mean_seconds
        Over answered cells, unsolved ones at their time limit; the mean is geometric, shifted.
    median_nodes
        Over solved cells.
    ratio
        Geometric mean of the time over that of `big-m` on the same solver and question.
    """

    contestant: Contestant
    cells: int
    solved: int
    unsolved: int
    refused: int
    failed: int
    wrong: int
    wins: int
    median_seconds: float | None
    mean_seconds: float | None
    median_nodes: float | None
    ratio: float | None


@dataclass(frozen=True)
class GapLine:
    """How much of the root gap of `big-m` a formulation closes, in percent.

    Parameters
    ----------
    questions
        On which the optimum is known and big-M has a gap.
    median, mean, least, most
        Percent, after rounds of separation where there are any.
    cut_rows
        Median number of rows that these rounds add.
    """

    formulation: str
    settings: str
    questions: int
    median: float
    mean: float
    least: float
    most: float
    cut_rows: float


def contestants(entries: Sequence[Entry]) -> dict[Contestant, list[Entry]]:
    """The cells of each contestant."""
    varying = [name for name in _SETTINGS if len({str(entry.cell[name]) for entry in entries}) > 1]
    groups: dict[Contestant, list[Entry]] = {}
    for entry in entries:
        settings = ", ".join(f"{name} {entry.cell[name]}" for name in varying)
        who = Contestant(entry.cell["formulation"], entry.cell["solver"], settings)
        groups.setdefault(who, []).append(entry)
    return groups


def is_solved(entry: Entry) -> bool:
    """Whether a cell answers its question: the optimum, or the sign where only that is asked."""
    if entry.cell["stop"] == "sign":
        known = entry.measurement.verdict in ("witness", "proved")
        return known and entry.measurement.outcome == "answered"
    return is_optimum(entry)


def seconds_of(entry: Entry, clock: str) -> float | None:
    """Time of an answered cell by a clock of `CLOCKS`; an unsolved one takes its limit."""
    seconds: float | None = getattr(entry.measurement, CLOCKS[clock])
    if entry.measurement.outcome != "answered" or seconds is None:
        return None
    limit = float(entry.cell["time_limit"])
    return max(LEAST_SECONDS, seconds if is_solved(entry) else limit)


def run_of(entry: Entry) -> tuple[Asked, int]:
    """What formulations and solvers are compared on: a question and a seed."""
    return question_of(entry), int(entry.cell["seed"])


def summarise(entries: Sequence[Entry], clock: str = "wall") -> list[Line]:
    """A line for each contestant.

    Parameters
    ----------
    clock
        A key of `CLOCKS`.
    """
    groups = contestants(withdraw(entries))
    best = _best_times(groups, clock)
    return [_line(who, mine, groups, best, clock) for who, mine in groups.items()]


Best = Mapping[tuple[str, str, object], float]


def _best_times(groups: Mapping[Contestant, Sequence[Entry]], clock: str) -> Best:
    """The shortest time of any solved cell, for each solver, settings, question and seed."""
    best: dict[tuple[str, str, object], float] = {}
    for who, mine in groups.items():
        for entry in filter(is_solved, mine):
            place = (who.solver, who.settings, run_of(entry))
            best[place] = min(best.get(place, math.inf), seconds_of(entry, clock) or math.inf)
    return best


def _line(
    who: Contestant,
    mine: Sequence[Entry],
    groups: Mapping[Contestant, Sequence[Entry]],
    best: Best,
    clock: str,
) -> Line:
    """The figures of one contestant."""
    solved = [entry for entry in mine if is_solved(entry)]
    outcomes = [entry.measurement.outcome for entry in mine]
    times = [value for e in mine if (value := seconds_of(e, clock)) is not None]
    wins = [e for e in solved if seconds_of(e, clock) == best[who.solver, who.settings, run_of(e)]]
    nodes = [entry.measurement.nodes or 0 for entry in solved]
    base = groups.get(Contestant(BASELINE, who.solver, who.settings), [])
    return Line(
        contestant=who,
        cells=len(mine),
        solved=len(solved),
        unsolved=outcomes.count("answered") - len(solved),
        refused=outcomes.count("refused"),
        failed=outcomes.count("failed"),
        wrong=outcomes.count("wrong"),
        wins=len(wins),
        median_seconds=statistics.median(times) if times else None,
        mean_seconds=shifted_mean(times) if times else None,
        median_nodes=statistics.median(nodes) if nodes else None,
        ratio=_ratio(mine, base, clock),
    )


def shifted_mean(values: Iterable[float], shift: float = SHIFT) -> float:
    """The shifted geometric mean, exp(mean(log(v + shift))) - shift.

    References
    ----------
    T. Achterberg, Constraint Integer Programming, PhD thesis, TU Berlin, 2007, section A.3.
    """
    return math.exp(statistics.fmean(math.log(value + shift) for value in values)) - shift


def _ratio(mine: Iterable[Entry], base: Iterable[Entry], clock: str) -> float | None:
    """Geometric mean of ratios of times on the questions that both answered."""
    times = {run_of(entry): seconds_of(entry, clock) for entry in base}
    logs = []
    for entry in mine:
        own, other = seconds_of(entry, clock), times.get(run_of(entry))
        if own is not None and other is not None:
            logs.append(math.log(own / other))
    return math.exp(statistics.fmean(logs)) if logs else None


def optima(entries: Iterable[Entry]) -> dict[Asked, float]:
    """The optimum of each question that some exact formulation solved."""
    known: dict[Asked, float] = {}
    for entry in entries:
        bound = entry.measurement.final_bound
        if is_optimum(entry) and bound is not None:
            place = question_of(entry)
            known[place] = min(known.get(place, math.inf), bound)
    return known


def gaps_closed(entries: Sequence[Entry]) -> dict[tuple[str, str], dict[Asked, float]]:
    """Share of big-M's root gap that is closed, by (formulation, bounds) and question.

    1 where the root bound is the optimum, 0 where it is that of big-M, negative where it is
    weaker. The first cell that has the numbers counts, since a linear program has one optimum.
    """
    entries = withdraw(entries)
    best = optima(entries)
    base: dict[tuple[Asked, str], float] = {}
    for entry in entries:
        bound = entry.measurement.root_bound
        if entry.cell["formulation"] == BASELINE and bound is not None and _answered(entry):
            base.setdefault((question_of(entry), entry.cell["bounds"]), bound)
    closed: dict[tuple[str, str], dict[Asked, float]] = {}
    for entry in entries:
        if entry.cell["separation"] == "tree":
            continue  # Its rows come after the root relaxation that is measured here.
        place, method = question_of(entry), entry.cell["bounds"]
        start, end = base.get((place, method)), best.get(place)
        bound = entry.measurement.separated_bound
        if start is None or end is None or bound is None or not _answered(entry):
            continue
        if start - end > max(_LEAST_GAP * (1.0 + abs(end)), entry.measurement.margin or 0.0):
            mine = closed.setdefault((entry.cell["formulation"], method), {})
            mine.setdefault(place, (start - bound) / (start - end))
    return closed


def _answered(entry: Entry) -> bool:
    return entry.measurement.outcome == "answered"


def summarise_gaps(entries: Sequence[Entry]) -> list[GapLine]:
    """A line for each formulation and method of bounds."""
    several = len({entry.cell["bounds"] for entry in entries}) > 1
    lines = []
    for (formulation, method), shares in gaps_closed(entries).items():
        percent = [100.0 * share for share in shares.values()]
        rows = [
            entry.measurement.cut_rows or 0
            for entry in entries
            if (entry.cell["formulation"], entry.cell["bounds"]) == (formulation, method)
            and entry.measurement.outcome == "answered"
        ]
        lines.append(
            GapLine(
                formulation=formulation,
                settings=f"bounds {method}" if several else "",
                questions=len(percent),
                median=statistics.median(percent),
                mean=statistics.fmean(percent),
                least=min(percent),
                most=max(percent),
                cut_rows=statistics.median(rows),
            )
        )
    return lines
