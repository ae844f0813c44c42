"""Can two networks give one input different classes? A property of both, side by side."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from leo_opt.difference.alignment import align, side_by_side
from leo_opt.domain import DomainLike, read_domain
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.inequalities import Inequality
from leo_opt.network import Network, read_network
from leo_opt.properties import Case, Property
from leo_opt.rectify import rectified
from leo_opt.verification import verify
from leo_opt.verification.verdicts import Verdict


def same_class(first: Network, second: Network, domain: DomainLike, **settings: Any) -> Verdict:
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
        "unknown", too, where outputs of both are tied: bounds do not tell them apart.

    Raises
    ------
    MismatchError
        If the networks differ in the number of inputs or outputs.
    InvalidInputError
        If there is one output only, or as `verify`.
    """
    sizes = [(net.input_size, net.output_size) for net in map(read_network, (first, second))]
    if sizes[0] != sizes[1]:
        raise MismatchError(
            f"the networks have {sizes[0][0]} and {sizes[1][0]} inputs, {sizes[0][1]} and "
            f"{sizes[1][1]} outputs; compare networks with the same"
        )
    inputs, classes = sizes[0]
    if classes == 1:
        raise InvalidInputError("the networks have 1 output; classes take at least 2")
    box = read_domain(domain).spread(inputs)
    seed = settings.get("seed", 0)
    aligned, _ = align(rectified(first), rectified(second), box.box, seed)
    cases = tuple(
        Case.on(box, _changes(label, other, classes))
        for label in range(classes)
        for other in range(classes)
        if other != label
    )
    return verify(side_by_side(aligned), Property(inputs, 2 * classes, cases), **settings)


def _changes(label: int, other: int, classes: int) -> tuple[Inequality, ...]:
    """One class of the first network is `label`, and in the second `other` exceeds it."""
    one = Fraction(1)
    kept = [
        Inequality(((("Y", k), one), (("Y", label), -one)), Fraction(0))
        for k in range(classes)
        if k != label
    ]
    exceeds = ((("Y", classes + label), one), (("Y", classes + other), -one))
    return (*kept, Inequality(exceeds, Fraction(0), strict=True))
