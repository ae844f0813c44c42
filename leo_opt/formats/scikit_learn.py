"""Multi-layer perceptrons of scikit-learn to networks."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError, SolverNotAvailableError, UnsupportedOperatorError
from leo_opt.formats.agreement import check_agreement
from leo_opt.network import FloatArray, Network, Signature

_ACTIVATIONS: Mapping[str, str] = MappingProxyType({"relu": "relu", "identity": "linear"})
"""Tags of hidden layers by scikit-learn's words."""


@dataclass(frozen=True)
class _Kind:
    """What there is to know of a type of estimator.

    Parameters
    ----------
    outputs
        The output activations in front of which we read.
    predict
        Name of the method that is the forward pass.
    """

    outputs: tuple[str, ...]
    predict: str


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "MLPRegressor": _Kind(("identity",), "predict"),
        "MLPClassifier": _Kind(("softmax", "logistic"), "predict_proba"),
    }
)
"""The one table of estimators, by type."""


def from_sklearn(estimator: Any) -> Network:
    """The network of a fitted multi-layer perceptron, in front of its softmax or logistic.

    The outputs of a regressor are those of `predict`. Those of a classifier are the numbers
    from which `predict_proba` computes probabilities: one a class, in the order of `classes_`, or
    a single one for two classes, which is positive where the second is predicted; one a label for
    several labels. What was read is compared with the forward pass of a copy of the estimator
    before it is returned.

    Parameters
    ----------
    estimator : MLPRegressor or MLPClassifier
        With the activation "relu" or "identity". A Pipeline is refused: its scaler would be left
        out.

    Returns
    -------
    Network
        Weights converted exactly to float64.

    Raises
    ------
    UnsupportedOperatorError
        If it is another estimator or has another activation.
    InvalidInputError
        If it is not fitted, or scikit-learn computes something else than what was read.
    SolverNotAvailableError
        If scikit-learn is not installed.
    """
    _refuse_others(estimator)
    tags = [_ACTIVATIONS[estimator.activation]] * (len(estimator.coefs_) - 1) + ["linear"]
    weights = [np.asarray(coefs, dtype=np.float64).T for coefs in estimator.coefs_]
    chain = Network.from_arrays(weights, estimator.intercepts_, tags)
    single = all(coefs.dtype == np.float32 for coefs in estimator.coefs_)
    network = Network(chain.layers, Signature(dtype="float32" if single else "float64"))

    twin = copy.deepcopy(estimator)
    twin.out_activation_ = "identity"
    # Without names of columns there is no warning that arrays have none.
    vars(twin).pop("feature_names_in_", None)
    predict = getattr(twin, _KINDS[type(estimator).__name__].predict)

    def forward(inputs: FloatArray) -> Any:
        # Of two classes scikit-learn makes the first from the second, as one minus it.
        return np.reshape(predict(inputs), (len(inputs), -1))[:, -network.output_size :]

    largest = max(float(np.abs(weight).max(initial=0.0)) for weight in weights)
    check_agreement(network, forward, "scikit-learn's own forward pass", largest)
    return network


def _refuse_others(estimator: Any) -> None:
    """Refuse what is not a fitted estimator of the table."""
    kind = type(estimator).__name__
    types = tuple(getattr(_neural_network(), name) for name in _KINDS)
    # A subclass may predict something else, so that only the types themselves count.
    if type(estimator) not in types:
        raise UnsupportedOperatorError(
            f"the estimator is a {kind}; supported are {', '.join(_KINDS)}: give the network "
            "itself, and scale the box as a Pipeline scales its inputs"
        )
    if estimator.activation not in _ACTIVATIONS:
        raise UnsupportedOperatorError(
            f"the {kind} has the activation {estimator.activation!r}; supported are "
            f"{', '.join(_ACTIVATIONS)}"
        )
    if "coefs_" not in vars(estimator):
        raise InvalidInputError(f"the {kind} is not fitted; call fit first")
    if estimator.out_activation_ not in _KINDS[kind].outputs:
        raise UnsupportedOperatorError(
            f"the {kind} has the output activation {estimator.out_activation_!r}; supported are "
            f"{', '.join(_KINDS[kind].outputs)}"
        )


def _neural_network() -> Any:
    """The part of scikit-learn that we read, if it is installed."""
    try:
        # Named at run time: type checkers need not find an optional package.
        return importlib.import_module("sklearn.neural_network")
    except ImportError as error:
        raise SolverNotAvailableError(
            "estimators of scikit-learn need it: pip install 'leo-opt[sklearn]'"
        ) from error
