"""Properties of what a file gives behind its tail, as properties of the tensor in front of it.

The order of classes is the same on both sides of a softmax, a threshold behind a sigmoid is one in
front of it, and a class wins where its score is not below any other. What has no such form is
refused: a probability of one of three classes, for one, is no linear inequality of scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from leo_opt.errors import MismatchError, UnsupportedOperatorError
from leo_opt.formats.outputs import file_outputs
from leo_opt.inequalities import Inequality
from leo_opt.network import Network
from leo_opt.properties import Case, Property
from leo_opt.tails import ELEMENTWISE, WINNER, Tail, TailStep
from leo_opt.verification.confirmation import confirm
from leo_opt.verification.verdicts import CaseVerdict, Decision, Verdict

_ROOM = Fraction(1, 2**48)
"""Relative room for two logarithms and their difference, each of a rounding or two."""

Inequalities = tuple[Inequality, ...]


@dataclass(frozen=True)
class Front:
    """A property in front of a tail.

    Parameters
    ----------
    asked
        The property behind the tail.
    cases
        For each case in front: which one behind it comes from, the case, and inequalities of which
        it follows that the one behind holds, where those of the case are wider.
    """

    asked: Property
    cases: tuple[tuple[int, Case, Inequalities], ...]
    output_size: int

    @property
    def property(self) -> Property:
        """What is asked of the network itself."""
        cases = tuple(case for _, case, _ in self.cases)
        return Property(self.asked.input_size, self.output_size, cases)

    def behind(self, verdict: Verdict, network: Network) -> Verdict:
        """The verdict on the property behind the tail."""
        found, owners = list(verdict.cases), [owner for owner, _, _ in self.cases]
        if verdict.case is not None and not self._is_sure(verdict, network):
            reason = "an input satisfies it up to rounding only"
            found[verdict.case] = CaseVerdict(Decision.UNKNOWN, reason=reason)
            verdict = replace(
                verdict,
                answer=Decision.UNKNOWN,
                inputs=None,
                outputs=None,
                exact_inputs=None,
                case=None,
            )
        cases = tuple(
            _joined([v for v, owner in zip(found, owners, strict=True) if owner == k])
            for k in range(len(self.asked.cases))
        )
        if verdict.case is None or verdict.outputs is None:
            return replace(verdict, cases=cases)
        outputs = file_outputs(network, verdict.outputs[None, :])[0]
        return replace(verdict, cases=cases, outputs=outputs, case=owners[verdict.case])

    def _is_sure(self, verdict: Verdict, network: Network) -> bool:
        """Whether a witness in front of the tail is one behind it, too."""
        if verdict.case is None or verdict.inputs is None:
            return False
        _, case, sure = self.cases[verdict.case]
        point = verdict.exact_inputs or tuple(map(Fraction, verdict.inputs.tolist()))
        return sure == case.outputs or confirm(network, sure, point)


def _joined(verdicts: list[CaseVerdict]) -> CaseVerdict:
    """The verdict on a case that is any of some others; impossible where there are none."""
    order = (Decision.VIOLATED, Decision.UNKNOWN)
    for answer in order:
        for verdict in verdicts:
            if verdict.answer is answer:
                return verdict
    trusted = [verdict for verdict in verdicts if not verdict.premise.certified]
    return next(iter(trusted + verdicts), CaseVerdict(Decision.HOLDS, "tail"))


def in_front(network: Network, asked: Property) -> Front | None:
    """The same property in front of the tail of a network; None where it has none.

    Raises
    ------
    MismatchError
        If the property has another number of outputs than the file.
    UnsupportedOperatorError
        If there is no such property.
    """
    tails = [tail for tail in network.signature.tails if tail.steps]
    if not tails:
        return None
    tail, size = tails[0], network.output_size
    if len(network.signature.tails) > 1:
        raise _refused(tail, "the file has several outputs")
    count = tail(np.zeros((1, size))).shape[1]
    if asked.output_size != count:
        raise MismatchError(
            f"the property has {asked.output_size} outputs and the file {count}; give the property "
            "of this network"
        )
    cases: list[tuple[int, Case, Inequalities]] = []
    for owner, case in enumerate(asked.cases):
        found = _winners(tail, size, case) if count == 1 < size else _rows(tail, size, case)
        cases += [(owner, replace(case, outputs=wide), sure) for wide, sure in found]
    return Front(asked, tuple(cases), size)


def _winners(tail: Tail, size: int, case: Case) -> Iterator[tuple[Inequalities, Inequalities]]:
    """One case for each class whose number a property of the winner's number allows."""
    if tail.steps[-1].operator != WINNER or not all(
        _keeps_order(tail, s, size) for s in tail.steps
    ):
        raise _refused(tail, "it is no choice among all outputs")
    for winner in range(size):
        over_inputs, asked = _joining(tail, case)
        if all(row.allows(sum(f * winner for _, f in row.terms)) for row in asked):
            # Of several that are equal the first one wins.
            rows = tuple(
                _difference(other, winner, Fraction(0), strict=other < winner)
                for other in range(size)
                if other != winner
            )
            yield (*over_inputs, *rows), (*over_inputs, *rows)


def _rows(tail: Tail, size: int, case: Case) -> Iterator[tuple[Inequalities, Inequalities]]:
    """The case in front, unless it is impossible."""
    if len(tail.steps) > 1 or not _keeps_order(tail, tail.steps[0], size):
        raise _refused(tail, "it does not keep the order of all outputs")
    over_inputs, asked = _joining(tail, case)
    wide, sure = list(over_inputs), list(over_inputs)
    for row in asked:
        found = _row(tail, size, row)
        if found is False:
            return
        if found is not True:
            wide.append(found[0])
            sure.append(found[1])
    yield tuple(wide), tuple(sure)


def _joining(tail: Tail, case: Case) -> tuple[Inequalities, Inequalities]:
    """Inequalities over inputs, which are the same on both sides of a tail, and over outputs."""
    over_inputs = tuple(row for row in case.outputs if row.over_inputs)
    others = tuple(row for row in case.outputs if not row.over_inputs)
    if any(kind == "X" for row in others for (kind, _), _ in row.terms):
        raise _refused(tail, "an inequality that joins inputs and outputs has no equal")
    return over_inputs, others


def _row(tail: Tail, size: int, row: Inequality) -> tuple[Inequality, Inequality] | bool:
    """An inequality in front, wider and narrower by rounding; or whether it holds anyway."""
    operator = tail.steps[0].operator
    total = sum(factor for _, factor in row.terms)
    if total == 0 and (operator == "LogSoftmax" or (len(row.terms) == 2 and row.bound == 0)):
        return row, row
    if len(row.terms) > 1 or operator not in _RANGES:
        raise _refused(tail, f"an inequality of {len(row.terms)} outputs is no such inequality")
    [((_, index), factor)] = row.terms
    least, threshold = _RANGES[operator], row.bound / factor
    if not least < threshold < 1:
        return (threshold >= 1) == (factor > 0)
    low, high = _inverse(threshold, least)
    if factor < 0:
        low, high = -high, -low
    if operator != "Softmax":
        terms = ((("Y", index), Fraction(1 if factor > 0 else -1)),)
        return Inequality(terms, high, row.strict), Inequality(terms, low, row.strict)
    if size != 2:
        raise _refused(tail, f"a probability of one of {size} classes is no such inequality")
    ends = (index, 1 - index) if factor > 0 else (1 - index, index)
    return _difference(*ends, high, row.strict), _difference(*ends, low, row.strict)


_RANGES = {"Sigmoid": Fraction(0), "Softmax": Fraction(0), "Tanh": Fraction(-1)}
"""The ends below of operators whose values lie between these and 1, and never are one of both."""


def _inverse(value: Fraction, least: Fraction) -> tuple[Fraction, Fraction]:
    """Rationals around the number from which a sigmoid (0) or tanh (-1) makes a value."""
    ratio = (value - least) / (1 - value)
    sides = [Fraction(math.log(part)) for part in (ratio.numerator, ratio.denominator)]
    room = _ROOM * sum(map(abs, sides)) if ratio != 1 else Fraction(0)
    middle, scale = sides[0] - sides[1], 1 - least
    return (middle - room) / scale, (middle + room) / scale


def _difference(left: int, right: int, bound: Fraction, strict: bool) -> Inequality:
    """Output `left` minus output `right`, at most a bound."""
    terms = [(("Y", left), Fraction(1)), (("Y", right), Fraction(-1))]
    return Inequality(tuple(sorted(terms)), bound, strict)


def _keeps_order(tail: Tail, step: TailStep, size: int) -> bool:
    """Whether a step works on each output alone, or along the one axis of them all."""
    if step.operator in ELEMENTWISE:
        return True
    return (
        step.operator != "Hardmax"
        and step.axis is not None
        and (tail.source_shape[step.axis] == size)
    )


def _refused(tail: Tail, reason: str) -> UnsupportedOperatorError:
    """An error about a property behind a tail."""
    return UnsupportedOperatorError(
        f"output {tail.name!r} is {tail} of {tail.source!r}, and {reason} in front of it; state "
        f"the property of {tail.source!r} and choose it with --output-tensor {tail.source!r}"
    )
