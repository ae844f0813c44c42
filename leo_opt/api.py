"""Public verbs that put stages together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, overload

from leo_opt import compression
from leo_opt.arguments import read_word
from leo_opt.compression import Compression
from leo_opt.decisions import classify
from leo_opt.domain import DomainLike, read_domain
from leo_opt.errors import InvalidInputError
from leo_opt.formats import has_graph
from leo_opt.frameworks import Estimator, Module, NetworkLike, read_model, takes_rectifiers
from leo_opt.graphs import GraphCompression, compress_graph, is_structured
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.storage.files import AnyPath

FORMS = ("auto", "graph", "chain")
"""In which forms a smaller network can come back; `compress` says what they are."""


@overload
def compress(
    network: Network | Module | Estimator,
    stability: Stability | DomainLike,
    *,
    form: str = "auto",
    certified_only: bool = False,
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
    form: str = "auto",
    certified_only: bool = False,
    keep_outputs: Sequence[int] | None = None,
    minimize: str = "units",
    tolerance: float = 0.0,
    example: Any = None,
) -> Compression | GraphCompression: ...


def compress(
    network: NetworkLike,
    stability: Stability | DomainLike,
    *,
    form: str = "auto",
    certified_only: bool = False,
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
    form
        "graph": an ONNX file with the operators that it had, and fewer channels; "chain": one
        matrix a layer, and in the end hidden layers of rectifiers alone, as most readers of
        networks want them. By default a graph for an ONNX file with convolutions, and else a
        chain: of rectifiers alone where a file, a module or an estimator has no others, and with
        linear units beside them where a `Network` is given or there were some.
    certified_only, keep_outputs, minimize, tolerance
        As in `leo_opt.compression.compress`, for chains.
    example
        Of a module that does not say how large its inputs are, one, as for `from_torch`.

    Returns
    -------
    Compression or GraphCompression
        The latter for a graph.

    Raises
    ------
    InvalidInputError
        If an argument is of another kind, or an option is given that a graph does not have.
    MismatchError
        If the stability is of another network.

    Examples
    --------
    >>> from leo_opt import Box, Network, compress
    >>> net = Network.from_arrays([[[1.0], [-1.0]], [[2.0, 3.0]]], [[1.0, -1.0], [0.0]])
    >>> compress(net, Box(0, 1)).network
    Network(1 -> 1 linear; 2 parameters)
    """
    given = {
        "certified_only": certified_only,
        "keep_outputs": keep_outputs is not None,
        "minimize": minimize != "units",
        "tolerance": tolerance != 0.0,
    }
    form = choose_form(form, network, [name for name, asked in given.items() if asked])
    read = read_model(network, example=example)
    compression.read_options(read, keep_outputs, minimize, tolerance)
    if not isinstance(stability, Stability):
        box = read_domain(stability, "stability", "a Stability or a box")
        stability = classify(read, box)
    if form == "graph":
        return compress_graph(network, stability, network=read)
    done = compression.compress(
        read,
        stability,
        certified_only=certified_only,
        sequential=becomes_sequential(form, network, read),
        keep_outputs=keep_outputs,
        minimize=minimize,
        tolerance=tolerance,
    )
    return done if network is read else replace(done, source=network)


def choose_form(
    form: str,
    model: NetworkLike,
    chain_only: Sequence[str],
    target: AnyPath | None = None,
    said: str = "form={!r}",
) -> str:
    """The one of `FORMS` in which a smaller network comes back; "auto" for a chain as it comes.

    Parameters
    ----------
    form
        The one that was asked for.
    model
        What shall become smaller.
    chain_only
        What was asked for that a chain alone can have.
    target
        A file to write.
    said
        How the user says a form.

    Raises
    ------
    InvalidInputError
        If there is no such form of this model, or not with these options.
    """
    read_word(form, "form", FORMS)
    graph, chain = said.format("graph"), said.format("chain")
    path = model if isinstance(model, (str, os.PathLike)) and has_graph(model) else None
    if path is None or not (target is None or has_graph(target)):
        if form == "graph":
            raise InvalidInputError(
                f"{graph} changes an ONNX file in place; give .onnx files, or {chain}"
            )
        return form
    if form == "chain" or (form == "auto" and not is_structured(path)):
        return form
    if chain_only:
        raise InvalidInputError(
            f"{path} is rewritten as a graph, and {' and '.join(chain_only)} can be had of a "
            f"chain alone; give {chain} with it: dense matrices then stand for convolutions"
        )
    return "graph"


def becomes_sequential(form: str, model: NetworkLike, network: Network) -> bool:
    """Whether a chain in one of `FORMS` is of rectifiers alone, for a model that is a network."""
    plain = all(layer.activation == "relu" for layer in network.layers[:-1])
    return form == "chain" or takes_rectifiers(model) or (plain and model is not network)
