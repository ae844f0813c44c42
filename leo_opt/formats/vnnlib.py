"""VNN-LIB properties: a box of inputs, and what the outputs must satisfy on it.

A property is a Boolean formula of linear inequalities over inputs X_i and outputs Y_j. It is
turned into cases (its disjunctive normal form) in rational arithmetic; only the bounds of the
boxes are rounded at the end, outward.

References
----------
VNN-LIB 1.0, https://www.vnnlib.org
"""

from __future__ import annotations

import gzip
import itertools
import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np

from leo_opt.domain import Box
from leo_opt.errors import FileFormatError, InvalidInputError
from leo_opt.formats.formulas import (
    VARIABLE,
    Conjunction,
    Inequality,
    Variable,
    combine,
    expect,
    to_cases,
)
from leo_opt.formats.s_expressions import Expression, parse, show

_IGNORED = frozenset({"check-sat", "exit", "get-model", "set-info", "set-logic", "set-option"})


@dataclass(frozen=True)
class Case:
    """One case of a property: inputs of a box whose outputs satisfy all inequalities."""

    domain: Box
    outputs: tuple[Inequality, ...]


@dataclass(frozen=True)
class Property:
    """What a VNN-LIB file asks for: an input and its output that satisfy one of the cases."""

    input_size: int
    output_size: int
    cases: tuple[Case, ...]

    @property
    def domain(self) -> Box:
        """The box that all cases share.

        Raises
        ------
        FileFormatError
            If the cases have different boxes.
        """
        boxes = {case.domain for case in self.cases}
        if len(boxes) > 1:
            raise FileFormatError(
                f"the input part is a union of {len(boxes)} boxes; write one file a box"
            )
        return self.cases[0].domain


def read_domain(path: Path) -> Box:
    """The box of inputs of a property.

    Raises
    ------
    FileFormatError
        If the file is no property or its input part is no box.
    InvalidInputError
        If the box is crossed or not finite.
    """
    return read_property(path).domain


def read_property(path: Path) -> Property:
    """The property in a file, which may be compressed by gzip.

    Raises
    ------
    FileFormatError
        If the file is no property or the input part of a case is no box.
    InvalidInputError
        If a box is crossed or not finite.
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError("this is no text file; a VNN-LIB property is text") from error
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"this cannot be read: {error}") from error
    return parse_property(text)


def parse_property(text: str) -> Property:
    """The property that a text states; see `read_property`."""
    declared: set[Variable] = set()
    formulas: list[list[Conjunction]] = []
    for command in parse(text):
        head = command[0] if isinstance(command, tuple) and command else command
        if not isinstance(head, str) or head not in {"assert", *_DECLARATIONS, *_IGNORED}:
            raise FileFormatError(
                f"{show(command)} is no command of VNN-LIB 1.0; known are assert, "
                f"{', '.join(_DECLARATIONS)}"
            )
        if head in _DECLARATIONS:
            declared.add(_declared(command))
        elif head == "assert":
            expect(command, 2)
            formulas.append(to_cases(command[1]))
    sizes = {kind: _count(declared, kind) for kind in "XY"}
    if sizes["X"] == 0:
        raise FileFormatError("no input X_0 is declared; this is no VNN-LIB property")
    _check_declared(formulas, declared)
    return Property(sizes["X"], sizes["Y"], _with_boxes(formulas, sizes["X"]))


_DECLARATIONS: Mapping[str, Callable[[Expression], bool]] = MappingProxyType(
    {
        "declare-const": lambda command: len(command) == 3,
        "declare-fun": lambda command: len(command) == 4 and command[2] == (),
    }
)
"""Commands that declare a variable, and whether one has the right form."""


def _declared(command: Expression) -> Variable:
    """The variable of a declaration."""
    if not _DECLARATIONS[str(command[0])](command) or command[-1] != "Real":
        raise FileFormatError(f"{show(command)} declares no real variable")
    match = VARIABLE.fullmatch(str(command[1]))
    if match is None:
        raise FileFormatError(
            f"{show(command)} declares neither an input X_0, X_1 ... nor an output Y_0, Y_1 ..."
        )
    return match[1], int(match[2])


def _count(declared: set[Variable], kind: str) -> int:
    """Number of variables of a kind, which must be numbered without gaps."""
    numbers = {number for name, number in declared if name == kind}
    for number in range(len(numbers)):
        if number not in numbers:
            raise FileFormatError(f"{kind}_{number} is not declared and {kind}_{max(numbers)} is")
    return len(numbers)


def _check_declared(formulas: list[list[Conjunction]], declared: set[Variable]) -> None:
    """Every variable that is used must be declared."""
    for cases in formulas:
        for inequality in itertools.chain.from_iterable(cases):
            for (kind, number), _ in inequality.terms:
                if (kind, number) not in declared:
                    raise FileFormatError(f"{kind}_{number} is used and not declared")


@dataclass(frozen=True)
class _Sides:
    """Bounds of the inputs known so far, None where there is none."""

    lower: tuple[Fraction | None, ...]
    upper: tuple[Fraction | None, ...]

    def narrow(self, inequalities: Iterable[Inequality]) -> _Sides:
        """These bounds and those that inequalities over one input state."""
        lower, upper = list(self.lower), list(self.upper)
        for inequality in inequalities:
            if len(inequality.terms) != 1:
                raise FileFormatError(
                    "an inequality joins several inputs, or inputs and outputs; the input part "
                    "must be a box, with bounds on single inputs"
                )
            [((_, number), factor)] = inequality.terms
            bound = inequality.bound / factor
            below, above = lower[number], upper[number]
            if factor > 0:
                upper[number] = bound if above is None else min(above, bound)
            else:
                lower[number] = bound if below is None else max(below, bound)
        return _Sides(tuple(lower), tuple(upper))

    def box(self) -> Box:
        """The smallest float64 box around these bounds."""
        for number, (below, above) in enumerate(zip(self.lower, self.upper, strict=True)):
            for side, name in ((below, "lower"), (above, "upper")):
                if side is None:
                    raise FileFormatError(
                        f"input X_{number} has no {name} bound; every input needs both"
                    )
            if below is not None and above is not None and below > above:
                raise InvalidInputError(
                    f"input X_{number} has the lower bound {_above(below)} and the upper bound "
                    f"{_above(above)}; correct the file"
                )
        lower = [-_above(-side) for side in self.lower if side is not None]
        upper = [_above(side) for side in self.upper if side is not None]
        return Box(np.array(lower), np.array(upper))


def _above(value: Fraction) -> float:
    """The smallest float64 that is not below a rational number, perhaps infinite."""
    try:
        nearest = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    if math.isfinite(nearest) and Fraction(nearest) < value:
        return math.nextafter(nearest, math.inf)
    return nearest


def _with_boxes(formulas: list[list[Conjunction]], input_size: int) -> tuple[Case, ...]:
    """Cases of the conjunction of all asserted formulas, each with its box."""
    certain = [cases[0] for cases in formulas if len(cases) == 1]
    inputs, outputs = _split(itertools.chain.from_iterable(certain))
    nothing = _Sides((None,) * input_size, (None,) * input_size)
    shared = nothing.narrow(inputs)
    shared_box: Box | None = None
    cases = []
    for choice in combine([cases for cases in formulas if len(cases) > 1]):
        own_inputs, own_outputs = _split(choice)
        if own_inputs:
            box = shared.narrow(own_inputs).box()
        else:
            shared_box = box = shared_box or shared.box()
        cases.append(Case(box, outputs + own_outputs))
    return tuple(cases)


def _split(
    inequalities: Iterable[Inequality],
) -> tuple[tuple[Inequality, ...], tuple[Inequality, ...]]:
    """Inequalities that have to do with inputs, and those over outputs only."""
    inputs: list[Inequality] = []
    outputs: list[Inequality] = []
    for inequality in inequalities:
        kinds = {kind for (kind, _), _ in inequality.terms}
        if not kinds and inequality.bound < 0:
            raise FileFormatError("an inequality without variables never holds; correct the file")
        if kinds:
            (inputs if "X" in kinds else outputs).append(inequality)
    return tuple(inputs), tuple(outputs)
