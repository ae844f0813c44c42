"""Properties: what outputs must satisfy on inputs of a box, in rational arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from leo_opt.arguments import read_whole
from leo_opt.domain import Box, BoxLike, read_box
from leo_opt.errors import FileFormatError, InvalidInputError
from leo_opt.inequalities import Inequality, Variable
from leo_opt.lazily import lazy

_SHOWN = 4
"""Variables of an inequality that a message names."""


@dataclass(frozen=True)
class Case:
    """One case of a property: inputs of a box that, with their outputs, satisfy all inequalities.

    Parameters
    ----------
    domain
        A float64 box that holds all inputs of the case.
    outputs
        Inequalities over outputs, and over several inputs, or inputs and outputs together.
    inputs
        Inequalities over single inputs, by which the case has only a part of the box: its ends are
        rounded outward, and in a strict inequality it does not belong to the case.
    """

    domain: Box
    outputs: tuple[Inequality, ...]
    inputs: tuple[Inequality, ...] = ()


@dataclass(frozen=True)
class Property:
    """What is asked for: an input and its output that satisfy one of the cases."""

    input_size: int
    output_size: int
    cases: tuple[Case, ...]

    @lazy
    def carried(self) -> tuple[int, ...]:
        """Inputs that stand in inequalities with other variables, in ascending order."""
        terms = (term for case in self.cases for row in case.outputs for term in row.terms)
        return tuple(sorted({k for (kind, k), _ in terms if kind == "X"}))

    @lazy
    def columns(self) -> Mapping[Variable, int]:
        """Where variables stand in a row: outputs, and then the carried inputs."""
        names: list[Variable] = [("Y", k) for k in range(self.output_size)]
        names += [("X", k) for k in self.carried]
        return MappingProxyType({name: column for column, name in enumerate(names)})

    def __repr__(self) -> str:
        return (
            f"Property({self.input_size} inputs, {self.output_size} outputs, "
            f"{len(self.cases)} cases)"
        )

    @property
    def domain(self) -> Box:
        """The box of inputs that all cases share.

        Raises
        ------
        FileFormatError
            If the cases have different boxes, or an inequality joins several inputs.
        """
        rows = (row for case in self.cases for row in case.outputs if row.over_inputs)
        for row in rows:
            names = ", ".join(f"X_{k}" for (_, k), _ in row.terms[:_SHOWN])
            raise FileFormatError(
                f"the input part is no box: an inequality joins {names}; `verify` decides such "
                "properties, and for verdicts of units give a box around their inputs"
            )
        boxes = {case.domain for case in self.cases}
        if len(boxes) > 1:
            raise FileFormatError(
                f"the input part is a union of {len(boxes)} boxes; write one file a box"
            )
        return self.cases[0].domain


def keep_class(domain: BoxLike, label: int, classes: int) -> Property:
    """The property that on a box no other class reaches the score of one: local robustness.

    Parameters
    ----------
    domain
        Such as `Box.around(image, 0.03, within=Box(0.0, 1.0))`.
    label
        The class that should win.
    classes
        Number of outputs of the network.

    Raises
    ------
    InvalidInputError
        If the box has no fixed size or there is no such class.
    """
    box = read_box(domain)
    label, classes = read_whole(label, "label"), read_whole(classes, "classes")
    if box.size is None or not 0 <= label < classes:
        raise InvalidInputError(
            f"class {label} of {classes} on {box!r}: give a class from 0 on and a box with one "
            "interval an input"
        )
    others = [k for k in range(classes) if k != label]
    rows = [((("Y", label), Fraction(1)), (("Y", other), Fraction(-1))) for other in others]
    cases = tuple(Case(box, (Inequality(row, Fraction(0)),)) for row in rows)
    return Property(box.size, classes, cases)
