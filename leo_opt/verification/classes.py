"""Can two networks give one input different classes? A property of both, side by side.

Where bounds of the joint chain of both networks (`leo_opt.difference`) leave no way for an output
to overtake another one, nothing else is asked; `verify` decides on what is left. The chain holds
the difference of two outputs of networks that are alike far better than two intervals do, so that
classes are safe where the first network is sure by more than the outputs can move; and where they
cannot move at all, ties do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from leo_opt.arrays import BoolArray
from leo_opt.deadline import Deadline
from leo_opt.difference.alignment import align, side_by_side
from leo_opt.difference.bounding import Aligned, bound_mixtures, join, propagate_layers
from leo_opt.domain import Box, Domain, DomainLike, read_domain
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.inequalities import Inequality
from leo_opt.properties import Case, Property
from leo_opt.rectify import rectified
from leo_opt.verification import verify
from leo_opt.verification.settings import VerifySettings
from leo_opt.verification.verdicts import CaseVerdict, Decision, Verdict

METHOD = "difference"
"""What settles a case by the joint chain."""


@dataclass(frozen=True, eq=False)
class ClassCheck:
    """What `same_class` said on one domain."""

    domain: Domain
    verdict: Verdict


def check_classes(
    first: NetworkLike,
    second: NetworkLike,
    domains: Sequence[DomainLike],
    time_limit: float | None = None,
) -> tuple[ClassCheck, ...]:
    """`same_class` on each of some domains, such as balls around inputs.

    Parameters
    ----------
    time_limit
        Seconds for each of them.
    """
    one, other = read_model(first, "first"), read_model(second, "second")
    regions = [read_domain(domain).spread(one.input_size) for domain in domains]
    return tuple(
        ClassCheck(region, same_class(one, other, region, time_limit=time_limit))
        for region in regions
    )


def same_class(
    first: NetworkLike, second: NetworkLike, domain: DomainLike, **settings: Any
) -> Verdict:
    """Decide whether a class of the first network is one of the second, on a whole domain.

    A class of a network is an output that no other one exceeds, so that a tie is no change.

    Parameters
    ----------
    first, second
        Networks with the same number of inputs and of outputs, two of these at least.
    domain
        Such as `Box.around(image, 1 / 255, within=Box(0.0, 1.0))`.
    **settings
        Of `verify`, such as `time_limit`.

    Returns
    -------
    Verdict
        "holds": wherever an output of the first network is the largest, that of the second is.
        "violated": at an input, whose outputs are those of the first and then of the second.
        "unknown", too, where bounds do not tell outputs of both apart that are tied.

    Raises
    ------
    MismatchError
        If the networks differ in the number of inputs or outputs.
    InvalidInputError
        If there is one output only, or as `verify`.
    """
    first, second = read_model(first, "first"), read_model(second, "second")
    sizes = [(network.input_size, network.output_size) for network in (first, second)]
    if sizes[0] != sizes[1]:
        raise MismatchError(
            f"the networks have {sizes[0][0]} and {sizes[1][0]} inputs, {sizes[0][1]} and "
            f"{sizes[1][1]} outputs; compare networks with the same"
        )
    inputs, classes = sizes[0]
    if classes == 1:
        raise InvalidInputError("the networks have 1 output; classes take at least 2")
    region = read_domain(domain).spread(inputs)
    given = VerifySettings(**settings)
    deadline = Deadline.of(given.time_limit, given.memory)
    aligned, _ = align(rectified(first), rectified(second), region.box, given.seed)
    changes = _changes(aligned, region.box, deadline)
    pairs = [(a, b) for a in range(classes) for b in range(classes) if a != b]
    asked = [place for place, pair in enumerate(pairs) if changes[pair]]
    both = side_by_side(aligned)
    safe = CaseVerdict(Decision.HOLDS, METHOD)
    if not asked:
        verdict = Verdict(Decision.HOLDS, (), network_hash=both.content_hash)
    else:
        cases = tuple(Case.on(region, _overtakes(*pairs[place], classes)) for place in asked)
        settings = {**settings, "time_limit": deadline}
        verdict = verify(both, Property(inputs, 2 * classes, cases), **settings)
    decided = dict(zip(asked, verdict.cases, strict=True))
    case = None if verdict.case is None else asked[verdict.case]
    told = tuple(decided.get(place, safe) for place in range(len(pairs)))
    return replace(verdict, cases=told, case=case, seconds=deadline.elapsed)


def _changes(aligned: Aligned, box: Box, deadline: Deadline) -> BoolArray:
    """Which outputs of the first network may be its class where another one is the second's.

    Returns
    -------
    (n, n) array
        False at [a, b] where the first has nowhere the class a while b exceeds a in the second.
    """
    count = aligned.first.output_size
    open_pairs = ~np.eye(count, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        networks = aligned.first, aligned.second
        ends = [propagate_layers(network, box, None, deadline) for network in networks]
        chain = None if deadline.passed else join(aligned, box, *ends)
        if chain is None:
            return open_pairs
        low, high = chain[0].post
        # Some output is surely larger than one that is no class.
        open_pairs &= ~(high[:count] < low[:count].max())[:, None]
        labels, others = np.nonzero(open_pairs)
        apart = np.eye(count)[others] - np.eye(count)[labels]
        # With f_b - f_a <= 0 where a is the class of f, g_b - g_a is at most as large as what it
        # is further up than f_b - f_a.
        for share in (0.0, 1.0):
            _, most = bound_mixtures(chain[0], share * apart, apart)
            open_pairs[labels, others] &= ~(most <= 0.0)
    return open_pairs


def _overtakes(label: int, other: int, classes: int) -> tuple[Inequality, ...]:
    """One class of the first network is `label`, and in the second `other` exceeds it."""
    one = Fraction(1)
    kept = [
        Inequality(((("Y", k), one), (("Y", label), -one)), Fraction(0))
        for k in range(classes)
        if k != label
    ]
    exceeds = ((("Y", classes + label), one), (("Y", classes + other), -one))
    return (*kept, Inequality(exceeds, Fraction(0), strict=True))
