"""Public verbs that put stages together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, overload

from leo_opt import compression
from leo_opt.compression import Compression
from leo_opt.decisions import classify
from leo_opt.domain import DomainLike, read_domain
from leo_opt.errors import InvalidInputError
from leo_opt.frameworks import Estimator, Module, NetworkLike, read_model, takes_rectifiers
from leo_opt.graphs import GraphCompression, compress_graph, is_structured
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.storage.files import AnyPath


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
    structured = isinstance(network, (str, os.PathLike)) and is_structured(network)
    usual = not (certified_only or sequential or tolerance or keep_outputs is not None)
    if structured and not (usual and minimize == "units"):
        raise InvalidInputError(
            f"{network} has convolutions, and the options of compress are about chains; give "
            "none, or leo_opt.load(path), which is a chain"
        )
    read = read_model(network, example=example)
    if not isinstance(stability, Stability):
        box = read_domain(stability, "stability", "a Stability or a box")
        stability = classify(read, box)
    if structured:
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
