"""Multi-layer perceptrons of scikit-learn to networks."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

from leo_opt import from_sklearn
from leo_opt.errors import InvalidInputError, UnsupportedOperatorError

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

INPUTS = np.random.default_rng(0).standard_normal((60, 4))
POINTS = np.random.default_rng(1).standard_normal((1000, 4))
TARGETS = {
    "value": INPUTS[:, 0] - INPUTS[:, 1],
    "values": INPUTS[:, :3] ** 2,
    "binary": (INPUTS[:, 0] > 0).astype(int),
    "classes": np.digitize(INPUTS[:, 0], [-0.5, 0.5]),
    "labels": (INPUTS[:, :3] > 0).astype(int),
}


def fitted(kind: type, target: str, dtype: str = "float64", **options: Any) -> Any:
    """An estimator after a few steps of training."""
    estimator = kind(hidden_layer_sizes=(6, 5), max_iter=3, random_state=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(INPUTS.astype(dtype), TARGETS[target])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "identity"])
@pytest.mark.parametrize("target", ["value", "values"])
def test_a_regressor_predicts_the_outputs(target: str, activation: str, dtype: str) -> None:
    estimator = fitted(MLPRegressor, target, dtype, activation=activation)
    network = from_sklearn(estimator)
    outputs = network(POINTS).reshape(estimator.predict(POINTS).shape)
    assert np.allclose(outputs, estimator.predict(POINTS), rtol=1e-12, atol=1e-12)
    assert network.signature.dtype == dtype
    assert network.hidden_widths == ((6, 5) if activation == "relu" else ())


@pytest.mark.parametrize("target", ["binary", "classes", "labels"])
def test_a_classifier_gives_what_stands_in_front_of_the_probabilities(target: str) -> None:
    estimator = fitted(MLPClassifier, target)
    before = copy.deepcopy(vars(estimator))
    outputs = from_sklearn(estimator)(POINTS)
    probabilities = estimator.predict_proba(POINTS)
    if target == "classes":
        exponentials = np.exp(outputs)
        assert np.allclose(exponentials / exponentials.sum(axis=1, keepdims=True), probabilities)
        assert (estimator.classes_[outputs.argmax(axis=1)] == estimator.predict(POINTS)).all()
    else:
        width = outputs.shape[1]
        assert np.allclose(1 / (1 + np.exp(-outputs)), probabilities[:, -width:])
        assert ((outputs > 0).squeeze() == estimator.predict(POINTS)).all()
    assert estimator.out_activation_ == before["out_activation_"]


def test_names_of_columns_cause_no_warning() -> None:
    estimator = fitted(MLPRegressor, "value")
    # As after a fit to a data frame.
    estimator.feature_names_in_ = np.array(list("abcd"), dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_sklearn(estimator)
    assert list(estimator.feature_names_in_) == list("abcd")


class Doubled(MLPRegressor):
    """Predicts something else."""

    def predict(self, inputs: Any) -> Any:
        return 2 * super().predict(inputs)


def test_what_would_be_misread_is_refused_by_name() -> None:
    for other, name in (
        (LinearRegression(), "LinearRegression"),
        (fitted(Doubled, "value"), "Doubled"),
    ):
        with pytest.raises(UnsupportedOperatorError, match=f"is a {name}; supported are MLPReg"):
            from_sklearn(other)
    with pytest.raises(UnsupportedOperatorError, match="MLPRegressor has the activation 'tanh'"):
        from_sklearn(fitted(MLPRegressor, "value", activation="tanh"))
    with pytest.raises(InvalidInputError, match="MLPClassifier is not fitted; call fit"):
        from_sklearn(MLPClassifier())


SCALERS = [
    (StandardScaler(),),
    (StandardScaler(with_mean=False),),
    (StandardScaler(with_std=False),),
    (MinMaxScaler((-1, 2)),),
    (MaxAbsScaler(), "passthrough", RobustScaler()),
    (RobustScaler(with_centering=False),),
]


@pytest.mark.parametrize("scalers", SCALERS)
@pytest.mark.parametrize("target", ["values", "binary", "classes", "labels"])
def test_a_pipeline_takes_raw_features(scalers: tuple[Any, ...], target: str) -> None:
    inputs = INPUTS * [1.0, 0.01, 300.0, 7.0] + [0.0, 5.0, -2e3, 0.1]
    kind = MLPRegressor if target == "values" else MLPClassifier
    pipeline = make_pipeline(*scalers, kind(hidden_layer_sizes=(6, 5), max_iter=3, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(inputs, TARGETS[target])
    before = pipeline[-1].out_activation_
    network = from_sklearn(pipeline)
    inputs = POINTS * [1.0, 0.01, 300.0, 7.0] + [0.0, 5.0, -2e3, 0.1]
    outputs = network(inputs)
    assert network.hidden_widths == (6, 5)
    if target == "values":
        np.testing.assert_allclose(outputs, pipeline.predict(inputs), 1e-10, 1e-10)
    elif target == "classes":
        assert (pipeline.classes_[outputs.argmax(axis=1)] == pipeline.predict(inputs)).all()
    else:
        assert ((outputs > 0).squeeze() == pipeline.predict(inputs)).all()
    assert pipeline[-1].out_activation_ == before


def test_steps_of_a_pipeline_that_are_not_affine_are_refused_by_name() -> None:
    for scaler, name in ((Normalizer(), "a step Normalizer"), (MinMaxScaler(clip=True), "clips")):
        pipeline = make_pipeline(scaler, MLPRegressor(max_iter=1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(INPUTS, TARGETS["value"])
        with pytest.raises(UnsupportedOperatorError, match=name):
            from_sklearn(pipeline)
    perceptron = fitted(MLPRegressor, "value")
    for steps, message in (
        ((), "the pipeline has no steps"),
        ((StandardScaler(), perceptron), "StandardScaler of the pipeline is not fitted"),
        ((StandardScaler().fit(INPUTS[:, :3]), perceptron), "has 3 inputs and the perceptron 4"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            from_sklearn(Pipeline([(str(k), step) for k, step in enumerate(steps)]))
    perceptron.predict = lambda inputs: 1 / 0
    with pytest.raises(
        InvalidInputError, match=r"forward pass fails: ZeroDivisionError: .*correct"
    ):
        from_sklearn(perceptron)


def test_pipelines_may_be_nested_and_flags_set_after_fitting() -> None:
    inner = make_pipeline(RobustScaler(), "passthrough", MLPRegressor(max_iter=2, random_state=0))
    pipeline = make_pipeline(make_pipeline(StandardScaler(), MinMaxScaler()), inner)
    inputs = INPUTS * [1.0, 0.01, 300.0, 0.0] + 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(inputs, TARGETS["values"])
    flags = {"with_centering": False, "with_scaling": False}
    for scaler, chosen in ((pipeline[0][0], {"with_std": False}), (inner[0], flags)):
        scaler.set_params(**chosen)
        np.testing.assert_allclose(
            from_sklearn(pipeline)(inputs), pipeline.predict(inputs), 1e-10, 1e-10
        )
    # The copy that judges gives arrays, whatever frames the caller wants.
    expected = pipeline.predict(inputs)
    pipeline.set_output(transform="pandas")
    np.testing.assert_allclose(from_sklearn(pipeline)(inputs), expected, 1e-10, 1e-10)


def test_an_estimator_that_computes_something_else_is_refused_with_the_difference() -> None:
    estimator = fitted(MLPRegressor, "value")
    original = estimator.predict
    estimator.predict = lambda inputs: original(inputs) + 0.5
    with pytest.raises(InvalidInputError, match=r"scikit-learn's own forward pass by 0\.5"):
        from_sklearn(estimator)


def test_an_output_activation_of_a_later_version_is_refused() -> None:
    estimator = fitted(MLPRegressor, "value")
    estimator.out_activation_ = "exp"
    with pytest.raises(UnsupportedOperatorError, match="output activation 'exp'"):
        from_sklearn(estimator)
