"""Whatever is a network: files, modules and estimators, read and given back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from leo_opt.network import Network, read_network
from leo_opt.storage.files import AnyPath


class Module(Protocol):
    """A `torch.nn.Module`."""

    def named_modules(self, *args: Any, **kwargs: Any) -> Any:
        """What every module has."""


class Estimator(Protocol):
    """A fitted estimator or pipeline of scikit-learn."""

    def get_params(self, deep: bool = ...) -> Any:
        """What every estimator has."""


NetworkLike: TypeAlias = Network | AnyPath | Module | Estimator
"""What the verbs of this package take for a network."""


@dataclass(frozen=True)
class Framework:
    """A way to have networks.

    Parameters
    ----------
    read
        From a model, and an example of its input or None, to a network.
    give_back
        From a model and another network to a model of the same kind that computes the latter.
    note
        From a model to what should be known of the one that is given back.
    rectifiers
        Whether its models have hidden layers of rectifiers alone.
    """

    read: Callable[[Any, Any], Network]
    give_back: Callable[[Any, Network], Any]
    note: Callable[[Any], str] = lambda _: ""
    rectifiers: bool = False


@cache
def _frameworks() -> Mapping[str, Framework]:
    """The one table: paths, and frameworks by the package that a class, or a base of it, is from.

    What reads them takes a while to import, for which networks do not wait.
    """
    from leo_opt.formats import has_graph, load, written
    from leo_opt.formats.onnx import writer
    from leo_opt.formats.pytorch.reading import from_torch
    from leo_opt.formats.pytorch.writing import module_like, note_on_module
    from leo_opt.formats.scikit_learn import estimator_like, from_sklearn

    def model_of(path: Any, network: Network) -> Any:
        """Of an ONNX file; of other files the network is all there is."""
        return writer.model(written(network), {}) if has_graph(path) else network

    return MappingProxyType(
        {
            "path": Framework(lambda path, _: load(path), model_of),
            "torch": Framework(from_torch, module_like, note_on_module),
            "sklearn": Framework(
                lambda estimator, _: from_sklearn(estimator), estimator_like, rectifiers=True
            ),
        }
    )


def _framework_of(model: object) -> Framework | None:
    """What a model is of, if of any."""
    known = _frameworks()
    if isinstance(model, (str, os.PathLike)):
        return known["path"]
    packages = (base.__module__.partition(".")[0] for base in type(model).__mro__)
    return next((known[name] for name in packages if name in known), None)


def read_model(model: NetworkLike, name: str = "network", example: Any = None) -> Network:
    """The network that a model is.

    Parameters
    ----------
    model
        A `Network`, the path of a file (`load`), a PyTorch module (`from_torch`), or a fitted
        estimator or pipeline of scikit-learn (`from_sklearn`).
    name
        What messages call it.
    example
        As for `from_torch`.

    Raises
    ------
    LeoOptError
        As the reader of its kind does; `InvalidInputError` if it is of no kind.
    """
    if isinstance(model, Network):
        return model
    framework = _framework_of(model)
    return framework.read(model, example) if framework else read_network(model, name)


def model_like(model: NetworkLike, network: Network) -> Any:
    """A network as a model of the same kind as another, which stays as it is.

    Returns
    -------
    Any
        A PyTorch module for a module, an estimator or pipeline for one, an `onnx.ModelProto` for
        the path of an ONNX file, and the network itself for all else.

    Raises
    ------
    UnsupportedOperatorError
        If there is no such model; the message says what to use instead.
    """
    framework = _framework_of(model)
    return framework.give_back(model, network) if framework else network


def note_on(model: NetworkLike | None) -> str:
    """What should be known of the model that is given back for one, or ""."""
    framework = None if model is None else _framework_of(model)
    return framework.note(model) if framework else ""


def takes_rectifiers(model: NetworkLike) -> bool:
    """Whether models of the kind have hidden layers of rectifiers alone."""
    framework = None if isinstance(model, Network) else _framework_of(model)
    return framework is not None and framework.rectifiers
