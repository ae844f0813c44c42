"""LP files, in the dialect that CPLEX, Gurobi, SCIP, HiGHS, CBC and GLPK share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from leo_opt.model_files.sheet import Column, Sheet

_LINE = 240
"""Characters in a line of several terms; CPLEX reads 560, and a term alone has fewer than 200."""


def lp_text(sheet: Sheet, comments: Iterable[str] = ()) -> str:
    """A sheet as an LP file; numbers are written so that reading gives the same float64.

    Indicator rows are written `name: binary = 1 -> ...` and special ordered sets in a section SOS,
    as CPLEX, Gurobi and SCIP have them.
    """
    return "\n".join(_text(sheet, comments)) + "\n"


def _text(sheet: Sheet, comments: Iterable[str]) -> Iterator[str]:
    names = [column.name for column in sheet.columns]
    yield from (f"\\ {comment}" for comment in comments)
    yield "Minimize"
    yield f" {sheet.objective_name}:"
    objective = sorted(sheet.objective.items())
    yield from _terms([c for _, c in objective], [names[k] for k, _ in objective])
    yield "Subject To"
    for line in sheet.lines:
        where = line.condition
        yield f" {line.name}:" + ("" if where is None else f" {names[where[0]]} = {where[1]} ->")
        yield from _terms(line.coefficients, [names[k] for k in line.columns] or names[:1])
        yield f"  {line.sense} {line.right!r}"
    if not sheet.lines:
        # All of the network is constant; GLPK refuses a file without rows.
        yield " no_rows:"
        yield from _terms([], names[:1])
        yield "  <= 0.0"
    yield "Bounds"
    for column in sheet.columns:
        if not column.binary:
            yield f" {_bound(column)}"
    for title, chosen in (
        ("Binaries", [c.name for c in sheet.columns if c.binary]),
        ("Generals", [c.name for c in sheet.columns if c.integer and not c.binary]),
    ):
        if chosen:
            yield title
            yield from (f" {name}" for name in chosen)
    if sheet.sets:
        yield "SOS"
    for group in sheet.sets:
        yield f" {group.name}: S{group.kind}::"
        for member, weight in group.members:
            yield f"  {names[member]}:{weight!r}"
    yield "End"


def _terms(coefficients: Iterable[float], names: list[str]) -> Iterator[str]:
    """A sum over a few lines; an empty one as 0 times the first name."""
    values = list(coefficients) or [0.0]
    terms = [
        f"{'-' if math.copysign(1.0, value) < 0.0 else '+'} {abs(value)!r} {name}"
        for value, name in zip(values, names, strict=True)
    ]
    line = " "
    for term in terms:
        if len(line) + len(term) > _LINE and line.strip():
            yield line
            line = " "
        line += f" {term}"
    yield line


def _bound(column: Column) -> str:
    """Both bounds of a column, always: without, readers take 0 for the lower one."""
    name, lower, upper = column.name, column.lower, column.upper
    if lower == upper:
        return f"{name} = {upper!r}"
    if math.isinf(lower) and math.isinf(upper):
        return f"{name} free"
    low = "-inf" if math.isinf(lower) else repr(lower)
    high = "+inf" if math.isinf(upper) else repr(upper)
    return f"{low} <= {name} <= {high}"
