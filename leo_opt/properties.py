"""Properties: what outputs must satisfy on inputs of a box, in rational arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from leo_opt.arguments import read_whole
from leo_opt.domain import Box, Domain, DomainLike, read_domain
from leo_opt.errors import FileFormatError, InvalidInputError
from leo_opt.inequalities import Inequality, Variable
from leo_opt.lazily import lazy
from leo_opt.polytope import Polytope, inequalities


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

    @classmethod
    def on(cls, domain: Domain, outputs: tuple[Inequality, ...]) -> Case:
        """The case that inputs of a domain have outputs which satisfy inequalities."""
        rows = inequalities(*domain.rows)
        joining = tuple(row for row in rows if len(row.terms) > 1)
        single = tuple(row for row in rows if len(row.terms) == 1)
        return cls(domain.box, (*outputs, *joining), single)


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
    def domain(self) -> Domain:
        """The inputs that all cases share: a box, or a `Polytope` where inequalities join several.

        Its rows are rounded outward.

        Raises
        ------
        FileFormatError
            If the cases have different inputs.
        """
        parts = {
            (case.domain, frozenset(row for row in case.outputs if row.over_inputs))
            for case in self.cases
        }
        if len(parts) > 1:
            raise FileFormatError(
                f"the input part is a union of {len(parts)} boxes or polytopes; write one file each"
            )
        [(box, joining)] = parts
        rows = [row for row in self.cases[0].outputs if row in joining]
        return Polytope.enclosing(box, rows) if rows else box


def keep_class(domain: DomainLike, label: int, classes: int) -> Property:
    """The property that on a box no other class reaches the score of one: local robustness.

    Parameters
    ----------
    domain
        Such as `Box.around(image, 0.03, within=Box(0.0, 1.0))`, or a `Polytope`.
    label
        The class that should win.
    classes
        Number of outputs of the network.

    Raises
    ------
    InvalidInputError
        If the box has no fixed size or there is no such class.
    """
    box = read_domain(domain)
    label, classes = read_whole(label, "label"), read_whole(classes, "classes")
    if box.size is None or not 0 <= label < classes:
        raise InvalidInputError(
            f"class {label} of {classes} on {box!r}: give a class from 0 on and a box with one "
            "interval an input"
        )
    others = [k for k in range(classes) if k != label]
    rows = [((("Y", label), Fraction(1)), (("Y", other), Fraction(-1))) for other in others]
    cases = tuple(Case.on(box, (Inequality(row, Fraction(0)),)) for row in rows)
    return Property(box.size, classes, cases)
