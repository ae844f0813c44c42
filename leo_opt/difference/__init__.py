"""How far two networks can be apart: bounds that are proved, and what is found.

The bound comes from a joint chain of both networks (`joint`), whose units are those of the first
and the differences to the second; it is never looser than what intervals of either network say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.bounds import Bounds, Interval, read_bounds
from leo_opt.deadline import Deadline
from leo_opt.decisions.splitting import few_inputs
from leo_opt.difference.alignment import align
from leo_opt.difference.ascent import largest_differences, surely_apart
from leo_opt.difference.bounding import Aligned, bound_all_ways, propagate_layers, separate
from leo_opt.difference.refinement import refine as refine_bounds
from leo_opt.difference.search import search
from leo_opt.domain import Domain, DomainLike, read_domain
from leo_opt.errors import MismatchError
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.network import FloatArray
from leo_opt.rectify import rectified
from leo_opt.summarised import Summarised

__all__ = ["Difference", "bound_difference"]


@dataclass(frozen=True, eq=False)
class Difference(Summarised):
    """What is known of the difference second(x) - first(x) of two networks on a domain.

    Parameters
    ----------
    domain
        The inputs for which the bounds hold.
    lower, upper : (n_out,) arrays
        Proved bounds of each output's difference, true in real arithmetic; infinite where nothing
        is known.
    separate : (n_out,) array
        What intervals of either network's outputs say of the largest difference.
    found : (n_out,) array
        A difference that is surely reached, in absolute value.
    points : (n_out, n_in) array
        Where it is.
    pieces
        Boxes that cover the domain, each with a bound of its own.
    """

    domain: Domain
    lower: FloatArray
    upper: FloatArray
    separate: FloatArray
    found: FloatArray
    points: FloatArray
    pieces: int

    @property
    def bound(self) -> FloatArray:
        """Proved bounds on `abs(second(x) - first(x))` for each output, (n_out,)."""
        return np.maximum(-self.lower, self.upper)

    def __repr__(self) -> str:
        return (
            f"Difference({self.bound.size} outputs, within {self.bound.max():.2g}, found "
            f"{self.found.max():.2g}, on {self.domain!r})"
        )


def bound_difference(
    first: NetworkLike,
    second: NetworkLike,
    domain: DomainLike,
    *,
    bounds: Bounds | None = None,
    refine: float | Deadline | None = None,
    time_limit: float | Deadline | None = None,
    memory: float | None = None,
    seed: int = 0,
) -> Difference:
    """Bound how far the outputs of two networks are apart on a domain, whatever their shapes.

    Parameters
    ----------
    first, second
        Networks with the same number of inputs and of outputs. They are about what stands in
        front of tails such as a softmax.
    domain
        A box, or a `Polytope`, of which the bounds are those of its box.
    bounds
        Of `leo_opt.rectified(first)` on the domain, such as those of a classification: what is
        smaller because units are stable is so by its bounds.
    refine
        Seconds more: the bound is that which is proved when they end. Where few inputs vary the
        box is halved again and again, else phases of units are branched on.
    time_limit
        Seconds for all but that; where they end, hidden intervals are those of interval
        arithmetic, as true and wider.
    memory
        Gigabytes for the arrays that are made on the way, by default 2.
    seed
        Of everything random. Bounds depend on it where networks have different shapes, since units
        that belong together are found by samples.

    Returns
    -------
    Difference
        Its bounds are a theorem about the stored float64 numbers; what is found is reached.

    Raises
    ------
    MismatchError
        If the networks differ in the number of inputs or outputs.
    InvalidInputError
        If the box has another size than the inputs, or a limit is not positive.

    Examples
    --------
    >>> from leo_opt import Network
    >>> first = Network.from_arrays([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    >>> second = Network.from_arrays([[[1.0], [-1.0]], [[1.0, 1.25]]], [[0.0, 0.0], [0.0]])
    >>> bound_difference(first, second, (-1.0, 2.0)).bound.round(6)
    array([0.25])
    """
    first, second = read_model(first, "first"), read_model(second, "second")
    for name in ("input_size", "output_size"):
        sizes = [getattr(network, name) for network in (first, second)]
        if sizes[0] != sizes[1]:
            raise MismatchError(
                f"the networks have {sizes[0]} and {sizes[1]} {name.split('_')[0]}s; compare "
                "networks with the same inputs and outputs"
            )
    region = read_domain(domain).spread(first.input_size)
    deadline, box = Deadline.of(time_limit, memory), region.box
    first, second = rectified(first), rectified(second)
    aligned, places = align(first, second, box, seed)
    known = None if bounds is None else read_bounds(bounds, first, region)
    # The clock starts when the rest is done; a wrong number is refused before.
    Deadline.of(refine)
    # Where sums overflow nothing is proved.
    with np.errstate(over="ignore", invalid="ignore"):
        mine = propagate_layers(aligned.first, box, _moved(known, aligned, places), deadline)
        theirs = propagate_layers(aligned.second, box, None, deadline)
        apart = separate(aligned, mine, theirs)
        (low, high), aligned = bound_all_ways(aligned, box, mine, theirs)
        found, points = largest_differences(first, second, region, seed, deadline)
        pieces = 1
        finite = bool(np.isfinite(low).all() and np.isfinite(high).all())
        ends, more = ((low, high), mine, theirs), Deadline.of(refine, memory)
        if refine is not None and finite and not few_inputs(box):
            (low, high), mine, theirs = search(aligned, box, ends, found, more)
            (low, high), _ = bound_all_ways(aligned, box, mine, theirs, (low, high))
        elif refine is not None:
            (low, high), centres, pieces = refine_bounds(aligned, box, ends, found, more)
            shown, there = surely_apart(first, second, region, centres, deadline)
            points = np.where((shown > found)[:, None], there, points)
            found = np.maximum(shown, found)
    separately = np.maximum(-apart[0], apart[1])
    return Difference(region, low, high, separately, found, points, pieces)


def _moved(
    known: Bounds | None, aligned: Aligned, places: Sequence[tuple[int, int]]
) -> list[Interval] | None:
    """Bounds of the first network as those of its longer chain; nothing is known of new lanes."""
    if known is None:
        return None
    ends: list[Interval] = []
    for layer, (place, _) in zip(aligned.first.layers, places, strict=True):
        wide = np.full(layer.n_out, np.inf)
        ends.append((known.lower[place], known.upper[place]) if place >= 0 else (-wide, wide))
    return ends
