"""Multi-layer perceptrons of scikit-learn, and what scales their inputs, to networks."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt import weights
from leo_opt.errors import InvalidInputError, SolverNotAvailableError, UnsupportedOperatorError
from leo_opt.formats.agreement import check_agreement
from leo_opt.formats.chain import Chain
from leo_opt.formats.dtypes import written
from leo_opt.network import FloatArray, Layer, Network, Signature

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


def _shift(chain: Chain, centre: FloatArray | None, scale: FloatArray | None) -> None:
    """x -> (x - centre) / scale, where there are such."""
    if centre is not None:
        chain.add(-np.asarray(centre, dtype=np.float64))
    if scale is not None:
        chain.divide(np.asarray(scale, dtype=np.float64))


def _stretch(chain: Chain, scaler: Any) -> None:
    """x -> x * scale + least."""
    chain.multiply(np.asarray(scaler.scale_, dtype=np.float64))
    chain.add(np.asarray(scaler.min_, dtype=np.float64))


_SCALERS: Mapping[str, Callable[[Chain, Any], None]] = MappingProxyType(
    {
        "MaxAbsScaler": lambda chain, scaler: _shift(chain, None, scaler.scale_),
        "MinMaxScaler": _stretch,
        # Flags may have been set after fitting, and rule.
        "RobustScaler": lambda chain, scaler: _shift(
            chain,
            scaler.center_ if scaler.with_centering else None,
            scaler.scale_ if scaler.with_scaling else None,
        ),
        "StandardScaler": lambda chain, scaler: _shift(
            chain,
            scaler.mean_ if scaler.with_mean else None,
            scaler.scale_ if scaler.with_std else None,
        ),
    }
)
"""What the steps of a pipeline do to the inputs, by type."""


def from_sklearn(estimator: Any) -> Network:
    """The network of a fitted multi-layer perceptron, in front of its softmax or logistic.

    The outputs of a regressor are those of `predict`. Those of a classifier are the numbers
    from which `predict_proba` computes probabilities: one a class, in the order of `classes_`, or
    a single one for two classes, which is positive where the second is predicted; one a label for
    several labels. What was read is compared with the forward pass of a copy of the estimator
    before it is returned.

    Parameters
    ----------
    estimator : MLPRegressor or MLPClassifier, or Pipeline that ends with one
        With the activation "relu" or "identity". In front of it a pipeline may have StandardScaler,
        MinMaxScaler, MaxAbsScaler and RobustScaler, or pipelines of them: boxes are then of raw
        features.

    Returns
    -------
    Network
        Weights converted exactly to float64; scalers are folded into the first layer, and what had
        to be rounded for it is in the `reading_deviation` of a compression.

    Raises
    ------
    UnsupportedOperatorError
        If it is another estimator or has another activation.
    InvalidInputError
        If it is not fitted, or scikit-learn computes something else than what was read.
    SolverNotAvailableError
        If scikit-learn is not installed.
    """
    *scalers, perceptron = _steps(estimator)
    _refuse_others(perceptron)
    _check_scalers(scalers, len(perceptron.coefs_[0]))
    matrices = [np.asarray(coefs, dtype=np.float64).T for coefs in perceptron.coefs_]
    chain = _scaled(scalers, matrices[0].shape[1])
    for index, (weight, bias) in enumerate(zip(matrices, perceptron.intercepts_, strict=True)):
        if index and _ACTIVATIONS[perceptron.activation] == "relu":
            chain.rectify()
        chain.apply(weight)
        chain.add(np.asarray(bias, dtype=np.float64))
    single = all(coefs.dtype == np.float32 for coefs in perceptron.coefs_)
    network = chain.network(Signature(dtype="float32" if single else "float64"))

    twin = copy.deepcopy(estimator)
    *others, last = _steps(twin)
    last.out_activation_ = "identity"
    for step in (*others, last):
        # Without names of columns there is no warning that arrays have none.
        vars(step).pop("feature_names_in_", None)
    for scaler in others:
        scaler.set_output(transform="default")
    predict = getattr(twin, _KINDS[type(perceptron).__name__].predict)

    def forward(inputs: FloatArray) -> Any:
        # Of two classes scikit-learn makes the first from the second, as one minus it.
        return np.reshape(predict(inputs), (len(inputs), -1))[:, -network.output_size :]

    largest = max(float(np.abs(weight).max(initial=0.0)) for weight in matrices)
    check_agreement(network, forward, "scikit-learn's own forward pass", largest)
    return network


def estimator_like(estimator: Any, network: Network) -> Any:
    """A copy of a fitted estimator or pipeline whose perceptron computes another network.

    Scalers stay. A row of the first layer that the estimator had, too, gets the very numbers it had
    there; in all others, which are divided by what the scalers multiply with, floats are rounded.

    Parameters
    ----------
    network
        With the inputs and outputs of `from_sklearn(estimator)`.

    Raises
    ------
    UnsupportedOperatorError
        If it has no hidden layer, other units than the estimator's, or fewer outputs.
    """
    made, given = copy.deepcopy(estimator), from_sklearn(estimator)
    if network.output_size != given.output_size:
        raise UnsupportedOperatorError(
            f"the result has {network.output_size} of the estimator's {given.output_size} outputs, "
            "and an estimator predicts with all; use compression.network"
        )
    if network == given:
        return made
    *scalers, perceptron = _steps(made)
    word = _ACTIVATIONS[perceptron.activation]
    tags = [set(layer.tags) for layer in network.layers]
    if len(tags) < 2 or any(found != {word} for found in tags[:-1]) or tags[-1] != {"linear"}:
        found = "no hidden layer" if len(tags) < 2 else f"layers of {_told(tags)}"
        raise UnsupportedOperatorError(
            f"the result has {found}, which a {type(perceptron).__name__} with the activation "
            f"{perceptron.activation!r} cannot hold; use compression.network"
        )
    stored = written(network, given.signature.dtype)
    matrices = [weights.dense(layer.weight) for layer in stored.layers]
    biases = [layer.bias for layer in stored.layers]
    if scalers:
        matrices[0], biases[0] = _behind(scalers, given.layers[0], network.layers[0], perceptron)
    dtype = given.signature.dtype
    perceptron.coefs_ = [np.array(matrix.T, dtype=dtype, order="C") for matrix in matrices]
    perceptron.intercepts_ = [np.array(bias, dtype=dtype) for bias in biases]
    perceptron.hidden_layer_sizes = network.hidden_widths
    perceptron.n_layers_ = len(matrices) + 1
    # Its momenta have the shapes of the numbers that are gone.
    vars(perceptron).pop("_optimizer", None)
    return made


def _told(tags: list[set[str]]) -> str:
    """Activations of layers."""
    return ", ".join(" and ".join(sorted(found)) for found in tags)


def _behind(
    scalers: list[Any], given: Layer, layer: Layer, perceptron: Any
) -> tuple[FloatArray, FloatArray]:
    """Weight and bias of a layer of raw inputs, as they are behind scalers."""
    [scaling] = _scaled(scalers, layer.n_in).network(Signature()).layers
    matrix = weights.dense(layer.weight) / np.diag(weights.dense(scaling.weight))
    bias = layer.bias - matrix @ scaling.bias
    rows = [
        np.column_stack([weights.dense(one.weight), one.bias]).tolist() for one in (given, layer)
    ]
    places = {tuple(row): unit for unit, row in enumerate(rows[0])}
    for unit, row in enumerate(rows[1]):
        if tuple(row) in places:
            place = places[tuple(row)]
            matrix[unit] = perceptron.coefs_[0][:, place]
            bias[unit] = perceptron.intercepts_[0][place]
    return matrix, bias


def _scaled(scalers: list[Any], width: int) -> Chain:
    """Inputs behind scalers."""
    chain = Chain(width)
    for scaler in scalers:
        _SCALERS[type(scaler).__name__](chain, scaler)
    return chain


def _steps(estimator: Any) -> list[Any]:
    """The scalers of a pipeline, and the estimator at its end; pipelines may be nested."""
    if type(estimator) is not _module("pipeline").Pipeline:
        return [estimator]
    steps = [part for _, step in estimator.steps if step is not None for part in _steps(step)]
    if not steps:
        raise InvalidInputError("the pipeline has no steps; give one that ends with a perceptron")
    return [step for step in steps[:-1] if step != "passthrough"] + steps[-1:]


def _check_scalers(scalers: list[Any], width: int) -> None:
    """Refuse steps that are no fitted scalers of the table, of as many inputs as a perceptron."""
    known = {getattr(_module("preprocessing"), name) for name in _SCALERS}
    for scaler in scalers:
        kind = type(scaler).__name__
        if type(scaler) not in known:
            raise UnsupportedOperatorError(
                f"the pipeline has a step {kind}; supported are {', '.join(_SCALERS)}"
            )
        if "n_features_in_" not in vars(scaler):
            raise InvalidInputError(f"the {kind} of the pipeline is not fitted; call fit first")
        if scaler.n_features_in_ != width:
            raise InvalidInputError(
                f"the {kind} of the pipeline has {scaler.n_features_in_} inputs and the perceptron "
                f"{width}; fit the pipeline as a whole"
            )
        if getattr(scaler, "clip", False):
            raise UnsupportedOperatorError(
                f"the {kind} of the pipeline clips what is beyond its range; fit it with clip=False"
            )


def _refuse_others(estimator: Any) -> None:
    """Refuse what is not a fitted estimator of the table."""
    kind = type(estimator).__name__
    types = tuple(getattr(_module("neural_network"), name) for name in _KINDS)
    # A subclass may predict something else, so that only the types themselves count.
    if type(estimator) not in types:
        raise UnsupportedOperatorError(
            f"the estimator is a {kind}; supported are {', '.join(_KINDS)}, and a "
            "Pipeline that scales their inputs"
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


def _module(name: str) -> Any:
    """A part of scikit-learn, if it is installed."""
    try:
        # Named at run time: type checkers need not find an optional package.
        return importlib.import_module(f"sklearn.{name}")
    except ImportError as error:
        raise SolverNotAvailableError(
            "estimators of scikit-learn need it: pip install 'leo-opt[sklearn]'"
        ) from error
