"""Public verbs that put stages together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, overload

from numpy.typing import ArrayLike

from leo_opt import compression
from leo_opt.approximation import METHODS, Approximation, Budget, Deviation, MethodLike, Parameters
from leo_opt.approximation.costs import of_network
from leo_opt.approximation.pursuit import Calibration
from leo_opt.approximation.size_search import SizeSearch, read_data, remarks
from leo_opt.arguments import read_instance, read_word
from leo_opt.compression import Compression
from leo_opt.decisions import Cascade, classify
from leo_opt.difference import Difference, bound_difference
from leo_opt.domain import Domain, DomainLike, read_domain
from leo_opt.errors import InvalidInputError
from leo_opt.frameworks import Estimator, Module, NetworkLike, read_model, takes_rectifiers
from leo_opt.graphs import GraphCompression, compress_graph, is_structured
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.storage.files import AnyPath
from leo_opt.verification.classes import check_classes


@overload
def compress(
    network: Network | Module | Estimator,
    stability: Stability | DomainLike,
    *,
    certified_only: bool = False,
    sequential: bool = False,
    keep_outputs: Sequence[int] | None = None,
    minimize: str = "units",
    tolerance: float = 0.0,
    example: Any = None,
) -> Compression: ...


@overload
def compress(
    network: AnyPath,
    stability: Stability | DomainLike,
    *,
    certified_only: bool = False,
    sequential: bool = False,
    keep_outputs: Sequence[int] | None = None,
    minimize: str = "units",
    tolerance: float = 0.0,
    example: Any = None,
) -> Compression | GraphCompression: ...


def compress(
    network: NetworkLike,
    stability: Stability | DomainLike,
    *,
    certified_only: bool = False,
    sequential: bool = False,
    keep_outputs: Sequence[int] | None = None,
    minimize: str = "units",
    tolerance: float = 0.0,
    example: Any = None,
) -> Compression | GraphCompression:
    """Rewrite a network into a smaller one with the same outputs on a box or polytope.

    Parameters
    ----------
    network
        A `Network`, the path of a file, a PyTorch module, or a fitted estimator or pipeline of
        scikit-learn. The result's `model` is of the same kind; what was given stays as it is.
    stability
        What `classify` has decided of this network, or a box or `Polytope`, on which it is decided
        first, with the options that `classify` has by default. Of a pipeline the inputs are raw
        features.
    certified_only
        Believe only phases that arithmetic alone proves, not those that rest on a solver.
    sequential
        In the end make hidden layers of rectifiers alone, as most readers of networks want them,
        and estimators of scikit-learn always.
    keep_outputs, minimize, tolerance
        As in `leo_opt.compression.compress`.
    example
        Of a module that does not say how large its inputs are, one, as for `from_torch`.

    Returns
    -------
    Compression or GraphCompression
        The latter for an ONNX file with convolutions, which stays a graph of them.

    Raises
    ------
    InvalidInputError
        If an argument is of another kind.
    MismatchError
        If the stability is of another network.

    Examples
    --------
    >>> from leo_opt import Box, Network, compress
    >>> net = Network.from_arrays([[[1.0], [-1.0]], [[2.0, 3.0]]], [[1.0, -1.0], [0.0]])
    >>> compress(net, Box(0, 1)).network
    Network(1 -> 1 linear; 2 parameters)
    """
    read = read_model(network, example=example)
    if not isinstance(stability, Stability):
        box = read_domain(stability, "stability", "a Stability or a box")
        stability = classify(read, box)
    usual = not (certified_only or sequential or tolerance or keep_outputs is not None)
    if isinstance(network, (str, os.PathLike)) and is_structured(network):
        if not usual or minimize != "units":
            raise InvalidInputError(
                f"{network} has convolutions, and the options of compress are about chains; give "
                "none, or leo_opt.load(path), which is a chain"
            )
        return compress_graph(network, stability, network=read)
    done = compression.compress(
        read,
        stability,
        certified_only=certified_only,
        sequential=sequential or takes_rectifiers(network),
        keep_outputs=keep_outputs,
        minimize=minimize,
        tolerance=tolerance,
    )
    return done if network is read else replace(done, source=network)


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
    original = read_model(network)
    way = METHODS.read(method) if isinstance(method, str) else METHODS.find(method)
    goal = Parameters() if budget is None else budget
    goal = read_instance(goal, "budget", Budget, "give one such as Parameters(0.25)")
    samples = read_data(original, data)
    by_proof = read_word(allocation, "allocation", ("energy", "deviation")) == "deviation"
    box = None if domain is None else read_domain(domain, "domain").spread(original.input_size)
    if box is None and (by_proof or isinstance(goal, Deviation)):
        what = "the allocation by deviation" if by_proof else f"the budget {goal}"
        raise InvalidInputError(f"{what} is proved on a domain; give one")
    if box is None and refine is not None:
        raise InvalidInputError("what is refined is a bound on a domain; give one")
    start = original if box is None else _for_free(original, box)
    whole = of_network(original, sparse=False)
    region = box if by_proof else None
    plan = SizeSearch(Calibration(start, samples), way, goal, whole, region)
    points = plan.frontier()

    def apart(candidate: Network, seconds: float | None = None) -> Difference:
        assert box is not None
        return bound_difference(original, candidate, box, refine=seconds)

    proved = isinstance(goal, Deviation)
    distance = (lambda one: float(apart(one).bound.max())) if proved else None
    made, smaller = plan.carry_out(points, distance)
    if box is not None:
        smaller = min((_for_free(smaller, box), smaller), key=plan.share)
    return Approximation(
        original=original,
        network=smaller,
        method=way,
        budget=goal,
        domain=box,
        substitutes=made.substitutes,
        frontier=tuple(points),
        cost_before=plan.whole,
        cost=of_network(smaller),
        response_error=Calibration(original, samples).error(smaller(samples)),
        difference=None if box is None else apart(smaller, refine),
        notes=remarks(plan.calibration, made),
        classes=check_classes(original, smaller, classes, class_limit),
    )


def _for_free(network: Network, domain: Domain) -> Network:
    """What lossless rewriting makes of a network by what bounds and witnesses settle."""
    cheap = classify(network, domain, strategy=Cascade(stages=()))
    smaller = compression.compress(network, cheap).network
    # Leaky units and clips become several rectifiers, which may take more than they save.
    before, after = of_network(network).parameters, of_network(smaller).parameters
    return smaller if after < before else network
