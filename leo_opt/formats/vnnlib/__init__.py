"""VNN-LIB properties: boxes of inputs, and what they and their outputs must satisfy.

A property is a Boolean formula of linear inequalities over inputs X_i and outputs Y_j. It is
turned into cases (its disjunctive normal form) in rational arithmetic; only the bounds of the
boxes are rounded at the end, outward. Inequalities over single inputs make the box of a case; those
over several inputs shrink it and stay beside it, as do those that join inputs and outputs.

References
----------
VNN-LIB 1.0, https://www.vnnlib.org
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from leo_opt.arithmetic import float_above
from leo_opt.domain import Box, Domain
from leo_opt.errors import FileFormatError, InvalidInputError
from leo_opt.formats.vnnlib.formulas import Cases, combine, to_cases
from leo_opt.formats.vnnlib.s_expressions import Expression, parse, show
from leo_opt.formats.vnnlib.terms import VARIABLE, Meanings, check_name, expect
from leo_opt.inequalities import Inequality, RationalBox, Variable
from leo_opt.properties import Case, Property
from leo_opt.storage.files import read_bytes

_MOST_BYTES = 1_000_000_000
"""Of a file, unpacked."""
_MOST_ENDS = 20_000_000
"""Inputs of all boxes together."""


def read_domain(path: Path) -> Domain:
    """The box or polytope of inputs of a property.

    Raises
    ------
    FileFormatError
        If the file is no property or its input part is neither.
    InvalidInputError
        If the box is crossed or not finite.
    """
    return read_property(path).domain


def read_property(path: Path) -> Property:
    """The property in a file, which may be compressed by gzip.

    Raises
    ------
    FileFormatError
        If the file is no property or an input has no bounds.
    InvalidInputError
        If a box is crossed or not finite.
    """
    try:
        text = read_bytes(path, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError("this is no text file; a VNN-LIB property is text") from error
    return parse_property(text)


def parse_property(text: str) -> Property:
    """The property that a text states; see `read_property`."""
    script = _Script()
    try:
        for command in parse(text):
            if not isinstance(command, tuple) or not command:
                raise FileFormatError(f"{show(command)} is no command; one has parentheses around")
            head = command[0]
            if head == "exit":
                break
            if not isinstance(head, str) or head not in _COMMANDS:
                raise FileFormatError(_refusal(command))
            _COMMANDS[head](script, command)
    except RecursionError as error:
        raise FileFormatError("a formula is nested too deeply; write it flatter") from error
    sizes = {kind: _count(set(script.scope.variables.values()), kind) for kind in "XY"}
    if sizes["X"] == 0:
        raise FileFormatError("no input X_0 is declared; this is no VNN-LIB property")
    cases = _with_boxes(script.formulas, sizes["X"])
    return Property(sizes["X"], sizes["Y"], cases)


class _Script:
    """What the commands of a file have said so far.

    Attributes
    ----------
    scope
        The names declared and defined.
    formulas
        What was asserted.
    asked
        The command that asked about it, or "".
    """

    def __init__(self) -> None:
        self._variables: dict[str, Variable] = {}
        self.scope = Meanings(self._variables, {})
        self.formulas: list[Cases] = []
        self.asked = ""

    def assert_(self, command: Expression) -> None:
        """(assert formula)."""
        self._still_stating(command)
        expect(command, 2)
        self.formulas.append(to_cases(command[1], self.scope))

    def declare(self, command: Expression) -> None:
        """(declare-const name Real) or (declare-fun name () Real)."""
        self._still_stating(command)
        plain = command[0] == "declare-const"
        form = len(command) == 3 if plain else len(command) == 4 and command[2] == ()
        if not form or command[-1] != "Real":
            raise FileFormatError(f"{show(command)} declares no real variable")
        match = VARIABLE.fullmatch(str(command[1]))
        if match is None:
            raise FileFormatError(
                f"{show(command)} declares neither an input X_0, X_1 ... nor an output Y_0, Y_1 ..."
            )
        self._check_new(match[0])
        self._variables[match[0]] = match[1], int(match[2])

    def define(self, command: Expression) -> None:
        """(define-fun name () Real term), or the same of a Bool and a formula."""
        self._still_stating(command)
        plain = command[0] == "define-const"
        form = len(command) == 4 if plain else len(command) == 5 and command[2] == ()
        if not form or command[-2] not in ("Real", "Bool") or not isinstance(command[1], str):
            raise FileFormatError(f"{show(command)} defines neither a Real nor a Bool by itself")
        check_name(command[1])
        self._check_new(command[1])
        self.scope = self.scope.define({command[1]: command[-1]})

    def ask(self, command: Expression) -> None:
        """A command after which no more may be asserted: the question is put."""
        self.asked = self.asked or show(command)

    def ignore(self, command: Expression) -> None:
        """A command without a meaning for us."""

    def _still_stating(self, command: Expression) -> None:
        """What comes after the question would belong to another one."""
        if self.asked:
            raise FileFormatError(
                f"{show(command)} stands behind {self.asked}, which asks about what is before it; "
                "write one file a question"
            )

    def _check_new(self, name: str) -> None:
        """Nothing may be declared or defined twice."""
        if name in self._variables or name in self.scope.definitions:
            raise FileFormatError(f"{show(name)} is declared twice")


_COMMANDS: Mapping[str, Callable[[_Script, Expression], None]] = MappingProxyType(
    {
        "assert": _Script.assert_,
        "declare-const": _Script.declare,
        "declare-fun": _Script.declare,
        "define-const": _Script.define,
        "define-fun": _Script.define,
        **dict.fromkeys(("check-sat", "get-model", "get-value"), _Script.ask),
        **dict.fromkeys(("echo", "set-info", "set-logic", "set-option"), _Script.ignore),
    }
)
"""Commands by name. `exit` is not among them: what follows it is not read."""

_OTHER_COMMANDS = frozenset(
    {
        "check-sat-assuming",
        "declare-datatype",
        "declare-datatypes",
        "declare-sort",
        "define-fun-rec",
        "define-funs-rec",
        "define-sort",
        "get-assertions",
        "get-assignment",
        "get-info",
        "get-option",
        "get-proof",
        "get-unsat-assumptions",
        "get-unsat-core",
        "pop",
        "push",
        "reset",
        "reset-assertions",
    }
)
"""Commands of SMT-LIB that a property has no use for, or that would change what is asserted."""


def _refusal(command: Expression) -> str:
    """Why a command is not read."""
    if command[0] in _OTHER_COMMANDS:
        return f"{show(command)} is a command of SMT-LIB that is not supported; leave it out"
    return f"{show(command)} is no command of VNN-LIB 1.0; known are {', '.join(_COMMANDS)}, exit"


def _count(declared: set[Variable], kind: str) -> int:
    """Number of variables of a kind, which must be numbered without gaps."""
    numbers = {number for name, number in declared if name == kind}
    for number in range(len(numbers)):
        if number not in numbers:
            raise FileFormatError(f"{kind}_{number} is not declared and {kind}_{max(numbers)} is")
    return len(numbers)


def _with_boxes(formulas: list[Cases], input_size: int) -> tuple[Case, ...]:
    """Cases of the conjunction of all asserted formulas, each with its box."""
    certain = [cases[0] for cases in formulas if len(cases) == 1]
    inputs, outputs = _split(itertools.chain.from_iterable(certain))
    shared = RationalBox.unbounded(input_size).narrow(inputs).shrink(_over_inputs(outputs))
    _check_crossed(shared, "the property")
    shared_box: Box | None = None
    cases: list[Case] = []
    empty: RationalBox | None = None
    for choice in combine([cases for cases in formulas if len(cases) != 1]):
        own_inputs, own_outputs = _split(choice)
        joining = _over_inputs(own_outputs)
        if own_inputs or joining:
            exact = shared.narrow(own_inputs).shrink((*_over_inputs(outputs), *joining))
            if exact.crossed is not None:
                empty = exact
                continue
            if (len(cases) + 1) * input_size > _MOST_ENDS:
                raise FileFormatError(
                    f"the boxes of all cases have more than {_MOST_ENDS} inputs together; split "
                    "the property into several files"
                )
            box = exact.enclose()
        else:
            shared_box = box = shared_box or shared.enclose()
        cases.append(Case(box, outputs + own_outputs, inputs + own_inputs))
    if empty is not None and not cases:
        _check_crossed(empty, "its last case")
    if not cases:
        raise FileFormatError(
            "the assertions never hold, whatever the network does; correct the file"
        )
    return tuple(cases)


def _check_crossed(box: RationalBox, name: str) -> None:
    """Refuse a property of no input at all, which any network would have."""
    k = box.crossed
    if k is None:
        return
    low, high = box.lower[k], box.upper[k]
    assert low is not None
    assert high is not None
    ends = " and ".join(
        f"{side} bound {float_above(end)}{' (excluded)' if outside else ''}"
        for side, (end, outside) in (("the lower", low), ("the upper", high))
    )
    raise InvalidInputError(f"no input satisfies {name}: input X_{k} has {ends}; correct the file")


def _split(
    inequalities: Iterable[Inequality],
) -> tuple[tuple[Inequality, ...], tuple[Inequality, ...]]:
    """Inequalities over single inputs, and all others."""
    inputs: list[Inequality] = []
    others: list[Inequality] = []
    for inequality in inequalities:
        alone = len(inequality.terms) == 1 and inequality.terms[0][0][0] == "X"
        (inputs if alone else others).append(inequality)
    return tuple(inputs), tuple(others)


def _over_inputs(inequalities: Iterable[Inequality]) -> tuple[Inequality, ...]:
    """Those of some inequalities in which no output stands."""
    return tuple(row for row in inequalities if row.over_inputs)
