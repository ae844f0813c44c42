"""Whatever is a network goes into the verbs, and the result is of the same kind."""

from __future__ import annotations

import copy
import itertools
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leo_opt
from leo_opt import Box, Network, bound_difference, classify, compress, formulate, propagate, save
from leo_opt.errors import InvalidInputError, UnsupportedOperatorError
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.verification import keep_class, verify

WIDTHS = (12, 9)
INPUTS = np.random.default_rng(0).uniform(-3.0, 5.0, (200, 4))
BOX = Box(INPUTS.min(axis=0), INPUTS.max(axis=0))
TARGETS = {
    "MLPRegressor": INPUTS[:, 0] - INPUTS[:, 1],
    "MLPClassifier": np.digitize(INPUTS[:, 0], [-0.5, 0.5]),
}


def settle(bias: np.ndarray) -> np.ndarray:
    """A bias of which a third of the units is stably active and a third inactive."""
    return bias + 1e3 * (np.arange(bias.size) % 3 - 1.0)


def fitted(kind: str, *scalers: str, dtype: str = "float64") -> Any:
    """A pipeline whose perceptron has stable units."""
    neural_network = pytest.importorskip("sklearn.neural_network")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    estimator = getattr(neural_network, kind)(hidden_layer_sizes=WIDTHS, max_iter=3, random_state=0)
    made = pipeline.make_pipeline(*(getattr(preprocessing, name)() for name in scalers), estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(INPUTS.astype(dtype), TARGETS[kind])
    for index in range(len(WIDTHS)):
        estimator.intercepts_[index] = settle(estimator.intercepts_[index]).astype(dtype)
    return made


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(
    "scalers",
    [(), ("StandardScaler",), ("MinMaxScaler", "RobustScaler")],
    ids=lambda scalers: "-".join(scalers) or "none",
)
def test_a_pipeline_comes_back_as_a_smaller_pipeline(kind: str, scalers: tuple[str, ...]) -> None:
    pipeline = fitted(kind, *scalers)
    before, own = copy.deepcopy(pipeline), pipeline[-1]
    compression = compress(pipeline, BOX)
    smaller = compression.model
    widths = compression.network.hidden_widths
    assert sum(widths) < sum(WIDTHS)
    last = smaller[-1]
    assert tuple(last.hidden_layer_sizes) == widths
    assert last.n_layers_ == len(widths) + 2 == len(last.coefs_) + 1
    sizes = [4, *widths, own.n_outputs_]
    assert [c.shape for c in last.coefs_] == list(itertools.pairwise(sizes))
    assert [b.shape for b in last.intercepts_] == [(size,) for size in sizes[1:]]
    method = "predict" if kind == "MLPRegressor" else "predict_proba"
    expected = getattr(pipeline, method)(INPUTS)
    assert np.allclose(getattr(smaller, method)(INPUTS), expected, rtol=1e-9, atol=1e-7)
    assert np.allclose(leo_opt.from_sklearn(smaller)(INPUTS), compression.network(INPUTS))
    # What was there is there in the very numbers; the estimator that was given is as it was.
    for unit, place in enumerate(compression.kept[0]):
        if place >= 0:
            assert np.array_equal(last.coefs_[0][:, unit], own.coefs_[0][:, place])
            assert last.intercepts_[0][unit] == own.intercepts_[0][place]
    for left, right in zip(before[-1].coefs_, own.coefs_, strict=True):
        assert np.array_equal(left, right)
    if kind == "MLPClassifier":
        last.partial_fit(INPUTS, TARGETS[kind])


def test_a_type_of_numbers_is_kept() -> None:
    compression = compress(fitted("MLPRegressor", "StandardScaler", dtype="float32"), BOX)
    assert {array.dtype.name for array in compression.model[-1].coefs_} == {"float32"}


def test_an_estimator_that_cannot_hold_the_result_is_refused_and_the_network_is_there() -> None:
    pipeline = fitted("MLPRegressor")
    pipeline[-1].intercepts_ = [np.abs(bias) + 1e4 for bias in pipeline[-1].intercepts_]
    compression = compress(pipeline, BOX)
    assert len(compression.network.layers) == 1
    with pytest.raises(UnsupportedOperatorError, match=r"no hidden layer.*compression\.network"):
        _ = compression.model


def test_what_cannot_be_made_smaller_comes_back_as_a_copy(tmp_path: Path) -> None:
    pipeline = fitted("MLPRegressor")
    pipeline[-1].intercepts_ = [np.zeros_like(bias) for bias in pipeline[-1].intercepts_]
    network = read_model(pipeline)
    compression = compress(pipeline, Box(-1, 1))
    if compression.network == network:
        assert compression.model is not pipeline
        assert np.array_equal(compression.model.predict(INPUTS), pipeline.predict(INPUTS))
    save(network, tmp_path / "net.npz")
    assert compress(tmp_path / "net.npz", Box(-1, 1)).original == network


def random_file(folder: Path) -> tuple[Network, Path]:
    """A network of random numbers, and the ONNX file of it."""
    generator, sizes = np.random.default_rng(0), itertools.pairwise((4, 8, 2))
    matrices = [generator.standard_normal(size[::-1]) for size in sizes]
    network, path = Network.from_arrays(matrices, [None, None]), folder / "net.onnx"
    save(network, path, dtype="float64")
    return network, path


VERBS: dict[str, Callable[[NetworkLike], Any]] = {
    "bound_difference": lambda network: bound_difference(network, network, (0, 1)).bound.tolist(),
    "classify": lambda network: classify(network, (0, 1)).phases,
    "compress": lambda network: compress(network, (0, 1)).network,
    "formulate": lambda network: len(formulate(network, (0, 1)).units),
    "propagate": lambda network: propagate(network, (0, 1)).upper[-1].tolist(),
    "verify": lambda network: verify(network, keep_class(Box(0, 1).spread(4), 0, 2)).answer,
}


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_take_files(verb: str, tmp_path: Path) -> None:
    network, path = random_file(tmp_path)
    run = VERBS[verb]
    assert run(path) == run(str(path)) == run(network)


def test_a_file_comes_back_as_an_onnx_model(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    _, path = random_file(tmp_path)
    compression = compress(path, (0, 1))
    onnx.save(compression.model, tmp_path / "smaller.onnx")
    assert leo_opt.load(tmp_path / "smaller.onnx") == compression.network
    assert pickle.loads(pickle.dumps(compression)).network == compression.network


@pytest.mark.parametrize("value", [3, None, np.zeros(3), Network], ids=repr)
def test_what_is_no_network_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"network is .*not a Network"):
        compress(value, (0, 1))


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.extras
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("structured", [False, True])
def test_a_module_comes_back_as_a_module(torch: Any, structured: bool, dtype: str) -> None:
    nn = torch.nn
    torch.manual_seed(0)
    shape = (2, 5, 5) if structured else (6,)
    front = [nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten()] if structured else []
    module = nn.Sequential(
        *front, nn.Linear(27 if structured else 6, 12), nn.ReLU(), nn.Linear(12, 3), nn.Softmax(-1)
    ).to(getattr(torch, dtype))
    with torch.no_grad():
        bias = module[-4].bias
        bias += torch.as_tensor(settle(np.zeros(bias.shape))).to(bias.dtype)
    module[0].requires_grad_(False)
    state = copy.deepcopy(module.state_dict())
    for training, frozen in ((True, False), (False, True)):
        module.train(training)
        if frozen:
            module.requires_grad_(False)
        compression = compress(module, (0, 1), example=torch.zeros(1, *shape))
        smaller = compression.model
        assert smaller.training is training
        assert {p.requires_grad for p in smaller.parameters()} == {not frozen}
        assert {str(p.dtype) for p in smaller.parameters()} == {f"torch.{dtype}"}
        assert sum(compression.network.hidden_widths) < sum(compression.original.hidden_widths)
        inputs = torch.rand(50, *shape, dtype=getattr(torch, dtype))
        assert torch.allclose(smaller(inputs), module(inputs), atol=1e-4)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert ("Sequential in the place" in compression.summary()) == structured


@pytest.mark.extras
def test_a_module_of_several_inputs_is_refused_and_the_network_is_there(torch: Any) -> None:
    class Sum(torch.nn.Module):  # type: ignore[misc]
        def forward(self, one: Any, other: Any) -> Any:
            return torch.relu(one - 9.0) + other

    compression = compress(Sum(), (0, 1), example=(torch.zeros(1, 2), torch.zeros(1, 2)))
    with pytest.raises(UnsupportedOperatorError, match="several inputs"):
        _ = compression.model
    assert compression.network.output_size == 2
