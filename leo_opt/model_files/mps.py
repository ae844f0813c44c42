"""Free MPS, as HiGHS, Gurobi, CPLEX, SCIP, CBC and GLPK read it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from leo_opt.model_files.sheet import Column, Sheet

_SENSES = {"<=": "L", ">=": "G", "=": "E"}


def mps_text(sheet: Sheet, comments: Iterable[str] = ()) -> str:
    """A sheet as free MPS; numbers are written so that reading gives the same float64.

    Special ordered sets stand in a section SOS and indicator rows in a section INDICATORS, as
    CPLEX, Gurobi and SCIP have them.
    """
    return "\n".join(_text(sheet, comments)) + "\n"


def _text(sheet: Sheet, comments: Iterable[str]) -> Iterator[str]:
    yield from (f"* {comment}" for comment in comments)
    yield "NAME model"
    yield "ROWS"
    yield f" N {sheet.objective_name}"
    for line in sheet.lines:
        yield f" {_SENSES[line.sense]} {line.name}"
    yield "COLUMNS"
    yield from _column_entries(sheet)
    yield "RHS"
    for line in sheet.lines:
        if line.right != 0.0:
            yield f"    RHS {line.name} {line.right!r}"
    yield "BOUNDS"
    for column in sheet.columns:
        yield from _bounds(column)
    if sheet.sets:
        yield "SOS"
    for group in sheet.sets:
        yield f" S{group.kind} {group.name}"
        for member, weight in group.members:
            yield f"    {sheet.columns[member].name} {weight!r}"
    if "indicator" in sheet.needs:
        yield "INDICATORS"
    for line in sheet.lines:
        if line.condition is not None:
            yield f" IF {line.name} {sheet.columns[line.condition[0]].name} {line.condition[1]}"
    yield "ENDATA"


def _column_entries(sheet: Sheet) -> Iterator[str]:
    """Entries column by column, integral ones between markers."""
    entries: list[list[tuple[str, float]]] = [[] for _ in sheet.columns]
    for k, coefficient in sheet.objective.items():
        entries[k].append((sheet.objective_name, coefficient))
    for line in sheet.lines:
        for k, coefficient in zip(line.columns, line.coefficients, strict=True):
            entries[k].append((line.name, coefficient))
    markers, inside = 0, False
    for column, own in zip(sheet.columns, entries, strict=True):
        if column.integer != inside:
            inside = column.integer
            yield f"    MARKER{markers} 'MARKER' {_MARKS[inside]}"
            markers += 1
        for row, coefficient in own:
            yield f"    {column.name} {row} {coefficient!r}"
    if inside:
        yield f"    MARKER{markers} 'MARKER' {_MARKS[False]}"


_MARKS = {True: "'INTORG'", False: "'INTEND'"}


def _bounds(column: Column) -> Iterator[str]:
    """Both bounds, always: the defaults differ from reader to reader."""
    name, lower, upper = column.name, column.lower, column.upper
    if column.binary:
        yield f" BV BOUND {name}"
    elif lower == upper:
        yield f" FX BOUND {name} {upper!r}"
    elif math.isinf(lower) and math.isinf(upper):
        yield f" FR BOUND {name}"
    else:
        yield f" MI BOUND {name}" if math.isinf(lower) else f" LO BOUND {name} {lower!r}"
        yield f" PL BOUND {name}" if math.isinf(upper) else f" UP BOUND {name} {upper!r}"
