"""Smaller networks with nearly the same outputs: the frontier of sizes, and one picked from it."""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

from numpy.typing import ArrayLike

from leo_opt import compression
from leo_opt.approximation import (
    METHODS,
    Approximation,
    Budget,
    Deviation,
    MethodLike,
    MultiplyAdds,
    Parameters,
)
from leo_opt.approximation.allocation import Point, proved
from leo_opt.approximation.costs import Cost, of_network
from leo_opt.approximation.pursuit import Built, Calibration, ChainCalibration, relative_gap
from leo_opt.approximation.size_search import SizeSearch, read_data, remarks
from leo_opt.arguments import read_instance, read_word
from leo_opt.arrays import FloatArray
from leo_opt.decisions import classify
from leo_opt.difference import Difference, bound_difference
from leo_opt.domain import Domain, DomainLike, read_domain
from leo_opt.errors import InvalidInputError
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.graphs import compress_graph, is_structured
from leo_opt.graphs.imitation import GraphCalibration, cost_of
from leo_opt.graphs.opening import Opened
from leo_opt.lazily import lazy
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.summarised import Summarised
from leo_opt.verification.classes import check_classes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Subject(ABC, Generic[Built]):
    """What is approximated.

    Parameters
    ----------
    original
        As a chain.
    """

    original: Network

    @abstractmethod
    def cost(self, built: Built | None) -> Cost:
        """What it takes, or of nothing what the original takes with all its numbers."""

    @abstractmethod
    def calibration(self, domain: Domain | None, data: FloatArray) -> Calibration[Built]:
        """The original on data, with what is free on a domain taken first."""

    @abstractmethod
    def network(self, built: Built) -> Network:
        """What was built, as a chain."""

    @abstractmethod
    def model(self, built: Built) -> Any:
        """What was built as an `onnx.ModelProto`; None where it is a chain."""

    @abstractmethod
    def for_free(self, built: Built, domain: Domain) -> Built:
        """What lossless rewriting makes of it, by what bounds alone settle, if less."""


@dataclass(frozen=True, eq=False)
class ChainSubject(Subject[Network]):
    """A chain."""

    def cost(self, built: Network | None) -> Cost:
        """See `Subject.cost`."""
        return of_network(self.original, sparse=False) if built is None else of_network(built)

    def calibration(self, domain: Domain | None, data: FloatArray) -> Calibration[Network]:
        """See `Subject.calibration`."""
        start = self.original if domain is None else self.for_free(self.original, domain)
        return ChainCalibration(start, data)

    def network(self, built: Network) -> Network:
        """See `Subject.network`."""
        return built

    def model(self, built: Network) -> None:
        """See `Subject.model`."""

    def for_free(self, built: Network, domain: Domain) -> Network:
        """See `Subject.for_free`."""
        # Leaky units and clips become several rectifiers, which may take more than they save.
        smaller = compression.compress(built, _settled(built, domain)).network
        less = of_network(smaller).parameters < of_network(built).parameters
        return smaller if less else built


@dataclass(frozen=True, eq=False)
class GraphSubject(Subject[Lowered]):
    """An ONNX file that stays a graph."""

    opened: Opened

    def cost(self, built: Lowered | None) -> Cost:
        """See `Subject.cost`."""
        return cost_of(self.opened.lowered, sparse=False) if built is None else cost_of(built)

    def calibration(self, domain: Domain | None, data: FloatArray) -> Calibration[Lowered]:
        """See `Subject.calibration`."""
        start = self.opened.lowered
        return GraphCalibration(start if domain is None else self.for_free(start, domain), data)

    def network(self, built: Lowered) -> Network:
        """See `Subject.network`."""
        return built.network

    def model(self, built: Lowered) -> Any:
        """See `Subject.model`."""
        return self.opened.close(built)

    def for_free(self, built: Lowered, domain: Domain) -> Lowered:
        """See `Subject.for_free`."""
        settled = _settled(built.network, domain)
        smaller = compress_graph(built.model, settled, network=built.network)
        found = Opened.of(smaller.model).lowered
        return found if cost_of(found).parameters < cost_of(built).parameters else built


def _settled(network: Network, domain: Domain) -> Stability:
    return classify(network, domain, strategy="bounds")


@dataclass(frozen=True, eq=False)
class Frontier(Summarised, Generic[Built]):
    """All sizes between a network and the smallest that a method makes of it, to pick from.

    Parameters
    ----------
    subject
        What is approximated.
    search
        How.
    samples : (N, n_in) array
        The data.
    domain
        Where the difference is bounded; None if nowhere.
    """

    subject: Subject[Built]
    search: SizeSearch[Built]
    samples: FloatArray
    domain: Domain | None

    @lazy
    def points(self) -> list[Point]:
        """The sizes, from the network itself to the smallest."""
        return self.search.frontier()

    def __repr__(self) -> str:
        least = self.points[-1]
        return (
            f"Frontier({len(self.points)} sizes from 100 % to {100 * least.cost:.3g} % by "
            f"{self.search.method.name})"
        )

    def plot(self) -> Figure:
        """Errors against sizes, drawn with matplotlib.

        Raises
        ------
        SolverNotAvailableError
            If matplotlib is not installed.
        """
        drawing = importlib.import_module("leo_opt.report.frontier")
        return drawing.draw_frontier(self)  # type: ignore[no-any-return]

    def pick(
        self,
        budget: Budget | float | None = None,
        *,
        refine: float | None = None,
        classes: Sequence[DomainLike] = (),
        class_limit: float = 10.0,
    ) -> Approximation:
        """The approximation for a budget, or for a share of what is counted; as `approximate`.

        Raises
        ------
        InvalidInputError
            If the budget counts something else than the frontier, is proved and there is no domain,
            or no size that the method has keeps within it.
        """
        own = self.search.budget
        goal = replace(own, limit=budget) if isinstance(budget, (int, float)) else budget or own
        goal = read_instance(goal, "budget", Budget, "give one such as Parameters(0.25)")
        if goal.limits_cost and goal.entry != own.entry:
            raise InvalidInputError(
                f"the budget is {goal}, and the sizes of this frontier are counted as those of "
                f"{own}; make another frontier"
            )
        if self.domain is None and (isinstance(goal, Deviation) or refine is not None):
            what = "what is refined" if refine is not None else f"the budget {goal}"
            raise InvalidInputError(f"{what} is a bound proved on a domain; give one")
        subject, search = self.subject, self.search.towards(goal)
        limited = isinstance(goal, Deviation)
        distance = (lambda one: float(self._apart(one).bound.max())) if limited else None
        made, built = search.carry_out(self.points, distance)
        if self.domain is not None:
            # What is free may be bounded less tightly, by a little.
            free = subject.for_free(built, self.domain)
            kept = distance is None or distance(free) <= goal.limit
            built = min((free, built) if kept else (built,), key=search.share)
        original, smaller = subject.original, subject.network(built)
        return Approximation(
            original=original,
            network=smaller,
            model=subject.model(built),
            method=search.method,
            budget=goal,
            domain=self.domain,
            substitutes=made.substitutes,
            frontier=tuple(self.points),
            cost_before=search.whole,
            cost=subject.cost(built),
            response_error=relative_gap(original(self.samples), smaller(self.samples)),
            difference=None if self.domain is None else self._apart(built, refine),
            notes=remarks(self.samples, made),
            classes=check_classes(original, smaller, classes, class_limit),
        )

    def _apart(self, built: Built, seconds: float | None = None) -> Difference:
        """What is known of the difference of something built from the original."""
        assert self.domain is not None
        pair = self.subject.original, self.subject.network(built)
        return bound_difference(*pair, self.domain, refine=seconds)


def frontier(
    network: NetworkLike,
    data: ArrayLike,
    *,
    method: MethodLike = "hard",
    counts: str = "parameters",
    domain: DomainLike | None = None,
    allocation: str = "energy",
) -> Frontier[Any]:
    """All sizes between a network and the smallest that a method makes of it.

    Parameters
    ----------
    network, data, method, domain, allocation
        As for `approximate`.
    counts
        What sizes are measured in: "parameters" or "multiply-adds".

    Raises
    ------
    InvalidInputError
        If an argument is of another kind, or the data have another shape or are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from leo_opt import Network, frontier
    >>> generator = np.random.default_rng(0)
    >>> net = Network.from_arrays([generator.normal(size=(20, 30))], [np.zeros(20)])
    >>> sizes = frontier(net, generator.normal(size=(99, 30)))
    >>> sizes.pick(0.5).share <= 0.5
    True
    """
    way = METHODS.find(method)
    kinds = {"parameters": Parameters, "multiply-adds": MultiplyAdds}
    kind = kinds[read_word(counts, "counts", tuple(kinds))]
    by_proof = read_word(allocation, "allocation", ("energy", "deviation")) == "deviation"
    subject = _subject(network)
    original = subject.original
    samples = read_data(original, data)
    box = None if domain is None else read_domain(domain, "domain").spread(original.input_size)
    calibration, price = subject.calibration(box, samples), None
    if by_proof:
        if box is None:
            raise InvalidInputError("the allocation by deviation is proved on a domain; give one")
        price = proved(calibration, subject.network, box)
    search = SizeSearch(calibration, way, kind(), subject.cost(None), price)
    return Frontier(subject, search, samples, box)


def _subject(network: NetworkLike) -> Subject[Any]:
    """A graph where a file has convolutions, a chain of everything else."""
    if isinstance(network, (str, os.PathLike)) and is_structured(network):
        opened = Opened.of(network)
        return GraphSubject(opened.network, opened)
    return ChainSubject(read_model(network))


def approximate(
    network: NetworkLike,
    data: ArrayLike,
    *,
    method: MethodLike = "hard",
    budget: Budget | None = None,
    domain: DomainLike | None = None,
    allocation: str = "energy",
    refine: float | None = None,
    classes: Sequence[DomainLike] = (),
    class_limit: float = 10.0,
) -> Approximation:
    """A smaller network with nearly the same outputs on data, and a proved bound on a domain.

    With a domain, what is free there is taken first (`compress`), and again behind.

    Parameters
    ----------
    network
        A `Network`, the path of a file, a PyTorch module, or a fitted estimator or pipeline of
        scikit-learn. An ONNX file with convolutions stays a graph of them.
    data : (N, ...) array
        Inputs to fit to, some hundred or thousand of them, a sample each; labels are not needed.
    method
        How layers are replaced: a name of `leo_opt.approximation.METHODS`, perhaps with options, as
        "hard:low_rank=0.5", or a method.
    budget
        `Parameters(0.25)`, which is the default, `MultiplyAdds(0.25)`, `Response(0.1)` or
        `Deviation(0.1)`.
    domain
        The box or polytope on which the difference is bounded.
    allocation
        What decides how much each layer loses: "energy", the error on the data for each number
        saved, or "deviation", the proved change of outputs on the domain for each.
    refine
        Seconds for tightening what is proved of the result, as in `bound_difference`.
    classes
        Boxes or polytopes, such as balls around inputs, on each of which it shall be decided
        whether the class, the largest output, can change.
    class_limit
        Seconds for each of them.

    Raises
    ------
    InvalidInputError
        If an argument is of another kind, the data have another shape or are not finite, or no size
        that the method has keeps within the budget.

    Examples
    --------
    >>> import numpy as np
    >>> from leo_opt import Network, approximate
    >>> from leo_opt.approximation import Parameters
    >>> generator = np.random.default_rng(0)
    >>> net = Network.from_arrays([generator.normal(size=(20, 30))], [np.zeros(20)])
    >>> approximate(net, generator.normal(size=(99, 30)), budget=Parameters(0.5)).share <= 0.5
    True
    """
    goal = Parameters() if budget is None else budget
    goal = read_instance(goal, "budget", Budget, "give one such as Parameters(0.25)")
    if domain is None and isinstance(goal, Deviation):
        raise InvalidInputError(f"the budget {goal} is proved on a domain; give one")
    found = frontier(
        network,
        data,
        method=method,
        counts="multiply-adds" if isinstance(goal, MultiplyAdds) else "parameters",
        domain=domain,
        allocation=allocation,
    )
    return found.pick(goal, refine=refine, classes=classes, class_limit=class_limit)
