"""Cross-check: all cells of one question are about the same number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leo_opt.comparison.measurement import IMPOSSIBLE
from leo_opt.comparison.record import Entry

Asked = tuple[Any, ...]

_QUESTION = ("network_hash", "domain_hash", "layer", "unit", "sign")


@dataclass(frozen=True)
class Clash:
    """Two things that cannot both be true, or one that cannot be.

    Parameters
    ----------
    kind
        "contradiction": a bound excludes what the network itself reaches, or a feasible bounded
        model is called infeasible or unbounded. "disagreement": two optima of exact formulations
        differ.
    entry
        The cell that is wrong, or one of the two.
    text
        What clashes, with the numbers.
    """

    kind: str
    entry: Entry
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {name_of(self.entry.cell)}: {self.text}"


def name_of(cell: Mapping[str, Any]) -> str:
    """A cell in words."""
    return (
        f"{cell['network']} on {cell['domain']}, unit ({cell['layer']}, {cell['unit']}) "
        f"{'above' if cell['sign'] > 0 else 'below'} zero, {cell['formulation']} with "
        f"{cell['bounds']} bounds on {cell['solver']}, seed {cell['seed']}"
    )


def question_of(entry: Entry) -> Asked:
    """What a cell is about, whoever answers it."""
    return tuple(entry.cell[name] for name in _QUESTION)


def find_clashes(entries: Iterable[Entry]) -> list[Clash]:
    """All contradictions and disagreements among cells of the same question."""
    groups: dict[Asked, list[Entry]] = {}
    for entry in entries:
        if entry.measurement.outcome == "answered":
            groups.setdefault(question_of(entry), []).append(entry)
    clashes: list[Clash] = []
    for group in groups.values():
        wrong = list(_contradictions(group))
        convicted = [clash.entry for clash in wrong]
        clashes += wrong
        clashes += _disagreements([entry for entry in group if entry not in convicted])
    return clashes


def withdraw(entries: Sequence[Entry]) -> list[Entry]:
    """The same cells, those that a contradiction convicts with the outcome "wrong" and why."""
    reasons: dict[str, str] = {}
    for clash in find_clashes(entries):
        if clash.kind == "contradiction":
            reasons.setdefault(clash.entry.key, clash.text)
    return [
        replace(
            entry,
            measurement=replace(entry.measurement, outcome="wrong", reason=reasons[entry.key]),
        )
        if entry.key in reasons
        else entry
        for entry in entries
    ]


def _contradictions(group: Sequence[Entry]) -> Iterator[Clash]:
    """Bounds below what the network reaches, and models called infeasible."""
    reached, witness = max(((_reached(entry), entry) for entry in group), key=lambda pair: pair[0])
    for entry in group:
        found = entry.measurement
        if found.termination_condition in IMPOSSIBLE:
            text = f"says {found.termination_condition} of a feasible bounded model"
            yield Clash("contradiction", entry, text)
        bounds = {
            "final bound": found.final_bound,
            "root bound": found.root_bound,
            "separated bound": found.separated_bound,
        }
        for name, bound in bounds.items():
            if bound is not None and bound + (found.margin or 0.0) < reached:
                text = (
                    f"{name} {bound!r} is below {reached!r}, which the network reaches (shown by "
                    f"{witness.cell['formulation']} on {witness.cell['solver']})"
                )
                yield Clash("contradiction", entry, text)


def _reached(entry: Entry) -> float:
    """The most that the network is known to reach."""
    found = entry.measurement
    return max(v for v in (found.confirmed, found.seen, -float("inf")) if v is not None)


def _disagreements(group: Sequence[Entry]) -> Iterator[Clash]:
    """Optima that differ by more than margins and the gaps that are left."""
    optima = [
        (entry.measurement.final_bound, entry)
        for entry in group
        if is_optimum(entry) and entry.measurement.final_bound is not None
    ]
    if not optima:
        return
    least, holder = min(optima, key=lambda pair: pair[0])
    for bound, entry in optima:
        found = entry.measurement
        left = bound - (bound if found.incumbent is None else found.incumbent)
        allowed = (found.margin or 0.0) + (holder.measurement.margin or 0.0) + max(left, 0.0)
        if bound - least > allowed:
            text = (
                f"optimum {bound!r}, and {least!r} by {holder.cell['formulation']} on "
                f"{holder.cell['solver']}"
            )
            yield Clash("disagreement", entry, text)


def is_optimum(entry: Entry) -> bool:
    """Whether a cell claims to know the network's own optimum and is not convicted."""
    found = entry.measurement
    answered = found.outcome == "answered"
    return answered and found.exact and found.termination_condition == "optimal"
